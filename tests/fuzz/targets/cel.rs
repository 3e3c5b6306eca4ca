//! Expressions: what compiles is evaluated; names that are escaped come back.

use bumpalo::Bump;
use kubering::cel::authorizer::NoAuthority;
use kubering::cel::{Budget, Env, Program, Type, Val, escape, unescape};
use kubering::object::json_text;

/// No text makes reading or evaluation panic, and the same text says the same twice.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(escaped) = escape(text)
        && !text.contains("___")
    {
        assert_eq!(unescape(&escaped).as_deref(), Some(text));
    }
    let arena = Bump::new();
    let object = r#"{"spec":{"list":[1,2,3],"map":{"k":"v"},"text":"a","none":null}}"#;
    let object = json_text::parse(object, &arena).expect("it is JSON");
    let env = Env::new().with("self", Type::Dyn).with_patches();
    match Program::compile(&env, text) {
        Ok(program) => {
            let values = [Val::of(&object)];
            let run = || program.eval(&values, &NoAuthority, &mut Budget::of(9999)).map(drop);
            assert_eq!(run(), run());
        }
        Err(error) => assert_eq!(Program::compile(&env, text).err(), Some(error)),
    }
}
