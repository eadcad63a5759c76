//! What holds for a call holds for one that is a task, and for the result that is fetched. Each
//! refusal beside what passes.

use super::tasks::{
    DECLARED, RELATED, TEXT, UNKNOWN, WISH, about, call, declare, granted, made, make, replaced,
    session, state,
};
use super::*;
use crate::relay::{CallRules, Redaction, Ruled};

#[test]
fn a_result_that_is_fetched_is_judged_as_that_of_the_call() {
    let form = r#"{"q":{"method":"elicitation/create","params":{"message":"m"}}}"#;
    let page = r#"{"elicitations":[{"mode":"url","elicitationId":"e","url":"file:///x"}]}"#;
    let related = format!(r#"{{"content":[],"_meta":{{"{RELATED}":{{"taskId":"u"}}}}}}"#);
    let task = format!(r#"{{"task":{}}}"#, state("v", "working"));
    for (answer, says) in [
        (
            result(
                "3",
                &format!(r#"{{"resultType":"input_required","inputRequests":{form}}}"#),
            ),
            "asked for input",
        ),
        (
            result("3", &format!(r#"{{"inputRequests":{form}}}"#)),
            "asked for input",
        ),
        (result("3", &task), "asked for a task"),
        (
            result("3", r#"{"resultType":"task","taskId":"v"}"#),
            "asked for a task",
        ),
        (result("3", r#"{"resultType":"x"}"#), "a result of type"),
        (failure("3", -32042, page), "a page to be opened"),
        (result("3", &related), "belongs to another task"),
        (result("3", r#"{"Task":{}}"#), "refused"),
    ] {
        let mut session = session();
        make(&mut session, "1", "t");
        make(&mut session, "2", "u");
        client_passes(&mut session, &about("3", "result", "t"));
        let (_, to_client, events) = server(&mut session, &answer);
        let to_client = to_client.unwrap();
        assert!(
            to_client.contains("-3100") && to_client.contains(says),
            "{to_client}"
        );
        assert_eq!(events.len(), 1, "{answer}");
        // Nothing more comes of it, and the other one is as it was.
        client_refused(
            &mut session,
            &about("4", "result", "t"),
            "4",
            -32602,
            UNKNOWN,
        );
        client_passes(&mut session, &about("4", "result", "u"));
        server_passes(&mut session, &result("4", TEXT));
    }
}

#[test]
fn a_state_is_that_of_the_task_that_was_asked_for() {
    for name in ["get", "cancel"] {
        for (answer, says) in [
            (state("u", "working"), "another task"),
            (
                r#"{"taskId":"t","status":"completed","result":{}}"#.to_owned(),
                "more than that",
            ),
            (r#"{"content":[]}"#.to_owned(), "not an id"),
            (
                r#"{"taskId":"t","status":"input_required","inputRequests":{}}"#.to_owned(),
                "input",
            ),
        ] {
            let mut session = session();
            make(&mut session, "1", "t");
            make(&mut session, "2", "u");
            client_passes(&mut session, &about("3", name, "t"));
            replaced(&mut session, &result("3", &answer), says);
            client_passes(&mut session, &about("4", name, "t"));
            server_passes(&mut session, &result("4", &state("t", "working")));
        }
    }
}

#[test]
fn the_rules_of_calls_hold_for_tasks() {
    use std::time::{Duration, Instant};
    let place = "`tools`, line 7".to_owned();
    let ruled = |what: Duration| Ruled {
        what,
        place: place.clone(),
    };
    let mut policy = SessionPolicy {
        grants: granted(),
        ..policy(&["echo"])
    };
    policy.calls = CallRules {
        repeat: [("echo".parse().unwrap(), ruled(Duration::from_secs(9)))].into(),
        ..CallRules::default()
    };
    let now = Instant::now();
    let mut session = Session::new(policy);
    session.set_time(now);
    client_passes(&mut session, &call("1", WISH));
    // The same call is the same call, as a task or not.
    for again in ["", WISH, r#","task":{"ttl":1}"#] {
        let (to_server, to_client, _) = client(&mut session, &call("2", again));
        assert_eq!(to_server, None);
        assert!(to_client.unwrap().contains("the same call was made"));
    }
    session.set_time(now + Duration::from_secs(10));
    client_passes(&mut session, &call("2", WISH));

    // One that the user is asked about is a task once the user has said yes, and not before.
    let mut policy = SessionPolicy {
        grants: granted(),
        ..self::policy(&["echo"])
    };
    policy.calls = CallRules {
        ask: [(
            "echo".parse().unwrap(),
            Ruled {
                what: (),
                place: place.clone(),
            },
        )]
        .into(),
        ..CallRules::default()
    };
    let mut session = Session::new(policy);
    session.set_time(now);
    declare(&mut session, DECLARED);
    for (answer, passes) in [
        (r#"{"action":"accept"}"#.to_owned(), true),
        (r#"{"action":"decline"}"#.to_owned(), false),
        (format!(r#"{{"task":{}}}"#, state("x", "completed")), false),
        (
            format!(r#"{{"_meta":{{"{RELATED}":{{"taskId":"t"}}}}}}"#),
            false,
        ),
    ] {
        let (to_server, question, _) = client(&mut session, &call("3", WISH));
        assert_eq!(to_server, None);
        // The server knows neither the question nor an answer to it.
        let (_, to_client, _) = server(&mut session, &made("3", "t"));
        assert_eq!(to_client, None);
        let question: serde_json::Value = serde_json::from_str(&question.unwrap()).unwrap();
        let id = question["id"].to_string();
        let (_, to_client, _) = server(&mut session, &result(&id, r#"{"action":"accept"}"#));
        assert_eq!(to_client, None);
        let (to_server, to_client, _) = client(&mut session, &result(&id, &answer));
        assert_eq!(to_server, passes.then(|| call("3", WISH)));
        assert_eq!(to_client.is_none(), passes);
        if passes {
            server_passes(&mut session, &made("3", "t"));
            client_passes(&mut session, &about("4", "result", "t"));
            server_passes(&mut session, &failure("4", 1, "{}"));
        }
    }
}

#[test]
fn a_result_of_a_tool_that_was_withdrawn_is_not_delivered() {
    let mut session = pinned();
    session.policy.grants = granted();
    client_passes(
        &mut session,
        &notification("notifications/initialized", "{}"),
    );
    let agreed = tool("echo", "agreed");
    listed(&mut session, None, &[&agreed, &tool("sum", "agreed")], None);
    make(&mut session, "1", "t");
    client_passes(&mut session, &about("2", "result", "t"));
    make(&mut session, "3", "u");
    make(&mut session, "4", "v");
    // It changes while the one result is waited for and the other is not asked for.
    listed(&mut session, None, &[&tool("echo", "evil")], None);
    replaced(
        &mut session,
        &result("2", TEXT),
        "not the one that was locked",
    );
    let (to_server, to_client, events) = client(&mut session, &about("5", "result", "u"));
    let answer = to_client.unwrap();
    assert_eq!(to_server, None);
    assert!(answer.contains("isError") && answer.contains("`pinfold review files`"));
    assert!(matches!(events.as_slice(), [Event::RequestRefused { .. }]));
    // It can still be stopped, and once it is as agreed its result comes.
    client_passes(&mut session, &about("5", "cancel", "v"));
    server_passes(&mut session, &result("5", &state("v", "cancelled")));
    listed(&mut session, None, &[&agreed], None);
    client_passes(&mut session, &about("6", "result", "u"));
    server_passes(&mut session, &result("6", TEXT));
}

#[test]
fn secrets_are_taken_out_and_no_id_holds_one() {
    let redaction = Redaction::new([("KEY".to_owned(), "s3cret-value".to_owned())]);
    let mut session = Session::new(SessionPolicy {
        grants: granted(),
        redaction,
        neutralise: true,
        ..policy(&["echo"])
    });
    client_passes(&mut session, &call("1", WISH));
    let says = "holds a secret";
    replaced(&mut session, &made("1", "t-s3cret-value"), says);
    make(&mut session, "2", "t");
    client_passes(&mut session, &about("3", "get", "t"));
    let told = r#"{"taskId":"t","status":"working","statusMessage":"s3cret-value\u001b[2J"}"#;
    let (_, to_client, _) = server(&mut session, &result("3", told));
    let to_client = to_client.unwrap();
    assert!(
        !to_client.contains("s3cret") && !to_client.contains("u001b"),
        "{to_client}"
    );
    client_passes(&mut session, &about("4", "result", "t"));
    let told = TEXT.replace('x', "s3cret-value");
    let (_, to_client, _) = server(&mut session, &result("4", &told));
    assert!(to_client.unwrap().contains("[redacted: KEY]"));
}

#[test]
fn there_is_a_bound() {
    use crate::relay::tasks::MAX_LIVE;
    let mut session = session();
    for number in 0..MAX_LIVE {
        make(&mut session, "1", &format!("t{number}"));
    }
    let says = "Refused: too many tasks are under way";
    client_refused(&mut session, &call("1", WISH), "1", -31003, says);
    client_passes(&mut session, &call("1", ""));
    server_passes(&mut session, &result("1", TEXT));
    client_passes(&mut session, &about("1", "result", "t7"));
    server_passes(&mut session, &result("1", TEXT));
    // Two are asked for at once, and one has a place.
    client_passes(&mut session, &call("1", WISH));
    client_passes(&mut session, &call("2", WISH));
    server_passes(&mut session, &made("1", "a"));
    replaced(&mut session, &made("2", "b"), "too many tasks");
    // The server's questions have a bound of their own.
    let sample = request(
        "9",
        "sampling/createMessage",
        r#"{"messages":[],"task":{}}"#,
    );
    for number in 0..MAX_LIVE {
        server_passes(&mut session, &sample);
        client_passes(&mut session, &made("9", &format!("q{number}")));
    }
    let (back, to_client, _) = server(&mut session, &sample);
    assert_eq!((back, to_client), (Some(error("9", -31003, says)), None));
}
