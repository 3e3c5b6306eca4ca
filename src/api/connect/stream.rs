//! `pods/exec`, `pods/attach`, `pods/portforward`: the client's connection joined to one with the
//! kubelet (`pkg/registry/core/pod/rest/subresources.go`).

use super::location;
use super::translate::{self, Wished};
use super::tunnel::{tunnel, tunnelled};
use super::websocket::{agree, offered};
use crate::api::upgrade::{self, Wanted};
use crate::api::{Api, Head};
use crate::authz::{Action, Verdict};
use crate::client::Target;
use crate::http::{Request, Response, Upgrade};
use crate::metrics::instruments;
use crate::request::{Context, Fault, Query, RequestInfo, Result, Subject, Verb};
use bumpalo::Bump;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::rc::Rc;
use std::sync::Arc;

/// What `url.QueryEscape` leaves as it is, beside letters and digits.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Api {
    pub(super) async fn stream(
        &self,
        context: &Context,
        info: &RequestInfo<'_>,
        head: Head<'_>,
        request: Request,
    ) -> Result<Response> {
        self.authorize_create(context, info).await?;
        let arena = Bump::new();
        let pod = self.pod(info, &arena).await?;
        let container = match info.subresource {
            "portforward" => None,
            _ => Some(location::container(&pod, &head.query.text("container"))?),
        };
        let node = location::host_of(&pod)?;
        let kubelet = self.kubelet(node).await?;
        let (namespace, name) = (info.namespace, &*info.name);
        let path = match container {
            None => format!("portForward/{namespace}/{name}"),
            Some(container) => format!("{}/{namespace}/{name}/{container}", info.subresource),
        };
        let parameters = match container {
            None => ports(head.query)?,
            Some(_) => streams(head.query, info.subresource),
        };
        let way = match kubelet.websockets {
            true => "proxied_to_kubelet",
            false => "translated_at_apiserver",
        };
        self.metrics.count(&instruments::STREAMS_ROUTED, &[way, info.subresource]);
        let host = location::with_port(&kubelet.host, &kubelet.port);
        let separator = if parameters.is_empty() { "" } else { "?" };
        let url = format!("https://{host}/{path}{separator}{parameters}");
        if !upgrade::is_upgrade(&request.headers) {
            return Err(Fault::BadRequest("Upgrade request required".to_owned()));
        }
        let target = Target::of_url(Arc::clone(&self.connector.kubelet));
        let client = &self.connector.client;
        // A kubelet that takes WebSockets gets what the client sends.
        let offered = if kubelet.websockets { Vec::new() } else { offered(&request.headers) };
        if container.is_some() && offered.contains(&translate::PROTOCOL) {
            let (client, wished) = (client.clone(), wished(head.query));
            let metrics = Rc::clone(&self.metrics);
            let run = move |upgraded| async move {
                let code = translate::run(client, target, url, wished, upgraded).await;
                metrics.count(&instruments::STREAMS_TRANSLATED, &[&code.to_string()]);
            };
            let answered = agree(&request, Some(translate::PROTOCOL), Upgrade::new(run));
            if answered.upgrade.is_none() {
                let code = answered.status.as_u16().to_string();
                self.metrics.count(&instruments::STREAMS_TRANSLATED, &[&code]);
            }
            return Ok(answered);
        }
        let mut headers = request.headers.clone();
        upgrade::append_forwarded_for(&mut headers, request.peer.address.ip());
        let wanted = Wanted { target: &target, url, method: request.method.clone(), headers };
        let protocols = tunnelled(&offered);
        if container.is_none() && !protocols.is_empty() {
            let answered = tunnel(client, &request, &protocols, wanted).await;
            let code = answered.as_ref().map_or(500, |answered| answered.status.as_u16());
            self.metrics.count(&instruments::STREAMS_TUNNELLED, &[&code.to_string()]);
            return answered.map_err(Fault::Plain);
        }
        upgrade::pass(client, wanted).await.map_err(Fault::Plain)
    }

    /// A WebSocket begins with a GET, which is authorized as `get`; the same with SPDY is a POST
    /// and `create`, so that is asked for too
    /// (gate `AuthorizePodWebsocketUpgradeCreatePermission`).
    async fn authorize_create(&self, context: &Context, info: &RequestInfo<'_>) -> Result<()> {
        if info.verb == Verb::Create {
            return Ok(());
        }
        let action = Action::of(info, "create");
        let decision = self.authorizer.decide(&context.user, &action, true).await;
        if decision.verdict == Verdict::Allow {
            return Ok(());
        }
        if let Some(why) = decision.error {
            return Err(Fault::Plain(why));
        }
        let subject = Subject {
            group: info.group.to_owned(),
            resource: info.resource.to_owned(),
            name: info.name.to_string(),
        };
        Err(Fault::Forbidden { subject, message: decision.reason.as_str().to_owned(), cause: None })
    }
}

/// The streams that the client wants.
fn wished(query: Query<'_>) -> Wished {
    let wants = |name| query.flag(name) == Some(true);
    let [stdin, stdout, stderr, tty] = ["stdin", "stdout", "stderr", "tty"].map(wants);
    Wished { stdin, stdout, stderr, tty }
}

/// The parameters that tell the kubelet what to run and which streams there are, as
/// `url.Values.Encode` orders them.
fn streams(query: Query<'_>, subresource: &str) -> String {
    let mut pairs = Vec::new();
    if subresource == "exec" {
        pairs.extend(query.all("command").map(|text| ("command", text.into_owned())));
    }
    for (name, told) in [("stderr", "error"), ("stdin", "input"), ("stdout", "output")] {
        if query.flag(name) == Some(true) {
            pairs.push((told, "1".to_owned()));
        }
    }
    if query.flag("tty") == Some(true) {
        pairs.push(("tty", "1".to_owned()));
    }
    let pairs: Vec<String> =
        pairs.iter().map(|(name, text)| format!("{name}={}", escaped(text))).collect();
    pairs.join("&")
}

/// `url.QueryEscape`.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string().replace("%20", "+")
}

/// The ports of a port-forward.
///
/// # Errors
/// 400 for what is none (`Convert_Slice_string_To_Slice_int32`).
pub(super) fn ports(query: Query<'_>) -> Result<String> {
    let mut ports = Vec::new();
    for values in query.all("ports") {
        for text in values.split(',') {
            ports.push(port(text)?.to_string());
        }
    }
    Ok(if ports.is_empty() { String::new() } else { format!("port={}", ports.join("%2C")) })
}

fn port(text: &str) -> Result<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let why = if digits { "value out of range" } else { "invalid syntax" };
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        let text = format!("strconv.ParseUint: parsing {text:?}: {why}");
        Fault::BadRequest(format!("cannot convert to []int32: {text}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelet_is_told_what_to_run_and_which_streams_there_are() {
        let query = Query::new("stdout=true&command=sh&command=-c&command=a+%26%20b&stdin=1&tty=0");
        assert_eq!(
            streams(query, "exec"),
            "command=sh&command=-c&command=a+%26+b&input=1&output=1"
        );
        assert_eq!(streams(Query::new("command=x&tty&stderr=1"), "attach"), "error=1&tty=1");
    }

    #[test]
    fn ports_are_numbers_of_sixteen_bits() {
        assert_eq!(ports(Query::new("ports=80,81&ports=5")), Ok("port=80%2C81%2C5".to_owned()));
        assert_eq!(ports(Query::new("")), Ok(String::new()));
        let refused = |query| match ports(Query::new(query)) {
            Err(Fault::BadRequest(text)) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            refused("ports=70000"),
            "cannot convert to []int32: strconv.ParseUint: parsing \"70000\": value out of range"
        );
        assert_eq!(
            refused("ports=+5"),
            "cannot convert to []int32: strconv.ParseUint: parsing \" 5\": invalid syntax"
        );
    }
}
