//! The list of tools at `add`: searched, marked, and what a hostile server makes of it.

use serde_json::{Value, json};

use super::{Menu, expect, names, tool};

#[test]
fn what_is_searched_for_and_marked_is_allowed_and_nothing_else() {
    let menu = Menu::usual();
    for (name, keys, chosen) in [
        ("searched", "WRITE \r", &["write_file"][..]),
        ("all", "*\r", &["fetch", "read_file", "write_file"]),
        ("read-only", "=\r", &["fetch", "read_file"]),
        ("one-by-one", " \u{1b}[B \r", &["fetch", "write_file"]),
        ("none", "\r\r", &[]),
    ] {
        let mut terminal = menu.add(name);
        let shown = terminal.screen.text();
        assert!(
            shown.contains("which of its 3 tools") && shown.contains("0 marked"),
            "{shown}"
        );
        terminal.press(keys);
        let ended = terminal.end();
        expect(&ended, 0, &format!("Locked `{name}`"));
        assert_eq!(menu.allowed(name), names(chosen), "{name}");
        assert!(menu.lock().contains(&format!("\"{name}\"")));
    }
    // The control: what was written is what is enforced.
    let mut client = menu.home.client("searched");
    client.initialize();
    assert_eq!(client.tools(), ["write_file"]);
    client.close();
}

#[test]
fn a_definition_is_shown_whole_and_claims_as_claims() {
    let menu = Menu::usual();
    let mut terminal = menu.add("files");
    let shown = terminal.screen.text();
    for words in [
        "> [ ] fetch       reads +net    Gets a page.",
        "  [ ] write_file  destroys      Writes a file.",
        "fetch: its server claims that it only reads and reaches out to other systems",
    ] {
        assert!(shown.contains(words), "{words}:\n{shown}");
    }
    terminal.press("?");
    let whole = terminal.wait_for("annotations.openWorldHint");
    assert!(whole.contains("inputSchema.type"), "{whole}");
    terminal.press("x");
    terminal.wait_for("Enter done");
    terminal.press("\u{1b}");
    expect(&terminal.end(), 2, "nothing was written");
    menu.expect_nothing_written();
}

#[test]
fn the_terminal_may_become_narrow_and_wide_again() {
    let menu = Menu::usual();
    let mut terminal = menu.add("files");
    terminal.press(" ");
    terminal.wait_for("1 marked");
    for (columns, rows) in [(40, 12), (20, 8), (200, 60)] {
        terminal.resize(columns, rows);
        terminal.wait_until("a frame of that size", |screen| {
            let is_at_tool = |row: &String| row.starts_with("> [ ] read_file");
            screen.rows.len() == usize::from(rows)
                && screen
                    .rows
                    .iter()
                    .all(|row| row.chars().count() <= usize::from(columns))
                && screen.rows.iter().any(is_at_tool)
        });
    }
    // Where nothing can be judged, nothing can be chosen.
    terminal.resize(12, 4);
    terminal.wait_for("Make this l");
    terminal.press("*\r");
    terminal.resize(80, 24);
    terminal.wait_for("1 marked");
    terminal.press("\r");
    expect(&terminal.end(), 0, "Locked `files`");
    assert_eq!(menu.allowed("files"), names(&["fetch"]));
}

/// Names and texts that try to command the terminal, to look like something else, or to be many.
fn hostile() -> Vec<Value> {
    let escapes = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\r\n\u{202e}txet\u{200b}\u{8}\u{1b}c";
    let mut tools = vec![
        tool(
            "echo",
            escapes,
            &json!({"title": escapes, "readOnlyHint": escapes}),
        ),
        tool("echo\u{200b}", "invisible", &json!({"readOnlyHint": true})),
        tool("\u{1b}[2Jecho", "a name that commands", &json!({})),
        tool(&"n".repeat(128), &"long ".repeat(20_000), &json!({})),
        tool(
            &format!("{}m", "n".repeat(127)),
            "nearly the same name",
            &json!({}),
        ),
        tool("combining", &"e\u{301}".repeat(5000), &json!({})),
        tool("wide", &"日本語".repeat(500), &json!({})),
        tool("> [x] echo", "a row of its own", &json!({})),
    ];
    let many = (0..5000).map(|n| tool(&format!("tool-{n:04}"), "One of many.", &json!({})));
    tools.extend(many);
    tools
}

#[test]
fn hostile_names_and_texts_do_no_harm() {
    let menu = Menu::new(&Value::Array(hostile()));
    let mut terminal = menu.add("hostile");
    // The terminal of the tests ends with an error at any sequence that is not ours.
    let shown = terminal.screen.text();
    assert!(shown.contains("which of its 5005 tools"), "{shown}");
    terminal.press("\u{1b}[F\u{1b}[H\u{1b}[6~\u{1b}[6~");
    terminal.press("\u{15}echo");
    let shown = terminal.wait_for("(1 found)");
    assert!(shown.contains("\\x1b[2J\\x1b]0;owned"), "{shown}");
    terminal.press("?");
    terminal.wait_for("echo, as its server defines it");
    terminal.press("q \u{15}nearly ");
    let shown = terminal.wait_for("2 marked");
    assert!(shown.contains(&"n".repeat(60)), "{shown}");
    terminal.press("\r");
    expect(&terminal.end(), 0, "Locked `hostile`");
    let nearly = format!("{}m", "n".repeat(127));
    assert_eq!(menu.allowed("hostile"), names(&["echo", &nearly]));
}

#[test]
fn nobody_is_asked_about_a_server_without_tools() {
    let menu = Menu::new(&json!([]));
    let command = menu.adding("empty", &[]);
    let terminal = crate::support::Terminal::start(&command, 80, 24, |_| {});
    let ended = terminal.end();
    expect(&ended, 0, "Locked `empty`");
    assert_eq!(menu.allowed("empty"), names(&[]));
}
