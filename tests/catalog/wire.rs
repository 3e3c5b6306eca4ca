//! The kinds of the protobuf fixtures.

use crate::oracle_dir;
use flate2::read::GzDecoder;
use kubering::catalog::catalog;
use std::collections::BTreeSet;
use std::io::Read;

#[test]
fn every_kind_of_the_fixtures_is_known() {
    let Some(dir) = oracle_dir("wire") else { return };
    let packed = std::fs::read(dir.join("HEAD.tar.gz")).unwrap();
    let mut archive = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut archive).unwrap();
    let names = file_names(&archive);
    assert!(names.len() >= 100, "{} fixtures", names.len());
    for name in names {
        let (rest, kind) = name.rsplit_once('.').unwrap();
        let (group, version) = rest.rsplit_once('.').unwrap();
        let group = if group == "core" { "" } else { group };
        assert!(catalog().kind(group, version, kind).is_some(), "{name}");
    }
}

/// The names of a tar archive's JSON files, without directory and suffix.
fn file_names(archive: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = archive;
    while rest.len() > 512 && rest[0] != 0 {
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(&rest[range]).trim_end_matches(['\0', ' ']).to_owned()
        };
        let size = usize::from_str_radix(&text(124..136), 8).unwrap();
        if let Some(name) = text(0..100).strip_suffix(".json") {
            names.insert(name.rsplit('/').next().unwrap().to_owned());
        }
        let next = 512 + size.div_ceil(512) * 512;
        rest = rest.get(next..).unwrap_or(&[]);
    }
    names
}
