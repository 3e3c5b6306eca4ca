//! NamespaceLifecycle: nothing is made in a namespace that is not there or is going; three
//! namespaces cannot go (features.md section 6.1).

use super::Reader;
use crate::request::{Attributes, Fault, Operation, Result, Subject};

const PROTECTED: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Checks the namespace of a write.
///
/// # Errors
/// 403 for a protected or terminating namespace, 404 for a missing one.
pub(super) async fn admit(at: &Attributes<'_>, reader: &Reader) -> Result<()> {
    let namespaces = at.resource.group.is_empty() && at.resource.name == "namespaces";
    if at.operation == Operation::Delete {
        if namespaces && PROTECTED.contains(&at.name) {
            let text = "this namespace may not be deleted".to_owned();
            return Err(Fault::Forbidden { subject: subject(at), message: text, cause: None });
        }
        return Ok(());
    }
    if at.namespace.is_empty() || namespaces {
        return Ok(());
    }
    let found = reader.fact("namespaces", "", at.namespace, |namespace| Phase {
        terminating: namespace.str_at(&["status", "phase"]) == "Terminating",
    });
    let Some(phase) = found.await? else {
        return Err(Fault::NotFound(Subject {
            group: "".into(),
            resource: "namespaces".into(),
            name: at.namespace.into(),
        }));
    };
    let review = at.resource.group == "authorization.k8s.io";
    if at.operation == Operation::Create && !review && phase.terminating {
        let name = at.namespace;
        let message = format!(
            "unable to create new content in namespace {name} because it is being terminated"
        );
        let cause = (
            "NamespaceTerminating",
            format!("namespace {name} is being terminated"),
            "metadata.namespace".to_owned(),
        );
        return Err(Fault::Forbidden {
            subject: subject(at),
            message,
            cause: Some(Box::new(cause)),
        });
    }
    Ok(())
}

/// What is asked of a namespace.
struct Phase {
    terminating: bool,
}

fn subject(at: &Attributes<'_>) -> Subject {
    Subject {
        group: at.resource.group.into(),
        resource: at.resource.name.into(),
        name: at.title.into(),
    }
}
