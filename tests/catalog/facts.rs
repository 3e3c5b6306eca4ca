//! The data files against the facts they were made from.
//!
//! The schema facts lack the order of Go's fields, pointers, and what an unset field shows; these
//! stand only in the data files and are carried over when the rest is made anew. A field that the
//! facts add is put last in its type without them, to be completed by hand.

use crate::outside;
use kubering::catalog::catalog;
use kubering::object::schema::Field;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const TYPE_FILES: [&str; 9] = [
    "auth",
    "control",
    "core",
    "extensions",
    "meta",
    "network",
    "resource",
    "storage",
    "workloads",
];
const TYPE_HEADER: &str = "# Types of the Kubernetes v1.36 API; tests/catalog/facts.rs makes this \
                           file and checks it.\n# Format: see src/catalog/types.rs.\n";
const RESOURCE_HEADER: &str = "# Resources and subresources of Kubernetes v1.36; \
                               tests/catalog/facts.rs makes this file and checks it.\n\
                               # Format: see src/catalog/resource.rs.\n";

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/data").join(file)
}

/// Fails if the file is not `made`; with KUBERING_WRITE=1 writes it instead.
fn check(file: &str, made: &str) {
    let path = data(file);
    if read(&path) == made {
        return;
    }
    assert!(
        std::env::var_os("KUBERING_WRITE").is_some(),
        "{file} is stale: KUBERING_WRITE=1 remakes it"
    );
    std::fs::write(&path, made).unwrap();
}

/// A type as its lines: heading words after the name, fields by name.
#[derive(Default)]
struct Lines<'f> {
    heading: Vec<&'f str>,
    /// Name, number, kind, flags.
    fields: Vec<(&'f str, &'f str, &'f str, Vec<&'f str>)>,
}

fn parse<'f>(text: &'f str, separator: char) -> BTreeMap<&'f str, Lines<'f>> {
    let mut types: BTreeMap<&str, Lines<'_>> = BTreeMap::new();
    let mut name = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(heading) = line.strip_prefix("type ") {
            let mut words = heading.split(' ');
            name = words.next().unwrap();
            types.insert(name, Lines { heading: words.collect(), fields: Vec::new() });
            continue;
        }
        let mut words = line.trim_start().splitn(4, separator);
        let mut next = || words.next().unwrap();
        let (field, number, kind) = (next(), next(), next());
        let flags = words.next().unwrap_or("").split(' ').filter(|flag| !flag.is_empty());
        types.get_mut(name).unwrap().fields.push((field, number, kind, flags.collect()));
    }
    types
}

/// The kind as data files write it.
fn kind(fact: &str) -> String {
    let props = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
    let (prefix, name) = match fact.rfind([']', '}']) {
        Some(at) => fact.split_at(at + 1),
        None => ("", fact),
    };
    match name {
        "jsonschemapropsorarray" => format!("{prefix}{props}|list"),
        "jsonschemapropsorbool" => format!("{prefix}{props}|bool"),
        "jsonschemapropsorstringarray" => format!("{prefix}{props}|strings"),
        _ => {
            let short = name.strip_prefix("io.k8s.api.");
            let short = short.or_else(|| name.strip_prefix("io.k8s.apimachinery.pkg.apis."));
            format!("{prefix}{}", short.unwrap_or(name))
        }
    }
}

fn print(name: &str, fact: &Lines<'_>, known: Option<&Lines<'_>>) -> String {
    let heading = fact.heading.iter().filter(|word| !word.starts_with("proto="));
    let heading: Vec<&str> = [name].into_iter().chain(heading.copied()).collect();
    let mut text = format!("type {}\n", heading.join(" "));
    let known = known.map_or(&[][..], |known| known.fields.as_slice());
    let place = |field: &str| known.iter().position(|(name, ..)| *name == field);
    let mut fields: Vec<_> = fact.fields.iter().collect();
    fields.sort_by_key(|(field, ..)| place(field).unwrap_or(usize::MAX));
    for (field, number, fact_kind, fact_flags) in fields {
        let ours = place(field).map(|at| &known[at]);
        // The facts lack the numbers of JSONSchemaProps' fields with unusual names.
        let number = if *number == "-" { ours.map_or("-", |ours| ours.1) } else { number };
        let presence = ours.map_or(&[][..], |ours| ours.3.as_slice()).iter().copied();
        let presence = presence
            .filter(|f| *f == "pointer" || f.starts_with("show=") || f.starts_with("typed="));
        let declared = fact_flags.iter().copied().filter(|flag| !flag.starts_with("wire="));
        let wrapped = fact_flags.iter().any(|f| f.starts_with("wire=") && f.ends_with(".Verbs"));
        let wrapped = wrapped.then_some("wrapped");
        let flags: Vec<&str> = presence.chain(declared).chain(wrapped).collect();
        let kind = kind(fact_kind);
        let words = [*field, number, &kind].into_iter().chain(flags);
        writeln!(text, "  {}", words.collect::<Vec<_>>().join(" ")).unwrap();
    }
    text
}

#[test]
fn types_are_those_of_the_schema_facts() {
    let Some(dir) = outside("KUBERING_FACTS", "../shared/facts") else { return };
    let facts = read(&dir.join("schema-v1.36.txt"));
    let mut facts = parse(&facts, '\t');
    facts.retain(|_, lines| !lines.heading.iter().any(|word| word.starts_with("special=")));
    let files: Vec<(&str, String)> =
        TYPE_FILES.iter().map(|file| (*file, read(&data(&format!("types/{file}.txt"))))).collect();
    let mut made = 0;
    for (file, text) in &files {
        let known = parse(text, ' ');
        let package = |name: &str| name.rsplit_once('.').unwrap().0.to_owned();
        let packages: Vec<String> = known.keys().map(|name| package(name)).collect();
        let mut rows: BTreeMap<(String, &str), String> = BTreeMap::new();
        for (name, fact) in facts.iter().filter(|(name, _)| packages.contains(&package(name))) {
            let text = print(name, fact, known.get(name));
            rows.insert((package(name), name), text);
        }
        made += rows.len();
        for (name, lines) in known.iter().filter(|(_, lines)| lines.heading.contains(&"extra")) {
            assert!(!facts.contains_key(name), "{name} is no extra");
            rows.insert((package(name), name), as_it_is(text, name, lines));
        }
        let text: String = rows.into_values().collect();
        check(&format!("types/{file}.txt"), &format!("{TYPE_HEADER}{text}"));
    }
    assert_eq!(made, facts.len(), "a package of the facts is in no file");
}

/// The lines of a type, unchanged.
fn as_it_is(text: &str, name: &str, lines: &Lines<'_>) -> String {
    let start = text.find(&format!("type {name} ")).unwrap();
    let lines = text[start..].split_inclusive('\n').take(1 + lines.fields.len());
    lines.collect()
}

#[test]
fn extra_types_have_the_numbers_of_their_messages() {
    let Some(dir) = outside("KUBERING_FACTS", "../shared/facts") else { return };
    let facts = read(&dir.join("wire-messages-not-in-openapi.txt"));
    let mut messages: BTreeMap<String, Vec<(&str, &str)>> = BTreeMap::new();
    let mut message = String::new();
    for line in facts.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("message ") {
            message = name.replacen("k8s.io.", "io.k8s.", 1).replace('_', "-");
            messages.insert(message.clone(), Vec::new());
            continue;
        }
        let mut words = line.trim_start().split('\t');
        let field = (words.next().unwrap(), words.next().unwrap());
        messages.get_mut(&message).unwrap().push(field);
    }
    let mut compared = 0;
    for ty in catalog().types() {
        let Some(fields) = messages.get(ty.name) else { continue };
        compared += 1;
        for (name, number) in fields {
            // Of an embedded message the fields stand in the type itself, below its number.
            let is_embedded =
                |field: &Field| !field.nested.is_empty() && field.number.to_string() == *number;
            if ty.field(name).is_none() && ty.fields.iter().any(is_embedded) {
                continue;
            }
            let ours = ty.field(name).unwrap_or_else(|| panic!("{} has no {name}", ty.name));
            assert_eq!(ours.number.to_string(), *number, "{}.{name}", ty.name);
        }
    }
    assert!(compared > 20, "{compared} messages");
}

/// A row of resources.tsv by column name.
struct Row<'f> {
    cells: Vec<&'f str>,
    columns: &'f [&'f str],
}

impl<'f> Row<'f> {
    fn cell(&self, column: &str) -> &'f str {
        let at = self.columns.iter().position(|name| *name == column).unwrap();
        self.cells[at]
    }

    fn api_version(&self) -> String {
        match self.cell("group") {
            "-" => self.cell("version").to_owned(),
            group => format!("{group}/{}", self.cell("version")),
        }
    }
}

#[test]
fn resources_are_those_of_the_facts() {
    let Some(dir) = outside("KUBERING_FACTS", "../shared/facts") else { return };
    let text = read(&dir.join("resources.tsv"));
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let rows: Vec<Row<'_>> =
        lines.map(|l| Row { cells: l.split('\t').collect(), columns: &columns }).collect();
    let mut made = RESOURCE_HEADER.to_owned();
    let mut parent = &rows[0];
    for row in &rows {
        if row.cell("isSubresource") == "yes" {
            print_subresource(row, parent, &mut made);
        } else {
            parent = row;
            print_resource(row, &mut made);
        }
    }
    check("resources.txt", &made);
}

fn print_resource(row: &Row<'_>, text: &mut String) {
    let names = [row.cell("name"), row.cell("singular"), row.cell("kind")];
    write!(text, "resource {} {}", row.api_version(), names.join(" ")).unwrap();
    for (flag, set) in [
        (" namespaced", row.cell("namespaced") == "true"),
        (" off", row.cell("servedByDefault") != "yes"),
        (" virtual", row.cell("etcdKey") == "-"),
    ] {
        text.push_str(if set { flag } else { "" });
    }
    if row.cell("storageVersionHash") != "-" {
        write!(text, " hash={}", row.cell("storageVersionHash")).unwrap();
    }
    text.push('\n');
    let words = [("verbs", "verbs"), ("short", "shortNames"), ("categories", "categories")];
    for (key, column) in words.into_iter().filter(|(_, column)| row.cell(column) != "-") {
        writeln!(text, "  {key} {}", row.cell(column).replace(',', " ")).unwrap();
    }
    if row.cell("tableColumns") != "-" {
        writeln!(text, "  columns {}", row.cell("tableColumns")).unwrap();
    }
}

fn print_subresource(row: &Row<'_>, parent: &Row<'_>, text: &mut String) {
    let (resource, name) = row.cell("name").split_once('/').unwrap();
    assert_eq!((resource, parent.api_version()), (parent.cell("name"), row.api_version()));
    for column in ["namespaced", "servedByDefault", "etcdKey"] {
        assert_eq!(row.cell(column), parent.cell(column), "{resource}/{name}");
    }
    let verbs = row.cell("verbs").replace(',', " ");
    let (version, kind) = (row.cell("kindGroupVersion"), row.cell("kind"));
    writeln!(text, "  sub {name} {version} {kind} {verbs}").unwrap();
    if row.cell("tableColumns") != parent.cell("tableColumns") {
        writeln!(text, "    columns {}", row.cell("tableColumns")).unwrap();
    }
}

#[test]
fn storages_have_the_keys_and_versions_of_the_facts() {
    let Some(dir) = outside("KUBERING_FACTS", "../shared/facts") else { return };
    let text = read(&dir.join("resources.tsv"));
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    for line in lines {
        let row = Row { cells: line.split('\t').collect(), columns: &columns };
        let (name, key) = (row.cell("name"), row.cell("etcdKey"));
        if row.cell("isSubresource") == "yes" || key == "-" {
            continue;
        }
        let storage = catalog().storage(name).unwrap_or_else(|| panic!("{name} is not stored"));
        let made = storage.key("{namespace}", "{name}");
        assert_eq!(std::str::from_utf8(&made).unwrap(), key);
        let group = if storage.group.is_empty() { "" } else { "/" };
        let version = format!("{}{group}{}", storage.group, storage.version);
        let version = storage.written.map_or(version.as_str(), |written| written.api_version);
        assert_eq!(version, row.cell("storageVersion"), "{name}");
    }
}
