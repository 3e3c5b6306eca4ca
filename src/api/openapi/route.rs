//! Which paths and operations the server has, apart from how OpenAPI v2 and v3 write them down
//! (`APIInstaller.registerResourceHandlers` upstream).

use crate::api::openapi::parameter;
use crate::api::openapi::parameter::Parameter;
use crate::catalog::Resource;
use crate::catalog::Subresource;
use crate::object::schema::Type;

/// A path and what can be done there.
#[derive(Debug)]
pub(super) struct Item {
    /// The path with `{name}` placeholders.
    pub(super) path: String,
    /// Parameters of every operation, sorted.
    pub(super) common: Vec<Parameter>,
    /// Its operations.
    pub(super) operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    /// HTTP method in lower case.
    pub(super) method: &'static str,
    /// `x-kubernetes-action`; "" for what is no action on a resource.
    pub(super) action: &'static str,
    /// `operationId`.
    pub(super) id: String,
    /// What it does.
    pub(super) description: String,
    /// The tag that groups it.
    pub(super) tag: String,
    /// Parameters besides the common ones, sorted.
    pub(super) parameters: Vec<Parameter>,
    /// What the request body holds.
    pub(super) body: Body,
    /// What the answer holds.
    pub(super) answer: Content,
    /// Group, version and kind it acts on; none where `action` is "".
    pub(super) gvk: Option<(&'static str, &'static str, &'static str)>,
    /// It is on a custom resource.
    pub(super) custom: bool,
}

/// The body of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    /// None.
    None,
    /// DeleteOptions, which may be left out.
    DeleteOptions,
    /// An object of this type.
    Object(&'static Type),
    /// One of the patch formats.
    Patch,
}

/// The body of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    /// An object of this definition in all encodings.
    Object(&'static str),
    /// An object, JSON alone (`/version`).
    Json(&'static str),
    /// An object or a stream of events.
    Stream(&'static str),
    /// Text or an object's encodings (logs).
    Log,
    /// Anything (connections).
    Any,
    /// Text of this media type.
    Text(&'static str),
}

pub(super) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const WATCH_EVENT: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent";

/// What identifies the operations of one resource.
#[derive(Debug, Clone, Copy)]
struct Context<'c> {
    resource: &'static Resource,
    /// "CoreV1", "RbacAuthorizationV1".
    name: &'c str,
    tag: &'c str,
}

/// All paths of one resource below `root` (`/api/v1`).
pub(super) fn of_resource(
    root: &str,
    (name, tag): (&str, &str),
    resource: &'static Resource,
    out: &mut Vec<Item>,
) {
    let context = Context { resource, name, tag };
    let scope = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
    let collection = format!("{root}/{scope}{}", resource.name);
    let own = resource.kind;
    context.push(out, collection.clone(), Place::Collection, own, collection_operations(context));
    let object = format!("{collection}/{{name}}");
    context.push(out, object.clone(), Place::Object, own, object_operations(context));
    for sub in &resource.subresources {
        let path = format!("{object}/{}", sub.name);
        context.push(
            out,
            path.clone(),
            Place::Object,
            sub.kind,
            sub_operations(context, sub, false),
        );
        if sub.name == "proxy" {
            let path = format!("{path}/{{path}}");
            context.push(out, path, Place::Proxied, sub.kind, sub_operations(context, sub, true));
        }
    }
    if resource.namespaced && resource.has_verb("list") {
        let all = context.list("ForAllNamespaces");
        context.push(out, format!("{root}/{}", resource.name), Place::All, own, vec![all]);
    }
    if resource.has_verb("watch") {
        let path = format!("{root}/watch/{scope}{}", resource.name);
        let list = context.watch("List");
        context.push(out, path.clone(), Place::Collection, own, vec![list]);
        let one = context.watch("");
        context.push(out, format!("{path}/{{name}}"), Place::Object, own, vec![one]);
        if resource.namespaced {
            let path = format!("{root}/watch/{}", resource.name);
            context.push(out, path, Place::All, own, vec![context.watch("ListForAllNamespaces")]);
        }
    }
}

/// Which parameters a path's placeholders make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// All namespaces.
    All,
    /// A collection, of one namespace where there are namespaces.
    Collection,
    /// One object.
    Object,
    /// A path behind one object's proxy.
    Proxied,
}

fn collection_operations(context: Context<'_>) -> Vec<Operation> {
    let resource = context.resource;
    let mut all = Vec::with_capacity(3);
    if resource.has_verb("list") {
        all.push(context.list(""));
    }
    if resource.has_verb("create") {
        let description = format!("create {}{}", article(resource.kind), resource.kind);
        all.push(Operation {
            parameters: parameter::set("write").collect(),
            body: Body::Object(resource.ty),
            ..context.operation(("post", "post"), "create", ("", ""), description)
        });
    }
    if resource.has_verb("deletecollection") {
        let description = format!("delete collection of {}", resource.kind);
        all.push(Operation {
            parameters: parameter::set("collection").collect(),
            body: Body::DeleteOptions,
            answer: Content::Object(STATUS),
            ..context.operation(
                ("delete", "deletecollection"),
                "delete",
                ("Collection", ""),
                description,
            )
        });
    }
    all
}

fn object_operations(context: Context<'_>) -> Vec<Operation> {
    let resource = context.resource;
    let mut all = Vec::with_capacity(4);
    if resource.has_verb("get") {
        let description = format!("read the specified {}", resource.kind);
        all.push(context.operation(("get", "get"), "read", ("", ""), description));
    }
    if resource.has_verb("update") {
        let description = format!("replace the specified {}", resource.kind);
        let put = context.operation(("put", "put"), "replace", ("", ""), description);
        all.push(put.writing(resource.ty));
    }
    if resource.has_verb("delete") {
        let description = format!("delete {}{}", article(resource.kind), resource.kind);
        // A namespace comes back too, but upstream does not say so.
        let returned = resource.storage.is_some_and(|storage| storage.returns_deleted)
            && resource.name != "namespaces";
        all.push(Operation {
            parameters: parameter::set("delete").collect(),
            body: Body::DeleteOptions,
            answer: Content::Object(if returned { resource.ty.name } else { STATUS }),
            ..context.operation(("delete", "delete"), "delete", ("", ""), description)
        });
    }
    if resource.has_verb("patch") {
        let description = format!("partially update the specified {}", resource.kind);
        all.push(context.operation(("patch", "patch"), "patch", ("", ""), description).patching());
    }
    all
}

/// The operations of a subresource; `proxied` for the path behind a proxy.
fn sub_operations(
    context: Context<'_>,
    sub: &'static Subresource,
    proxied: bool,
) -> Vec<Operation> {
    if sub.kind.ends_with("Options") {
        return connections(context, sub, proxied);
    }
    let parent = context.resource.kind;
    let suffix = title(sub.name);
    let operation = |method, verb, description| Operation {
        answer: Content::Object(sub.ty.name),
        gvk: Some((sub.group, sub.version, sub.kind)),
        ..context.operation((method, method), verb, ("", &suffix), description)
    };
    let mut all = Vec::with_capacity(3);
    for verb in &sub.verbs {
        let name = sub.name;
        all.push(match *verb {
            "create" => Operation {
                parameters: parameter::set("write").collect(),
                body: Body::Object(sub.ty),
                ..operation(
                    "post",
                    "create",
                    format!("create {name} of {}{parent}", article(parent)),
                )
            },
            "get" => {
                let get =
                    operation("get", "read", format!("read {name} of the specified {parent}"));
                if name == "log" {
                    Operation {
                        parameters: parameter::set("log").collect(),
                        answer: Content::Log,
                        ..get
                    }
                } else {
                    get
                }
            }
            "update" => {
                let description = format!("replace {name} of the specified {parent}");
                operation("put", "replace", description).writing(sub.ty)
            }
            "patch" => {
                let description = format!("partially update {name} of the specified {parent}");
                operation("patch", "patch", description).patching()
            }
            _ => continue,
        });
    }
    all
}

/// What can be connected to: every method that the subresource's verbs stand for.
fn connections(context: Context<'_>, sub: &'static Subresource, proxied: bool) -> Vec<Operation> {
    const ALL: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
    let methods = if sub.name == "proxy" { &ALL[..] } else { &["get", "post"] };
    let suffix = format!("{}{}", title(sub.name), if proxied { "WithPath" } else { "" });
    let connect = |method: &&'static str| {
        let name = method.to_uppercase();
        let description =
            format!("connect {name} requests to {} of {}", sub.name, context.resource.kind);
        let verb = format!("connect{}", context.name);
        let namespaced = if context.resource.namespaced { "Namespaced" } else { "" };
        Operation {
            id: format!("{verb}{}{namespaced}{}{suffix}", title(method), context.resource.kind),
            parameters: parameter::set(sub.kind).collect(),
            answer: Content::Any,
            gvk: Some((sub.group, sub.version, sub.kind)),
            ..context.operation((method, "connect"), "connect", ("", ""), description)
        }
    };
    methods.iter().map(connect).collect()
}

impl Context<'_> {
    /// An operation that reads the resource; others change the fields that differ. `parts` stand
    /// before and after the kind in the operation's identifier.
    fn operation(
        self,
        (method, action): (&'static str, &'static str),
        verb: &str,
        parts: (&str, &str),
        description: String,
    ) -> Operation {
        let resource = self.resource;
        let everywhere = parts.1.ends_with("ForAllNamespaces");
        let scope = if resource.namespaced && !everywhere { "Namespaced" } else { "" };
        Operation {
            method,
            action,
            id: format!("{verb}{}{}{scope}{}{}", self.name, parts.0, resource.kind, parts.1),
            description,
            tag: self.tag.to_owned(),
            parameters: Vec::new(),
            body: Body::None,
            answer: Content::Object(resource.ty.name),
            gvk: Some((resource.group, resource.version, resource.kind)),
            custom: false,
        }
    }

    fn list(self, suffix: &str) -> Operation {
        let resource = self.resource;
        let watch = if resource.has_verb("watch") { " or watch" } else { "" };
        let description = format!("list{watch} objects of kind {}", resource.kind);
        Operation {
            parameters: parameter::set("list").collect(),
            answer: Content::Stream(resource.list_ty.map_or(resource.ty.name, |ty| ty.name)),
            ..self.operation(("get", "list"), "list", ("", suffix), description)
        }
    }

    fn watch(self, suffix: &str) -> Operation {
        let kind = self.resource.kind;
        let (action, description) = if suffix.is_empty() {
            let one = "instead, filtered to a single item with the 'fieldSelector' parameter";
            let what = format!("watch changes to an object of kind {kind}");
            (
                "watch",
                format!(
                    "{what}. deprecated: use the 'watch' parameter with a list operation {one}."
                ),
            )
        } else {
            let what = format!("watch individual changes to a list of {kind}");
            let text = "deprecated: use the 'watch' parameter with a list operation instead.";
            ("watchlist", format!("{what}. {text}"))
        };
        Operation {
            parameters: parameter::set("list").collect(),
            answer: Content::Stream(WATCH_EVENT),
            ..self.operation(("get", action), "watch", ("", suffix), description)
        }
    }

    /// Adds a path, unless nothing can be done there.
    fn push(
        self,
        out: &mut Vec<Item>,
        path: String,
        place: Place,
        kind: &str,
        operations: Vec<Operation>,
    ) {
        if operations.is_empty() {
            return;
        }
        let mut common = Vec::new();
        if self.resource.namespaced && place != Place::All {
            common.extend(parameter::set("namespace"));
        }
        if matches!(place, Place::Object | Place::Proxied) {
            common.push(Parameter::name_of(kind));
        }
        if place == Place::Proxied {
            common.extend(parameter::set("wildcard"));
        }
        out.push(at_path(path, common, operations));
    }
}

/// A path with parameters of its own. Parameters that all its operations have are written once, at
/// the path.
pub(super) fn at_path(
    path: String,
    mut common: Vec<Parameter>,
    mut operations: Vec<Operation>,
) -> Item {
    if operations.iter().all(|operation| operation.action != "connect") {
        common.extend(parameter::set("pretty"));
    }
    let first = operations.first().map_or(Vec::new(), |first| first.parameters.clone());
    for parameter in first {
        if operations.iter().all(|operation| operation.parameters.contains(&parameter)) {
            for operation in &mut operations {
                operation.parameters.retain(|other| *other != parameter);
            }
            common.push(parameter);
        }
    }
    common.sort();
    Item { path, common, operations }
}

impl Operation {
    /// Replacing an object of this type.
    pub(super) fn writing(self, ty: &'static Type) -> Self {
        Self { parameters: parameter::set("write").collect(), body: Body::Object(ty), ..self }
    }

    /// Patching an object.
    pub(super) fn patching(self) -> Self {
        Self { parameters: parameter::set("patch").collect(), body: Body::Patch, ..self }
    }
}

/// The indefinite article before a kind, with its space; none before a plural.
pub(super) fn article(kind: &str) -> &'static str {
    if kind.ends_with('s') && !kind.ends_with("ss") {
        ""
    } else if kind.starts_with(['A', 'E', 'I', 'O', 'U']) {
        "an "
    } else {
        "a "
    }
}

/// With the first letter in upper case.
pub(super) fn title(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(rest).collect()
}
