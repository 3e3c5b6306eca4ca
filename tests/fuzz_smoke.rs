//! Every fuzz target on its seeds and on damaged copies of them, so that none can rot.
//! `tests/fuzz/run` fuzzes for as long as one likes.
#![cfg(test)]

#[path = "fuzz/targets/mod.rs"]
mod targets;

use proptest::prelude::any;
use proptest::prelude::prop;
use proptest::test_runner::Config;
use proptest::test_runner::TestRunner;
use std::path::Path;

/// Damaged copies that each target gets.
const CASES: u32 = 2_000;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .expect("the target's seeds")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a seed")).collect()
}

/// The stack of a test: frames of an unoptimized build are several times those of the server.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Runs a test on a thread of its own.
fn with_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(test);
    if let Err(panic) = thread.expect("a thread").join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs a target on its seeds as they are, then with bytes changed, pieces cut out and pieces of
/// other seeds put in.
fn smoke(target: &str, run: fn(&[u8])) {
    let seeds = seeds(target);
    seeds.iter().for_each(|seed| run(seed));
    let byte = (any::<prop::sample::Index>(), any::<u8>());
    let cut = (any::<prop::sample::Index>(), 0_usize..40);
    let piece = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_usize..200);
    let damage = (
        any::<prop::sample::Index>(),
        prop::collection::vec(byte, 0..4),
        prop::collection::vec(cut, 0..2),
        prop::option::of((any::<prop::sample::Index>(), piece)),
    );
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&damage, |(seed, bytes, cuts, graft)| {
        let mut data = seed.get(&seeds).clone();
        if let Some((other, (from, to, length))) = graft {
            let other = other.get(&seeds);
            let (from, to) = (from.index(other.len()), to.index(data.len()));
            let piece = &other[from..(from + length).min(other.len())];
            data.splice(to..to, piece.iter().copied());
        }
        for (at, length) in cuts.iter().filter(|_| seeds.len() > 1) {
            let at = at.index(data.len().max(1)).min(data.len());
            data.drain(at..(at + length).min(data.len()));
        }
        for (at, byte) in bytes {
            if !data.is_empty() {
                let at = at.index(data.len());
                data[at] = byte;
            }
        }
        run(&data);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Nesting as deep as a body may be, and deeper.
fn nested(open: &str, close: &str) -> Vec<Vec<u8>> {
    let text = |depth: usize| open.repeat(depth) + &close.repeat(depth);
    [399, 400, 401, 20_000].map(|depth| text(depth).into_bytes()).into()
}

#[test]
fn cel() {
    with_stack(|| {
        smoke("cel", targets::cel::run);
        let extra = nested("(", ")").into_iter().chain(nested("[", "]")).chain(nested("!", "a"));
        extra.chain(nested("{1:", "}")).for_each(|text| targets::cel::run(&text));
    });
}

#[test]
fn json() {
    with_stack(|| {
        smoke("json", targets::json::run);
        let extra = nested("[", "]").into_iter().chain(nested("{\"a\":", "}"));
        for body in extra {
            targets::json::run(&[b"apiregistration.k8s.io/v1/APIService\n", &*body].concat());
            let crd = b"apiextensions.k8s.io/v1/CustomResourceDefinition\n";
            targets::json::run(&[crd, &*body].concat());
        }
    });
}

#[test]
fn proto() {
    with_stack(|| {
        smoke("proto", targets::proto::run);
    });
}

#[test]
fn patch() {
    with_stack(|| {
        smoke("patch", targets::patch::run);
        for body in nested("{\"spec\":", "}").into_iter().chain(nested("[", "]")) {
            targets::patch::run(&[b"apps/v1/Deployment\n{\"spec\":{}}\n", &*body].concat());
        }
    });
}

#[test]
fn selectors() {
    with_stack(|| {
        smoke("selectors", targets::selectors::run);
    });
}

#[test]
fn url() {
    with_stack(|| {
        smoke("url", targets::url::run);
    });
}

#[test]
fn fields() {
    with_stack(|| {
        smoke("fields", targets::fields::run);
        nested("{\"f:a\":", "}").iter().for_each(|text| targets::fields::run(text));
    });
}

#[test]
fn credentials() {
    with_stack(|| {
        smoke("credentials", targets::credentials::run);
        nested("[", "]").iter().for_each(|text| targets::credentials::run(text));
    });
}

#[test]
fn headers() {
    with_stack(|| {
        smoke("headers", targets::headers::run);
    });
}

#[test]
fn sealed() {
    with_stack(|| {
        smoke("sealed", targets::sealed::run);
    });
}

#[test]
fn streams() {
    with_stack(|| {
        smoke("streams", targets::streams::run);
    });
}

#[test]
fn yaml() {
    with_stack(|| {
        smoke("yaml", targets::yaml::run);
        let extra =
            nested("[", "]").into_iter().chain(nested("{a: ", "}")).chain(nested("- ", "1"));
        extra.for_each(|body| targets::yaml::run(&[b"v1/ConfigMap\n", &*body].concat()));
    });
}
