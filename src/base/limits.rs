//! Every limit, in one file. Units are in the names.

/// Largest request body (`MaxRequestBodyBytes` upstream).
pub const REQUEST_BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Deepest nesting of a decoded body.
pub const OBJECT_DEPTH_MAX: usize = 1_000;
/// Operations in one JSON patch (`maxJSONPatchOperations`).
pub const JSON_PATCH_OPERATIONS_MAX: usize = 10_000;
/// Responses larger than this are compressed for clients that accept gzip.
pub const GZIP_BYTES_MIN: usize = 128 * 1024;
/// Requests that may wait for the store at once, over all shards.
pub const STORE_QUEUE_MAX: usize = 16_384;
/// Batches that may wait for one shard; a full queue makes the store wait.
pub const STORE_BATCH_QUEUE_MAX: usize = 1_024;
/// Transactions that one group commit takes at most.
pub const STORE_GROUP_MAX: usize = 4_096;
/// Largest stored value (etcd's default request limit).
pub const STORED_VALUE_BYTES_MAX: usize = 1_536 * 1024;
/// Events a resource's window keeps at most.
pub const WINDOW_EVENTS_MAX: usize = 102_400;
/// Frames one watcher may have waiting before it is ended as slow.
pub const WATCHER_QUEUE_MAX: usize = 4_096;
/// Messages that may wait at one shard's inbox.
pub const SHARD_INBOX_MAX: usize = 65_536;
/// Slots that keys are hashed on; each is owned by one shard.
pub const PARTITION_SLOTS: usize = 1_024;
