//! HorizontalPodAutoscaler (in its v2 form), Scale and PodDisruptionBudget.

use crate::api::table::Printer;
use crate::api::table::column::AGE;
use crate::api::table::column::Column;
use crate::api::table::column::NAME;
use crate::api::table::column::int;
use crate::api::table::column::text;
use crate::api::table::row::Row;
use crate::object::Value;

const HPA_SPEC: &str = "autoscaling.v2.HorizontalPodAutoscalerSpec";

pub(super) static HORIZONTAL_POD_AUTOSCALER: Printer = Printer {
    columns: &[
        NAME,
        text("Reference").of(HPA_SPEC, "scaleTargetRef"),
        text("Targets").of(HPA_SPEC, "metrics"),
        text("MinPods").of(HPA_SPEC, "minReplicas"),
        text("MaxPods").of(HPA_SPEC, "maxReplicas"),
        text("Replicas").of("autoscaling.v2.HorizontalPodAutoscalerStatus", "currentReplicas"),
        AGE,
    ],
    cells: |autoscaler, row| {
        row.name(autoscaler);
        let target = |field| autoscaler.str_at(&["spec", "scaleTargetRef", field]);
        row.format(format_args!("{}/{}", target("kind"), target("name")));
        row.text(&metrics(
            autoscaler.list_at(&["spec", "metrics"]),
            autoscaler.list_at(&["status", "currentMetrics"]),
        ));
        match autoscaler.i64_at(&["spec", "minReplicas"]) {
            Some(replicas) => row.format(format_args!("{replicas}")),
            None => row.text("<unset>"),
        }
        row.int(autoscaler.i64_at(&["spec", "maxReplicas"]).unwrap_or(0));
        row.int(autoscaler.i64_at(&["status", "currentReplicas"]).unwrap_or(0));
        row.age(autoscaler);
    },
    ..Printer::PLAIN
};

/// Current and wanted value of the first two metrics.
fn metrics(specs: &[Value<'_>], statuses: &[Value<'_>]) -> String {
    const SHOWN: usize = 2;
    if specs.is_empty() {
        return "<none>".to_owned();
    }
    let all = specs.iter().enumerate().take(SHOWN).map(|(at, spec)| metric(spec, statuses.get(at)));
    let text = all.collect::<Vec<_>>().join(", ");
    match specs.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text} + {more} more..."),
    }
}

fn metric(spec: &Value<'_>, status: Option<&Value<'_>>) -> String {
    let (source, by_resource) = match spec.str_at(&["type"]) {
        "External" => ("external", false),
        "Object" => ("object", false),
        "Pods" => ("pods", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let target = |field| spec.at(&[source, "target", field]);
    let current = |field| status.and_then(|status| status.at(&[source, "current", field]));
    let shown = |value: Option<&Value<'_>>| {
        value.and_then(Value::as_str).map_or("<unknown>".to_owned(), str::to_owned)
    };
    let percent = |value: Option<&Value<'_>>, otherwise: &str| match value.and_then(Value::as_i64) {
        Some(value) => format!("{value}%"),
        None => otherwise.to_owned(),
    };
    let average = target("averageValue");
    if by_resource {
        let name = spec.str_at(&[source, "name"]);
        let (now, goal) = match average {
            Some(_) => (shown(current("averageValue")), shown(average)),
            None => (
                percent(current("averageUtilization"), "<unknown>"),
                percent(target("averageUtilization"), "<auto>"),
            ),
        };
        return format!("{name}: {now}/{goal}");
    }
    match average {
        Some(_) if source == "pods" => {
            format!("{}/{}", shown(current("averageValue")), shown(average))
        }
        Some(_) => format!("{}/{} (avg)", shown(current("averageValue")), shown(average)),
        None => format!("{}/{}", shown(current("value")), shown(target("value"))),
    }
}

/// `Name` of kinds for which upstream forgot the format.
pub(super) const PLAIN_NAME: Column = NAME.formatted("");

pub(super) static SCALE: Printer = Printer {
    columns: &[
        PLAIN_NAME,
        int("Desired").of("autoscaling.v1.ScaleSpec", "replicas"),
        int("Available").of("autoscaling.v1.ScaleStatus", "replicas"),
        AGE,
    ],
    cells: |scale, row| {
        row.name(scale);
        row.int(scale.i64_at(&["spec", "replicas"]).unwrap_or(0));
        row.int(scale.i64_at(&["status", "replicas"]).unwrap_or(0));
        row.age(scale);
    },
    ..Printer::PLAIN
};

pub(super) static POD_DISRUPTION_BUDGET: Printer = Printer {
    columns: &[
        NAME,
        text("Min Available").says("The minimum number of pods that must be available."),
        text("Max Unavailable").says("The maximum number of pods that may be unavailable."),
        int("Allowed Disruptions")
            .says("Calculated number of pods that may be disrupted at this time."),
        AGE,
    ],
    cells: |budget, row| {
        row.name(budget);
        int_or_string(budget.at(&["spec", "minAvailable"]), row);
        int_or_string(budget.at(&["spec", "maxUnavailable"]), row);
        row.int(budget.i64_at(&["status", "disruptionsAllowed"]).unwrap_or(0));
        row.age(budget);
    },
    ..Printer::PLAIN
};

fn int_or_string(value: Option<&Value<'_>>, row: &mut Row<'_>) {
    match (value.and_then(Value::as_i64), value.and_then(Value::as_str)) {
        (Some(number), _) => row.format(format_args!("{number}")),
        (None, text) => row.text(text.unwrap_or("N/A")),
    }
}
