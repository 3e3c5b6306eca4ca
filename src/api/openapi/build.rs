//! Build script: reads the doc comments of the `k8s-openapi` crate, the texts that `kubectl
//! explain` and table headers show, and writes them as one static table for `api::openapi::docs`.
//!
//! The crate is a dependency that no target ever compiles (`cfg(any())`): cargo downloads, locks
//! and checks it like any other, and only its source text is used. Without it the build goes on
//! with a warning, and descriptions are empty.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The crate's module that holds the types of the served API version.
const TYPES: &str = "src/v1_36";

/// Description of a type, and of its fields by JSON name.
#[derive(Default)]
struct Doc {
    text: String,
    fields: BTreeMap<String, String>,
}

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rerun-if-changed=src/api/openapi/build.rs");
    let mut docs = BTreeMap::new();
    match crate_root() {
        Some(root) => read_directory(&root.join(TYPES), &mut docs),
        None => {
            println!("cargo::warning=no sources of k8s-openapi: run `cargo fetch`");
            // A path that is never there makes cargo run this again at the next build.
            println!("cargo::rerun-if-changed=src/api/openapi/absent");
        }
    }
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(target.join("docs.rs"), render(&docs)).expect("OUT_DIR is writable");
}

/// Where cargo keeps the sources: asked of cargo, so that vendored and mirrored registries work;
/// first without the network.
fn crate_root() -> Option<PathBuf> {
    let cargo = env::var_os("CARGO")?;
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?).join("Cargo.toml");
    for offline in [&["--offline"][..], &[]] {
        let mut command = Command::new(&cargo);
        command.args(["metadata", "--format-version", "1", "--locked"]).args(offline);
        let answer = command.arg("--manifest-path").arg(&manifest).output().ok()?;
        let text = String::from_utf8_lossy(&answer.stdout);
        if let Some(at) = text.find(r#""name":"k8s-openapi","version":"0.29."#) {
            let path = text[at..].split(r#""manifest_path":""#).nth(1)?.split('"').next()?;
            return Some(Path::new(path).parent()?.to_path_buf());
        }
    }
    None
}

fn read_directory(directory: &Path, docs: &mut BTreeMap<String, Doc>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_directory(&path, docs);
        } else if let Ok(text) = fs::read_to_string(&path) {
            read_type(&text, docs);
        }
    }
}

/// One generated file: a header with the definition's name, the type with its doc comments, and
/// the deserializer, whose match arms give each Rust field its JSON name.
fn read_type(text: &str, docs: &mut BTreeMap<String, Doc>) {
    let Some(rest) = text.strip_prefix("// Generated from definition ") else { return };
    let Some((name, body)) = rest.split_once('\n') else { return };
    let mut doc = Doc::default();
    let mut pending = Vec::new();
    let mut rust_names = BTreeMap::new();
    let mut inside = false;
    let mut closed = false;
    for line in body.lines() {
        let line = line.trim();
        if let Some((json, key)) = line.split_once("\" => Field::Key_") {
            let json = json.trim_start_matches('"').to_owned();
            rust_names.entry(key.trim_end_matches(',').to_owned()).or_insert(json);
        } else if closed || line.starts_with("#[") {
        } else if let Some(comment) = line.strip_prefix("///") {
            pending.push(comment.strip_prefix(' ').unwrap_or(comment));
        } else if line.starts_with("pub struct ") || line.starts_with("pub enum ") {
            doc.text = plain(&pending.join("\n"));
            pending.clear();
            inside = line.starts_with("pub struct ") && line.ends_with('{');
            closed = !inside;
        } else if inside && let Some(field) = line.strip_prefix("pub ") {
            let field = field.split(':').next().unwrap_or_default().trim_start_matches("r#");
            doc.fields.insert(field.to_owned(), plain(&pending.join("\n")));
            pending.clear();
        } else if line == "}" {
            closed = true;
        }
    }
    doc.fields = std::mem::take(&mut doc.fields)
        .into_iter()
        .map(|(rust, text)| (rust_names.remove(&rust).unwrap_or(rust), text))
        .collect();
    docs.insert(name.trim().to_owned(), doc);
}

/// Takes back the escapes that the crate's generator adds for rustdoc.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let escaped = matches!(rest.peek(), Some('[' | ']' | '<' | '>' | '\\'));
        match rest.next_if(|_| c == '\\' && escaped) {
            Some(plain) => out.push(plain),
            None => out.push(c),
        }
    }
    out
}

fn render(docs: &BTreeMap<String, Doc>) -> String {
    let mut out = String::from("static TYPES: &[TypeDoc] = &[\n");
    for (name, doc) in docs {
        let _ = write!(out, "({name:?}, {:?}, &[", doc.text);
        for (field, text) in doc.fields.iter().filter(|(_, text)| !text.is_empty()) {
            let _ = write!(out, "({field:?}, {text:?}), ");
        }
        out.push_str("]),\n");
    }
    out.push_str("];\n");
    out
}
