//! Unified line diffs with three lines of context, as Python's difflib and its Go port make them
//! (`apimachinery util/diff.Diff`): what 422 messages on immutable specs end with.

use crate::base::hash::HashMap;
use std::fmt::Write as _;

const CONTEXT: usize = 3;
/// Longer texts are diffed as one replaced block: matching is quadratic.
const LINES_MAX: usize = 4_000;
/// Lists from this length on have their popular lines ignored by the matcher.
const JUNK_LINES_MIN: usize = 200;

/// A stretch that `old` and `new` share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Match {
    old: usize,
    new: usize,
    size: usize,
}

/// One step from `old` to `new`: ranges of lines, equal or not.
#[derive(Debug, Clone, Copy)]
struct Step {
    equal: bool,
    old: (usize, usize),
    new: (usize, usize),
}

/// The hunks between two texts; empty if they are the same.
pub fn unified(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.split('\n').collect();
    let new: Vec<&str> = new.split('\n').collect();
    let mut out = String::new();
    for group in groups(&steps(&old, &new)) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let _ = writeln!(
            out,
            "@@ -{} +{} @@",
            range(first.old.0, last.old.1),
            range(first.new.0, last.new.1)
        );
        for step in &group {
            let mark = if step.equal { ' ' } else { '-' };
            lines(&mut out, mark, old.get(step.old.0..step.old.1));
            if !step.equal {
                lines(&mut out, '+', new.get(step.new.0..step.new.1));
            }
        }
    }
    out
}

fn lines(out: &mut String, mark: char, lines: Option<&[&str]>) {
    for line in lines.unwrap_or_default() {
        let _ = writeln!(out, "{mark}{line}");
    }
}

fn range(start: usize, end: usize) -> String {
    match end - start {
        1 => format!("{}", start + 1),
        0 => format!("{start},0"),
        length => format!("{},{length}", start + 1),
    }
}

/// Cuts the equal stretches down to the context and splits at the long ones.
fn groups(steps: &[Step]) -> Vec<Vec<Step>> {
    let mut steps = steps.to_vec();
    if let Some(first) = steps.first_mut().filter(|step| step.equal) {
        first.old.0 = first.old.0.max(first.old.1.saturating_sub(CONTEXT));
        first.new.0 = first.new.0.max(first.new.1.saturating_sub(CONTEXT));
    }
    if let Some(last) = steps.last_mut().filter(|step| step.equal) {
        last.old.1 = last.old.1.min(last.old.0 + CONTEXT);
        last.new.1 = last.new.1.min(last.new.0 + CONTEXT);
    }
    let mut groups = Vec::new();
    let mut group: Vec<Step> = Vec::new();
    for mut step in steps {
        if step.equal && step.old.1 - step.old.0 > 2 * CONTEXT {
            group.push(Step {
                old: (step.old.0, step.old.0 + CONTEXT),
                new: (step.new.0, step.new.0 + CONTEXT),
                ..step
            });
            groups.push(std::mem::take(&mut group));
            step.old.0 = step.old.1 - CONTEXT;
            step.new.0 = step.new.1 - CONTEXT;
        }
        group.push(step);
    }
    if group.iter().any(|step| !step.equal) {
        groups.push(group);
    }
    groups
}

fn steps(old: &[&str], new: &[&str]) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut at_old, mut at_new) = (0, 0);
    for found in matches(old, new) {
        if at_old < found.old || at_new < found.new {
            let (old, new) = ((at_old, found.old), (at_new, found.new));
            steps.push(Step { equal: false, old, new });
        }
        at_old = found.old + found.size;
        at_new = found.new + found.size;
        if found.size > 0 {
            let (old, new) = ((found.old, at_old), (found.new, at_new));
            steps.push(Step { equal: true, old, new });
        }
    }
    steps
}

/// The matching stretches in order, ended by an empty one.
fn matches(old: &[&str], new: &[&str]) -> Vec<Match> {
    let end = Match { old: old.len(), new: new.len(), size: 0 };
    if old.len() > LINES_MAX || new.len() > LINES_MAX {
        return vec![end];
    }
    let mut places: HashMap<&str, Vec<usize>> = HashMap::default();
    for (at, line) in new.iter().enumerate() {
        places.entry(*line).or_default().push(at);
    }
    if new.len() >= JUNK_LINES_MIN {
        let often = new.len() / 100 + 1;
        places.retain(|_, at| at.len() <= often);
    }
    let mut found = Vec::new();
    let mut open = vec![(0, old.len(), 0, new.len())];
    while let Some((old_low, old_high, new_low, new_high)) = open.pop() {
        let best = longest(old, new, &places, (old_low, old_high, new_low, new_high));
        if best.size == 0 {
            continue;
        }
        found.push(best);
        open.push((old_low, best.old, new_low, best.new));
        open.push((best.old + best.size, old_high, best.new + best.size, new_high));
    }
    found.sort_unstable();
    let mut joined: Vec<Match> = Vec::new();
    for next in found {
        match joined.last_mut() {
            Some(last) if last.old + last.size == next.old && last.new + last.size == next.new => {
                last.size += next.size;
            }
            _ => joined.push(next),
        }
    }
    joined.push(end);
    joined
}

/// `find_longest_match`: the earliest of the longest common stretches, grown over ignored lines.
fn longest(
    old: &[&str],
    new: &[&str],
    places: &HashMap<&str, Vec<usize>>,
    (old_low, old_high, new_low, new_high): (usize, usize, usize, usize),
) -> Match {
    let mut best = Match { old: old_low, new: new_low, size: 0 };
    let mut lengths: HashMap<usize, usize> = HashMap::default();
    for (at, line) in old.iter().enumerate().take(old_high).skip(old_low) {
        let mut next: HashMap<usize, usize> = HashMap::default();
        for place in places.get(line).into_iter().flatten() {
            if *place < new_low {
                continue;
            }
            if *place >= new_high {
                break;
            }
            let before = place.checked_sub(1).and_then(|place| lengths.get(&place));
            let size = before.copied().unwrap_or(0) + 1;
            next.insert(*place, size);
            if size > best.size {
                best = Match { old: at + 1 - size, new: *place + 1 - size, size };
            }
        }
        lengths = next;
    }
    while best.old > old_low && best.new > new_low && old.get(best.old - 1) == new.get(best.new - 1)
    {
        best = Match { old: best.old - 1, new: best.new - 1, size: best.size + 1 };
    }
    while best.old + best.size < old_high
        && best.new + best.size < new_high
        && old.get(best.old + best.size) == new.get(best.new + best.size)
    {
        best.size += 1;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn a_changed_line_shows_with_three_lines_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni";
        let new = "a\nb\nc\nd\nX\nf\ng\nh\ni";
        assert_eq!(unified(old, new), "@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+X\n f\n g\n h\n");
        assert_eq!(unified(old, old), "");
    }

    #[test]
    fn distant_changes_make_two_hunks() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9";
        let new = "x\n2\n3\n4\n5\n6\n7\n8\ny";
        assert_eq!(
            unified(old, new),
            "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n"
        );
    }
}
