//! What a relayed session must keep, said apart from the code that keeps it.
//!
//! `corpus` reads the hostile lines, `generator`, `asking` and `task_lines` make lines out of any
//! bytes, `readings` sees a line as other parsers do, and `model` with `checks`, `granted` and
//! `tasks` holds a session against all of it. Used by the tests, by the differential test of `integration/` and
//! by the fuzz targets, so nothing here knows any of them, and of pinfold only `pinfold::relay`
//! and the names of `pinfold::lockfile`.
#![allow(
    dead_code,
    reason = "each of the programs that include this uses a part of it"
)]

pub(crate) mod asking;
pub(crate) mod checks;
pub(crate) mod choices;
pub(crate) mod corpus;
pub(crate) mod generator;
pub(crate) mod granted;
pub(crate) mod model;
pub(crate) mod readings;
pub(crate) mod task_lines;
pub(crate) mod tasks;
pub(crate) mod vocabulary;

use std::collections::BTreeSet;

use pinfold::lockfile::{Digest, ToolName};
use pinfold::relay::{Elicitation, Grants, Pins, SessionPolicy};

use granted::Granted;

/// The tools that a client may see and call.
pub(crate) const LISTED: [&str; 2] = ["echo", "sum"];

/// Longest line, small so that the corpus can hold longer ones.
pub(crate) const MAX_LINE: usize = 65536;

/// What a session of the model enforces beside the list of tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Each listed tool is pinned to its name and an empty schema, and there are no
    /// instructions.
    pub(crate) pinned: bool,
    /// What passes beyond tools.
    pub(crate) granted: Granted,
}

/// What the sessions of the corpus and of the model enforce, in this one place.
pub(crate) fn policy(rules: Rules) -> SessionPolicy {
    let allow: BTreeSet<ToolName> = LISTED.map(|name| name.parse().unwrap()).into();
    let pin = |name: &ToolName| {
        // RFC 8785.
        let definition = format!(r#"{{"inputSchema":{{}},"name":"{name}"}}"#);
        (name.clone(), Digest::of(definition.as_bytes()))
    };
    let pins = Pins {
        tools: allow.iter().map(pin).collect(),
        instructions: None,
        review: "pinfold review NAME".to_owned(),
    };
    let granted = rules.granted;
    let grants = Grants {
        sampling: granted.sampling,
        elicitation: match granted.elicitation {
            granted::Elicitation::Never => Elicitation::Off,
            granted::Elicitation::Form => Elicitation::Form,
            granted::Elicitation::Url => Elicitation::Url,
        },
        roots: granted.roots,
        tasks: granted.tasks,
        notifications: named(granted.notification, granted::NOTIFICATION),
        methods: named(granted.method, granted::METHOD),
        ..Grants::default()
    };
    let locked = SessionPolicy::locked(allow, pins);
    SessionPolicy {
        pins: locked.pins.filter(|_| rules.pinned),
        max_line: MAX_LINE,
        grants,
        granted_paths: vec![granted::FOLDER.into()],
        ..locked
    }
}

fn named(granted: bool, name: &str) -> BTreeSet<String> {
    granted.then(|| name.to_owned()).into_iter().collect()
}

/// Which side a line is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Client,
    Server,
}

/// One line of one side, without its newline.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) from: From,
    pub(crate) line: Vec<u8>,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.from, self.line.escape_ascii())
    }
}
