//! `pinfold explain` for a person: sections of lines in columns.

use super::explain::{Explained, Variable, calls, limitations};
use super::fingerprint::reason_against;
use super::{explain_bundle, output, protocol};
use crate::config::{Delivery, EgressTier};
use crate::launch::Right;
use crate::policy::{Origin, VariableSource};
use crate::sandbox::Access;

/// A first column gets no wider than this; what is longer pushes the rest of its line.
const MAX_COLUMN: usize = 64;
/// Longest text of the manifest or the machine that is shown, in characters.
const MAX_TEXT: usize = 400;

type Row = (String, String);

pub(super) fn lines(explained: &Explained<'_>) -> Vec<String> {
    let found = &explained.found;
    let mut lines = Vec::new();
    section(&mut lines, "server", head(explained));
    section(&mut lines, "protocol", protocol(explained));
    section(&mut lines, "network", network(explained));
    for (title, access) in [
        ("may execute", Access::Execute),
        ("may read and write", Access::Write),
        ("may read", Access::Read),
        ("may list", Access::List),
        ("devices", Access::Device),
    ] {
        let rows = found
            .rights
            .iter()
            .filter(|right| right.access == access)
            .map(|right| (shown(&right.path.display()), reason(explained, right)));
        section(&mut lines, title, rows.collect());
    }
    let absent = found.absent.iter().map(|grant| {
        let origin = from(&grant.origin, None);
        (shown(&grant.path), format!("{}: {}", origin, grant.why))
    });
    section(
        &mut lines,
        "granted, but not on this machine",
        absent.collect(),
    );
    section(&mut lines, "environment", environment(explained));
    if let Some(bundle) = &found.bundle {
        section(
            &mut lines,
            "bundle",
            explain_bundle::rows(explained, bundle),
        );
    }
    section(
        &mut lines,
        "calls and answers",
        calls_and_answers(explained),
    );
    section(&mut lines, "limits", numbers(explained));
    section(&mut lines, "system calls", system_calls(explained));
    section(&mut lines, "layers on this machine", layers(explained));
    let unlimited = limitations(found)
        .into_iter()
        .map(|text| (shown(&text), String::new()));
    section(&mut lines, "not limited", unlimited.collect());
    lines
}

fn section(lines: &mut Vec<String>, title: &str, rows: Vec<Row>) {
    if rows.is_empty() {
        return;
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(title.to_owned());
    let widths = rows.iter().map(|(first, _)| first.chars().count());
    let width = widths.max().unwrap_or(0).min(MAX_COLUMN);
    for (first, second) in rows {
        let line = format!("  {first:width$}  {second}");
        lines.push(line.trim_end().to_owned());
    }
}

fn head(explained: &Explained<'_>) -> Vec<Row> {
    let locked = explained.locked;
    let policy = &explained.found.policy;
    let row = |name: &str, text: String| (name.to_owned(), text);
    let mut rows = vec![row("name", explained.name.to_string())];
    let place = explained.lines.get("").unwrap_or(1);
    let manifest = explained.manifest.display();
    rows.push(row("manifest", shown(&format!("{manifest}, line {place}"))));
    let version = locked.version.as_deref().unwrap_or("(no version)");
    rows.push(row(
        "source",
        shown(&format!("{} → {version}", locked.source)),
    ));
    let chosen = if explained.profile_is_chosen() {
        manifest_line(explained.lines.get("profile"))
    } else {
        "by default".to_owned()
    };
    rows.push(row("profile", format!("{} ({chosen})", policy.profile)));
    if explained.server.warm > 0 {
        let line = manifest_line(explained.lines.get("warm"));
        rows.push(row(
            "kept warm",
            match reason_against(explained.server) {
                None => format!("{} by the daemon ({line})", explained.server.warm),
                Some(reason) => shown(&format!("none, as {reason} ({line})")),
            },
        ));
    }
    rows.push(row(
        "runs on",
        match &locked.interpreter {
            Some(program) => format!(
                "{} {} ({})",
                program.kind,
                program.version.as_deref().unwrap_or("of no known version"),
                shown(&program.path)
            ),
            None => "nothing: it is a program itself".to_owned(),
        },
    ));
    let pinned = if explained.policy_is_as_locked() {
        format!("{}, as locked", policy.digest())
    } else {
        format!(
            "{}, and {} is locked: the settings in the manifest, the profiles of this pinfold or what a granted path leads to have changed since",
            policy.digest(),
            locked.confinement.policy
        )
    };
    rows.push(row("policy", pinned));
    let start = match &explained.refusal {
        None => "nothing is in the way".to_owned(),
        Some(refusal) => format!("would be refused: {}", shown(refusal)),
    };
    rows.push(row("a start", start));
    let tools: Vec<&str> = policy.tools.iter().map(|tool| tool.as_str()).collect();
    let tools = if tools.is_empty() {
        "none".to_owned()
    } else {
        tools.join(" ")
    };
    rows.push(row(
        "tools",
        format!(
            "{tools} ({})",
            manifest_line(explained.lines.get("tools.allow"))
        ),
    ));
    if !policy.arguments.is_empty() {
        let arguments = shown(&policy.arguments.join(" "));
        let line = manifest_line(explained.lines.get("args"));
        rows.push(row("arguments", format!("{arguments} ({line})")));
    }
    rows
}

/// What differs from what every server gets.
fn protocol(explained: &Explained<'_>) -> Vec<Row> {
    protocol::entries(&explained.found.policy.protocol)
        .into_iter()
        .filter_map(|entry| {
            let line = explained.lines.get(&format!("grants.{}", entry.key));
            Some((shown(&entry.words?), manifest_line(line)))
        })
        .collect()
}

fn network(explained: &Explained<'_>) -> Vec<Row> {
    let policy = &explained.found.policy;
    let Some(egress) = &policy.egress else {
        return vec![("none".to_owned(), format!("profile {}", policy.profile))];
    };
    let mut rows: Vec<Row> = explained
        .egress_entries()
        .iter()
        .map(|(entry, origin, line)| (shown(entry), from(origin, *line)))
        .collect();
    if rows.is_empty() {
        let line = manifest_line(explained.lines.get("egress"));
        rows.push(("no host".to_owned(), line));
    }
    let chosen = |key: &str| match explained.lines.get(key) {
        None => "by default".to_owned(),
        line => manifest_line(line),
    };
    let held = match egress.tier {
        EgressTier::Names => "held by name, in a network of its own",
        EgressTier::Ports => "held by port alone",
    };
    rows.push((
        format!("{}: {held}", egress.tier.name()),
        chosen("egress_tier"),
    ));
    if egress.tier == EgressTier::Names {
        let check = if egress.check_server_name {
            "the server name of TLS must be the one dialled"
        } else {
            "the server name of TLS is not looked at"
        };
        rows.push((check.to_owned(), chosen("tls_server_name")));
    }
    if policy.own_sockets {
        let own = "UNIX sockets among its own processes".to_owned();
        rows.push((own, format!("profile {}", policy.profile)));
    }
    rows
}

fn reason(explained: &Explained<'_>, right: &Right) -> String {
    match right.origin() {
        Some(Origin::Manifest) => manifest_line(explained.line_of(right)),
        Some(origin) => format!("{}: {}", from(origin, None), right.why()),
        None => right.why().to_owned(),
    }
}

fn environment(explained: &Explained<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = explained
        .variables()
        .into_iter()
        .map(|variable| variable_row(explained, &variable))
        .collect();
    let withheld = &explained.found.withheld;
    if !withheld.is_empty() {
        rows.push(("withheld now".to_owned(), shown(&withheld.join(" "))));
    }
    rows
}

fn variable_row(explained: &Explained<'_>, variable: &Variable) -> Row {
    let line = manifest_line(explained.lines.get(&format!("env.{}", variable.name)));
    let mut text = match &variable.source {
        VariableSource::Passed => "from the client, to every server".to_owned(),
        VariableSource::Client { name } => format!("from the client's {name} ({line})"),
        VariableSource::Manifest(_) => line,
        VariableSource::Secret(secret) => {
            let source = output::foreign(&secret.source.described(), MAX_TEXT);
            match secret.delivery {
                Delivery::Value => format!("{source} ({line})"),
                Delivery::File => format!("a file of its own that holds {source} ({line})"),
            }
        }
        VariableSource::Pinfold => "from pinfold".to_owned(),
    };
    if !variable.present {
        text.push_str("; there is none now");
    }
    (variable.name.clone(), text)
}

fn calls_and_answers(explained: &Explained<'_>) -> Vec<Row> {
    let policy = &explained.found.policy;
    let calls = &policy.calls;
    let line = |key: &str| manifest_line(explained.lines.get(key));
    let mut rows: Vec<Row> = Vec::new();
    let others = |key: &str| match key {
        "*" => "each other tool".to_owned(),
        tool => tool.to_owned(),
    };
    for tool in calls.rules.keys() {
        let text = format!("the arguments of {tool} have to meet a rule");
        rows.push((text, line(&format!("tools.rules.{tool}"))));
    }
    for (tool, rate) in calls.limits.iter() {
        let text = format!("at most {rate} calls of {}", others(tool));
        rows.push((text, line(&format!("tools.limits.{tool}"))));
    }
    for (tool, window) in calls.repeat.iter() {
        let window = humantime::format_duration(*window);
        let text = format!("the same call of {} once in {window}", others(tool));
        let place = explained.lines.get(&format!("tools.repeat.{tool}"));
        let place = place.or_else(|| explained.lines.get("tools.repeat"));
        rows.push((text, manifest_line(place)));
    }
    if !calls.ask.is_empty() {
        let tools: Vec<&str> = calls.ask.iter().map(|tool| tool.as_str()).collect();
        let text = format!("you are asked about each call of {}", tools.join(" "));
        rows.push((text, line("tools.ask")));
    }
    for alarm in &policy.alarms.quarantine {
        let often = policy.alarms.threshold(*alarm);
        let often = often.map_or_else(String::new, |rate| format!(" ({rate})"));
        let text = format!("the alarm {}{often} puts it into quarantine", alarm.name());
        rows.push((text, line("alarms")));
    }
    let redacted = calls.redacted(&policy.environment);
    if !redacted.is_empty() {
        let chosen = match explained.lines.get("redact") {
            None => "by default".to_owned(),
            place => manifest_line(place),
        };
        rows.push((
            format!("the values of {} are taken out", redacted.join(" ")),
            chosen,
        ));
    }
    if calls.neutralise {
        let text = "terminal escapes in text are written out".to_owned();
        rows.push((text, line("neutralise")));
    }
    rows
}

fn numbers(explained: &Explained<'_>) -> Vec<Row> {
    explained
        .numbers()
        .into_iter()
        .filter_map(|(name, value)| {
            let value = value?;
            let (what, value) = match name {
                "memory" => ("memory of all its processes", output::size(value)),
                "processes" => ("processes and threads", value.to_string()),
                "processor_time" => ("processor time", format!("{} s", value / 1000)),
                "cpu" => (
                    "share of the processors (100 % is one)",
                    format!("{value} %"),
                ),
                "disk" => ("what it keeps in its own folders", output::size(value)),
                "open_files" => ("open files of each process", value.to_string()),
                "file_size" => ("size of a file that it writes", output::size(value)),
                "connections" => ("connections at one time", value.to_string()),
                "egress" => ("to and from the network in a session", output::size(value)),
                "shared_memory" => ("/dev/shm, in a root of its own", output::size(value)),
                _ => ("/tmp, in a root of its own", output::size(value)),
            };
            let line = explained.lines.get(&format!("limits.{name}"));
            let origin = explained.origin_of_number(name)?;
            Some((format!("{what}: {value}"), from(origin, line)))
        })
        .collect()
}

fn system_calls(explained: &Explained<'_>) -> Vec<Row> {
    let rules = &explained.found.calls;
    let [always, sometimes, never] = calls(&rules.allow, &rules.deny);
    let row = |count: usize, what: &str, names: String| (format!("{count} {what}"), names);
    let mut rows = vec![
        row(always.len(), "allowed", String::new()),
        row(
            sometimes.len(),
            "allowed with some arguments only",
            sometimes.join(" "),
        ),
        row(never.len(), "refused as dangerous (EPERM)", String::new()),
        (
            "all others unknown (ENOSYS)".to_owned(),
            "--json lists them by name".to_owned(),
        ),
    ];
    let unlisted = explained.found.unlisted.len();
    if unlisted > 0 {
        let of = match explained.lines.get("system_calls") {
            Some(line) => format!("`system_calls` in line {line}"),
            None => "`system_calls`".to_owned(),
        };
        rows.push((
            format!("{unlisted} of what its box lets through taken away (ENOSYS)"),
            of,
        ));
    }
    rows
}

fn layers(explained: &Explained<'_>) -> Vec<Row> {
    let found = &explained.found;
    let mut rows: Vec<Row> = found
        .layers
        .iter()
        .map(|state| {
            let word = if state.in_force { "in force" } else { "not" };
            let note = state.note.as_deref().map(shown);
            let text = match note {
                Some(note) if state.in_force => format!("{word} ({note})"),
                Some(note) => format!("{word}: {note}"),
                None => word.to_owned(),
            };
            (state.layer.name().to_owned(), text)
        })
        .collect();
    for (name, requirement) in [
        ("namespaces", found.policy.layers.namespaces),
        ("landlock", found.policy.layers.landlock),
    ] {
        if let Some(line) = explained.lines.get(&format!("layers.{name}")) {
            let text = format!("{} ({})", requirement.name(), manifest_line(Some(line)));
            rows.push((format!("asked of {name}"), text));
        }
    }
    rows
}

fn from(origin: &Origin, line: Option<usize>) -> String {
    match origin {
        Origin::Base => "every server".to_owned(),
        Origin::Profile(name) => format!("profile {name}"),
        Origin::Runtime(name) => format!("runtime {name}"),
        Origin::Manifest => manifest_line(line),
    }
}

fn manifest_line(line: Option<usize>) -> String {
    match line {
        Some(line) => format!("manifest, line {line}"),
        None => "manifest".to_owned(),
    }
}

fn shown(text: &(impl std::fmt::Display + ?Sized)) -> String {
    output::foreign(&text.to_string(), MAX_TEXT)
}
