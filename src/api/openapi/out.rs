//! Where documents are written to, piece by piece.

use crate::codec::gzip::Gzip;
use bytes::Bytes;
use sha2::Digest as _;
use sha2::Sha512;
use std::fmt::Write as _;

/// Takes the bytes of a document in order.
pub(super) trait Out {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Out for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// How much text goes to the compressor at once, bytes.
const PIECE: usize = 32 * 1024;

/// Hashes and compresses a document while it is written, so that its text never stands whole.
#[derive(Debug)]
pub(super) struct Packer {
    hash: Sha512,
    gzip: Gzip,
    packed: Vec<u8>,
    piece: Vec<u8>,
    length: usize,
}

/// A document as it is kept.
#[derive(Debug)]
pub(super) struct Packed {
    /// The compressed text.
    pub(super) gzip: Bytes,
    /// Length of the text.
    pub(super) length: usize,
    /// Hash of the text: upper-case hexadecimal SHA-512.
    pub(super) hash: String,
}

impl Default for Packer {
    fn default() -> Self {
        Self {
            hash: Sha512::new(),
            gzip: Gzip::default(),
            packed: Vec::new(),
            piece: Vec::with_capacity(PIECE * 2),
            length: 0,
        }
    }
}

impl Out for Packer {
    fn put(&mut self, bytes: &[u8]) {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush();
        }
    }
}

impl Packer {
    fn flush(&mut self) {
        self.hash.update(&self.piece);
        self.length += self.piece.len();
        self.packed.extend_from_slice(&self.gzip.push(&self.piece));
        self.piece.clear();
    }

    /// The packed document.
    pub(super) fn finish(mut self) -> Packed {
        self.flush();
        self.packed.extend_from_slice(&self.gzip.finish());
        let mut hash = String::with_capacity(128);
        for byte in self.hash.finalize() {
            let _ = write!(hash, "{byte:02X}");
        }
        // A copy has no spare room.
        Packed { gzip: Bytes::copy_from_slice(&self.packed), length: self.length, hash }
    }
}
