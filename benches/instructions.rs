//! How many instructions the hot paths take, against `instructions.json`: the guard of their cost.
//!
//! `cargo bench --bench instructions` counts them with valgrind's callgrind and fails where one
//! takes 5 % more than the baseline says; `-- --write` makes what is counted the new baseline.
//! Counts depend on the compiler and on what the processor can do, so the baseline names both, and
//! where they differ the counts are shown but nothing fails.
//!
//! Callgrind runs this same binary once more, counts only what is inside [`measured`], and writes a
//! file each time that ends: one for each case, in their order.

#[path = "instructions/baseline.rs"]
mod baseline;
#[path = "instructions/cases.rs"]
mod cases;

use baseline::{Baseline, Machine};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Set for the run inside callgrind.
const INSIDE: &str = "KUBERING_INSTRUCTIONS_INSIDE";
/// How often each case runs before it is counted: what is made once is made then.
const WARM_RUNS: u32 = 3;
/// How often it runs while it is counted.
const RUNS: u32 = 20;

fn main() -> ExitCode {
    if std::env::var_os(INSIDE).is_some() {
        cases::all(&mut count);
        println!("features {}", features());
        return ExitCode::SUCCESS;
    }
    let write = std::env::args().any(|argument| argument == "--write");
    match run(write) {
        Ok(passed) if passed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            println!("instructions: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a case, warm, inside of what callgrind looks at, and tells its name.
fn count(name: &str, work: &mut dyn FnMut()) {
    (0..WARM_RUNS).for_each(|_| work());
    measured(work);
    println!("case {name}");
}

/// Callgrind counts from here to its end.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    (0..RUNS).for_each(|_| work());
}

/// What the code may choose its instructions by.
fn features() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let known = [
            ("sse4.2", is_x86_feature_detected!("sse4.2")),
            ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
            ("avx2", is_x86_feature_detected!("avx2")),
            ("bmi2", is_x86_feature_detected!("bmi2")),
            ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ];
        let has: Vec<&str> = known.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
        format!("x86_64 {}", has.join(" "))
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        std::env::consts::ARCH.to_owned()
    }
}

/// Counts, shows and compares. False if a hot path takes more than it may.
fn run(write: bool) -> Result<bool, String> {
    let Some(valgrind) = first_line("valgrind", "--version") else {
        println!("instructions: no valgrind, nothing is counted (Debian and Ubuntu: valgrind)");
        return Ok(true);
    };
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let rustc = first_line(&rustc, "--version").ok_or("no rustc to ask for its version")?;
    let (counts, features) = counted()?;
    let machine = Machine { rustc, valgrind, features };
    let kept = Baseline::read()?;
    if write {
        let instructions: BTreeMap<_, _> = counts.into_iter().collect();
        Baseline { machine, instructions }.write()?;
        println!("instructions: the baseline is written");
        return Ok(true);
    }
    Ok(kept.compare(&machine, &counts))
}

fn first_line(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

/// The instructions of one run of each case, and what the processor can do.
fn counted() -> Result<(Vec<(String, u64)>, String), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let out = directory.path().join("out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no"])
        .args(["--toggle-collect=instructions::measured", "--dump-after=instructions::measured"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(&own)
        .env(INSIDE, "1")
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(format!("{}{text}", String::from_utf8_lossy(&output.stderr)));
    }
    let of = |prefix: &'static str| text.lines().filter_map(move |line| line.strip_prefix(prefix));
    let mut counts = Vec::new();
    for (index, name) in of("case ").enumerate() {
        let total = total(&directory.path().join(format!("out.{}", index + 1)))?;
        counts.push((name.to_owned(), total / u64::from(RUNS)));
    }
    Ok((counts, of("features ").next().unwrap_or_default().to_owned()))
}

/// The sum in one of callgrind's files.
fn total(file: &Path) -> Result<u64, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("callgrind wrote no {}: {error}", file.display()))?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals:"));
    let number = totals.and_then(|text| text.trim().parse().ok());
    number.filter(|number| *number > 0).ok_or(format!("{} counts nothing", file.display()))
}
