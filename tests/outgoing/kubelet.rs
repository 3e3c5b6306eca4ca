//! A kubelet's end of SPDY/3.1: takes streams, gives back in capitals what is written to them.

use super::other::{Asked, Wire};
use flate2::{Compress, Compression, FlushCompress};
use std::io;

/// One frame as it came: its first four bytes, its flags, its payload.
struct Frame(u32, u8, Vec<u8>);

fn read(wire: &mut dyn Wire) -> io::Result<Frame> {
    let mut head = [0; 8];
    wire.read_exact(&mut head)?;
    let [a, b, c, d, flags, e, f, g] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, e, f, g]) as usize];
    wire.read_exact(&mut payload)?;
    Ok(Frame(u32::from_be_bytes([a, b, c, d]), flags, payload))
}

fn write(wire: &mut dyn Wire, first: u32, flags: u8, payload: &[u8]) -> io::Result<()> {
    wire.write_all(&first.to_be_bytes())?;
    let length = u32::try_from(payload.len()).expect("short") | u32::from(flags) << 24;
    wire.write_all(&length.to_be_bytes())?;
    wire.write_all(payload)?;
    wire.flush()
}

const SYN_STREAM: u32 = 0x8003_0001;
const SYN_REPLY: u32 = 0x8003_0002;
const RST_STREAM: u32 = 0x8003_0003;
const PING: u32 = 0x8003_0006;
const FIN: u8 = 1;

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(*payload.first_chunk().expect("a number"))
}

/// Answers the upgrade and then every stream with an empty block of headers.
struct Streams<'w> {
    wire: &'w mut dyn Wire,
    headers: Compress,
    /// Those that were opened, in order.
    opened: Vec<u32>,
}

impl<'w> Streams<'w> {
    fn new(asked: &Asked, wire: &'w mut dyn Wire) -> io::Result<Self> {
        let versions = asked.header("x-stream-protocol-version");
        let version = versions.first().copied().unwrap_or_default();
        write!(
            wire,
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\
             X-Stream-Protocol-Version: {version}\r\n\r\n"
        )?;
        wire.flush()?;
        let headers = Compress::new(Compression::default(), true);
        Ok(Self { wire, headers, opened: Vec::new() })
    }

    /// The next bytes of a stream, and whether they are its last.
    fn next(&mut self) -> io::Result<(u32, Vec<u8>, bool)> {
        loop {
            let Frame(first, flags, payload) = read(self.wire)?;
            match first {
                SYN_STREAM => {
                    let stream = number(&payload);
                    let mut reply = stream.to_be_bytes().to_vec();
                    let mut block = Vec::with_capacity(64);
                    let packed =
                        self.headers.compress_vec(&[0; 4], &mut block, FlushCompress::Sync);
                    packed.expect("compressed");
                    reply.extend(block);
                    write(self.wire, SYN_REPLY, 0, &reply)?;
                    self.opened.push(stream);
                }
                PING if number(&payload) % 2 == 1 => write(self.wire, PING, 0, &payload)?,
                RST_STREAM => return Ok((number(&payload), Vec::new(), true)),
                first if first >> 31 == 0 => return Ok((first, payload, flags & FIN != 0)),
                _ => {}
            }
        }
    }

    fn say(&mut self, stream: u32, bytes: &[u8], last: bool) -> io::Result<()> {
        write(self.wire, stream, u8::from(last), bytes)
    }
}

/// A command that gives back its input in capitals and exits with 3.
pub(crate) fn command(asked: &Asked, wire: &mut dyn Wire) -> io::Result<()> {
    let mut streams = Streams::new(asked, wire)?;
    loop {
        let (_, bytes, last) = streams.next()?;
        // Error, stdin, stdout, stderr, as they are opened.
        let [error, _, out, err] = streams.opened[..] else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        streams.say(out, &bytes.to_ascii_uppercase(), last)?;
        if last {
            streams.say(err, b"no more input\n", true)?;
            let status = br#"{"metadata":{},"status":"Failure","reason":"NonZeroExitCode",
                "message":"x","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
            streams.say(error, status, true)?;
        }
    }
}

/// A port behind which everything is given back in capitals.
pub(crate) fn port(asked: &Asked, wire: &mut dyn Wire) -> io::Result<()> {
    let mut streams = Streams::new(asked, wire)?;
    loop {
        let (stream, bytes, last) = streams.next()?;
        // Each connection opens an error stream, which is not written to, and one for data.
        let errors = streams.opened.iter().position(|opened| *opened == stream);
        if errors.is_some_and(|at| at % 2 == 0) {
            streams.say(stream, b"", true)?;
        } else {
            streams.say(stream, &bytes.to_ascii_uppercase(), last)?;
        }
    }
}
