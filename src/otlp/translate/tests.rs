//! Records as the log has them, and what a collector is told of them.

use serde_json::json;

use super::*;
use crate::lockfile::Digest;

/// Lines that hang on each other.
fn chain(records: &[Value]) -> Vec<Shown> {
    let mut prev = Digest::from_bytes([0; 32]);
    let mut seq = 0;
    records
        .iter()
        .map(|record| {
            let mut record = record.clone();
            seq = record.get("seq").and_then(Value::as_u64).unwrap_or(seq + 1);
            record["seq"] = json!(seq);
            record["time"] = json!(format!("2026-07-28T09:00:00.{seq:06}Z"));
            record["prev"] = json!(prev.hex());
            let raw = record.to_string();
            let hash = Digest::of(raw.as_bytes());
            let shown = Shown {
                raw,
                record,
                anchor: Anchor { seq, hash },
                prev,
            };
            prev = hash;
            shown
        })
        .collect()
}

fn translated(translator: &mut Translator, lines: &[Shown]) -> Batch {
    let mut batch = Batch::default();
    for line in lines {
        translator.record(line, &mut batch);
    }
    batch
}

fn call(number: u64, decision: &str) -> Value {
    json!({"session": "s", "server": "files", "kind": "call", "call": number, "tool": "read",
        "decision": decision, "reason": "r", "arguments": "sha256:00", "arguments_bytes": 7,
        "redacted": "{\"path\":\"v4lue\"}"})
}

fn end(number: u64, outcome: &str) -> Value {
    json!({"session": "s", "server": "files", "kind": "call_end", "call": number, "tool": "read",
        "outcome": outcome, "duration_us": 1500, "bytes": 9})
}

fn value<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a Value> {
    let found = attributes.iter().find(|one| one.key == key)?;
    found.value.as_object()?.values().next()
}

#[test]
fn a_call_and_its_end_are_one_span() {
    let mut one = Translator::default();
    let lines = chain(&[
        call(1, "allow"),
        call(2, "allow"),
        end(2, "tool_error"),
        end(1, "ok"),
    ]);
    let batch = translated(&mut one, &lines);
    assert!(batch.logs.is_empty());
    let [second, first] = &batch.spans[..] else {
        panic!("{batch:?}");
    };
    assert_eq!(first.name, "tools/call read");
    assert_eq!(first.end - first.start, 1_500_000);
    assert!(!first.is_error && second.is_error);
    assert_eq!(value(&first.attributes, "error.type"), None);
    assert_eq!(
        value(&second.attributes, "error.type").unwrap(),
        "tool_error"
    );
    assert_eq!(
        value(&first.attributes, "mcp.method.name").unwrap(),
        "tools/call"
    );
    assert_eq!(value(&first.attributes, "mcp.session.id").unwrap(), "s");
    assert_eq!(value(&first.attributes, "pinfold.record.seq").unwrap(), "1");
    assert_eq!((first.trace.len(), first.id.len()), (32, 16));
    assert_ne!(first.trace, second.trace);
    // Nothing is open any more, and the position is the last line.
    let position = one.position();
    assert!(position.open.is_empty());
    assert_eq!(position.through.unwrap(), lines[3].anchor.to_string());
}

#[test]
fn the_clients_trace_is_gone_on_with_if_it_is_one() {
    let spans = |trace: &str| {
        let mut with = call(1, "allow");
        with["trace"] = json!(trace);
        translated(&mut Translator::default(), &chain(&[with, end(1, "ok")])).spans
    };
    let span = &spans("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")[0];
    assert_eq!(span.trace, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span.parent.as_deref(), Some("b7ad6b7169203331"));
    assert_eq!(span.flags, 0x301);
    for wrong in [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
    ] {
        let span = &spans(wrong)[0];
        assert_eq!(span.parent, None, "{wrong}");
        assert_eq!(span.trace.len(), 32);
    }
}

#[test]
fn a_call_that_is_open_is_kept_over_two_exports() {
    let lines = chain(&[call(1, "allow"), end(1, "ok")]);
    let mut first = Translator::default();
    assert_eq!(translated(&mut first, &lines[..1]), Batch::default());
    let kept = serde_json::to_vec(&first.position()).unwrap();
    let mut second = Translator::new(serde_json::from_slice(&kept).unwrap(), false).unwrap();
    let later = translated(&mut second, &lines[1..]);
    assert_eq!(later, translated(&mut Translator::default(), &lines));
    assert_eq!(later.spans.len(), 1);
}

#[test]
fn what_was_refused_is_told_as_a_span_and_in_the_logs() {
    let batch = translated(
        &mut Translator::default(),
        &chain(&[call(1, "deny"), call(2, "ask")]),
    );
    let [span] = &batch.spans[..] else {
        panic!("{batch:?}");
    };
    assert!(span.is_error && span.start == span.end);
    assert_eq!(span.name, "tools/call");
    assert_eq!(value(&span.attributes, "error.type").unwrap(), "denied");
    let [denied, asked] = &batch.logs[..] else {
        panic!("{batch:?}");
    };
    assert_eq!((denied.severity, asked.severity), (WARN, INFO));
    assert_eq!(denied.span, Some((span.trace.clone(), span.id.clone())));
    assert_eq!(denied.body, "call: files: deny: r");
}

#[test]
fn every_other_record_is_a_log_record() {
    let kinds = [
        (
            json!({"kind": "alarm", "alarm": "denied-calls", "what": "9 in 1 s", "quarantined": true}),
            ERROR,
        ),
        (json!({"kind": "quarantine", "reason": "why"}), WARN),
        (json!({"kind": "session_refused", "reason": "why"}), WARN),
        (
            json!({"kind": "egress", "decision": "deny", "host": "evil.example", "port": 443, "sent": 0}),
            WARN,
        ),
        (
            json!({"kind": "egress", "decision": "allow", "host": "good.example", "port": 443, "sent": 5}),
            INFO,
        ),
        (
            json!({"kind": "session_start", "layers": ["a", "b"], "withheld": ["HIDDEN"], "client": {"pid": 1}}),
            INFO,
        ),
        (json!({"kind": "repair", "missing": [3, 4]}), ERROR),
        (json!({"kind": "repair", "torn": {"bytes": 3}}), WARN),
        (
            json!({"kind": "daemon", "event": "refused", "text": "no"}),
            WARN,
        ),
        (json!({"kind": "something_new", "n": -3}), INFO),
    ];
    let records: Vec<Value> = kinds.iter().map(|(record, _)| record.clone()).collect();
    let batch = translated(&mut Translator::default(), &chain(&records));
    assert!(batch.spans.is_empty());
    let severities: Vec<u8> = batch.logs.iter().map(|log| log.severity).collect();
    let expected: Vec<u8> = kinds.iter().map(|(_, severity)| *severity).collect();
    assert_eq!(severities, expected);
    let egress = &batch.logs[3];
    assert_eq!(egress.event, "pinfold.egress");
    assert_eq!(
        value(&egress.attributes, "server.address").unwrap(),
        "evil.example"
    );
    assert_eq!(value(&egress.attributes, "server.port").unwrap(), "443");
    let all = format!("{batch:?}");
    assert!(!all.contains("HIDDEN") && all.contains("9 in 1 s"));
}

#[test]
fn values_go_out_only_when_they_are_asked_for() {
    let lines = chain(&[
        call(1, "allow"),
        end(1, "ok"),
        call(2, "deny"),
        call(3, "ask"),
    ]);
    let quiet = translated(&mut Translator::default(), &lines);
    assert!(!format!("{quiet:?}").contains("v4lue"));
    // The control.
    let position = Position::new(None, Vec::new());
    let mut asked = Translator::new(position, true).unwrap();
    let told = translated(&mut asked, &lines);
    assert_eq!(
        value(&told.spans[0].attributes, "gen_ai.tool.call.arguments").unwrap(),
        "{\"path\":\"v4lue\"}"
    );
}

#[test]
fn a_chain_that_is_broken_is_told_and_goes_on() {
    let events = |lines: &[Shown]| -> Vec<String> {
        let batch = translated(&mut Translator::default(), lines);
        batch.logs.into_iter().map(|log| log.event).collect()
    };
    let record = || json!({"kind": "trust"});
    let lines = chain(&[record(), record(), record()]);
    // The control.
    assert_eq!(events(&lines), ["pinfold.trust"; 3]);
    let without = [lines[0].clone(), lines[2].clone()];
    let told = ["pinfold.trust", "pinfold.chain_broken", "pinfold.trust"];
    assert_eq!(events(&without), told);
    let mut changed = lines.clone();
    changed[1].anchor.hash = Digest::of(b"other");
    assert_eq!(events(&changed)[2], "pinfold.chain_broken");
    // Also where an export goes on.
    let mut first = Translator::default();
    translated(&mut first, &lines[..1]);
    let mut second = Translator::new(first.position(), false).unwrap();
    assert_eq!(translated(&mut second, &lines[1..]).logs.len(), 2);
    let mut second = Translator::new(first.position(), false).unwrap();
    assert_eq!(translated(&mut second, &lines[2..]).logs.len(), 2);
}

#[test]
fn what_waits_for_its_end_is_bounded() {
    let mut one = Translator::default();
    let calls: Vec<Value> = (0..=MAX_OPEN as u64).map(|n| call(n, "allow")).collect();
    let mut lines = chain(&calls);
    let batch = translated(&mut one, &lines);
    assert_eq!(one.open.len(), MAX_OPEN);
    let [given_up] = &batch.spans[..] else {
        panic!("{}", batch.spans.len());
    };
    assert_eq!(
        value(&given_up.attributes, "pinfold.outcome").unwrap(),
        "unknown"
    );
    assert_eq!(
        value(&given_up.attributes, "pinfold.record.seq").unwrap(),
        "1"
    );
    // The end of the session is the end of them all, and of no other session's.
    let mut other = call(1, "allow");
    other["session"] = json!("t");
    lines = chain(&[
        other,
        json!({"kind": "session_end", "session": "s", "how": "killed"}),
    ]);
    one.begin_again();
    translated(&mut one, &chain(&[call(5, "allow"), call(6, "allow")]));
    one.last = None;
    let batch = translated(&mut one, &lines);
    assert_eq!(batch.spans.len(), 2);
    assert_eq!(one.open.len(), 1);
}
