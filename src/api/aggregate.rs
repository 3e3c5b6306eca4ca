//! API services that another server stands behind: which requests are theirs, and their way there
//! (`APIAggregator`, `proxyHandler` of kube-aggregator).

use super::discovery::{RemoteList, RemoteVersion};
use super::forward::{Forward, add_forwarded, forward};
use super::upgrade::{self, Wanted};
use crate::admission::Reader;
use crate::admission::webhook::resolve_service;
use crate::base::hash::HashMap;
use crate::base::limits::{CLIENT_FORWARD_SECONDS_MAX, REQUEST_BODY_BYTES_MAX};
use crate::cache::{Cache, Entry};
use crate::catalog::catalog;
use crate::client::{Client, Identity, Roots, Target, Trust, go_url_error};
use crate::http::{
    BodyError, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
};
use crate::request::User;
use crate::rt;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;
use bytes::Bytes;
use futures_lite::FutureExt as _;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long an API service may take to answer whether it is there.
const PROBE: Duration = Duration::from_secs(5);
/// How often API services are asked what they serve.
const RELIST: Duration = Duration::from_secs(60);

/// The API services of one shard; clones share them.
#[derive(Debug, Clone)]
pub struct Aggregator {
    remote: Rc<RefCell<BTreeMap<GroupVersion, Rc<Remote>>>>,
    /// What discovery shows of them.
    list: Rc<RefCell<Rc<RemoteList>>>,
    client: Client,
    reader: Reader,
    /// What is shown to the other servers (`--proxy-client-cert-file`).
    identity: Option<Identity>,
}

type GroupVersion = (Box<str>, Box<str>);

/// A group version that is served elsewhere.
#[derive(Debug)]
pub struct Remote {
    /// Its condition `Available` is true.
    pub available: bool,
    /// `versionPriority`.
    priority: i64,
    namespace: String,
    service: String,
    port: u16,
    trust: Arc<Trust>,
}

impl Remote {
    /// Its certificate is for the service.
    fn target(&self, address: (String, u16)) -> Target {
        let name = format!("{}.{}.svc", self.service, self.namespace);
        let trust = Arc::clone(&self.trust);
        Target { address: Some(address), server_name: Some(name), ..Target::of_url(trust) }
    }
}

impl Aggregator {
    /// Knows no API service until [`Aggregator::follow`] has read some.
    pub fn new(client: Client, cache: Cache, identity: Option<Identity>) -> Self {
        let reader = Reader::new(cache);
        Self { remote: Rc::default(), list: Rc::default(), client, reader, identity }
    }

    /// Follows the stored API services for as long as the shard runs.
    pub async fn follow(self, cache: Cache) {
        let Some(storage) = catalog().storage("apiservices") else { return };
        let mut services = cache.mirror(storage);
        let mut trusts = HashMap::default();
        services.changed().await;
        loop {
            let entries = services.entries();
            let remote: BTreeMap<_, _> =
                entries.filter_map(|entry| self.read(entry, &mut trusts)).collect();
            trusts.retain(|_, trust| Arc::strong_count(trust) > 1);
            let none = remote.is_empty();
            *self.remote.borrow_mut() = remote;
            self.show(false).await;
            let told = async {
                self.show(true).await;
                if none {
                    std::future::pending().await
                }
                // What they serve may change without a change of the API service.
                rt::sleep(RELIST).await;
            };
            told.or(services.changed()).await;
        }
    }

    /// What discovery shows of the remote group versions.
    pub fn list(&self) -> Rc<RemoteList> {
        Rc::clone(&self.list.borrow())
    }

    /// Makes the list for discovery anew, with what servers have told before, or tell now if asked.
    async fn show(&self, ask: bool) {
        let remote: Vec<(GroupVersion, Rc<Remote>)> =
            self.remote.borrow().iter().map(|(k, v)| (k.clone(), Rc::clone(v))).collect();
        let list = self.list();
        let list = &list;
        let asked = remote.iter().map(|((group, version), remote)| async move {
            let known =
                |known: &&RemoteVersion| *known.group == **group && *known.version == **version;
            let resources = match (remote.available, ask) {
                (false, _) => None,
                (true, true) => self.ask(remote, group, version).await,
                (true, false) => {
                    list.versions.iter().find(known).and_then(|known| known.resources.clone())
                }
            };
            let (group, version) = (group.to_string(), version.to_string());
            RemoteVersion { group, version, priority: remote.priority, resources }
        });
        let versions = rt::all(asked.collect()).await;
        let number = self.list.borrow().number + 1;
        *self.list.borrow_mut() = Rc::new(RemoteList { number, versions });
    }

    /// The resources that a server tells.
    async fn ask(&self, remote: &Remote, group: &str, version: &str) -> Option<Bytes> {
        let (_, answer) = self.get_root(remote, group, version).await.ok()?;
        (answer.status().as_u16() == 200).then(|| answer.into_body())
    }

    /// Who serves the path, if it is another server.
    pub fn find(&self, path: &str) -> Option<Rc<Remote>> {
        if self.remote.borrow().is_empty() {
            return None;
        }
        let mut parts = path.strip_prefix("/apis/")?.splitn(3, '/');
        self.get(parts.next()?, parts.next()?)
    }

    /// Who serves the group version, if it is another server.
    pub fn get(&self, group: &str, version: &str) -> Option<Rc<Remote>> {
        self.remote.borrow().get(&(Box::from(group), Box::from(version))).cloned()
    }

    /// The other server's answer to the request of `user`.
    pub async fn answer(&self, remote: &Remote, request: Request, user: &User) -> Response {
        if !remote.available {
            return refuse(503, "service unavailable");
        }
        let Remote { namespace, service, port, .. } = remote;
        let found = resolve_service(&self.reader, namespace, service, *port).await;
        let (host, port) = match found {
            Ok(found) => found,
            Err(why) => {
                log::warn!("error resolving {namespace}/{service}: {why}");
                return refuse(503, "service unavailable");
            }
        };
        let mut headers = request.headers.clone();
        set_user(&mut headers, user);
        let own = request.host().unwrap_or_default().to_owned();
        let path = request.uri.path_and_query().map_or("/", |both| both.as_str()).to_owned();
        let target = remote.target((host.clone(), port));
        let url = format!("https://{}{path}", with_port(&host, port));
        if upgrade::is_upgrade(&headers) {
            upgrade::append_forwarded_for(&mut headers, request.peer.address.ip());
            let wanted = Wanted { target: &target, url, method: request.method, headers };
            let passed = upgrade::pass(&self.client, wanted).await;
            return passed.unwrap_or_else(|why| refuse(503, &why));
        }
        add_forwarded(&mut headers, request.peer.address.ip(), &own, request.path());
        let body = match request.body.read(REQUEST_BODY_BYTES_MAX).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => return refuse(413, "http: request body too large"),
            Err(BodyError::Aborted) => return refuse(400, "unexpected EOF"),
        };
        let sent = Forward {
            target: &target,
            url,
            method: request.method,
            headers,
            body,
            timeout: Duration::from_secs(CLIENT_FORWARD_SECONDS_MAX),
        };
        let answered = forward(&self.client, sent).await;
        answered
            .unwrap_or_else(|error| refuse(503, &format!("error trying to reach service: {error}")))
    }

    /// Whether the other server answers (`AvailableConditionController.sync`).
    ///
    /// # Errors
    /// Why it counts as not available.
    pub async fn probe(&self, group: &str, version: &str) -> Result<(), String> {
        let Some(remote) = self.get(group, version) else {
            return Err("the API service is not known yet".to_owned());
        };
        let (url, answer) = self.get_root(&remote, group, version).await?;
        match answer.status().as_u16() {
            200..300 => Ok(()),
            code => Err(format!(
                "failing or missing response from {url}: bad status from {url}: {code}"
            )),
        }
    }

    /// Its URL and what the server answers for the group version as a whole.
    async fn get_root(
        &self,
        remote: &Remote,
        group: &str,
        version: &str,
    ) -> Result<(String, http::Response<Bytes>), String> {
        let Remote { namespace, service, port, .. } = remote;
        let (host, port) = resolve_service(&self.reader, namespace, service, *port).await?;
        let url = format!("https://{}/apis/{group}/{version}", with_port(&host, port));
        let failed = |why: String| format!("failing or missing response from {url}: {why}");
        let mut request = http::Request::get(&url)
            .header("accept", "application/json")
            .body(Bytes::new())
            .map_err(|error| failed(error.to_string()))?;
        let user = User {
            name: "system:kube-aggregator".to_owned(),
            groups: vec!["system:masters".to_owned()],
            ..User::default()
        };
        set_user(request.headers_mut(), &user);
        let answered = self.client.call(&remote.target((host, port)), request, PROBE).await;
        let answer = answered.map_err(|error| failed(go_url_error(&Method::GET, &url, &error)))?;
        Ok((url, answer))
    }

    fn read(
        &self,
        entry: &Entry,
        trusts: &mut HashMap<Roots, Arc<Trust>>,
    ) -> Option<(GroupVersion, Rc<Remote>)> {
        let arena = Bump::new();
        let object = entry.object(&arena).ok()?;
        let service = object.at(&["spec", "service"])?;
        let group = object.str_at(&["spec", "group"]);
        if group.is_empty() {
            return None;
        }
        let version = object.str_at(&["spec", "version"]);
        let mut conditions = object.list_at(&["status", "conditions"]).iter();
        let available = conditions.any(|condition| {
            condition.str_at(&["type"]) == "Available" && condition.str_at(&["status"]) == "True"
        });
        let bundle = STANDARD.decode(object.str_at(&["spec", "caBundle"])).unwrap_or_default();
        let roots = match (object.bool_at(&["spec", "insecureSkipTLSVerify"]), bundle.is_empty()) {
            (true, _) => Roots::Unverified,
            (false, true) => Roots::System,
            (false, false) => Roots::Pem(bundle),
        };
        let make = || Trust::new(roots.clone(), self.identity.clone());
        let trust = Arc::clone(trusts.entry(roots.clone()).or_insert_with(make));
        let port = service.i64_at(&["port"]).and_then(|port| u16::try_from(port).ok());
        let remote = Remote {
            available,
            priority: object.i64_at(&["spec", "versionPriority"]).unwrap_or(0),
            namespace: service.str_at(&["namespace"]).to_owned(),
            service: service.str_at(&["name"]).to_owned(),
            port: port.unwrap_or(443),
            trust,
        };
        Some(((group.into(), version.into()), Rc::new(remote)))
    }
}

/// `net.JoinHostPort`.
fn with_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// As `http.Error` writes it.
fn refuse(code: u16, text: &str) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    Response::text(code, format!("{text}\n"))
}

/// Says who asks, in the headers of a front proxy (`transport.SetAuthProxyHeaders`); what a client
/// has put there goes.
fn set_user(headers: &mut HeaderMap, user: &User) {
    let stale: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            matches!(name, "x-remote-user" | "x-remote-uid" | "x-remote-group")
                || name.starts_with("x-remote-extra-")
        })
        .cloned()
        .collect();
    for name in stale {
        headers.remove(name);
    }
    let mut add = |name: &str, value: &str| {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    };
    add("x-remote-user", &user.name);
    if !user.uid.is_empty() {
        add("x-remote-uid", &user.uid);
    }
    user.groups.iter().for_each(|group| add("x-remote-group", group));
    for (key, values) in &user.extra {
        let name = format!("x-remote-extra-{}", escaped(key));
        values.iter().for_each(|value| add(&name, value));
    }
}

/// What may not stand in a header's name is percent-encoded (`headerKeyEscape`).
fn escaped(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        let legal = byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
        if legal {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escaped, set_user, with_port};
    use crate::http::{HeaderMap, HeaderName, HeaderValue};
    use crate::request::User;

    #[test]
    fn a_client_cannot_say_who_it_is_to_the_other_server() {
        let mut headers = HeaderMap::new();
        for name in ["x-remote-user", "x-remote-group", "x-remote-extra-scopes", "accept"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("forged"));
        }
        let user = User {
            name: "me".to_owned(),
            groups: vec!["a".to_owned(), "b".to_owned()],
            extra: vec![("example.com/k".to_owned(), vec!["v".to_owned()])],
            ..User::default()
        };
        set_user(&mut headers, &user);
        let all = |name: &str| {
            headers.get_all(name).iter().map(|v| v.to_str().expect("text")).collect::<Vec<_>>()
        };
        assert_eq!(all("x-remote-user"), ["me"]);
        assert_eq!(all("x-remote-group"), ["a", "b"]);
        assert_eq!(all("x-remote-extra-example.com%2fk"), ["v"]);
        assert!(all("x-remote-extra-scopes").is_empty());
        assert_eq!(all("accept"), ["forged"]);
    }

    #[test]
    fn names_and_addresses_are_written_as_in_go() {
        assert_eq!(escaped("a b%"), "a%20b%25");
        assert_eq!(with_port("fd00::1", 443), "[fd00::1]:443");
    }
}
