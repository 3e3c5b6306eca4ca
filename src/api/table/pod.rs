//! Pods: the status text that `kubectl get pods` shows.

use crate::api::table::Printer;
use crate::api::table::column::AGE;
use crate::api::table::column::NAME;
use crate::api::table::column::text;
use crate::api::table::row::Row;
use crate::api::table::since::Moment;
use crate::object::Value;

pub(super) static POD: Printer = Printer {
    columns: &[
        NAME,
        text("Ready").says("The aggregate readiness state of this pod for accepting traffic."),
        text("Status").says("The aggregate status of the containers in this pod."),
        text("Restarts").says(
            "The number of times the containers in this pod have been restarted and when the last \
             container in this pod has restarted.",
        ),
        AGE,
        text("IP").of("core.v1.PodStatus", "podIP").wide(),
        text("Node").of("core.v1.PodSpec", "nodeName").wide(),
        text("Nominated Node").of("core.v1.PodStatus", "nominatedNodeName").wide(),
        text("Readiness Gates").of("core.v1.PodSpec", "readinessGates").wide(),
    ],
    cells,
    completed: |pod| match pod.str_at(&["status", "phase"]) {
        "Succeeded" => Some(("Succeeded", "The pod has completed successfully.")),
        "Failed" => Some(("Failed", "The pod failed.")),
        _ => None,
    },
    ..Printer::PLAIN
};

fn cells(pod: &Value<'_>, row: &mut Row<'_>) {
    let summary = Summary::of(pod);
    row.name(pod);
    row.format(format_args!("{}/{}", summary.ready, summary.total));
    row.text(&summary.reason);
    match summary.last_restart.0.and_then(|(_, text)| row.elapsed(text)) {
        Some(ago) if summary.restarts != 0 => {
            row.format(format_args!("{} ({ago} ago)", summary.restarts));
        }
        _ => row.format(format_args!("{}", summary.restarts)),
    }
    row.age(pod);
    let ip = pod.list_at(&["status", "podIPs"]).first().map_or("", |ip| ip.str_at(&["ip"]));
    row.text_or(if ip.is_empty() { pod.str_at(&["status", "podIP"]) } else { ip }, "<none>");
    row.text_or(pod.str_at(&["spec", "nodeName"]), "<none>");
    row.text_or(pod.str_at(&["status", "nominatedNodeName"]), "<none>");
    gates(pod, row);
}

/// How many of the readiness gates are open.
fn gates(pod: &Value<'_>, row: &mut Row<'_>) {
    let gates = pod.list_at(&["spec", "readinessGates"]);
    if gates.is_empty() {
        return row.text("<none>");
    }
    let open = gates.iter().filter(|gate| condition(pod, gate.str_at(&["conditionType"])));
    row.format(format_args!("{}/{}", open.count(), gates.len()));
}

/// Whether the first condition of this type is true.
fn condition(pod: &Value<'_>, kind: &str) -> bool {
    let conditions = pod.list_at(&["status", "conditions"]);
    let found = conditions.iter().find(|condition| condition.str_at(&["type"]) == kind);
    found.is_some_and(|condition| condition.str_at(&["status"]) == "True")
}

/// The latest of some timestamps, with its text.
#[derive(Clone, Copy, Default)]
struct Latest<'a>(Option<(Moment, &'a str)>);

impl<'a> Latest<'a> {
    fn see(&mut self, container: &Value<'a>) {
        let text = container.str_at(&["lastState", "terminated", "finishedAt"]);
        let Some(moment) = Moment::parse(text) else { return };
        if self.0.is_none_or(|(latest, _)| latest < moment) {
            self.0 = Some((moment, text));
        }
    }
}

/// What the containers of a pod amount to.
struct Summary<'a> {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    last_restart: Latest<'a>,
    /// Of sidecars alone: these go on counting once the pod is initialized.
    sidecar_restarts: i64,
    last_sidecar_restart: Latest<'a>,
}

impl<'a> Summary<'a> {
    fn of(pod: &Value<'a>) -> Self {
        let phase = pod.str_at(&["status", "phase"]);
        let status_reason = pod.str_at(&["status", "reason"]);
        let mut reason = if status_reason.is_empty() { phase } else { status_reason };
        for condition in pod.list_at(&["status", "conditions"]) {
            if condition.str_at(&["type"]) == "PodScheduled"
                && condition.str_at(&["reason"]) == "SchedulingGated"
            {
                reason = "SchedulingGated";
            }
        }
        let init = pod.list_at(&["spec", "initContainers"]);
        let sidecars = init.iter().filter(|container| is_sidecar(container)).count();
        let mut summary = Self {
            ready: 0,
            total: pod.list_at(&["spec", "containers"]).len() + sidecars,
            reason: reason.to_owned(),
            restarts: 0,
            last_restart: Latest::default(),
            sidecar_restarts: 0,
            last_sidecar_restart: Latest::default(),
        };
        let initializing = summary.see_init_containers(pod, init);
        if !initializing || condition(pod, "Initialized") {
            summary.see_containers(pod);
        }
        if !pod.str_at(&["metadata", "deletionTimestamp"]).is_empty() {
            if status_reason == "NodeLost" {
                summary.reason = "Unknown".to_owned();
            } else if !matches!(phase, "Succeeded" | "Failed") {
                summary.reason = "Terminating".to_owned();
            }
        }
        summary
    }

    /// Counts init containers up to the first one that is not done; true if there is such.
    fn see_init_containers(&mut self, pod: &Value<'a>, specs: &[Value<'a>]) -> bool {
        for (at, container) in pod.list_at(&["status", "initContainerStatuses"]).iter().enumerate()
        {
            let restarts = container.i64_at(&["restartCount"]).unwrap_or(0);
            let name = container.str_at(&["name"]);
            let sidecar = specs.iter().any(|c| c.str_at(&["name"]) == name && is_sidecar(c));
            self.restarts += restarts;
            self.last_restart.see(container);
            if sidecar {
                self.sidecar_restarts += restarts;
                self.last_sidecar_restart.see(container);
            }
            let terminated = container.at(&["state", "terminated"]);
            let waiting = container.str_at(&["state", "waiting", "reason"]);
            if let Some(terminated) = terminated
                && terminated.i64_at(&["exitCode"]).unwrap_or(0) == 0
            {
                continue;
            }
            if sidecar && container.bool_at(&["started"]) {
                self.ready += usize::from(container.bool_at(&["ready"]));
                continue;
            }
            self.reason = match terminated {
                Some(terminated) => format!("Init:{}", ended(terminated)),
                None if !waiting.is_empty() && waiting != "PodInitializing" => {
                    format!("Init:{waiting}")
                }
                None => format!("Init:{at}/{}", specs.len()),
            };
            return true;
        }
        false
    }

    /// The first container with something to say gives the status; restarts and readiness add up.
    fn see_containers(&mut self, pod: &Value<'a>) {
        self.restarts = self.sidecar_restarts;
        self.last_restart = self.last_sidecar_restart;
        let mut running = false;
        let mut failure = String::new();
        for container in pod.list_at(&["status", "containerStatuses"]).iter().rev() {
            self.restarts += container.i64_at(&["restartCount"]).unwrap_or(0);
            self.last_restart.see(container);
            let waiting = container.str_at(&["state", "waiting", "reason"]);
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
                waiting.clone_into(&mut failure);
            } else if let Some(terminated) = container.at(&["state", "terminated"]) {
                self.reason = ended(terminated);
                if terminated.i64_at(&["exitCode"]).unwrap_or(0) != 0 {
                    self.reason.clone_into(&mut failure);
                }
            } else if container.bool_at(&["ready"]) && container.at(&["state", "running"]).is_some()
            {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            self.reason = match (condition(pod, "Ready"), failure.is_empty()) {
                (true, _) => "Running".to_owned(),
                (false, false) => failure,
                (false, true) => "NotReady".to_owned(),
            };
        }
    }
}

fn is_sidecar(container: &Value<'_>) -> bool {
    container.str_at(&["restartPolicy"]) == "Always"
}

/// Why a container ended.
fn ended(terminated: &Value<'_>) -> String {
    let reason = terminated.str_at(&["reason"]);
    let signal = terminated.i64_at(&["signal"]).unwrap_or(0);
    if !reason.is_empty() {
        reason.to_owned()
    } else if signal != 0 {
        format!("Signal:{signal}")
    } else {
        format!("ExitCode:{}", terminated.i64_at(&["exitCode"]).unwrap_or(0))
    }
}
