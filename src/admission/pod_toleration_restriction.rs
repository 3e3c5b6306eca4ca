//! PodTolerationRestriction: pods get the tolerations of their namespace, or else of the cluster,
//! and have no others than those allowed there.

use super::Reader;
use super::resources::is_best_effort;
use super::settings::CheckTolerations;
use crate::codec::json;
use crate::codec::settings::{self, Kind, Shape};
use crate::object::field::Path;
use crate::object::{List, Map, Value};
use crate::request::{Attributes, Fault, Operation, Result};
use bumpalo::Bump;

const DEFAULTS: &str = "scheduler.alpha.kubernetes.io/defaultTolerations";
const ALLOWED: &str = "scheduler.alpha.kubernetes.io/tolerationsWhitelist";

const TOLERATION: Shape = Shape::Object(&[
    ("key", Shape::Text),
    ("operator", Shape::Text),
    ("value", Shape::Text),
    ("effect", Shape::Text),
    ("tolerationSeconds", Shape::Number),
]);
const KIND: Kind = Kind {
    group: "podtolerationrestriction.admission.k8s.io",
    versions: &["v1alpha1"],
    kind: "Configuration",
    fields: &[("default", Shape::List(&TOLERATION)), ("whitelist", Shape::List(&TOLERATION))],
};

/// What holds where a namespace says nothing.
#[derive(Debug, Default)]
pub(super) struct Settings {
    defaults: Vec<Toleration>,
    allowed: Vec<Toleration>,
}

impl Settings {
    /// From a document of the AdmissionConfiguration; `check` has the rules for tolerations.
    ///
    /// # Errors
    /// Another form, or tolerations that no pod may have.
    pub(super) fn parse(
        source: &[u8],
        check: CheckTolerations,
    ) -> std::result::Result<Self, String> {
        let arena = Bump::new();
        let file = settings::decode(source, &KIND, &arena)?;
        let root = Path::root("podtolerationrestriction");
        let mut errors = Vec::new();
        for name in ["default", "whitelist"] {
            check(file.list_at(&[name]), &root.child(name), &mut errors);
        }
        if !errors.is_empty() {
            // As Go prints a list.
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            return Err(format!("invalid config: [{}]", errors.join(" ")));
        }
        let list = |name| file.list_at(&[name]).iter().map(Toleration::of).collect();
        Ok(Self { defaults: list("default"), allowed: list("whitelist") })
    }
}

/// One toleration.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Toleration {
    key: String,
    operator: String,
    value: String,
    effect: String,
    seconds: Option<i64>,
}

impl Toleration {
    fn of(value: &Value<'_>) -> Self {
        let text = |name| value.str_at(&[name]).to_owned();
        Self {
            key: text("key"),
            operator: text("operator"),
            value: text("value"),
            effect: text("effect"),
            seconds: value.i64_at(&["tolerationSeconds"]),
        }
    }

    fn into_value<'a>(self, arena: &'a Bump) -> Value<'a> {
        let mut map = Map::with_capacity_in(5, arena);
        let texts = [
            ("key", self.key),
            ("operator", self.operator),
            ("value", self.value),
            ("effect", self.effect),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            map.push_unique(name, Value::str_in(&text, arena));
        }
        if let Some(seconds) = self.seconds {
            map.push_unique("tolerationSeconds", Value::Int(seconds));
        }
        Value::Map(map)
    }

    /// Tolerates all that `other` tolerates, and not for less time (`isSuperset`).
    fn covers(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        let every_key = self.key.is_empty() && self.operator == "Exists";
        if self.key != other.key && !every_key {
            return false;
        }
        if self.effect != other.effect && !self.effect.is_empty() {
            return false;
        }
        if self.effect == "NoExecute"
            && let Some(most) = self.seconds
            && other.seconds.is_none_or(|seconds| seconds > most)
        {
            return false;
        }
        match self.operator.as_str() {
            "Equal" | "" => other.operator == "Equal" && self.value == other.value,
            "Exists" => true,
            _ => false,
        }
    }
}

/// Those that no other makes needless, in order; of equal ones the first (`MergeTolerations`).
fn merged(all: &[Toleration]) -> Vec<Toleration> {
    let mut merged: Vec<Toleration> = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let later = all.iter().skip(at + 1);
        let covered = merged.iter().any(|other| other.covers(one))
            || later.filter(|other| *other != one).any(|other| other.covers(one));
        if !covered {
            merged.push(one.clone());
        }
    }
    merged
}

/// What an annotation says, or why it says nothing that can be understood.
type Annotated = std::result::Result<Option<Vec<Toleration>>, String>;

/// What the annotations of a namespace say; `None` where they do not.
struct Asked {
    defaults: Annotated,
    allowed: Annotated,
}

impl Asked {
    fn of(namespace: &Value<'_>) -> Self {
        let annotations = namespace.at(&["metadata", "annotations"]);
        let read = |key: &str| {
            let text = annotations.and_then(|all| all.get(key)).and_then(Value::as_str);
            let Some(text) = text else { return Ok(None) };
            if text.is_empty() {
                return Ok(Some(Vec::new()));
            }
            let arena = Bump::new();
            let list = json::parse_any(text.as_bytes(), &arena).map_err(|e| e.to_string())?;
            let list = list.as_list().ok_or_else(|| {
                "json: cannot unmarshal object into Go value of type []v1.Toleration".to_owned()
            })?;
            Ok(Some(list.iter().map(Toleration::of).collect()))
        };
        Self { defaults: read(DEFAULTS), allowed: read(ALLOWED) }
    }
}

/// Adds what the pod's namespace gives it, and looks at what it has then.
///
/// # Errors
/// As [`validate`].
pub(super) async fn admit<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    (reader, settings): (&Reader, &Settings),
    arena: &'a Bump,
) -> Result<()> {
    if !concerns(at) {
        return Ok(());
    }
    let mut more = Vec::new();
    if at.operation == Operation::Create {
        let asked = asked(at, reader).await?;
        let own = asked.defaults.clone().map_err(Fault::Plain)?;
        more = own.unwrap_or_else(|| settings.defaults.clone());
    }
    if !object.at(&["spec"]).is_none_or(is_best_effort) {
        more.push(Toleration {
            key: "node.kubernetes.io/memory-pressure".to_owned(),
            operator: "Exists".to_owned(),
            value: String::new(),
            effect: "NoSchedule".to_owned(),
            seconds: None,
        });
    }
    if !more.is_empty() {
        let own = object.list_at(&["spec", "tolerations"]).iter().map(Toleration::of);
        let all: Vec<Toleration> = own.chain(more).collect();
        let mut list = List::new_in(arena);
        for toleration in merged(&all) {
            list.push(toleration.into_value(arena));
        }
        if let Some(map) = object.as_map_mut() {
            map.entry_map("spec").insert("tolerations", Value::List(list));
        }
    }
    validate(at, object, reader, settings).await
}

/// A pod has only tolerations that are allowed.
///
/// # Errors
/// 500 with upstream's text for one that is not; and for annotations that are no tolerations.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    reader: &Reader,
    settings: &Settings,
) -> Result<()> {
    let tolerations = object.list_at(&["spec", "tolerations"]);
    if !concerns(at) || tolerations.is_empty() {
        return Ok(());
    }
    let asked = asked(at, reader).await?;
    let (allowed, scope) = match &asked.allowed {
        Err(why) => return Err(Fault::Plain(why.clone())),
        Ok(Some(allowed)) => (allowed, "namespace"),
        Ok(None) => (&settings.allowed, "cluster"),
    };
    let fits = |one: &Toleration| allowed.iter().any(|other| other.covers(one));
    if allowed.is_empty() || tolerations.iter().map(Toleration::of).all(|one| fits(&one)) {
        return Ok(());
    }
    Err(Fault::Plain(format!(
        "pod tolerations (possibly merged with namespace default tolerations) conflict with its \
         {scope} whitelist"
    )))
}

fn concerns(at: &Attributes<'_>) -> bool {
    matches!(at.operation, Operation::Create | Operation::Update) && at.is("", "pods")
}

async fn asked(at: &Attributes<'_>, reader: &Reader) -> Result<std::rc::Rc<Asked>> {
    let asked = reader.fact("namespaces", "", at.namespace, Asked::of).await?;
    asked.ok_or_else(|| {
        Fault::NotFound(crate::request::Subject {
            group: "".into(),
            resource: "namespaces".into(),
            name: at.namespace.into(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toleration(text: &str) -> Toleration {
        let arena = Bump::new();
        Toleration::of(&json::parse_any(text.as_bytes(), &arena).unwrap())
    }

    #[test]
    fn a_wider_toleration_makes_a_narrower_one_needless() {
        let every = toleration(r#"{"operator":"Exists"}"#);
        let key = toleration(r#"{"key":"a","operator":"Exists"}"#);
        let equal = toleration(r#"{"key":"a","operator":"Equal","value":"b"}"#);
        let short = toleration(
            r#"{"key":"a","operator":"Exists","effect":"NoExecute","tolerationSeconds":5}"#,
        );
        let long = Toleration { seconds: Some(9), ..short.clone() };
        assert!(every.covers(&key) && key.covers(&equal) && !equal.covers(&key));
        assert!(long.covers(&short) && !short.covers(&long) && key.covers(&long));
        assert_eq!(merged(&[equal.clone(), key, every.clone()]), [every]);
        assert_eq!(merged(&[equal.clone(), equal.clone(), long.clone()]), [equal, long]);
    }

    #[test]
    fn annotations_say_nothing_nothing_allowed_or_a_list() {
        let arena = Bump::new();
        let asked = |annotations: &str| {
            let text = format!(r#"{{"metadata":{{"annotations":{annotations}}}}}"#);
            Asked::of(&json::parse_any(text.as_bytes(), &arena).unwrap())
        };
        assert_eq!(asked("{}").defaults, Ok(None));
        assert_eq!(asked(&format!(r#"{{"{DEFAULTS}":""}}"#)).defaults, Ok(Some(Vec::new())));
        let list = asked(&format!(r#"{{"{ALLOWED}":"[{{\"key\":\"a\"}}]"}}"#)).allowed.unwrap();
        assert_eq!(list.unwrap()[0].key, "a");
        assert!(asked(&format!(r#"{{"{ALLOWED}":"{{"}}"#)).allowed.is_err());
    }

    #[test]
    fn a_file_with_bad_tolerations_is_refused_as_go_prints_lists() {
        let text = "apiVersion: podtolerationrestriction.admission.k8s.io/v1alpha1\n\
                    kind: Configuration\ndefault: [{key: a}, {key: b}]\n";
        let check: CheckTolerations = |list, path, errors| {
            for at in 0..list.len() {
                let path = path.index(at);
                errors.push(crate::object::field::FieldError::required(&path, ""));
            }
        };
        let error = Settings::parse(text.as_bytes(), check).map(drop).unwrap_err();
        assert_eq!(
            error,
            "invalid config: [podtolerationrestriction.default[0]: Required value \
             podtolerationrestriction.default[1]: Required value]"
        );
    }
}
