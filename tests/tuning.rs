//! What stands in `tuning/` names only series that the server has and flags that it knows.

use std::path::Path;
use std::process::Command;

const PREFIXES: [&str; 3] = ["apiserver_", "kubering_", "process_"];
const FAMILIES: &str = include_str!("../src/metrics/family.rs");

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The series that a text names.
fn series(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix))).collect()
}

#[test]
fn alerts_and_dashboard_name_series_that_exist() {
    for name in ["alerts.yaml", "dashboard.json"] {
        let text = text(name);
        let named = series(&text);
        assert!(named.len() > 10, "{name} names {} series", named.len());
        for series in named {
            let family = series.strip_suffix("_bucket").unwrap_or(series);
            assert!(FAMILIES.contains(&format!("\"{family}\"")), "{name}: no series {series}");
        }
    }
}

#[test]
fn the_unit_and_the_static_pod_start_the_server_with_flags_that_it_knows() {
    for name in ["kubering.service", "kube-apiserver.yaml"] {
        let text = text(name);
        let starts = |line: &&str| line.starts_with("ExecStart=") || line.contains("- --");
        let words = text.lines().filter(starts).flat_map(|line| line.split([' ', '=']));
        let flags: Vec<&str> = words.filter(|word| word.starts_with("--")).collect();
        assert!(flags.len() >= 2, "{name} has flags");
        let help = Command::new(env!("CARGO_BIN_EXE_kubering")).arg("--help").output();
        let help = String::from_utf8(help.expect("the binary runs").stdout).expect("UTF-8");
        for flag in flags {
            assert!(help.contains(flag), "{name}: no flag {flag}");
        }
    }
}

#[test]
fn tune_check_reports_every_setting_of_the_readme() {
    let output = Command::new(env!("CARGO_BIN_EXE_kubering")).args(["tune", "--check"]).output();
    let output = output.expect("the binary runs");
    let report = String::from_utf8(output.stdout).expect("UTF-8");
    let readme = text("README.md");
    for name in kubering::server::tune::NAMES {
        assert!(readme.contains(&format!("| {name} |")), "tuning/README.md has no row {name}");
        let row = report.lines().find(|line| line.get(8..).is_some_and(|l| l.starts_with(name)));
        assert!(row.is_some(), "no line of {name}: {report}");
    }
    let worst = if report.contains("\nMUST") || report.starts_with("MUST") {
        3
    } else {
        i32::from(report.contains("\nshould"))
    };
    assert_eq!(output.status.code(), Some(worst), "{report}");
}

#[test]
fn tune_does_nothing_but_check() {
    for arguments in [&["tune"][..], &["tune", "--set"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_kubering")).args(arguments).output();
        assert_eq!(output.expect("the binary runs").status.code(), Some(2), "{arguments:?}");
    }
}
