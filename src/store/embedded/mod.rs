//! The backend in a data directory, on fjall: one process, no other database.
//!
//! The store keeps its whole state in memory, so the disk is a log and nothing else: one keyspace
//! whose keys are revisions and whose values are the changes (`record`). The state is what the
//! last record of each key says. A group commit is one batch: its new records, and the removal of
//! old ones that the history has let go of. A batch is atomic, also when the machine stops in it.
//!
//! In the directory: `lock` (held while open), `log/` (fjall's own files, and `format`). `log/` is
//! made under another name and renamed, so it is whole or not there.
//!
//! Opening: lock, check the format, cut an unfinished tail off the journal (`tail`), let fjall
//! recover, read all records (`load`), start the engine.

mod load;
mod record;
mod tail;
mod write;

use crate::store::Handle;
use crate::store::Item;
use crate::store::OpenError;
use crate::store::Opened;
use crate::store::Options;
use crate::store::embedded::write::Log;
use crate::store::engine;
use fjall::Database;
use fjall::Keyspace;
use fjall::KeyspaceCreateOptions;
use fjall::config::BlockSizePolicy;
use fjall::config::CompressionPolicy;
use fjall::config::FilterPolicy;
use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::io::Write;
use std::path::Path;

/// The layout of the directory and of the records. A newer one is refused.
const FORMAT: u32 = 1;
/// What stands before the number in the file `format`.
const FORMAT_LABEL: &str = "kubering store format ";
const KEYSPACE: &str = "log";
/// Blocks are only ever read in a row, at start.
const BLOCK_BYTES: u32 = 64 * 1024;
/// Read at start only; the state is in memory.
const CACHE_BYTES: u64 = 1024 * 1024;
/// Superseded records stay in memory until a table of this size is written.
const TABLE_BYTES: u64 = 32 * 1024 * 1024;
/// What fjall replays at start at most, about.
const JOURNAL_BYTES_MAX: u64 = 192 * 1024 * 1024;

/// Opens the store in a directory, which is made if it is not there. `progress` is told now and
/// then how many records have been read.
///
/// # Errors
/// The directory is in use, was written by a newer version, is damaged, or cannot be read.
pub fn open<I: Item>(
    path: &Path,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<(Opened<I>, Handle), OpenError> {
    let place = Place { path };
    fs::create_dir_all(path).map_err(|error| place.failed(&error))?;
    let lock = place.lock()?;
    let log = path.join("log");
    if !log.exists() {
        create(path).map_err(|reason| place.failed(&reason))?;
    }
    place.check_format(&log)?;
    tail::cut(&log).map_err(|error| match error {
        tail::Error::Broken(found) => place.corrupt(found),
        tail::Error::Io(error) => place.failed(&error),
    })?;
    let database = database(&log).map_err(|error| place.fjall(&error))?;
    let keyspace = keyspace(&database).map_err(|error| place.fjall(&error))?;
    let loaded =
        load::load(&keyspace, options.sealer.as_deref(), progress).map_err(
            |error| match error {
                load::Error::Broken(found) => place.corrupt(found),
                load::Error::Fjall(error) => place.fjall(&error),
            },
        )?;
    let sealer = options.sealer.clone();
    engine::start(loaded, Log::new(database, keyspace, lock, sealer), options)
}

/// Makes `log/` in one step that either happened or did not.
fn create(path: &Path) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let new = path.join("log.new");
    if new.exists() {
        fs::remove_dir_all(&new).map_err(text)?;
    }
    let database = database(&new).map_err(|error| error.to_string())?;
    drop(keyspace(&database).map_err(|error| error.to_string())?);
    drop(database);
    let mut format = File::create(new.join("format")).map_err(text)?;
    writeln!(format, "{FORMAT_LABEL}{FORMAT}").map_err(text)?;
    format.sync_all().map_err(text)?;
    sync_directory(&new).map_err(text)?;
    fs::rename(&new, path.join("log")).map_err(text)?;
    sync_directory(path).map_err(text)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn database(log: &Path) -> fjall::Result<Database> {
    // One worker: there is one keyspace, and flushing it is rare.
    Database::builder(log)
        .manual_journal_persist(true)
        .worker_threads(1)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(JOURNAL_BYTES_MAX)
        .open()
}

fn keyspace(database: &Database) -> fjall::Result<Keyspace> {
    database.keyspace(KEYSPACE, || {
        KeyspaceCreateOptions::default()
            .manual_journal_persist(true)
            .max_memtable_size(TABLE_BYTES)
            .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
            .data_block_compression_policy(CompressionPolicy::disabled())
            .index_block_compression_policy(CompressionPolicy::disabled())
            .filter_policy(FilterPolicy::disabled())
            .expect_point_read_hits(true)
    })
}

/// The data directory, for what can go wrong with it.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
}

impl Place<'_> {
    fn lock(self) -> Result<File, OpenError> {
        let open = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path.join("lock"));
        let file = open.map_err(|error| self.failed(&error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: self.path.into() }),
            Err(TryLockError::Error(error)) => Err(self.failed(&error)),
        }
    }

    fn check_format(self, log: &Path) -> Result<(), OpenError> {
        let file = log.join("format");
        let text = fs::read_to_string(&file)
            .map_err(|error| self.corrupt(format!("no readable {}: {error}", file.display())))?;
        let number = text.trim_end().strip_prefix(FORMAT_LABEL);
        match number.and_then(|number| number.parse().ok()) {
            Some(1..=FORMAT) => Ok(()),
            Some(found) if found > FORMAT => {
                Err(OpenError::NewerFormat { path: self.path.into(), found, known: FORMAT })
            }
            _ => Err(self.corrupt(format!("{} is not a store's format file", file.display()))),
        }
    }

    fn fjall(self, error: &fjall::Error) -> OpenError {
        match error {
            fjall::Error::Locked => OpenError::Locked { path: self.path.into() },
            other => self.failed(other),
        }
    }

    fn failed(self, reason: &dyn ToString) -> OpenError {
        OpenError::Failed { path: self.path.into(), reason: reason.to_string() }
    }

    fn corrupt(self, found: String) -> OpenError {
        OpenError::Corrupt { path: self.path.into(), found }
    }
}
