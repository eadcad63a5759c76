//! What is known of the protocol, as data: every method of MCP, every capability, and every
//! place in a message where a server could ask for something. Nothing is decided here; what
//! may pass is decided by these tables together with a server's [`super::grants::Grants`].
//!
//! Sources: the published schemas of the revisions (`tests/relay/published_methods.json` holds
//! their methods), the tasks extension, the draft of the skills extension, the documentation of
//! clients with methods of their own.

mod capabilities;
mod methods;
mod places;

pub(super) use capabilities::{CLIENT_CAPABILITIES, SERVER_CAPABILITIES, subcapabilities};
pub(super) use methods::METHODS;
pub(super) use places::{
    CLIENT_CAPABILITIES_META, LOG_LEVEL_META, PROTOCOL_VERSION_META, QUESTION_METHODS,
    RELATED_TASK_META, RETRY_PARAMS, TASK,
};

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Notification,
}

/// What the manifest grants or takes away as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Sampling,
    Elicitation,
    UrlElicitation,
    Roots,
    Tasks,
    Resources,
    Prompts,
    Completion,
    Logging,
}

/// Who decides whether a message with some method passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It passes. What is in it may still be filtered or refused.
    Always,
    /// It passes for a server with this right.
    Granted(Right),
    /// It passes for a server whose `grants` name it: `methods` and `notifications`.
    ByName,
    /// No grant lets it pass.
    Never,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) from: Side,
    pub(super) kind: Kind,
    /// A letter for each place that has it, `-` where it is not:
    /// A 2024-11-05, B 2025-03-26, C 2025-06-18, D 2025-11-25, E 2026-07-28 (`e`: not as a
    /// message, but inside `inputRequests`), and last X for an extension or its draft, V for a
    /// vendor.
    pub(super) seen: &'static str,
    pub(super) decision: Decision,
}

/// The row of a method that goes this way.
pub(super) fn find(from: Side, kind: Kind, name: &str) -> Option<&'static Method> {
    METHODS
        .iter()
        .find(|row| row.name == name && row.from == from && row.kind == kind)
}

/// Why the request of the client `name` can't be granted by name, in words for whoever wrote it
/// into a manifest; `None` when it can.
pub fn refused_method(name: &str) -> Option<String> {
    refused_grant(Kind::Request, name)
}

/// As [`refused_method`], for a notification of the server.
pub fn refused_notification(name: &str) -> Option<String> {
    refused_grant(Kind::Notification, name)
}

fn refused_grant(kind: Kind, name: &str) -> Option<String> {
    let (from, words) = match kind {
        Kind::Request => (Side::Client, "requests of the client"),
        Kind::Notification => (Side::Server, "notifications of the server"),
    };
    let proper = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-$".contains(&byte);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(proper) {
        return Some("a method is 1 to 128 of A-Z a-z 0-9 _ . / - $".to_owned());
    }
    let is_notification = name.to_ascii_lowercase().starts_with("notifications/");
    match kind {
        Kind::Request if is_notification => {
            return Some("it is a notification and not a request".to_owned());
        }
        Kind::Notification if !is_notification => {
            return Some("the name of a notification starts with `notifications/`".to_owned());
        }
        _ => {}
    }
    // Not byte for byte: whoever means another spelling of a power means the power.
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("tasks/") || lower.starts_with("notifications/tasks") {
        return Some(
            "`grants.tasks` decides about tasks, as far as they can be granted at all".to_owned(),
        );
    }
    let rows = || {
        METHODS
            .iter()
            .filter(|row| row.name.eq_ignore_ascii_case(name))
    };
    let row = rows()
        .find(|row| row.from == from && row.kind == kind)
        .or_else(|| rows().next())?;
    match row.decision {
        Decision::ByName => None,
        Decision::Granted(right) => Some(format!("`{}` decides about it", right.setting())),
        Decision::Always if row.from == from => Some(format!(
            "it is part of {} and passes without a grant",
            row.origin()
        )),
        Decision::Always | Decision::Never => Some(format!(
            "it is part of {} and none of the {words} that can be granted",
            row.origin()
        )),
    }
}

impl Method {
    /// Where it was seen first, for a person.
    fn origin(&self) -> &'static str {
        match self.seen.chars().find(|letter| *letter != '-') {
            Some('A') => "MCP 2024-11-05",
            Some('B') => "MCP 2025-03-26",
            Some('C') => "MCP 2025-06-18",
            Some('D') => "MCP 2025-11-25",
            Some('E' | 'e') => "MCP 2026-07-28",
            Some('X') => "an extension of MCP",
            _ => "a client's own protocol",
        }
    }
}

impl Right {
    /// Where the manifest says it.
    pub(super) fn setting(self) -> &'static str {
        match self {
            Self::Sampling => "grants.sampling",
            Self::Elicitation => "grants.elicitation",
            Self::UrlElicitation => "grants.elicitation = \"url\"",
            Self::Roots => "grants.roots",
            Self::Tasks => "grants.tasks",
            Self::Resources => "grants.resources",
            Self::Prompts => "grants.prompts",
            Self::Completion => "grants.completion",
            Self::Logging => "grants.logging",
        }
    }
}

/// A request of the client in which something is decided beyond its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientRequest {
    Initialize,
    Discover,
    ListTools,
    CallTool,
    Listen,
    ListResources,
    ListResourceTemplates,
    ReadResource,
    /// `resources/subscribe` and `resources/unsubscribe`.
    Subscribe(&'static str),
    ListPrompts,
    GetPrompt,
    Complete,
    Task(TaskRequest),
    /// Another one of the table.
    Other(&'static str),
    /// One that is not in the table, granted by its name.
    Named,
}

/// A request about one task (2025-11-25), of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskRequest {
    Get,
    Result,
    Cancel,
}

impl TaskRequest {
    pub(super) fn of(method: &str) -> Option<Self> {
        match method {
            "tasks/get" => Some(Self::Get),
            "tasks/result" => Some(Self::Result),
            "tasks/cancel" => Some(Self::Cancel),
            _ => None,
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Get => "tasks/get",
            Self::Result => "tasks/result",
            Self::Cancel => "tasks/cancel",
        }
    }
}

impl ClientRequest {
    pub(super) fn of(method: &str) -> Self {
        let Some(row) = find(Side::Client, Kind::Request, method) else {
            return Self::Named;
        };
        match row.name {
            "initialize" => Self::Initialize,
            "server/discover" => Self::Discover,
            "tools/list" => Self::ListTools,
            "tools/call" => Self::CallTool,
            "subscriptions/listen" => Self::Listen,
            "resources/list" => Self::ListResources,
            "resources/templates/list" => Self::ListResourceTemplates,
            "resources/read" => Self::ReadResource,
            name @ ("resources/subscribe" | "resources/unsubscribe") => Self::Subscribe(name),
            "prompts/list" => Self::ListPrompts,
            "prompts/get" => Self::GetPrompt,
            "completion/complete" => Self::Complete,
            name => TaskRequest::of(name).map_or(Self::Other(name), Self::Task),
        }
    }

    /// The method, or words for one that is not in the table.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Discover => "server/discover",
            Self::ListTools => "tools/list",
            Self::CallTool => "tools/call",
            Self::Listen => "subscriptions/listen",
            Self::ListResources => "resources/list",
            Self::ListResourceTemplates => "resources/templates/list",
            Self::ReadResource => "resources/read",
            Self::ListPrompts => "prompts/list",
            Self::GetPrompt => "prompts/get",
            Self::Complete => "completion/complete",
            Self::Task(request) => request.method(),
            Self::Subscribe(name) | Self::Other(name) => name,
            Self::Named => "a method granted by name",
        }
    }
}

#[cfg(test)]
mod tests;
