//! An exec or attach over a WebSocket to a kubelet that speaks SPDY: channels of the one become
//! streams of the other (`NewStreamTranslatorHandler`, `remotecommand` of client-go).
//!
//! The client is answered first; what goes wrong with the kubelet is told on the error channel.

use super::tunnel::{STREAM_VERSION, speaks_spdy};
use super::websocket::send;
use crate::base::limits::{CLIENT_FORWARD_SECONDS_MAX, STREAM_ERROR_BYTES_MAX};
use crate::client::{Client, Duplex, Payload, Target, go_url_error};
use crate::codec::json::parse_any;
use crate::codec::spdy::{self, Received};
use crate::codec::websocket::{self, Kind, Message};
use crate::http::{HeaderValue, Method, Upgraded, UpgradedReader, UpgradedWriter, header};
use crate::rt;
use async_channel::Sender;
use bumpalo::Bump;
use bytes::{Bytes, BytesMut};
use futures_lite::future::or;
use serde_json::{Value, json};
use std::time::Duration;

/// The only protocol that is translated.
pub(super) const PROTOCOL: &str = "v5.channel.k8s.io";
/// What the kubelet is offered, the best first.
const VERSIONS: [&str; 5] = [
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
];
/// How often the kubelet is asked for a sign of life.
const PING: Duration = Duration::from_secs(5);
/// How long the client may take for the last words.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// What tells that a channel has ended, before the channel's number.
const END: u8 = 255;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;

/// Which streams there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wished {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
}

/// A stream with the kubelet.
#[derive(Debug, Clone, Copy)]
struct Stream {
    channel: u8,
    number: u32,
    /// The kubelet writes nothing more.
    ended: bool,
}

/// The code of a stream that has ended, and of one that broke off.
const DONE: u16 = 200;
const BROKEN: u16 = 500;

/// A session with the kubelet.
struct Session {
    duplex: Duplex,
    streams: Vec<Stream>,
    spdy: spdy::Writer,
    /// The version that the kubelet has chosen.
    version: String,
}

/// Runs what the client of a WebSocket wants at the kubelet's `url`, and tells the client how it
/// ended. Returns the code of that, as figures tell it.
pub(super) async fn run(
    client: Client,
    target: Target,
    url: String,
    wished: Wished,
    upgraded: Upgraded,
) -> u16 {
    let Upgraded { mut reader, mut writer } = upgraded;
    // The client learns that the connection stands.
    let lowest = match wished {
        Wished { stdout: true, .. } => STDOUT,
        Wished { stderr: true, .. } => STDERR,
        _ => ERROR,
    };
    if send(&mut writer, Kind::Binary, &[lowest], &[]).await.is_err() {
        return BROKEN;
    }
    let status = match begin(&client, &target, &url, wished).await {
        Ok(session) => session.carry(&mut reader, &mut writer).await,
        Err(why) => Some(internal_error(&why)),
    };
    let Some(status) = status else { return BROKEN };
    let code = status.get("code").and_then(Value::as_u64).and_then(|code| code.try_into().ok());
    let last_words = async {
        let text = status.to_string();
        send(&mut writer, Kind::Binary, &[ERROR], text.as_bytes()).await.ok();
        send(&mut writer, Kind::Close, &[], &1_000u16.to_be_bytes()).await.ok();
    };
    rt::timeout(LAST_WORDS, last_words).await.ok();
    // Success, and commands that say no, have none.
    code.unwrap_or(DONE)
}

/// Connects to the kubelet and opens the streams.
async fn begin(
    client: &Client,
    target: &Target,
    url: &str,
    wished: Wished,
) -> Result<Session, String> {
    let mut request = http::Request::new(Payload::whole(Bytes::new()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.parse().map_err(|_| format!("parse {url:?}: invalid URL"))?;
    let headers = request.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    for version in VERSIONS {
        headers.append(STREAM_VERSION, HeaderValue::from_static(version));
    }
    let time = Duration::from_secs(CLIENT_FORWARD_SECONDS_MAX);
    let answered = client.stream(target, request, time).await.map_err(|error| {
        format!("error sending request: {}", go_url_error(&Method::POST, url, &error))
    })?;
    let headers = answered.head.headers();
    let Some(duplex) = answered.duplex.filter(|_| speaks_spdy(headers)) else {
        let mut text = Vec::new();
        while let Ok(Ok(piece)) = answered.body.recv().await {
            text.extend_from_slice(&piece);
            if text.len() > STREAM_ERROR_BYTES_MAX {
                break;
            }
        }
        return Err(format!("unable to upgrade connection: {}", refusal(&text)));
    };
    let version = headers.get(&STREAM_VERSION).and_then(|value| value.to_str().ok());
    let version = version.unwrap_or_default().to_owned();
    let resizes = wished.tty && matches!(version.get(..2), Some("v3" | "v4" | "v5"));
    let channels = [
        (ERROR, "error", true),
        (STDIN, "stdin", wished.stdin),
        (STDOUT, "stdout", wished.stdout),
        (STDERR, "stderr", wished.stderr && !wished.tty),
        (RESIZE, "resize", resizes),
    ];
    let (mut spdy, mut out) = (spdy::Writer::default(), BytesMut::new());
    let mut streams = Vec::new();
    for (channel, name, wanted) in channels {
        if wanted {
            let number = spdy.open(&mut out, "streamtype", name);
            streams.push(Stream { channel, number, ended: false });
        }
    }
    duplex.sender.send(out.freeze()).await.map_err(|_| "EOF".to_owned())?;
    Ok(Session { duplex, streams, spdy, version })
}

/// What an answer says that is no upgrade (`upgradeErrorMessage`).
fn refusal(text: &[u8]) -> String {
    if let Ok(status) = serde_json::from_slice::<Value>(text) {
        for name in ["message", "error"] {
            if let Some(told) = status.get(name).and_then(Value::as_str).map(str::trim)
                && !told.is_empty()
            {
                return told.to_owned();
            }
        }
    }
    match String::from_utf8_lossy(text).trim() {
        "" => "empty server response".to_owned(),
        text => text.to_owned(),
    }
}

impl Session {
    /// Carries bytes until the command has ended; how it has, or nothing if the client has left.
    async fn carry(
        self,
        reader: &mut UpgradedReader,
        writer: &mut UpgradedWriter,
    ) -> Option<Value> {
        let Self { duplex, mut streams, mut spdy, version } = self;
        let (sender, receiver) = (&duplex.sender, &duplex.receiver);
        let numbers = streams.clone();
        let (pings, pinged) = async_channel::bounded::<Bytes>(1);
        let up = async {
            from_client(reader, sender, &numbers, &pings).await;
            None
        };
        let alive = async {
            loop {
                rt::sleep(PING).await;
                let mut out = BytesMut::new();
                spdy.ping(&mut out);
                if sender.send(out.freeze()).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let down = async {
            let (mut frames, mut error) = (spdy::Reader::default(), Vec::new());
            loop {
                let data = async { receiver.recv().await.ok().map(|bytes| (bytes, false)) };
                let ping = async { pinged.recv().await.ok().map(|bytes| (bytes, true)) };
                let Some((piece, is_ping)) = or(data, ping).await else { break };
                if is_ping {
                    send(writer, Kind::Pong, &[], &piece).await.ok()?;
                    continue;
                }
                frames.push(&piece);
                while let Ok(Some(received)) = frames.next_frame() {
                    take(received, &mut streams, &mut error, (writer, sender)).await?;
                }
                if streams.iter().all(|stream| stream.ended || stream.channel == RESIZE) {
                    break;
                }
            }
            Some(outcome(&error, &version))
        };
        or(or(down, up), alive).await
    }
}

/// What the client sends, to the streams; returns when it has left.
async fn from_client(
    reader: &mut UpgradedReader,
    sender: &Sender<Bytes>,
    streams: &[Stream],
    pings: &Sender<Bytes>,
) {
    let mut messages = websocket::Reader::default();
    let number = |channel: u8| {
        let writable = matches!(channel, STDIN | RESIZE);
        streams.iter().find(|stream| stream.channel == channel && writable).map(|s| s.number)
    };
    while let Ok(piece) = reader.read().await {
        if piece.is_empty() {
            return;
        }
        messages.push(&piece);
        loop {
            let data = match messages.next_message() {
                Ok(None) => break,
                Ok(Some(Message::Data(data))) => data,
                Ok(Some(Message::Ping(bytes))) => {
                    pings.try_send(bytes).ok();
                    continue;
                }
                Ok(Some(Message::Close)) | Err(websocket::Broken) => return,
            };
            let mut out = BytesMut::with_capacity(data.len() + 16);
            match *data {
                [] => continue,
                [END, channel] => match number(channel) {
                    Some(number) => spdy::data(&mut out, number, &[], true),
                    None => continue,
                },
                [END, ..] => return,
                [channel, ref bytes @ ..] => match number(channel) {
                    Some(number) if !bytes.is_empty() => {
                        spdy::data(&mut out, number, bytes, false);
                    }
                    _ => continue,
                },
            }
            if sender.send(out.freeze()).await.is_err() {
                // The kubelet has ended; what it said last is still to be told.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Gives the client what the kubelet has sent. `None` if one of them has gone.
async fn take(
    received: Received,
    streams: &mut [Stream],
    error: &mut Vec<u8>,
    (writer, sender): (&mut UpgradedWriter, &Sender<Bytes>),
) -> Option<()> {
    match received {
        Received::Data { stream, bytes, last } => {
            let Some(stream) = find(streams, stream) else { return Some(()) };
            match stream.channel {
                ERROR if error.len() + bytes.len() > STREAM_ERROR_BYTES_MAX => return None,
                ERROR => error.extend_from_slice(&bytes),
                channel @ (STDOUT | STDERR) if !bytes.is_empty() => {
                    send(writer, Kind::Binary, &[channel], &bytes).await.ok()?;
                }
                _ => {}
            }
            stream.ended |= last;
        }
        Received::Opened { stream, last } => {
            if let Some(stream) = find(streams, stream) {
                // Nobody reads what is written to: the kubelet need not end it.
                stream.ended |= last || stream.channel == STDIN;
            }
        }
        Received::Reset(stream) => {
            if let Some(stream) = find(streams, stream) {
                stream.ended = true;
            }
        }
        // An even number is the kubelet's own.
        Received::Ping(id) if id % 2 == 0 => {
            let mut out = BytesMut::new();
            spdy::pong(&mut out, id);
            sender.send(out.freeze()).await.ok();
        }
        Received::Ping(_) | Received::GoAway => {}
    }
    Some(())
}

fn find(streams: &mut [Stream], number: u32) -> Option<&mut Stream> {
    streams.iter_mut().find(|stream| stream.number == number)
}

/// How the command has ended, as the kubelet has told it on the error stream.
fn outcome(error: &[u8], version: &str) -> Value {
    if error.is_empty() {
        return success();
    }
    let text = String::from_utf8_lossy(error);
    if !matches!(version.get(..2), Some("v4" | "v5")) {
        return internal_error(&format!("error executing remote command: {text}"));
    }
    let arena = Bump::new();
    let Ok(status) = parse_any(error, &arena) else {
        return internal_error(&format!("error stream protocol error: no status in {text:?}"));
    };
    match status.str_at(&["status"]) {
        "Success" => success(),
        "Failure" if status.str_at(&["reason"]) == "NonZeroExitCode" => {
            let causes = status.list_at(&["details", "causes"]);
            let mut codes = causes.iter().filter(|cause| cause.str_at(&["reason"]) == "ExitCode");
            let Some(code) = codes.next().map(|cause| cause.str_at(&["message"])) else {
                return internal_error("error stream protocol error: no ExitCode cause given");
            };
            if code.parse::<u8>().is_err() {
                let text = format!("error stream protocol error: invalid exit code value {code:?}");
                return internal_error(&text);
            }
            json!({
                "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
                "message": format!(
                    "command terminated with non-zero exit code: command terminated with exit \
                     code {code}"
                ),
                "details": {"causes": [{"reason": "ExitCode", "message": code}]},
            })
        }
        "Failure" => internal_error(status.str_at(&["message"])),
        _ => internal_error("error stream protocol error: unknown error"),
    }
}

fn success() -> Value {
    json!({"metadata": {}, "status": "Success"})
}

/// `errors.NewInternalError`.
fn internal_error(why: &str) -> Value {
    json!({
        "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
        "message": format!("Internal error occurred: {why}"),
        "details": {"causes": [{"message": why}]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_a_command_ends_is_told_in_the_clients_words() {
        assert_eq!(outcome(b"", "v4.channel.k8s.io")["status"], "Success");
        let failed = br#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[
            {"reason":"ExitCode","message":"3"}]}}"#;
        let told = outcome(failed, "v5.channel.k8s.io");
        assert_eq!(told["details"]["causes"][0]["message"], "3");
        assert_eq!(
            told["message"],
            "command terminated with non-zero exit code: command terminated with exit code 3"
        );
        let text = "Internal error occurred: error executing remote command: no such file";
        assert_eq!(outcome(b"no such file", "v2.channel.k8s.io")["message"], text);
    }

    #[test]
    fn a_refusal_is_the_message_of_a_status_or_the_text() {
        assert_eq!(refusal(br#"{"message":" gone "}"#), "gone");
        assert_eq!(refusal(b"not found\n"), "not found");
        assert_eq!(refusal(b""), "empty server response");
    }
}
