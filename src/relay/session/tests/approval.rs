//! `ask`: a call reaches the server only after the user said yes to that very call.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{
    client, client_passes, notification, parts, pinned, policy, request, result, server,
    server_dropped, server_passes, tool,
};
use crate::lockfile::ToolName;
use crate::relay::Event;
use crate::relay::call_gate::{CallRules, Ruled};
use crate::relay::session::Session;

pub(super) const PLACE: &str = "`tools.ask` in /m/pinfold.toml, line 7";
pub(super) const CALL: &str = r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"echo","arguments":{"to":"\u001b[2Jbob"}}}"#;
pub(super) const MODERN: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}"#;

pub(super) fn ask_echo() -> CallRules {
    let place = PLACE.to_owned();
    let echo: ToolName = "echo".parse().unwrap();
    CallRules {
        ask: BTreeMap::from([(echo, Ruled { what: (), place })]),
        ..CallRules::default()
    }
}

/// A session whose client declares these capabilities.
fn session(capabilities: &str) -> (Session, Instant) {
    let mut policy = policy(&["echo", "sum"]);
    policy.calls = ask_echo();
    begin(Session::new(policy), capabilities)
}

pub(super) fn begin(mut session: Session, capabilities: &str) -> (Session, Instant) {
    let now = Instant::now();
    session.set_time(now);
    let params = format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities}}}"#);
    let (to_server, ..) = client(&mut session, &request("0", "initialize", &params));
    // The server never hears of the capability.
    assert!(to_server.unwrap().contains(r#""capabilities":{}"#));
    server_passes(&mut session, &result("0", "{}"));
    (session, now)
}

/// The question that a call leads to: its id as JSON.
pub(super) fn question(session: &mut Session, call: &str) -> String {
    let (to_server, to_client, events) = client(session, call);
    assert_eq!(to_server, None);
    assert!(
        matches!(events.as_slice(), [Event::ApprovalAsked { .. }]),
        "{events:?}"
    );
    let question: serde_json::Value = serde_json::from_str(&to_client.unwrap()).unwrap();
    assert_eq!(question["method"], "elicitation/create");
    let message = question["params"]["message"].as_str().unwrap();
    assert!(
        message.contains("the tool `echo` is to be called with"),
        "{message}"
    );
    question["id"].to_string()
}

#[track_caller]
pub(super) fn refused(line: Option<String>, says: &str) {
    let line = line.unwrap();
    for part in [r#""isError":true"#, r#""id":5"#, says, PLACE] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_call_is_held_until_the_user_accepts() {
    let (mut session, _) = session(r#"{"elicitation":{},"sampling":{}}"#);
    let id = question(&mut session, CALL);
    // Its id is in use, and the server can't answer what it has not seen.
    let (to_server, to_client, _) = client(&mut session, &request("5", "ping", "{}"));
    assert_eq!(to_server, None);
    assert!(to_client.unwrap().contains("already in use"));
    server_dropped(
        &mut session,
        &result("5", r#"{"content":[]}"#),
        "waits for no answer",
    );
    // Nor can it answer the question.
    server_dropped(
        &mut session,
        &result(&id, r#"{"action":"accept"}"#),
        "waits for no answer",
    );
    let yes = result(&id, r#"{"action":"accept","content":{}}"#);
    assert_eq!(
        client(&mut session, &yes),
        (Some(CALL.to_owned()), None, vec![])
    );
    server_passes(&mut session, &result("5", r#"{"content":[]}"#));
    // The answer was good once.
    let (to_server, to_client, events) = client(&mut session, &yes);
    assert_eq!((to_server, to_client, events.len()), (None, None, 1));
    // Every call is asked about, and other tools are not.
    question(&mut session, CALL);
    client_passes(
        &mut session,
        &request("6", "tools/call", r#"{"name":"sum"}"#),
    );
}

#[test]
fn the_user_sees_the_arguments_and_no_escapes() {
    let (mut session, _) = session(r#"{"elicitation":{"form":{}}}"#);
    let (_, to_client, _) = client(&mut session, CALL);
    let line = to_client.unwrap();
    let asked: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        asked["params"]["message"],
        r#"pinfold: the tool `echo` is to be called with {"to":"\u001b[2Jbob"}. Accept to let it happen."#
    );
    let (mut session, _) = self::session(r#"{"elicitation":{}}"#);
    let long = format!(
        r#"{{"name":"echo","arguments":{{"to":"{}\u202e"}}}}"#,
        "x".repeat(5000)
    );
    let (_, to_client, _) = client(&mut session, &request("5", "tools/call", &long));
    assert!(
        to_client
            .unwrap()
            .contains("(1010 characters more, which are not shown)")
    );
    let turned = r#"{"name":"echo","arguments":{"to":"\u202ebob"}}"#;
    let (_, to_client, _) = client(&mut session, &request("6", "tools/call", turned));
    assert!(to_client.unwrap().contains(r"\\u{202e}bob"));
}

#[test]
fn anything_but_acceptance_is_a_refusal() {
    let (mut session, _) = session(r#"{"elicitation":{}}"#);
    for (answer, says) in [
        (r#"{"action":"decline"}"#, "the user declined it"),
        (r#"{"action":"cancel"}"#, "the user dismissed the question"),
        (r#"{"action":"Accept"}"#, "did not answer"),
        (r#"{"action":true}"#, "did not answer"),
        (r#"{"accept":true}"#, "did not answer"),
        ("{}", "did not answer"),
    ] {
        let id = question(&mut session, CALL);
        let (to_server, to_client, events) = client(&mut session, &result(&id, answer));
        assert_eq!(to_server, None, "{answer}");
        refused(to_client, says);
        assert!(
            matches!(events.as_slice(), [Event::CallRefused { .. }]),
            "{events:?}"
        );
    }
    let id = question(&mut session, CALL);
    let error =
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no"}}}}"#);
    let (to_server, to_client, _) = client(&mut session, &error);
    assert_eq!(to_server, None);
    refused(to_client, "did not answer");
}

#[test]
fn a_client_that_can_not_ask_gets_a_refusal() {
    for capabilities in [
        "{}",
        r#"{"sampling":{}}"#,
        r#"{"elicitation":{"url":{}}}"#,
        r#"{"elicitation":true}"#,
        r#"{"elicitation":null}"#,
        r#"{"elicitation":[]}"#,
    ] {
        let (mut session, _) = session(capabilities);
        let (to_server, to_client, _) = client(&mut session, CALL);
        assert_eq!(to_server, None, "{capabilities}");
        refused(to_client, "this client can't ask");
    }
    // What was said in `initialize` counts for nothing in the stateless revision.
    let (mut session, _) = session(r#"{"elicitation":{}}"#);
    let meta = MODERN.replace(r#"{"elicitation":{}}"#, "{}");
    let call = request("5", "tools/call", &format!(r#"{{"name":"echo",{meta}}}"#));
    let (to_server, to_client, _) = client(&mut session, &call);
    assert_eq!(to_server, None);
    refused(to_client, "this client can't ask");
}

#[test]
fn time_runs_out() {
    let (mut session, now) = session(r#"{"elicitation":{}}"#);
    let id = question(&mut session, CALL);
    assert_eq!(session.next_deadline(), Some(now + Duration::from_secs(60)));
    session.set_time(now + Duration::from_secs(59));
    assert!(session.expire().is_empty());
    session.set_time(now + Duration::from_secs(60));
    let mut outcomes = session.expire().into_iter().map(parts);
    let (_, cancelled, _) = outcomes.next().unwrap();
    let params = format!(r#"{{"requestId":{id}}}"#);
    assert_eq!(
        cancelled,
        Some(notification("notifications/cancelled", &params))
    );
    let (to_server, to_client, _) = outcomes.next().unwrap();
    assert_eq!(to_server, None);
    refused(to_client, "did not answer within 60 s");
    assert_eq!(outcomes.next(), None);
    assert_eq!(session.next_deadline(), None);
    let (to_server, ..) = client(&mut session, &result(&id, r#"{"action":"accept"}"#));
    assert_eq!(to_server, None, "an answer that comes too late");
}

#[test]
fn a_held_call_can_be_cancelled_and_is_answered_for_at_the_end() {
    let (mut session, _) = session(r#"{"elicitation":{}}"#);
    let id = question(&mut session, CALL);
    let cancel = notification("notifications/cancelled", r#"{"requestId":5}"#);
    let (to_server, to_client, _) = client(&mut session, &cancel);
    assert_eq!(to_server, None, "the server has not seen the call");
    assert!(to_client.unwrap().contains(&id));
    let (to_server, ..) = client(&mut session, &result(&id, r#"{"action":"accept"}"#));
    assert_eq!(to_server, None);
    question(&mut session, CALL);
    let left = session.answer_outstanding("gone");
    assert_eq!(left.len(), 1);
    assert!(String::from_utf8_lossy(&left[0]).contains(r#""id":5"#));
}

#[test]
fn so_many_may_wait() {
    let (mut session, now) = session(r#"{"elicitation":{}}"#);
    for number in 0..32 {
        let call = CALL.replace("\"id\":5", &format!("\"id\":\"{number}\""));
        question(&mut session, &call);
    }
    let (to_server, to_client, _) = client(&mut session, CALL);
    assert_eq!(to_server, None);
    refused(to_client, "too many calls wait");
    let call = |id: &str| request(id, "tools/call", &format!(r#"{{"name":"echo",{MODERN}}}"#));
    for number in 0..32 {
        let (_, to_client, _) = client(&mut session, &call(&format!("\"m{number}\"")));
        assert!(to_client.unwrap().contains("input_required"));
    }
    let (_, to_client, _) = client(&mut session, &call("5"));
    refused(to_client, "too many calls wait");
    session.set_time(now + Duration::from_secs(61));
    let (_, to_client, _) = client(&mut session, &call("5"));
    assert!(to_client.unwrap().contains("input_required"));
}

#[test]
fn a_tool_that_changed_meanwhile_is_not_called() {
    let mut pinned = pinned();
    pinned.policy.calls = ask_echo();
    let (mut session, _) = begin(pinned, r#"{"elicitation":{}}"#);
    super::listed(&mut session, None, &[&tool("echo", "agreed")], None);
    let id = question(&mut session, CALL);
    super::listed(&mut session, None, &[&tool("echo", "other")], None);
    let (to_server, to_client, _) = client(&mut session, &result(&id, r#"{"action":"accept"}"#));
    assert_eq!(to_server, None);
    refused(to_client, "not the one that was locked");
}

/// The `requestState` of the question that the call `params` leads to, 2026-07-28.
fn state(session: &mut Session, params: &str) -> String {
    let (to_server, to_client, _) = client(session, &request("5", "tools/call", params));
    assert_eq!(to_server, None);
    let answer: serde_json::Value = serde_json::from_str(&to_client.unwrap()).unwrap();
    let result = &answer["result"];
    assert_eq!(result["resultType"], "input_required");
    let question = &result["inputRequests"]["pinfold-approval"];
    assert_eq!(question["method"], "elicitation/create");
    assert!(
        question["params"]["message"]
            .as_str()
            .unwrap()
            .contains("`echo`")
    );
    result["requestState"].as_str().unwrap().to_owned()
}

fn answered(params: &str, state: &str, response: &str) -> String {
    let params = params.strip_suffix('}').unwrap();
    format!(
        r#"{params},"inputResponses":{{"pinfold-approval":{response}}},"requestState":"{state}"}}"#
    )
}

#[test]
fn the_stateless_revision_asks_in_the_place_of_a_result() {
    let (mut session, now) = session("{}");
    let params = format!(r#"{{"name":"echo","arguments":{{"n":1}},{MODERN}}}"#);
    let forwarded = params.replace(r#"{"elicitation":{}}"#, "{}");
    let yes = r#"{"action":"accept","content":{}}"#;
    let asked = state(&mut session, &params);
    let (to_server, to_client, _) = client(
        &mut session,
        &request("6", "tools/call", &answered(&params, &asked, yes)),
    );
    assert_eq!(to_server, Some(request("6", "tools/call", &forwarded)));
    assert_eq!(to_client, None);
    server_passes(
        &mut session,
        &result("6", r#"{"content":[],"resultType":"complete"}"#),
    );

    let mut refuses = |params: &str, says: &str| {
        let (to_server, to_client, _) = client(&mut session, &request("5", "tools/call", params));
        assert_eq!(to_server, None, "{params}");
        refused(to_client, says);
    };
    refuses(&answered(&params, &asked, yes), "no such question");
    refuses(&answered(&params, "pinfold-0", yes), "no such question");
    for (response, says) in [
        (r#"{"action":"decline"}"#, "declined"),
        (r#"{"action":"cancel"}"#, "dismissed"),
        (r#"{"result":{"action":"accept"}}"#, "did not answer"),
        ("true", "did not answer"),
    ] {
        let asked = state(&mut session, &params);
        let line = request("5", "tools/call", &answered(&params, &asked, response));
        let (to_server, to_client, _) = client(&mut session, &line);
        assert_eq!(to_server, None);
        refused(to_client, says);
    }
    // Another call under the same answer, even one that counts as the same number.
    for other in ["{\"n\":2}", "{\"n\":1.0}", "{}"] {
        let asked = state(&mut session, &params);
        let other = params.replace("{\"n\":1}", other);
        let line = request("5", "tools/call", &answered(&other, &asked, yes));
        let (to_server, to_client, _) = client(&mut session, &line);
        assert_eq!(to_server, None);
        refused(to_client, "about another call");
    }
    let asked = state(&mut session, &params);
    session.set_time(now + Duration::from_secs(60));
    let line = request("5", "tools/call", &answered(&params, &asked, yes));
    let (to_server, to_client, _) = client(&mut session, &line);
    assert_eq!(to_server, None);
    refused(to_client, "no such question");
}

#[test]
fn an_answer_without_question_or_for_another_tool_stays_refused() {
    let (mut session, _) = session("{}");
    let params = format!(r#"{{"name":"echo",{MODERN}}}"#);
    let asked = state(&mut session, &params);
    let yes = r#"{"action":"accept"}"#;
    let other = params.replace("echo", "sum");
    let line = request("5", "tools/call", &answered(&other, &asked, yes));
    let (to_server, ..) = client(&mut session, &line);
    assert_eq!(to_server, None);
    for line in [
        request("5", "tools/call", &answered(&params, "of the server", yes)),
        request("5", "prompts/get", &answered(&params, &asked, yes)),
    ] {
        let (to_server, to_client, _) = client(&mut session, &line);
        assert_eq!(to_server, None);
        assert!(to_client.unwrap().contains("has not asked for this input"));
    }
    // The server's word is no approval.
    let (to_server, _, _) = server(&mut session, &result("5", yes));
    assert_eq!(to_server, None);
}

/// What the server asks in the middle of a call, 2026-07-28.
const SERVER_ASKS: &str = r#"{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{}}}},"requestState":"s"}"#;

fn goes_on(params: &str) -> String {
    let params = params.strip_suffix('}').unwrap();
    format!(r#"{params},"inputResponses":{{"k":{{"action":"accept"}}}},"requestState":"s"}}"#)
}

#[test]
fn an_answer_to_the_servers_question_is_no_way_around_approval() {
    let params = format!(r#"{{"name":"echo",{MODERN}}}"#);
    for asks in [false, true] {
        let mut policy = policy(&["echo"]);
        policy.grants.elicitation = crate::relay::Elicitation::Form;
        if asks {
            policy.calls = ask_echo();
        }
        let mut session = Session::new(policy);
        session.set_time(Instant::now());
        let call = if asks {
            let asked = state(&mut session, &params);
            answered(&params, &asked, r#"{"action":"accept"}"#)
        } else {
            params.clone()
        };
        let (to_server, ..) = client(&mut session, &request("6", "tools/call", &call));
        assert!(to_server.is_some());
        server_passes(&mut session, &result("6", SERVER_ASKS));
        // Control: without `ask` the call goes on.
        let line = request("5", "tools/call", &goes_on(&params));
        let (to_server, to_client, _) = client(&mut session, &line);
        assert_eq!(to_server.is_some(), !asks);
        if asks {
            refused(to_client, "which can't be approved");
        }
    }
}
