//! The log file, its rotation and its old files, as lumberjack has them: `audit.log` becomes
//! `audit-2026-01-02T03-04-05.678.log` when it is full, perhaps compressed.

use crate::base::{clock, timestamp};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// `--audit-log-path` and how its files are kept.
#[derive(Debug, Clone, Default)]
pub struct RotateOptions {
    /// The file.
    pub path: PathBuf,
    /// Bytes before it is rotated; 0 for never.
    pub bytes_max: u64,
    /// Old files kept; 0 for all.
    pub backups_max: usize,
    /// Seconds that old files are kept; 0 for ever.
    pub age_seconds_max: u64,
    /// Old files are compressed.
    pub compress: bool,
}

/// The file that is written.
#[derive(Debug)]
pub(super) struct RotatingFile {
    options: RotateOptions,
    file: File,
    bytes: u64,
}

impl RotatingFile {
    /// Opens the file, or goes on with it.
    pub(super) fn open(options: RotateOptions) -> io::Result<Self> {
        if let Some(directory) = options.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = append(&options.path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { options, file, bytes })
    }

    /// Writes whole lines; the file is rotated first if it would get too large.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let max = self.options.bytes_max;
        let after = self.bytes.saturating_add(lines.len() as u64);
        if max > 0 && after > max && self.bytes > 0 {
            self.rotate()?;
        }
        self.file.write_all(lines)?;
        self.bytes = self.bytes.saturating_add(lines.len() as u64);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let old = self.backup_path();
        fs::rename(&self.options.path, &old)?;
        self.file = append(&self.options.path)?;
        self.bytes = 0;
        if self.options.compress {
            compress(&old)?;
        }
        self.sweep()
    }

    fn backup_path(&self) -> PathBuf {
        let (stem, end) = self.parts();
        let millis = i64::try_from(clock::unix_time().as_millis()).unwrap_or(i64::MAX);
        let micros = timestamp::rfc3339_micros(millis.saturating_mul(1000)).replace(':', "-");
        let moment = micros.get(..23).unwrap_or(&micros);
        self.options.path.with_file_name(format!("{stem}-{moment}{end}"))
    }

    /// What stands before and behind the moment in the names of old files.
    fn parts(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let end = self.options.path.extension().map(|end| format!(".{}", text(Some(end))));
        (text(self.options.path.file_stem()), end.unwrap_or_default())
    }

    /// Removes the old files that are too many or too old.
    fn sweep(&self) -> io::Result<()> {
        let (stem, end) = self.parts();
        let start = format!("{stem}-");
        let ours = |name: &str| {
            let name = name.strip_suffix(".gz").unwrap_or(name);
            name.strip_prefix(&start).and_then(|rest| rest.strip_suffix(&end)).is_some_and(
                |moment| moment.len() == 23 && moment.starts_with(|c: char| c.is_ascii_digit()),
            )
        };
        let directory = self.options.path.parent().filter(|path| !path.as_os_str().is_empty());
        let mut old: Vec<PathBuf> = fs::read_dir(directory.unwrap_or(Path::new(".")))?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| ours(&name.to_string_lossy())))
            .collect();
        // Names sort as their moments do.
        old.sort();
        old.reverse();
        let (count, age) = (self.options.backups_max, self.options.age_seconds_max);
        for (at, path) in old.iter().enumerate() {
            let written = fs::metadata(path).and_then(|data| data.modified()).ok();
            let seconds = written.and_then(|at| at.elapsed().ok()).map_or(0, |age| age.as_secs());
            if (count > 0 && at >= count) || (age > 0 && seconds > age) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn compress(path: &Path) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    let mut packed = GzEncoder::new(append(Path::new(&name))?, Compression::default());
    io::copy(&mut File::open(path)?, &mut packed)?;
    packed.finish()?.flush()?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::{RotateOptions, RotatingFile};
    use std::fs;
    use std::time::Duration;

    #[test]
    fn a_full_file_is_rotated_and_only_so_many_old_ones_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let options = RotateOptions {
            path: path.clone(),
            bytes_max: 10,
            backups_max: 2,
            compress: true,
            ..RotateOptions::default()
        };
        let mut file = RotatingFile::open(options).unwrap();
        for _ in 0..6 {
            file.write(b"12345678\n").unwrap();
            // Names of old files differ in their milliseconds.
            std::thread::park_timeout(Duration::from_millis(3));
        }
        assert_eq!(fs::read(&path).unwrap(), b"12345678\n");
        let old = fs::read_dir(directory.path()).unwrap().filter_map(Result::ok);
        let packed = old.filter(|entry| entry.path().extension().is_some_and(|end| end == "gz"));
        assert_eq!(packed.count(), 2);
    }
}
