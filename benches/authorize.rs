//! What a decision costs with 2,000 roles and 5,000 bindings.
//!
//! `cargo bench --bench authorize`; prints nanoseconds a decision. Asked are, in turn, users of all
//! kinds: with rights of their own, by a group, by a service account in a namespace, and with none.

mod measure;

use bumpalo::Bump;
use kubering::authz::{Action, Authorizer, Mode, Verdict};
use kubering::codec::json;
use kubering::request::User;
use measure::show;
use std::hint::black_box;

const ROLES: usize = 2_000;
const BINDINGS: usize = 5_000;
const NAMESPACES: usize = 200;
const VERBS: [&str; 6] = ["get", "list", "watch", "create", "update", "delete"];
const RESOURCES: [&str; 8] = [
    "pods",
    "services",
    "configmaps",
    "secrets",
    "deployments",
    "jobs",
    "leases",
    "persistentvolumeclaims",
];

fn role(number: usize) -> String {
    let rules = (0..4).map(|rule| {
        let (verb, resource) = (VERBS[(number + rule) % 6], RESOURCES[(number + rule) % 8]);
        format!(
            r#"{{"verbs":["{verb}","get"],"apiGroups":["","apps"],"resources":["{resource}"]}}"#
        )
    });
    format!(r#"{{"rules":[{}]}}"#, rules.collect::<Vec<_>>().join(","))
}

fn binding(number: usize, (kind, role): (&str, usize)) -> String {
    let subject = match number % 3 {
        0 => format!(r#"{{"kind":"User","name":"user-{}"}}"#, number % 1_000),
        1 => format!(r#"{{"kind":"Group","name":"group-{}"}}"#, number % 100),
        _ => format!(r#"{{"kind":"ServiceAccount","name":"account-{}"}}"#, number % 50),
    };
    format!(r#"{{"roleRef":{{"kind":"{kind}","name":"role-{role}"}},"subjects":[{subject}]}}"#)
}

/// Half of the roles are cluster roles, a tenth of the bindings bind everywhere.
fn filled() -> Authorizer {
    let chain = Authorizer::new(&[Mode::Node, Mode::Rbac]);
    let arena = Bump::new();
    let parse = |text: String| {
        let text = arena.alloc_str(&text);
        json::parse_any(text.as_bytes(), &arena).expect("an object")
    };
    let namespace = |number: usize| format!("namespace-{}", number % NAMESPACES);
    for number in 0..ROLES {
        let of = if number % 2 == 0 { String::new() } else { namespace(number) };
        chain.roles().put_role(&of, &format!("role-{number}"), Some(&parse(role(number))));
    }
    for number in 0..BINDINGS {
        let of = if number % 10 == 0 { String::new() } else { namespace(number) };
        let role = (number * 2) % ROLES;
        let object = parse(binding(number, ("ClusterRole", role)));
        chain.roles().put_binding(&of, &format!("binding-{number}"), Some(&object));
    }
    chain
}

fn users() -> Vec<User> {
    let user = |name: String, groups: Vec<String>| User { name, groups, ..User::default() };
    let authenticated = || "system:authenticated".to_owned();
    (0..64)
        .map(|number| match number % 4 {
            0 => user(format!("user-{}", number * 3), vec![authenticated()]),
            1 => user(
                format!("member-{number}"),
                vec![format!("group-{number}"), "group-1".into(), authenticated()],
            ),
            2 => user(
                format!("system:serviceaccount:namespace-{number}:account-{}", number % 50),
                vec!["system:serviceaccounts".into(), authenticated()],
            ),
            _ => user(format!("nobody-{number}"), vec![authenticated()]),
        })
        .collect()
}

#[expect(clippy::print_stdout, reason = "a bench prints figures")]
fn main() {
    let (chain, users) = (filled(), users());
    let namespaces: Vec<String> =
        (0..NAMESPACES).map(|number| format!("namespace-{number}")).collect();
    let action = |run: usize| Action {
        verb: VERBS[run % 6],
        group: if run.is_multiple_of(3) { "apps" } else { "" },
        namespace: &namespaces[run % NAMESPACES],
        name: "web",
        ..Action::resource(RESOURCES[run % 8])
    };
    let mut allowed = 0;
    for run in 0..users.len() * NAMESPACES {
        let decision = futures_lite::future::block_on(chain.decide(
            &users[run % users.len()],
            &action(run),
            true,
        ));
        allowed += usize::from(decision.verdict == Verdict::Allow);
    }
    println!("{allowed} of {} questions are allowed", users.len() * NAMESPACES);
    let mut run = 0;
    show("decision", || {
        let (user, action) = (&users[run % users.len()], action(run));
        run += 1;
        black_box(futures_lite::future::block_on(chain.allows(user, &action)));
    });
}
