//! What becomes of a server's variables: literals go into the manifest, secrets into the store, and
//! what the client fills in stays with the client. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::clients::{ClientServer, Node, looks_secret, may_be_placeholder};
use crate::config::env_names::{is_variable_name, refused_variable};

/// How a variable reaches the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Held {
    /// In the manifest.
    Literal(String),
    /// With the secrets. The value is not shown anywhere.
    Secret(String),
    /// The client goes on passing it.
    FromClient,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Variables {
    pub held: BTreeMap<String, Held>,
    /// Those that leave the config.
    pub leaving: BTreeSet<String>,
}

/// Keys under which clients name variables of their own environment, or keyring, that they pass on.
const PASSED_ON: [&str; 2] = ["env_vars", "env_keys"];

/// The variables of a server, and what to say about them.
///
/// # Errors
/// Why it can't be converted.
pub(super) fn variables(server: &ClientServer) -> Result<(Variables, Vec<String>), String> {
    let mut variables = Variables::default();
    let mut notes = Vec::new();
    for variable in &server.env {
        let (name, value) = (&variable.name, &variable.value);
        if !is_variable_name(name) {
            return Err(format!("`{name}` is not the name of a variable"));
        }
        if let Some(reason) = refused_variable(name) {
            variables.leaving.insert(name.clone());
            notes.push(format!("`{name}` no longer reaches it: {reason}"));
            continue;
        }
        if value.contains('\0') {
            return Err(format!("the value of `{name}` holds a NUL"));
        }
        // Whatever the client makes of it arrives, so nothing depends on knowing that.
        let held =
            if is_filled_in(value) || (may_be_placeholder(value) && !looks_secret(name, value)) {
                Held::FromClient
            } else if looks_secret(name, value) {
                Held::Secret(value.clone())
            } else {
                Held::Literal(value.clone())
            };
        if held != Held::FromClient {
            variables.leaving.insert(name.clone());
        }
        variables.held.insert(name.clone(), held);
    }
    for key in PASSED_ON {
        for name in passed_on(server.node.get(key)) {
            let usable = is_variable_name(&name) && refused_variable(&name).is_none();
            if usable && !variables.held.contains_key(&name) {
                variables.held.insert(name, Held::FromClient);
            }
        }
    }
    Ok((variables, notes))
}

/// A `$` alone can be a part of a password.
fn is_filled_in(value: &str) -> bool {
    may_be_placeholder(value) && (value.starts_with('$') || value.contains(['{']))
}

/// Names, or maps with a `name`.
fn passed_on(list: Option<&Node>) -> Vec<String> {
    let entries = list.map(Node::entries).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            let name = entry.get("name").unwrap_or(entry);
            name.as_text().map(str::to_owned)
        })
        .collect()
}
