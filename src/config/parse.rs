//! The command line, taken apart by the table of flags.

use crate::base::duration;
use crate::base::hash::HashMap;
use crate::config::flags::FLAGS;
use crate::config::flags::Flag;
use crate::config::flags::Kind;
use crate::config::flags::State;
use crate::config::flags::find;
use lexopt::Arg;
use lexopt::Parser;
use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The one feature gate that is built: objects that cannot be read may be deleted.
pub(super) const UNSAFE_DELETION: &str = "AllowUnsafeMalformedObjectDeletion";

/// What is wrong with the command line; its text is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagError {
    /// Two flags that do not go together, or one that lacks another; what to do.
    Combination(String),
    /// A file cannot be read.
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system, or the reader of its contents, says.
        message: String,
    },
    /// A value that the flag does not take.
    Invalid {
        /// The flag.
        flag: &'static str,
        /// The value.
        value: String,
        /// Why not.
        message: String,
    },
    /// The last flag lacks its value.
    MissingValue(&'static str),
    /// An argument that is no flag.
    Positional(String),
    /// No such flag.
    Unknown(String),
}

impl fmt::Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Combination(message) => f.write_str(message),
            Self::File { flag, path, message } => {
                write!(f, "--{flag}: cannot use {}: {message}", path.display())
            }
            Self::Invalid { flag, value, message } => {
                write!(f, "invalid argument {value:?} for \"--{flag}\" flag: {message}")
            }
            Self::MissingValue(flag) => write!(f, "flag needs an argument: --{flag}"),
            Self::Positional(argument) => {
                write!(f, "kubering takes flags only, got {argument:?}")
            }
            Self::Unknown(flag) => write!(f, "unknown flag: {flag}"),
        }
    }
}

impl std::error::Error for FlagError {}

/// The values that were given, each checked against its kind.
#[derive(Debug, Clone, Default)]
pub struct Values(HashMap<&'static str, Vec<String>>);

impl Values {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, FlagError> {
        let mut values = Self::default();
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) =
            parser.next().map_err(|e| FlagError::Positional(e.to_string()))?
        {
            let flag = match argument {
                Arg::Short('h') => find("help"),
                Arg::Short('v') => find("v"),
                Arg::Short(letter) => return Err(FlagError::Unknown(format!("-{letter}"))),
                Arg::Long(name) => match find(name) {
                    None => return Err(FlagError::Unknown(format!("--{name}"))),
                    known => known,
                },
                Arg::Value(value) => {
                    return Err(FlagError::Positional(value.to_string_lossy().into_owned()));
                }
            };
            let Some(flag) = flag else { continue };
            let value = match flag.kind {
                Kind::Bool => parser.optional_value().unwrap_or_else(|| "true".into()),
                _ => parser.value().map_err(|_| FlagError::MissingValue(flag.name))?,
            };
            let value = value.into_string().map_err(|value| FlagError::Invalid {
                flag: flag.name,
                value: value.to_string_lossy().into_owned(),
                message: "not valid UTF-8".to_owned(),
            })?;
            check(flag, &value)?;
            values.0.entry(flag.name).or_default().push(value);
        }
        Ok(values)
    }

    /// Whether the flag was given.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Flags that were given and do nothing yet, in the table's order.
    pub fn not_built(&self) -> impl Iterator<Item = &'static Flag> {
        // Of the features, one is.
        let is_built = |flag: &Flag| {
            flag.name == "feature-gates"
                && self.map(flag.name).iter().all(|(feature, _)| feature == UNSAFE_DELETION)
        };
        let later = FLAGS.iter().filter(|flag| flag.state == State::Later);
        later.filter(move |flag| self.is_set(flag.name) && !is_built(flag))
    }

    /// The last value given, or the default.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let given = self.0.get(name).and_then(|values| values.last());
        given.map_or_else(|| find(name).map_or("", |flag| flag.default), String::as_str)
    }

    /// As [`Self::text`]; `None` if empty.
    #[must_use]
    pub fn some_text(&self, name: &str) -> Option<String> {
        Some(self.text(name).to_owned()).filter(|text| !text.is_empty())
    }

    /// A file or directory; `None` if not given.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.some_text(name).map(PathBuf::from)
    }

    /// True for `true` (as Go's `strconv.ParseBool` knows it).
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        boolean(self.text(name)).unwrap_or(false)
    }

    /// A duration.
    #[must_use]
    pub fn duration(&self, name: &str) -> Duration {
        duration(self.text(name)).unwrap_or_default()
    }

    /// A number with a fraction.
    #[must_use]
    pub fn float(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// A whole number; 0 where the table has none.
    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// An address; `None` if not given.
    #[must_use]
    pub fn ip(&self, name: &str) -> Option<IpAddr> {
        self.text(name).parse().ok()
    }

    /// A list: each use of the flag adds to it, commas separate.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let split = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
        };
        match self.0.get(name) {
            Some(values) => values.iter().flat_map(|value| split(value)).collect(),
            None => split(find(name).map_or("", |flag| flag.default)),
        }
    }

    /// Each use of the flag as it was given.
    #[must_use]
    pub fn uses(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Pairs; a later one with the same key wins.
    #[must_use]
    pub fn map(&self, name: &str) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for item in self.list(name) {
            let (key, value) = item.split_once('=').unwrap_or((&item, ""));
            pairs.retain(|(known, _)| known != key);
            pairs.push((key.to_owned(), value.to_owned()));
        }
        pairs
    }

    /// Every flag by name, with its value as the command line's parser prints it (`pflag`).
    #[must_use]
    pub fn all(&self) -> Vec<(&'static str, String)> {
        let shown = |flag: &Flag| match flag.kind {
            Kind::Bool => self.bool(flag.name).to_string(),
            Kind::Duration => {
                duration::text(duration::parse(self.text(flag.name)).unwrap_or_default())
            }
            // A list by what it holds, a text by its parser.
            Kind::List if flag.name == "service-cluster-ip-range" => self.list(flag.name).join(","),
            Kind::List => format!("[{}]", self.list(flag.name).join(",")),
            Kind::Map => {
                let mut pairs = self.map(flag.name);
                pairs.sort_unstable();
                let pairs = pairs.iter().map(|(key, value)| format!("{key}={value}"));
                pairs.collect::<Vec<_>>().join(",")
            }
            Kind::Float | Kind::Int | Kind::Ip | Kind::Path | Kind::Port | Kind::Text => {
                self.text(flag.name).to_owned()
            }
        };
        let mut all: Vec<_> = FLAGS.iter().map(|flag| (flag.name, shown(flag))).collect();
        all.sort_unstable();
        all
    }

    /// An error that names the flag and the value it was given.
    #[must_use]
    pub fn invalid(&self, name: &str, message: impl Into<String>) -> FlagError {
        let flag = find(name).map_or("", |flag| flag.name);
        FlagError::Invalid { flag, value: self.text(name).to_owned(), message: message.into() }
    }
}

/// Whether a value is of the flag's kind; an empty text, list, map or path stands for none.
fn check(flag: &Flag, value: &str) -> Result<(), FlagError> {
    let problem = match flag.kind {
        Kind::Bool if boolean(value).is_none() => "must be true or false",
        Kind::Duration if duration(value).is_none() => "must be a duration, as 1m30s",
        Kind::Float if !value.parse::<f64>().is_ok_and(f64::is_finite) => "must be a number",
        Kind::Int if !value.parse::<i64>().is_ok_and(|n| n >= 0) => {
            "must be a whole number, not below 0"
        }
        Kind::Ip if value.parse::<IpAddr>().is_err() => "must be an IP address",
        Kind::Map if !value.split(',').all(|pair| pair.is_empty() || pair.contains('=')) => {
            "must be key=value pairs, separated by commas"
        }
        Kind::Port if value.parse::<u16>().is_err() => "must be a port, 0 to 65535",
        _ => return Ok(()),
    };
    Err(FlagError::Invalid {
        flag: flag.name,
        value: value.to_owned(),
        message: problem.to_owned(),
    })
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A duration that is not negative.
fn duration(text: &str) -> Option<Duration> {
    duration::parse(text).ok().and_then(|nanos| u64::try_from(nanos).ok()).map(Duration::from_nanos)
}
