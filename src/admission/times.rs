//! How long plugins take, and how often they refuse: the histograms of kube-apiserver
//! (`k8s.io/apiserver/pkg/admission/metrics`). The clock is read once for each plugin, at its end,
//! which is where the next one begins.

use super::plugins::Plugin;
use crate::base::ticks::Ticks;
use crate::metrics::{Instrument, Recorder, Series, instruments};
use crate::request::{Operation, Result};
use std::cell::OnceCell;
use std::rc::Rc;

/// One of the two walks through the plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Admit,
    Validate,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Validate => "validate",
        }
    }
}

/// The operation's name in rules, requests and figures.
pub(super) const fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Connect => "CONNECT",
        Operation::Create => "CREATE",
        Operation::Delete => "DELETE",
        Operation::Update => "UPDATE",
    }
}

const OPERATIONS: usize = 4;
/// Series of one plugin: operations, steps, refused or not.
const SERIES: usize = OPERATIONS * 2 * 2;

/// The series of one shard; found once each.
#[derive(Debug)]
pub(super) struct Times {
    metrics: Rc<Recorder>,
    plugins: Box<[OnceCell<Rc<Series>>]>,
    steps: [OnceCell<Rc<Series>>; SERIES],
}

impl Times {
    pub(super) fn new(metrics: Rc<Recorder>) -> Self {
        let plugins = (0..Plugin::COUNT * SERIES).map(|_| OnceCell::new()).collect();
        Self { metrics, plugins, steps: Default::default() }
    }

    /// Where the shard counts.
    pub(super) fn metrics(&self) -> &Recorder {
        &self.metrics
    }

    /// Begins a step.
    pub(super) fn begin(&self, operation: Operation, step: Step) -> Clock<'_> {
        let now = Ticks::now();
        Clock { times: self, operation, step, begun: now, last: now }
    }

    fn observe(
        &self,
        (plugin, operation, step): (Option<Plugin>, Operation, Step),
        refused: bool,
        counts: u64,
    ) {
        let place = ((operation as usize) * 2 + step as usize) * 2 + usize::from(refused);
        let cell = match plugin {
            Some(plugin) => self.plugins.get(plugin as usize * SERIES + place),
            None => self.steps.get(place),
        };
        let Some(cell) = cell else { return };
        let series = cell.get_or_init(|| {
            let rejected = if refused { "true" } else { "false" };
            let (operation, step) = (self::operation(operation), step.name());
            let of = |instrument: &'static Instrument, values: &[&str]| {
                self.metrics.series(instrument, values)
            };
            match plugin {
                None => of(&instruments::ADMISSION_STEP_SECONDS, &[operation, rejected, step]),
                Some(plugin) => {
                    let values = [plugin.name(), operation, rejected, step];
                    of(&instruments::ADMISSION_PLUGIN_SECONDS, &values)
                }
            }
        });
        series.observe(Ticks::nanos(counts) as f64 / 1e9);
    }
}

/// Measures one step.
#[derive(Debug)]
pub(super) struct Clock<'t> {
    times: &'t Times,
    operation: Operation,
    step: Step,
    begun: Ticks,
    last: Ticks,
}

impl Clock<'_> {
    /// A plugin has decided; hands on what.
    pub(super) fn lap(&mut self, plugin: Plugin, told: Result<()>) -> Result<()> {
        let now = Ticks::now();
        let counts = now.since(std::mem::replace(&mut self.last, now));
        let of = (Some(plugin), self.operation, self.step);
        self.times.observe(of, told.is_err(), counts);
        told
    }

    /// The step has ended; hands on how.
    pub(super) fn end(self, told: Result<()>) -> Result<()> {
        let counts = Ticks::now().since(self.begun);
        self.times.observe((None, self.operation, self.step), told.is_err(), counts);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Fault;

    #[test]
    fn plugins_and_steps_are_counted_under_upstreams_labels() {
        let metrics = Rc::new(Recorder::default());
        let times = Times::new(Rc::clone(&metrics));
        let mut clock = times.begin(Operation::Create, Step::Admit);
        clock.lap(Plugin::LimitRanger, Ok(())).unwrap();
        let refusal = clock.lap(Plugin::Priority, Err(Fault::Plain("no".to_owned())));
        assert!(clock.end(refusal).is_err());
        let text = metrics.snapshot().render();
        let has = |line: &str| assert!(text.contains(line), "{line} is not in {text}");
        let head = "apiserver_admission_controller_admission_duration_seconds_count";
        let of = |name: &str, rejected: bool| {
            let name = format!("name=\"{name}\",operation=\"CREATE\"");
            format!("{head}{{{name},rejected=\"{rejected}\",type=\"admit\"}} 1")
        };
        has(&of("LimitRanger", false));
        has(&of("Priority", true));
        has("apiserver_admission_step_admission_duration_seconds_count{operation=\"CREATE\",\
             rejected=\"true\",type=\"admit\"} 1");
    }
}
