//! One call of a verb: what the verbs' handlers are given.

use super::form::Form;
use super::route::Target;
use crate::base::limits::REQUEST_BODY_BYTES_MAX;
use crate::codec::media::Format;
use crate::http::BodyError;
use crate::http::RequestBody;
use crate::registry::body::{Expected, api_version};
use crate::registry::{Manager, ManagerOperation};
use crate::request::{
    Attributes, Context, Fault, Operation, Query, RequestInfo, Result, WriteOptions,
    manager_from_user_agent,
};
use bytes::Bytes;

/// A routed request.
#[derive(Debug, Clone, Copy)]
pub struct Call<'r> {
    /// Who asks, and where warnings go.
    pub context: &'r Context,
    /// The parsed URL.
    pub info: &'r RequestInfo<'r>,
    /// The resource and verb.
    pub target: Target,
    /// The form of the answer.
    pub form: Form,
    /// The query.
    pub query: Query<'r>,
    /// The Content-Type header; "" if none.
    pub content_type: &'r str,
}

impl<'r> Call<'r> {
    /// What admission and the registry are told.
    pub fn attributes(&self, operation: Operation, dry_run: bool) -> Attributes<'_> {
        let resource = self.target.resource;
        let namespaces = resource.name == "namespaces" && resource.group.is_empty();
        Attributes {
            resource,
            subresource: self.target.subresource_name(),
            namespace: if namespaces { "" } else { self.info.namespace },
            name: if self.info.named { &self.info.name } else { "" },
            operation,
            dry_run,
            context: self.context,
        }
    }

    /// The kind that a body for the target must hold.
    pub fn expected(&self) -> Expected {
        let resource = self.target.resource;
        match self.target.subresource {
            Some(sub) => {
                Expected { group: sub.group, version: sub.version, kind: sub.kind, ty: sub.ty }
            }
            None => Expected {
                group: resource.group,
                version: resource.version,
                kind: resource.kind,
                ty: resource.ty,
            },
        }
    }

    /// Who owns the fields that this write sets. `now` is RFC 3339.
    pub fn manager<'m>(
        &'m self,
        options: &'m WriteOptions,
        operation: ManagerOperation,
        now: &'m str,
        names: &'m mut ManagerNames,
    ) -> Manager<'m> {
        let resource = self.target.resource;
        names.api_version = api_version(resource.group, resource.version);
        names.name = if options.field_manager.is_empty() {
            manager_from_user_agent(&self.context.user_agent)
        } else {
            options.field_manager.clone()
        };
        Manager {
            name: &names.name,
            operation,
            api_version: &names.api_version,
            subresource: self.target.subresource_name(),
            time: now,
        }
    }

    /// The media type of the body.
    ///
    /// # Errors
    /// 415 for one that objects are not read from.
    pub fn body_media(&self) -> Result<Format> {
        const TYPES: &str =
            "application/json, application/yaml, application/vnd.kubernetes.protobuf";
        match self.content_type.split(';').next().unwrap_or("").trim() {
            "" | "application/json" => Ok(Format::Json),
            "application/yaml" => Ok(Format::Yaml),
            "application/vnd.kubernetes.protobuf" => Ok(Format::Protobuf),
            _ => Err(Fault::UnsupportedMediaType(format!(
                "the body of the request was in an unknown format - accepted media types include: \
                 {TYPES}"
            ))),
        }
    }
}

/// Keeps the texts that a [`Manager`] borrows.
#[derive(Debug, Default)]
pub struct ManagerNames {
    name: String,
    api_version: String,
}

/// The whole body.
///
/// # Errors
/// 413 past 3 MiB, 400 if the client stops in the middle.
pub async fn read_body(body: RequestBody) -> Result<Bytes> {
    body.read(REQUEST_BODY_BYTES_MAX).await.map_err(|error| match error {
        BodyError::TooLarge => {
            Fault::TooLarge(format!("Request entity too large: limit is {REQUEST_BODY_BYTES_MAX}"))
        }
        BodyError::Aborted => Fault::BadRequest("unexpected EOF".into()),
    })
}
