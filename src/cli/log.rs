//! `pinfold log`: what was recorded, and whether it still is.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::args::{Log, LogCommand, LogVerify};
use super::exit::{Exit, UsageError};
use super::log_export::export;
use super::output;
use super::signals::StopSignals;
use crate::audit::{Anchor, Filter, Follow, Shown, last_anchor, verify};
use crate::config::{Environment, Paths};

/// Between two looks at a log that is followed.
const PAUSE: Duration = Duration::from_millis(200);
/// Fields that every record has, or that have a place of their own in a line.
const PLACED: [&str; 6] = ["seq", "time", "server", "session", "kind", "prev"];
/// These come first, so that a line can be read without looking for them.
const FIRST: [&str; 8] = [
    "decision", "outcome", "what", "tool", "host", "port", "command", "how",
];
/// Longest value that is shown of a field, in characters.
const MAX_FIELD: usize = 200;

pub(super) async fn run(manifest: Option<&Path>, arguments: &Log) -> anyhow::Result<Exit> {
    let paths = Paths::resolve(&Environment::current(), manifest)?;
    let folder = paths.audit();
    match &arguments.what {
        Some(LogCommand::Verify(arguments)) => verify_log(&folder, arguments),
        Some(LogCommand::Head) => {
            match last_anchor(&folder)? {
                Some(last) => output::data(&last.to_string()),
                None => output::note("There is no record yet."),
            }
            Ok(Exit::Success)
        }
        Some(LogCommand::Export(arguments)) => export(&paths.state, &folder, arguments).await,
        None => show(&folder, arguments).await,
    }
}

async fn show(folder: &Path, arguments: &Log) -> anyhow::Result<Exit> {
    let since = arguments.since.as_deref().map(since).transpose()?;
    let filter = Filter {
        server: arguments.server.clone(),
        kind: arguments.kind.clone(),
        since,
        denied: arguments.denied,
    };
    let mut log = Follow::new(folder, filter);
    let is_empty = Cell::new(true);
    let print = |shown: Shown| {
        is_empty.set(false);
        if arguments.json {
            output::data(&shown.raw);
        } else {
            output::data(&in_words(&shown.record));
        }
    };
    if !arguments.follow {
        log.poll(print)?;
        if is_empty.get() && !arguments.json {
            output::note("There is no such record.");
        }
        return Ok(Exit::Success);
    }
    let mut stop = StopSignals::listen()?;
    let following = async {
        loop {
            log.poll(print)?;
            if output::is_closed() {
                return Ok(Exit::Success);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        ended = following => ended,
        _ = stop.first() => Ok(Exit::Success),
    }
}

fn verify_log(folder: &Path, arguments: &LogVerify) -> anyhow::Result<Exit> {
    let outside: Option<Anchor> = arguments
        .head
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(UsageError)?;
    let found = verify(folder, outside.as_ref())?;
    let exit = if found.ok() {
        Exit::Success
    } else {
        Exit::Drift
    };
    if arguments.json {
        let report = json!({
            "ok": found.ok(),
            "files": found.files,
            "records": found.records,
            "oldest": found.oldest,
            "head": found.last.map(|last| last.to_string()),
            "problems": found.problems,
            "problems_untold": found.untold,
            "notes": found.notes,
        });
        output::data(&report.to_string());
        return Ok(exit);
    }
    for problem in &found.problems {
        output::data(&output::foreign(&problem.to_string(), 1000));
    }
    if found.untold > 0 {
        output::data(&format!("and {} more", found.untold));
    }
    for note in &found.notes {
        output::note(&format!("note: {note}"));
    }
    let (records, files) = (found.records, found.files);
    match (found.ok(), found.last) {
        (true, None) => output::note("There is no record yet."),
        (true, Some(last)) => output::note(&format!(
            "{records} records in {}, each on the one before it; the last is {last}",
            if files == 1 {
                "1 file".to_owned()
            } else {
                format!("{files} files")
            }
        )),
        (false, _) => output::note(&format!(
            "The log in {} is not what was written; {records} records were looked at.",
            folder.display()
        )),
    }
    Ok(exit)
}

/// As times are in the log.
fn since(text: &str) -> Result<String, UsageError> {
    let time = humantime::parse_rfc3339_weak(text)
        .ok()
        .or_else(|| SystemTime::now().checked_sub(humantime::parse_duration(text).ok()?));
    time.map(|time| humantime::format_rfc3339_micros(time).to_string())
        .ok_or_else(|| {
            UsageError(format!(
                "`{}` is no time such as 2026-07-28T09:00:00Z and no time span such as 2h",
                output::foreign(text, 60)
            ))
        })
}

/// One line: time, server, kind, then the other fields, the telling ones first.
fn in_words(record: &Value) -> String {
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or("-");
    let mut line = format!(
        "{} {} {}",
        output::foreign(text("time"), 40),
        output::foreign(text("server"), 64),
        output::foreign(text("kind"), 40)
    );
    let mut fields: Vec<(&String, &Value)> = record.as_object().into_iter().flatten().collect();
    fields.retain(|(key, _)| !PLACED.contains(&key.as_str()));
    fields.sort_by_key(|(key, _)| {
        FIRST
            .iter()
            .position(|first| first == key)
            .unwrap_or(FIRST.len())
    });
    for (key, value) in fields {
        let value = match value {
            Value::String(text) if !text.contains(' ') && !text.is_empty() => text.clone(),
            other => other.to_string(),
        };
        let (key, value) = (output::foreign(key, 40), output::foreign(&value, MAX_FIELD));
        line.push_str(&format!(" {key}={value}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_a_span_is_taken_and_nothing_else() {
        assert_eq!(
            since("2026-07-28T09:00:00Z").unwrap(),
            "2026-07-28T09:00:00.000000Z"
        );
        assert!(since("2h").unwrap() < since("1s").unwrap());
        assert!(since("yesterday").is_err() && since("").is_err());
    }

    #[test]
    fn a_record_is_one_safe_line() {
        let record = json!({"seq": 1, "time": "T", "kind": "call", "tool": "a\n\u{1b}b", "reason": "no such"});
        assert_eq!(
            in_words(&record),
            "T - call tool=a\\x0a\\x1bb reason=\"no such\""
        );
    }
}
