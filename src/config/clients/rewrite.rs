//! Rewriting an entry to another command, so that nothing else of the file changes.
//!
//! Edits are of the text, at the places that reading gave. Then the whole is read again: it must
//! say what it said before but for the command and the variables that were to go, or nothing comes of it.

use std::collections::BTreeSet;
use std::ops::Range;

use super::edit::{Editor, Refused};
use super::entry::{ClientServer, Transport};
use super::parse_json;
use super::read::{ClientFile, parse};
use super::shape::{Dialect, Shape};
use super::text::SourceText;
use super::tree::{Member, Node, Value};

/// What becomes of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite<'f> {
    pub server: &'f ClientServer,
    /// The new program.
    pub command: String,
    pub args: Vec<String>,
    /// The variables that are taken out; the others stay.
    pub without: BTreeSet<String>,
}

/// Why a file was not rewritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    #[error("its entry can't be changed in place: {0}")]
    Refused(#[from] Refused),
    #[error("its entry can't be changed without changing something else of the file")]
    OtherwiseChanged,
}

/// The bytes of `file` with these entries rewritten.
///
/// # Errors
/// [`RewriteError`]; then the file must be edited by hand.
pub fn rewrite(file: &ClientFile, rewrites: &[Rewrite<'_>]) -> Result<Vec<u8>, RewriteError> {
    let text = file.text.text();
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut expected = file.root.clone();
    for rewrite in rewrites {
        edits.extend(edits_of(text, file.place.dialect, rewrite)?);
        let entry =
            entry_in(&mut expected, rewrite.server).ok_or(RewriteError::OtherwiseChanged)?;
        change(entry, &rewrite.server.shape, rewrite);
    }
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let overlap = edits.windows(2).any(|pair| pair[0].0.end > pair[1].0.start);
    if overlap {
        return Err(RewriteError::OtherwiseChanged);
    }
    let mut changed = text.to_owned();
    for (range, replacement) in edits.into_iter().rev() {
        changed.replace_range(range, &replacement);
    }
    let bytes = file.text.bytes_with(&changed);
    is_as_meant(file, &changed, &bytes, &expected)
        .then_some(bytes)
        .ok_or(RewriteError::OtherwiseChanged)
}

fn is_as_meant(file: &ClientFile, changed: &str, bytes: &[u8], expected: &Node) -> bool {
    let dialect = file.place.dialect;
    let is_json = matches!(dialect, Dialect::Json | Dialect::Jsonc);
    if is_json && parse_json::is_strict(file.text.text()) && !parse_json::is_strict(changed) {
        return false;
    }
    let Ok(after) = SourceText::new(bytes.to_vec()) else {
        return false;
    };
    let read_again = parse(&after, dialect);
    read_again.is_ok_and(|root| {
        without_empty_env(root, file).says_the_same(&without_empty_env(expected.clone(), file))
    })
}

/// Whether an empty environment stands there makes no difference. Dotted keys of TOML leave none.
fn without_empty_env(mut root: Node, file: &ClientFile) -> Node {
    let keys: BTreeSet<&str> = file.servers.iter().map(|server| server.shape.env).collect();
    drop_empty(&mut root, &keys);
    root
}

fn drop_empty(node: &mut Node, keys: &BTreeSet<&str>) {
    match &mut node.value {
        Value::Map(members) => {
            let is_empty = |node: &Node| matches!(&node.value, Value::Map(none) if none.is_empty());
            members
                .retain(|member| !(keys.contains(member.key.as_str()) && is_empty(&member.value)));
            for member in members {
                drop_empty(&mut member.value, keys);
            }
        }
        Value::List(entries) => {
            for entry in entries {
                drop_empty(entry, keys);
            }
        }
        _ => {}
    }
}

/// The entry in a copy of the tree.
fn entry_in<'n>(root: &'n mut Node, server: &ClientServer) -> Option<&'n mut Node> {
    let mut node = root;
    for key in &server.section {
        node = &mut member_mut(node, key)?.value;
    }
    if !matches!(node.value, Value::List(_)) {
        return Some(&mut member_mut(node, &server.name)?.value);
    }
    let Value::List(entries) = &mut node.value else {
        return None;
    };
    entries
        .iter_mut()
        .find(|entry| entry.span == server.node.span)
}

/// The change in the tree, as it must come out.
fn change(entry: &mut Node, shape: &Shape, rewrite: &Rewrite<'_>) {
    let text = |text: &String| Node::new(0..0, Value::Text(text.clone()));
    let Some(command) = member_mut(entry, shape.command) else {
        return;
    };
    let args: Vec<Node> = rewrite.args.iter().map(text).collect();
    if matches!(command.value.value, Value::List(_)) {
        let argv = std::iter::once(text(&rewrite.command)).chain(args);
        command.value.value = Value::List(argv.collect());
    } else {
        let is_nested = matches!(command.value.value, Value::Map(_));
        let parts = match is_nested {
            true => &mut command.value,
            false => &mut *entry,
        };
        let program = if is_nested { "path" } else { shape.command };
        set(parts, program, text(&rewrite.command));
        set(parts, shape.args, Node::new(0..0, Value::List(args)));
        take_out(parts, shape, rewrite);
        return;
    }
    take_out(entry, shape, rewrite);
}

fn take_out(parts: &mut Node, shape: &Shape, rewrite: &Rewrite<'_>) {
    if let Some(env) = member_mut(parts, shape.env)
        && let Value::Map(members) = &mut env.value.value
    {
        members.retain(|member| !rewrite.without.contains(&member.key));
    }
}

fn member_mut<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Member> {
    match &mut node.value {
        Value::Map(members) => members.iter_mut().find(|member| member.key == key),
        _ => None,
    }
}

fn set(node: &mut Node, key: &str, value: Node) {
    if let Some(member) = member_mut(node, key) {
        member.value = value;
    } else if let Value::Map(members) = &mut node.value {
        members.push(Member {
            key: key.to_owned(),
            key_span: 0..0,
            value,
        });
    }
}

fn edits_of(
    text: &str,
    dialect: Dialect,
    rewrite: &Rewrite<'_>,
) -> Result<Vec<(Range<usize>, String)>, Refused> {
    let server = rewrite.server;
    let Transport::Stdio { .. } = server.transport else {
        return Err(Refused("it starts nothing"));
    };
    let shape = &server.shape;
    let editor = Editor { text, dialect };
    let command = server.node.member(shape.command);
    let command = command.ok_or(Refused("it has no command"))?;
    let mut edits = Vec::new();
    let (parts, program) = match &command.value.value {
        Value::List(_) => {
            if server.node.get(shape.args).is_some() {
                return Err(Refused("its arguments stand in two places"));
            }
            let mut argv = vec![rewrite.command.clone()];
            argv.extend(rewrite.args.iter().cloned());
            edits.push(editor.replace_list(&command.value, &argv)?);
            (&server.node, None)
        }
        Value::Map(_) => (&command.value, command.value.member("path")),
        _ => (&server.node, Some(command)),
    };
    editor.plain(&server.node)?;
    if let Some(program) = program {
        edits.push(editor.replace_text(&program.value, &rewrite.command)?);
        match parts.member(shape.args) {
            Some(args) if args.value.value == Value::Null => {
                edits.push(editor.replace_null(args, &rewrite.args)?);
            }
            Some(args) => edits.push(editor.replace_list(&args.value, &rewrite.args)?),
            None => edits.push(editor.insert_after(parts, program, shape.args, &rewrite.args)?),
        }
    }
    if let Some(env) = parts.member(shape.env) {
        edits.extend(editor.remove_members(env, &rewrite.without)?);
    }
    Ok(edits)
}

#[cfg(test)]
mod tests;
