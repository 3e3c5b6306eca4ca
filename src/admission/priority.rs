//! Priority: `spec.priority` and `spec.preemptionPolicy` of a pod from its PriorityClass; only one
//! class is the default (features.md section 6.6).

use super::Reader;
use crate::object::Value;
use crate::request::{Attributes, Fault, Operation, Result, Subject};
use bumpalo::Bump;
use std::rc::Rc;

const GROUP: &str = "scheduling.k8s.io";
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Fills in the priority of a new pod.
///
/// # Errors
/// 403 for an unknown class, or a number that is not the class's.
pub(super) async fn admit<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    old: Option<&Value<'_>>,
    reader: &Reader,
    arena: &'a Bump,
) -> Result<()> {
    if !at.is("", "pods") {
        return Ok(());
    }
    match at.operation {
        Operation::Create => {}
        Operation::Update => {
            keep(object, old, arena);
            return Ok(());
        }
        Operation::Connect | Operation::Delete => return Ok(()),
    }
    let own = object.i64_at(&["spec", "priority"]);
    let mirror = object.at(&["metadata", "annotations", MIRROR]).is_some();
    let named = object.str_at(&["spec", "priorityClassName"]);
    if named.is_empty() && mirror && own.is_some() {
        return Ok(());
    }
    let classes = classes(reader).await?;
    let class = match named {
        "" => default_class(&classes),
        name => match classes.iter().find(|class| class.name == name) {
            Some(class) => Some(class),
            None => return Err(refuse(at, format!("no PriorityClass with name {name} was found"))),
        },
    };
    let value = class.map_or(0, |class| class.value);
    if let Some(own) = own
        && own != value
    {
        let text = format!(
            "the integer value of priority ({own}) must not be provided in pod spec; priority \
             admission controller computed {value} from the given PriorityClass name"
        );
        return Err(refuse(at, text));
    }
    let policy = class.map_or("", |class| &class.policy);
    let policy = if policy.is_empty() { "PreemptLowerPriority" } else { policy };
    let own = object.at(&["spec", "preemptionPolicy"]).and_then(Value::as_str);
    if let Some(own) = own
        && own != policy
    {
        let text = format!(
            "the string value of PreemptionPolicy ({own}) must not be provided in pod spec; \
             priority admission controller computed {policy} from the given PriorityClass name"
        );
        return Err(refuse(at, text));
    }
    let Some(spec) = object.as_map_mut().map(|map| map.entry_map("spec")) else { return Ok(()) };
    if let Some(class) = class
        && named.is_empty()
    {
        spec.insert("priorityClassName", Value::str_in(&class.name, arena));
    }
    spec.insert("priority", Value::Int(value));
    if spec.get("preemptionPolicy").is_none_or(Value::is_null) {
        spec.insert("preemptionPolicy", Value::str_in(policy, arena));
    }
    Ok(())
}

/// A second default class is refused, and so is the end of a system class.
///
/// # Errors
/// 403 with the name of the class that is the default.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
) -> Result<()> {
    if at.operation == Operation::Delete && at.is(GROUP, "priorityclasses") {
        return match at.name.starts_with("system-") {
            true => Err(refuse(at, "this is a system priority class and cannot be deleted".into())),
            false => Ok(()),
        };
    }
    let written = matches!(at.operation, Operation::Create | Operation::Update);
    if !written || !at.is(GROUP, "priorityclasses") || !object.bool_at(&["globalDefault"]) {
        return Ok(());
    }
    if old.is_some_and(|old| old.bool_at(&["globalDefault"])) {
        return Ok(());
    }
    if let Some(Class { name, .. }) = default_class(&classes(reader).await?) {
        let text = format!(
            "PriorityClass {name} is already marked as default. Only one default can exist"
        );
        return Err(refuse(at, text));
    }
    Ok(())
}

/// An update that leaves the computed fields out keeps them.
fn keep<'a>(object: &mut Value<'a>, old: Option<&Value<'_>>, arena: &'a Bump) {
    let Some(old) = old else { return };
    let Some(spec) = object.as_map_mut().map(|map| map.entry_map("spec")) else { return };
    for field in ["priority", "preemptionPolicy"] {
        if spec.get(field).is_none_or(Value::is_null)
            && let Some(value) = old.at(&["spec", field])
        {
            spec.insert(field, value.copy_in(arena));
        }
    }
}

/// What is asked of a class.
struct Class {
    name: String,
    value: i64,
    policy: String,
    is_default: bool,
}

async fn classes(reader: &Reader) -> Result<Rc<Vec<Class>>> {
    let class = |object: &Value<'_>| Class {
        name: object.str_at(&["metadata", "name"]).to_owned(),
        value: object.i64_at(&["value"]).unwrap_or(0),
        policy: object.str_at(&["preemptionPolicy"]).to_owned(),
        is_default: object.bool_at(&["globalDefault"]),
    };
    let derive = |objects: &[Value<'_>]| objects.iter().map(class).collect();
    reader.derived(GROUP, "priorityclasses", derive).await
}

/// The class with `globalDefault`; of several the one with the lowest value.
fn default_class(classes: &[Class]) -> Option<&Class> {
    classes.iter().filter(|class| class.is_default).min_by_key(|class| class.value)
}

fn refuse(at: &Attributes<'_>, message: String) -> Fault {
    let subject = Subject {
        group: at.resource.group.into(),
        resource: at.resource.name.into(),
        name: at.title.into(),
    };
    Fault::Forbidden { subject, message, cause: None }
}
