//! Structural schemas prune, default and refuse as upstream does.

use super::{Schema, check, check_lists, check_update, drop_nulls, fill, prune};
use crate::object::Value;
use crate::object::field::Shown as _;
use crate::object::fixture::{deployment, value};
use bumpalo::Bump;
use proptest::prelude::{prop_assert_eq, proptest};

const WIDGET: &str = r#"{"type":"object","properties":{"spec":{"type":"object","required":["i"],
    "properties":{
        "i":{"type":"integer","minimum":1,"maximum":10,"multipleOf":2},
        "s":{"type":"string","minLength":2,"maxLength":4,"pattern":"^\\d+$"},
        "e":{"type":"string","enum":["a","b"]},
        "set":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}},
        "map":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],
            "items":{"type":"object","properties":{"k":{"type":"string"},
                "v":{"type":"integer","maximum":3},"d":{"type":"integer","default":7}}}},
        "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
        "n":{"type":"string","nullable":true},
        "q":{"x-kubernetes-int-or-string":true},
        "one":{"type":"object","oneOf":[{"required":["p"]},{"required":["r"]}],
            "properties":{"p":{"type":"string"},"r":{"type":"string"}}}}}}}"#;

fn schema(text: &str) -> Schema {
    let arena = Bump::new();
    let metadata = deployment().field("metadata").and_then(|field| field.kind.message());
    Schema::compile(&value(&arena, text), metadata.expect("objects have metadata"))
}

fn errors(object: &str) -> Vec<String> {
    let arena = Bump::new();
    let found = check(None, &value(&arena, object), &schema(WIDGET));
    found.iter().map(ToString::to_string).collect()
}

fn text(value: &Value<'_>) -> String {
    let mut text = String::new();
    value.show(&mut text);
    text
}

#[test]
fn errors_read_as_upstream_words_them() {
    let cases = [
        (r#"{"spec":{"i":2}}"#, ""),
        (r#"{"spec":{}}"#, "spec.i: Required value"),
        (
            r#"{"spec":{"i":0}}"#,
            "spec.i: Invalid value: 0: spec.i in body should be greater than or equal to 1",
        ),
        (
            r#"{"spec":{"i":"x"}}"#,
            "spec.i: Invalid value: \"string\": spec.i in body must be of type integer: \"string\"",
        ),
        (
            r#"{"spec":{"i":2,"s":"1"}}"#,
            "spec.s: Invalid value: \"1\": spec.s in body should be at least 2 chars long",
        ),
        (r#"{"spec":{"i":2,"s":"12345"}}"#, "spec.s: Too long: may not be more than 4 bytes"),
        (
            r#"{"spec":{"i":2,"s":"ab"}}"#,
            "spec.s: Invalid value: \"ab\": spec.s in body should match '^\\d+$'",
        ),
        (
            r#"{"spec":{"i":2,"e":"c"}}"#,
            "spec.e: Unsupported value: \"c\": supported values: \"a\", \"b\"",
        ),
        (r#"{"spec":{"i":2,"q":"x","n":null}}"#, ""),
        (
            r#"{"spec":{"i":2,"q":1.5}}"#,
            "spec.q: Invalid value: \"number\": spec.q in body must be of type integer,string: \
             \"number\"",
        ),
        (
            r#"{"spec":{"i":2,"one":{"p":"1","r":"2"}}}"#,
            "<nil>: Invalid value: \"\": \"spec.one\" must validate one and only one schema \
             (oneOf). Found 2 valid alternatives",
        ),
    ];
    for (object, expected) in cases {
        assert_eq!(errors(object).join("; "), expected, "{object}");
    }
}

#[test]
fn unknown_members_go_and_are_told_in_order() {
    let arena = Bump::new();
    let mut object = value(
        &arena,
        r#"{"kind":"W","metadata":{"x":1},"zap":1,"spec":{"i":2,"no":[{"a":1}],
            "free":{"any":{"thing":1}},"map":[{"k":"a","x":1}]}}"#,
    );
    let unknown = prune(&mut object, &schema(WIDGET));
    assert_eq!(unknown, ["spec.map[0].x", "spec.no", "zap"]);
    let expected = r#"{"kind":"W","metadata":{"x":1},
        "spec":{"i":2,"free":{"any":{"thing":1}},"map":[{"k":"a"}]}}"#;
    assert_eq!(object, value(&arena, expected));
    assert!(prune(&mut object, &schema(WIDGET)).is_empty());
}

#[test]
fn nulls_go_where_they_are_not_allowed_and_defaults_come() {
    let arena = Bump::new();
    let schema = schema(WIDGET);
    let mut object = value(&arena, r#"{"spec":{"i":null,"n":null,"map":[{"k":"a","d":null}]}}"#);
    drop_nulls(&mut object, Some(&schema));
    fill(&mut object, &schema, &arena);
    let expected = r#"{"spec":{"n":null,"map":[{"k":"a","d":7}]}}"#;
    assert_eq!(text(&object), text(&value(&arena, expected)));
}

#[test]
fn what_did_not_change_may_stay_wrong() {
    let arena = Bump::new();
    let schema = schema(WIDGET);
    let old = value(&arena, r#"{"spec":{"i":3,"map":[{"k":"a","v":9},{"k":"b","v":1}]}}"#);
    let update = |text: &str| {
        let found = check_update(None, &value(&arena, text), Some(&old), &schema);
        found.iter().map(|error| error.field.clone()).collect::<Vec<_>>()
    };
    let moved = r#"{"spec":{"i":3,"e":"a","map":[{"k":"b","v":2},{"k":"a","v":9}]}}"#;
    assert_eq!(update(moved), Vec::<String>::new());
    assert_eq!(update(r#"{"spec":{"i":5,"map":[{"k":"a","v":8}]}}"#), ["spec.i", "spec.map[0].v"]);
}

#[test]
fn sets_and_maps_hold_nothing_twice() {
    let arena = Bump::new();
    let object = value(
        &arena,
        r#"{"spec":{"set":["a","b","a","a"],"map":[{"k":"x"},{"k":"x","v":1},{"v":1},{}]}}"#,
    );
    let mut found = Vec::new();
    check_lists(&object, &schema(WIDGET), &mut found);
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    let expected = [
        "spec.set[2]: Duplicate value: \"a\"",
        "spec.map[1]: Duplicate value: {\"k\":\"x\"}",
        "spec.map[3]: Duplicate value: {}",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn patterns_are_read_as_go_reads_them() {
    use super::compile_pattern;
    let matches =
        |pattern: &str, text: &str| compile_pattern(pattern).expect(pattern).is_match(text);
    assert!(matches(r"^\d+$", "12") && !matches(r"^\d+$", "\u{663}"));
    assert!(matches(r"^[\w.-]+$", "a-b.c") && matches("^[[:alpha:]]+$", "ab"));
    assert!(matches(r"^[^]a]$", "b") && matches("^[a[]$", "[") && matches(r"\Qa.b\E", "xa.b"));
    let error = |pattern: &str| compile_pattern(pattern).expect_err(pattern);
    assert_eq!(error("("), "missing closing ): `(`");
    assert_eq!(error("[a"), "missing closing ]: `[a`");
    assert_eq!(error("a)"), "unexpected ): `a)`");
    assert_eq!(error("*a"), "missing argument to repetition operator: `*`");
}

proptest! {
    /// Pruning and defaulting settle at once: a second round changes nothing.
    #[test]
    fn pruned_and_filled_objects_stay_as_they_are(
        keys in proptest::collection::vec("[a-z]{1,4}", 0..6), number in -5_i64..15,
    ) {
        let arena = Bump::new();
        let schema = schema(WIDGET);
        let members: Vec<String> = keys.iter().map(|key| format!("{key:?}:{number}")).collect();
        let source = format!("{{\"spec\":{{\"map\":[{{{}}}],\"q\":{number}}}}}", members.join(","));
        let Ok(mut once) = crate::object::json_text::parse(&source, &arena) else { return Ok(()) };
        let round = |object: &mut Value<'_>| {
            let unknown = prune(object, &schema);
            drop_nulls(object, Some(&schema));
            unknown.len()
        };
        round(&mut once);
        fill(&mut once, &schema, &arena);
        let before = text(&once);
        prop_assert_eq!(round(&mut once), 0);
        fill(&mut once, &schema, &arena);
        prop_assert_eq!(text(&once), before);
    }
}

#[test]
fn a_key_that_additional_properties_allow_stays_and_what_it_holds_goes() {
    let arena = Bump::new();
    let schema = schema(
        r#"{"type":"object","properties":{"m":{"type":"object","additionalProperties":true}}}"#,
    );
    let mut object = value(&arena, r#"{"m":{"a":"x","b":{"c":1},"d":[{"e":2}]}}"#);
    assert_eq!(prune(&mut object, &schema), ["m.b.c", "m.d[0].e"]);
    assert_eq!(text(&object), r#"{"m":{"a":"x","b":{},"d":[{}]}}"#);
}

#[test]
fn one_byte_is_singular_and_no_base64_is_empty() {
    let arena = Bump::new();
    let told = |schema_text: &str, given: &str| {
        let found = check(Some("d"), &value(&arena, given), &schema(schema_text));
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let long = told(r#"{"type":"string","maxLength":1}"#, r#""ab""#);
    assert_eq!(long, ["d: Too long: may not be more than 1 byte"]);
    assert_eq!(told(r#"{"type":"string","format":"byte"}"#, r#""""#).len(), 1);
    assert!(told(r#"{"type":"string","format":"byte"}"#, r#""YQ==""#).is_empty());
}

#[test]
fn a_factor_that_is_none_for_integers_is_the_schemas_fault() {
    let arena = Bump::new();
    let schema =
        schema(r#"{"type":"object","properties":{"n":{"type":"number","multipleOf":0.5}}}"#);
    let told = |given: &str| {
        let found = check(None, &value(&arena, given), &schema);
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let whole = "n: Invalid value: 0: factor MultipleOf declared for n must be positive: 0";
    assert_eq!(told(r#"{"n":5}"#), [whole]);
    assert!(told(r#"{"n":1.5}"#).is_empty());
}

#[test]
fn the_text_of_an_additional_property_of_the_whole_value_begins_with_a_dot() {
    let arena = Bump::new();
    let schema = schema(r#"{"type":"object","additionalProperties":{"type":"integer"}}"#);
    let found = check(Some("spec.default"), &value(&arena, r#"{"a":"x"}"#), &schema);
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let want = "spec.default.a: Invalid value: \"string\": .a in body must be of type integer: \
                \"string\"";
    assert_eq!(found, [want]);
}

#[test]
fn apply_takes_any_scalar_for_a_string_of_a_form_of_its_own() {
    use crate::object::place::Place;
    use crate::object::schema::Scalar;
    let place = |text: &str| Place::custom(Box::leak(Box::new(schema(text))));
    let scalar = |text: &str| match place(text) {
        Place::Scalar(scalar) => Some(scalar),
        _ => None,
    };
    let any = Some(Scalar::IntOrString);
    assert_eq!(scalar(r#"{"type":"string","format":"date-time"}"#), any);
    assert_eq!(scalar(r#"{"type":"string","format":"no-such"}"#), any);
    assert_eq!(scalar(r#"{"type":"string","format":"byte"}"#), Some(Scalar::String));
    assert_eq!(scalar(r#"{"type":"string"}"#), Some(Scalar::String));
    assert!(matches!(place(r#"{"x-kubernetes-int-or-string":true}"#), Place::Unknown));
}

#[test]
fn apply_knows_no_member_but_those_declared_unless_something_above_keeps_all() {
    use crate::object::place::Place;
    let place = |text: &str| Place::custom(Box::leak(Box::new(schema(text))));
    let named = r#"{"type":"object","properties":{"o":{"type":"object","properties":{"a":
        {"type":"string"}}}}}"#;
    assert!(place(named).member("o").refuses("b"));
    assert!(!place(r#"{"type":"object"}"#).refuses("b"));
    let kept = named.replacen('{', r#"{"x-kubernetes-preserve-unknown-fields":true,"#, 1);
    assert!(!place(&kept).member("o").refuses("b"));
    let free = place(r#"{"type":"object","x-kubernetes-preserve-unknown-fields":true}"#);
    assert!(free.is_map() && !free.refuses("b"));
}
