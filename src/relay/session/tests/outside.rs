//! Held calls that somebody outside of the session decides about.

use std::time::Duration;

use super::approval::{CALL, MODERN, PLACE, ask_echo, begin, question, refused};
use super::{client, notification, parts, policy, request, result, server_passes};
use crate::relay::Event;
use crate::relay::session::Session;

/// A session with a decider, whose client declares these capabilities.
fn session(capabilities: &str) -> (Session, std::time::Instant) {
    let mut policy = policy(&["echo", "sum"]);
    policy.calls = ask_echo();
    begin(Session::new(policy).with_decider(), capabilities)
}

/// Holds a call of a client that can't ask; its number.
fn held(session: &mut Session, call: &str) -> u64 {
    let (to_server, to_client, events) = client(session, call);
    assert_eq!((to_server, to_client), (None, None));
    assert!(
        matches!(events.as_slice(), [Event::CallHeld { .. }]),
        "{events:?}"
    );
    session.held().last().unwrap().number
}

type Parts = (Option<String>, Option<String>, Vec<Event>);

/// Whether the call was passed on, and what went out.
fn decided(session: &mut Session, number: u64, accepted: bool) -> (bool, Vec<Parts>) {
    let decided = session.decide_held(number, accepted).unwrap();
    (
        decided.passed,
        decided.outcomes.into_iter().map(parts).collect(),
    )
}

#[test]
fn a_client_that_can_not_ask_is_held_and_passes_once() {
    let (mut session, _) = session("{}");
    let number = held(&mut session, CALL);
    let [call] = &session.held()[..] else {
        panic!("one call");
    };
    assert_eq!(call.tool.as_str(), "echo");
    // Byte for byte what the server would get.
    assert_eq!(call.arguments, r#"{"to":"\u001b[2Jbob"}"#);
    assert_eq!(call.left, Duration::from_secs(60));
    assert_eq!(session.decide_held(number + 1, true), None);
    assert_eq!(
        decided(&mut session, number, true),
        (true, vec![(Some(CALL.to_owned()), None, vec![])])
    );
    // It was decided.
    assert!(session.held().is_empty());
    assert_eq!(session.decide_held(number, true), None);
    assert_eq!(session.decide_held(number, false), None);
    server_passes(&mut session, &result("5", r#"{"content":[]}"#));
    // The next call of the same tool waits as well, and has another number.
    assert_ne!(held(&mut session, CALL), number);
}

#[test]
fn who_declines_is_heard() {
    let (mut session, _) = session("{}");
    let number = held(&mut session, CALL);
    let (passed, outcomes) = decided(&mut session, number, false);
    let [(to_server, to_client, events)] = &outcomes[..] else {
        panic!("{outcomes:?}");
    };
    assert!(!passed && to_server.is_none());
    refused(to_client.clone(), "the user declined it in a terminal");
    assert!(matches!(&events[..], [Event::CallRefused { .. }]));
    assert_eq!(session.decide_held(number, true), None);
}

#[test]
fn a_question_of_the_client_is_taken_back() {
    for accepted in [true, false] {
        let (mut session, _) = session(r#"{"elicitation":{}}"#);
        let id = question(&mut session, CALL);
        let number = session.held()[0].number;
        let (passed, outcomes) = decided(&mut session, number, accepted);
        assert_eq!(passed, accepted);
        let params = format!(r#"{{"requestId":{id}}}"#);
        let cancelled = notification("notifications/cancelled", &params);
        assert_eq!(outcomes[0], (None, Some(cancelled), vec![]));
        assert_eq!(outcomes[1].0.is_some(), accepted);
        // Its answer comes too late.
        let yes = result(&id, r#"{"action":"accept"}"#);
        assert_eq!(client(&mut session, &yes).0, None);
    }
    // The control: the client's user is first, and nothing is left to decide.
    let (mut session, _) = session(r#"{"elicitation":{}}"#);
    let id = question(&mut session, CALL);
    let number = session.held()[0].number;
    let yes = result(&id, r#"{"action":"accept"}"#);
    assert!(client(&mut session, &yes).0.is_some());
    assert_eq!(session.decide_held(number, true), None);
}

#[test]
fn the_stateless_revision_waits_too_where_its_client_can_not_ask() {
    let (mut session, _) = session("{}");
    let unable = MODERN.replace(r#"{"elicitation":{}}"#, "{}");
    let call = request("5", "tools/call", &format!(r#"{{"name":"echo",{unable}}}"#));
    let number = held(&mut session, &call);
    let (passed, outcomes) = decided(&mut session, number, true);
    assert!(passed);
    assert_eq!(outcomes, [(Some(call.clone()), None, vec![])]);
    let answer = r#"{"content":[],"resultType":"complete"}"#;
    server_passes(&mut session, &result("5", answer));
    // A refusal is one of that revision.
    let number = held(&mut session, &call);
    let (_, outcomes) = decided(&mut session, number, false);
    let refusal = outcomes[0].1.clone();
    assert!(
        refusal
            .clone()
            .unwrap()
            .contains(r#""resultType":"complete""#)
    );
    refused(refusal, "declined");
    // The control: one that can ask is answered with the question.
    let able = request("5", "tools/call", &format!(r#"{{"name":"echo",{MODERN}}}"#));
    let (_, to_client, _) = client(&mut session, &able);
    assert!(to_client.unwrap().contains("input_required"));
    assert!(session.held().is_empty());
}

#[test]
fn time_runs_out_for_the_terminal_too() {
    let (mut session, now) = session("{}");
    let number = held(&mut session, CALL);
    session.set_time(now + Duration::from_secs(59));
    assert_eq!(session.held()[0].left, Duration::from_secs(1));
    assert!(session.expire().is_empty());
    // Nobody has said yet that it is over; it is all the same.
    session.set_time(now + Duration::from_secs(60));
    assert_eq!(session.decide_held(number, true), None);
    let mut outcomes = session.expire().into_iter().map(parts);
    let (to_server, to_client, _) = outcomes.next().unwrap();
    assert_eq!(to_server, None);
    refused(to_client, "did not answer within 60 s");
    assert_eq!(outcomes.next(), None, "there is no question to take back");
}

#[test]
fn a_cancelled_call_is_gone() {
    let (mut session, _) = session("{}");
    let number = held(&mut session, CALL);
    let cancel = notification("notifications/cancelled", r#"{"requestId":5}"#);
    assert_eq!(client(&mut session, &cancel), (None, None, vec![]));
    assert_eq!(session.decide_held(number, true), None);
    held(&mut session, CALL);
    let left = session.answer_outstanding("gone");
    assert!(String::from_utf8_lossy(&left[0]).contains(r#""id":5"#));
}

#[test]
fn a_tool_that_changed_meanwhile_is_not_called() {
    let mut pinned = super::pinned();
    pinned.policy.calls = ask_echo();
    let (mut session, _) = begin(pinned.with_decider(), "{}");
    super::listed(&mut session, None, &[&super::tool("echo", "agreed")], None);
    let number = held(&mut session, CALL);
    super::listed(&mut session, None, &[&super::tool("echo", "other")], None);
    let decided = session.decide_held(number, true).unwrap();
    assert!(!decided.passed);
    assert!(
        decided
            .reason
            .unwrap()
            .contains("not the one that was locked")
    );
    let line = decided.outcomes.into_iter().map(parts).next().unwrap().1;
    assert!(line.unwrap().contains(PLACE));
}

#[test]
fn baggage_stays_with_the_client_whoever_approves() {
    let meta = |baggage: &str| format!(r#"{{"traceparent":"00-1-2-01"{baggage}}}"#);
    let call = |baggage: &str| {
        let params = format!(r#"{{"name":"echo","_meta":{}}}"#, meta(baggage));
        request("5", "tools/call", &params)
    };
    let with = call(r#","baggage":"user=me""#);
    let (mut terminal, _) = session("{}");
    let number = held(&mut terminal, &with);
    let (_, outcomes) = decided(&mut terminal, number, true);
    assert_eq!(outcomes, [(Some(call("")), None, vec![])]);
    let (mut asking, _) = session(r#"{"elicitation":{}}"#);
    let question = question(&mut asking, &with);
    let (to_server, ..) = client(&mut asking, &result(&question, r#"{"action":"accept"}"#));
    assert_eq!(to_server, Some(call("")));
}
