//! `pods/log`: the kubelet's text as it comes (`LogREST.Get`, `pod.LogLocation`).

use super::location;
use crate::api::Api;
use crate::base::limits::CLIENT_FORWARD_SECONDS_MAX;
use crate::client::{Payload, Streamed, Target, go_url_error};
use crate::http::{Body, HeaderValue, Method, Response, StatusCode, header};
use crate::object::field::{FieldError, Path};
use crate::request::{Denial, DenialDetails, Fault, Query, RequestInfo, Result, Subject};
use bumpalo::Bump;
use bytes::Bytes;
use futures_lite::StreamExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a kubelet's error that clients see (`maxReadLength`).
const ERROR_BYTES_MAX: usize = 50_000;

impl Api {
    pub(super) async fn log(&self, info: &RequestInfo<'_>, query: Query<'_>) -> Result<Response> {
        check(&info.name, query)?;
        let arena = Bump::new();
        let pod = self.pod(info, &arena).await?;
        let container = location::container(&pod, &query.text("container"))?;
        let Ok(node) = location::host_of(&pod) else {
            // Nothing has been logged by what runs nowhere.
            return Ok(Response::new(StatusCode::NO_CONTENT, Body::empty()));
        };
        let kubelet = self.kubelet(node).await?;
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut url = format!(
            "https://{}/containerLogs/{}/{}/{container}",
            location::with_port(&kubelet.host, &kubelet.port),
            info.namespace,
            info.name
        );
        let mut separator = '?';
        for (name, value) in parameters(query) {
            url.push(separator);
            url.push_str(&format!("{name}={}", encoded(&value)));
            separator = '&';
        }
        let connector = &self.connector;
        let unverified = query.flag("insecureSkipTLSVerifyBackend") == Some(true);
        let trust = if unverified { &connector.unverified_kubelet } else { &connector.kubelet };
        let target = Target::of_url(Arc::clone(trust));
        let request = http::Request::get(&url)
            .body(Payload::whole(Bytes::new()))
            .map_err(|error| Fault::Plain(error.to_string()))?;
        let time = Duration::from_secs(CLIENT_FORWARD_SECONDS_MAX);
        let answered = connector.client.stream(&target, request, time).await;
        let answer =
            answered.map_err(|error| Fault::Plain(go_url_error(&Method::GET, &url, &error)))?;
        match answer.head.status().as_u16() {
            200..=206 => {
                let body = Body::breakable_stream(answer.body.map(|piece| piece.ok()));
                let text = HeaderValue::from_static("text/plain");
                Ok(Response::new(StatusCode::OK, body).with(header::CONTENT_TYPE, text))
            }
            code => Err(kubelet_fault(code, answer, info).await),
        }
    }
}

/// The parameters that the kubelet gets, in the order of their names.
fn parameters(query: Query<'_>) -> Vec<(&'static str, String)> {
    let flag = |name| (query.flag(name) == Some(true)).then(|| (name, "true".to_owned()));
    let text = |name| {
        let text = query.text(name);
        (!text.is_empty()).then(|| (name, text.into_owned()))
    };
    let all = [
        flag("follow"),
        text("limitBytes"),
        flag("previous"),
        text("sinceSeconds"),
        text("sinceTime"),
        text("tailLines"),
        flag("timestamps"),
    ];
    all.into_iter().flatten().collect()
}

/// `ValidatePodLogOptions`.
fn check(name: &str, query: Query<'_>) -> Result<()> {
    let number = |name: &str| query.int(name).map_err(Fault::BadRequest);
    let mut errors = Vec::new();
    let mut at_least = |name: &'static str, least: i64, number: Option<i64>| {
        let text = match least {
            0 => "must be greater than or equal to 0",
            _ => "must be greater than 0",
        };
        if let Some(number) = number.filter(|number| *number < least) {
            errors.push(FieldError::invalid(&Path::root(name), number, text));
        }
    };
    at_least("tailLines", 0, number("tailLines")?);
    at_least("limitBytes", 1, number("limitBytes")?);
    let seconds = number("sinceSeconds")?;
    if seconds.is_some() && query.first("sinceTime").is_some() {
        let text = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors.push(FieldError::forbidden(&Path::root(""), text));
    } else {
        at_least("sinceSeconds", 1, seconds);
    }
    if errors.is_empty() {
        return Ok(());
    }
    let subject =
        Subject { group: String::new(), resource: "PodLogOptions".into(), name: name.into() };
    Err(Fault::Invalid { subject, errors })
}

/// What a kubelet refuses, as clients see it (`GenericHttpResponseChecker`).
async fn kubelet_fault(code: u16, answer: Streamed, info: &RequestInfo<'_>) -> Fault {
    let mut text = Vec::new();
    while let Ok(Ok(piece)) = answer.body.recv().await {
        text.extend_from_slice(&piece);
        if text.len() >= ERROR_BYTES_MAX {
            text.truncate(ERROR_BYTES_MAX);
            break;
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let (reason, message) = match code {
        500 => return Fault::Internal(text),
        400 => return Fault::BadRequest(text),
        404 => ("NotFound", "the server could not find the requested resource".to_owned()),
        401 => (
            "Unauthorized",
            "the server has asked for the client to provide credentials".to_owned(),
        ),
        403 => ("Forbidden", text),
        503 => (
            "ServiceUnavailable",
            "the server is currently unable to handle the request".to_owned(),
        ),
        501.. => (
            "InternalError",
            format!("an error on the server ({text:?}) has prevented the request from succeeding"),
        ),
        _ => (
            "",
            format!(
                "the server responded with the status code {code} but did not return more \
                 information"
            ),
        ),
    };
    let details = DenialDetails {
        name: info.name.to_string(),
        kind: "pods".to_owned(),
        ..DenialDetails::default()
    };
    Fault::Denied(Box::new(Denial {
        code,
        reason: reason.to_owned(),
        message: format!("{message} ( pods {})", info.name),
        details: Some(details),
    }))
}

#[cfg(test)]
mod tests {
    use super::{check, parameters};
    use crate::request::{Fault, Query};

    #[test]
    fn parameters_reach_the_kubelet_and_others_do_not() {
        let query = Query::new("follow=true&tailLines=5&container=c&pretty=1&previous=false");
        let expected = [("follow", "true".to_owned()), ("tailLines", "5".to_owned())];
        assert_eq!(parameters(query), expected);
    }

    #[test]
    fn numbers_that_mean_nothing_are_invalid() {
        let errors = |query| match check("p", Query::new(query)) {
            Err(Fault::Invalid { errors, .. }) => {
                errors.iter().map(ToString::to_string).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
        let all = errors("tailLines=-1&limitBytes=0&sinceSeconds=0");
        assert_eq!(
            all,
            [
                "tailLines: Invalid value: -1: must be greater than or equal to 0",
                "limitBytes: Invalid value: 0: must be greater than 0",
                "sinceSeconds: Invalid value: 0: must be greater than 0",
            ]
        );
        assert_eq!(errors("sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z").len(), 1);
        assert_eq!(check("p", Query::new("tailLines=0")), Ok(()));
    }
}
