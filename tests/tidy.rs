//! The tree's own rules, each with a bad sample that it must catch: layers, sizes, names, words,
//! limits and the map. Std only, so that it runs before anything else does.
#![cfg(test)]

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules of `src`, lowest layer first; a module may import only from layers above its own line.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["metrics"],
    &["rt", "object", "http"],
    &["codec", "catalog", "tls", "cel"],
    &["seal", "client", "convert", "request"],
    &["store"],
    &["cache"],
    &["authn", "authz", "flow", "audit", "admission", "registry"],
    &["api"],
    &["config"],
    &["server"],
    &["main"],
];
/// Crates that one module wraps: no other module names them.
const WRAPPED: &[(&str, &str)] = &[
    ("compio_driver", "rt"),
    ("glommio", "rt"),
    ("hyper", "http client"),
    ("hyper_util", "client"),
    ("fjall", "store"),
    ("inferno", "server"),
    ("pprof", "server"),
    ("tokio", "store client seal"),
    ("tokio_rustls", "client"),
    ("backtrace", "server"),
    ("etcd_client", "store"),
    ("StatusCode", "http api server"),
];
/// The only entries of the repository's top level; dot-files hold tool settings.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "benches",
    "flamegraphs",
    "perf",
    "src",
    "tests",
    "tuning",
];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "manager", "misc", "util", "utils"];
/// Words that do not land. Split, so that this file may hold them.
const WORDS: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("dbg", "!("),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];
/// Places of one machine, and hosts of package registries.
const PLACES: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("pypi", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("files.python", "hosted"),
];
const LINES_MAX: usize = 600;
const COLUMNS_MAX: usize = 100;
const BLOB_BYTES_MAX: u64 = 256 * 1024;

/// One file of the repository; `text` is empty for what is not UTF-8.
struct Source {
    path: String,
    text: String,
    bytes: u64,
}

/// A rule broken at a line; line 0 speaks of the whole file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Breach {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Source {
    fn breach(&self, line: usize, what: impl Into<String>) -> Breach {
        Breach { path: self.path.clone(), line, what: what.into() }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The module directly below `src` that the file belongs to.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        Some(inside.split_once('/').map_or_else(|| inside.trim_end_matches(".rs"), |(dir, _)| dir))
    }

    /// Lines without their comments, numbered from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, without_comment(line)))
    }
}

/// The line up to a `//` that stands outside a string. Strings over several lines are not followed.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (index, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'/' if !quoted && line[index..].starts_with("//") => return &line[..index],
            _ => {}
        }
    }
    line
}

/// The identifiers that follow each `prefix` in `line`, where `prefix` starts a path of its own.
fn after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix).filter_map(move |(at, _)| {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            return None;
        }
        let rest = &line[at + prefix.len()..];
        Some(&rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())])
    })
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// A module imports itself and lower layers; modules of one layer do not import each other.
fn layers(file: &Source, found: &mut Vec<Breach>) {
    let Some(module) = file.module().filter(|module| file.is_rust() && *module != "lib") else {
        return;
    };
    let Some(own) = layer(module) else {
        found.push(file.breach(0, format!("module `{module}` has no layer")));
        return;
    };
    let from = if module == "main" { "kubering::" } else { "crate::" };
    for (number, line) in file.code() {
        for name in after(line, from).filter(|name| *name != module) {
            match layer(name) {
                Some(layer) if layer < own => {}
                Some(_) => {
                    let what = format!("`{module}` may not import `{name}`: not a lower layer");
                    found.push(file.breach(number, what));
                }
                // A type of main.rs itself, or what `#[macro_export]` puts at the root.
                None => {}
            }
        }
        if line.contains("use crate::{") {
            found.push(file.breach(number, "one `use crate::module` a line, so that layers grep"));
        }
    }
}

/// `super::` stays below the crate's root, where the layers would no longer be seen.
fn no_way_around_layers(file: &Source, found: &mut Vec<Breach>) {
    let Some(inside) = file.path.strip_prefix("src/").filter(|_| file.is_rust()) else { return };
    let steps = inside.matches('/').count() + usize::from(!inside.ends_with("mod.rs"));
    for (number, line) in file.code() {
        let chain = line.matches("super::").count();
        let nested = usize::from(line.starts_with("    "));
        if chain > 0 && line.contains(&"super::".repeat(steps + nested)) && chain >= steps + nested
        {
            found.push(file.breach(number, "`super` reaches the crate's root: write `crate::`"));
        }
    }
}

/// A wrapped crate is named by its one module only.
fn wrapped(file: &Source, found: &mut Vec<Breach>) {
    let Some(module) = file.module().filter(|_| file.is_rust()) else { return };
    for (number, line) in file.code() {
        for (name, homes) in WRAPPED {
            let path = format!("{name}::");
            if after(line, &path).next().is_some() && !homes.split(' ').any(|home| home == module) {
                found.push(file.breach(number, format!("only `{homes}` may name `{name}`")));
            }
        }
    }
}

fn sizes(file: &Source, found: &mut Vec<Breach>) {
    if file.bytes > BLOB_BYTES_MAX && !file.path.starts_with("flamegraphs/") {
        found.push(file.breach(0, format!("{} bytes: more than 256 KiB", file.bytes)));
    }
    if !file.is_rust() {
        return;
    }
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        found.push(file.breach(0, format!("{lines} lines: more than {LINES_MAX}, split it")));
    }
    for (index, line) in file.text.lines().enumerate() {
        let columns = line.chars().count();
        // A row of a table in a doc comment cannot be broken.
        if columns > COLUMNS_MAX && !line.starts_with("//! |") {
            found.push(file.breach(index + 1, format!("{columns} columns")));
        }
    }
}

fn purpose_first(file: &Source, found: &mut Vec<Breach>) {
    if file.is_rust() && !file.text.starts_with("//! ") {
        found.push(file.breach(1, "line 1 says what the file is for: `//! …`"));
    }
}

fn names(file: &Source, found: &mut Vec<Breach>) {
    let top = file.path.split('/').next().unwrap_or_default();
    if !top.starts_with('.') && !TOP_LEVEL.contains(&top) {
        found.push(file.breach(0, format!("`{top}` is not on the list of the top level")));
    }
    for part in file.path.split('/') {
        let stem = part.split('.').next().unwrap_or_default();
        if EMPTY_NAMES.contains(&stem) {
            found.push(file.breach(0, format!("the name `{stem}` says nothing")));
        }
    }
    for (number, line) in file.code().filter(|_| file.is_rust()) {
        for name in after(line, "mod ").filter(|name| EMPTY_NAMES.contains(name)) {
            found.push(file.breach(number, format!("the name `{name}` says nothing")));
        }
    }
}

fn words(file: &Source, found: &mut Vec<Breach>) {
    for (index, line) in file.text.lines().enumerate() {
        for word in WORDS.iter().filter(|word| file.is_rust() && line.contains(*word)) {
            found.push(file.breach(index + 1, format!("`{word}` does not land")));
        }
        for place in PLACES.iter().filter(|place| line.contains(*place)) {
            found.push(file.breach(index + 1, format!("`{place}` is a place of one machine")));
        }
    }
}

/// Every limit limits something: it is named outside the file that defines it.
fn limits_used(files: &[Source], found: &mut Vec<Breach>) {
    let Some(limits) = files.iter().find(|file| file.path == "src/base/limits.rs") else { return };
    for (number, line) in limits.code() {
        for name in after(line, "pub const ") {
            let used = |file: &Source| {
                file.path != limits.path
                    && file.path.starts_with("src/")
                    && file.code().any(|(_, line)| holds_word(line, name))
            };
            let inside = limits.code().any(|(at, line)| at != number && holds_word(line, name));
            if !inside && !files.iter().any(used) {
                found.push(limits.breach(number, format!("nothing keeps to `{name}`")));
            }
        }
    }
}

fn holds_word(line: &str, word: &str) -> bool {
    after(line, word).any(str::is_empty)
        || line.match_indices(&format!("::{word}")).any(|(at, found)| {
            !line[at + found.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
        })
}

/// The `//!` of `src/lib.rs` is the map: each of its modules is on it, as `name` in backquotes.
fn mapped(file: &Source, found: &mut Vec<Breach>) {
    if file.path != "src/lib.rs" {
        return;
    }
    let map: String = file.text.lines().filter(|line| line.starts_with("//!")).collect();
    for (number, line) in file.code() {
        for module in after(line, "pub mod ").filter(|name| !map.contains(&format!("`{name}`"))) {
            found.push(file.breach(number, format!("module `{module}` is not on the map")));
        }
    }
}

fn breaches(files: &[Source]) -> Vec<Breach> {
    let mut found = Vec::new();
    let rules = [layers, no_way_around_layers, wrapped, sizes, purpose_first, names, words, mapped];
    for (file, rule) in files.iter().flat_map(|file| rules.map(|rule| (file, rule))) {
        rule(file, &mut found);
    }
    limits_used(files, &mut found);
    found.sort();
    found.dedup();
    found
}

/// Files below `dir`, without what builds leave behind.
fn walk(root: &Path, dir: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() && !matches!(entry.file_name().to_str(), Some("target" | ".git")) {
            walk(root, &path, files);
        } else if kind.is_file() && entry.file_name() != ".git" {
            let path_in_root = path.strip_prefix(root).expect("below the root");
            files.push(Source {
                path: path_in_root.to_string_lossy().into_owned(),
                text: fs::read_to_string(&path).unwrap_or_default(),
                bytes: entry.metadata().expect("metadata").len(),
            });
        }
    }
}

#[test]
fn the_tree_is_tidy() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    walk(&root, &root, &mut files);
    assert!(files.len() > 50, "the walk found only {} files", files.len());
    let found: Vec<String> = breaches(&files).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{} breaches:\n{}", found.len(), found.join("\n"));
}

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned(), bytes: text.len() as u64 }
}

/// What the rules say about one file that starts as it should, without its path.
fn said(path: &str, text: &str) -> Vec<String> {
    let file = source(path, &format!("//! Sample.\n{text}"));
    breaches(&[file]).into_iter().map(|breach| breach.what).collect()
}

#[test]
fn a_tidy_file_passes() {
    let text = "use crate::object::Value;\nuse crate::cache::Entry; // see crate::api\n";
    assert_eq!(said("src/cache/entry.rs", text), [""; 0]);
    assert_eq!(said("src/main.rs", "use kubering::server::boot;\n"), [""; 0]);
}

#[test]
fn a_layer_imports_only_lower_ones() {
    let up = "`store` may not import `api`: not a lower layer";
    assert_eq!(said("src/store/x.rs", "use crate::api::Status;\n"), [up]);
    let aside = "`authn` may not import `registry`: not a lower layer";
    assert_eq!(said("src/authn/x.rs", "let x = crate::registry::get();\n"), [aside]);
    assert_eq!(said("src/stuff/x.rs", ""), ["module `stuff` has no layer"]);
    let group = said("src/api/x.rs", "use crate::{object, cache};\n");
    assert_eq!(group, ["one `use crate::module` a line, so that layers grep"]);
    let root = ["`super` reaches the crate's root: write `crate::`"];
    assert_eq!(said("src/store/x.rs", "use super::super::api;\n"), root);
    assert_eq!(said("src/store/mod.rs", "use super::api;\n"), root);
    assert_eq!(said("src/store/mod.rs", "mod tests {\n    use super::Store;\n}\n"), [""; 0]);
    assert_eq!(said("src/store/a/x.rs", "use super::super::Store;\n"), [""; 0]);
}

#[test]
fn a_wrapped_crate_is_named_in_one_module() {
    assert_eq!(said("src/api/x.rs", "use hyper::body;\n"), ["only `http client` may name `hyper`"]);
    assert_eq!(said("src/http/x.rs", "use hyper::body;\n"), [""; 0]);
}

#[test]
fn files_and_lines_have_an_end() {
    assert_eq!(said("src/api/x.rs", &"\n".repeat(600)), ["601 lines: more than 600, split it"]);
    assert_eq!(said("src/api/x.rs", &"é".repeat(101)), ["101 columns"]);
    assert_eq!(said("src/api/x.rs", &"é".repeat(100)), [""; 0]);
    let blob = Source { path: "tests/x.bin".into(), text: String::new(), bytes: 262_145 };
    assert_eq!(breaches(&[blob])[0].what, "262145 bytes: more than 256 KiB");
}

#[test]
fn line_one_says_the_purpose() {
    let what = "line 1 says what the file is for: `//! …`";
    assert_eq!(breaches(&[source("src/api/x.rs", "use std::fmt;\n")])[0].what, what);
}

#[test]
fn names_say_something() {
    assert_eq!(said("src/api/utils.rs", ""), ["the name `utils` says nothing"]);
    assert_eq!(
        said("src/api/x.rs", concat!("mo", "d helpers;\n")),
        ["the name `helpers` says nothing"]
    );
    assert_eq!(said("docs/x.md", ""), ["`docs` is not on the list of the top level"]);
}

#[test]
fn unfinished_words_and_places_do_not_land() {
    for word in WORDS {
        assert_eq!(said("src/api/x.rs", word), [format!("`{word}` does not land")]);
    }
    for place in PLACES {
        assert_eq!(said("README.md", place), [format!("`{place}` is a place of one machine")]);
    }
}

#[test]
fn a_limit_limits_something() {
    let limits = "//! Limits.\npub const BODY_MAX: u32 = 1;\n";
    let user = "//! User.\nuse crate::base::limits;\nlet x = limits::BODY_MAX;\n";
    let other = "//! User.\nlet x = limits::BODY_MAX_MORE; // BODY_MAX\n";
    let run = |text| {
        breaches(&[source("src/base/limits.rs", limits), source("src/store/x.rs", text)]).len()
    };
    assert_eq!((run(user), run(other)), (0, 1));
}

#[test]
fn the_map_shows_every_module() {
    let files = [source("src/lib.rs", "//! Map: `api`.\npub mod api;\npub mod store;\n")];
    assert_eq!(breaches(&files)[0].what, "module `store` is not on the map");
}
