//! The methods of MCP 2024-11-05 … 2026-07-28 that may pass, and in which direction.
//! What is not here does not pass: tasks, sampling, elicitation, roots, extensions and
//! whatever a later revision or a vendor adds.

/// A request of the client that the relay knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientRequest {
    Initialize,
    Discover,
    ListTools,
    CallTool,
    Listen,
    /// A request in which nothing is decided.
    Other(&'static str),
}

const OTHER_CLIENT_REQUESTS: [&str; 10] = [
    "ping",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
];

/// Notifications of the client that pass. `notifications/roots/list_changed` does not:
/// roots are not granted.
const CLIENT_NOTIFICATIONS: [&str; 3] = [
    "notifications/initialized",
    "notifications/progress",
    "notifications/cancelled",
];

const SERVER_NOTIFICATIONS: [&str; 8] = [
    "notifications/progress",
    "notifications/message",
    "notifications/cancelled",
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/subscriptions/acknowledged",
];

/// Capabilities that a server may announce. The others (`tasks`, `experimental`,
/// `extensions`) promise what the relay would refuse.
const SERVER_CAPABILITIES: [&[u8]; 5] = [
    b"tools",
    b"resources",
    b"prompts",
    b"logging",
    b"completions",
];

impl ClientRequest {
    pub(super) fn of(method: &str) -> Option<Self> {
        Some(match method {
            "initialize" => Self::Initialize,
            "server/discover" => Self::Discover,
            "tools/list" => Self::ListTools,
            "tools/call" => Self::CallTool,
            "subscriptions/listen" => Self::Listen,
            _ => Self::Other(
                OTHER_CLIENT_REQUESTS
                    .into_iter()
                    .find(|known| *known == method)?,
            ),
        })
    }

    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Discover => "server/discover",
            Self::ListTools => "tools/list",
            Self::CallTool => "tools/call",
            Self::Listen => "subscriptions/listen",
            Self::Other(method) => method,
        }
    }
}

pub(super) fn is_client_notification(method: &str) -> bool {
    CLIENT_NOTIFICATIONS.contains(&method)
}

pub(super) fn is_server_notification(method: &str) -> bool {
    SERVER_NOTIFICATIONS.contains(&method)
}

pub(super) fn is_server_capability(raw_key: &[u8]) -> bool {
    SERVER_CAPABILITIES.contains(&raw_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_request_keeps_its_name() {
        for method in OTHER_CLIENT_REQUESTS.into_iter().chain([
            "initialize",
            "server/discover",
            "tools/list",
            "tools/call",
            "subscriptions/listen",
        ]) {
            assert_eq!(ClientRequest::of(method).unwrap().method(), method);
        }
        for method in [
            "",
            "tools/List",
            "tasks/get",
            "skills/list",
            "sampling/createMessage",
        ] {
            assert_eq!(ClientRequest::of(method), None, "{method}");
        }
    }
}
