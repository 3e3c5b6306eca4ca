//! Writes Table documents (`metav1.Table`) as JSON.

use crate::api::table::Printer;
use crate::api::table::custom::CustomColumns;
use crate::api::table::row::Row;
use crate::api::table::since::Moment;
use crate::codec::json::write;
use crate::object::Value;

/// The version of the Table itself: `meta.k8s.io/v1` or `meta.k8s.io/v1beta1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaVersion {
    /// `v1`.
    V1,
    /// `v1beta1`.
    V1Beta1,
}

impl MetaVersion {
    /// The `apiVersion`.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// What stands in a row's `object` (`includeObject` of the request).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    /// `null`.
    None,
    /// PartialObjectMetadata; the default.
    Metadata,
    /// The whole object, in the version of the request.
    Object,
}

impl Include {
    /// Reads the query parameter; `None` for a value that is not allowed.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "None" => Some(Self::None),
            "" | "Metadata" => Some(Self::Metadata),
            "Object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// The `object` of one row, encoded.
#[derive(Debug, Clone, Copy)]
pub enum RowObject<'j> {
    /// `null`.
    None,
    /// The JSON of the object's `metadata`; it is wrapped as PartialObjectMetadata.
    Metadata(&'j [u8]),
    /// The JSON of the object.
    Object(&'j [u8]),
}

/// A list's metadata.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListMeta<'t> {
    /// Revision of the list, or of the one object.
    pub resource_version: &'t str,
    /// Token of the next page, "" for none.
    pub continue_token: &'t str,
    /// How many objects follow this page, where that is known.
    pub remaining_item_count: Option<u64>,
}

/// Where columns and cells come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A built-in kind.
    BuiltIn(&'static Printer),
    /// A custom resource.
    Custom(CustomColumns),
}

/// A Table being written: header first, then rows, then `finish`.
#[derive(Debug)]
pub struct Table {
    out: Vec<u8>,
    source: Source,
    version: MetaVersion,
    now: Moment,
    empty: bool,
}

impl Table {
    /// Starts a table in `out`. `header` is false for all but the first event of a watch; then the
    /// column definitions are `null`.
    pub fn begin(
        out: Vec<u8>,
        source: Source,
        version: MetaVersion,
        meta: ListMeta<'_>,
        header: bool,
        now: Moment,
    ) -> Self {
        let mut table = Self { out, source, version, now, empty: true };
        table.put(br#"{"kind":"Table","apiVersion":""#);
        table.put(version.api_version().as_bytes());
        table.put(br#"","metadata":"#);
        table.list_meta(meta);
        table.put(br#","columnDefinitions":"#);
        if header {
            table.header();
        } else {
            table.put(b"null");
        }
        table.put(br#","rows":["#);
        table
    }

    /// Adds the row of `stored`, an object in its stored version.
    pub fn row(&mut self, stored: &Value<'_>, object: RowObject<'_>) {
        self.put(if self.empty { br#"{"cells":["# } else { br#",{"cells":["# });
        self.empty = false;
        let mut row = Row::new(&mut self.out, self.now);
        match &self.source {
            Source::BuiltIn(printer) => (printer.cells)(stored, &mut row),
            Source::Custom(columns) => columns.cells(stored, &mut row),
        }
        self.out.push(b']');
        self.conditions(stored);
        self.put(br#","object":"#);
        match object {
            RowObject::None => self.put(b"null"),
            RowObject::Metadata(metadata) => {
                self.put(br#"{"kind":"PartialObjectMetadata","apiVersion":""#);
                self.put(self.version.api_version().as_bytes());
                self.put(br#"","metadata":"#);
                self.put(metadata);
                self.out.push(b'}');
            }
            RowObject::Object(object) => self.put(object),
        }
        self.out.push(b'}');
    }

    /// The document, with the newline that ends every JSON answer.
    pub fn finish(mut self) -> Vec<u8> {
        self.put(b"]}\n");
        self.out
    }

    fn header(&mut self) {
        match &self.source {
            Source::BuiltIn(printer) => {
                for (at, column) in printer.columns.iter().enumerate() {
                    self.out.push(if at == 0 { b'[' } else { b',' });
                    column.write(&mut self.out);
                }
            }
            Source::Custom(columns) => {
                self.out.push(b'[');
                columns.write(&mut self.out);
            }
        }
        self.out.push(b']');
    }

    fn conditions(&mut self, stored: &Value<'_>) {
        let Source::BuiltIn(printer) = self.source else { return };
        let Some((reason, message)) = (printer.completed)(stored) else { return };
        self.put(br#","conditions":[{"type":"Completed","status":"True","reason":""#);
        self.put(reason.as_bytes());
        self.put(br#"","message":""#);
        self.put(message.as_bytes());
        self.put(br#""}]"#);
    }

    fn list_meta(&mut self, meta: ListMeta<'_>) {
        let mut lead = b'{';
        for (name, text) in
            [("resourceVersion", meta.resource_version), ("continue", meta.continue_token)]
        {
            if !text.is_empty() {
                self.out.push(lead);
                lead = b',';
                write::string(name, &mut self.out);
                self.out.push(b':');
                write::string(text, &mut self.out);
            }
        }
        if let Some(count) = meta.remaining_item_count {
            self.out.push(lead);
            lead = b',';
            self.put(br#""remainingItemCount":"#);
            self.put(itoa::Buffer::new().format(count).as_bytes());
        }
        self.put(if lead == b'{' { b"{}" } else { b"}" });
    }

    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}
