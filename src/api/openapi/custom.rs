//! Paths of custom resources (`apiextensions-apiserver pkg/controller/openapi/builder`): like those
//! of built-in ones, but without watch paths, in JSON and YAML alone, and with fewer answers.

use crate::api::openapi::fixed::Section;
use crate::api::openapi::fixed::group_names;
use crate::api::openapi::parameter;
use crate::api::openapi::parameter::Parameter;
use crate::api::openapi::route;
use crate::api::openapi::route::Body;
use crate::api::openapi::route::Content;
use crate::api::openapi::route::Item;
use crate::api::openapi::route::Operation;
use crate::api::openapi::route::STATUS;
use crate::catalog::Resource;
use crate::catalog::custom::Served;
use crate::object::schema::Type;
use std::collections::BTreeMap;

/// The resources that documents are about: served versions of established definitions, by group
/// and version.
pub(super) fn published(served: &Served) -> BTreeMap<String, Vec<&'static Resource>> {
    let mut all: BTreeMap<String, Vec<&'static Resource>> = BTreeMap::new();
    for definition in served.definitions.values().filter(|found| found.established) {
        for row in definition.rows.resources.iter().filter(|row| row.served_by_default) {
            let name = format!("apis/{}/{}", row.group, row.version);
            all.entry(name).or_default().push(row);
        }
    }
    all
}

/// The paths of one group version's resources.
pub(super) fn section(name: &str, resources: &[&'static Resource]) -> Section {
    let mut items = Vec::new();
    for resource in resources {
        of_resource(resource, &mut items);
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Section { name: name.to_owned(), group_version: None, items, custom: resources.to_vec() }
}

/// What identifies the operations of one resource.
struct Context {
    resource: &'static Resource,
    /// "ExampleComV1".
    name: String,
    /// "exampleCom_v1".
    tag: String,
}

fn of_resource(resource: &'static Resource, out: &mut Vec<Item>) {
    let (name, tag) = group_names(resource.group);
    let context = Context {
        resource,
        name: format!("{name}{}", route::title(resource.version)),
        tag: format!("{tag}_{}", resource.version),
    };
    let root = format!("/apis/{}/{}", resource.group, resource.version);
    let scope = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
    let collection = format!("{root}/{scope}{}", resource.name);
    if resource.namespaced {
        let mut list = context.list();
        list.id = format!("list{}{}ForAllNamespaces", context.name, resource.kind);
        out.push(route::at_path(format!("{root}/{}", resource.name), Vec::new(), vec![list]));
    }
    let namespace = || {
        let namespaced = parameter::set("namespace").filter(|_| resource.namespaced);
        namespaced.collect::<Vec<Parameter>>()
    };
    let all = vec![context.list(), context.create(), context.delete_collection()];
    out.push(route::at_path(collection.clone(), namespace(), all));
    let object = format!("{collection}/{{name}}");
    let mut at_object = |path: String, operations| {
        let mut common = namespace();
        common.push(Parameter::name_of(resource.kind));
        out.push(route::at_path(path, common, operations));
    };
    let [get, put, patch] = context.view("", resource.ty);
    at_object(object.clone(), vec![get, put, context.delete(), patch]);
    for sub in &resource.subresources {
        let view = context.view(sub.name, sub.ty);
        at_object(format!("{object}/{}", sub.name), view.to_vec());
    }
}

impl Context {
    /// An operation without parameters of its own that answers with the object.
    fn operation(
        &self,
        (method, action, verb): (&'static str, &'static str, &str),
        parts: (&str, &str),
        description: String,
    ) -> Operation {
        let resource = self.resource;
        let scope = if resource.namespaced { "Namespaced" } else { "" };
        Operation {
            method,
            action,
            id: format!("{verb}{}{}{scope}{}{}", self.name, parts.0, resource.kind, parts.1),
            description,
            tag: self.tag.clone(),
            parameters: Vec::new(),
            body: Body::None,
            answer: Content::Object(resource.ty.name),
            gvk: Some((resource.group, resource.version, resource.kind)),
            custom: true,
        }
    }

    fn list(&self) -> Operation {
        let kind = self.resource.kind;
        let list = self.resource.custom.map_or("", |custom| custom.list_definition);
        Operation {
            parameters: parameter::set("list").collect(),
            answer: Content::Object(list),
            ..self.operation(
                ("get", "list", "list"),
                ("", ""),
                format!("list objects of kind {kind}"),
            )
        }
    }

    fn create(&self) -> Operation {
        let kind = self.resource.kind;
        let description = format!("create {}{kind}", route::article(kind));
        Operation {
            parameters: parameter::set("write").collect(),
            body: Body::Object(self.resource.ty),
            ..self.operation(("post", "post", "create"), ("", ""), description)
        }
    }

    fn delete_collection(&self) -> Operation {
        let description = format!("delete collection of {}", self.resource.kind);
        let verb = ("delete", "deletecollection", "delete");
        Operation {
            parameters: parameter::set("list").collect(),
            answer: Content::Object(STATUS),
            ..self.operation(verb, ("Collection", ""), description)
        }
    }

    fn delete(&self) -> Operation {
        let kind = self.resource.kind;
        let description = format!("delete {}{kind}", route::article(kind));
        Operation {
            parameters: parameter::set("delete").collect(),
            body: Body::DeleteOptions,
            answer: Content::Object(STATUS),
            ..self.operation(("delete", "delete", "delete"), ("", ""), description)
        }
    }

    /// What can be done at an object (`sub` is "") or a subresource of it.
    fn view(&self, sub: &str, ty: &'static Type) -> [Operation; 3] {
        let kind = self.resource.kind;
        let of = if sub.is_empty() { String::new() } else { format!(" {sub} of") };
        let suffix = route::title(sub);
        let operation = |verb, description| Operation {
            answer: Content::Object(ty.name),
            ..self.operation(verb, ("", &suffix), description)
        };
        let read = format!("read{of} the specified {kind}");
        let replace = format!("replace{of} the specified {kind}");
        let patch = format!("partially update{of} the specified {kind}");
        let revision = parameter::set("list").filter(|one| one.name == "resourceVersion");
        [
            Operation { parameters: revision.collect(), ..operation(("get", "get", "read"), read) },
            operation(("put", "put", "replace"), replace).writing(ty),
            operation(("patch", "patch", "patch"), patch).patching(),
        ]
    }
}
