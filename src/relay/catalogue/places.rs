//! The places in a message, other than its method, where a right is asked for or given.

/// Where a 2026-07-28 request carries what `initialize` said in older revisions.
pub(in crate::relay) const CLIENT_CAPABILITIES_META: &str =
    "io.modelcontextprotocol/clientCapabilities";
/// A request with this in its `_meta` is one of 2026-07-28 or later.
pub(in crate::relay) const PROTOCOL_VERSION_META: &str = "io.modelcontextprotocol/protocolVersion";
/// In 2026-07-28, what `logging/setLevel` was.
pub(in crate::relay) const LOG_LEVEL_META: &str = "io.modelcontextprotocol/logLevel";

/// In the params of a request (2025-11-25): make this a task. In a result: it was made one.
pub(in crate::relay) const TASK: &str = "task";
/// In the `_meta` of any message (2025-11-25): the task that it belongs to.
pub(in crate::relay) const RELATED_TASK_META: &str = "io.modelcontextprotocol/related-task";

/// Requests whose result may ask the client for input (2026-07-28, multi round-trip requests).
pub(in crate::relay) const QUESTION_METHODS: [&str; 3] =
    ["tools/call", "prompts/get", "resources/read"];
/// What the client sends along when it asks again.
pub(in crate::relay) const RETRY_PARAMS: [&str; 2] = ["inputResponses", "requestState"];
