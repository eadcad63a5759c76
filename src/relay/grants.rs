//! What is granted beyond tools: what a server may ask of its client, and what its client may
//! ask of it. Plain data; who asks for which right is in `catalogue`.

use std::collections::BTreeSet;

use super::catalogue::{self, Decision, Kind, Right, Side};
use super::pattern::Pattern;

/// The grants of one server. The default is what every server gets: nothing that it could ask
/// of the client, everything that the client could ask of it with the methods of MCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// The server may have the client's model answer (`sampling/createMessage`).
    pub sampling: bool,
    /// The server may ask the user (`elicitation/create`).
    pub elicitation: Elicitation,
    /// The server may ask for the client's folders (`roots/list`).
    pub roots: bool,
    /// Calls of the server's tools, and what it asks of the client, may be made tasks (2025-11-25).
    pub tasks: bool,
    /// Notifications of the server that pass although MCP does not know them.
    pub notifications: BTreeSet<String>,
    /// Requests of the client that pass although MCP does not know them.
    pub methods: BTreeSet<String>,
    pub resources: Reach,
    pub prompts: Reach,
    pub completion: bool,
    pub logging: bool,
}

/// How a server may ask the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Elicitation {
    #[default]
    Off,
    /// In a form of the client's.
    Form,
    /// In a form, or by having a web page opened.
    Url,
}

/// How many of a server's resources or prompts a client reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    #[default]
    All,
    /// Those that one of the patterns matches.
    Matching(Vec<Pattern>),
    Off,
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            sampling: false,
            elicitation: Elicitation::Off,
            roots: false,
            tasks: false,
            notifications: BTreeSet::new(),
            methods: BTreeSet::new(),
            resources: Reach::All,
            prompts: Reach::All,
            completion: true,
            logging: true,
        }
    }
}

impl Grants {
    pub(super) fn has(&self, right: Right) -> bool {
        match right {
            Right::Sampling => self.sampling,
            Right::Elicitation => self.elicitation >= Elicitation::Form,
            Right::UrlElicitation => self.elicitation >= Elicitation::Url,
            Right::Roots => self.roots,
            Right::Tasks => self.tasks,
            Right::Resources => self.resources != Reach::Off,
            Right::Prompts => self.prompts != Reach::Off,
            Right::Completion => self.completion,
            Right::Logging => self.logging,
        }
    }

    /// Whether a message with this method may go from this side to the other one, as far as
    /// its method tells.
    pub(super) fn admit(&self, from: Side, kind: Kind, method: &str) -> bool {
        let by_name = || match (from, kind) {
            (Side::Client, Kind::Request) => self.methods.contains(method),
            (Side::Server, Kind::Notification) => self.notifications.contains(method),
            _ => false,
        };
        match catalogue::find(from, kind, method).map(|row| row.decision) {
            Some(Decision::Always) => true,
            Some(Decision::Granted(right)) => self.has(right),
            Some(Decision::Never) => false,
            Some(Decision::ByName) | None => by_name(),
        }
    }
}

impl Elicitation {
    /// As the manifest spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Form => "form",
            Self::Url => "url",
        }
    }
}

impl Reach {
    /// Whether every one is reached, so that none need be looked at.
    pub(super) fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Whether the client reaches the prompt of this name.
    pub fn has_name(&self, name: &str) -> bool {
        self.any(|pattern| pattern.matches(name))
    }

    /// Whether the client reaches the resource with this URI.
    pub fn has_uri(&self, uri: &str) -> bool {
        self.any(|pattern| pattern.matches_uri(uri))
    }

    fn any(&self, matches: impl Fn(&Pattern) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::Matching(patterns) => patterns.iter().any(matches),
            Self::Off => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_passes_in_its_direction_only() {
        let nothing = Grants::default();
        let all = Grants {
            sampling: true,
            elicitation: Elicitation::Url,
            roots: true,
            notifications: ["notifications/x".to_owned()].into(),
            methods: ["vendor/x".to_owned()].into(),
            ..Grants::default()
        };
        for (from, kind, method) in [
            (Side::Server, Kind::Request, "sampling/createMessage"),
            (Side::Server, Kind::Request, "elicitation/create"),
            (Side::Server, Kind::Request, "roots/list"),
            (
                Side::Client,
                Kind::Notification,
                "notifications/roots/list_changed",
            ),
            (
                Side::Server,
                Kind::Notification,
                "notifications/elicitation/complete",
            ),
            (Side::Server, Kind::Notification, "notifications/x"),
            (Side::Client, Kind::Request, "vendor/x"),
        ] {
            assert!(!nothing.admit(from, kind, method), "{method}");
            assert!(all.admit(from, kind, method), "{method}");
            let other = match from {
                Side::Client => Side::Server,
                Side::Server => Side::Client,
            };
            assert!(!all.admit(other, kind, method), "{method}");
        }
        let form = Grants {
            elicitation: Elicitation::Form,
            ..Grants::default()
        };
        assert!(form.has(Right::Elicitation) && !form.has(Right::UrlElicitation));
    }

    #[test]
    fn a_name_does_not_grant_what_the_table_decides() {
        let tricked = Grants {
            notifications: [
                "notifications/tasks",
                "notifications/tasks/status",
                "notifications/elicitation/complete",
            ]
            .map(str::to_owned)
            .into(),
            methods: ["tasks/get", "tasks/update", "notifications/x"]
                .map(str::to_owned)
                .into(),
            ..Grants::default()
        };
        for name in &tricked.notifications {
            assert!(
                !tricked.admit(Side::Server, Kind::Notification, name),
                "{name}"
            );
        }
        for name in ["tasks/get", "tasks/update", "tasks/list"] {
            assert!(!tricked.admit(Side::Client, Kind::Request, name), "{name}");
        }
    }

    #[test]
    fn what_is_switched_off_does_not_pass() {
        let off = Grants {
            resources: Reach::Off,
            prompts: Reach::Off,
            completion: false,
            logging: false,
            ..Grants::default()
        };
        for (from, kind, method) in [
            (Side::Client, Kind::Request, "resources/list"),
            (Side::Client, Kind::Request, "resources/templates/list"),
            (Side::Client, Kind::Request, "resources/read"),
            (Side::Client, Kind::Request, "resources/subscribe"),
            (Side::Client, Kind::Request, "resources/unsubscribe"),
            (Side::Client, Kind::Request, "prompts/list"),
            (Side::Client, Kind::Request, "prompts/get"),
            (Side::Client, Kind::Request, "completion/complete"),
            (Side::Client, Kind::Request, "logging/setLevel"),
            (Side::Server, Kind::Notification, "notifications/message"),
            (
                Side::Server,
                Kind::Notification,
                "notifications/resources/updated",
            ),
            (
                Side::Server,
                Kind::Notification,
                "notifications/resources/list_changed",
            ),
            (
                Side::Server,
                Kind::Notification,
                "notifications/prompts/list_changed",
            ),
        ] {
            assert!(!off.admit(from, kind, method), "{method}");
            assert!(Grants::default().admit(from, kind, method), "{method}");
        }
    }
}
