//! Volumes, claims and the storage group.

use crate::api::table::Printer;
use crate::api::table::column::AGE;
use crate::api::table::column::NAME;
use crate::api::table::column::flag;
use crate::api::table::column::int;
use crate::api::table::column::text;
use crate::api::table::row::Row;
use crate::object::Value;

pub(super) static PERSISTENT_VOLUME: Printer = Printer {
    columns: &[
        NAME,
        text("Capacity").of("core.v1.PersistentVolumeSpec", "capacity"),
        text("Access Modes").of("core.v1.PersistentVolumeSpec", "accessModes"),
        text("Reclaim Policy").of("core.v1.PersistentVolumeSpec", "persistentVolumeReclaimPolicy"),
        text("Status").of("core.v1.PersistentVolumeStatus", "phase"),
        text("Claim").of("core.v1.PersistentVolumeSpec", "claimRef"),
        text("StorageClass").says("StorageClass of the pv"),
        text("VolumeAttributesClass").says("VolumeAttributesClass of the pv"),
        text("Reason").of("core.v1.PersistentVolumeStatus", "reason"),
        AGE,
        text("VolumeMode").of("core.v1.PersistentVolumeSpec", "volumeMode").wide(),
    ],
    cells: persistent_volume,
    ..Printer::PLAIN
};

fn persistent_volume(volume: &Value<'_>, row: &mut Row<'_>) {
    row.name(volume);
    row.text_or(volume.str_at(&["spec", "capacity", "storage"]), "0");
    row.text(&access_modes(volume.list_at(&["spec", "accessModes"])));
    row.text(volume.str_at(&["spec", "persistentVolumeReclaimPolicy"]));
    row.text(phase(volume));
    match volume.at(&["spec", "claimRef"]) {
        Some(claim) => {
            row.format(format_args!(
                "{}/{}",
                claim.str_at(&["namespace"]),
                claim.str_at(&["name"])
            ));
        }
        None => row.text(""),
    }
    row.text(class(volume));
    row.text(or_unset(volume, &["spec", "volumeAttributesClassName"]));
    row.text(volume.str_at(&["status", "reason"]));
    row.age(volume);
    row.text(or_unset(volume, &["spec", "volumeMode"]));
}

pub(super) static PERSISTENT_VOLUME_CLAIM: Printer = Printer {
    columns: &[
        NAME,
        text("Status").of("core.v1.PersistentVolumeClaimStatus", "phase"),
        text("Volume").of("core.v1.PersistentVolumeClaimSpec", "volumeName"),
        text("Capacity").of("core.v1.PersistentVolumeClaimStatus", "capacity"),
        text("Access Modes").of("core.v1.PersistentVolumeClaimStatus", "accessModes"),
        text("StorageClass").says("StorageClass of the pvc"),
        text("VolumeAttributesClass").says("VolumeAttributesClass of the pvc"),
        AGE,
        text("VolumeMode").of("core.v1.PersistentVolumeClaimSpec", "volumeMode").wide(),
    ],
    cells: persistent_volume_claim,
    ..Printer::PLAIN
};

fn persistent_volume_claim(claim: &Value<'_>, row: &mut Row<'_>) {
    let volume = claim.str_at(&["spec", "volumeName"]);
    row.name(claim);
    row.text(phase(claim));
    row.text(volume);
    if volume.is_empty() {
        row.text("");
        row.text("");
    } else {
        row.text_or(claim.str_at(&["status", "capacity", "storage"]), "0");
        row.text(&access_modes(claim.list_at(&["status", "accessModes"])));
    }
    row.text(class(claim));
    row.text(or_unset(claim, &["spec", "volumeAttributesClassName"]));
    row.age(claim);
    row.text(or_unset(claim, &["spec", "volumeMode"]));
}

fn phase<'a>(object: &Value<'a>) -> &'a str {
    match object.str_at(&["metadata", "deletionTimestamp"]) {
        "" => object.str_at(&["status", "phase"]),
        _ => "Terminating",
    }
}

/// The storage class; the annotation of old precedes the field.
fn class<'a>(object: &Value<'a>) -> &'a str {
    let annotation = ["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"];
    match object.at(&annotation).and_then(Value::as_str) {
        Some(class) => class,
        None => object.str_at(&["spec", "storageClassName"]),
    }
}

/// The text at `path`; `<unset>` where the field is missing.
fn or_unset<'a>(object: &Value<'a>, path: &[&str]) -> &'a str {
    object.at(path).and_then(Value::as_str).unwrap_or("<unset>")
}

/// Short forms of access modes, in a fixed order.
fn access_modes(modes: &[Value<'_>]) -> String {
    const SHORT: [(&str, &str); 4] = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let has = |long: &str| modes.iter().any(|mode| mode.as_str() == Some(long));
    let short: Vec<&str> =
        SHORT.iter().filter(|(long, _)| has(long)).map(|(_, short)| *short).collect();
    short.join(",")
}

pub(super) static STORAGE_CLASS: Printer = Printer {
    columns: &[
        NAME,
        text("Provisioner").of("storage.v1.StorageClass", "provisioner"),
        text("ReclaimPolicy").of("storage.v1.StorageClass", "reclaimPolicy"),
        text("VolumeBindingMode").of("storage.v1.StorageClass", "volumeBindingMode"),
        text("AllowVolumeExpansion").of("storage.v1.StorageClass", "allowVolumeExpansion"),
        AGE,
    ],
    cells: |class, row| {
        const DEFAULT: [&str; 2] = [
            "storageclass.kubernetes.io/is-default-class",
            "storageclass.beta.kubernetes.io/is-default-class",
        ];
        named(class, &DEFAULT, row);
        row.text(class.str_at(&["provisioner"]));
        row.text_or(class.str_at(&["reclaimPolicy"]), "Delete");
        row.text_or(class.str_at(&["volumeBindingMode"]), "Immediate");
        row.flag(class.bool_at(&["allowVolumeExpansion"]));
        row.age(class);
    },
    ..Printer::PLAIN
};

/// The name, marked if one of these annotations makes the class the default.
fn named(class: &Value<'_>, annotations: &[&str], row: &mut Row<'_>) {
    let is_default = annotations
        .iter()
        .any(|annotation| class.str_at(&["metadata", "annotations", annotation]) == "true");
    let name = class.str_at(&["metadata", "name"]);
    row.format(format_args!("{name}{}", if is_default { " (default)" } else { "" }));
}

pub(super) static VOLUME_ATTRIBUTES_CLASS: Printer = Printer {
    columns: &[NAME, text("DriverName").of("storage.v1.VolumeAttributesClass", "driverName"), AGE],
    cells: |class, row| {
        named(class, &["volumeattributesclass.alpha.kubernetes.io/is-default-class"], row);
        row.text(class.str_at(&["driverName"]));
        row.age(class);
    },
    ..Printer::PLAIN
};

pub(super) static VOLUME_ATTACHMENT: Printer = Printer {
    columns: &[
        NAME,
        text("Attacher").of("storage.v1.VolumeAttachmentSpec", "attacher").formatted("name"),
        text("PV").of("storage.v1.VolumeAttachmentSource", "persistentVolumeName"),
        text("Node").of("storage.v1.VolumeAttachmentSpec", "nodeName"),
        flag("Attached").of("storage.v1.VolumeAttachmentStatus", "attached"),
        AGE,
    ],
    cells: |attachment, row| {
        row.name(attachment);
        row.text(attachment.str_at(&["spec", "attacher"]));
        row.text(attachment.str_at(&["spec", "source", "persistentVolumeName"]));
        row.text(attachment.str_at(&["spec", "nodeName"]));
        row.flag(attachment.bool_at(&["status", "attached"]));
        row.age(attachment);
    },
    ..Printer::PLAIN
};

pub(super) static CSI_NODE: Printer = Printer {
    columns: &[
        NAME,
        int("Drivers").says("Drivers indicates the number of CSI drivers registered on the node"),
        AGE,
    ],
    cells: |node, row| {
        row.name(node);
        row.count(node.list_at(&["spec", "drivers"]).len());
        row.age(node);
    },
    ..Printer::PLAIN
};

pub(super) static CSI_DRIVER: Printer = Printer {
    columns: &[
        NAME,
        flag("AttachRequired").of("storage.v1.CSIDriverSpec", "attachRequired"),
        flag("PodInfoOnMount").of("storage.v1.CSIDriverSpec", "podInfoOnMount"),
        flag("StorageCapacity").of("storage.v1.CSIDriverSpec", "storageCapacity"),
        text("TokenRequests").of("storage.v1.CSIDriverSpec", "tokenRequests"),
        flag("RequiresRepublish").of("storage.v1.CSIDriverSpec", "requiresRepublish"),
        text("Modes").of("storage.v1.CSIDriverSpec", "volumeLifecycleModes"),
        AGE,
    ],
    cells: |driver, row| {
        let is = |field| driver.at(&["spec", field]).and_then(Value::as_bool);
        row.name(driver);
        row.flag(is("attachRequired").unwrap_or(true));
        row.flag(is("podInfoOnMount").unwrap_or(false));
        row.flag(is("storageCapacity").unwrap_or(false));
        match driver.at(&["spec", "tokenRequests"]).and_then(Value::as_list) {
            Some(requests) => {
                let audiences: Vec<&str> =
                    requests.iter().map(|request| request.str_at(&["audience"])).collect();
                row.text(&audiences.join(","));
            }
            None => row.text("<unset>"),
        }
        row.flag(is("requiresRepublish").unwrap_or(false));
        let modes = driver.list_at(&["spec", "volumeLifecycleModes"]);
        let modes: Vec<&str> = modes.iter().filter_map(Value::as_str).collect();
        row.text_or(&modes.join(","), "<none>");
        row.age(driver);
    },
    ..Printer::PLAIN
};
