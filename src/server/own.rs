//! Writes of the server's own, through the same registry as everyone's (upstream's loopback
//! client).

use crate::api::Api;
use crate::api::call::reset_fields;
use crate::base::{clock, timestamp};
use crate::catalog::{Resource, catalog};
use crate::codec::media::Format;
use crate::object::Value;
use crate::object::managed::Writer;
use crate::registry::{ApplyChange, Change, body, meta, stored};
use crate::request::{
    Attributes, Context, DeleteOptions, Fault, FieldValidation, Operation, RawDeleteOptions,
    Result, Sent, User, WriteOptions,
};
use bumpalo::Bump;

/// Group, version and resource.
pub(in crate::server) type Gvr = (&'static str, &'static str, &'static str);

/// A writer with its field manager.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Own<'a> {
    pub(in crate::server) api: &'a Api,
    pub(in crate::server) manager: &'static str,
}

impl Own<'_> {
    /// Creates the object that the JSON describes.
    ///
    /// # Errors
    /// Those of a create; 409 if it is there.
    pub(in crate::server) async fn create(
        self,
        of: Gvr,
        namespace: &str,
        text: &str,
    ) -> Result<()> {
        let resource = resource(of)?;
        let context = context();
        let arena = Bump::new();
        let expected = expected(resource);
        let strict = FieldValidation::Strict;
        let text = text.as_bytes();
        let mut object = body::decode(&context, text, Format::Json, &expected, strict, &arena)?;
        stored::fill_defaults(resource, &mut object, &arena);
        let name = meta::name(&object);
        let operation = Operation::Create;
        let at = Attributes { name, operation, ..attributes(resource, namespace, &context) };
        let (now, api_version) = (now(), expected.api_version());
        let writer = self.writer(resource, &api_version, "", &now);
        let options = self.options();
        self.api.registry.create(&at, &options, Some(&writer), object, &arena).await.map(drop)
    }

    /// Changes an object that is there.
    ///
    /// # Errors
    /// Those of an update; 404 if it is not there.
    pub(in crate::server) async fn update(
        self,
        of: Gvr,
        (namespace, name): (&str, &str),
        change: &impl Change,
    ) -> Result<()> {
        let resource = resource(of)?;
        let context = context();
        let at = Attributes { name, ..attributes(resource, namespace, &context) };
        let (now, api_version) = (now(), expected(resource).api_version());
        let writer = self.writer(resource, &api_version, "", &now);
        self.api.registry.update(&at, &self.options(), &writer, change).await.map(drop)
    }

    /// Changes the status of an object that is there.
    ///
    /// # Errors
    /// Those of an update; 404 if it is not there.
    pub(in crate::server) async fn update_status(
        self,
        of: Gvr,
        (namespace, name): (&str, &str),
        change: &impl Change,
    ) -> Result<()> {
        let resource = resource(of)?;
        let context = context();
        let at = attributes(resource, namespace, &context);
        let at = Attributes { name, subresource: "status", ..at };
        let (now, api_version) = (now(), expected(resource).api_version());
        let writer = self.writer(resource, &api_version, "status", &now);
        self.api.registry.update(&at, &self.options(), &writer, change).await.map(drop)
    }

    /// Applies the JSON to the status of an object that is there, by force.
    ///
    /// # Errors
    /// Those of a server-side apply; 404 if the object is not there.
    pub(in crate::server) async fn apply_status(
        self,
        of: Gvr,
        (namespace, name): (&str, &str),
        text: &str,
    ) -> Result<()> {
        let resource = resource(of)?;
        let context = context();
        let arena = Bump::new();
        let at = attributes(resource, namespace, &context);
        let at = Attributes { name, subresource: "status", ..at };
        let (now, api_version) = (now(), expected(resource).api_version());
        let writer = self.writer(resource, &api_version, "status", &now);
        let change = ApplyChange {
            config: body::decode_apply(text.as_bytes(), &arena)?.0,
            twice: None,
            expected: expected(resource),
            resource,
            defaults: Some(resource),
            writer: &writer,
            force: true,
            creates: false,
            validation: FieldValidation::Ignore,
            context: &context,
            name,
            namespace,
        };
        self.api.registry.update(&at, &self.options(), &writer, &change).await.map(drop)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// Those of a delete; 404 if it is not there.
    pub(in crate::server) async fn delete(
        self,
        of: Gvr,
        (namespace, name): (&str, &str),
    ) -> Result<()> {
        let context = context();
        let operation = Operation::Delete;
        let at = attributes(resource(of)?, namespace, &context);
        let at = Attributes { name, operation, ..at };
        self.api.registry.delete(&at, &no_options()?).await.map(drop)
    }

    fn writer<'w>(
        self,
        resource: &Resource,
        api_version: &'w str,
        subresource: &'static str,
        time: &'w str,
    ) -> Writer<'w> {
        let reset = reset_fields(resource, subresource);
        Writer {
            manager: self.manager,
            api_version,
            subresource,
            time,
            reset,
            versions: &[],
            convert: None,
        }
    }

    fn options(self) -> WriteOptions {
        WriteOptions {
            dry_run: false,
            field_manager: self.manager.into(),
            field_validation: FieldValidation::Ignore,
            force: None,
        }
    }
}

/// Gives an object this `spec`, and one annotation a value.
#[derive(Debug)]
pub(in crate::server) struct SetSpec<'b> {
    /// Defaulted; `None` to leave it.
    pub(in crate::server) spec: Option<Value<'b>>,
    pub(in crate::server) annotation: Option<(&'static str, &'static str)>,
}

impl Change for SetSpec<'_> {
    fn apply<'a>(&self, old: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        let mut new = old.copy_in(arena);
        if let (Some(map), Some(spec)) = (new.as_map_mut(), &self.spec) {
            map.insert("spec", spec.copy_in(arena));
        }
        if let Some((key, value)) = self.annotation {
            let metadata = meta::metadata_mut(&mut new, arena);
            metadata.entry_map("annotations").insert(key, Value::Str(value));
        }
        Ok(new)
    }
}

/// The object that the JSON describes, with its defaults.
///
/// # Errors
/// 500 for what is no resource, 400 for what does not decode.
pub(in crate::server) fn defaulted<'a>(
    of: Gvr,
    text: &'a str,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let resource = resource(of)?;
    let (expected, ignore) = (expected(resource), FieldValidation::Ignore);
    let context = context();
    let mut object =
        body::decode(&context, text.as_bytes(), Format::Json, &expected, ignore, arena)?;
    stored::fill_defaults(resource, &mut object, arena);
    Ok(object)
}

fn resource((group, version, name): Gvr) -> Result<&'static Resource> {
    catalog()
        .resource(group, version, name)
        .ok_or_else(|| Fault::Internal(format!("{name} are not in the catalog")))
}

fn expected(resource: &'static Resource) -> body::Expected {
    body::Expected {
        group: resource.group,
        version: resource.version,
        kind: resource.kind,
        ty: resource.ty,
    }
}

fn now() -> String {
    timestamp::rfc3339(clock::unix_seconds())
}

fn no_options() -> Result<DeleteOptions> {
    let none = RawDeleteOptions {
        dry_run: Vec::new(),
        grace_seconds: None,
        orphan_dependents: None,
        propagation: None,
        uid: None,
        resource_version: None,
        ignore_read_error: false,
    };
    none.check()
}

fn context() -> Context {
    let user = User {
        name: "system:apiserver".into(),
        groups: vec!["system:masters".into(), "system:authenticated".into()],
        ..User::default()
    };
    Context::new(user, "kube-apiserver".into())
}

fn attributes<'r>(
    resource: &'static Resource,
    namespace: &'r str,
    context: &'r Context,
) -> Attributes<'r> {
    Attributes {
        resource,
        subresource: "",
        namespace,
        name: "",
        title: "",
        operation: Operation::Update,
        by_update: false,
        sent: Sent::Nothing,
        dry_run: false,
        context,
    }
}
