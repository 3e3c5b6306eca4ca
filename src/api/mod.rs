//! The API: routes, negotiation, verb handlers and the shape of answers.

pub mod access_review;
pub mod action;
pub mod admit;
pub mod aggregate;
pub mod answer;
pub mod call;
pub mod compress;
pub mod connect;
pub mod discovery;
pub mod documents;
pub mod escalation;
mod eviction;
pub mod form;
pub mod forward;
pub mod identity_review;
pub mod issuer;
pub mod object;
pub mod openapi;
pub mod route;
pub mod status;
pub mod table;
pub mod token_request;
pub mod upgrade;
pub mod verb;

use crate::authn::{Authenticator, TokenIssuer};
use crate::authz::Authorizer;
use crate::http::RequestBody;
use crate::metrics::{Phase, Recorder};
use crate::registry::{Registry, stored};
use crate::request::{Context, Fault, ListOptions, Query, RequestInfo, Result, Verb};
use admit::Admission;
use answer::Answer;
use call::Call;
use connect::Connector;
use form::Asked;
use route::{Route, Target};
use std::rc::Rc;
use verb::list::Scope;

/// The API of one shard.
#[derive(Debug)]
pub struct Api {
    /// Objects and verbs.
    pub registry: Registry<Admission>,
    /// What token reviews ask.
    pub authenticator: Rc<Authenticator>,
    /// What makes tokens.
    pub token_issuer: Rc<TokenIssuer>,
    /// What access reviews ask.
    pub authorizer: Authorizer,
    /// `--min-request-timeout`, seconds: the least time a watch without a timeout lasts.
    pub min_request_timeout_seconds: u64,
    /// The feature gate `AllowUnsafeMalformedObjectDeletion`.
    pub unsafe_deletion: bool,
    /// Figures.
    pub metrics: Rc<Recorder>,
    /// The way to kubelets, pods and services.
    pub connector: Connector,
}

/// What a resource request carries beside its URL.
#[derive(Debug, Clone, Copy)]
pub struct Head<'r> {
    /// The HTTP method.
    pub method: &'r str,
    /// Accept; "" if none.
    pub accept: &'r str,
    /// Content-Type; "" if none.
    pub content_type: &'r str,
    /// The query.
    pub query: Query<'r>,
}

impl Api {
    /// Serves a request on a resource.
    pub async fn serve(
        &self,
        context: &Context,
        info: &RequestInfo<'_>,
        head: Head<'_>,
        body: RequestBody,
    ) -> Answer {
        let asked =
            Asked { accept: head.accept, user_agent: &context.user_agent, query: head.query };
        match self.dispatch(context, info, head, asked, body).await {
            Ok(answer) => answer,
            Err(fault) => Answer::fault(fault, &form::for_status(asked)),
        }
    }

    async fn dispatch(
        &self,
        context: &Context,
        info: &RequestInfo<'_>,
        head: Head<'_>,
        asked: Asked<'_>,
        body: RequestBody,
    ) -> Result<Answer> {
        let target = match route::route(head.method, info).map_err(Fault::Router)? {
            Route::Missing(resource) => return Err(stored::missing(resource, &info.name)),
            Route::Unknown => return Ok(Answer::not_found()),
            Route::Nameless => return Err(Fault::BadRequest("name must be provided".into())),
            Route::Unsupported(resource, verb) => {
                let subject = stored::subject(resource, "");
                return Err(Fault::MethodNotSupported(subject, verb.name()));
            }
            Route::Resource(target) => target,
        };
        if target.verb == Verb::Patch {
            verb::patch::accepted(&target, head.content_type)?;
        }
        let form = match target.resource.custom {
            Some(_) => form::negotiate_custom(asked),
            None => form::negotiate(asked, matches!(target.verb, Verb::List | Verb::Watch)),
        };
        if let Some(text) = deprecation(&target)
            && !matches!(form, Err(Fault::Router(_)))
        {
            context.warn(text);
            context.annotate("k8s.io/deprecated", "true");
        }
        if let Some(text) = target.resource.custom.and_then(|own| own.deprecation.as_deref()) {
            context.warn(text);
        }
        let form = form?;
        let query = head.query;
        let call = Call { context, info, target, form, query, content_type: head.content_type };
        if target.resource.storage.is_none() && target.verb != Verb::Create {
            return action::read(self, &call);
        }
        // Writes are boxed: their futures are several times those of reads, which would carry their
        // size.
        match target.verb {
            Verb::Create => Box::pin(verb::create::serve(self, &call, body)).await,
            Verb::Delete => Box::pin(verb::delete::serve(self, &call, body)).await,
            Verb::DeleteCollection => {
                Box::pin(verb::deletecollection::serve(self, &call, body)).await
            }
            Verb::Get => verb::get::serve(self, &call).await,
            Verb::List => self.list(&call).await,
            Verb::Patch => Box::pin(verb::patch::serve(self, &call, body)).await,
            Verb::Update => Box::pin(verb::update::serve(self, &call, body)).await,
            Verb::Watch => self.watch(&call).await,
            Verb::None | Verb::Proxy => {
                Err(Fault::Router(crate::request::RouterFault::MethodNotAllowed))
            }
        }
    }

    async fn list(&self, call: &Call<'_>) -> Result<Answer> {
        let options = ListOptions::parse(call.query, false)?;
        let scope = Scope { namespace: collection_namespace(&call.target, call.info), name: "" };
        let mut page =
            verb::list::read_page(&self.registry.cache, &call.target, scope, &options).await?;
        verb::list::leave_out_unreadable(self, call, &options, &mut page)?;
        self.registry.all_in_version(call.target.resource, &mut page.entries).await?;
        call.context.laps.lap(Phase::Cache);
        let body = verb::list::encode(&call.target, &call.form, scope, page)?;
        Ok(Answer::stream(200, call.form.content_type(), body))
    }

    async fn watch(&self, call: &Call<'_>) -> Result<Answer> {
        let options = ListOptions::parse(call.query, true)?;
        let name = if call.info.named { &*call.info.name } else { "" };
        if !name.is_empty()
            && let Some(other) = options.fields.requires_exact("metadata.name")
            && other != name
        {
            let text = "fieldSelector metadata.name doesn't match requested name";
            return Err(Fault::BadRequest(text.into()));
        }
        let scope = Scope { namespace: collection_namespace(&call.target, call.info), name };
        let resource = call.target.resource;
        let series = self.metrics.watch_series(resource.group, resource.version, resource.name);
        let body = verb::watch::open(
            &self.registry.cache,
            &call.target,
            &call.form,
            scope,
            &options,
            verb::watch::Terms {
                min_seconds: self.min_request_timeout_seconds,
                series,
                metrics: Rc::clone(&self.metrics),
                user: Rc::clone(&call.context.user),
                converter: self.registry.converts(resource).then(|| self.registry.clone()),
            },
        )
        .await?;
        let answer = Answer::stream(200, call.form.stream_type(), body);
        Ok(Answer { streams: true, ..answer })
    }
}

/// The warning that every use of a deprecated kind gets.
fn deprecation(target: &Target) -> Option<&'static str> {
    match (target.resource.group, target.resource.name) {
        ("", "endpoints") => {
            Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        }
        ("", "componentstatuses") => Some("v1 ComponentStatus is deprecated in v1.19+"),
        _ => None,
    }
}

/// A namespace object is its own namespace in the URL, but not where it is stored.
fn collection_namespace<'r>(target: &Target, info: &RequestInfo<'r>) -> &'r str {
    if target.resource.namespaced { info.namespace } else { "" }
}
