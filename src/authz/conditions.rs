//! The match conditions of a webhook: expressions over the review that it would get
//! (`k8s.io/apiserver/pkg/authorization/cel`).

use crate::cel::authorizer::NoAuthority;
use crate::cel::composition::compile_as;
use crate::cel::{Budget, EvalError, Fault, Program, Type, Val, environment};
use crate::codec::json::parse_any;
use bumpalo::Bump;
use serde_json::{Map, Value, json};

/// The conditions of one webhook.
#[derive(Debug, Default)]
pub struct Conditions(Vec<(String, Program)>);

/// Attributes of a resource that expressions always find, if only empty.
const RESOURCE: [&str; 7] =
    ["namespace", "verb", "group", "version", "resource", "subresource", "name"];
/// Those of a path.
const PATH: [&str; 2] = ["path", "verb"];

/// Compiles one condition.
///
/// # Errors
/// What is wrong with it, as kube-apiserver says it of a configuration.
pub fn compile(text: &str) -> Result<Program, String> {
    compile_as(&environment::access_review(), text, &[Type::Bool])
}

impl Conditions {
    /// Compiles all of them.
    ///
    /// # Errors
    /// What is wrong with the first that does not compile.
    pub fn compile(texts: &[String]) -> Result<Self, String> {
        let one = |text: &String| compile(text).map(|program| (text.clone(), program));
        texts.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// True if everything is asked.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if the webhook is to be asked, whose review would have this spec: no condition is
    /// false, whatever errors others have.
    ///
    /// # Errors
    /// What went wrong; what is decided then, the failure policy says.
    pub(super) fn hold(&self, spec: &Value) -> Result<bool, String> {
        if self.0.is_empty() {
            return Ok(true);
        }
        let arena = Bump::new();
        let text = of_spec(spec).to_string();
        let request = parse_any(text.as_bytes(), &arena).map_err(|error| error.to_string())?;
        let mut errors = Vec::new();
        for (text, program) in &self.0 {
            // Each expression has a limit of its own, and all together none.
            let mut budget = Budget::conditions();
            let why = match program.eval(&[Val::of(&request)], &NoAuthority, &mut budget) {
                Ok(Val::Bool(true)) => continue,
                Ok(Val::Bool(false)) => return Ok(false),
                Ok(_) => "its value is no bool".to_owned(),
                Err(EvalError::Fault(Fault::Error(why))) => why.to_string(),
                Err(_) => "operation cancelled: actual cost limit exceeded".to_owned(),
            };
            errors.push(format!(
                "cel evaluation error: expression '{text}' resulted in error: {why}"
            ));
        }
        errors.dedup();
        match errors.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }
}

/// What the variable `request` holds: the spec, with what is left out of it where it is empty
/// (`convertObjectToUnstructured`).
fn of_spec(spec: &Value) -> Value {
    let or = |name: &str, none: Value| spec.get(name).cloned().unwrap_or(none);
    let mut request = json!({
        "user": or("user", "".into()), "uid": or("uid", "".into()),
        "groups": or("groups", json!([])), "extra": or("extra", json!({})),
    });
    for (name, known) in [("resourceAttributes", &RESOURCE[..]), ("nonResourceAttributes", &PATH)] {
        let Some(given) = spec.get(name).and_then(Value::as_object) else { continue };
        let mut all: Map<String, Value> =
            known.iter().map(|name| ((*name).to_owned(), "".into())).collect();
        all.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Some(request) = request.as_object_mut() {
            request.insert(name.to_owned(), all.into());
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(texts: &[&str]) -> Conditions {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        Conditions::compile(&texts).expect("sound")
    }

    #[test]
    fn a_webhook_is_asked_when_all_conditions_hold() {
        let spec = json!({"user": "ann", "groups": ["g"],
            "resourceAttributes": {"verb": "list", "resource": "pods",
                "fieldSelector": {"requirements": [
                    {"key": "spec.nodeName", "operator": "In", "values": ["n"]}]}}});
        let path = json!({"user": "ann", "nonResourceAttributes": {"path": "/x", "verb": "get"}});
        let both = conditions(&[
            "has(request.resourceAttributes)",
            "request.user == 'ann' && request.resourceAttributes.namespace == ''",
            "request.resourceAttributes.fieldSelector.requirements.all(r, r.operator == 'In')",
        ]);
        assert_eq!(both.hold(&spec), Ok(true));
        // The first is false: errors of the others do not matter.
        assert_eq!(both.hold(&path), Ok(false));
        assert_eq!(conditions(&[]).hold(&path), Ok(true));
        assert_eq!(conditions(&["'g' in request.groups"]).hold(&path), Ok(false));
        let broken = conditions(&["request.resourceAttributes.verb == 'get'"]);
        assert_eq!(
            broken.hold(&path).unwrap_err(),
            "cel evaluation error: expression 'request.resourceAttributes.verb == 'get'' resulted \
             in error: no such key: resourceAttributes"
        );
    }

    #[test]
    fn what_does_not_compile_says_why() {
        let error = |text| compile(text).unwrap_err();
        assert_eq!(error("request.user"), "must evaluate to bool but got string");
        assert!(error("request.nobody == 'a'").contains("undefined field 'nobody'"));
        assert!(error("1 +").starts_with("compilation failed: "));
        assert!(error("object.x").contains("undeclared reference to 'object'"));
    }
}
