//! What may never stand in a line that passes, one function for each property.

use std::collections::HashSet;

use pinfold::relay::CanonicalLine;

use super::granted::Granted;
use super::model::{Broken, Property, keep};
use super::readings::{Tree, is_one_line};
use super::tasks::is_promise;
use super::{LISTED, MAX_LINE};

/// Where a 2026-07-28 request says what its client can do.
pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The line in the one form: by pinfold's reader, and by the model's own.
pub(crate) fn passed_on(line: &[u8]) -> Result<Tree, Broken> {
    let broken = |how: &str| Broken {
        property: Property::OneReading,
        how: format!("{how}: {}", line.escape_ascii()),
    };
    if !is_one_line(line) {
        return Err(broken("more than one line for some"));
    }
    let read = CanonicalLine::read(line, 2 * MAX_LINE).map_err(|_| broken("refused"))?;
    let tree = Tree::read(line).ok_or_else(|| broken("no JSON"))?;
    if read.as_bytes() != line || tree.canonical().as_bytes() != line {
        return Err(broken("not in the one form"));
    }
    for key in ["jsonrpc", "id", "method", "params", "result", "error"] {
        if tree.readings(key).len() != usize::from(tree.get(key).is_some()) {
            return Err(broken("a key of several readings"));
        }
    }
    Ok(tree)
}

pub(crate) fn calls_nothing_unlisted(message: &Tree) -> Result<(), Broken> {
    let is_call = |method: &&Tree| {
        let method = method.text().unwrap_or_default();
        method.trim().eq_ignore_ascii_case("tools/call")
    };
    if !message.readings("method").iter().any(is_call) {
        return Ok(());
    }
    let names: Vec<_> = message
        .readings("params")
        .into_iter()
        .flat_map(|params| params.readings("name"))
        .collect();
    let listed = |name: &&Tree| name.text().is_some_and(|name| LISTED.contains(&name));
    let one = message.get("id").is_some() && names.len() == 1 && names.iter().all(listed);
    keep(one, Property::NoUnlistedCall, || message.canonical())
}

/// Only states come back that a server gave: `given`.
pub(crate) fn sends_no_unknown_state(
    message: &Tree,
    given: &HashSet<String>,
) -> Result<(), Broken> {
    for params in message.readings("params") {
        // A state may go back to the server that gave it (2026-07-28).
        let state = params.readings("requestState");
        let given = state.iter().all(|state| given.contains(&state.canonical()));
        let fine = given || message.get("id").is_none();
        keep(fine, Property::NoPower, || message.canonical())?;
    }
    Ok(())
}

/// The state that a result gives for the client to send back.
pub(crate) fn state_alone(result: &Tree) -> Option<&Tree> {
    let kind = result.get("resultType").and_then(Tree::text);
    let state = result
        .get("requestState")
        .filter(|state| state.text().is_some());
    state.filter(|_| kind == Some("input_required"))
}

pub(crate) fn asks_for_nothing(result: &Tree) -> Result<(), Broken> {
    let absent = |key: &&str| result.readings(key).is_empty();
    let asks = !["inputRequests", "task"].iter().all(absent);
    let complete = Tree::Text("complete".to_owned());
    let kinds = result.readings("resultType");
    let known = kinds.iter().all(|kind| **kind == complete) && absent(&"requestState");
    let fine = !asks && (known || state_alone(result).is_some());
    keep(fine, Property::NoPower, || result.canonical())
}

pub(crate) fn promises_nothing(
    result: &Tree,
    method: &str,
    granted: Granted,
) -> Result<(), Broken> {
    for capabilities in result.readings("capabilities") {
        let tasks = capabilities.readings("tasks");
        let may = |tasks: &&Tree| method == "initialize" && is_promise(tasks, granted);
        keep(tasks.iter().all(may), Property::NoPower, || {
            result.canonical()
        })?;
        for right in [
            "experimental",
            "extensions",
            "sampling",
            "roots",
            "elicitation",
        ] {
            let none = capabilities.readings(right).is_empty();
            keep(none, Property::NoPower, || result.canonical())?;
        }
    }
    Ok(())
}

pub(crate) fn shows_nothing_unlisted(result: &Tree) -> Result<(), Broken> {
    let lists = result.readings("tools");
    let mut shown = HashSet::new();
    let good = lists.len() == 1
        && lists.iter().all(|tools| match tools {
            Tree::Array(tools) => tools.iter().all(|tool| {
                let names = tool.readings("name");
                let name = names.first().and_then(|name| name.text());
                names.len() == 1
                    && name.is_some_and(|name| LISTED.contains(&name) && shown.insert(name))
            }),
            _ => false,
        });
    keep(good, Property::NoUnlistedShown, || result.canonical())
}

/// Whether a definition is the pinned one: a name and an empty schema, in any order.
pub(crate) fn is_pinned(tool: &Tree) -> bool {
    tool.members().len() == 2
        && tool.get("name").is_some()
        && tool.get("inputSchema") == Some(&Tree::Object(Vec::new()))
}

pub(crate) fn shows_only_pinned(result: &Tree) -> Result<(), Broken> {
    for tools in result.readings("tools") {
        let Tree::Array(tools) = tools else { continue };
        let pinned = tools.iter().all(is_pinned);
        keep(pinned, Property::Pinned, || result.canonical())?;
    }
    Ok(())
}
