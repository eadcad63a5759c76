//! Options, variables and settings that switch a sandbox or its checks off.

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;

/// Options, whatever the program: none has another meaning for these.
const FLAGS: &[&str] = &[
    "--no-sandbox",
    "--disable-setuid-sandbox",
    "--disable-web-security",
    "--dangerously-skip-permissions",
    "--dangerously-bypass-approvals-and-sandbox",
    "--dangerously-allow-all",
    "--dangerously-run-mcp-servers",
    "--yolo",
    "--skip-git-hooks-check",
];

/// Options of one program.
const OF_PROGRAM: &[(&str, &[&str])] = &[("deno", &["-A", "--allow-all"])];

/// Variables, with the values that switch something off.
const VARIABLES: &[(&str, &[&str])] = &[
    ("DANGEROUSLY_OMIT_AUTH", &["true", "1"]),
    ("DANGEROUSLY_DISABLE_SANDBOX", &["true", "1"]),
    ("ELECTRON_DISABLE_SANDBOX", &["true", "1"]),
    ("PLAYWRIGHT_CHROMIUM_SANDBOX", &["false", "0"]),
    ("PLAYWRIGHT_MCP_NO_SANDBOX", &["true", "1"]),
];

pub(super) fn rule(entry: &Entry<'_>, _: &dyn Machine, found: &mut Vec<Finding>) {
    let program = entry.program();
    let own = OF_PROGRAM.iter().find(|(name, _)| *name == program);
    let own = own.map(|(_, flags)| *flags).unwrap_or_default();
    for word in entry.arguments() {
        let text = word.text.as_str();
        let flag = text.strip_suffix("=true").unwrap_or(text);
        if FLAGS.contains(&flag) || own.contains(&flag) {
            let message = format!("`{text}` is given to `{program}`");
            found.push(about(entry, Rule::SandboxOff, word.at, flag, message));
        }
    }
    for variable in &entry.server.env {
        let (name, value) = (variable.name.as_str(), variable.value.to_ascii_lowercase());
        let is_off =
            |(one, values): &(&str, &[&str])| *one == name && values.contains(&value.as_str());
        if VARIABLES.iter().any(is_off) {
            let message = format!("`{name}` is set to `{value}`");
            found.push(about(entry, Rule::SandboxOff, variable.at, name, message));
        }
    }
}
