//! Compression of large answers, at the fastest level as upstream does.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

/// Compresses a body that comes in pieces.
#[derive(Debug)]
pub struct Gzip {
    encoder: GzEncoder<Vec<u8>>,
}

impl Default for Gzip {
    fn default() -> Self {
        Self { encoder: GzEncoder::new(Vec::new(), Compression::new(1)) }
    }
}

impl Gzip {
    /// Takes a piece; gives what is compressed so far and has not been given, maybe nothing.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        // Writing to a vector cannot fail.
        let written = self.encoder.write_all(piece);
        debug_assert!(written.is_ok(), "a vector takes all bytes");
        std::mem::take(self.encoder.get_mut())
    }

    /// Gives the rest.
    pub fn finish(self) -> Vec<u8> {
        self.encoder.finish().unwrap_or_default()
    }
}

/// Compresses a whole body.
pub fn compress(body: &[u8]) -> Vec<u8> {
    let mut gzip = Gzip::default();
    let mut out = gzip.push(body);
    out.extend_from_slice(&gzip.finish());
    out
}

/// True if an `Accept-Encoding` header lets us compress. As upstream, parameters are not
/// understood.
pub fn is_accepted(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|coding| coding.trim() == "gzip")
}

#[cfg(test)]
mod tests {
    use super::{Gzip, compress, is_accepted};
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    #[test]
    fn pieces_and_whole_decompress_to_the_body() {
        let body = b"kubering ".repeat(50_000);
        let mut gzip = Gzip::default();
        let mut pieces: Vec<u8> = body.chunks(7_000).flat_map(|piece| gzip.push(piece)).collect();
        pieces.extend(gzip.finish());
        for compressed in [pieces, compress(&body)] {
            let mut back = Vec::new();
            GzDecoder::new(compressed.as_slice()).read_to_end(&mut back).unwrap();
            assert_eq!(back, body);
        }
    }

    #[test]
    fn compression_needs_consent() {
        assert!(is_accepted("deflate, gzip"));
        assert!(!is_accepted("br"));
        assert!(!is_accepted("gzip;q=0"));
        assert!(!is_accepted(""));
    }
}
