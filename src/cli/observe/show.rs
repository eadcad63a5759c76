//! The report, for a person and for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::super::output::foreign;
use super::judge::Judged;
use crate::observe::Wish;

/// Of what a server chose, in characters.
const MAX_TEXT: usize = 400;
/// Lines of each kind; `--json` has all of them.
const MAX_LINES: usize = 12;

/// One line about a session that was observed.
pub(super) fn summary(judged: &Judged) -> String {
    let unused = unused_lines(judged).len();
    format!(
        "pinfold: observed `{0}`: {1} proposed for its manifest, {2} asked for and not proposed, {unused} granted and not used; `pinfold observe {0} --report` shows it",
        judged.name,
        judged.proposal.lines.len(),
        judged.proposal.not_proposed.len(),
    )
}

pub(super) fn lines(judged: &Judged) -> Vec<String> {
    let mut lines = Vec::new();
    for answer in &judged.answers {
        let outcome = if answer.is_error { "error" } else { "ok" };
        lines.push(format!("{} ({outcome}): {}", answer.tool, answer.text));
    }
    let observed = &judged.observed;
    let runs = match observed.runs {
        1 => "one run".to_owned(),
        runs => format!("{runs} runs"),
    };
    lines.push(format!(
        "`{}` was observed in {runs}, in its box as it is: nothing was loosened.",
        judged.name
    ));
    if !judged.is_current {
        lines.push("Its policy has changed since; the next run begins anew.".to_owned());
    }
    lines.push(String::new());
    proposed(judged, &mut lines);
    section(
        &mut lines,
        "Asked for, not proposed:",
        judged
            .proposal
            .not_proposed
            .iter()
            .map(|not| {
                let what = foreign(&not.what, MAX_TEXT);
                format!("{what}: {}{}", not.why, during(&not.during))
            })
            .collect(),
    );
    section(
        &mut lines,
        "Granted, and not used in what was observed:",
        unused_lines(judged),
    );
    section(&mut lines, "Used:", used(judged));
    system_calls(judged, &mut lines);
    if judged.proposal.habits > 0 {
        lines.push(format!(
            "{} paths that programs look at by habit, and do without, are left out.",
            judged.proposal.habits
        ));
    }
    if !judged.variables.is_empty() {
        lines.push(format!(
            "Whether it reads its variables can't be seen from outside: {}.",
            judged.variables.join(", ")
        ));
    }
    if observed.hidden > 0 {
        lines.push(format!(
            "{} processes asked not to be watched (CLONE_UNTRACED): of what they did nothing is known but that it was in the box.",
            observed.hidden
        ));
    }
    if observed.lost > 0 {
        lines.push(format!("{} paths were too many to keep.", observed.lost));
    }
    lines
}

fn proposed(judged: &Judged, lines: &mut Vec<String>) {
    let proposal = &judged.proposal;
    if proposal.lines.is_empty() {
        lines.push("Nothing is proposed for the manifest.".to_owned());
        lines.push(String::new());
        return;
    }
    lines.push("Proposed for the manifest:".to_owned());
    for line in &proposal.lines {
        let value = foreign(&line.value, MAX_TEXT);
        lines.push(format!("  {} = {value}{}", line.key, during(&line.during)));
        if !line.asked.is_empty() {
            let some: Vec<String> = line
                .asked
                .iter()
                .take(3)
                .map(|path| foreign(path, MAX_TEXT))
                .collect();
            let more = match line.asked.len().saturating_sub(some.len()) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            lines.push(format!("    asked for: {}{more}", some.join(", ")));
        }
        if let Some(note) = &line.note {
            lines.push(format!("    {note}"));
        }
    }
    lines.push(format!(
        "  `pinfold observe {} --apply` writes this into manifest and lock.",
        judged.name
    ));
    lines.push(String::new());
}

fn system_calls(judged: &Judged, lines: &mut Vec<String>) {
    let made = judged.observed.system_calls.len();
    let all = judged.allowed_calls;
    lines.push(format!(
        "System calls: {made} of the {all} that its box lets through."
    ));
    if !judged.limits_calls {
        lines.push(format!(
            "  `pinfold observe {} --apply --system-calls` limits it to these and their like.",
            judged.name
        ));
        return;
    }
    let calls: Vec<&str> = judged.calls.iter().map(String::as_str).collect();
    lines.push(format!(
        "  {} with those that do the same, as `system_calls` of the manifest: {}",
        calls.len(),
        calls.join(" ")
    ));
    if !judged.unused.tools.is_empty() {
        lines.push("  What tools that were never called need may not be among them.".to_owned());
    }
}

fn section(lines: &mut Vec<String>, title: &str, entries: Vec<String>) {
    if entries.is_empty() {
        return;
    }
    lines.push(title.to_owned());
    let more = entries.len().saturating_sub(MAX_LINES);
    for entry in entries.into_iter().take(MAX_LINES) {
        lines.push(format!("  {entry}"));
    }
    if more > 0 {
        lines.push(format!("  and {more} more; `--json` has all"));
    }
    lines.push(String::new());
}

fn during(moments: &BTreeSet<String>) -> String {
    if moments.is_empty() {
        return String::new();
    }
    let mut shown: Vec<String> = moments
        .iter()
        .take(3)
        .map(|text| foreign(text, 100))
        .collect();
    if moments.len() > shown.len() {
        shown.push("…".to_owned());
    }
    format!(" ({})", shown.join("; "))
}

fn unused_lines(judged: &Judged) -> Vec<String> {
    let unused = &judged.unused;
    let mut lines = Vec::new();
    for (key, values) in [
        ("files.read", &unused.read),
        ("files.write", &unused.write),
        ("exec", &unused.exec),
        ("egress", &unused.egress),
    ] {
        lines.extend(values.iter().map(|value| format!("{key} = {value}")));
    }
    let only_read = unused.only_read.iter();
    lines.extend(only_read.map(|path| format!("files.write = {path}: it was only read")));
    if !unused.tools.is_empty() {
        lines.push(format!(
            "tools.allow: never called: {}",
            unused.tools.join(", ")
        ));
    }
    lines
}

/// By call: what of the manifest's grants and of its own folders it used, programs, hosts.
fn used(judged: &Judged) -> Vec<String> {
    let observed = &judged.observed;
    let mut by_moment: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, seen) in &observed.used {
        let executed = seen.wishes.contains(&Wish::Execute);
        let worth = |folder: &std::path::PathBuf| Path::new(path).starts_with(folder);
        let is_about_content = seen.wishes.iter().any(|wish| wish.is_about_content());
        if !is_about_content || !executed && !judged.worth_telling.iter().any(worth) {
            continue;
        }
        let what = match () {
            () if executed => "runs",
            () if seen.wishes.iter().any(|wish| wish.changes()) => "writes",
            () => "reads",
        };
        for moment in &seen.during {
            let lines = by_moment.entry(moment).or_default();
            lines.push(format!("{what} {}", foreign(path, MAX_TEXT)));
        }
    }
    for (host, seen) in &observed.hosts {
        if seen.allowed > 0 {
            for moment in &seen.during {
                let lines = by_moment.entry(moment).or_default();
                lines.push(format!("connects {}", foreign(host, MAX_TEXT)));
            }
        }
    }
    let mut lines = Vec::new();
    for (moment, entries) in by_moment {
        let more = entries.len().saturating_sub(3);
        let some: Vec<String> = entries.into_iter().take(3).collect();
        let more = match more {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        lines.push(format!(
            "{}: {}{more}",
            foreign(moment, 100),
            some.join(", ")
        ));
    }
    lines
}

pub(super) fn document(judged: &Judged) -> Value {
    let answers = judged.answers.iter();
    let calls: Vec<Value> = answers
        .map(|answer| json!({ "tool": answer.tool, "error": answer.is_error, "text": answer.text }))
        .collect();
    json!({
        "server": judged.name.as_str(),
        "policy_is_as_observed": judged.is_current,
        "calls": calls,
        "proposal": judged.proposal,
        "unused": judged.unused,
        "enough_system_calls": judged.calls,
        "variables": judged.variables,
        "observed": judged.observed,
    })
}
