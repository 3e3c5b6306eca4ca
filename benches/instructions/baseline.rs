//! The counts that are kept, and what they hold for.

use serde_json::{Value, json};
use std::collections::BTreeMap;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.json");
/// More than so many percent above the baseline fails.
const PERCENT_MAX: u64 = 5;
/// So many instructions more never fail: where a build places its data moves small counts by that
/// much, the same source in another directory.
const SLACK: u64 = 16;

/// What counts depend on beside the code.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) rustc: String,
    pub(crate) valgrind: String,
    pub(crate) features: String,
}

/// The kept counts of each case.
#[derive(Debug, Default)]
pub(crate) struct Baseline {
    pub(crate) machine: Machine,
    pub(crate) instructions: BTreeMap<String, u64>,
}

impl Baseline {
    /// Reads the file; an empty baseline if there is none.
    pub(crate) fn read() -> Result<Self, String> {
        let Ok(text) = std::fs::read(FILE) else { return Ok(Self::default()) };
        let value: Value =
            serde_json::from_slice(&text).map_err(|error| format!("{FILE}: {error}"))?;
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let counts = value["instructions"].as_object().into_iter().flatten();
        let counts = counts.filter_map(|(name, count)| Some((name.clone(), count.as_u64()?)));
        let (rustc, valgrind, features) = (text("rustc"), text("valgrind"), text("features"));
        let machine = Machine { rustc, valgrind, features };
        Ok(Self { machine, instructions: counts.collect() })
    }

    pub(crate) fn write(&self) -> Result<(), String> {
        let Machine { rustc, valgrind, features } = &self.machine;
        let value = json!({
            "rustc": rustc,
            "valgrind": valgrind,
            "features": features,
            "instructions": self.instructions,
        });
        let mut text = serde_json::to_vec_pretty(&value).map_err(|error| error.to_string())?;
        text.push(b'\n');
        std::fs::write(FILE, text).map_err(|error| format!("{FILE}: {error}"))
    }

    /// Shows the counts beside the kept ones. False if one is too large or is not kept, and the
    /// baseline holds for this machine.
    pub(crate) fn compare(&self, machine: &Machine, counts: &[(String, u64)]) -> bool {
        let mut over = Vec::new();
        for (name, count) in counts {
            let kept = self.instructions.get(name).copied();
            let change = kept.map_or_else(String::new, |kept| {
                let (kept, count) = (kept.max(1) as f64, *count as f64);
                format!("{:+.1} %", (count / kept - 1.0) * 100.0)
            });
            println!("{name:<40} {count:>10} {change:>9}");
            match kept {
                Some(kept) if *count <= kept + SLACK.max(kept * PERCENT_MAX / 100) => {}
                _ => over.push(name.as_str()),
            }
        }
        if *machine != self.machine {
            println!("instructions: not compared, the baseline is of another machine");
            println!("  baseline: {:?}\n  here:     {machine:?}", self.machine);
            return true;
        }
        if over.is_empty() {
            return true;
        }
        println!(
            "instructions: more than {PERCENT_MAX} % above benches/instructions.json, or not in \
             it: {}.\nMake them cheaper; or, where the cost is meant, say why in the commit that \
             writes the new baseline (cargo bench --bench instructions -- --write).",
            over.join(", ")
        );
        false
    }
}
