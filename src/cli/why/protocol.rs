//! `--why "tool …"`, `resource`, `prompt` and `method`: judged by what the relay is given.

use std::collections::BTreeSet;

use super::answer::{Finding, Ground, Word};
use crate::cli::explain::Explained;
use crate::lockfile::ToolName;
use crate::relay::{DecidedBy, Direction, Passage, Reach};

/// `differing` are the tools that were last shown otherwise than agreed.
pub(super) fn judge_tool(
    name: &str,
    explained: &Explained<'_>,
    differing: &BTreeSet<ToolName>,
) -> Finding {
    let about = format!("call the tool {name}");
    let policy = &explained.found.policy;
    let offered = &explained.locked.behaviour.tools;
    let manifest = |key: &str| Ground::Manifest(key.to_owned());
    let Some(tool) = policy.tools.get(name) else {
        let finding = Finding::new(
            Word::No,
            about,
            "it is not on the list",
            manifest("tools.allow"),
        );
        return match nearest(name, offered.keys().map(ToolName::as_str)) {
            _ if offered.contains_key(name) => finding,
            Some(other) => finding.note(format!(
                "the server has no tool `{name}` as it is locked; it has `{other}`"
            )),
            None => finding.note(format!("the server has no tool `{name}` as it is locked")),
        };
    };
    let review = format!("see `pinfold review {}`", explained.name);
    if differing.contains(tool) {
        let reason = format!("it was last shown with another definition than agreed; {review}");
        return Finding::new(Word::No, about, reason, Ground::Lock);
    }
    if !offered.contains_key(tool) {
        let reason = format!("it is on the list, and no definition of it is locked; {review}");
        return Finding::new(Word::No, about, reason, Ground::Lock);
    }
    let calls = &policy.calls;
    let mut finding = if calls.ask.contains(tool) {
        let key = explained.key_in("tools.ask", &server_list(explained, "ask"), name);
        Finding::new(
            Word::Ask,
            about,
            "you are asked about each call",
            Ground::Manifest(key),
        )
    } else {
        let key = explained.key_in("tools.allow", &server_list(explained, "allow"), name);
        Finding::new(Word::Yes, about, "it is on the list", Ground::Manifest(key))
    };
    if calls.rules.contains_key(tool) {
        finding.notes.push(format!(
            "its arguments have to meet a rule (`tools.rules.{tool}`)"
        ));
    }
    if let Some((rate, key)) = calls.limits.of(tool) {
        finding
            .notes
            .push(format!("at most {rate} (`tools.limits.{key}`)"));
    }
    if let Some((window, _)) = calls.repeat.of(tool) {
        finding.notes.push(format!(
            "the same call once in {} (`tools.repeat`)",
            humantime::format_duration(*window)
        ));
    }
    finding
}

/// The names of a list as they are written.
fn server_list(explained: &Explained<'_>, key: &str) -> Vec<String> {
    explained.written_list(&["tools", key])
}

/// A name that differs by case, `-` and `_` alone, or has it within.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str> + Clone) -> Option<&'n str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', '.'], "");
    let wanted = plain(name);
    let mut same = known.clone().filter(|other| plain(other) == wanted);
    let mut within = known.filter(|other| !wanted.is_empty() && plain(other).contains(&wanted));
    same.next().or_else(|| within.next())
}

pub(super) fn judge_resource(uri: &str, explained: &Explained<'_>) -> Finding {
    let reach = &explained.found.policy.protocol.resources;
    judge_reach("resource", "resources", uri, reach, reach.has_uri(uri))
}

pub(super) fn judge_prompt(name: &str, explained: &Explained<'_>) -> Finding {
    let reach = &explained.found.policy.protocol.prompts;
    judge_reach("prompt", "prompts", name, reach, reach.has_name(name))
}

fn judge_reach(kind: &str, key: &str, name: &str, reach: &Reach, has: bool) -> Finding {
    let about = format!("reach the {kind} {name}");
    let manifest = || Ground::Manifest(format!("grants.{key}"));
    match (reach, has) {
        (Reach::All, _) => Finding::new(
            Word::Yes,
            about,
            format!("every {kind} of the server is reached"),
            Ground::Default,
        ),
        (_, true) => Finding::new(Word::Yes, about, "a pattern matches it", manifest()),
        (Reach::Off, _) => Finding::new(
            Word::No,
            about,
            format!("no {kind} of the server is reached"),
            manifest(),
        ),
        (_, false) => Finding::new(Word::No, about, "no pattern matches it", manifest()),
    }
}

pub(super) fn judge_method(name: &str, explained: &Explained<'_>) -> Finding {
    let passages = explained.found.policy.protocol.passages(name);
    let passes = passages.iter().all(|way| way.passes);
    let way = passages.iter().find(|way| way.passes == passes);
    let about = format!("{} {name}", way.map_or("pass", direction));
    let word = if passes { Word::Yes } else { Word::No };
    let (reason, ground) = match way.map(|way| way.decided) {
        None | Some(DecidedBy::Nobody) => (
            "no grant lets it pass: it would come past every rule".to_owned(),
            Ground::Pinfold,
        ),
        Some(DecidedBy::Protocol) => (
            "it is part of MCP for every server".to_owned(),
            Ground::Default,
        ),
        Some(DecidedBy::Setting { key, .. }) => {
            let key = format!("grants.{key}");
            let reason = if passes { "granted" } else { "not granted" };
            (reason.to_owned(), Ground::Manifest(key))
        }
        Some(DecidedBy::List { key }) => {
            let key = format!("grants.{key}");
            let reason = if passes {
                "it is named"
            } else {
                "nothing names it"
            };
            (reason.to_owned(), Ground::Manifest(key))
        }
    };
    let is_asked = way.is_some_and(|way| way.from == Direction::FromServer && way.is_request);
    Finding::new(word, about, reason, ground)
        .note_if(
            name == "tools/call",
            "each tool is judged by itself: --why \"tool NAME\"",
        )
        .note_if(
            is_asked && name != "ping",
            "the client must be able to do it, too",
        )
}

/// Who sends it, for a person.
fn direction(way: &Passage) -> &'static str {
    match (way.from, way.is_request) {
        (Direction::FromClient, true) => "the client asks the server for",
        (Direction::FromClient, false) => "the client tells the server",
        (Direction::FromServer, true) => "the server asks the client for",
        (Direction::FromServer, false) => "the server tells the client",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_meant_is_found() {
        let known = ["create_issue", "read-file", "x"];
        let nearest = |name| nearest(name, known.into_iter());
        assert_eq!(nearest("createIssue"), Some("create_issue"));
        assert_eq!(nearest("read_file"), Some("read-file"));
        assert_eq!(nearest("issue"), Some("create_issue"));
        assert_eq!(nearest("delete"), None);
    }
}
