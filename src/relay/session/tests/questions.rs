//! What a server asks inside a result (2026-07-28), and the answers that come with the retry.

use super::grants::{everything, granting};
use super::*;
use crate::relay::grants::{Elicitation, Grants};

const CAPABILITIES: &str = r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}"#;

/// A request of 2026-07-28; `more` are further params, each with a comma behind it.
fn modern(id: &str, method: &str, more: &str, capabilities: &str) -> String {
    request(
        id,
        method,
        &format!(
            r#"{{{more}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}"#
        ),
    )
}

fn call(session: &mut Session, id: &str, more: &str) -> Option<String> {
    let line = modern(
        id,
        "tools/call",
        &format!(r#""name":"echo",{more}"#),
        CAPABILITIES,
    );
    client(session, &line).0
}

fn asks(inner: &str, state: &str) -> String {
    format!(r#"{{"resultType":"input_required","inputRequests":{{{inner}}}{state}}}"#)
}

const FORM: &str =
    r#""f":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{}}}"#;
const SAMPLE: &str =
    r#""s":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}"#;
const ROOTS: &str = r#""r":{"method":"roots/list"}"#;
const PAGE: &str =
    r#""u":{"method":"elicitation/create","params":{"mode":"url","url":"https://a.test"}}"#;

#[test]
fn granted_questions_pass_and_their_answers_come_back() {
    let mut session = granting(everything());
    call(&mut session, "1", "").unwrap();
    let question = asks(
        &[FORM, SAMPLE, ROOTS, PAGE].join(","),
        r#","requestState":"s1""#,
    );
    server_passes(&mut session, &result("1", &question));
    // The answers, with roots reduced.
    let answers = r#""inputResponses":{"f":{"action":"accept","content":{}},"r":{"roots":[{"uri":"file:///home"},{"uri":"file:///projects"}]}},"requestState":"s1","#;
    let line = modern(
        "2",
        "tools/call",
        &format!(r#""name":"echo",{answers}"#),
        "{}",
    );
    let (to_server, to_client, events) = client(&mut session, &line);
    assert_eq!(to_client, None);
    let reduced = answers.replace(r#"{"uri":"file:///home"},"#, "");
    let expected = modern(
        "2",
        "tools/call",
        &format!(r#""name":"echo",{reduced}"#),
        "{}",
    );
    assert_eq!(to_server, Some(expected));
    assert_eq!(events, [Event::RootsReduced { given: 2, told: 1 }]);
}

#[test]
fn one_question_that_is_not_granted_spoils_the_result() {
    let form_only = Grants {
        elicitation: Elicitation::Form,
        ..Grants::default()
    };
    for (grants, inner, says) in [
        (Grants::default(), FORM, "`grants.elicitation`"),
        (Grants::default(), SAMPLE, "`grants.sampling`"),
        (Grants::default(), ROOTS, "`grants.roots`"),
        (
            form_only.clone(),
            PAGE,
            "`grants.elicitation = \\\"url\\\"`",
        ),
        (form_only, &[FORM, ROOTS].join(",")[..], "`grants.roots`"),
        (everything(), r#""t":{"method":"tasks/get"}"#, "unknown"),
        (everything(), r#""t":{"method":"tools/call"}"#, "unknown"),
        (everything(), r#""t":{"method":"ping"}"#, "unknown"),
        (
            everything(),
            r#""t":{"Method":"roots/list"}"#,
            "not a request",
        ),
        (
            everything(),
            r#""t":{"method":"roots/list","Method":"x"}"#,
            "not a request",
        ),
        (everything(), r#""t":1"#, "not a request"),
        (
            everything(),
            r#""t":{"method":"roots/list","params":1}"#,
            "not a request",
        ),
        (
            everything(),
            r#""t":{"method":"sampling/createMessage","params":{"IncludeContext":"allServers"}}"#,
            "not a request",
        ),
        (
            everything(),
            r#""t":{"method":"elicitation/create","params":{"mode":"url","url":"file:///x"}}"#,
            "web page",
        ),
    ] {
        let mut session = granting(grants);
        call(&mut session, "1", "").unwrap();
        let (_, to_client, events) = server(&mut session, &result("1", &asks(inner, "")));
        let to_client = to_client.unwrap();
        assert!(to_client.contains("-31001"), "{inner}: {to_client}");
        assert!(to_client.contains(says), "{inner}: {to_client}");
        assert!(!to_client.contains("inputRequests\":{"), "{to_client}");
        assert!(matches!(events.as_slice(), [Event::AnswerReplaced { .. }]));
        // What was not asked is not answered.
        let answer = r#""inputResponses":{"f":{}},"#;
        assert_eq!(call(&mut session, "2", answer), None, "{inner}");
    }
}

#[test]
fn what_the_client_did_not_declare_in_the_request_is_not_asked() {
    for capabilities in ["{}", r#"{"elicitation":{}}"#] {
        let mut session = granting(everything());
        let line = modern("1", "tools/call", r#""name":"echo","#, capabilities);
        client_passes(&mut session, &line);
        let (_, to_client, _) = server(&mut session, &result("1", &asks(SAMPLE, "")));
        assert!(to_client.unwrap().contains("has not declared"));
    }
    // What was declared in `initialize` is another era's.
    let mut session = granting(everything());
    let line = request(
        "0",
        "initialize",
        &format!(r#"{{"capabilities":{CAPABILITIES}}}"#),
    );
    client_passes(&mut session, &line);
    for id in ["1", "2"] {
        let line = match id {
            "1" => request("1", "tools/call", r#"{"name":"echo"}"#),
            _ => modern("2", "tools/call", r#""name":"echo","#, "{}"),
        };
        client_passes(&mut session, &line);
        let (_, to_client, _) = server(&mut session, &result(id, &asks(FORM, "")));
        assert!(to_client.unwrap().contains("-31001"));
    }
}

#[test]
fn context_is_taken_out_of_an_inner_question() {
    let mut session = granting(everything());
    call(&mut session, "1", "").unwrap();
    let inner = r#""s":{"method":"sampling/createMessage","params":{"messages":[],"includeContext":"allServers","maxTokens":1}}"#;
    let (_, to_client, _) = server(&mut session, &result("1", &asks(inner, "")));
    assert_eq!(to_client, Some(result("1", &asks(SAMPLE, ""))));
}

#[test]
fn only_three_methods_may_ask() {
    for (method, more) in [
        ("prompts/get", r#""name":"p","#),
        ("resources/read", r#""uri":"demo://a","#),
    ] {
        let mut session = granting(everything());
        client_passes(&mut session, &modern("1", method, more, CAPABILITIES));
        server_passes(&mut session, &result("1", &asks(FORM, "")));
        let answer = format!(r#"{more}"inputResponses":{{"f":{{}}}},"#);
        client_passes(&mut session, &modern("2", method, &answer, CAPABILITIES));
    }
    for method in [
        "tools/list",
        "server/discover",
        "prompts/list",
        "completion/complete",
    ] {
        let mut session = granting(everything());
        client_passes(&mut session, &modern("1", method, "", "{}"));
        let (_, to_client, _) = server(&mut session, &result("1", &asks(FORM, "")));
        assert!(to_client.unwrap().contains("-31001"), "{method}");
    }
}

#[test]
fn a_state_alone_asks_nothing_of_anybody() {
    let state = r#"{"resultType":"input_required","requestState":"s"}"#;
    let mut session = granting(Grants::default());
    let line = modern("1", "tools/call", r#""name":"echo","#, "{}");
    client_passes(&mut session, &line);
    server_passes(&mut session, &result("1", state));
    assert!(call(&mut session, "2", r#""requestState":"s","#).is_some());
    // But no answers with it, and no other state.
    for more in [
        r#""requestState":"s","inputResponses":{"f":{}},"#,
        r#""requestState":"t","#,
        r#""requestState":1,"#,
        r#""inputResponses":{},"#,
        r#""requestState":"s","inputResponses":[],"#,
    ] {
        assert_eq!(call(&mut session, "3", more), None, "{more}");
    }
}

#[test]
fn a_result_that_only_looks_like_a_question_is_refused() {
    for given in [
        r#"{"resultType":"input_required"}"#,
        r#"{"requestState":"s"}"#,
        r#"{"inputRequests":{}}"#,
        r#"{"resultType":"complete","inputRequests":{}}"#,
        r#"{"resultType":"input_required","inputRequests":[]}"#,
        r#"{"resultType":"input_required","inputRequests":null}"#,
        r#"{"resultType":"input_required","requestState":1}"#,
        r#"{"resultType":"input_required","requestState":"s","task":{}}"#,
        r#"{"resultType":"input_required","requestState":"s","inputRequests":1}"#,
    ] {
        let mut session = granting(everything());
        call(&mut session, "1", "").unwrap();
        let (_, to_client, _) = server(&mut session, &result("1", given));
        assert!(to_client.unwrap().contains("-31001"), "{given}");
    }
    let many: Vec<String> = (0..65)
        .map(|number| format!(r#""{number}":{{"method":"roots/list"}}"#))
        .collect();
    for (count, passes) in [(64, true), (65, false)] {
        let mut session = granting(everything());
        call(&mut session, "1", "").unwrap();
        let question = asks(&many[..count].join(","), "");
        let (_, to_client, _) = server(&mut session, &result("1", &question));
        assert_eq!(!to_client.unwrap().contains("-31001"), passes, "{count}");
    }
}

#[test]
fn answers_come_only_where_they_were_asked_for() {
    let mut session = granting(everything());
    call(&mut session, "1", "").unwrap();
    server_passes(
        &mut session,
        &result("1", &asks(FORM, r#","requestState":"s1""#)),
    );
    let refused = |session: &mut Session, line: &str| {
        let (to_server, to_client, _) = client(session, line);
        assert_eq!(to_server, None, "{line}");
        assert!(to_client.unwrap().contains("has not asked for this input"));
    };
    for more in [
        // without the state, with another one
        r#""name":"echo","inputResponses":{"f":{}},"#,
        r#""name":"echo","inputResponses":{"f":{}},"requestState":"s2","#,
    ] {
        refused(&mut session, &modern("2", "tools/call", more, CAPABILITIES));
    }
    // another method, and another era
    let answers = r#""name":"echo","inputResponses":{"f":{}},"requestState":"s1","#;
    refused(&mut session, &modern("2", "prompts/get", answers, "{}"));
    refused(&mut session, &modern("2", "tools/list", answers, "{}"));
    let legacy = format!("{{{}}}", answers.trim_end_matches(','));
    refused(&mut session, &request("2", "tools/call", &legacy));
    client_passes(&mut session, &modern("2", "tools/call", answers, "{}"));
    // The allowlist holds for a retry as well.
    let other = answers.replace("echo", "evil");
    let (to_server, to_client, _) = client(&mut session, &modern("3", "tools/call", &other, "{}"));
    assert_eq!(to_server, None);
    assert!(to_client.is_some());
}

#[test]
fn the_last_initialize_says_what_the_client_can() {
    let page = r#"{"elicitations":[{"mode":"url","url":"https://a.test"}]}"#;
    for (last, passes) in [
        (format!(r#"{{"capabilities":{CAPABILITIES}}}"#), true),
        ("{}".to_owned(), false),
    ] {
        let mut session = granting(everything());
        let first = format!(r#"{{"capabilities":{CAPABILITIES}}}"#);
        client_passes(&mut session, &request("1", "initialize", &first));
        client_passes(&mut session, &request("2", "initialize", &last));
        let call = request("3", "tools/call", r#"{"name":"echo"}"#);
        client_passes(&mut session, &call);
        let (_, to_client, _) = server(&mut session, &failure("3", -32042, page));
        assert_eq!(to_client.unwrap().contains("-32042"), passes, "{last}");
    }
}

#[test]
fn answers_that_were_not_asked_for_are_taken_out() {
    let taken_out = "answers to questions that the server has not asked";
    for (question, given, kept) in [
        (FORM, r#""x":{"roots":[]},"f":{},"F":1"#, r#""f":{}"#),
        (FORM, r#""g":{}"#, ""),
    ] {
        let mut session = granting(everything());
        call(&mut session, "1", "").unwrap();
        let question = asks(question, r#","requestState":"s""#);
        server_passes(&mut session, &result("1", &question));
        let retry = |answers: &str| {
            let more =
                format!(r#""name":"echo","inputResponses":{{{answers}}},"requestState":"s","#);
            modern("2", "tools/call", &more, "{}")
        };
        let (to_server, to_client, events) = client(&mut session, &retry(given));
        assert_eq!(to_client, None);
        assert_eq!(to_server.unwrap(), retry(kept));
        let Some(Event::DroppedFromClient { reason }) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!(reason, taken_out);
    }
}

#[test]
fn a_page_in_an_error_is_not_of_this_era() {
    let mut session = granting(everything());
    let line = request(
        "0",
        "initialize",
        &format!(r#"{{"capabilities":{CAPABILITIES}}}"#),
    );
    client_passes(&mut session, &line);
    call(&mut session, "1", "").unwrap();
    let page = r#"{"elicitations":[{"mode":"url","url":"https://a.test"}]}"#;
    let (_, to_client, _) = server(&mut session, &failure("1", -32042, page));
    assert!(to_client.unwrap().contains("-31001"));
}
