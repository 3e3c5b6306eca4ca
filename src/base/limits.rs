//! Every limit, in one file. Units are in the names.

/// Largest request body (`MaxRequestBodyBytes` upstream).
pub const REQUEST_BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// What is read and thrown away of a body that is too large, before the connection is cut.
pub const REFUSED_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Deepest nesting of a decoded body; decoding one level takes up to 1.5 KiB of a shard's stack.
pub const OBJECT_DEPTH_MAX: usize = 400;
/// Bytes of a fresh arena: a pod's tree fits, with what its checks allocate.
pub const ARENA_BYTES_MIN: usize = 64 * 1024;
/// Bytes of an arena that is kept for the next request.
pub const ARENA_KEPT_BYTES_MAX: usize = 256 * 1024;
/// Arenas that one thread keeps.
pub const ARENAS_KEPT_MAX: usize = 16;
/// Facts about single objects that one shard's admission keeps of each kind; then all are dropped.
pub const ADMISSION_FACTS_MAX: usize = 8_192;
/// Operations in one JSON patch (`maxJSONPatchOperations`).
pub const JSON_PATCH_OPERATIONS_MAX: usize = 10_000;
/// Bytes that the copy operations of one JSON patch may add up to (`JSONPatchMaxCopyBytes`).
pub const JSON_PATCH_COPY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Responses larger than this are compressed for clients that accept gzip.
pub const GZIP_BYTES_MIN: usize = 128 * 1024;
/// Requests that may wait for the store at once, over all shards.
pub const STORE_QUEUE_MAX: usize = 16_384;
/// Batches that may wait for one shard; a full queue makes the store wait.
pub const STORE_BATCH_QUEUE_MAX: usize = 1_024;
/// Transactions that one group commit takes at most.
pub const STORE_GROUP_MAX: usize = 4_096;
/// Bytes of keys and values that one group commit takes at most; the first transaction always fits.
pub const STORE_GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Expired keys that one group commit removes at most.
pub const STORE_EXPIRE_MAX: usize = 512;
/// Superseded records that one group commit removes from the log at least, if there are so many.
pub const STORE_FORGET_MIN: usize = 256;
/// Events the store keeps at most, whatever their age.
pub const STORE_HISTORY_EVENTS_MAX: usize = 500_000;
/// Bytes of stored records the store's history keeps at most, whatever their age.
pub const STORE_HISTORY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Age at which an event leaves the store's history (etcd's compaction interval upstream).
pub const STORE_HISTORY_SECONDS: u64 = 300;
/// Longest stored key.
pub const STORED_KEY_BYTES_MAX: usize = 4_096;
/// Largest stored value (etcd's default request limit).
pub const STORED_VALUE_BYTES_MAX: usize = 1_536 * 1024;
/// Events a resource's window keeps at most.
pub const WINDOW_EVENTS_MAX: usize = 102_400;
/// Frames one watcher may have waiting before it is ended as slow.
pub const WATCHER_QUEUE_MAX: usize = 4_096;
/// Messages that may wait at one shard's inbox.
pub const SHARD_INBOX_MAX: usize = 65_536;
/// Frames that one piece of a watch's body holds at most.
pub const WATCH_BATCH_MAX: usize = 64;
/// A list answer is made and sent in pieces of about this size.
pub const LIST_CHUNK_BYTES: usize = 256 * 1024;
/// Items that one page of a list holds at most, whatever `limit` says.
pub const LIST_PAGE_MAX: usize = 10_000_000;
/// Slots that keys are hashed on; each is owned by one shard.
pub const PARTITION_SLOTS: usize = 1_024;
/// Connections one shard holds at most; more are closed at once.
pub const CONNECTIONS_MAX: usize = 65_536;
/// HTTP/2 streams of one connection unless `--http2-max-streams-per-connection` says otherwise.
pub const HTTP2_STREAMS_MAX: u32 = 100;
/// HTTP/2 upload window of a stream; a connection has this times its streams.
pub const HTTP2_WINDOW_BYTES: u32 = 256 * 1024;
/// Largest HTTP/2 frame a client may send.
pub const HTTP2_FRAME_BYTES_MAX: u32 = 256 * 1024;
/// Largest set of request headers (`DefaultMaxHeaderBytes` of Go).
pub const HEADER_BYTES_MAX: usize = 1024 * 1024;
/// HTTP/2 streams a client may open and reset before they were served; then the connection ends.
pub const HTTP2_RESETS_PENDING_MAX: usize = 100;
/// HTTP/2 streams that may break the protocol; then the connection ends.
pub const HTTP2_STREAM_ERRORS_MAX: usize = 1_024;
/// Response bytes that one HTTP/2 stream may have waiting in the connection.
pub const HTTP2_SEND_BUFFER_BYTES_MAX: usize = 256 * 1024;
/// A connection without requests is closed after this.
pub const CONNECTION_IDLE_SECONDS_MAX: u64 = 90;
/// HTTP/1 request headers must be complete this long after their first byte.
pub const HEADER_READ_SECONDS_MAX: u64 = 32;
/// A TLS handshake must be complete this long after the connection.
pub const TLS_HANDSHAKE_SECONDS_MAX: u64 = 10;
/// Changes that a resource's window keeps however old they are.
pub const WINDOW_EVENTS_MIN: usize = 100;
/// A resource's window keeps changes at least so long (etcd compacts as often).
pub const WINDOW_SECONDS_MIN: u64 = 300;
/// Encodings of objects that are kept, over all shards.
pub const ENCODED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Entries whose encodings one tick may drop.
pub const ENCODED_SWEEP_ENTRIES: usize = 8_192;
/// A read waits this long for the revision it asks for (`blockTimeout` upstream).
pub const READ_WAIT_SECONDS: u64 = 3;
/// A shard that has not answered this long after that is given up.
pub const READ_GRACE_SECONDS: u64 = 2;
/// Keys that a list looks at before it lets others run.
pub const LIST_CHUNK_MAX: usize = 4_096;
/// Frames that the feed queues before it lets others run.
pub const FEED_YIELD_FRAMES: usize = 8_192;
/// Messages that a shard takes before it lets others run.
pub const INBOX_YIELD_HOPS: usize = 512;
/// How often a shard's cache looks at its clock.
pub const TICK_MILLIS: u64 = 100;
/// Bookmarks come so often (`bookmarkFrequency` upstream).
pub const BOOKMARK_SECONDS: u64 = 60;
/// The last bookmark comes so long before a watch ends.
pub const BOOKMARK_BEFORE_DEADLINE_SECONDS: u64 = 2;
/// Sets of labels that one shard keeps figures for; what comes later is counted together.
pub const METRIC_SERIES_MAX: usize = 4_096;
/// Users and resources of whom a shard remembers that their watches were too slow.
pub const SLOW_WATCHERS_MAX: usize = 256;
/// Messages of the server's first thread, and scrapes, that may wait at one shard.
pub const SHARD_CONTROL_MAX: usize = 256;
/// Requests that one shard serves at once, watches not counted; more are turned away with 429.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 8_192;
/// Bearer tokens that one shard remembers as good.
pub const TOKENS_CACHED_MAX: usize = 16_384;
/// Calls to etcd that may be under way at once.
pub const ETCD_CALLS_MAX: usize = 1_024;
/// A connection to an etcd member must be made in this time.
pub const ETCD_CONNECT_SECONDS_MAX: u64 = 2;
/// How often a connection to etcd is probed (etcd refuses probes more often than every 5 seconds).
pub const ETCD_KEEPALIVE_SECONDS: u64 = 10;
/// A probe that is not answered in this time ends the connection.
pub const ETCD_KEEPALIVE_SECONDS_MAX: u64 = 5;
/// Reads of etcd are tried again for this long.
pub const ETCD_READ_SECONDS_MAX: u64 = 4;
/// A write waits this long for etcd.
pub const ETCD_WRITE_SECONDS_MAX: u64 = 30;
/// A write that etcd has acknowledged waits this long for its event.
pub const ETCD_EVENT_SECONDS_MAX: u64 = 3;
/// A watch that does not reach what a member has told in this time is started on another.
pub const ETCD_BEHIND_SECONDS_MAX: u64 = 3;
/// HTTP/2 window of a stream from etcd; a connection has four times this.
pub const ETCD_STREAM_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// Keys that one page of a range holds.
pub const ETCD_PAGE_KEYS: usize = 5_000;
/// Revisions that a start goes back, so that clients resume where they were.
pub const ETCD_HISTORY_REVISIONS_MAX: u64 = 10_000;
/// Changes that one batch takes from a watch at most.
pub const ETCD_BATCH_CHANGES_MAX: usize = 1_024;
/// Keys that one lease is used for (`defaultLeaseMaxObjectCount` upstream).
pub const ETCD_LEASE_KEYS_MAX: u32 = 1_000;
/// Audit events that may wait to be written, whatever `--audit-log-batch-buffer-size` says.
pub const AUDIT_QUEUE_MAX: usize = 65_536;
/// Bytes of audit events that are written together.
pub const AUDIT_BATCH_BYTES_MAX: usize = 256 * 1024;
/// Sealed values that wait for their plugin; those beyond stay sealed until they are written or
/// read anew.
pub const SEALED_MISSED_MAX: usize = 65_536;
/// Issuers of claims that stand elsewhere, of one issuer of tokens.
pub const OIDC_CLAIM_ISSUERS_MAX: usize = 8;
/// Users of whom is remembered how they last impersonated; beyond it they forget each other.
pub const IMPERSONATORS_MAX: usize = 8_192;
/// Exchanges with other servers that may wait to begin; more fail at once.
pub const CLIENT_QUEUE_MAX: usize = 4_096;
/// Exchanges with other servers that may be under way; more fail at once.
pub const CLIENT_EXCHANGES_MAX: usize = 8_192;
/// Largest answer of another server that is taken as a whole.
pub const CLIENT_ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Pieces of a body that may wait between another server and a shard.
pub const CLIENT_CHUNKS_MAX: usize = 16;
/// Servers whose connections are kept.
pub const CLIENT_HOSTS_MAX: usize = 4_096;
/// HTTP/1.1 connections to one server that are kept (`MaxIdleConnsPerHost` of client-go).
pub const CLIENT_IDLE_CONNECTIONS_MAX: usize = 25;
/// A connection to another server that was not used this long is closed.
pub const CLIENT_IDLE_SECONDS_MAX: u64 = 90;
/// A connection to another server must be made in this time (Go's `Dialer.Timeout`).
pub const CLIENT_DIAL_SECONDS_MAX: u64 = 30;
/// A TLS handshake with another server must be complete in this time.
pub const CLIENT_HANDSHAKE_SECONDS_MAX: u64 = 10;
/// How often HTTP/2 connections to other servers are probed (`ReadIdleTimeout` of client-go).
pub const CLIENT_KEEPALIVE_SECONDS: u64 = 30;
/// Another server that a client's request is passed on to must begin its answer in this time;
/// requests that are not long-running have their own deadline.
pub const CLIENT_FORWARD_SECONDS_MAX: u64 = 24 * 60 * 60;
/// Sources of keys that a KMS plugin has opened and that are kept; beyond it begins anew.
pub const KMS_SOURCES_MAX: usize = 4_096;
/// At the start a KMS plugin is waited for this long.
pub const KMS_START_SECONDS_MAX: u64 = 60;
/// Secrets that may wait to be labelled with the day of their token's last use.
pub const LEGACY_USES_WAITING_MAX: usize = 256;
/// Largest message of a WebSocket client.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest control frame of a kubelet that speaks SPDY.
pub const SPDY_CONTROL_BYTES_MAX: usize = 64 * 1024;
/// What a kubelet may say of how a command has ended.
pub const STREAM_ERROR_BYTES_MAX: usize = 64 * 1024;
/// A client that has ended its half of an upgraded connection gets what the other end says for this
/// long.
pub const UPGRADE_LINGER_SECONDS: u64 = 10;
/// A probe that is not answered in this time ends the connection (`PingTimeout`).
pub const CLIENT_KEEPALIVE_SECONDS_MAX: u64 = 15;
/// Code points of one CEL expression (cel-go's default).
pub const CEL_CODE_POINTS_MAX: usize = 100_000;
/// Expressions of CEL that stand in each other while it is read (cel-go's default).
pub const CEL_NESTING_MAX: u16 = 250;
/// Nodes on the longest way down an expression of CEL; evaluating one takes a shard's stack.
pub const CEL_DEPTH_MAX: u16 = 300;
/// Cost of one evaluation of a CEL expression (`PerCallLimit`).
pub const CEL_CALL_COST_MAX: u64 = 1_000_000;
/// Cost of all rules of one policy's binding, or of one custom resource (`RuntimeCELCostBudget`).
pub const CEL_BUDGET_COST_MAX: u64 = 10_000_000;
/// Cost of all match conditions of one webhook or binding (`RuntimeCELCostBudgetMatchConditions`).
pub const CEL_CONDITIONS_COST_MAX: u64 = 2_500_000;
/// Regular expressions of CEL that one thread keeps compiled; beyond it begins anew.
pub const CEL_PATTERNS_KEPT_MAX: usize = 256;
/// How long a profile takes unless the request says it, in seconds.
pub const PROFILE_SECONDS: u64 = 30;
/// How long a profile may take, in seconds.
pub const PROFILE_SECONDS_MAX: u64 = 300;
/// Answers of one webhook that a shard keeps (`NewLRUExpireCache(8192)` upstream).
pub const WEBHOOK_ANSWERS_MAX: usize = 8_192;
/// A message that an expression makes (`MaxEvaluatedMessageExpressionSizeBytes`).
pub const CEL_MESSAGE_BYTES_MAX: usize = 5 * 1024;
/// Requests that may wait for an OpenID issuer's new keys; others go on with those that are known.
pub const OIDC_REFRESHES_WAITING_MAX: usize = 1_024;
/// Estimated cost of one rule of a definition (`StaticEstimatedCostLimit`).
pub const CEL_RULE_COST_MAX: u64 = 10_000_000;
/// Estimated cost of all rules of a definition (`StaticEstimatedCRDCostLimit`).
pub const CEL_DEFINITION_COST_MAX: u64 = 100_000_000;
