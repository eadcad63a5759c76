//! Without a terminal nobody is asked, and the options do the same; on one that can't be drawn on
//! the questions are lines.

use std::fs::File;
use std::process::Stdio;

use super::{Menu, expect, names};
use crate::support::{Ran, Terminal};

#[test]
fn where_a_stream_is_no_terminal_the_message_names_the_options() {
    let menu = Menu::usual();
    let file = || Stdio::from(File::create(menu.home.path().join("output")).unwrap());
    for stream in ["standard input", "standard output", "standard error"] {
        let terminal = Terminal::start(&menu.adding("files", &[]), 80, 24, |command| {
            // The terminal is there, but not for this stream.
            match stream {
                "standard input" => command.stdin(Stdio::null()),
                "standard output" => command.stdout(file()),
                _ => command.stderr(file()),
            };
        });
        let ended = terminal.end();
        assert_eq!(ended.code, Some(2), "{stream}: {}", ended.said);
        menu.expect_nothing_written();
    }
    let ran = Ran::of(&mut menu.adding("files", &[]));
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    for words in ["--allow TOOL", "--allow-all", "write_file", "no terminal"] {
        assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
    }
    menu.expect_nothing_written();
    for (name, options, chosen) in [
        ("one", &["--allow", "fetch"][..], &["fetch"][..]),
        (
            "all",
            &["--allow-all"],
            &["fetch", "read_file", "write_file"],
        ),
    ] {
        let ran = Ran::of(&mut menu.adding(name, options));
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert_eq!(menu.allowed(name), names(chosen));
    }
}

#[test]
fn on_a_plain_terminal_the_questions_are_lines() {
    let menu = Menu::usual();
    for term in ["dumb", ""] {
        let name = if term.is_empty() { "unset" } else { term };
        let mut command = menu.adding(name, &[]);
        command.env("TERM", term);
        let mut terminal = Terminal::start(&command, 40, 12, |_| {});
        terminal.wait_for_line("Which may the client use?");
        terminal.press("?write_file\n");
        terminal.wait_for_line("its server claims that it may destroy things");
        terminal.press("none-such\n");
        terminal.wait_for_line("There is no tool `none-such`.");
        terminal.press("fetch, read_file\n");
        expect(&terminal.end(), 0, &format!("Locked `{name}`"));
        assert_eq!(menu.allowed(name), names(&["fetch", "read_file"]));
    }
    let mut command = menu.adding("ended", &[]);
    command.env("TERM", "dumb");
    let mut terminal = Terminal::start(&command, 80, 24, |_| {});
    terminal.wait_for_line("Which may the client use?");
    terminal.press("\u{4}");
    expect(&terminal.end(), 2, "nothing was written");
}
