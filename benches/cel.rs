//! What rules of CEL cost: reading and checking one, and evaluating it on an object.
//!
//! `cargo bench --bench cel`; prints nanoseconds an operation.

mod measure;

use bumpalo::Bump;
use kubering::cel::authorizer::NoAuthority;
use kubering::cel::{Budget, Env, Program, Type, Val};
use kubering::object::json_text;
use measure::show;
use std::hint::black_box;

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

fn main() {
    let arena = Bump::new();
    let object = json_text::parse(DEPLOYMENT, &arena).expect("it is JSON");
    let env = Env::new().with("object", Type::Dyn);
    let values = [Val::of(&object)];
    for (name, text) in RULES {
        let program = Program::compile(&env, text).expect("it compiles");
        show(&format!("{name}: compile"), || {
            drop(black_box(Program::compile(&env, black_box(text))));
        });
        show(&format!("{name}: evaluate"), || {
            let result = program.eval(&values, &NoAuthority, &mut Budget::rules());
            assert!(matches!(black_box(result), Ok(Val::Bool(_))));
        });
    }
}
