//! Match conditions: expressions that all must hold for a hook to be called
//! (`webhook/matchconditions`).

use super::hook::Form;
use super::matching::{Invocation, namespace_of};
use super::review::{self, Objects};
use crate::admission::authority::{Authority, Question};
use crate::cel::authorizer::{self, Decision, Query};
use crate::cel::{Budget, EvalError, Fault, Program, Val, environment};
use crate::codec::json;
use crate::object::Value;
use crate::object::schema::omit;
use crate::request::{Attributes, User};
use bumpalo::Bump;
use std::cell::RefCell;

/// One condition.
#[derive(Debug)]
pub(super) struct Condition {
    text: String,
    /// The program, or what is wrong with the text.
    program: Result<Program, String>,
}

impl Condition {
    pub(super) fn new(text: &str) -> Self {
        let optional = environment::Optional { authorizer: true, ..Default::default() };
        let program = Program::compile(&environment::admission(optional), text);
        Self { text: text.to_owned(), program: program.map_err(|error| error.to_string()) }
    }
}

/// What the authorizers have said so far.
#[derive(Debug, Default)]
struct Answers(RefCell<Vec<(Query, Decision)>>);

impl authorizer::Authority for Answers {
    fn decide(&self, query: &Query) -> Option<Decision> {
        let answers = self.0.borrow();
        answers.iter().find(|(asked, _)| asked == query).map(|(_, answer)| answer.clone())
    }
}

/// True if all conditions hold; false as soon as one does not, whatever errors there are.
///
/// # Errors
/// What went wrong in the others.
pub(super) async fn hold(
    conditions: &[Condition],
    at: &Attributes<'_>,
    invocation: Invocation,
    (object, old): (Option<&Value<'_>>, Option<&Value<'_>>),
    authority: &dyn Authority,
) -> Result<bool, String> {
    let arena = Bump::new();
    let request = request(at, invocation, &arena);
    let of = |object: Option<&Value<'_>>| {
        let mut object = object.map_or(Value::Null, |object| object.copy_in(&arena));
        // Conditions see the object as JSON has it.
        omit(&mut object, invocation.resource.ty);
        json::raw::expand(&mut object, invocation.resource.ty, &arena);
        object
    };
    let (object, old) = (of(object), of(old));
    let query = Query {
        group: at.resource.group.to_owned(),
        resource: at.resource.name.to_owned(),
        subresource: at.subresource.to_owned(),
        namespace: namespace_of(at).to_owned(),
        name: at.name.to_owned(),
        ..Query::default()
    };
    let values = [
        Val::of(&object),
        Val::of(&old),
        Val::Null,
        Val::of(&request),
        environment::authorizer(),
        environment::request_resource(query),
    ];
    let mut budget = Budget::conditions();
    let answers = Answers::default();
    let mut errors = Vec::new();
    for condition in conditions {
        let failed =
            |why: &str| format!("expression '{}' resulted in error: {why}", condition.text);
        let program = match &condition.program {
            Ok(program) => program,
            Err(why) => {
                errors.push(failed(why));
                continue;
            }
        };
        loop {
            match program.eval(&values, &answers, &mut budget) {
                Ok(Val::Bool(false)) => return Ok(false),
                Ok(Val::Bool(true)) => {}
                Ok(_) => errors.push(failed("cel expression does not evaluate to bool")),
                Err(EvalError::Budget) => {
                    return Err("validation failed due to running out of cost budget, no further \
                                validation rules will be run"
                        .to_owned());
                }
                Err(EvalError::Fault(Fault::Pending(query))) => {
                    let answer = answer(authority, at, &query).await;
                    answers.0.borrow_mut().push((*query, answer));
                    continue;
                }
                Err(EvalError::Fault(Fault::Cost)) => {
                    errors.push(failed("operation cancelled: actual cost limit exceeded"));
                }
                Err(EvalError::Fault(Fault::Error(why))) => errors.push(failed(&why)),
            }
            break;
        }
    }
    match errors.len() {
        0 => Ok(true),
        1 => Err(errors.swap_remove(0)),
        _ => Err(format!("[{}]", errors.join(", "))),
    }
}

/// `request`: the review's without its objects.
fn request<'a>(at: &Attributes<'_>, invocation: Invocation, arena: &'a Bump) -> Value<'a> {
    let none = Objects { object: b"null".to_vec(), old: b"null".to_vec() };
    let review = review::request("", Form::V1, at, invocation, &none);
    let Ok(mut review) = json::parse_any(&review, arena) else { return Value::Null };
    let request = review.as_map_mut().and_then(|review| review.remove("request"));
    let mut request = request.unwrap_or(Value::Null);
    if let Some(map) = request.as_map_mut() {
        for field in ["uid", "object", "oldObject"] {
            map.remove(field);
        }
    }
    request
}

/// Asks about the user of the request, or the service account that the expression names.
async fn answer(authority: &dyn Authority, at: &Attributes<'_>, query: &Query) -> Decision {
    if !query.field_selector.is_empty() || !query.label_selector.is_empty() {
        let error = "this version of kubering asks authorizers about resources as a whole only";
        return Decision { error: error.to_owned(), ..Decision::default() };
    }
    let account = query.service_account.as_ref().map(|(namespace, name)| User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ],
        ..User::default()
    });
    let user = account.as_ref().unwrap_or(&at.context.user);
    let question = Question {
        verb: &query.verb,
        group: &query.group,
        version: "*",
        resource: &query.resource,
        subresource: &query.subresource,
        namespace: &query.namespace,
        name: &query.name,
        path: query.path.as_deref().unwrap_or(""),
    };
    Decision { allowed: authority.allows(user, question).await, ..Decision::default() }
}
