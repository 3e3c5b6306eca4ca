//! Names and helps of what encryption at rest counts.

use crate::metrics::family::{Family, Kind, family};

/// See its help.
pub const KMS_SOURCES: Family = family(
    "apiserver_envelope_encryption_dek_source_cache_size",
    Kind::Gauge,
    "[ALPHA] Number of records in data encryption key (DEK) source cache. On a restart, this \
     value is an approximation of the number of decrypt RPC calls the server will make to the KMS \
     plugin.",
);
/// See its help.
pub const KMS_KEYS: Family = family(
    "apiserver_envelope_encryption_key_id_hash_total",
    Kind::Counter,
    "[ALPHA] Number of times a keyID is used split by transformation type, provider, and apiserver \
     identity.",
);
/// See its help.
pub const KMS_KEY_TIME: Family = family(
    "apiserver_envelope_encryption_key_id_hash_last_timestamp_seconds",
    Kind::Gauge,
    "[ALPHA] The last time in seconds when a keyID was used.",
);
/// See its help.
pub const KMS_KEY_STATUS_TIME: Family = family(
    "apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds",
    Kind::Gauge,
    "[ALPHA] The last time in seconds when a keyID was returned by the Status RPC call.",
);
/// See its help.
pub const TRANSFORMATIONS: Family = family(
    "apiserver_storage_transformation_operations_total",
    Kind::Counter,
    "[ALPHA] Total number of transformations, by resource, type, prefix and status.",
);
/// See its help.
pub const TRANSFORMATION_SECONDS: Family = family(
    "apiserver_storage_transformation_duration_seconds",
    Kind::Histogram,
    "[ALPHA] Latencies in seconds of value transformation operations.",
);
