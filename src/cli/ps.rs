//! `pinfold ps`: the sessions that run now, those that the daemon serves and those of `run` itself.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::Ps;
use super::exit::Exit;
use super::output;
use crate::config::{Environment, Paths};
use crate::daemon::protocol::{Resting, SessionRow, Stage};
use crate::daemon::{DaemonError, client};
use crate::launch::{EmbeddedSession, embedded_sessions};
use crate::sandbox::Layer;

/// Of the JSON.
const VERSION: u32 = 1;
/// Characters of a client's name.
const MAX_COMMAND: usize = 32;

/// Characters of a reason.
const MAX_REASON: usize = 300;

const COLUMNS: usize = 11;
const HEADER: [&str; COLUMNS] = [
    "SESSION",
    "AGE",
    "CLIENT",
    "SERVER PID",
    "CALLS",
    "DENIED",
    "SENT",
    "RECEIVED",
    "MEMORY",
    "PEAK",
    "CPU",
];

pub(super) async fn run(manifest: Option<&Path>, arguments: &Ps) -> anyhow::Result<Exit> {
    let paths = Paths::resolve(&Environment::current(), manifest)?;
    let embedded = embedded_sessions(&paths.embedded_sessions())?;
    let (listing, absent) = match paths.control_socket() {
        None => (None, Some(DaemonError::NoRuntimeFolder)),
        Some(socket) => match client::ps(&socket).await {
            Ok(listing) => (Some(listing), None),
            Err(error @ DaemonError::NotRunning { .. }) => (None, Some(error)),
            Err(error) => return Err(error.into()),
        },
    };
    let rows = listing.as_ref().map(|listing| listing.sessions.as_slice());
    let rows = rows.unwrap_or_default();
    let resting = listing.as_ref().map(|listing| listing.resting.as_slice());
    let resting = resting.unwrap_or_default();
    if arguments.json {
        let sessions = rows.iter().map(as_json);
        let sessions: Vec<Value> = sessions
            .chain(embedded.iter().map(embedded_as_json))
            .collect();
        let report = json!({
            "version": VERSION,
            "daemon": listing.is_some(),
            "limits": listing.as_ref().map(|listing| &listing.limits),
            "sessions": sessions,
            "resting": resting.iter().map(rest_as_json).collect::<Vec<_>>(),
        });
        output::data(&serde_json::to_string_pretty(&report)?);
        return Ok(Exit::Success);
    }
    let mut lines: Vec<Line> = rows.iter().map(line_of).collect();
    lines.extend(embedded.iter().map(line_of_embedded));
    if lines.is_empty() {
        output::note("no session runs now");
    } else {
        for line in table(lines) {
            output::data(&line);
        }
    }
    for rest in resting {
        output::note(&resting_in_words(rest));
    }
    match (&listing, absent) {
        (Some(listing), _) => output::note(&output::foreign(&listing.limits, MAX_REASON)),
        (None, Some(absent)) => output::note(&absent.to_string()),
        (None, None) => {}
    }
    Ok(Exit::Success)
}

fn as_json(row: &SessionRow) -> Value {
    let status = row.status.as_ref();
    json!({
        "session": row.id,
        "server": row.server,
        "mode": "daemon",
        "stage": row.stage,
        "age_seconds": row.age_seconds,
        "client": {
            "pid": row.client.pid,
            "command": output::foreign(&row.client.command, MAX_COMMAND),
            "run_pid": row.client.run_pid,
        },
        "session_pid": row.session_pid,
        "outdated": row.outdated,
        "answers": status.is_some(),
        "server_pid": status.and_then(|status| status.server_pid),
        "calls": status.map(|status| status.calls),
        "denied": status.map(|status| status.denied),
        "egress": status.map(|status| json!({
            "sent": status.egress_sent,
            "received": status.egress_received,
        })),
        "memory": memory(row),
        "peak_memory": row.group.as_ref().and_then(|group| group.peak_memory),
        "processor_ms": processor(row),
        "layers_missing": status.map(|status| &status.missing),
        "limits_held": row.group.as_ref().map(|group| group.held.clone()).unwrap_or_default(),
    })
}

/// What it counts it says to nobody before its end: the audit log has it.
fn embedded_as_json(session: &EmbeddedSession) -> Value {
    let (memory, processor) = session.used();
    json!({
        "session": session.session,
        "server": session.server,
        "mode": "embedded",
        "stage": Stage::Serving,
        "age_seconds": age(session).as_secs(),
        "client": {
            "pid": session.client_pid,
            "command": output::foreign(&session.client, MAX_COMMAND),
            "run_pid": session.pid,
        },
        "session_pid": session.pid,
        "manifest": output::foreign(&session.manifest, MAX_REASON),
        "outdated": null,
        "answers": null,
        "server_pid": session.server_pid(),
        "calls": null,
        "denied": null,
        "egress": null,
        "memory": memory,
        "peak_memory": null,
        "processor_ms": processor,
        "limits_held": [],
    })
}

fn age(session: &EmbeddedSession) -> Duration {
    let since = humantime::parse_rfc3339(&session.since).ok();
    let age = since.and_then(|since| since.elapsed().ok());
    Duration::from_secs(age.unwrap_or_default().as_secs())
}

fn rest_as_json(rest: &Resting) -> Value {
    json!({
        "server": rest.server,
        "failures": rest.failures,
        "next_seconds": rest.next_seconds,
        "reason": output::foreign(&rest.reason, MAX_REASON),
    })
}

fn resting_in_words(rest: &Resting) -> String {
    let next = match rest.next_seconds {
        Some(seconds) => format!(
            " (failures: {}, next attempt in {seconds} s)",
            rest.failures
        ),
        None => String::new(),
    };
    let reason = output::foreign(&rest.reason, MAX_REASON);
    format!(
        "`{}` is not kept warm{next}: {reason}",
        output::foreign(&rest.server, 80)
    )
}

/// What the kernel has counted, or what the session has seen.
fn memory(row: &SessionRow) -> Option<u64> {
    let counted = row.group.as_ref().and_then(|group| group.memory);
    counted.or_else(|| row.status.as_ref().map(|status| status.memory))
}

/// In milliseconds.
fn processor(row: &SessionRow) -> Option<u64> {
    let counted = row.group.as_ref().and_then(|group| group.processor);
    counted.or_else(|| row.status.as_ref().map(|status| status.processor))
}

/// What is shown of one session.
struct Line {
    cells: [String; COLUMNS],
    note: String,
}

fn line_of(row: &SessionRow) -> Line {
    Line {
        cells: cells_of(row),
        note: note(row),
    }
}

fn line_of_embedded(session: &EmbeddedSession) -> Line {
    let none = || "-".to_owned();
    let (memory, processor) = session.used();
    let cells = [
        output::foreign(&format!("{} {}", session.server, session.session), 80),
        humantime::format_duration(age(session)).to_string(),
        format!(
            "{} ({})",
            output::foreign(&session.client, MAX_COMMAND),
            session.client_pid
        ),
        session
            .server_pid()
            .map_or_else(none, |pid| pid.to_string()),
        none(),
        none(),
        none(),
        none(),
        output::size(memory),
        none(),
        humantime::format_duration(Duration::from_millis(processor)).to_string(),
    ];
    Line {
        cells,
        note: "served by `pinfold run` itself".to_owned(),
    }
}

fn table(mut lines: Vec<Line>) -> Vec<String> {
    lines.insert(
        0,
        Line {
            cells: HEADER.map(str::to_owned),
            note: String::new(),
        },
    );
    let widths: Vec<usize> = (0..COLUMNS)
        .map(|column| {
            let width = |line: &Line| line.cells[column].chars().count();
            lines.iter().map(width).max().unwrap_or_default()
        })
        .collect();
    lines
        .iter()
        .map(|Line { cells, note }| {
            let padded: Vec<String> = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            let line = format!("{}  {note}", padded.join("  "));
            line.trim_end().to_owned()
        })
        .collect()
}

fn cells_of(row: &SessionRow) -> [String; COLUMNS] {
    let unknown = || "?".to_owned();
    let of = |value: fn(&crate::daemon::protocol::Status) -> String| {
        row.status.as_ref().map_or_else(unknown, value)
    };
    [
        output::foreign(&row.id, 80),
        humantime::format_duration(Duration::from_secs(row.age_seconds)).to_string(),
        match row.client.run_pid {
            0 => "-".to_owned(),
            _ => format!(
                "{} ({})",
                output::foreign(&row.client.command, MAX_COMMAND),
                row.client.pid
            ),
        },
        of(|status| {
            status
                .server_pid
                .map_or_else(|| "-".to_owned(), |pid| pid.to_string())
        }),
        of(|status| status.calls.to_string()),
        of(|status| status.denied.to_string()),
        of(|status| output::size(status.egress_sent)),
        of(|status| output::size(status.egress_received)),
        memory(row).map_or_else(unknown, output::size),
        row.group
            .as_ref()
            .and_then(|group| group.peak_memory)
            .map_or_else(|| "-".to_owned(), output::size),
        processor(row).map_or_else(unknown, |spent| {
            humantime::format_duration(Duration::from_millis(spent)).to_string()
        }),
    ]
}

/// What is unusual about a session.
fn note(row: &SessionRow) -> String {
    let mut notes = Vec::new();
    match row.stage {
        Stage::Serving => {}
        Stage::Warming => notes.push("getting warm"),
        Stage::Warm => notes.push("warm"),
        Stage::Ending => notes.push("ending"),
    }
    if row.status.is_none() {
        notes.push("does not answer");
    }
    let missing = row.status.iter().flat_map(|status| &status.missing);
    for layer in missing {
        // The network is missing wherever the manifest limits ports alone.
        if layer == Layer::Namespaces.name() {
            notes.push("base tier: without namespaces, see `pinfold doctor`");
        } else if layer == Layer::Landlock.name() {
            notes.push("without Landlock, see `pinfold doctor`");
        }
    }
    if row.outdated {
        notes.push("manifest or lock have changed since it began");
    }
    notes.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::protocol::{Client, GroupRow, Status};

    #[test]
    fn a_row_for_each_session_says_what_is_known() {
        let silent = SessionRow {
            id: "files@k7q2x9m".to_owned(),
            server: "files".to_owned(),
            age_seconds: 61,
            client: Client {
                run_pid: 7,
                run_began: 0,
                pid: 6,
                command: "a\u{1b}[2J".to_owned(),
            },
            stage: Stage::Serving,
            session_pid: 8,
            outdated: true,
            status: None,
            group: None,
        };
        let whole = SessionRow {
            id: "everything@8hd3vtw".to_owned(),
            outdated: false,
            status: Some(Status {
                server_pid: Some(9),
                calls: 3,
                denied: 1,
                egress_sent: 2048,
                egress_received: 0,
                memory: 1 << 20,
                processor: 1500,
                missing: Vec::new(),
            }),
            ..silent.clone()
        };
        let warm = SessionRow {
            stage: Stage::Warm,
            client: Client::default(),
            group: Some(GroupRow {
                held: vec!["memory".to_owned()],
                memory: Some(3 << 20),
                peak_memory: Some(4 << 20),
                processor: None,
            }),
            ..whole.clone()
        };
        let mut bare = whole.clone();
        bare.status.as_mut().unwrap().missing = ["namespaces", "own-network", "own-root"]
            .map(str::to_owned)
            .to_vec();
        let rows = [&silent, &whole, &warm, &bare];
        let lines = table(rows.map(line_of).into());
        assert_eq!(lines.len(), 5);
        assert!(lines[4].ends_with("  base tier: without namespaces, see `pinfold doctor`"));
        assert_eq!(as_json(&bare)["layers_missing"][2], "own-root");
        assert_eq!(as_json(&whole)["layers_missing"], json!([]));
        assert!(lines[3].contains("3.00 MiB  4.00 MiB  1s 500ms") && lines[3].ends_with("  warm"));
        assert_eq!(as_json(&warm)["limits_held"], json!(["memory"]));
        assert_eq!(as_json(&warm)["stage"], "warm");
        assert!(lines[1].contains("1m 1s") && lines[1].contains("a\\x1b[2J (6)"));
        assert!(
            lines[1].ends_with("does not answer; manifest or lock have changed since it began")
        );
        assert!(
            lines[2].contains("2.00 KiB") && lines[2].ends_with("1.00 MiB  -         1s 500ms")
        );
        assert_eq!(as_json(&silent)["calls"], Value::Null);
        assert_eq!(as_json(&whole)["egress"]["sent"], 2048);
    }
}
