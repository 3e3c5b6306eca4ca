//! All pods, in the forms that clients ask for them.

use super::stage::{Stage, namespace_name};
use crate::Fault;
use crate::client::{Call, Client, JSON, METADATA_LIST, PROTOBUF};
use crate::load::{self, Outcome, Until};
use crate::measure::{Loop, Measure};
use http_body_util::BodyExt;
use std::time::{Duration, Instant};

/// The annotation of the bookmark that ends a streamed list.
const INITIAL_END: &[u8] = b"k8s.io/initial-events-end";
/// How long a streamed list may take.
const STREAM: Duration = Duration::from_secs(60);

/// Each form, one request after the other; figures are by byte as well.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<Vec<Measure>, Fault> {
    let clients = stage.clients().await?;
    let mut all: Vec<Measure> = stage.standing_pods(&clients).await?.into_iter().collect();
    let client = &clients[..1];
    let one = format!("/api/v1/namespaces/{}/pods", namespace_name(0));
    let forms: [(&str, &str, &'static str, bool); 7] = [
        ("whole", "/api/v1/pods", JSON, false),
        ("whole rv=0", "/api/v1/pods?resourceVersion=0", JSON, false),
        ("protobuf", "/api/v1/pods", PROTOBUF, false),
        ("metadata", "/api/v1/pods", METADATA_LIST, false),
        ("selector 1%", "/api/v1/pods?labelSelector=team%3Dteam-7", JSON, false),
        ("namespace", &one, JSON, false),
        ("gzip", "/api/v1/pods", JSON, true),
    ];
    for (variant, path, accept, gzip) in forms {
        let call = Call::get(path).accept(accept);
        let call = if gzip { call.gzip() } else { call };
        let load = load::closed(client, 1, Until::Count(stage.scale.lists), move |_| call.clone());
        all.push(by_byte(stage.measure(variant, "LIST pods", Loop::Closed, load).await?));
    }
    let paged = pages(&clients[0], stage.scale.lists);
    all.push(by_byte(stage.measure("pages of 500", "LIST pods", Loop::Closed, paged).await?));
    let streamed = streams(&clients[0], stage.scale.lists);
    match stage.measure("streamed", "LIST pods", Loop::Closed, streamed).await {
        Ok(measure) => all.push(by_byte(measure)),
        // A kube-apiserver streams lists only from an etcd that tells its progress on demand.
        Err(why) => eprintln!("  streamed: {why}"),
    }
    Ok(all)
}

/// CPU by byte sent, and how far memory rose above where it was.
fn by_byte(measure: Measure) -> Measure {
    let Some(usage) = &measure.usage else { return measure };
    if measure.bytes == 0 {
        return measure;
    }
    let cpu = usage.server_cpu_seconds * 1e9 / measure.bytes as f64;
    let rise = usage.resident_peak_bytes.saturating_sub(usage.resident_before_bytes);
    measure.figure("server CPU ns a byte", cpu).figure("memory rise MB", rise as f64 / 1e6)
}

/// Whole lists, read in pages.
async fn pages(client: &Client, lists: u64) -> Result<Outcome, Fault> {
    let mut outcome = Outcome::default();
    let start = Instant::now();
    for _ in 0..lists {
        let began = Instant::now();
        let mut bytes = 0;
        let mut token = String::new();
        loop {
            let path = format!("/api/v1/pods?limit=500&continue={token}");
            let (status, body) = client.read(&Call::get(path)).await?;
            if status != 200 {
                return Err(format!("a page was answered with {status}").into());
            }
            bytes += body.len() as u64;
            token = continue_token(&body).unwrap_or_default();
            if token.is_empty() {
                break;
            }
        }
        outcome.count(began.elapsed(), Ok(bytes));
    }
    outcome.seconds = start.elapsed().as_secs_f64();
    Ok(outcome)
}

/// The token in a list's metadata, which stands before or after its items; decoding pages would
/// cost this process more than serving them costs the server.
fn continue_token(body: &[u8]) -> Option<String> {
    const MARK: &[u8] = br#""continue":""#;
    const NEAR: usize = 2048;
    let head = &body[..body.len().min(NEAR)];
    let tail = &body[body.len().saturating_sub(NEAR)..];
    [head, tail].into_iter().find_map(|part| {
        let at = part.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
        let end = part[at..].iter().position(|byte| *byte == b'"')? + at;
        Some(String::from_utf8_lossy(&part[at..end]).into_owned())
    })
}

/// Whole lists by `sendInitialEvents`, read up to the bookmark that ends them.
async fn streams(client: &Client, lists: u64) -> Result<Outcome, Fault> {
    let mut outcome = Outcome::default();
    let start = Instant::now();
    for _ in 0..lists {
        let began = Instant::now();
        let read = tokio::time::timeout(STREAM, stream(client));
        let bytes = read.await.map_err(|_| "a streamed list did not end")??;
        outcome.count(began.elapsed(), Ok(bytes));
    }
    outcome.seconds = start.elapsed().as_secs_f64();
    Ok(outcome)
}

/// One streamed list; its bytes.
pub(crate) async fn stream(client: &Client) -> Result<u64, Fault> {
    let path = "/api/v1/pods?watch=true&sendInitialEvents=true&allowWatchBookmarks=true\
                &resourceVersionMatch=NotOlderThan";
    let mut response = client.open(&Call::get(path)).await?;
    let mut bytes = 0;
    // The end of the frame before, where the mark may have begun.
    let mut last = Vec::new();
    while let Some(frame) = response.body_mut().frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        bytes += data.len() as u64;
        last.extend_from_slice(&data);
        if last.windows(INITIAL_END.len()).any(|window| window == INITIAL_END) {
            return Ok(bytes);
        }
        let keep = last.len().saturating_sub(INITIAL_END.len());
        last.drain(..keep);
    }
    Err(format!("a streamed list ended after {bytes} bytes without its bookmark").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_at_either_end() {
        let filler = "x".repeat(5000);
        let head = format!(r#"{{"metadata":{{"continue":"abc"}},"items":["{filler}"]}}"#);
        let tail = format!(r#"{{"items":["{filler}"],"metadata":{{"continue":"abd"}}}}"#);
        assert_eq!(continue_token(head.as_bytes()).as_deref(), Some("abc"));
        assert_eq!(continue_token(tail.as_bytes()).as_deref(), Some("abd"));
        assert_eq!(continue_token(b"{}"), None);
    }
}
