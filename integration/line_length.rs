//! Lines up to 10 MiB pass in both directions, longer ones are refused with an error.

use serde_json::{Value, json};

use crate::support::{Client, Script};

const MEBIBYTE: usize = 1024 * 1024;
/// 9.9 and 10.1 MiB.
const PASSES: usize = 99 * MEBIBYTE / 10;
const TOO_LONG: usize = 101 * MEBIBYTE / 10;

fn answer_of_size(client: &mut Client, size: usize) -> String {
    client.ask(
        5,
        "tools/call",
        json!({"name": "answer_of_size", "arguments": {"size": size}}),
    );
    client.line().unwrap()
}

fn call_of_size(client: &mut Client, size: usize) -> Value {
    let head = r#"{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"allowed","arguments":{"x":""#;
    let tail = r#""}}}"#;
    let padding = "x".repeat(size - head.len() - tail.len());
    client.send(&format!("{head}{padding}{tail}"));
    client.next().unwrap()
}

#[test]
fn of_the_server() {
    let script = Script::unruly();
    // Control: the server does write lines of that length.
    assert_eq!(answer_of_size(&mut script.bare(), TOO_LONG).len(), TOO_LONG);

    let mut penned = script.penned();
    assert_eq!(answer_of_size(&mut penned, PASSES).len(), PASSES);
    // Exactly the limit, and one byte more.
    assert_eq!(
        answer_of_size(&mut penned, 10 * MEBIBYTE).len(),
        10 * MEBIBYTE
    );
    for size in [10 * MEBIBYTE + 1, TOO_LONG] {
        let answer: Value = serde_json::from_str(&answer_of_size(&mut penned, size)).unwrap();
        assert_eq!(answer["error"]["code"], -31002, "{answer}");
        assert_eq!(answer["id"], 5, "{answer}");
    }
    // The session goes on.
    assert_eq!(penned.request("ping", json!({}))["result"], json!({}));
}

#[test]
fn of_the_client() {
    let script = Script::recorder(&[]);
    // Control: the server does read lines of that length.
    let answer = call_of_size(&mut script.bare(), TOO_LONG);
    assert!(answer.get("result").is_some(), "{answer}");

    let mut penned = script.penned();
    let answer = call_of_size(&mut penned, PASSES);
    assert!(answer.get("result").is_some(), "{answer}");
    let before = script.received().len();
    let answer = call_of_size(&mut penned, TOO_LONG);
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    assert_eq!(script.received().len(), before);
    assert_eq!(penned.request("ping", json!({}))["result"], json!({}));
}
