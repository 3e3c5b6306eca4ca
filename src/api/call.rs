//! One call of a verb: what the verbs' handlers are given.

use super::form::Form;
use super::route::Target;
use crate::base::limits::REQUEST_BODY_BYTES_MAX;
use crate::catalog::Resource;
use crate::codec::media::Format;
use crate::convert;
use crate::http::BodyError;
use crate::http::RequestBody;
use crate::object::managed::{Reset, Writer, manager_or_user_agent};
use crate::registry::body::{Expected, api_version};
use crate::request::{
    Attributes, Context, Fault, Operation, Query, RequestInfo, Result, Sent, WriteOptions,
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

impl Call<'_> {
    /// What admission and the registry are told.
    pub fn attributes(&self, operation: Operation, dry_run: bool) -> Attributes<'_> {
        let resource = self.target.resource;
        let namespaces = resource.name == "namespaces" && resource.group.is_empty();
        Attributes {
            resource,
            subresource: self.target.subresource_name(),
            namespace: if namespaces { "" } else { self.info.namespace },
            name: if self.info.named { &self.info.name } else { "" },
            title: if self.info.named { &self.info.name } else { "" },
            operation,
            by_update: false,
            sent: Sent::Query(self.query),
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
    pub fn writer<'m>(
        &self,
        options: &WriteOptions,
        now: &'m str,
        names: &'m mut WriterNames,
    ) -> Writer<'m> {
        let resource = self.target.resource;
        names.api_version = api_version(resource.group, resource.version);
        names.manager = manager_or_user_agent(&options.field_manager, &self.context.user_agent);
        let subresource = self.target.subresource_name();
        Writer {
            manager: &names.manager,
            api_version: &names.api_version,
            subresource,
            time: now,
            reset: reset_fields(resource, subresource),
            versions: &[],
            convert: convert::between_versions(resource),
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
            "" if self.content_type.is_empty() => Ok(Format::Json),
            "application/json" => Ok(Format::Json),
            "application/yaml" => Ok(Format::Yaml),
            "application/vnd.kubernetes.protobuf" => Ok(Format::Protobuf),
            _ => Err(Fault::UnsupportedMediaType(format!(
                "the body of the request was in an unknown format - accepted media types include: \
                 {TYPES}"
            ))),
        }
    }
}

/// Keeps the texts that a [`Writer`] borrows.
#[derive(Debug, Default)]
pub struct WriterNames {
    manager: String,
    api_version: String,
}

/// Groups whose `/status` keeps the metadata too.
const METADATA_KEPT: [&str; 9] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// What a write through this resource or subresource cannot change (`GetResetFields`).
pub fn reset_fields(resource: &Resource, subresource: &str) -> Reset<'static> {
    let status = resource.subresource("status").is_some();
    match (resource.group, resource.name, subresource) {
        ("", "pods", "status") => Reset::Paths(&[
            &["spec"],
            &["metadata", "deletionTimestamp"],
            &["metadata", "ownerReferences"],
        ]),
        ("", "pods", "ephemeralcontainers") => Reset::AllBut(&[&["spec", "ephemeralContainers"]]),
        ("apps", "deployments", "status") => Reset::Paths(&[&["spec"], &["metadata", "labels"]]),
        ("networking.k8s.io", "servicecidrs", "status") => {
            Reset::Paths(&[&["spec"], &["metadata"]])
        }
        ("networking.k8s.io", "servicecidrs", "") => Reset::Nothing,
        ("certificates.k8s.io", "certificatesigningrequests", "status") => {
            Reset::Paths(&[&["spec"], &["status", "conditions"]])
        }
        (group, _, "status") if METADATA_KEPT.contains(&group) => {
            Reset::Paths(&[&["spec"], &["metadata"]])
        }
        (_, _, "status") if resource.custom.is_some() => Reset::Paths(&[&["spec"], &["metadata"]]),
        ("certificates.k8s.io", "certificatesigningrequests", "") => {
            Reset::Paths(&[&["spec"], &["status"]])
        }
        ("certificates.k8s.io", "certificatesigningrequests", "approval") => {
            Reset::Paths(&[&["spec"], &["status", "certificate"]])
        }
        (_, _, "status") => Reset::Paths(&[&["spec"]]),
        (_, _, "") if status => Reset::Paths(&[&["status"]]),
        _ => Reset::Nothing,
    }
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
