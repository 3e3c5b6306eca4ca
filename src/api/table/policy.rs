//! Admission configuration and API priority and fairness.

use crate::api::table::Printer;
use crate::api::table::column::AGE;
use crate::api::table::column::Column;
use crate::api::table::column::NAME;
use crate::api::table::column::int;
use crate::api::table::column::text;
use crate::api::table::row::Row;
use crate::api::table::select::selector_go;
use crate::object::Value;
use std::cmp::Ordering;

pub(super) static WEBHOOK_CONFIGURATION: Printer = Printer {
    columns: &[
        NAME,
        int("Webhooks")
            .says("Webhooks indicates the number of webhooks registered in this configuration"),
        AGE,
    ],
    cells: |configuration, row| {
        row.name(configuration);
        row.count(configuration.list_at(&["webhooks"]).len());
        row.age(configuration);
    },
    ..Printer::PLAIN
};

const PARAM_KIND: Column = text("ParamKind")
    .says("ParamKind specifies the kind of resources used to parameterize this policy");

pub(super) static VALIDATING_ADMISSION_POLICY: Printer = Printer {
    columns: &[
        NAME,
        int("Validations").says(
            "Validations indicates the number of validation rules defined in this configuration",
        ),
        PARAM_KIND,
        AGE,
    ],
    cells: |policy, row| admission_policy(policy, "validations", row),
    ..Printer::PLAIN
};

pub(super) static MUTATING_ADMISSION_POLICY: Printer = Printer {
    columns: &[
        NAME,
        int("Mutations")
            .says("Mutation indicates the number of mutations rules defined in this configuration"),
        PARAM_KIND,
        AGE,
    ],
    cells: |policy, row| admission_policy(policy, "mutations", row),
    ..Printer::PLAIN
};

fn admission_policy(policy: &Value<'_>, rules: &str, row: &mut Row<'_>) {
    row.name(policy);
    row.count(policy.list_at(&["spec", rules]).len());
    match policy.at(&["spec", "paramKind"]) {
        Some(kind) => {
            row.format(format_args!("{}/{}", kind.str_at(&["apiVersion"]), kind.str_at(&["kind"])));
        }
        None => row.text("<unset>"),
    }
    row.age(policy);
}

pub(super) static ADMISSION_POLICY_BINDING: Printer = Printer {
    columns: &[
        NAME,
        text("PolicyName")
            .says("PolicyName indicates the policy definition which the policy binding binded to"),
        text("ParamRef")
            .says("ParamRef indicates the param resource which sets the configuration param"),
        AGE,
    ],
    cells: |binding, row| {
        row.name(binding);
        row.text(binding.str_at(&["spec", "policyName"]));
        let param = |field| binding.str_at(&["spec", "paramRef", field]);
        match (param("name"), param("namespace")) {
            ("", _) => match binding.at(&["spec", "paramRef", "selector"]) {
                Some(selector) => row.text(&selector_go(selector)),
                None => row.text("<unset>"),
            },
            (name, "") => row.format(format_args!("*/{name}")),
            (name, namespace) => row.format(format_args!("{namespace}/{name}")),
        }
        row.age(binding);
    },
    ..Printer::PLAIN
};

pub(super) static FLOW_SCHEMA: Printer = Printer {
    columns: &[
        NAME,
        text("PriorityLevel").of("flowcontrol.v1.PriorityLevelConfigurationReference", "name"),
        text("MatchingPrecedence").of("flowcontrol.v1.FlowSchemaSpec", "matchingPrecedence"),
        text("DistinguisherMethod").of("flowcontrol.v1.FlowSchemaSpec", "distinguisherMethod"),
        AGE,
        text("MissingPL").says("references a broken or non-existent PriorityLevelConfiguration"),
    ],
    cells: |schema, row| {
        row.name(schema);
        row.text(schema.str_at(&["spec", "priorityLevelConfiguration", "name"]));
        row.int(precedence(schema));
        match schema.at(&["spec", "distinguisherMethod"]) {
            Some(method) => row.text(method.str_at(&["type"])),
            None => row.text("<none>"),
        }
        row.age(schema);
        let conditions = schema.list_at(&["status", "conditions"]);
        let dangling = conditions.iter().find(|c| c.str_at(&["type"]) == "Dangling");
        row.text(dangling.map_or("?", |condition| condition.str_at(&["status"])));
    },
    // FlowSchemaSequence upstream.
    order: Some(by_precedence),
    ..Printer::PLAIN
};

fn precedence(schema: &Value<'_>) -> i64 {
    schema.i64_at(&["spec", "matchingPrecedence"]).unwrap_or(0)
}

fn by_precedence(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    let name = ["metadata", "name"];
    precedence(a).cmp(&precedence(b)).then_with(|| a.str_at(&name).cmp(b.str_at(&name)))
}

const LIMITED: &str = "flowcontrol.v1.LimitedPriorityLevelConfiguration";
const QUEUING: &str = "flowcontrol.v1.QueuingConfiguration";

pub(super) static PRIORITY_LEVEL_CONFIGURATION: Printer = Printer {
    columns: &[
        NAME,
        text("Type").of("flowcontrol.v1.PriorityLevelConfigurationSpec", "type"),
        text("NominalConcurrencyShares").of(LIMITED, "nominalConcurrencyShares"),
        text("Queues").of(QUEUING, "queues"),
        text("HandSize").of(QUEUING, "handSize"),
        text("QueueLengthLimit").of(QUEUING, "queueLengthLimit"),
        AGE,
    ],
    cells: |level, row| {
        row.name(level);
        row.text(level.str_at(&["spec", "type"]));
        let limited = level.at(&["spec", "limited"]);
        let queuing = limited.and_then(|limited| limited.at(&["limitResponse", "queuing"]));
        let mut number = |holder: Option<&Value<'_>>, field| match holder {
            Some(holder) => row.int(holder.i64_at(&[field]).unwrap_or(0)),
            None => row.text("<none>"),
        };
        number(limited, "nominalConcurrencyShares");
        number(queuing, "queues");
        number(queuing, "handSize");
        number(queuing, "queueLengthLimit");
        row.age(level);
    },
    ..Printer::PLAIN
};
