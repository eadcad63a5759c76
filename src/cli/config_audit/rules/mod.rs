//! What each rule looks for: pure functions from a config, or one server of it, to findings.

pub(super) mod across;
mod approval;
mod code;
mod container;
mod env_file;
pub(super) mod files;
mod flags;
mod names;
mod pinned;
mod programs;
mod remote;
mod secret_texts;
pub(super) mod secrets;
mod token;
mod variables;
mod versions;

use super::entry::Entry;
use super::finding::Finding;
use super::machine::Machine;
use super::table::Rule;
use crate::config::clients::{ClientFile, Position};

/// A rule about one server. Those about what is started see no server that is switched off.
type ServerRule = fn(&Entry<'_>, &dyn Machine, &mut Vec<Finding>);

const ALWAYS: [ServerRule; 4] = [secrets::rule, token::rule, names::rule, env_file::rule];
const IF_STARTED: [ServerRule; 9] = [
    versions::rule,
    code::rule,
    container::rule,
    variables::rule,
    flags::rule,
    remote::rule,
    approval::rule,
    pinned::rule,
    programs::rule,
];

/// All about one server.
pub(super) fn of_server(entry: &Entry<'_>, machine: &dyn Machine) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in ALWAYS {
        rule(entry, machine, &mut found);
    }
    if !entry.server.disabled {
        for rule in IF_STARTED {
            rule(entry, machine, &mut found);
        }
    }
    if container::is_engine(entry.program()) {
        // Else the fix would be a command that leaves the entry as it is.
        let imports = |finding: &&mut Finding| finding.row().fix.contains("`pinfold import");
        for finding in found.iter_mut().filter(imports) {
            finding.fix = Some(container::FIX);
        }
    }
    found
}

/// All about a config as a whole.
pub(super) fn of_file(
    file: &ClientFile,
    entries: &[Entry<'_>],
    machine: &dyn Machine,
) -> Vec<Finding> {
    let mut found = Vec::new();
    files::rule(file, entries, machine, &mut found);
    approval::of_file(file, &mut found);
    secrets::outside_servers(file, &mut found);
    found
}

/// A finding about a server.
fn about(entry: &Entry<'_>, rule: Rule, at: Position, subject: &str, message: String) -> Finding {
    Finding {
        rule,
        at: Some(at),
        server: Some(entry.server.name.clone()),
        subject: subject.to_owned(),
        message,
        about: None,
        fix: None,
    }
}
