//! Whether a method passes, each way that it is known to go, and what decides about it: for whoever
//! explains a server's grants. The decision is [`Grants::admit`]'s.

use super::catalogue::{Decision, Kind, METHODS, Right, Side};
use super::event::Direction;
use super::grants::Grants;

/// One way that a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    pub from: Direction,
    /// Else a notification.
    pub is_request: bool,
    pub passes: bool,
    pub decided: DecidedBy,
}

/// What decides whether it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidedBy {
    /// It is part of MCP and passes to and from every server.
    Protocol,
    /// A key of the manifest's `grants`, and the value with which it passes.
    Setting {
        key: &'static str,
        value: &'static str,
    },
    /// A list of the manifest's `grants` that names it or doesn't.
    List { key: &'static str },
    /// No grant lets it pass.
    Nobody,
}

impl Grants {
    /// Each way of a method that is known; of one that MCP doesn't know the way that a grant by name
    /// would let it go.
    pub fn passages(&self, method: &str) -> Vec<Passage> {
        let known = METHODS.iter().filter(|row| row.name == method);
        let mut ways: Vec<(Side, Kind, Decision)> = known
            .map(|row| (row.from, row.kind, row.decision))
            .collect();
        if ways.is_empty() {
            ways.push(if method.starts_with("notifications/") {
                (Side::Server, Kind::Notification, Decision::ByName)
            } else {
                (Side::Client, Kind::Request, Decision::ByName)
            });
        }
        let passage = |(from, kind, decision): (Side, Kind, Decision)| Passage {
            from: match from {
                Side::Client => Direction::FromClient,
                Side::Server => Direction::FromServer,
            },
            is_request: kind == Kind::Request,
            passes: self.admit(from, kind, method),
            decided: match (decision, kind) {
                (Decision::Always, _) => DecidedBy::Protocol,
                (Decision::Never, _) => DecidedBy::Nobody,
                (Decision::Granted(right), _) => right.decides(),
                (Decision::ByName, Kind::Request) => DecidedBy::List { key: "methods" },
                (Decision::ByName, Kind::Notification) => DecidedBy::List {
                    key: "notifications",
                },
            },
        };
        ways.into_iter().map(passage).collect()
    }
}

impl Right {
    fn decides(self) -> DecidedBy {
        let (key, value) = match self {
            Self::Sampling => ("sampling", "true"),
            Self::Elicitation => ("elicitation", "form"),
            Self::UrlElicitation => ("elicitation", "url"),
            Self::Roots => ("roots", "true"),
            Self::Tasks => ("tasks", "true"),
            Self::Resources => ("resources", "true"),
            Self::Prompts => ("prompts", "true"),
            Self::Completion => ("completion", "true"),
            Self::Logging => ("logging", "true"),
        };
        DecidedBy::Setting { key, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes and way, for each way.
    fn ways(grants: &Grants, method: &str) -> Vec<(Direction, bool, DecidedBy)> {
        let passages = grants.passages(method).into_iter();
        passages
            .map(|way| (way.from, way.passes, way.decided))
            .collect()
    }

    #[test]
    fn every_way_of_a_method_is_told() {
        use Direction::{FromClient, FromServer};
        let setting = |key, value| DecidedBy::Setting { key, value };
        let nothing = Grants::default();
        for (method, expected) in [
            ("tools/call", vec![(FromClient, true, DecidedBy::Protocol)]),
            (
                "ping",
                vec![
                    (FromClient, true, DecidedBy::Protocol),
                    (FromServer, true, DecidedBy::Protocol),
                ],
            ),
            (
                "sampling/createMessage",
                vec![(FromServer, false, setting("sampling", "true"))],
            ),
            (
                "tasks/get",
                vec![
                    (FromClient, false, setting("tasks", "true")),
                    (FromServer, false, setting("tasks", "true")),
                ],
            ),
            (
                "tasks/list",
                vec![
                    (FromClient, false, DecidedBy::Nobody),
                    (FromServer, false, DecidedBy::Nobody),
                ],
            ),
            ("tasks/update", vec![(FromClient, false, DecidedBy::Nobody)]),
            (
                "vendor/x",
                vec![(FromClient, false, DecidedBy::List { key: "methods" })],
            ),
            (
                "notifications/vendor",
                vec![(
                    FromServer,
                    false,
                    DecidedBy::List {
                        key: "notifications",
                    },
                )],
            ),
        ] {
            assert_eq!(ways(&nothing, method), expected, "{method}");
        }
        let granted = Grants {
            sampling: true,
            methods: ["vendor/x".to_owned()].into(),
            ..Grants::default()
        };
        for method in ["sampling/createMessage", "vendor/x"] {
            assert!(ways(&granted, method)[0].1, "{method}");
        }
    }
}
