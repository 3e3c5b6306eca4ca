//! Questions to the authorizer (`library.Authz`, `library.AuthzSelectors`).

use super::super::authorizer::{Decision, Query};
use super::super::eval::{Builtin, Outcome, Scope};
use super::super::opaque::Opaque;
use super::super::value::{Fault, Val};
use super::text;

pub(super) fn function(name: &str) -> Option<Builtin> {
    Some(match name {
        "path" => |_, args| {
            build(args, |query, path| {
                if path.is_empty() {
                    return Err(Fault::error("path must not be empty"));
                }
                query.path = Some(path.to_owned());
                Ok(Opaque::PathCheck(query.clone()))
            })
        },
        "group" => |_, args| {
            build(args, |query, group| {
                query.group = group.to_owned();
                Ok(Opaque::GroupCheck(query.clone()))
            })
        },
        "resource" => |_, args| {
            build(args, |query, resource| {
                if resource.is_empty() {
                    return Err(Fault::error("resource must not be empty"));
                }
                query.resource = resource.to_owned();
                Ok(Opaque::ResourceCheck(query.clone()))
            })
        },
        "subresource" => |_, args| {
            build(args, |query, value| {
                query.subresource = value.to_owned();
                Ok(Opaque::ResourceCheck(query.clone()))
            })
        },
        "namespace" => |_, args| {
            build(args, |query, value| {
                query.namespace = value.to_owned();
                Ok(Opaque::ResourceCheck(query.clone()))
            })
        },
        "name" => |_, args| {
            build(args, |query, value| {
                query.name = value.to_owned();
                Ok(Opaque::ResourceCheck(query.clone()))
            })
        },
        "fieldSelector" => |_, args| {
            build(args, |query, value| {
                query.field_selector = value.to_owned();
                Ok(Opaque::ResourceCheck(query.clone()))
            })
        },
        "labelSelector" => |_, args| {
            build(args, |query, value| {
                query.label_selector = value.to_owned();
                Ok(Opaque::ResourceCheck(query.clone()))
            })
        },
        "serviceAccount" => |_, args| service_account(args),
        "check" => check,
        "allowed" => |_, args| Ok(Val::Bool(decision(args)?.allowed)),
        "errored" => |_, args| Ok(Val::Bool(!decision(args)?.error.is_empty())),
        "reason" => |_, args| Ok(Val::string(decision(args)?.reason.as_str())),
        "error" => |_, args| Ok(Val::string(decision(args)?.error.as_str())),
        _ => return None,
    })
}

fn query(value: Option<&Val<'_>>) -> Result<Query, Fault> {
    match value {
        Some(Val::Opaque(inner)) => match &**inner {
            Opaque::Authorizer(query)
            | Opaque::GroupCheck(query)
            | Opaque::PathCheck(query)
            | Opaque::ResourceCheck(query) => Ok(query.clone()),
            _ => Err(Fault::no_overload()),
        },
        _ => Err(Fault::no_overload()),
    }
}

fn build<'v>(args: &[Val<'v>], f: fn(&mut Query, &str) -> Result<Opaque, Fault>) -> Outcome<'v> {
    let [receiver, value] = args else { return Err(Fault::no_overload()) };
    let mut query = query(Some(receiver))?;
    f(&mut query, text(value)?).map(Val::opaque)
}

fn service_account<'v>(args: &[Val<'v>]) -> Outcome<'v> {
    let [receiver, namespace, name] = args else { return Err(Fault::no_overload()) };
    let mut query = query(Some(receiver))?;
    let (namespace, name) = (text(namespace)?, text(name)?);
    if !super::formats::is_subdomain(name) {
        return Err(Fault::error("Invalid service account name"));
    }
    if !super::formats::is_label(namespace) {
        return Err(Fault::error("Invalid service account namespace"));
    }
    query.service_account = Some((namespace.to_owned(), name.to_owned()));
    Ok(Val::opaque(Opaque::Authorizer(query)))
}

fn check<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let [receiver, verb] = args else { return Err(Fault::no_overload()) };
    let mut query = query(Some(receiver))?;
    text(verb)?.clone_into(&mut query.verb);
    match scope.authority().decide(&query) {
        Some(decision) => Ok(Val::opaque(Opaque::Decision(decision))),
        None => Err(Fault::Pending(Box::new(query))),
    }
}

fn decision<'a>(args: &'a [Val<'_>]) -> Result<&'a Decision, Fault> {
    match args.first() {
        Some(Val::Opaque(inner)) => match &**inner {
            Opaque::Decision(decision) => Ok(decision),
            _ => Err(Fault::no_overload()),
        },
        _ => Err(Fault::no_overload()),
    }
}
