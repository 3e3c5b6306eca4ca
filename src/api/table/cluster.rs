//! Kinds of small groups: leases, classes, dynamic resources, API services.

use crate::api::table::Printer;
use crate::api::table::column::AGE;
use crate::api::table::column::CREATED_AT;
use crate::api::table::column::NAME;
use crate::api::table::column::flag;
use crate::api::table::column::int;
use crate::api::table::column::text;

/// Kinds that upstream gives no printer: the creation time as it stands
/// (`rest.NewDefaultTableConvertor`).
pub(super) static DEFAULT: Printer = Printer {
    columns: &[NAME, CREATED_AT],
    cells: |object, row| {
        row.name(object);
        row.text_or(object.str_at(&["metadata", "creationTimestamp"]), "<unknown>");
    },
    ..Printer::PLAIN
};

/// Kinds that show name and age only.
pub(super) static NAME_AND_AGE: Printer = Printer {
    columns: &[NAME, AGE],
    cells: |object, row| {
        row.name(object);
        row.age(object);
    },
    ..Printer::PLAIN
};

pub(super) static LEASE: Printer = Printer {
    columns: &[NAME, text("Holder").of("coordination.v1.LeaseSpec", "holderIdentity"), AGE],
    cells: |lease, row| {
        row.name(lease);
        row.text(lease.str_at(&["spec", "holderIdentity"]));
        row.age(lease);
    },
    ..Printer::PLAIN
};

pub(super) static PRIORITY_CLASS: Printer = Printer {
    columns: &[
        NAME,
        int("Value").of("scheduling.v1.PriorityClass", "value"),
        flag("Global-Default").of("scheduling.v1.PriorityClass", "globalDefault"),
        AGE,
        text("PreemptionPolicy").of("scheduling.v1.PriorityClass", "preemptionPolicy"),
    ],
    cells: |class, row| {
        row.name(class);
        row.int(class.i64_at(&["value"]).unwrap_or(0));
        row.flag(class.bool_at(&["globalDefault"]));
        row.age(class);
        row.text(class.str_at(&["preemptionPolicy"]));
    },
    ..Printer::PLAIN
};

pub(super) static RUNTIME_CLASS: Printer = Printer {
    // Upstream looks the description up in the wrong type and finds none.
    columns: &[NAME, text("Handler"), AGE],
    cells: |class, row| {
        row.name(class);
        row.text(class.str_at(&["handler"]));
        row.age(class);
    },
    ..Printer::PLAIN
};

pub(super) static RESOURCE_CLAIM: Printer = Printer {
    columns: &[
        NAME,
        text("State").says("A summary of the current state (allocated, pending, reserved, etc.)."),
        AGE,
    ],
    cells: |claim, row| {
        row.name(claim);
        let deleted = !claim.str_at(&["metadata", "deletionTimestamp"]).is_empty();
        let allocated = claim.at(&["status", "allocation"]).is_some();
        let reserved = !claim.list_at(&["status", "reservedFor"]).is_empty();
        row.text(match (deleted, allocated, reserved) {
            (false, false, _) => "pending",
            (false, true, false) => "allocated",
            (false, true, true) => "allocated,reserved",
            (true, false, _) => "deleted",
            (true, true, false) => "deleted,allocated",
            (true, true, true) => "deleted,allocated,reserved",
        });
        row.age(claim);
    },
    ..Printer::PLAIN
};

pub(super) static RESOURCE_SLICE: Printer = Printer {
    columns: &[
        NAME,
        text("Node").of("resource.v1.ResourceSliceSpec", "nodeName"),
        text("Driver").of("resource.v1.ResourceSliceSpec", "driver"),
        text("Pool").of("resource.v1.ResourcePool", "name"),
        AGE,
    ],
    cells: |slice, row| {
        row.name(slice);
        row.text(slice.str_at(&["spec", "nodeName"]));
        row.text(slice.str_at(&["spec", "driver"]));
        row.text(slice.str_at(&["spec", "pool", "name"]));
        row.age(slice);
    },
    ..Printer::PLAIN
};

pub(super) static API_SERVICE: Printer = Printer {
    columns: &[
        NAME,
        text("Service").says("The reference to the service that hosts this API endpoint."),
        text("Available").says("Whether this service is available."),
        AGE,
    ],
    cells: |service, row| {
        row.name(service);
        match service.at(&["spec", "service"]) {
            Some(backend) => row.format(format_args!(
                "{}/{}",
                backend.str_at(&["namespace"]),
                backend.str_at(&["name"])
            )),
            None => row.text("Local"),
        }
        let conditions = service.list_at(&["status", "conditions"]);
        let available = conditions.iter().find(|c| c.str_at(&["type"]) == "Available");
        match available.map(|c| (c.str_at(&["status"]), c.str_at(&["reason"]))) {
            Some(("True", _)) => row.text("True"),
            Some((status, reason)) => row.format(format_args!("{status} ({reason})")),
            None => row.text("Unknown"),
        }
        row.age(service);
    },
    ..Printer::PLAIN
};
