//! A line from the terminal that the terminal doesn't show.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};

use anyhow::Context as _;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::secrets::{MAX_SECRET_BYTES, Secret};

/// Puts the terminal back as it was.
struct Shown<'a> {
    terminal: &'a File,
    before: Termios,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, SetArg::TCSADRAIN, &self.before);
    }
}

/// Asks on the terminal itself, wherever standard error goes.
pub(super) fn ask(question: &str) -> anyhow::Result<Secret> {
    let mut terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .context("there is no terminal to ask on; pass the value on standard input")?;
    let read_side = terminal.try_clone()?;
    let before = tcgetattr(&read_side)?;
    let mut hidden = before.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    // The line break is shown, so that the next line begins where it should (termios(3)).
    hidden.local_flags.insert(LocalFlags::ECHONL);
    let shown = Shown {
        terminal: &read_side,
        before,
    };
    // What was typed before nobody asked is thrown away.
    tcsetattr(&read_side, SetArg::TCSAFLUSH, &hidden)?;
    terminal.write_all(question.as_bytes())?;
    let mut line = Zeroizing::new(String::with_capacity(MAX_SECRET_BYTES + 2));
    // A canonical terminal hands over a line of at most 4096 bytes (termios(3)).
    BufReader::new(&read_side).read_line(&mut line)?;
    drop(shown);
    Ok(Secret::read_line_of(line.as_bytes())?)
}
