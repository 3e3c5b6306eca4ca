//! Looking over fjall's journals before fjall does.
//!
//! A group of writes that was never acknowledged may stand half written at the end of the newest
//! journal after a power cut, its pages in any mixture. fjall 3.1 refuses to open on a checksum
//! that does not match, so that tail is cut off here. And fjall cuts a journal silently at the
//! first entry it cannot read, even if acknowledged writes follow; that is found here and refused.
//!
//! A journal is a row of batches: start (tag 1, item count u32, sequence number u64), items (tag
//! 2, kind u8, compression u8, keyspace u64, key length u16, value length u32, stored length u32,
//! key, stored value) or clears (tag 4, keyspace u64), end (tag 3, XXH3 of the entries between
//! u64, magic); integers little-endian. The file is made longer than needed, with zeros.

use std::fs;
use std::fs::File;
use std::io;
use std::io::BufReader;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;
use std::path::PathBuf;
use xxhash_rust::xxh3::Xxh3;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const START_BYTES: usize = 4 + 8;
const ITEM_HEADER_BYTES: usize = 1 + 1 + 8 + 2 + 4 + 4;
/// Where the lengths stand in an item's header: key, value as stored.
const KEY_LENGTH: std::ops::Range<usize> = 10..12;
const STORED_LENGTH: std::ops::Range<usize> = 16..20;
const CLEAR_BYTES: usize = 8;
const END_BYTES: usize = 8 + MAGIC.len();
const MAGIC: [u8; 4] = *b"FJL\x03";

#[derive(Debug)]
pub(super) enum Error {
    /// Acknowledged writes are unreadable.
    Broken(String),
    Io(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Checks all journals in fjall's directory and cuts an unfinished tail off the newest.
pub(super) fn cut(log: &Path) -> Result<(), Error> {
    let mut journals = journals(log)?;
    let newest = journals.pop();
    for (_, path) in &journals {
        // fjall syncs a journal before it makes the next, so an old one has no unfinished tail.
        let (valid, rest) = check(path)?;
        if !rest.is_empty() {
            return Err(broken(path, valid));
        }
    }
    let Some((_, path)) = newest else { return Ok(()) };
    let (valid, rest) = check(&path)?;
    if rest.is_empty() {
        return Ok(());
    }
    if holds_batch(&rest) {
        return Err(broken(&path, valid));
    }
    let file = File::options().write(true).open(&path)?;
    file.set_len(valid)?;
    file.sync_all()?;
    Ok(())
}

fn broken(path: &Path, valid: u64) -> Error {
    Error::Broken(format!("{} is unreadable from byte {valid}, and more follows", path.display()))
}

/// Journals by number, oldest first.
fn journals(log: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(log)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(number) = number
            && path.extension().is_some_and(|extension| extension == "jnl")
        {
            journals.push((number, path));
        }
    }
    journals.sort_unstable();
    Ok(journals)
}

/// Where the last whole batch ends, and what follows, without the zeros at its end.
fn check(path: &Path) -> io::Result<(u64, Vec<u8>)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    let mut valid = 0;
    let mut entry = Vec::new();
    while let Some(bytes) = batch(&mut reader, length - valid, &mut entry)? {
        valid += bytes;
    }
    let mut file = reader.into_inner();
    let mut rest = Vec::new();
    let mut at = valid;
    // The file is sparse; holes hold nothing.
    while at < length {
        file.seek(SeekFrom::Start(at))?;
        let mut chunk = Vec::new();
        Read::by_ref(&mut file).take(64 * 1024).read_to_end(&mut chunk)?;
        let used = chunk.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if used > 0 {
            let gap = usize::try_from(at - valid).map_err(io::Error::other)?;
            rest.resize(gap, 0);
            rest.extend_from_slice(chunk.get(..used).unwrap_or_default());
        }
        at = next_data(&file, at + chunk.len().max(1) as u64)?.unwrap_or(length);
    }
    Ok((valid, rest))
}

/// Where the file has bytes again, from a position; `None` if it has no more.
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
        Ok(at) => Ok(Some(at)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        // A file system that knows no holes.
        Err(rustix::io::Errno::INVAL) => Ok(Some(at)),
        Err(error) => Err(error.into()),
    }
}

/// Whether a whole batch starts anywhere in the bytes.
fn holds_batch(bytes: &[u8]) -> bool {
    let mut entry = Vec::new();
    (0..bytes.len()).any(|start| {
        let mut rest = bytes.get(start..).unwrap_or_default();
        let length = rest.len() as u64;
        rest.first() == Some(&START) && matches!(batch(&mut rest, length, &mut entry), Ok(Some(_)))
    })
}

/// Reads a batch of at most `left` bytes; answers its length, or `None` if there is no whole one.
fn batch(reader: &mut impl Read, left: u64, entry: &mut Vec<u8>) -> io::Result<Option<u64>> {
    match batch_bytes(reader, left, entry) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        other => other,
    }
}

fn batch_bytes(reader: &mut impl Read, left: u64, entry: &mut Vec<u8>) -> io::Result<Option<u64>> {
    let mut read = 0;
    let mut fill = |entry: &mut Vec<u8>, bytes: usize| {
        read += bytes as u64;
        // Lengths come from the file, so what is not there is not made room for.
        if read > left {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let old = entry.len();
        entry.resize(old + bytes, 0);
        reader.read_exact(entry.get_mut(old..).unwrap_or_default())?;
        Ok::<u64, io::Error>(read)
    };
    entry.clear();
    fill(entry, 1 + START_BYTES)?;
    if entry.first() != Some(&START) {
        return Ok(None);
    }
    let mut items = number(entry, 1..5);
    let mut checksum = Xxh3::new();
    loop {
        entry.clear();
        fill(entry, 1)?;
        match entry.first() {
            Some(&ITEM) if items > 0 => {
                fill(entry, ITEM_HEADER_BYTES)?;
                // Past the tag.
                let header = entry.get(1..).unwrap_or_default();
                let lengths = number(header, KEY_LENGTH) + number(header, STORED_LENGTH);
                fill(entry, usize::try_from(lengths).map_err(io::Error::other)?)?;
            }
            Some(&CLEAR) if items > 0 => drop(fill(entry, CLEAR_BYTES)?),
            Some(&END) if items == 0 => {
                let read = fill(entry, END_BYTES)?;
                let whole =
                    number(entry, 1..9) == checksum.digest() && entry.get(9..) == Some(&MAGIC[..]);
                return Ok(whole.then_some(read));
            }
            _ => return Ok(None),
        }
        checksum.update(entry);
        items -= 1;
    }
}

/// A little-endian number; 0 if it is not there.
fn number(bytes: &[u8], range: std::ops::Range<usize>) -> u64 {
    let bytes = bytes.get(range).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
