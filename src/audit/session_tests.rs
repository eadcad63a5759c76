//! Calls of a session that are recorded together: none passes that is not in the log.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::log::MAX_BATCH;
use super::record::{Arguments, Mode, Start};
use super::session::Ended;
use super::testing::{ROOMY, verified};
use super::{AuditLog, Recorder};
use crate::lockfile::Digest;
use crate::relay::{Approval, CallDecision, CallLog, CallOutcome, CallRecord};

fn recorder(folder: &Path) -> Recorder {
    let log = AuditLog::open(folder, ROOMY).unwrap();
    Recorder::new(log, "everything", None, Arguments::Redacted)
}

fn call(tool: &str, decision: CallDecision) -> CallRecord<'_> {
    CallRecord {
        tool,
        decision,
        reason: None,
        approval: Approval::None,
        arguments: Digest::of(b"{}"),
        is_canonical: true,
        bytes: 2,
        redacted: None,
        trace: None,
    }
}

fn begin(recorder: &mut Recorder, tool: &str) -> u64 {
    recorder.begin(&call(tool, CallDecision::Allow))
}

/// `KIND TOOL` of each record.
fn lines(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    text.lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            let word = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
            format!("{} {}", word("kind"), word("tool"))
        })
        .collect()
}

/// What keeps every record from being written until it is dropped.
struct Unwritable<'a>(&'a Path);

impl<'a> Unwritable<'a> {
    fn new(folder: &'a Path) -> Self {
        fs::rename(folder.join("audit.jsonl"), folder.join("away")).unwrap();
        fs::create_dir(folder.join("audit.jsonl")).unwrap();
        Self(folder)
    }
}

impl Drop for Unwritable<'_> {
    fn drop(&mut self) {
        fs::remove_dir(self.0.join("audit.jsonl")).unwrap();
        fs::rename(self.0.join("away"), self.0.join("audit.jsonl")).unwrap();
    }
}

#[test]
fn calls_that_are_begun_together_are_recorded_in_their_order() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    let mut recorder = recorder(&folder);
    let one = begin(&mut recorder, "one");
    recorder.refused(&call("two", CallDecision::Deny));
    let three = begin(&mut recorder, "three");
    assert_eq!(lines(&folder), [""; 0]);
    assert_eq!(recorder.confirm(one), Ok(()));
    let recorded = ["call one", "call two", "call three"];
    assert_eq!(lines(&folder), recorded);
    assert_eq!(recorder.confirm(three), Ok(()));
    CallLog::end(&mut recorder, three, CallOutcome::Ok, 1);
    CallLog::end(&mut recorder, one, CallOutcome::Ok, 1);
    assert_eq!(lines(&folder), recorded);
    recorder.settle();
    assert_eq!(lines(&folder)[3..], ["call_end three", "call_end one"]);
    // Whatever still waits is written before the end.
    let late = begin(&mut recorder, "late");
    assert_eq!(recorder.confirm(late), Ok(()));
    CallLog::end(&mut recorder, late, CallOutcome::Ok, 1);
    recorder.end(Ended::default());
    assert_eq!(
        lines(&folder)[5..],
        ["call late", "call_end late", "session_end "]
    );
    let found = verified(&folder);
    assert!(found.ok() && found.records == 8, "{found:?}");
}

#[test]
fn none_of_them_passes_when_they_can_not_be_recorded() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    let mut recorder = recorder(&folder);
    let before = begin(&mut recorder, "before");
    assert_eq!(recorder.confirm(before), Ok(()));
    let unwritable = Unwritable::new(&folder);
    let calls = [1, 2, 3].map(|_| begin(&mut recorder, "lost"));
    CallLog::end(&mut recorder, before, CallOutcome::Ok, 1);
    // Somebody else's record comes between: each call's own fate stays known.
    recorder.refuse("something else");
    for call in calls {
        let refused = recorder.confirm(call).unwrap_err();
        assert!(
            refused.contains("no call is passed on unrecorded"),
            "{refused}"
        );
    }
    drop(unwritable);
    let after = begin(&mut recorder, "after");
    assert_eq!(recorder.confirm(after), Ok(()));
    assert_eq!(lines(&folder), ["call before", "resumed ", "call after"]);
    let text = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    let resumed: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(resumed["calls_refused"], 3, "{resumed}");
    assert_eq!(resumed["records_lost"], 2, "{resumed}");
    assert!(verified(&folder).ok());
}

#[test]
fn one_that_can_not_be_recorded_keeps_no_other_from_it() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    let mut recorder = recorder(&folder);
    let one = begin(&mut recorder, "one");
    let long = recorder.begin(&CallRecord {
        redacted: Some("x".repeat(2 << 20)),
        ..call("long", CallDecision::Allow)
    });
    let two = begin(&mut recorder, "two");
    assert_eq!(recorder.confirm(one), Ok(()));
    let refused = recorder.confirm(long).unwrap_err();
    assert!(refused.contains("longer than any"), "{refused}");
    assert_eq!(recorder.confirm(two), Ok(()));
    assert_eq!(lines(&folder), ["call one", "resumed ", "call two"]);
    assert!(verified(&folder).ok());
}

#[test]
fn there_may_be_more_than_one_append_takes() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    let mut recorder = recorder(&folder);
    let calls: Vec<u64> = (0..3 * MAX_BATCH + 1)
        .map(|_| begin(&mut recorder, "one"))
        .collect();
    for call in calls {
        assert_eq!(recorder.confirm(call), Ok(()));
    }
    let found = verified(&folder);
    assert!(
        found.ok() && found.records == 3 * MAX_BATCH as u64 + 1,
        "{found:?}"
    );
}

#[test]
fn a_session_that_is_let_go_has_an_end() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    let start = || Start {
        pinfold: "0",
        mode: Mode::Embedded,
        client: None,
        version: None,
        tree: String::new(),
        manifest: String::new(),
        lock: String::new(),
        layers: Vec::new(),
        missing: Vec::new(),
        withheld: Vec::new(),
    };
    let given_up = recorder(&folder);
    given_up.start(start()).unwrap();
    let part = given_up.clone();
    drop(given_up);
    assert_eq!(lines(&folder), ["session_start "]);
    drop(part);
    assert_eq!(lines(&folder)[1..], ["session_end "]);
    let text = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    assert!(text.contains(r#""how":"given_up""#), "{text}");
    // The controls: one that ended has no other end, one that never began has none.
    let ended = recorder(&folder);
    ended.start(start()).unwrap();
    ended.end(Ended::default());
    drop(ended);
    drop(recorder(&folder));
    assert_eq!(lines(&folder)[2..], ["session_start ", "session_end "]);
}
