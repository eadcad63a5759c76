//! Rules on arguments, limits and repeats: what is refused never reaches the server.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{client, client_passes, policy, request, result, server_passes};
use crate::lockfile::ToolName;
use crate::relay::call_gate::{CallRules, Ruled};
use crate::relay::session::Session;
use crate::relay::{Event, Rate};
use crate::schema::{Keyword, Literal, Schema};

const PLACE: &str = "`tools.x` in /m/pinfold.toml, line 7";

fn for_echo<T>(what: T) -> BTreeMap<ToolName, Ruled<T>> {
    let place = PLACE.to_owned();
    [("echo".parse().unwrap(), Ruled { what, place })].into()
}

/// `arguments.owner` has to be "me".
fn rule() -> Schema {
    let owner = Schema(vec![Keyword::Const(Literal::Text("me".to_owned()))]);
    Schema(vec![
        Keyword::Required(["owner".to_owned()].into()),
        Keyword::Properties {
            named: [("owner".to_owned(), owner)].into(),
            others: None,
        },
    ])
}

fn session(calls: CallRules) -> Session {
    let mut policy = policy(&["echo", "sum"]);
    policy.calls = calls;
    Session::new(policy)
}

fn call(tool: &str, more: &str) -> String {
    request("5", "tools/call", &format!(r#"{{"name":"{tool}"{more}}}"#))
}

/// The call passes, and is answered.
#[track_caller]
fn passes(session: &mut Session, line: &str) {
    client_passes(session, line);
    server_passes(session, &result("5", r#"{"content":[]}"#));
}

/// The call is answered with a result that says why and where.
#[track_caller]
fn refused(session: &mut Session, line: &str, says: &str) {
    let (to_server, to_client, events) = client(session, line);
    assert_eq!(to_server, None, "{line}");
    let answer = to_client.unwrap();
    for part in [says, PLACE, r#""isError":true"#, r#""id":5"#] {
        assert!(answer.contains(part), "{line}: {answer}");
    }
    assert!(!answer.contains("resultType"), "{answer}");
    assert!(
        matches!(events.as_slice(), [Event::CallRefused { .. }]),
        "{events:?}"
    );
}

#[test]
fn arguments_have_to_meet_the_rule() {
    let mut session = session(CallRules {
        arguments: for_echo(rule()),
        ..CallRules::default()
    });
    passes(
        &mut session,
        &call("echo", r#","arguments":{"owner":"me","x":[1]}"#),
    );
    passes(
        &mut session,
        &call("sum", r#","arguments":{"owner":"you"}"#),
    );
    for (more, says) in [
        (
            r#","arguments":{"owner":"you"}"#,
            "`arguments.owner` does not meet `const` (\\\"me\\\")",
        ),
        (r#","arguments":{"owner":"ME"}"#, "`arguments.owner`"),
        (r#","arguments":{"Owner":"me"}"#, "another spelling"),
        (
            r#","arguments":{"owner":"me","OWNER":"you"}"#,
            "another spelling",
        ),
        (r#","arguments":{}"#, "`required` (owner)"),
        ("", "`required` (owner)"),
        (r#","arguments":null"#, "not an object"),
        (r#","arguments":["owner"]"#, "not an object"),
        (r#","arguments":"{\"owner\":\"me\"}""#, "not an object"),
    ] {
        refused(&mut session, &call("echo", more), says);
    }
    // As 2026-07-28 wants it.
    let meta = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let (to_server, to_client, _) = client(&mut session, &call("echo", meta));
    assert_eq!(to_server, None);
    assert!(to_client.unwrap().contains(r#""resultType":"complete""#));
}

#[test]
fn a_tool_that_is_not_on_the_list_stays_unknown() {
    let mut session = session(CallRules {
        arguments: for_echo(rule()),
        ..CallRules::default()
    });
    let (_, to_client, _) = client(&mut session, &call("evil", ""));
    assert!(to_client.unwrap().contains("Unknown tool: evil"));
}

#[test]
fn a_tool_can_be_called_so_often() {
    let rate = Rate {
        calls: 2,
        period: Duration::from_secs(60),
    };
    let mut session = session(CallRules {
        limits: for_echo(rate),
        ..CallRules::default()
    });
    // Nothing is limited by a clock that nobody set.
    let (to_server, _, _) = client(&mut session, &call("echo", ""));
    assert_eq!(to_server, None);
    let begin = Instant::now();
    session.set_time(begin);
    passes(&mut session, &call("echo", ""));
    passes(&mut session, &call("echo", ""));
    refused(&mut session, &call("echo", ""), "in 30 s");
    passes(&mut session, &call("sum", ""));
    session.set_time(begin + Duration::from_millis(29_500));
    refused(&mut session, &call("echo", ""), "in 500 ms");
    session.set_time(begin + Duration::from_secs(30));
    passes(&mut session, &call("echo", ""));
    refused(&mut session, &call("echo", ""), "called too often");
}

#[test]
fn the_same_call_is_not_made_twice() {
    let mut session = session(CallRules {
        repeat: for_echo(Duration::from_secs(5)),
        ..CallRules::default()
    });
    let begin = Instant::now();
    session.set_time(begin);
    passes(
        &mut session,
        &call("echo", r#","arguments":{"a":1,"b":"x"}"#),
    );
    for same in [
        r#","arguments":{"a":1,"b":"x"}"#,
        r#","arguments":{"b":"\u0078","a":1.0}"#,
        r#","arguments":{"b":"x","a":10e-1},"_meta":{"progressToken":1}"#,
    ] {
        refused(&mut session, &call("echo", same), "less than 5 s ago");
    }
    passes(
        &mut session,
        &call("echo", r#","arguments":{"a":2,"b":"x"}"#),
    );
    passes(
        &mut session,
        &call("sum", r#","arguments":{"a":1,"b":"x"}"#),
    );
    passes(
        &mut session,
        &call("sum", r#","arguments":{"a":1,"b":"x"}"#),
    );
    passes(&mut session, &call("echo", ""));
    refused(
        &mut session,
        &call("echo", r#","arguments":{}"#),
        "the same call",
    );
    session.set_time(begin + Duration::from_secs(5));
    passes(
        &mut session,
        &call("echo", r#","arguments":{"a":1,"b":"x"}"#),
    );
    let (to_server, to_client, _) =
        client(&mut session, &call("echo", r#","arguments":{"a":1e999}"#));
    assert_eq!(to_server, None);
    assert!(to_client.unwrap().contains("no canonical form"));
}

#[test]
fn a_call_that_goes_on_is_no_repetition_but_counts() {
    let rate = Rate {
        calls: 2,
        period: Duration::from_secs(3600),
    };
    let mut policy = policy(&["echo"]);
    policy.grants.elicitation = crate::relay::Elicitation::Form;
    policy.calls.repeat = for_echo(Duration::from_secs(5));
    policy.calls.limits = for_echo(rate);
    let mut session = Session::new(policy);
    let begin = Instant::now();
    session.set_time(begin);
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}"#;
    let first = format!(r#"{{"name":"echo",{meta}}}"#);
    let asks = r#"{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{}}}},"requestState":"s"}"#;
    let goes_on = format!(
        r#"{{"name":"echo","inputResponses":{{"k":{{"action":"accept"}}}},"requestState":"s",{meta}}}"#
    );
    let mut call = |id: &str, params: &str, after: u64| {
        session.set_time(begin + Duration::from_secs(after));
        let (to_server, to_client, _) = client(&mut session, &request(id, "tools/call", params));
        if to_server.is_some() {
            server_passes(&mut session, &result(id, asks));
        }
        to_client
    };
    assert_eq!(call("1", &first, 0), None);
    assert_eq!(call("2", &goes_on, 0), None);
    assert!(call("3", &goes_on, 0).unwrap().contains("the same call"));
    assert!(call("4", &goes_on, 6).unwrap().contains("called too often"));
}

#[test]
fn what_is_refused_costs_nothing() {
    let rate = Rate {
        calls: 2,
        period: Duration::from_secs(3600),
    };
    let mut session = session(CallRules {
        arguments: for_echo(rule()),
        limits: for_echo(rate),
        repeat: for_echo(Duration::from_secs(5)),
        ..CallRules::default()
    });
    let begin = Instant::now();
    session.set_time(begin);
    let good = call("echo", r#","arguments":{"owner":"me"}"#);
    let other = call("echo", r#","arguments":{"owner":"me","n":1}"#);
    for _ in 0..5 {
        refused(
            &mut session,
            &call("echo", r#","arguments":{"owner":"you"}"#),
            "const",
        );
    }
    passes(&mut session, &good);
    for _ in 0..5 {
        refused(&mut session, &good, "the same call");
    }
    passes(&mut session, &other);
    // A call that the limit refused was not made, so later it is no repetition.
    let third = call("echo", r#","arguments":{"owner":"me","n":2}"#);
    refused(&mut session, &third, "called too often");
    session.set_time(begin + Duration::from_secs(1800));
    passes(&mut session, &third);
}

proptest! {
    /// Whatever a client sends: calls that reach the server meet the rule, as a reader with other
    /// habits reads them, and are no more than the limit.
    #[test]
    fn no_refused_call_reaches_the_server(
        calls in prop::collection::vec(
            (
                prop::sample::select(vec!["owner", "Owner", "\\u006fwner", "owner\\u0000", "x"]),
                prop::sample::select(vec!["\"me\"", "\"you\"", "1", "[\"me\"]", "\"m\\u0065\""]),
                prop::sample::select(vec!["arguments", "Arguments", "argument\\u0073"]),
                0..4_u64,
            ),
            1..40,
        )
    ) {
        let rate = Rate { calls: 3, period: Duration::from_secs(30) };
        let mut session = session(CallRules {
            arguments: for_echo(rule()),
            limits: for_echo(rate),
            ..CallRules::default()
        });
        let begin = Instant::now();
        let (mut time, mut passed) = (0, Vec::new());
        for (id, (key, value, outer, pause)) in calls.iter().enumerate() {
            time += pause;
            session.set_time(begin + Duration::from_secs(time));
            let params = format!(r#"{{"name":"echo","{outer}":{{"{key}":{value}}}}}"#);
            let (to_server, to_client, _) =
                client(&mut session, &request(&id.to_string(), "tools/call", &params));
            prop_assert_eq!(to_server.is_none(), to_client.is_some());
            let Some(line) = to_server else { continue };
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(&read["params"]["arguments"], &serde_json::json!({"owner": "me"}));
            passed.push(time);
        }
        for window in 0..=time {
            let within = passed.iter().filter(|at| (window..window + 30).contains(at)).count();
            prop_assert!(within <= 6, "{:?}", passed);
        }
    }
}

#[test]
fn calls_that_pass_are_counted_and_no_others() {
    let mut policy = policy(&["echo"]);
    policy.calls = CallRules {
        arguments: for_echo(rule()),
        ..CallRules::default()
    };
    let counted = std::sync::Arc::clone(&policy.passed_calls);
    let mut session = Session::new(policy);
    client_passes(&mut session, &request("1", "tools/list", "{}"));
    refused(&mut session, &call("echo", ""), "owner");
    client(&mut session, &call("sum", ""));
    assert_eq!(counted.load(std::sync::atomic::Ordering::Relaxed), 0);
    passes(
        &mut session,
        &call("echo", r#","arguments":{"owner":"me"}"#),
    );
    assert_eq!(counted.load(std::sync::atomic::Ordering::Relaxed), 1);
}
