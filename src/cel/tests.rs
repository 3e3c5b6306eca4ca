//! Expressions from text to value.

use super::authorizer::NoAuthority;
use super::{Budget, Env, EvalError, Fault, Program, Type, Val, text};
use crate::object::json_text;
use bumpalo::Bump;

fn result(expression: &str) -> String {
    let env = Env::new().with("x", Type::Dyn);
    let program = match Program::compile(&env, expression) {
        Ok(program) => program,
        Err(error) => return error.0.lines().next().unwrap_or_default().to_owned(),
    };
    let arena = Bump::new();
    let tree = json_text::parse(
        r#"{"a":{"b":[1,2,3],"s":"text","n":null,"f":1.5},"m":{"k":"v","l":"w"}}"#,
        &arena,
    );
    let tree = tree.expect("it is JSON");
    match program.eval(&[Val::of(&tree)], &NoAuthority, &mut Budget::rules()) {
        Ok(value) => text::formatted(&value).unwrap_or_else(|_| format!("{value:?}")),
        Err(EvalError::Fault(Fault::Error(message))) => format!("! {message}"),
        Err(other) => format!("! {other:?}"),
    }
}

fn all(cases: &[(&str, &str)]) {
    let found: Vec<(&str, String)> = cases.iter().map(|(text, _)| (*text, result(text))).collect();
    let expected: Vec<(&str, String)> =
        cases.iter().map(|(text, value)| (*text, (*value).to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn operators_follow_the_specification() {
    all(&[
        ("1 + 2 * 3 - 4 / 2 % 3", "5"),
        ("-5 / 2", "-2"),
        ("1 / 0", "! division by zero"),
        ("9223372036854775807 + 1", "! integer overflow"),
        ("1u - 2u", "! unsigned integer overflow"),
        ("'a' + 'b' == \"ab\"", "true"),
        ("1 < 2.5 && 3u > 2", "true"),
        ("false && 1 / 0 == 1 || true", "true"),
        ("1 / 0 == 1 || true", "true"),
        ("1 / 0 == 1 && true", "! division by zero"),
        ("true ? 'y' : 'n'", "y"),
        ("2 in [1, 2]", "true"),
        ("'k' in {'k': 1}", "true"),
        ("dyn(1) == dyn('1')", "false"),
        ("dyn(1) == dyn(1.0)", "true"),
        ("[1, 2] + [3]", "[1, 2, 3]"),
        ("{'b': [false], 'a': [true]}", r#"{"a":[true], "b":[false]}"#),
        ("{'a': 1, 'a': 2}", "! Failed with repeated key: a"),
    ]);
}

#[test]
fn trees_are_looked_into() {
    all(&[
        ("x.a.b[1]", "2"),
        ("x.a.b[7]", "! index out of bounds: 7"),
        ("x.a.nope", "! no such key: nope"),
        ("x.nope.more", "! no such key: nope"),
        ("has(x.a.s) && !has(x.a.q)", "true"),
        ("has(x.q.r)", "! no such key: q"),
        ("has(x.a.n.q)", "false"),
        ("x.a.s.size() + size(x.a.b)", "7"),
        ("x.a.n == null", "true"),
        ("x.a.?q.r.orValue('none')", "none"),
        ("x.a.?s.orValue('none')", "text"),
        ("x.m[?'k'].hasValue()", "true"),
        ("x.a.?s.optMap(s, s + '!').value()", "text!"),
        ("x.a.?q.optMap(s, s + '!').hasValue()", "false"),
        ("[?x.a.?s, ?x.a.?q]", "[\"text\"]"),
        ("type(x.a.f) == double && type(x.a) == map", "true"),
        ("x.m.all(k, x.m[k] in ['v', 'w'])", "true"),
    ]);
}

#[test]
fn macros_loop() {
    all(&[
        ("x.a.b.all(i, i > 0)", "true"),
        ("x.a.b.exists(i, i == 2)", "true"),
        ("x.a.b.exists_one(i, i > 1)", "false"),
        ("x.a.b.filter(i, i != 2).map(i, i * 10)", "[10, 30]"),
        ("x.a.b.map(i, i > 1, i * 10)", "[20, 30]"),
        ("x.a.b.map(i, x.a.b.filter(j, j < i).size())", "[0, 1, 2]"),
        ("[1, 0, 2].exists(i, 2 / i == 1)", "true"),
        ("[0].exists(i, 2 / i == 1)", "! division by zero"),
        ("[1].all(i, v, i == 0 && v == 1)", "true"),
        ("[5, 6].transformList(i, v, i + v)", "[5, 7]"),
        ("{'a': 1}.transformMap(k, v, k + string(v))", r#"{"a":"a1"}"#),
        ("[3, 1, 2].sortBy(i, -i)", "[3, 2, 1]"),
    ]);
}

#[test]
fn libraries_work() {
    all(&[
        ("'abc'.matches('^a.c$')", "true"),
        ("'ab-cd'.find('[a-z]+$')", "cd"),
        ("'a1b22'.findAll('[0-9]+')", r#"["1", "22"]"#),
        ("'hello'.charAt(1) + 'hello'.substring(1, 3)", "eel"),
        ("'héllo'.indexOf('l') + 'hello'.lastIndexOf('l')", "5"),
        ("'a,b,c'.split(',').join('-')", "a-b-c"),
        ("'%s is %d and %.2f'.format([dyn('x'), 7, 1.5])", "x is 7 and 1.50"),
        ("[1, 2, 3].sum() + [4, 5].max()", "11"),
        ("[2, 1].isSorted()", "false"),
        ("quantity('1Gi').isGreaterThan(quantity('900Mi'))", "true"),
        ("quantity('1500m').add(quantity('500m')).asInteger()", "2"),
        ("quantity('1.5').asApproximateFloat()", "1.5"),
        ("isQuantity('1x')", "false"),
        ("url('https://a.b:80/p?q=1').getHostname()", "a.b"),
        ("url('https://a.b:80/p?q=1').getQuery()['q'][0]", "1"),
        ("isURL('../x')", "false"),
        ("ip('10.0.0.1').family()", "4"),
        ("cidr('10.0.0.0/8').containsIP('10.2.3.4')", "true"),
        ("cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16'))", "true"),
        ("string(cidr('10.1.2.3/8').masked())", "10.0.0.0/8"),
        ("ip.isCanonical('::0001')", "false"),
        ("semver('1.2.3').isLessThan(semver('1.10.0'))", "true"),
        ("semver('v1', true).major()", "1"),
        ("!format.dns1123Label().validate('ok').hasValue()", "true"),
        ("format.named('uuid').value().validate('x').value()[0]", "does not match the UUID format"),
        ("sets.contains([1, 2], [2])", "true"),
        ("duration('1h') > duration('59m')", "true"),
        ("string(timestamp('2026-01-01T00:00:00Z') + duration('1s'))", "2026-01-01T00:00:01Z"),
        ("timestamp('2026-03-01T00:00:00Z').getMonth()", "2"),
        ("int('12') + int(3.9) + int(2u)", "17"),
        ("[1, [2]].size()", "ERROR: <input>:1:5: expected type 'int' but found 'list(int)'"),
    ]);
}

#[test]
fn types_are_checked_with_upstream_texts() {
    all(&[
        ("y", "ERROR: <input>:1:1: undeclared reference to 'y' (in container '')"),
        (
            "1 == 'a'",
            "ERROR: <input>:1:3: found no matching overload for '_==_' applied to '(int, string)'",
        ),
        (
            "'a'.startsWith(1)",
            "ERROR: <input>:1:15: found no matching overload for 'startsWith' applied to \
             'string.(int)'",
        ),
        ("'a'.foo()", "ERROR: <input>:1:8: undeclared reference to 'foo' (in container '')"),
        ("1 && true", "ERROR: <input>:1:1: expected type 'bool' but found 'int'"),
        ("'a'.b", "ERROR: <input>:1:4: type 'string' does not support field selection"),
        (
            "1.all(i, true)",
            "ERROR: <input>:1:1: expression of type 'int' cannot be range of a comprehension \
             (must be list, map, or dynamic)",
        ),
        ("'a'.matches('[')", "ERROR: <input>:1:13: invalid matches argument"),
        ("duration('x')", "ERROR: <input>:1:10: invalid duration argument"),
        ("Foo{a: 1}", "ERROR: <input>:1:4: undeclared reference to 'Foo' (in container '')"),
    ]);
}

#[test]
fn cost_and_work_are_bounded() {
    let many = format!("[{}]", vec!["1"; 200].join(","));
    let deep = format!("{many}.all(a, {many}.all(b, {many}.all(c, a + b + c > 0)))");
    let doubled = format!("[{many}]{}", ".map(l, l + l)".repeat(60));
    let text = format!("['aaaaaaaaaaaaaaaa']{}", ".map(s, s + s)".repeat(60));
    for costly in [&*deep, &*doubled, &*text, "lists.range(100000000).size()"] {
        let found = result(costly);
        assert!(matches!(&*found, "! Fault(Cost)" | "! Budget"), "{found}");
    }
}

#[test]
fn budgets_are_shared() {
    let program = Program::compile(&Env::new(), "[1, 2, 3].all(i, i > 0)").expect("it compiles");
    let mut budget = Budget::of(40);
    assert!(program.eval(&[], &NoAuthority, &mut budget).is_ok());
    let again = program.eval(&[], &NoAuthority, &mut budget);
    assert!(matches!(again, Err(EvalError::Budget)));
    assert!(budget.is_spent());
}

#[test]
fn sets_and_named_items_have_no_order() {
    use crate::object::structural::{ListType, Schema};
    let arena = Bump::new();
    let parse = |text| json_text::parse(text, &arena).expect("it is JSON");
    let (a, b) = (parse(r#"[{"k":1,"v":2},{"k":2}]"#), parse(r#"[{"k":2},{"k":1,"v":2}]"#));
    let list = |list| Schema { kind: "array", list, ..Schema::default() };
    let env = Env::new().with("a", Type::Dyn).with("b", Type::Dyn);
    let program = Program::compile(&env, "[a == b, size(a + b) == 2]").expect("it compiles");
    let shown = |schema: &Schema| {
        let values = [Val::typed(&a, schema), Val::typed(&b, schema)].map(Result::unwrap);
        let result = program.eval(&values, &NoAuthority, &mut Budget::rules()).unwrap();
        text::formatted(&result).unwrap()
    };
    assert_eq!(shown(&list(ListType::Atomic)), "[false, false]");
    assert_eq!(shown(&list(ListType::Set)), "[true, true]");
    assert_eq!(shown(&list(ListType::Map(vec!["k"]))), "[true, true]");
}
