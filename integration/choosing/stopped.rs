//! Whoever leaves, or is made to leave, finds the terminal as it was, and nothing was written.
//! (`Terminal::end` looks at the terminal.)

use nix::sys::signal::{Signal, kill};

use super::{Menu, expect, names};
use crate::support::Terminal;

#[test]
fn by_a_key() {
    let menu = Menu::usual();
    for (keys, code) in [
        ("\u{1b}", 2),
        ("*\u{1b}", 2),
        ("\u{3}", 130),
        ("*?\u{3}", 130),
    ] {
        let mut terminal = menu.add("files");
        terminal.press(keys);
        expect(&terminal.end(), code, "nothing was written");
        menu.expect_nothing_written();
    }
}

#[test]
fn by_a_signal() {
    let menu = Menu::usual();
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        let mut terminal = menu.add("files");
        terminal.press("*");
        terminal.wait_for("3 marked");
        kill(terminal.pid(), signal).unwrap();
        let ended = terminal.end();
        expect(&ended, 128 + signal as i32, signal.as_str());
        menu.expect_nothing_written();
    }
}

#[test]
fn control_a_terminal_that_nobody_puts_back_is_seen() {
    let menu = Menu::usual();
    let terminal = menu.add("files");
    kill(terminal.pid(), Signal::SIGKILL).unwrap();
    assert_eq!(terminal.end().code, Some(-9));
    menu.expect_nothing_written();
}

#[test]
fn by_a_stop_and_it_goes_on() {
    let menu = Menu::usual();
    let mut terminal = menu.add("files");
    terminal.press(" ");
    terminal.wait_for("1 marked");
    kill(terminal.pid(), Signal::SIGSTOP).unwrap();
    // As a shell does.
    terminal.put_back();
    let frames = terminal.screen.frames;
    kill(terminal.pid(), Signal::SIGCONT).unwrap();
    terminal.wait_until("it drawn again", |screen| screen.frames > frames);
    terminal.press("\u{1b}[B\r");
    expect(&terminal.end(), 0, "Locked `files`");
    assert_eq!(menu.allowed("files"), names(&["fetch"]));
}

#[test]
fn by_a_key_before_the_question_that_is_no_answer() {
    let menu = Menu::usual();
    let mut terminal = Terminal::start(&menu.adding("files", &[]), 80, 24, |_| {});
    // Typed while the server is still looked at.
    terminal.press("*\r");
    let shown = terminal.wait_for("Enter done");
    assert!(shown.contains("0 marked"), "{shown}");
    terminal.press("\u{1b}");
    expect(&terminal.end(), 2, "nothing was written");
}
