//! Controllers of pods: apps, batch, ReplicationController and PodTemplate.

use crate::api::table::Printer;
use crate::api::table::column::AGE;
use crate::api::table::column::Column;
use crate::api::table::column::NAME;
use crate::api::table::column::flag;
use crate::api::table::column::int;
use crate::api::table::column::text;
use crate::api::table::row::Row;
use crate::api::table::select::labels;
use crate::api::table::select::selector;
use crate::api::table::select::selector_text;
use crate::api::table::since::Human;
use crate::api::table::since::Moment;
use crate::object::Value;

const CONTAINERS: Column = text("Containers").says("Names of each container in the template.");
const IMAGES: Column = text("Images").says("Images referenced by each container in the template.");

const fn selected(definition: &'static str) -> Column {
    text("Selector").of(definition, "selector").wide()
}

/// Names and images of the containers of a pod template.
fn containers(template: Option<&Value<'_>>, row: &mut Row<'_>) {
    let containers = template.map_or(&[][..], |template| template.list_at(&["spec", "containers"]));
    for field in ["name", "image"] {
        let all: Vec<&str> = containers.iter().map(|c| c.str_at(&[field])).collect();
        row.text(&all.join(","));
    }
}

fn number(object: &Value<'_>, path: &[&str]) -> i64 {
    object.i64_at(path).unwrap_or(0)
}

/// A numeric field of the status.
fn status(object: &Value<'_>, field: &str) -> i64 {
    number(object, &["status", field])
}

pub(super) static POD_TEMPLATE: Printer = Printer {
    columns: &[
        NAME,
        CONTAINERS,
        IMAGES,
        text("Pod Labels").says("The labels for the pod template."),
    ],
    cells: |object, row| {
        row.name(object);
        containers(object.get("template"), row);
        row.text(&labels(object.at(&["template", "metadata", "labels"])));
    },
    ..Printer::PLAIN
};

pub(super) static REPLICATION_CONTROLLER: Printer = Printer {
    columns: &[
        NAME,
        int("Desired").of("core.v1.ReplicationControllerSpec", "replicas"),
        int("Current").of("core.v1.ReplicationControllerStatus", "replicas"),
        int("Ready").of("core.v1.ReplicationControllerStatus", "readyReplicas"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        selected("core.v1.ReplicationControllerSpec"),
    ],
    cells: |object, row| {
        replicas(object, row);
        row.text(&labels(object.at(&["spec", "selector"])));
    },
    ..Printer::PLAIN
};

pub(super) static REPLICA_SET: Printer = Printer {
    columns: &[
        NAME,
        int("Desired").of("apps.v1.ReplicaSetSpec", "replicas"),
        int("Current").of("apps.v1.ReplicaSetStatus", "replicas"),
        int("Ready").of("apps.v1.ReplicaSetStatus", "readyReplicas"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        selected("apps.v1.ReplicaSetSpec"),
    ],
    cells: |object, row| {
        replicas(object, row);
        row.text(&selector(object.at(&["spec", "selector"])));
    },
    ..Printer::PLAIN
};

/// What ReplicaSet and ReplicationController share: all but the selector.
fn replicas(object: &Value<'_>, row: &mut Row<'_>) {
    row.name(object);
    row.int(number(object, &["spec", "replicas"]));
    row.int(status(object, "replicas"));
    row.int(status(object, "readyReplicas"));
    row.age(object);
    containers(object.at(&["spec", "template"]), row);
}

pub(super) static DEPLOYMENT: Printer = Printer {
    columns: &[
        NAME,
        text("Ready").says("Number of the pod with ready state"),
        text("Up-to-date").of("apps.v1.DeploymentStatus", "updatedReplicas"),
        text("Available").of("apps.v1.DeploymentStatus", "availableReplicas"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        selected("apps.v1.DeploymentSpec"),
    ],
    cells: |object, row| {
        row.name(object);
        ready(object, row);
        row.int(status(object, "updatedReplicas"));
        row.int(status(object, "availableReplicas"));
        row.age(object);
        containers(object.at(&["spec", "template"]), row);
        row.text(&selector_text(object.at(&["spec", "selector"])));
    },
    ..Printer::PLAIN
};

/// Ready of desired replicas.
fn ready(object: &Value<'_>, row: &mut Row<'_>) {
    let desired = number(object, &["spec", "replicas"]);
    row.format(format_args!("{}/{desired}", status(object, "readyReplicas")));
}

pub(super) static STATEFUL_SET: Printer = Printer {
    columns: &[
        NAME,
        text("Ready").says("Number of the pod with ready state"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
    ],
    cells: |object, row| {
        row.name(object);
        ready(object, row);
        row.age(object);
        containers(object.at(&["spec", "template"]), row);
    },
    ..Printer::PLAIN
};

pub(super) static DAEMON_SET: Printer = Printer {
    columns: &[
        NAME,
        int("Desired").of("apps.v1.DaemonSetStatus", "desiredNumberScheduled"),
        int("Current").of("apps.v1.DaemonSetStatus", "currentNumberScheduled"),
        int("Ready").of("apps.v1.DaemonSetStatus", "numberReady"),
        int("Up-to-date").of("apps.v1.DaemonSetStatus", "updatedNumberScheduled"),
        int("Available").of("apps.v1.DaemonSetStatus", "numberAvailable"),
        text("Node Selector").of("core.v1.PodSpec", "nodeSelector"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        selected("apps.v1.DaemonSetSpec"),
    ],
    cells: |object, row| {
        row.name(object);
        row.int(status(object, "desiredNumberScheduled"));
        row.int(status(object, "currentNumberScheduled"));
        row.int(status(object, "numberReady"));
        row.int(status(object, "updatedNumberScheduled"));
        row.int(status(object, "numberAvailable"));
        row.text(&labels(object.at(&["spec", "template", "spec", "nodeSelector"])));
        row.age(object);
        containers(object.at(&["spec", "template"]), row);
        row.text(&selector(object.at(&["spec", "selector"])));
    },
    ..Printer::PLAIN
};

pub(super) static CONTROLLER_REVISION: Printer = Printer {
    columns: &[
        NAME,
        text("Controller").says("Controller of the object"),
        text("Revision").of("apps.v1.ControllerRevision", "revision"),
        AGE,
    ],
    cells: |object, row| {
        row.name(object);
        let owners = object.list_at(&["metadata", "ownerReferences"]);
        match owners.iter().find(|owner| owner.bool_at(&["controller"])) {
            Some(owner) => {
                let version = owner.str_at(&["apiVersion"]);
                let kind = owner.str_at(&["kind"]).to_lowercase();
                let group = version
                    .split_once('/')
                    .map_or(String::new(), |(group, _)| format!(".{}", group.to_lowercase()));
                row.format(format_args!("{kind}{group}/{}", owner.str_at(&["name"])));
            }
            None => row.text("<none>"),
        }
        row.int(number(object, &["revision"]));
        row.age(object);
    },
    ..Printer::PLAIN
};

pub(super) static JOB: Printer = Printer {
    columns: &[
        NAME,
        text("Status").says("Status of the job."),
        text("Completions").of("batch.v1.JobStatus", "succeeded"),
        text("Duration").says("Time required to complete the job."),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        selected("batch.v1.JobSpec"),
    ],
    cells: job,
    ..Printer::PLAIN
};

fn job(job: &Value<'_>, row: &mut Row<'_>) {
    row.name(job);
    row.text(job_status(job));
    let succeeded = status(job, "succeeded");
    match (job.i64_at(&["spec", "completions"]), number(job, &["spec", "parallelism"])) {
        (Some(completions), _) => row.format(format_args!("{succeeded}/{completions}")),
        (None, parallelism) if parallelism > 1 => {
            row.format(format_args!("{succeeded}/1 of {parallelism}"));
        }
        (None, _) => row.format(format_args!("{succeeded}/1")),
    }
    let started = job.str_at(&["status", "startTime"]);
    let completed = Moment::parse(job.str_at(&["status", "completionTime"]));
    let duration = match (Moment::parse(started), completed) {
        (Some(start), Some(end)) => Some(Human(end.0.saturating_sub(start.0))),
        _ => row.elapsed(started),
    };
    match duration {
        Some(duration) => row.format(format_args!("{duration}")),
        None => row.text(""),
    }
    row.age(job);
    containers(job.at(&["spec", "template"]), row);
    row.text(&selector(job.at(&["spec", "selector"])));
}

/// The first of these that holds.
fn job_status(job: &Value<'_>) -> &'static str {
    let conditions = job.list_at(&["status", "conditions"]);
    let holds = |kind: &str| {
        let condition = conditions.iter().find(|c| c.str_at(&["type"]) == kind);
        condition.is_some_and(|condition| condition.str_at(&["status"]) == "True")
    };
    if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if !job.str_at(&["metadata", "deletionTimestamp"]).is_empty() {
        "Terminating"
    } else if holds("Suspended") {
        "Suspended"
    } else if holds("FailureTarget") {
        "FailureTarget"
    } else if holds("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

pub(super) static CRON_JOB: Printer = Printer {
    columns: &[
        NAME,
        text("Schedule").of("batch.v1.CronJobSpec", "schedule"),
        text("Timezone").of("batch.v1.CronJobSpec", "timeZone"),
        flag("Suspend").of("batch.v1.CronJobSpec", "suspend"),
        int("Active").of("batch.v1.CronJobStatus", "active"),
        text("Last Schedule").of("batch.v1.CronJobStatus", "lastScheduleTime"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        selected("batch.v1.JobSpec"),
    ],
    cells: |object, row| {
        row.name(object);
        row.text(object.str_at(&["spec", "schedule"]));
        let zone = object.at(&["spec", "timeZone"]).and_then(Value::as_str);
        row.text(zone.unwrap_or("<none>"));
        // A string in a boolean column: upstream prints the pointer.
        row.text(match object.at(&["spec", "suspend"]).and_then(Value::as_bool) {
            Some(true) => "True",
            Some(false) => "False",
            None => "<unset>",
        });
        row.count(object.list_at(&["status", "active"]).len());
        match object.str_at(&["status", "lastScheduleTime"]) {
            "" => row.text("<none>"),
            time => row.since(time),
        }
        row.age(object);
        let job = object.at(&["spec", "jobTemplate", "spec"]);
        containers(job.and_then(|job| job.get("template")), row);
        row.text(&selector(job.and_then(|job| job.get("selector"))));
    },
    ..Printer::PLAIN
};
