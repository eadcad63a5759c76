//! What the client sends reaches the server only if every parser reads it in the same way.

use serde_json::{Value, json};

use crate::support::{Client, Script};

/// Sends `line`, then a ping; everything that came before the answer to the ping.
fn answers_to(client: &mut Client, line: &[u8], ping: &str) -> Vec<String> {
    client.send_bytes(line);
    client.send_bytes(b"\n");
    client.ask(ping, "ping", json!({}));
    let mut lines = client.lines_until(ping);
    lines.pop();
    lines
}

/// Each holds a marker `decoy-N` that the recorder would write down.
const AMBIGUOUS: &[(&str, &[u8])] = &[
    ("the method twice", br#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"hidden","x":"decoy"}}"#),
    ("the tool twice", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"allowed","name":"hidden","x":"decoy"}}"#),
    ("a key twice, once escaped", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"allowed","nam\u0065":"hidden","x":"decoy"}}"#),
    ("a key twice in the arguments", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"allowed","arguments":{"a":1,"a":2,"x":"decoy"}}}"#),
    ("a batch", br#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hidden","x":"decoy"}}]"#),
    ("bad UTF-8", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"allowed\",\"x\":\"decoy\xff\xfe\"}}"),
    ("overlong UTF-8", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"allowed\",\"x\":\"decoy\xc0\xaf\"}}"),
    ("a lone surrogate", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"allowed","x":"decoy\ud800"}}"#),
    ("a byte order mark", b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":\"decoy\"}}"),
    ("a second text", br#"{"jsonrpc":"2.0","id":1,"method":"ping"} {"jsonrpc":"2.0","id":2,"method":"ping","params":{"x":"decoy"}}"#),
    ("an id that is null", br#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"allowed","x":"decoy"}}"#),
    ("an id with a fraction", br#"{"jsonrpc":"2.0","id":1.5,"method":"tools/call","params":{"name":"allowed","x":"decoy"}}"#),
    ("an id with an exponent", br#"{"jsonrpc":"2.0","id":1e2,"method":"tools/call","params":{"name":"allowed","x":"decoy"}}"#),
    ("NaN", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"allowed","x":["decoy",NaN]}}"#),
    ("an unescaped control", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"allowed\",\"x\":\"decoy\x01\"}}"),
    ("not JSON", b"tools/call hidden decoy"),
    ("a method and a result", br#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{"x":"decoy"}}"#),
];

#[test]
fn a_line_with_two_readings_is_refused() {
    let script = Script::recorder(&[]);
    // Control: all of it reaches the server without pinfold, and a well-formed call does with it.
    let mut bare = script.bare();
    for (index, (what, line)) in AMBIGUOUS.iter().enumerate() {
        let before = script.received_bare().matches("decoy").count();
        answers_to(&mut bare, line, &format!("ping-{index}"));
        let after = script.received_bare().matches("decoy").count();
        assert_eq!(after, before + 1, "{what} did not reach the bare server");
    }
    let mut penned = script.penned();
    let good = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"allowed","arguments":{"x":"well-formed"}}}"#;
    let answers = answers_to(&mut penned, good, "ping-good");
    assert!(answers[0].contains("\"result\""), "{answers:?}");
    assert!(script.received().contains("well-formed"));

    for (index, (what, line)) in AMBIGUOUS.iter().enumerate() {
        let answers = answers_to(&mut penned, line, &format!("ping-{index}"));
        assert_eq!(answers.len(), 1, "{what}: {answers:?}");
        let answer: Value = serde_json::from_str(&answers[0]).unwrap();
        let code = answer["error"]["code"].as_i64().unwrap();
        assert!([-32700, -32600].contains(&code), "{what}: {answer}");
        // `null` is no id that a client could match; then the error has none.
        assert!(answer.get("id") != Some(&Value::Null), "{what}: {answer}");
    }
    assert!(
        !script.received().contains("decoy"),
        "{}",
        script.received()
    );
}

#[test]
fn deep_nesting_is_refused() {
    let script = Script::recorder(&[]);
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"allowed","arguments":{{"decoy":{open}{close}}}}}}}"#
        )
    };
    let mut bare = script.bare();
    answers_to(&mut bare, nested(500).as_bytes(), "ping");
    assert!(script.received_bare().contains("decoy"));

    let mut penned = script.penned();
    let answers = answers_to(&mut penned, nested(500).as_bytes(), "ping-1");
    assert!(
        answers[0].contains("-32600") || answers[0].contains("-32700"),
        "{answers:?}"
    );
    assert!(!script.received().contains("decoy"));
    answers_to(&mut penned, nested(100).as_bytes(), "ping-2");
    assert!(script.received().contains("decoy"));
}

/// A lone CR is white space in JSON, and the end of a line for the official Python server.
#[test]
fn a_carriage_return_hides_no_second_message() {
    let hidden =
        r#"{"jsonrpc":"2.0","id":"smuggled","method":"tools/call","params":{"name":"hidden"}}"#;
    let line = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"_meta\":\r{hidden}\r}}}}"
    );
    let script = Script::recorder(&[]);

    let mut bare = script.bare();
    let answers = answers_to(&mut bare, line.as_bytes(), "ping").concat();
    assert!(
        answers.contains("smuggled"),
        "the attack is broken: {answers}"
    );

    let mut penned = script.penned();
    let answers = answers_to(&mut penned, line.as_bytes(), "ping").concat();
    assert!(!answers.contains("smuggled"), "{answers}");
    let received = script.received();
    let starts = received
        .lines()
        .filter(|line| line.starts_with(hidden))
        .count();
    assert_eq!(starts, 0, "{received}");
}

/// Go's decoder took `Method` for `method`, and a key with a NUL after it too.
#[test]
fn keys_that_some_parsers_take_for_others_are_refused() {
    let script = Script::recorder(&["folding"]);
    let lines = [
        r#"{"jsonrpc":"2.0","id":"smuggled","method":"ping","Method":"tools/call","params":{"name":"hidden"}}"#,
        r#"{"jsonrpc":"2.0","id":"smuggled","method":"tools/call","params":{"name":"allowed","NAME":"hidden"}}"#,
        r#"{"jsonrpc":"2.0","id":"smuggled","method":"tools/call","params":{"name":"allowed","name\u0000":"hidden"}}"#,
    ];
    let mut bare = script.bare();
    for (index, line) in lines.iter().enumerate() {
        let answers = answers_to(&mut bare, line.as_bytes(), &format!("ping-{index}")).concat();
        assert!(
            answers.contains(r#""text": "hidden""#),
            "the attack is broken: {answers}"
        );
    }
    let mut penned = script.penned();
    for (index, line) in lines.iter().enumerate() {
        let answers = answers_to(&mut penned, line.as_bytes(), &format!("ping-{index}")).concat();
        assert!(answers.contains("-32600"), "{answers}");
    }
    assert!(!script.received().contains("hidden"));
}

/// Names are compared byte for byte, after JSON's own escapes.
#[test]
fn a_call_that_is_not_exactly_allowed_never_reaches_the_server() {
    let script = Script::recorder(&[]);
    let calls = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hidden","x":"decoy"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\u0068idden","x":"decoy"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"Allowed","x":"decoy"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"allowed ","x":"decoy"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"allowed\u0000","x":"decoy"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["allowed"],"x":"decoy"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":"decoy"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","x":"decoy"}"#,
    ];
    let without_id =
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"hidden","x":"decoy"}}"#;
    let unknown =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/Call","params":{"name":"allowed","x":"decoy"}}"#;

    let mut bare = script.bare();
    for line in [calls[0], without_id, unknown] {
        bare.send(line);
    }
    bare.request("ping", json!({}));
    assert_eq!(script.received_bare().matches("decoy").count(), 3);

    let mut penned = script.penned();
    for (index, line) in calls.iter().enumerate() {
        let answers = answers_to(&mut penned, line.as_bytes(), &format!("ping-{index}"));
        let answer: Value = serde_json::from_str(&answers.concat()).unwrap();
        assert_eq!(answer["error"]["code"], -32602, "{line}: {answer}");
        assert_eq!(answer["id"], 1, "{line}: {answer}");
    }
    let answers = answers_to(&mut penned, without_id.as_bytes(), "ping-a");
    assert_eq!(answers, Vec::<String>::new());
    let answers = answers_to(&mut penned, unknown.as_bytes(), "ping-b").concat();
    assert!(answers.contains("-32601"), "{answers}");
    assert!(
        !script.received().contains("decoy"),
        "{}",
        script.received()
    );

    // Control: the same tool, said in another way that means the same, is reached.
    let escaped = r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"\u0061llowed","x":"decoy"}}"#;
    let answers = answers_to(&mut penned, escaped.as_bytes(), "ping-c").concat();
    assert!(answers.contains("result"), "{answers}");
}
