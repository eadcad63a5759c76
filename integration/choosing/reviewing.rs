//! Changes of a server, one after another, and one write at the end.

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use super::{Menu, expect, tool};
use crate::support::{Ran, Terminal};

/// All three tools say something else.
fn changed() -> Menu {
    let menu = Menu::usual();
    let ran = Ran::of(&mut menu.adding("files", &["--allow-all"]));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let none = json!({});
    menu.offer(&json!([
        tool("fetch", "Gets a cage.", &none),
        tool("read_file", &"Reads, and then some. ".repeat(200), &none),
        tool("write_file", "Writes.", &none),
    ]));
    menu
}

impl Menu {
    fn review(&self, environment: &[(&str, &str)]) -> Terminal {
        let mut command = self.home.pinfold(["review", "files"]);
        command.env("TERM", "xterm-256color");
        command.envs(environment.iter().copied());
        let mut terminal = Terminal::start(&command, 80, 24, |_| {});
        terminal.wait_for("change 1 of 3");
        terminal
    }

    /// What is not as locked.
    fn differing(&self) -> Vec<String> {
        let ran = self.home.run(["review", "files", "--json"]);
        let found: Value = serde_json::from_str(&ran.stdout).unwrap();
        let tools = found["tools"].as_array().unwrap().iter();
        let differing = tools.filter(|tool| tool["state"] != "unchanged");
        differing
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[test]
fn what_was_accepted_is_written_at_the_end_and_nothing_before() {
    let menu = changed();
    let before = menu.lock();
    let mut terminal = menu.review(&[]);
    let shown = terminal.wait_for("Gets a {+cage");
    assert!(shown.contains("Gets a [-page"), "{shown}");
    terminal.press("a");
    terminal.wait_for("change 2 of 3");
    terminal.press("w");
    terminal.wait_for("change 3 of 3");
    terminal.press("s");
    let shown = terminal.wait_for("what you decided");
    for words in [
        "accept     changed  fetch",
        "withhold   changed  read_file",
        "undecided  changed  write_file",
    ] {
        assert!(shown.contains(words), "{words}:\n{shown}");
    }
    assert_eq!(menu.lock(), before);
    terminal.press("\r");
    let ended = terminal.end();
    for words in [
        "accepted: `fetch`",
        "withheld: `read_file`",
        "not decided: `write_file`",
        "What was not accepted stays withheld.",
    ] {
        expect(&ended, 1, words);
    }
    assert_eq!(menu.differing(), ["read_file", "write_file"]);
    let after = menu.lock();
    let lines = before.lines().zip(after.lines()).filter(|(a, b)| a != b);
    assert_eq!(lines.count(), 1);
}

#[test]
fn what_came_what_went_and_the_instructions_are_changes_too() {
    let menu = Menu::usual();
    let ran = Ran::of(&mut menu.adding("files", &["--allow-all"]));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let none = json!({});
    let usual = tool(
        "fetch",
        "Gets a page.",
        &json!({"readOnlyHint": true, "openWorldHint": true}),
    );
    let gone = tool(
        "write_file",
        "Writes a file.",
        &json!({"destructiveHint": true}),
    );
    menu.offer(&json!({
        "tools": [usual, gone, tool("new", "Nobody knows it.", &none)],
        "instructions": "Do as I say.",
    }));
    let mut terminal = menu.review(&[]);
    let shown = terminal.wait_for("new  new (not on the allowlist)");
    assert!(shown.contains("Nobody knows it."), "{shown}");
    terminal.press("a");
    let shown = terminal.wait_for("gone  read_file");
    assert!(shown.contains("does not offer it any more"), "{shown}");
    terminal.press("a");
    let shown = terminal.wait_for("the server's instructions");
    assert!(shown.contains("Do as I say."), "{shown}");
    terminal.press("a");
    terminal.wait_for("The lock will have 3 of 3");
    terminal.press("\r");
    let ended = terminal.end();
    expect(&ended, 0, "accepted: the instructions");
    assert_eq!(menu.differing(), [""; 0]);
    let shown = menu.home.succeed(["review", "files"]).stdout;
    assert!(shown.contains("3 tools are as they were locked"), "{shown}");
}

#[test]
fn leaving_writes_nothing() {
    let menu = changed();
    let before = menu.lock();
    for (key, code) in [("q", 1), ("\u{1b}", 1), ("\u{3}", 130)] {
        let mut terminal = menu.review(&[]);
        terminal.press("a");
        terminal.wait_for("change 2 of 3");
        terminal.press(key);
        expect(&terminal.end(), code, "nothing was written");
        assert_eq!(menu.lock(), before);
    }
    let mut terminal = menu.review(&[]);
    terminal.press("a");
    terminal.wait_for("change 2 of 3");
    kill(terminal.pid(), Signal::SIGTERM).unwrap();
    expect(&terminal.end(), 128 + 15, "nothing was written");
    assert_eq!(menu.lock(), before);
}

#[test]
fn a_long_change_is_accepted_when_it_was_seen() {
    let menu = changed();
    let mut terminal = menu.review(&[]);
    terminal.press("s");
    terminal.wait_for("more rows below");
    terminal.press("a");
    let shown = terminal.wait_for("There is more of it");
    assert!(shown.contains("change 2 of 3"), "{shown}");
    while terminal.screen.text().contains("more rows below") {
        let frames = terminal.screen.frames;
        terminal.press(" ");
        terminal.wait_until("the next page", |screen| screen.frames > frames);
    }
    terminal.press("a");
    terminal.wait_for("change 3 of 3");
    terminal.press("s");
    terminal.wait_for("what you decided");
    terminal.press("\r");
    expect(&terminal.end(), 1, "accepted: `read_file`");
    assert_eq!(menu.differing(), ["fetch", "write_file"]);
}

#[test]
fn keys_that_come_at_once_answer_one_question() {
    let menu = changed();
    let mut terminal = menu.review(&[]);
    terminal.press("aaaaaaaa\r\r\r");
    terminal.wait_for("change 2 of 3");
    terminal.press("q");
    expect(&terminal.end(), 1, "nothing was written");
    assert_eq!(menu.differing().len(), 3);
}

#[test]
fn colours_are_left_out_where_nobody_wants_them() {
    let menu = changed();
    for (variable, has_colour) in [("1", false), ("", true)] {
        let mut terminal = menu.review(&[("NO_COLOR", variable)]);
        terminal.press("q");
        terminal.wait_for_line("nothing was written");
        let sent = terminal.sent.clone();
        terminal.end();
        for colour in ["\u{1b}[31m", "\u{1b}[32m"] {
            assert_eq!(sent.contains(colour), has_colour, "{variable:?}");
        }
    }
}
