//! Secrets and terminal escapes in what a server says, and baggage in what a client says.

use super::{client, client_passes, parts, policy, request, result, server, server_passes};
use crate::relay::Redaction;
use crate::relay::session::Session;

const SECRET: &str = "s3cret-value";

fn session(redact: bool, neutralise: bool) -> Session {
    let mut policy = policy(&["echo"]);
    if redact {
        policy.redaction = Redaction::new([("TOKEN".to_owned(), SECRET.to_owned())]);
    }
    policy.neutralise = neutralise;
    let mut session = Session::new(policy);
    client_passes(
        &mut session,
        &request("5", "tools/call", r#"{"name":"echo"}"#),
    );
    session
}

fn said(text: &str) -> String {
    result(
        "5",
        &format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#),
    )
}

#[test]
fn secrets_do_not_reach_the_client() {
    let line = said("it is s3cret-value.");
    server_passes(&mut session(false, false), &line);
    let (_, to_client, events) = server(&mut session(true, false), &line);
    assert_eq!(to_client, Some(said("it is [redacted: TOKEN].")));
    assert_eq!(events, []);
    let mut session = session(true, false);
    server_passes(&mut session, &said("it is s3cret"));
    // What the relay quotes of the server is cleaned as well.
    client_passes(&mut session, &request("6", "ping", "{}"));
    let line = result("6", &format!(r#"{{"resultType":"{SECRET}"}}"#));
    let (_, to_client, _) = server(&mut session, &line);
    assert!(to_client.unwrap().contains("[redacted: TOKEN]"));
    // The client may say it to the server.
    let call = request(
        "7",
        "tools/call",
        r#"{"name":"echo","arguments":{"t":"s3cret-value"}}"#,
    );
    client_passes(&mut session, &call);
}

#[test]
fn the_id_of_a_request_tells_no_secret() {
    let ping = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"ping"}}"#);
    // The control: else it passes, and so does another id.
    server_passes(&mut session(false, false), &ping(SECRET));
    server_passes(&mut session(true, false), &ping("mine"));
    for id in ["s3cret-value", "a s3cret\\u002dvalue b"] {
        let (to_server, to_client, events) = server(&mut session(true, false), &ping(id));
        assert_eq!(to_client, None);
        assert!(to_server.unwrap().contains("holds a secret"));
        assert_eq!(events.len(), 1);
        assert!(!events[0].to_string().contains(SECRET));
    }
}

#[test]
fn escapes_are_written_out_by_setting() {
    let line = said("\\u001b[2J\u{202e}");
    server_passes(&mut session(false, false), &line);
    let (_, to_client, _) = server(&mut session(false, true), &line);
    assert_eq!(to_client, Some(said("\\\\x1b[2J\\\\u{202e}")));
    let (_, to_client, _) = server(&mut session(true, true), &said("s3cret-value\\u0007"));
    assert_eq!(to_client, Some(said("[redacted: TOKEN]\\\\x07")));
}

#[test]
fn a_cleaned_line_has_one_reading_or_is_an_error() {
    let mut policy = policy(&["echo"]);
    let secrets = ["first-secret", "other-secret"].map(|value| ("T".to_owned(), value.to_owned()));
    policy.redaction = Redaction::new(secrets);
    policy.max_line = 90;
    let mut session = Session::new(policy);
    for (id, answer) in [
        ("1", r#"{"first-secret":1,"other-secret":2}"#.to_owned()),
        ("2", format!(r#"{{"t":"{}"}}"#, "first-secret".repeat(4))),
    ] {
        client_passes(&mut session, &request(id, "ping", "{}"));
        let (_, to_client, events) = parts(session.from_server(result(id, &answer).as_bytes()));
        let to_client = to_client.unwrap();
        assert!(to_client.contains(&format!(r#""id":{id}"#)), "{to_client}");
        assert!(to_client.contains("refused once cleaned"), "{to_client}");
        assert_eq!(events.len(), 1);
    }
}

#[test]
fn baggage_stays_with_the_client() {
    let trace = r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"a=1""#;
    let mut session = session(false, false);
    let line = request("6", "ping", &format!(r#"{{"_meta":{{{trace}}}}}"#));
    client_passes(&mut session, &line);
    for (id, meta) in [
        ("7", format!(r#"{{{trace},"baggage":"user=me"}}"#)),
        ("8", format!(r#"{{"ba\u0067gage":{{"a":1}},{trace}}}"#)),
    ] {
        let params =
            format!(r#"{{"name":"echo","arguments":{{"_meta":{{"baggage":1}}}},"_meta":{meta}}}"#);
        let (to_server, ..) = client(&mut session, &request(id, "tools/call", &params));
        let expected = format!(
            r#"{{"name":"echo","arguments":{{"_meta":{{"baggage":1}}}},"_meta":{{{trace}}}}}"#
        );
        assert_eq!(to_server, Some(request(id, "tools/call", &expected)));
    }
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"_meta":{"baggage":"x"},"progressToken":1}}"#;
    let (to_server, ..) = client(&mut session, progress);
    assert_eq!(to_server.unwrap(), progress.replace(r#""baggage":"x""#, ""));
}
