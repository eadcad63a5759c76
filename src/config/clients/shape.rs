//! How clients write down a server: the words each uses for the same things, as data.

use std::collections::BTreeSet;

use super::tree::{Member, Node};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The client reads JSON without comments.
    Json,
    /// JSON with comments and trailing commas.
    Jsonc,
    Toml,
    Yaml,
}

impl Dialect {
    pub fn name(self) -> &'static str {
        match self {
            Self::Json | Self::Jsonc => "JSON",
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
        }
    }
}

/// Where the servers stand in a file, and what their parts are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Keys that lead to the servers; `*` is every key.
    pub(super) servers: &'static [&'static str],
    /// Whether they are a list and say their names in `name`, and not a map.
    pub(super) is_list: bool,
    /// Holds the program, or the whole argv, or (older Zed) a map of the program's parts.
    pub(super) command: &'static str,
    pub(super) args: &'static str,
    pub(super) env: &'static str,
    /// Where the address of a remote server may stand.
    pub(super) urls: &'static [&'static str],
    /// The key of the truth value that turns it off, and the value that does.
    pub(super) off: Option<(&'static str, bool)>,
}

const COMMON: Shape = Shape {
    servers: &["mcpServers"],
    is_list: false,
    command: "command",
    args: "args",
    env: "env",
    urls: &["url"],
    off: None,
};

pub(super) const CLAUDE: &[Shape] = &[COMMON];
pub(super) const CLAUDE_CODE: &[Shape] = &[
    COMMON,
    Shape {
        servers: &["projects", "*", "mcpServers"],
        ..COMMON
    },
];
pub(super) const VSCODE: &[Shape] = &[Shape {
    servers: &["servers"],
    ..COMMON
}];
pub(super) const VSCODE_SETTINGS: &[Shape] = &[Shape {
    servers: &["mcp", "servers"],
    ..COMMON
}];
/// Cline's, too.
pub(super) const WINDSURF: &[Shape] = &[Shape {
    urls: &["serverUrl", "url"],
    off: Some(("disabled", true)),
    ..COMMON
}];
pub(super) const ZED: &[Shape] = &[Shape {
    servers: &["context_servers"],
    off: Some(("enabled", false)),
    ..COMMON
}];
pub(super) const CODEX: &[Shape] = &[Shape {
    servers: &["mcp_servers"],
    off: Some(("enabled", false)),
    ..COMMON
}];
pub(super) const GEMINI: &[Shape] = &[Shape {
    urls: &["httpUrl", "url"],
    ..COMMON
}];
pub(super) const CONTINUE: &[Shape] = &[Shape {
    is_list: true,
    ..COMMON
}];
pub(super) const GOOSE: &[Shape] = &[Shape {
    servers: &["extensions"],
    command: "cmd",
    env: "envs",
    urls: &["uri"],
    off: Some(("enabled", false)),
    ..COMMON
}];
pub(super) const OPENCODE: &[Shape] = &[Shape {
    servers: &["mcp"],
    env: "environment",
    off: Some(("enabled", false)),
    ..COMMON
}];

/// Settings beside the servers, such as which are approved.
pub(super) const NO_SERVERS: &[Shape] = &[];

/// For a file that is of no known place: the first whose servers are there counts.
pub(super) const ALL: &[&[Shape]] = &[
    CLAUDE_CODE,
    CONTINUE,
    VSCODE,
    ZED,
    CODEX,
    GOOSE,
    VSCODE_SETTINGS,
    OPENCODE,
];

/// Whether a text may be something that a client fills in: `${X}`, `${env:X}`, `${input:x}`,
/// `$X`, `{env:X}`, `${{ secrets.X }}`.
///
/// Clients differ in what they fill in. Nothing depends on knowing it: such a value stays where it is, and whatever the client makes of it arrives.
pub fn may_be_placeholder(text: &str) -> bool {
    let braces = |start: &str| {
        text.find(start)
            .is_some_and(|at| text[at + start.len()..].contains('}'))
    };
    let named = || {
        text.match_indices('$').any(|(at, _)| {
            text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        })
    };
    braces("${") || braces("{env:") || braces("{file:") || named()
}

/// A node that holds servers, with the keys that lead to it.
pub(super) type Container<'n> = (Vec<String>, &'n Node);

/// The nodes that hold servers.
///
/// # Errors
/// The second member of the same name on the way to one: clients differ in which counts.
pub(super) fn containers<'n>(
    root: &'n Node,
    shape: &Shape,
) -> Result<Vec<Container<'n>>, &'n Member> {
    let mut found: Vec<Container<'n>> = vec![(Vec::new(), root)];
    for key in shape.servers {
        let mut deeper: Vec<Container<'n>> = Vec::new();
        for (path, node) in found {
            let mut seen = BTreeSet::new();
            let members = node.members().iter();
            for member in members.filter(|member| *key == "*" || member.key == *key) {
                if !seen.insert(&member.key) {
                    return Err(member);
                }
                let path = path.iter().chain([&member.key]).cloned().collect();
                deeper.push((path, &member.value));
            }
        }
        found = deeper;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_every_client_are_seen() {
        for text in [
            "${X}",
            "${env:X}",
            "a ${input:token} b",
            "$HOME/x",
            "{env:X}",
            "{file:~/x}",
            "${X:-default}",
            "${{ secrets.X }}",
        ] {
            assert!(may_be_placeholder(text), "{text}");
        }
        for text in ["", "plain", "5$", "$1", "{x}", "a{b}c", "pa$$", "${"] {
            assert!(!may_be_placeholder(text), "{text}");
        }
    }
}
