//! The handler chain, in order, on one screen (features.md section 1):
//! audit id → URL → authentication → impersonation → flow control → authorization → health,
//! discovery, resources → headers.

use crate::api::admit::Admission;
use crate::api::aggregate::Aggregator;
use crate::api::answer::Answer;
use crate::api::compress::compress;
use crate::api::connect::{self, Connector, Kubelets};
use crate::api::discovery::Current;
use crate::api::documents;
use crate::api::form::{Asked, for_status};
use crate::api::issuer::Issuer;
use crate::api::{Api, Head};
use crate::authn::{Authenticator, ClientCertificate, Issuers, Shown, UsedSecret};
use crate::authz::{self, Action, Authorizer, Decision, Verdict};
use crate::base::{clock, ids};
use crate::cache::Cache;
use crate::catalog::catalog;
use crate::client::Client;
use crate::config::Config;
use crate::flow::{Flow, Seat};
use crate::http::{
    HeaderName, HeaderText, HeaderValue, Request, Response, StatusCode, Uri, header,
};
use crate::metrics::{Phase, Recorder, Tally};
use crate::object::selector::{FieldSelector, LabelSelector};
use crate::registry::conversion::Conversion;
use crate::registry::network::{Cidr, PortsSeen};
use crate::registry::{self, Registry};
use crate::request::{Context, Fault, Query, RequestInfo, RouterFault, User, Verb};
use crate::server::admitting;
use crate::server::auditing::{self, Audit};
use crate::server::authentication::Authentication;
use crate::server::filters::{self, Entered};
use crate::server::shard::{Shard, Shared};
use crate::server::{credentials, debug, health, scrape, turn, zpages};
use async_channel::Receiver;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::rc::Rc;

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
const FLOW_SCHEMA: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
const PRIORITY_LEVEL: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");

/// The annotation of audit events that says how the authorizer decided.
const DECISION: &str = "authorization.k8s.io/decision";
/// The one that says why.
const REASON: &str = "authorization.k8s.io/reason";

/// Headers that an answer has, those that are added further down among them: room made at once.
const HEADERS_USUAL: usize = 8;

/// A request as far as its URL and headers say.
struct Parsed<'r> {
    info: &'r RequestInfo<'r>,
    head: Head<'r>,
}

/// What a shard's requests pass through.
#[derive(Debug)]
pub struct Gate {
    authenticator: Rc<Authenticator>,
    authorizer: Authorizer,
    api: Api,
    discovery: Current,
    issuer: Option<Issuer>,
    flow: Flow,
    aggregator: Aggregator,
    used: Receiver<UsedSecret>,
}

impl Gate {
    /// The gate of one shard.
    ///
    /// # Errors
    /// The line for the operator: a token file that cannot be used, an unknown mode.
    pub(in crate::server) fn new(
        config: &Config,
        credentials: &credentials::Credentials,
        cache: &Cache,
        discovery: Current,
        metrics: Rc<Recorder>,
        shared: Shared,
    ) -> Result<Self, String> {
        let Authentication { authenticator, issuer: token_issuer, keys, used } =
            Authentication::new(
                config,
                credentials,
                &shared.providers,
                cache,
                Rc::clone(&metrics),
            )?;
        let services = &config.services;
        let ranges = services.cluster_ip_ranges.iter();
        let options = registry::Options {
            event_ttl_seconds: u32::try_from(config.store.event_ttl.as_secs()).unwrap_or(u32::MAX),
            sealer: shared.sealer,
            allow_privileged: config.allow_privileged,
            service_cidrs: ranges.filter_map(|cidr| Cidr::parse(&cidr.to_string())).collect(),
            node_ports: (services.node_port_first, services.node_port_last),
        };
        let links = shared.authorization.links(&metrics);
        let successes = shared.authorization.successes();
        let authorizer = Authorizer::of_links(links, successes, Rc::clone(&metrics));
        let with = (shared.client.clone(), shared.admission);
        let chain = admitting::chain(config, (cache, &metrics), &authorizer, with)?;
        let registry = Registry {
            cache: cache.clone(),
            admit: Admission { chain, authorizer: authorizer.clone() },
            options,
            ports_seen: PortsSeen::default(),
            conversion: Conversion::new(shared.client.clone()),
        };
        let api = Api {
            registry,
            authenticator: Rc::clone(&authenticator),
            token_issuer,
            authorizer: authorizer.clone(),
            min_request_timeout_seconds: config.requests.watch_timeout_min.as_secs(),
            unsafe_deletion: config.unsafe_deletion,
            metrics,
            connector: connector(config, credentials, shared.client.clone()),
        };
        let accounts = &config.authentication.service_accounts;
        let address = format!("{}:{}", config.serving.advertise_address, config.serving.port);
        let own = || format!("https://{address}/openid/v1/jwks");
        let uri = accounts.jwks_uri.clone().unwrap_or_else(own);
        let name = accounts.issuers.first().map_or("", String::as_str);
        let issuer = Issuer::new(name, &uri, &keys);
        let flow = Flow::new(turn::seats(config, cache.shard()));
        let identity = credentials.proxy_client.clone();
        let aggregator = Aggregator::new(shared.client, cache.clone(), identity);
        Ok(Self { authenticator, authorizer, api, discovery, issuer, flow, aggregator, used })
    }
}

/// The way to kubelets as the flags have it.
fn connector(config: &Config, credentials: &credentials::Credentials, client: Client) -> Connector {
    let kubelets = Kubelets {
        ca: credentials.kubelet_ca.clone(),
        identity: credentials.kubelet_client.clone(),
        port: config.outgoing.kubelet_port,
        address_types: config.outgoing.kubelet_address_types.clone(),
    };
    Connector::new(client, kubelets)
}

impl Gate {
    /// The resources, for the server's own writes.
    pub const fn api(&self) -> &Api {
        &self.api
    }

    /// Takes tokens of these issuers from now on.
    pub fn take_issuers(&self, issuers: Issuers) {
        *self.authenticator.tokens.issuers.borrow_mut() = issuers;
    }

    /// API services of other servers.
    pub const fn aggregator(&self) -> &Aggregator {
        &self.aggregator
    }

    /// Told of secrets whose tokens are used.
    pub fn used_secrets(&self) -> Receiver<UsedSecret> {
        self.used.clone()
    }

    /// Flow control.
    pub const fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Who decides what users may do.
    pub const fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }
}

/// Serves one request.
pub async fn handle(shard: &Shard, request: Request) -> Response {
    let audit_id = match request.header(AUDIT_ID) {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => ids::uuid(),
    };
    let agent = HeaderText::of(&request.headers, header::USER_AGENT);
    let mut context = Context::new(User::default(), agent);
    context.audited = shard.auditor.is_some();
    let version = request.version;
    let mut response = shard.gate.serve(shard, &mut context, request, &audit_id).await;
    add_headers(&mut response, &context, audit_id);
    filters::finish(shard, version, &context.user, &mut response);
    response
}

/// Why a request goes no further.
enum Refusal {
    /// It is not its turn.
    Answer(Box<Answer>),
    /// What the client is told.
    Fault(Fault),
    /// The authorizers failed.
    Error(String),
}

impl Refusal {
    /// What is answered to a request for `uri`; `refuse` answers faults.
    fn answer(self, uri: &Uri, refuse: impl FnOnce(Fault) -> Answer) -> Answer {
        match self {
            Self::Answer(answer) => *answer,
            // `RespondWithError`.
            Self::Fault(fault) => {
                let mut answer = refuse(fault);
                answer.headers.push(("x-content-type-options", "nosniff".to_owned()));
                answer
            }
            Self::Error(why) => Answer::internal_error(uri, &why),
        }
    }
}

/// What a stage has made.
enum Served {
    Answer(Answer),
    Response(Response),
}

impl Gate {
    async fn serve(
        &self,
        shard: &Shard,
        context: &mut Context,
        request: Request,
        audit_id: &str,
    ) -> Response {
        let uri = request.uri.clone();
        let Ok(path) = percent_decode_str(uri.path()).decode_utf8() else {
            return respond(Answer::text(400, "400 Bad Request"));
        };
        let query = Query::new(uri.query().unwrap_or_default());
        let method = request.method.clone();
        let info = match RequestInfo::parse(method.as_str(), &path, &query) {
            Ok(info) => info,
            Err(error) => {
                let why = format!("failed to create RequestInfo: {}", error.0);
                return respond(Answer::internal_error(&uri, &why));
            }
        };
        let accept = text(&request, header::ACCEPT);
        let content_type = text(&request, header::CONTENT_TYPE);
        let mut entered = match Entered::new(shard, &info, &method, query, &content_type) {
            Ok(entered) => entered,
            Err(turned_away) => return respond(*turned_away),
        };
        let head =
            Head { method: method.as_str(), accept: &accept, content_type: &content_type, query };
        let (mut seat, mut trail) = (None, None);
        let audit = Audit { id: audit_id, uri: &uri, trail: &mut trail };
        let parsed = Parsed { info: &info, head };
        let rest = Box::pin(self.admitted(shard, context, parsed, request, (audit, &mut seat)));
        let mut response = match entered.within(&shard.config, query, rest).await {
            Ok(Served::Answer(answer)) => respond(answer),
            Ok(Served::Response(response)) => response,
            Err(fault) => respond(refuse(fault, &accept, context, query)),
        };
        entered.keep(seat);
        entered.answered(&mut response, &context.laps);
        if let Some(trail) = trail {
            let lasts = filters::is_long_running(&info);
            Box::pin(auditing::end(trail, (context, lasts), &mut response)).await;
        }
        response
    }

    async fn admitted(
        &self,
        shard: &Shard,
        context: &mut Context,
        Parsed { info, head }: Parsed<'_>,
        mut request: Request,
        (mut audit, seat): (Audit<'_>, &mut Option<Seat>),
    ) -> Served {
        let Head { accept, query, .. } = head;
        let verb = if info.is_resource {
            Cow::Borrowed(info.verb.name())
        } else {
            Cow::Owned(head.method.to_ascii_lowercase())
        };
        let known = self.authenticate(shard, &request, info.path, context).await;
        let took = context.laps.lap(Phase::Authn);
        match known {
            Ok(user) => {
                shard.metrics.decided(Tally::AuthenticationSuccess, took);
                shard.metrics.authenticated(&user.name);
                context.user = user;
                self.authenticator.clear(&mut request.headers);
            }
            Err(tally) => {
                shard.metrics.decided(tally, took);
                let agent = &context.user_agent;
                Box::pin(audit.refused(shard, agent, info, &verb, &request)).await;
                return Served::Answer(refuse(Fault::Unauthorized, accept, context, query));
            }
        }
        if !audit.begin(shard, context, info, &verb, &request).await {
            let why = "failed to store audit event";
            return Served::Answer(Answer::internal_error(audit.uri, why));
        }
        let (fields, labels) = selected(info, query);
        let (fields, labels) = (fields.requirements(), labels.requirements());
        let action = Action { fields, labels, ..Action::of(info, &verb) };
        match self.permit(shard, context, info, &action, &request).await {
            Ok(taken) => *seat = taken,
            Err(refusal) => {
                return Served::Answer(
                    refusal.answer(audit.uri, |fault| refuse(fault, accept, context, query)),
                );
            }
        }
        if let Some(remote) = self.aggregator.find(info.path) {
            let user = Rc::clone(&context.user);
            return Served::Response(self.aggregator.answer(&remote, request, &user).await);
        }
        if info.path == "/metrics" {
            return Served::Response(scrape::answer(shard).await);
        }
        if !info.is_resource {
            let form = Asked { accept, user_agent: &context.user_agent, query };
            return self.non_resource(shard, info, &request, form).await;
        }
        if connect::is_connection(info) {
            return match Box::pin(self.api.connect(context, info, head, request)).await {
                Ok(response) => Served::Response(response),
                Err(fault) => Served::Answer(refuse(fault, accept, context, query)),
            };
        }
        let encodings = text(&request, header::ACCEPT_ENCODING);
        let body = match audit.body(request.body, (head, &*context)).await {
            Ok(body) => body,
            Err(fault) => return Served::Answer(refuse(fault, accept, context, query)),
        };
        let answer = self.api.serve(context, info, head, body).await;
        let answer = compress(answer, &encodings);
        context.laps.lap(Phase::Encode);
        Served::Answer(answer)
    }

    /// Impersonation, flow control and authorization (`WithAuthorization`).
    async fn permit(
        &self,
        shard: &Shard,
        context: &mut Context,
        info: &RequestInfo<'_>,
        action: &Action<'_>,
        request: &Request,
    ) -> Result<Option<Seat>, Refusal> {
        self.impersonate(context, request, action).await.map_err(Refusal::Fault)?;
        let query = Query::new(request.query());
        let taken = turn::take(&self.flow, shard, context, (info, action.verb, query)).await;
        context.laps.lap(Phase::Queue);
        let seat = taken.map_err(Refusal::Answer)?;
        let told = shard.auditor.is_some();
        let decided = self.authorizer.decide(&context.user, action, told).await;
        let Decision { verdict, reason, error } = decided;
        let (tally, decision) = match verdict {
            Verdict::Allow => (Tally::AuthorizationAllowed, "allow"),
            _ if error.is_some() => (Tally::AuthorizationError, ""),
            Verdict::Deny => (Tally::AuthorizationDenied, "forbid"),
            Verdict::NoOpinion => (Tally::AuthorizationNoOpinion, "forbid"),
        };
        shard.metrics.decided(tally, context.laps.lap(Phase::Authz));
        match error.filter(|_| verdict != Verdict::Allow) {
            Some(why) => {
                context.annotate(REASON, "internal error");
                return Err(Refusal::Error(why));
            }
            None if told => {
                context.annotate(DECISION, decision);
                context.annotate(REASON, reason.as_str());
            }
            None => {}
        }
        if verdict == Verdict::Allow {
            return Ok(seat);
        }
        Err(Refusal::Fault(action.forbidden(&context.user, &reason)))
    }

    async fn authenticate(
        &self,
        shard: &Shard,
        request: &Request,
        path: &str,
        context: &Context,
    ) -> Result<Rc<User>, Tally> {
        let peer = &request.peer;
        let certificates = peer.certificates.as_ref();
        let known =
            peer.known.get_or_init(|| Rc::new(certificates.map(ClientCertificate::of_peer)));
        let certificate = known.downcast_ref::<Option<ClientCertificate>>();
        let certificate = certificate.and_then(Option::as_ref);
        if let Some(ClientCertificate::Verified(_, end)) = certificate {
            shard.metrics.certificate(*end - clock::unix_seconds());
        }
        let shown = Shown { headers: &request.headers, certificates, certificate, path };
        let found = self.authenticator.authenticate(shown, context).await;
        found.map(|identity| identity.user).map_err(|failure| {
            log::debug!("not authenticated: {failure}");
            if failure.is_empty() {
                Tally::AuthenticationFailure
            } else {
                Tally::AuthenticationError
            }
        })
    }

    /// Lets a user who may act as another one do so (`WithConstrainedImpersonation`).
    async fn impersonate(
        &self,
        context: &mut Context,
        request: &Request,
        action: &Action<'_>,
    ) -> Result<(), Fault> {
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let Some(wanted) = authz::wanted_user(headers)? else { return Ok(()) };
        let (acting, constraint) =
            self.authorizer.impersonate(&context.user, &wanted, action).await?;
        context.constraint = constraint;
        let requestor = std::mem::replace(&mut context.user, Rc::new(acting));
        context.impersonator = Some(requestor);
        Ok(())
    }

    async fn non_resource(
        &self,
        shard: &Shard,
        info: &RequestInfo<'_>,
        request: &Request,
        form: Asked<'_>,
    ) -> Served {
        if let Some(response) = health::answer(shard, info.path, request.query()) {
            return Served::Response(response);
        }
        if info.path == "/metrics/slis" {
            return Served::Response(scrape::slis(shard, &request.method).await);
        }
        if let Some(answer) = zpages::answer(shard, info.path, form) {
            return Served::Answer(answer);
        }
        if let Some(response) =
            debug::answer(shard, (&request.method, info.path), (form.query, form.accept)).await
        {
            return Served::Response(response);
        }
        if let Some(answer) = self.issuer.as_ref().and_then(|issuer| issuer.answer(info.path)) {
            let refused = documents::refused(request.method.as_str(), answer.content_type, form);
            return Served::Answer(refused.unwrap_or(answer));
        }
        let asked = documents::Asked {
            path: info.path,
            form,
            accept_encoding: &text(request, header::ACCEPT_ENCODING),
            if_none_match: &text(request, header::IF_NONE_MATCH),
        };
        let found = self.discovery.get(&self.aggregator.list());
        let is_index = matches!(info.path, "/" | "/index.html");
        let checks = if is_index { health::paths(shard) } else { Vec::new() };
        let method = request.method.as_str();
        let found = documents::answer(&found, &checks, method, asked).await;
        Served::Answer(match found {
            Some(answer) => answer,
            None if is_below_known_group(info.path) => {
                Answer::fault(Fault::Router(RouterFault::NotFound), &for_status(form))
            }
            None => Answer::not_found(),
        })
    }
}

/// The selectors that authorizers see: of verbs on collections, and only if they can be read.
fn selected(info: &RequestInfo<'_>, query: Query<'_>) -> (FieldSelector, LabelSelector) {
    let collection = matches!(info.verb, Verb::DeleteCollection | Verb::List | Verb::Watch);
    if !info.is_resource || info.watch_prefix || !collection {
        return Default::default();
    }
    let fields = query.first("fieldSelector").and_then(|text| FieldSelector::parse(&text).ok());
    let labels = query.first("labelSelector").and_then(|text| LabelSelector::parse(&text).ok());
    (fields.unwrap_or_default(), labels.unwrap_or_default())
}

/// `/apis/apps/v99`: the group is served, the version is not.
fn is_below_known_group(path: &str) -> bool {
    let group = path.strip_prefix("/apis/").and_then(|rest| rest.split('/').next());
    group.is_some_and(|name| catalog().groups().iter().any(|group| group.name == name))
}

fn refuse(fault: Fault, accept: &str, context: &Context, query: Query<'_>) -> Answer {
    let asked = Asked { accept, user_agent: &context.user_agent, query };
    Answer::fault(fault, &for_status(asked))
}

fn text(request: &Request, name: HeaderName) -> HeaderText {
    HeaderText::of(&request.headers, name)
}

fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(status, answer.body);
    let headers = &mut response.headers;
    headers.reserve(HEADERS_USUAL);
    if !answer.content_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    }
    if answer.retry_seconds > 0 {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(answer.retry_seconds));
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            let name = HeaderName::from_static(name);
            if name == header::VARY {
                headers.append(name, value);
            } else {
                headers.insert(name, value);
            }
        }
    }
    response
}

/// The headers that every answer has.
fn add_headers(response: &mut Response, context: &Context, audit_id: String) {
    if response.upgrade.is_some() {
        // It is the other end's, which the client sees as it came.
        return;
    }
    let headers = &mut response.headers;
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    }
    if let Ok(mut id) = HeaderValue::try_from(audit_id) {
        // No two are the same: kept out of the connection's table of headers, which it would flood.
        id.set_sensitive(true);
        headers.insert(AUDIT_ID, id);
    }
    if let Some([schema, level]) = &context.flow {
        headers.insert(FLOW_SCHEMA, schema.clone());
        headers.insert(PRIORITY_LEVEL, level.clone());
    }
    for warning in context.take_warnings() {
        if let Ok(value) = HeaderValue::from_str(&format!("299 - {}", quoted(&warning))) {
            headers.append(header::WARNING, value);
        }
    }
}

/// A quoted-string; control characters cannot stand in a header and are left out.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars().filter(|c| !c.is_control()) {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}
