//! Settings by which tools are called without asking, and lists of tools that are meant; per
//! client, as tables.

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use crate::config::clients::{Client, ClientFile, Node, Transport, Value};

/// What a setting must be to switch something off.
#[derive(Clone, Copy)]
enum Is {
    True,
    /// True, or a list with something in it.
    Some,
    Word(&'static str),
}

/// A setting of one server. In a path `*` is every key.
const OF_SERVER: &[(Option<Client>, &[&str], Is)] = &[
    (None, &["autoApprove"], Is::Some),
    (None, &["alwaysAllow"], Is::Some),
    (None, &["trust"], Is::True),
    // "When sandboxing is enabled, tool confirmations are auto-approved."
    (None, &["sandboxEnabled"], Is::True),
    (
        Some(Client::Codex),
        &["default_tools_approval_mode"],
        Is::Word("approve"),
    ),
    (
        Some(Client::Codex),
        &["tools", "*", "approval_mode"],
        Is::Word("approve"),
    ),
];

/// A setting of the client.
const OF_FILE: &[(Client, &[&str], Is, Rule)] = &[
    (
        Client::VsCode,
        &["chat.tools.autoApprove"],
        Is::True,
        Rule::AutoApprove,
    ),
    (
        Client::VsCode,
        &["chat.tools.global.autoApprove"],
        Is::True,
        Rule::AutoApprove,
    ),
    (
        Client::Zed,
        &["agent", "always_allow_tool_actions"],
        Is::True,
        Rule::AutoApprove,
    ),
    (
        Client::Zed,
        &["agent", "tool_permissions", "default"],
        Is::Word("allow"),
        Rule::AutoApprove,
    ),
    (
        Client::ClaudeCode,
        &["enableAllProjectMcpServers"],
        Is::True,
        Rule::AutoApprove,
    ),
    (
        Client::ClaudeCode,
        &["projects", "*", "enableAllProjectMcpServers"],
        Is::True,
        Rule::AutoApprove,
    ),
    (
        Client::ClaudeCode,
        &["permissions", "defaultMode"],
        Is::Word("bypassPermissions"),
        Rule::AutoApprove,
    ),
    (
        Client::OpenCode,
        &["permission"],
        Is::Word("allow"),
        Rule::AutoApprove,
    ),
    (
        Client::OpenCode,
        &["permission", "\\*"],
        Is::Word("allow"),
        Rule::AutoApprove,
    ),
    (
        Client::Goose,
        &["GOOSE_MODE"],
        Is::Word("auto"),
        Rule::AutoApprove,
    ),
    (
        Client::Codex,
        &["sandbox_mode"],
        Is::Word("danger-full-access"),
        Rule::SandboxOff,
    ),
];

/// Where Claude Code keeps what it need not ask for.
const CLAUDE_APPROVED: &[&[&str]] = &[
    &["permissions", "allow"],
    &["projects", "*", "allowedTools"],
];

/// Where a client has a list of the tools that are meant.
const ALLOWLISTS: &[(Client, &str)] = &[
    (Client::Codex, "enabled_tools"),
    (Client::Gemini, "includeTools"),
    (Client::Goose, "available_tools"),
];

pub(super) fn rule(entry: &Entry<'_>, _: &dyn Machine, found: &mut Vec<Finding>) {
    let client = entry.file.place.client;
    for (of, path, is) in OF_SERVER {
        if of.is_some_and(|of| of != client) {
            continue;
        }
        for node in reached(&entry.server.node, path) {
            if fits(*is, node) {
                let at = entry.file.text.position(node.span.start);
                let setting = path.join(".");
                let message = format!("`{setting}`: its tools are called without asking");
                found.push(about(entry, Rule::AutoApprove, at, &setting, message));
            }
        }
    }
    let list = ALLOWLISTS.iter().find(|(of, _)| *of == client);
    let is_built_in = entry.server.transport == Transport::BuiltIn;
    if let Some((_, key)) = list
        && !is_built_in
        && entry.pinned().is_none()
        && entry.server.node.get(key).is_none_or(is_empty)
    {
        found.push(about(
            entry,
            Rule::NoAllowlist,
            entry.server.at,
            key,
            format!("it has no `{key}`"),
        ));
    }
}

/// No list, and for Goose an empty one, offers every tool.
fn is_empty(node: &Node) -> bool {
    node.value == Value::Null || node.entries().is_empty()
}

pub(super) fn of_file(file: &ClientFile, found: &mut Vec<Finding>) {
    if file.place.client == Client::ClaudeCode {
        claude_approved(file, found);
    }
    for (client, path, is, rule) in OF_FILE {
        if *client != file.place.client {
            continue;
        }
        for node in reached(&file.root, path) {
            if fits(*is, node) {
                let setting = path.join(".").replace('\\', "");
                found.push(Finding {
                    rule: *rule,
                    at: Some(file.text.position(node.span.start)),
                    server: None,
                    message: match rule {
                        Rule::SandboxOff => {
                            format!("`{setting}` switches the client's sandbox off")
                        }
                        _ => format!("`{setting}` holds for every server"),
                    },
                    subject: setting,
                    about: None,
                    fix: None,
                });
            }
        }
    }
}

/// Tools of MCP servers among what Claude Code need not ask for: `mcp__SERVER`, `mcp__SERVER__*` or
/// `mcp__SERVER__TOOL`.
fn claude_approved(file: &ClientFile, found: &mut Vec<Finding>) {
    for path in CLAUDE_APPROVED {
        for node in reached(&file.root, path)
            .into_iter()
            .flat_map(Node::entries)
        {
            let Some(tools) = node.as_text().and_then(|text| text.strip_prefix("mcp__")) else {
                continue;
            };
            let (server, tool) = tools.split_once("__").unwrap_or((tools, "*"));
            let which = match tool {
                "*" => "every tool".to_owned(),
                tool => format!("`{tool}`"),
            };
            found.push(Finding {
                rule: Rule::AutoApprove,
                at: Some(file.text.position(node.span.start)),
                server: None,
                subject: format!("mcp__{tools}"),
                message: format!("{which} of `{server}` is called without asking"),
                about: None,
                fix: None,
            });
        }
    }
}

fn reached<'n>(node: &'n Node, path: &[&str]) -> Vec<&'n Node> {
    let mut found = vec![node];
    for key in path {
        let is_it = |name: &str| *key == "*" || name == key.trim_start_matches('\\');
        found = found
            .iter()
            .flat_map(|node| node.members())
            .filter(|member| is_it(&member.key))
            .map(|member| &member.value)
            .collect();
    }
    found
}

fn fits(is: Is, node: &Node) -> bool {
    match is {
        Is::True => node.as_bool() == Some(true),
        Is::Some => node.as_bool() == Some(true) || !node.entries().is_empty(),
        Is::Word(word) => node.as_text() == Some(word),
    }
}
