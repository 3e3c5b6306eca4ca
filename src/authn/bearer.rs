//! Where bearer tokens stand in a request: the `Authorization` header, or a sub-protocol of a
//! WebSocket handshake, for browsers cannot set headers there (`request/bearertoken`,
//! `request/websocket`).

use super::Failure;
use crate::http::HeaderMap;
use crate::http::HeaderValue;
use crate::http::header;
use crate::request::Context;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What the sub-protocol that carries a token begins with.
const PROTOCOL_PREFIX: &str = "base64url.bearer.authorization.k8s.io.";
const EXTRA_SPACE: &str = "the provided Authorization header contains extra space before the \
                           bearer token, and is ignored";

/// The token of `Authorization: Bearer TOKEN`, by the header's text. Any other scheme is no
/// credential here, as upstream; `Basic` is gone there since 1.19.
pub(super) fn of_text<'r>(text: &'r str, context: &Context) -> Option<&'r str> {
    let mut parts = text.trim().splitn(3, ' ');
    let (scheme, token) = (parts.next()?, parts.next()?);
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    if token.is_empty() {
        if parts.next().is_some() {
            context.warn(EXTRA_SPACE);
        }
        return None;
    }
    Some(token)
}

/// The token of a WebSocket handshake, and the protocols that are left without it.
///
/// # Errors
/// For a token that is not well formed, or stands alone.
pub(super) fn of_protocols(headers: &HeaderMap) -> Result<Option<(String, String)>, Failure> {
    if !is_web_socket(headers) {
        return Ok(None);
    }
    let mut token: Option<String> = None;
    let mut others: Vec<&str> = Vec::new();
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    for protocol in texts.flat_map(|text| text.split(',')).map(str::trim) {
        let Some(encoded) = protocol.strip_prefix(PROTOCOL_PREFIX) else {
            others.push(protocol);
            continue;
        };
        if token.is_some() {
            let text = "multiple base64.bearer.authorization tokens specified";
            return Err(Failure::one(text));
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| Failure::one("invalid base64.bearer.authorization token encoding"))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::one("invalid base64.bearer.authorization token"))?;
        token = Some(text);
    }
    match token {
        Some(_) if others.is_empty() => Err(Failure::one("missing additional subprotocol")),
        Some(token) if !token.is_empty() => Ok(Some((token, others.join(",")))),
        _ => Ok(None),
    }
}

/// Takes tokens out of a request that is authenticated, so that nothing behind sees them.
pub(super) fn clear(headers: &mut HeaderMap) {
    headers.remove(header::AUTHORIZATION);
    if let Ok(Some((_, others))) = of_protocols(headers)
        && let Ok(value) = HeaderValue::from_str(&others)
    {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
}

fn is_web_socket(headers: &HeaderMap) -> bool {
    let has = |name: header::HeaderName, wanted: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.to_ascii_lowercase().split(',').any(|part| part.trim() == wanted)
    };
    has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_the_bearer_scheme_carries_a_token() {
        let token = |text: &str| {
            let context = Context::default();
            let token = of_text(text, &context).map(str::to_owned);
            (token, context.take_warnings().len())
        };
        assert_eq!(token("Bearer abc"), (Some("abc".into()), 0));
        assert_eq!(token("bearer abc x"), (Some("abc".into()), 0));
        assert_eq!(token("Basic YTpi"), (None, 0));
        assert_eq!(token("Bearer"), (None, 0));
        assert_eq!(token("Bearer  abc"), (None, 1));
    }

    #[test]
    fn a_web_socket_offers_its_token_as_a_protocol() {
        let with = |protocols: &str| {
            headers(&[
                ("connection", "keep-alive, Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-protocol", protocols),
            ])
        };
        let token = format!("{PROTOCOL_PREFIX}{}", URL_SAFE_NO_PAD.encode("abc"));
        let found = of_protocols(&with(&format!("v5, {token}"))).unwrap();
        assert_eq!(found, Some(("abc".to_owned(), "v5".to_owned())));
        let alone = of_protocols(&with(&token)).unwrap_err();
        assert_eq!(alone.to_string(), "missing additional subprotocol");
        assert_eq!(of_protocols(&with("v5")), Ok(None));
        assert!(of_protocols(&with(&format!("v5,{token},{token}"))).is_err());
        let mut cleared = with(&format!("v5,{token},v4"));
        clear(&mut cleared);
        assert_eq!(cleared["sec-websocket-protocol"], "v5,v4");
    }
}
