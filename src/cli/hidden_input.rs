//! A line from the terminal that the terminal doesn't show.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};

use anyhow::Context as _;
use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::screen::Interrupted;
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
    // Ctrl-C comes as a byte, not as a signal: that would end us with the terminal still hiding
    // what is typed (termios(3)).
    hidden
        .local_flags
        .remove(LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::ICANON | LocalFlags::ISIG);
    hidden.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    hidden.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    let shown = Shown {
        terminal: &read_side,
        before,
    };
    // What was typed before nobody asked is thrown away.
    tcsetattr(&read_side, SetArg::TCSAFLUSH, &hidden)?;
    terminal.write_all(question.as_bytes())?;
    let line = line(&read_side);
    drop(shown);
    terminal.write_all(b"\n")?;
    Ok(Secret::read_line_of(line?.as_slice())?)
}

/// What is typed until Enter or Ctrl-D, with what was erased taken out.
fn line(mut keys: impl Read) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    // Never grows: a copy would be left behind. Two more than a secret may have, so that one that is
    // too long is told from one that isn't.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 2));
    let mut key = Zeroizing::new([0]);
    while keys.read(&mut key[..])? == 1 {
        match key[0] {
            0x03 => return Err(Interrupted::Key.into()),
            b'\n' | b'\r' | 0x04 => break,
            0x08 | 0x7f => {
                // A character is its first byte and those that continue it.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            // Ctrl-U.
            0x15 => line.clear(),
            _ if line.len() == line.capacity() => {}
            byte => line.push(byte),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_is_left_of_the_keys() {
        for (keys, expected) in [
            ("tok\n", "tok"),
            ("tok\rmore", "tok"),
            ("tok\u{4}", "tok"),
            ("tok", "tok"),
            ("", ""),
            ("wrong\u{15}tok\n", "tok"),
            ("toö\u{7f}k\n", "tok"),
            ("\u{8}tokk\u{8}\n", "tok"),
        ] {
            let got = line(keys.as_bytes()).unwrap();
            assert_eq!(got.as_slice(), expected.as_bytes(), "{keys:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_no_secret() {
        let most = "k".repeat(MAX_SECRET_BYTES);
        let got = line(format!("{most}\n").as_bytes()).unwrap();
        assert!(Secret::read_line_of(got.as_slice()).is_ok());
        let got = line(format!("{most}kkkk\n").as_bytes()).unwrap();
        assert!(Secret::read_line_of(got.as_slice()).is_err());
    }

    #[test]
    fn control_c_ends_it() {
        let error = line(&b"tok\x03\n"[..]).unwrap_err();
        assert!(error.is::<Interrupted>(), "{error:?}");
    }
}
