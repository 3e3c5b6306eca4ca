//! Where the decoder stands: kept on the call stack, put into words only when an error needs it.

use crate::object::schema::{Field, Kind, Scalar, Shape, Type};

/// A place in the object being decoded.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    parent: Option<&'p Self>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'static Type, &'p str),
    Index(usize),
    Key(&'p str),
}

impl Place<'_> {
    pub(super) const ROOT: Place<'static> = Place { parent: None, step: Step::Root };

    pub(super) fn field<'c>(&'c self, owner: &'static Type, name: &'c str) -> Place<'c> {
        Place { parent: Some(self), step: Step::Field(owner, name) }
    }

    pub(super) fn index(&self, index: usize) -> Place<'_> {
        Place { parent: Some(self), step: Step::Index(index) }
    }

    pub(super) fn key<'c>(&'c self, key: &'c str) -> Place<'c> {
        Place { parent: Some(self), step: Step::Key(key) }
    }

    /// The path of a member of this place, as strict errors show it: `spec.ports[0].name`.
    pub(super) fn path_of(&self, member: &str) -> String {
        let mut path = String::new();
        self.write_path(&mut path);
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(member);
        path
    }

    fn write_path(&self, path: &mut String) {
        if let Some(parent) = self.parent {
            parent.write_path(path);
        }
        match self.step {
            Step::Root => {}
            Step::Index(index) => path.push_str(&format!("[{index}]")),
            Step::Field(_, name) | Step::Key(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
        }
    }

    /// The innermost Go struct, and the struct fields on the way here joined by dots: what
    /// `UnmarshalTypeError` shows. It leaves out indexes and map keys.
    pub(super) fn go_field(&self) -> Option<(&'static str, String)> {
        let mut owner = None;
        let mut names = Vec::new();
        let mut place = Some(self);
        while let Some(at) = place {
            if let Step::Field(ty, name) = at.step {
                owner = owner.or(Some(ty.go_name));
                names.push(name);
                names.extend(ty.field(name).and_then(|field| field.go.embedded));
            }
            place = at.parent;
        }
        names.reverse();
        Some((owner?, names.join(".")))
    }
}

impl Place<'_> {
    /// The Go type of a scalar at this place: that of the innermost field, if it has a name.
    pub(super) fn scalar_type(&self, scalar: Scalar) -> String {
        let mut place = Some(self);
        while let Some(at) = place {
            if let Step::Field(ty, name) = at.step {
                let field = ty.field(name).filter(|field| field.shape != Shape::MapOfLists);
                let known = field.and_then(|field| field.go.element);
                return known.map_or_else(|| element_type(Kind::Scalar(scalar)), str::to_owned);
            }
            place = at.parent;
        }
        element_type(Kind::Scalar(scalar))
    }

    /// The Go type of a list in a map of lists.
    pub(super) fn list_type(&self, kind: Kind) -> String {
        let named = match self.parent.map(|parent| parent.step) {
            Some(Step::Field(ty, name)) => ty.field(name).and_then(|field| field.go.element),
            _ => None,
        };
        named.map_or_else(|| format!("[]{}", element_type(kind)), str::to_owned)
    }
}

/// The Go type of a field.
pub(super) fn go_type(owner: &'static Type, field: &Field) -> String {
    if let Some(whole) = field.go.whole {
        return whole.to_owned();
    }
    let element = field.go.element.map_or_else(|| element_type(field.kind), str::to_owned);
    match field.shape {
        Shape::One => element,
        Shape::List => format!("[]{element}"),
        Shape::Map if is_resource_list(owner, field) => "v1.ResourceList".to_owned(),
        Shape::Map => format!("map[string]{element}"),
        Shape::MapOfLists if field.go.element.is_some() => format!("map[string]{element}"),
        Shape::MapOfLists => format!("map[string][]{element}"),
        Shape::MapOrStrings => format!("map[string]{element}OrStringArray"),
        Shape::OneOrBool => format!("{element}OrBool"),
        Shape::OneOrList => format!("{element}OrArray"),
    }
}

/// The Go type of one element of a field.
pub(super) fn element_type(kind: Kind) -> String {
    match kind {
        Kind::Scalar(scalar) => match scalar {
            Scalar::Bool => "bool",
            Scalar::Bytes => "[]uint8",
            Scalar::Duration | Scalar::MicroTime | Scalar::String | Scalar::Time => "string",
            Scalar::FieldsV1 => "v1.FieldsV1",
            Scalar::Float64 => "float64",
            Scalar::Int32 | Scalar::IntOrString => "int32",
            Scalar::Int64 => "int64",
            Scalar::Json => "v1.JSON",
            Scalar::Quantity => "resource.Quantity",
            Scalar::RawExtension => "runtime.RawExtension",
        }
        .to_owned(),
        Kind::Message(_) => kind.message().map_or_else(String::new, message_type),
    }
}

/// `v1.PodSpec` for `io.k8s.api.core.v1.PodSpec`.
pub(super) fn message_type(ty: &'static Type) -> String {
    let package = ty.name.rsplit('.').nth(1).unwrap_or("");
    format!("{package}.{}", ty.go_name)
}

/// True for `core/v1 ResourceList`, whose quantities are rounded up to thousandths on decoding
/// (`SetDefaults_ResourceList`).
pub(crate) fn is_resource_list(owner: &Type, field: &Field) -> bool {
    field.shape == Shape::Map
        && matches!(field.kind, Kind::Scalar(Scalar::Quantity))
        && owner.name.starts_with("io.k8s.api.core.v1.")
}
