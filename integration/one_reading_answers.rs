//! What the server sends reaches the client only if every parser reads it in the same way.

use serde_json::{Value, json};

use crate::support::{Client, Script};

/// Calls `tool` with the id 1, then pings; everything that came before the answer to the ping.
fn answers_to(client: &mut Client, tool: &str) -> Vec<String> {
    client.ask(1, "tools/call", json!({"name": tool, "arguments": {}}));
    client.ask(format!("ping-{tool}"), "ping", json!({}));
    let mut lines = client.lines_until(&format!("ping-{tool}"));
    lines.pop();
    lines
}

#[test]
fn an_answer_with_two_readings_is_replaced_by_an_error() {
    let script = Script::unruly();
    let (mut bare, mut penned) = (script.bare(), script.penned());
    for tool in ["bad_utf8", "duplicate_keys", "lone_surrogate", "too_deep"] {
        let answers = answers_to(&mut bare, tool).concat();
        let attack = if tool == "too_deep" {
            "[[[["
        } else {
            "smuggled"
        };
        assert!(answers.contains(attack), "the attack is broken: {answers}");

        let answers = answers_to(&mut penned, tool);
        let answer: Value = serde_json::from_str(&answers.concat()).unwrap();
        assert_eq!(answer["error"]["code"], -31002, "{tool}: {answer}");
        assert_eq!(answer["id"], 1, "{tool}: {answer}");
        assert!(!answers.concat().contains(attack), "{tool}: {answer}");
    }
    // A batch names no single request that it answers.
    assert!(answers_to(&mut bare, "batch").concat().contains("smuggled"));
    assert_eq!(answers_to(&mut penned, "batch"), Vec::<String>::new());
}

#[test]
fn nothing_that_ends_a_line_for_anybody_is_left_in_a_line() {
    let script = Script::unruly();
    let (mut bare, mut penned) = (script.bare(), script.penned());

    let answers = answers_to(&mut bare, "carriage_return").concat();
    assert!(answers.contains('\r'), "the attack is broken: {answers}");
    let answers = answers_to(&mut penned, "carriage_return");
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(!answers[0].contains('\r'), "{answers:?}");
}

#[test]
fn line_separators_in_text_are_escaped_and_mean_the_same() {
    let script = Script::unruly();
    let (mut bare, mut penned) = (script.bare(), script.penned());
    let separators = ['\u{2028}', '\u{2029}', '\u{85}'];
    let answers = answers_to(&mut bare, "line_separators").concat();
    assert!(
        answers.contains(separators),
        "the attack is broken: {answers}"
    );
    let plain: Value = serde_json::from_str(&answers).unwrap();

    let answers = answers_to(&mut penned, "line_separators").concat();
    assert!(!answers.contains(separators), "{answers}");
    let relayed: Value = serde_json::from_str(&answers).unwrap();
    assert_eq!(relayed, plain);
}

#[test]
fn numbers_and_the_order_of_keys_stay_as_they_were() {
    let script = Script::unruly();
    let mut penned = script.penned();
    let answers = answers_to(&mut penned, "numbers").concat();
    let content = r#""structuredContent":{"z":1.0,"a":1e400,"m":123456789012345678901234567890}"#;
    assert!(answers.contains(content), "{answers}");
}
