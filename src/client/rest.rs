//! Calls of webhooks as client-go makes them: a POST of JSON, and its words for whatever else than
//! success comes back (`rest.Request.transformResponse`).

use crate::client::Client;
use crate::client::Target;
use crate::client::error::go_url_error;
use crate::codec::json;
use crate::object::Value;
use bytes::Bytes;
use http::Method;
use http::Request;
use http::header;
use std::time::Duration;

/// Bytes of an answer that is no object which messages show.
const SHOWN_BYTES_MAX: usize = 2_048;

/// The code of a call that nobody has answered.
const UNAVAILABLE: u16 = 503;

/// Why a webhook's call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestError {
    /// The code of the answer; 503 without one.
    pub code: u16,
    /// The text of `rest.Request.Do(…).Error()`.
    pub text: String,
}

impl Client {
    /// The body of the answer to a webhook's call, or the text of why there is none.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn post(
        &self,
        target: &Target,
        url: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Bytes, RestError> {
        let failed = |text: String| RestError { code: UNAVAILABLE, text };
        let request = Request::post(url)
            .header(header::ACCEPT, "application/json, */*")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "kube-apiserver-admission")
            .body(Bytes::from(body));
        let mut request = request.map_err(|error| failed(format!("{url}: {error}")))?;
        if let Some(authorization) = &target.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        let answered = self.call(target, request, timeout).await;
        let response =
            answered.map_err(|error| failed(go_url_error(&Method::POST, url, &error)))?;
        let code = response.status().as_u16();
        let media = response.headers().get(header::CONTENT_TYPE);
        let media = media.and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        match code {
            200..=206 if response.body().is_empty() => {
                let code = format!("status code: {code} and content type: {media}");
                Err(failed(format!("0-length response with {code}")))
            }
            200..=206 => Ok(response.into_body()),
            _ => Err(RestError { code, text: unexpected(code, &media, response.body()) }),
        }
    }
}

/// The words of the Status in an answer that is no success, else `NewGenericServerResponse`.
fn unexpected(code: u16, content_type: &str, body: &[u8]) -> String {
    let arena = bumpalo::Bump::new();
    if let Ok(status) = json::parse_any(body, &arena)
        && status.str_at(&["kind"]) == "Status"
        && status.str_at(&["status"]) == "Failure"
    {
        return status.str_at(&["message"]).to_owned();
    }
    let shown = body.get(..SHOWN_BYTES_MAX).unwrap_or(body);
    let is_text = content_type.is_empty() || content_type.starts_with("text/");
    let shown = match is_text {
        true => String::from_utf8_lossy(shown).trim().to_owned(),
        false => "unknown".to_owned(),
    };
    let fixed = match code {
        400 => "the server rejected our request for an unknown reason",
        401 => "the server has asked for the client to provide credentials",
        403 | 415 => return shown,
        404 => "the server could not find the requested resource",
        405 => "the server does not allow this method on the requested resource",
        406 if !shown.is_empty() && shown != "unknown" => return shown,
        406 => "the server was unable to respond with a content type that the client supports",
        409 => "the server reported a conflict",
        422 => "the server rejected our request due to an error in our request",
        429 => "the server has received too many requests and has asked us to try again later",
        503 => "the server is currently unable to handle the request",
        504 => {
            "the server was unable to return a response in the time allotted, but may still be \
             processing the request"
        }
        500.. => {
            return format!(
                "an error on the server ({shown:?}) has prevented the request from succeeding"
            );
        }
        _ => {
            return format!(
                "the server responded with the status code {code} but did not return more \
                 information"
            );
        }
    };
    fixed.to_owned()
}

/// Where a port of a Service is reached: its cluster IP, or its external name
/// (`k8s.io/apiserver/pkg/util/proxy` `ResolveCluster`).
///
/// # Errors
/// The texts of upstream's default resolver.
pub fn service_address(
    service: &Value<'_>,
    name: &str,
    port: u16,
) -> Result<(String, u16), String> {
    let cluster_ip = service.str_at(&["spec", "clusterIP"]);
    let mut ports = service.list_at(&["spec", "ports"]).iter();
    match service.str_at(&["spec", "type"]) {
        "ClusterIP" if cluster_ip == "None" => {
            Err("cannot route to service with ClusterIP \"None\"".to_owned())
        }
        "ClusterIP" | "NodePort" | "LoadBalancer" => {
            match ports.any(|found| found.i64_at(&["port"]) == Some(i64::from(port))) {
                true => Ok((cluster_ip.to_owned(), port)),
                false => Err(format!("no service port {port} found for service {name:?}")),
            }
        }
        "ExternalName" => Ok((service.str_at(&["spec", "externalName"]).to_owned(), port)),
        other => Err(format!("unsupported service type {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bumpalo::Bump;

    #[test]
    fn answers_that_are_no_success_read_as_from_client_go() {
        let text = unexpected(500, "text/plain", b"broken\n");
        let expected = "an error on the server (\"broken\") has prevented the request from \
                        succeeding";
        assert_eq!(text, expected);
        let status = br#"{"kind":"Status","status":"Failure","message":"no room"}"#;
        assert_eq!(unexpected(507, "application/json", status), "no room");
        assert_eq!(unexpected(403, "text/plain", b"go away"), "go away");
    }

    #[test]
    fn services_are_reached_by_cluster_ip_or_external_name() {
        let arena = Bump::new();
        let found = |spec: &str, port| {
            let text = format!(r#"{{"spec":{spec}}}"#);
            let service = json::parse_any(text.as_bytes(), &arena).expect("JSON");
            service_address(&service, "s", port)
        };
        let plain = r#"{"type":"ClusterIP","clusterIP":"10.0.0.1","ports":[{"port":443}]}"#;
        assert_eq!(found(plain, 443), Ok(("10.0.0.1".to_owned(), 443)));
        let text = "no service port 80 found for service \"s\"".to_owned();
        assert_eq!(found(plain, 80), Err(text));
        let outside = r#"{"type":"ExternalName","externalName":"h.example"}"#;
        assert_eq!(found(outside, 80), Ok(("h.example".to_owned(), 80)));
        let headless = r#"{"type":"ClusterIP","clusterIP":"None"}"#;
        assert!(found(headless, 80).is_err());
    }
}
