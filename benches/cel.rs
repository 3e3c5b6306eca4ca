//! What rules of CEL cost: reading and checking one, and evaluating it on an object.
//!
//! `cargo bench --bench cel`; prints nanoseconds an operation.

use bumpalo::Bump;
use kubering::cel::authorizer::NoAuthority;
use kubering::cel::{Budget, Env, Program, Type, Val};
use kubering::object::json_text;
use std::hint::black_box;
use std::time::{Duration, Instant};

const DEPLOYMENT: &str = include_str!("data/deployment.json");
const RULES: [(&str, &str); 4] = [
    ("one comparison", "object.spec.replicas <= 5"),
    ("names of labels", "has(object.metadata.labels) && 'app' in object.metadata.labels"),
    (
        "images of containers",
        "object.spec.template.spec.containers.all(c, c.image.startsWith('registry.example/'))",
    ),
    (
        "names by a pattern",
        "object.spec.template.spec.containers.all(c, c.name.matches('^[a-z]([-a-z0-9]*)$'))",
    ),
];

/// Runs `work` for a while, five times; nanoseconds a run of the best time.
fn measure(mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let (start, mut runs) = (Instant::now(), 0u32);
        while start.elapsed() < Duration::from_millis(100) {
            for _ in 0..64 {
                work();
            }
            runs += 64;
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(runs));
    }
    best
}

#[expect(clippy::print_stdout, reason = "a bench prints figures")]
fn show(name: &str, what: &str, nanos: f64) {
    println!("{name:<24} {what:<12} {nanos:>9.0} ns");
}

fn main() {
    let arena = Bump::new();
    let object = json_text::parse(DEPLOYMENT, &arena).expect("it is JSON");
    let env = Env::new().with("object", Type::Dyn);
    let values = [Val::of(&object)];
    for (name, text) in RULES {
        let program = Program::compile(&env, text).expect("it compiles");
        let compile = measure(|| drop(black_box(Program::compile(&env, black_box(text)))));
        let evaluate = measure(|| {
            let result = program.eval(&values, &NoAuthority, &mut Budget::rules());
            assert!(matches!(black_box(result), Ok(Val::Bool(_))));
        });
        show(name, "compile", compile);
        show(name, "evaluate", evaluate);
    }
}
