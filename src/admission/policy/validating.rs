//! ValidatingAdmissionPolicy: policies that refuse, warn or note
//! (`plugin/policy/validating/{dispatcher,validator}.go`).

use super::compiled::{Binding, Bindings, Expression, Policies, Policy, Validation};
use super::input::{Asker, Trees};
use super::matching::Match;
use super::params;
use super::{Reason, denied, forbidden};
use crate::admission::{Authority, Reader};
use crate::base::clock;
use crate::base::limits::CEL_MESSAGE_BYTES_MAX;
use crate::cel::composition::Composition;
use crate::cel::conditions::{OUT_OF_BUDGET, failure};
use crate::cel::{Budget, Val};
use crate::metrics::{Recorder, instruments};
use crate::object::json_text::push_string;
use crate::object::{Arena, Value};
use crate::request::{Attributes, Result};
use std::time::Duration;

/// Longest value of an audit annotation.
const ANNOTATION_BYTES_MAX: usize = 10 * 1024;
/// Failures that the audit event holds at most.
const FAILURES_MAX: usize = 50;

/// What a policy says is wrong.
#[derive(Debug, Clone, PartialEq)]
struct Decision {
    reason: Reason,
    message: String,
    /// Which of the validations, for the audit event.
    index: usize,
}

/// Judges a request by all policies that are for it.
///
/// # Errors
/// The first refusal.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
    (authority, metrics): (&dyn Authority, &Recorder),
) -> Result<()> {
    let group = "admissionregistration.k8s.io";
    let (of, bound) = ("validatingadmissionpolicies", "validatingadmissionpolicybindings");
    let policies = reader.derived(group, of, Policies::validating).await?;
    if policies.0.is_empty() {
        return Ok(());
    }
    let bindings = reader.derived(group, bound, Bindings::new).await?;
    let mut round = Round { denied: Vec::new(), failures: Vec::new() };
    for policy in &policies.0 {
        let own: Vec<&Binding> = bindings.0.iter().filter(|b| b.policy == policy.name).collect();
        if own.is_empty() {
            continue;
        }
        let Some(found) = policy.matching.of(at, object, old, reader).await? else { continue };
        let mut notes = Notes::new();
        for binding in own {
            if let Some(matching) = &binding.matching
                && matching.of(at, object, old, reader).await?.is_none()
            {
                continue;
            }
            let case = Case { at, found, policy, binding, reader, authority, metrics };
            case.judge(object, old, &mut round, &mut notes).await?;
        }
        for (key, values) in notes {
            at.context.annotate(format!("{}/{key}", policy.name), values.join(", "));
        }
    }
    round.finish(at)
}

/// Audit annotations of one policy: the different values of each key.
type Notes = Vec<(Box<str>, Vec<String>)>;

/// What came of all policies so far.
struct Round {
    denied: Vec<(String, Decision)>,
    failures: Vec<String>,
}

impl Round {
    fn finish(self, at: &Attributes<'_>) -> Result<()> {
        if !self.failures.is_empty() {
            let failures: Vec<String> = self.failures.into_iter().take(FAILURES_MAX).collect();
            let key = "validation.policy.admission.k8s.io/validation_failure";
            at.context.annotate(key, format!("[{}]", failures.join(",")));
        }
        match self.denied.into_iter().next() {
            None => Ok(()),
            Some((who, decision)) => {
                let message = format!("{who} denied request: {}", decision.message);
                let causes = std::slice::from_ref(&message);
                Err(denied(at, decision.reason, forbidden(at, &message), causes))
            }
        }
    }
}

/// What one evaluation of a policy comes to.
#[derive(Default)]
struct Effects {
    decisions: Vec<Decision>,
    /// Audit annotations that could not be made.
    errors: Vec<String>,
    notes: Vec<(Box<str>, String)>,
}

/// One policy with one binding.
struct Case<'c> {
    at: &'c Attributes<'c>,
    found: Match,
    policy: &'c Policy,
    binding: &'c Binding,
    reader: &'c Reader,
    authority: &'c dyn Authority,
    metrics: &'c Recorder,
}

impl Case<'_> {
    async fn judge(
        &self,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
        round: &mut Round,
        notes: &mut Notes,
    ) -> Result<()> {
        let arena = Arena::new();
        let (policy, at) = (self.policy, self.at);
        let (kind, reference) = (policy.params.as_ref(), self.binding.params.as_ref());
        let params = params::collect(kind, reference, at.namespace, self.reader, &arena).await?;
        let params = match params {
            Ok(params) => params,
            Err(error) => {
                if !policy.lenient {
                    let message = format!("failed to configure binding: {error}");
                    round.denied.push((self.who(), error_decision(message, 0)));
                }
                return Ok(());
            }
        };
        let wants = (self.reader, policy.uses("namespaceObject"));
        let trees = Trees::new(at, self.found, object, old, wants, &arena).await?;
        for params in params {
            let params = policy.params.as_ref().map(|_| params);
            let asker = Asker::new(self.authority, &at.context.user);
            let begun = clock::now();
            let effects = loop {
                let effects = self.evaluate(&trees, params, &asker);
                if !asker.learn().await {
                    break effects;
                }
            };
            let took = clock::now().saturating_duration_since(begun);
            effects.decisions.iter().for_each(|decision| self.act(decision, round, took));
            for note_error in effects.errors {
                self.count("deny", &note_error, took);
                round.denied.push((self.who(), error_decision(note_error, 0)));
            }
            effects.notes.into_iter().for_each(|(key, text)| note(notes, &key, text));
        }
        Ok(())
    }

    fn who(&self) -> String {
        let (policy, binding) = (&self.policy.name, &self.binding.name);
        format!("ValidatingAdmissionPolicy '{policy}' with binding '{binding}'")
    }

    fn evaluate<'v>(
        &'v self,
        trees: &Trees<'v>,
        params: Option<Option<&'v Value<'v>>>,
        asker: &Asker<'_>,
    ) -> Effects {
        let mut effects = Effects::default();
        let full = trees.values(params, true);
        match self.policy.conditions.hold(&full, asker) {
            Ok(true) => {}
            Ok(false) => return effects,
            Err(error) => {
                if !self.policy.lenient {
                    effects.decisions.push(error_decision(error, 0));
                }
                return effects;
            }
        }
        let plain = trees.values(params, false);
        let composition = Composition::new(&self.policy.variables, full.clone());
        let budget = Budget::rules();
        let mut judge = Judge { composition, full, plain, asker, budget };
        effects.decisions = judge.decisions(self.policy);
        judge.budget = Budget::rules();
        for (key, value) in &self.policy.annotations {
            match judge.annotation(value) {
                Ok(None) => {}
                Ok(Some(text)) => effects.notes.push((key.clone(), text)),
                Err(message) if !self.policy.lenient => effects.errors.push(message),
                Err(_) => {}
            }
        }
        effects
    }

    /// Does what the binding says of a failed validation.
    fn act(&self, decision: &Decision, round: &mut Round, took: Duration) {
        for action in &self.binding.actions {
            self.count(&action.to_ascii_lowercase(), &decision.message, took);
            match &**action {
                "Deny" => round.denied.push((self.who(), decision.clone())),
                "Audit" => round.failures.push(self.failure(decision)),
                "Warn" => {
                    let (policy, binding) = (&self.policy.name, &self.binding.name);
                    self.at.context.warn(format!(
                        "Validation failed for ValidatingAdmissionPolicy '{policy}' with binding \
                         '{binding}': {}",
                        decision.message
                    ));
                }
                _ => {}
            }
        }
    }

    /// Counts what came of the policy (`celmetrics`).
    fn count(&self, action: &str, message: &str, took: Duration) {
        let error = match message {
            text if text == OUT_OF_BUDGET => "out_of_budget",
            text if text.starts_with("compilation error: ") => "compile_error",
            text if text.contains("resulted in error: ") => "invalid_error",
            _ => "no_error",
        };
        let values = [action, error, &self.policy.name, &self.binding.name];
        self.metrics.count(&instruments::POLICY_CHECKS, &values);
        self.metrics.observe(&instruments::POLICY_CHECK_SECONDS, &values, took);
    }

    /// `ValidationFailureValue`, as the audit event holds it.
    fn failure(&self, decision: &Decision) -> String {
        let mut out = String::from("{\"message\":");
        push_string(&mut out, &decision.message, true);
        out.push_str(",\"policy\":");
        push_string(&mut out, &self.binding.policy, true);
        out.push_str(",\"binding\":");
        push_string(&mut out, &self.binding.name, true);
        out.push_str(&format!(",\"expressionIndex\":{},\"validationActions\":[", decision.index));
        for (at, action) in self.binding.actions.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            push_string(&mut out, action, true);
        }
        out.push_str("]}");
        out
    }
}

/// Adds a value of an annotation, if it is new.
fn note(notes: &mut Notes, key: &str, text: String) {
    match notes.iter_mut().find(|(known, _)| **known == *key) {
        Some((_, values)) if values.contains(&text) => {}
        Some((_, values)) => values.push(text),
        None => notes.push((key.into(), vec![text])),
    }
}

fn error_decision(message: String, index: usize) -> Decision {
    Decision { reason: Reason::INVALID, message, index }
}

/// One evaluation of a policy.
struct Judge<'v, 'r> {
    composition: Composition<'v>,
    full: Vec<Val<'v>>,
    plain: Vec<Val<'v>>,
    asker: &'r Asker<'r>,
    budget: Budget,
}

impl<'v> Judge<'v, '_> {
    fn value(
        &mut self,
        expression: &'v Expression,
        full: bool,
    ) -> std::result::Result<Val<'v>, Option<String>> {
        let program = match &expression.program {
            Ok(program) => program,
            Err(error) => return Err(Some(format!("compilation error: {error}"))),
        };
        let values = if full { &self.full } else { &self.plain };
        let result = self.composition.eval(program, values, self.asker, &mut self.budget);
        result.map_err(|error| failure(&expression.text, &error))
    }

    fn decisions(&mut self, policy: &'v Policy) -> Vec<Decision> {
        let mut results = Vec::with_capacity(policy.validations.len());
        for validation in &policy.validations {
            match self.value(&validation.expression, true) {
                Err(None) if policy.lenient => return Vec::new(),
                Err(None) => return vec![error_decision(OUT_OF_BUDGET.to_owned(), 0)],
                result => results.push(result),
            }
        }
        let mut decisions = Vec::new();
        for (index, (validation, result)) in policy.validations.iter().zip(results).enumerate() {
            match result {
                Ok(Val::Bool(true)) => {}
                Ok(_) => {
                    let reason = Reason::of(&validation.reason);
                    let message = self.message(validation);
                    decisions.push(Decision { reason, message, index });
                }
                Err(Some(message)) if !policy.lenient => {
                    decisions.push(error_decision(message, index));
                }
                Err(_) => {}
            }
        }
        decisions
    }

    /// The message: that of the expression, else the fixed one, else the expression itself.
    fn message(&mut self, validation: &'v Validation) -> String {
        let made = validation.message_expression.as_ref();
        if let Some(Ok(Val::Str(text))) = made.map(|made| self.value(made, false)) {
            let text = text.as_str().trim();
            if !text.is_empty() && text.len() <= CEL_MESSAGE_BYTES_MAX && !text.contains('\n') {
                return text.to_owned();
            }
        }
        match validation.message.trim() {
            "" => format!("failed expression: {}", validation.expression.text),
            message => message.to_owned(),
        }
    }

    fn annotation(&mut self, value: &'v Expression) -> std::result::Result<Option<String>, String> {
        match self.value(value, true) {
            Ok(Val::Str(text)) => {
                let text = text.as_str().trim();
                let mut end = text.len().min(ANNOTATION_BYTES_MAX);
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                Ok(text.get(..end).filter(|text| !text.is_empty()).map(str::to_owned))
            }
            Ok(_) => Ok(None),
            Err(message) => Err(message.unwrap_or_else(|| OUT_OF_BUDGET.to_owned())),
        }
    }
}
