//! What admission and the registry know of a write beside the object itself
//! (`admission.Attributes`).

use super::{Context, DeleteOptions, Propagation, Query};
use crate::catalog::Resource;
use crate::codec::json::write;

/// What a write does to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A streaming subresource is opened.
    Connect,
    /// The object is made.
    Create,
    /// The object is removed or marked.
    Delete,
    /// The object is changed.
    Update,
}

/// What a client has sent beside the object: `CreateOptions`, `UpdateOptions`, `DeleteOptions`.
#[derive(Debug, Clone, Copy)]
pub enum Sent<'r> {
    /// Nothing: the server itself writes.
    Nothing,
    /// In the query; those of a patch count as those of the create or update that it becomes.
    Query(Query<'r>),
    /// With a delete.
    Delete(&'r DeleteOptions),
}

impl Sent<'_> {
    /// Appends the options as admission shows them, JSON; `null` for a connect.
    pub fn write_options(self, operation: Operation, out: &mut Vec<u8>) {
        let kind = match operation {
            Operation::Connect => return out.extend_from_slice(b"null"),
            Operation::Create => "CreateOptions",
            Operation::Delete => "DeleteOptions",
            Operation::Update => "UpdateOptions",
        };
        let head = format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"meta.k8s.io/v1\"");
        out.extend_from_slice(head.as_bytes());
        match self {
            Self::Nothing => {}
            Self::Query(query) => {
                if query.first("dryRun").is_some() {
                    out.extend_from_slice(b",\"dryRun\":[\"All\"]");
                }
                for name in ["fieldManager", "fieldValidation"] {
                    let text = query.text(name);
                    if !text.is_empty() {
                        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                        write::string(&text, out);
                    }
                }
            }
            Self::Delete(options) => write_delete(options, out),
        }
        out.push(b'}');
    }
}

/// The fields of `DeleteOptions` in their order.
fn write_delete(options: &DeleteOptions, out: &mut Vec<u8>) {
    if let Some(seconds) = options.grace_seconds {
        out.extend_from_slice(format!(",\"gracePeriodSeconds\":{seconds}").as_bytes());
    }
    let preconditions = [("uid", &options.uid), ("resourceVersion", &options.resource_version)];
    let mut open = false;
    for (name, text) in preconditions {
        let Some(text) = text else { continue };
        out.extend_from_slice(if open { b"," } else { b",\"preconditions\":{" });
        open = true;
        out.extend_from_slice(format!("\"{name}\":").as_bytes());
        write::string(text, out);
    }
    if open {
        out.push(b'}');
    }
    if let Some(orphan) = options.orphan_dependents {
        out.extend_from_slice(format!(",\"orphanDependents\":{orphan}").as_bytes());
    }
    if let Some(propagation) = options.propagation {
        let name = match propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        out.extend_from_slice(format!(",\"propagationPolicy\":\"{name}\"").as_bytes());
    }
    if options.dry_run {
        out.extend_from_slice(b",\"dryRun\":[\"All\"]");
    }
}

/// One write.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'r> {
    /// The resource of the URL.
    pub resource: &'static Resource,
    /// The subresource of the URL; "" if none.
    pub subresource: &'r str,
    /// The namespace; "" for cluster-scoped resources.
    pub namespace: &'r str,
    /// The object's name; "" while it is not known.
    pub name: &'r str,
    /// What refusals call the object: its name, or what that will be made from.
    pub title: &'r str,
    /// What is done.
    pub operation: Operation,
    /// An update found nothing, and makes the object.
    pub by_update: bool,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// Where the options of the write come from.
    pub sent: Sent<'r>,
    /// Who asks.
    pub context: &'r Context,
}

impl Attributes<'_> {
    /// True for writes to `resource` of `group` itself, not to a subresource.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.resource.group == group
            && self.resource.name == resource
            && self.subresource.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, Sent};
    use crate::request::{DeleteOptions, Query};

    fn shown(sent: Sent<'_>, operation: Operation) -> String {
        let mut out = Vec::new();
        sent.write_options(operation, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn options_are_shown_as_they_were_sent() {
        let query = Query::new("dryRun=All&fieldManager=me&fieldValidation=Strict&force=true");
        assert_eq!(
            shown(Sent::Query(query), Operation::Update),
            concat!(
                r#"{"kind":"UpdateOptions","apiVersion":"meta.k8s.io/v1","dryRun":["All"],"#,
                r#""fieldManager":"me","fieldValidation":"Strict"}"#
            )
        );
        let uid = Some("u".to_owned());
        let options = DeleteOptions { grace_seconds: Some(0), uid, ..DeleteOptions::default() };
        assert_eq!(
            shown(Sent::Delete(&options), Operation::Delete),
            concat!(
                r#"{"kind":"DeleteOptions","apiVersion":"meta.k8s.io/v1","gracePeriodSeconds":0,"#,
                r#""preconditions":{"uid":"u"}}"#
            )
        );
        assert_eq!(shown(Sent::Nothing, Operation::Connect), "null");
    }
}
