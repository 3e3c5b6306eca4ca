//! Files of one volume that would lie on or inside each other
//! (`warningsForOverlappingVirtualPaths`).

use crate::object::Value;
use crate::registry::read::Read as _;

/// A file, and the source that it comes from.
type File<'a> = (&'a str, Option<String>);

/// All volumes of a pod.
pub(super) fn volumes(volumes: &[Value<'_>], out: &mut Vec<String>) {
    for volume in volumes {
        let name = volume.text("name");
        let single = [
            ("configMap", "ConfigMap", "name"),
            ("secret", "Secret", "secretName"),
            ("downwardAPI", "DownwardAPI", ""),
        ];
        for (member, kind, owner) in single {
            let Some(source) = volume.get(member) else { continue };
            if source.items("items").len() < 2 {
                continue;
            }
            let of = match owner {
                "" => format!("volume {name:?} ({kind})"),
                owner => format!("volume {name:?} ({kind} {:?})", source.text(owner)),
            };
            let files: Vec<File<'_>> = paths(source).map(|path| (path, None)).collect();
            overlaps(&files, &of, out);
        }
        if let Some(projected) = volume.get("projected") {
            sources(name, projected.items("sources"), out);
        }
    }
}

fn paths<'a: 'v, 'v>(source: &'v Value<'a>) -> impl Iterator<Item = &'a str> + 'v {
    source.items("items").iter().map(|item| item.text("path"))
}

fn sources(name: &str, sources: &[Value<'_>], out: &mut Vec<String>) {
    let of = || format!("volume {name:?} (Projected)");
    if sources.len() < 2 && !sources.iter().any(|s| s.is_empty() || has_items(s)) {
        return;
    }
    let mut files: Vec<File<'_>> = Vec::new();
    for source in sources {
        if source.is_empty() {
            out.push(format!("{} has no sources provided", of()));
            continue;
        }
        for (member, kind) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
            let Some(part) = source.get(member) else { continue };
            let from = format!("{kind} {:?}", part.text("name"));
            files.extend(paths(part).map(|path| (path, Some(from.clone()))));
        }
        if let Some(part) = source.get("downwardAPI") {
            files.extend(paths(part).map(|path| (path, Some("DownwardAPI".into()))));
        }
        if let Some(part) = source.get("serviceAccountToken") {
            files.push((part.text("path"), Some("ServiceAccountToken".into())));
        }
        if let Some(part) = source.get("clusterTrustBundle") {
            let signer = part.text("signerName");
            let owner = if part.has("name") { part.text("name") } else { signer };
            files.push((part.text("path"), Some(format!("ClusterTrustBundle {owner:?}"))));
        }
        if let Some(part) = source.get("podCertificate") {
            for member in ["credentialBundlePath", "keyPath", "certificateChainPath"] {
                if !part.text(member).is_empty() {
                    files.push((part.text(member), Some("PodCertificate".into())));
                }
            }
        }
    }
    overlaps(&files, &of(), out);
}

fn has_items(source: &Value<'_>) -> bool {
    ["configMap", "secret", "downwardAPI"]
        .iter()
        .any(|name| source.get(name).is_some_and(|part| !part.items("items").is_empty()))
}

/// One warning for each earlier file that a file lies on, in or around.
fn overlaps(files: &[File<'_>], of: &str, out: &mut Vec<String>) {
    let shown = |(path, from): &File<'_>| {
        let path = path.trim_end_matches('/');
        match from {
            Some(from) => format!("{path:?} ({from})"),
            None => format!("{path:?}"),
        }
    };
    for (index, file) in files.iter().enumerate() {
        for other in files.iter().take(index).filter(|other| collide(other.0, file.0)) {
            out.push(format!("{of}: overlapping paths: {} with {}", shown(file), shown(other)));
        }
    }
}

fn collide(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim_end_matches('/'), b.trim_end_matches('/'));
    let holds = |dir: &str, file: &str| {
        file.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    !a.is_empty() && !b.is_empty() && (holds(a, b) || holds(b, a))
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::tree;
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn files_may_not_lie_on_each_other() {
        let item = |path: &str| json!({"path": path});
        for (volume, warnings) in [
            (json!({"secret": {"secretName": "s", "items": [item("a"), item("b")]}}), &[][..]),
            (
                json!({"configMap": {"name": "foo", "items": [item("test"), item("test/app")]}}),
                &["volume \"v\" (ConfigMap \"foo\"): overlapping paths: \"test/app\" with \
                   \"test\""],
            ),
            (
                json!({"downwardAPI": {"items": [item("test"), item("test")]}}),
                &["volume \"v\" (DownwardAPI): overlapping paths: \"test\" with \"test\""],
            ),
            (
                json!({"projected": {"sources": [
                    {"secret": {"name": "Test", "items": [item("test")]}},
                    {"serviceAccountToken": {"path": "test"}}]}}),
                &["volume \"v\" (Projected): overlapping paths: \"test\" (ServiceAccountToken) \
                   with \"test\" (Secret \"Test\")"],
            ),
            (
                json!({"projected": {"sources": [{}]}}),
                &["volume \"v\" (Projected) has no sources provided"],
            ),
        ] {
            let arena = Bump::new();
            let mut volume = volume;
            volume["name"] = json!("v");
            let volume = tree(&arena, &volume);
            let mut out = Vec::new();
            super::volumes(&[volume], &mut out);
            assert_eq!(out, warnings);
        }
    }
}
