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
    Attributes, Context, DeleteOptions, Fault, FieldValidation, Operation, Result, Sent, User,
    WriteOptions,
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
        let (resource, arena) = (resource(of)?, Bump::new());
        let object = described(resource, text, FieldValidation::Strict, &arena)?;
        self.create_object(resource, namespace, object, &arena).await
    }

    /// Creates the object that the JSON describes, unless one of its name is there. It is looked
    /// for first: what is there may be refused for other reasons before its name, as a Service
    /// whose address is taken, namely by itself.
    ///
    /// # Errors
    /// Those of a read and of a create.
    pub(in crate::server) async fn ensure(
        self,
        of: Gvr,
        namespace: &str,
        text: &str,
    ) -> Result<()> {
        let (resource, arena) = (resource(of)?, Bump::new());
        let object = described(resource, text, FieldValidation::Strict, &arena)?;
        let (storage, name) = (stored::storage(resource)?, meta::name(&object));
        if self.api.registry.read(storage, namespace, name).await?.is_some() {
            return Ok(());
        }
        match self.create_object(resource, namespace, object, &arena).await {
            Err(Fault::AlreadyExists { .. }) => Ok(()),
            created => created,
        }
    }

    async fn create_object<'a>(
        self,
        resource: &'static Resource,
        namespace: &str,
        object: Value<'a>,
        arena: &'a Bump,
    ) -> Result<()> {
        let context = context();
        let of = (namespace, meta::name(&object));
        let at = attributes(resource, of, Operation::Create, &context);
        let (now, api_version) = (now(), expected(resource).api_version());
        let writer = self.writer(resource, &api_version, "", &now);
        let options = self.options();
        self.api.registry.create(&at, &options, Some(&writer), object, arena).await.map(drop)
    }

    /// Changes an object that is there.
    ///
    /// # Errors
    /// Those of an update; 404 if it is not there.
    pub(in crate::server) async fn update(
        self,
        of: Gvr,
        at: (&str, &str),
        change: &impl Change,
    ) -> Result<()> {
        let resource = resource(of)?;
        let context = context();
        let at = attributes(resource, at, Operation::Update, &context);
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
        at: (&str, &str),
        change: &impl Change,
    ) -> Result<()> {
        let resource = resource(of)?;
        let context = context();
        let at = attributes(resource, at, Operation::Update, &context);
        let at = Attributes { subresource: "status", ..at };
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
        let at = attributes(resource, (namespace, name), Operation::Update, &context);
        let at = Attributes { subresource: "status", ..at };
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
    pub(in crate::server) async fn delete(self, of: Gvr, at: (&str, &str)) -> Result<()> {
        let context = context();
        let at = attributes(resource(of)?, at, Operation::Delete, &context);
        self.api.registry.delete(&at, &DeleteOptions::default()).await.map(drop)
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
    described(resource(of)?, text, FieldValidation::Ignore, arena)
}

fn described<'a>(
    resource: &'static Resource,
    text: &str,
    validation: FieldValidation,
    arena: &'a Bump,
) -> Result<Value<'a>> {
    let (text, expected) = (text.as_bytes(), expected(resource));
    let mut object = body::decode(&context(), text, Format::Json, &expected, validation, arena)?;
    stored::fill_defaults(resource, &mut object, arena);
    Ok(object)
}

/// The catalog's row.
///
/// # Errors
/// 500 for what is no resource.
pub(in crate::server) fn resource((group, version, name): Gvr) -> Result<&'static Resource> {
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

/// A request of the server's own: `system:apiserver` (`user.APIServerUser`).
pub(in crate::server) fn context() -> Context {
    let user = User {
        name: "system:apiserver".into(),
        groups: vec!["system:masters".into(), "system:authenticated".into()],
        ..User::default()
    };
    Context::new(user, "kube-apiserver".into())
}

/// What the server does to the object of a namespace and a name.
pub(in crate::server) fn attributes<'r>(
    resource: &'static Resource,
    (namespace, name): (&'r str, &'r str),
    operation: Operation,
    context: &'r Context,
) -> Attributes<'r> {
    Attributes {
        resource,
        subresource: "",
        namespace,
        name,
        title: name,
        operation,
        by_update: false,
        sent: Sent::Nothing,
        dry_run: false,
        context,
    }
}
