//! The terminal itself: taken, drawn on, read, and put back.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, Once, PoisonError};
use std::thread::{self, ThreadId};

use anyhow::Context as _;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::termios::{FlushArg, SetArg, Termios, cfmakeraw, tcflush, tcgetattr, tcsetattr};

use super::keys::{Key, next_key};
use super::text::cut;
use super::{Line, Size, Style};
use crate::sys::CaughtSignals;

/// The other screen, rows that don't wrap, no cursor (xterm's ctlseqs).
const ENTER: &str = "\x1b[?1049h\x1b[?7l\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[?7h\x1b[?1049l";
/// What follows an escape within so many milliseconds is one key with it.
const SEQUENCE: u16 = 60;
/// Where the terminal doesn't know.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};
/// Nothing is larger, whatever the terminal says.
const LARGEST: Size = Size {
    columns: 1000,
    rows: 500,
};

/// How to put back what is taken at present.
static TAKEN: Mutex<Option<Before>> = Mutex::new(None);

struct Before {
    terminal: File,
    modes: Termios,
    taken_by: ThreadId,
}

pub(super) struct Terminal {
    device: File,
    /// Read, and not yet a key.
    typed: Vec<u8>,
    has_colour: bool,
}

/// What happened.
pub(super) enum Event {
    Key(Key),
    Signal(Signal),
    Gone,
}

pub(super) fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

impl Terminal {
    /// The terminal of this process, wherever its standard streams go.
    pub(super) fn take(has_colour: bool) -> anyhow::Result<Self> {
        Self::of(
            open().context("there is no terminal to ask on")?,
            has_colour,
        )
    }

    fn of(device: File, has_colour: bool) -> anyhow::Result<Self> {
        let before = Before {
            modes: tcgetattr(&device)?,
            terminal: device.try_clone()?,
            taken_by: thread::current().id(),
        };
        put_back_at_panics();
        *lock() = Some(before);
        let mut terminal = Self {
            device,
            typed: Vec::new(),
            has_colour,
        };
        terminal.set()?;
        Ok(terminal)
    }

    /// Makes it ours. What was typed before anything was asked is thrown away.
    pub(super) fn set(&mut self) -> anyhow::Result<()> {
        let mut modes = tcgetattr(&self.device)?;
        cfmakeraw(&mut modes);
        tcsetattr(&self.device, SetArg::TCSAFLUSH, &modes)?;
        self.device.write_all(ENTER.as_bytes())?;
        Ok(())
    }

    pub(super) fn forget_typed(&mut self) -> anyhow::Result<()> {
        self.typed.clear();
        Ok(tcflush(&self.device, FlushArg::TCIFLUSH)?)
    }

    pub(super) fn size(&self) -> Size {
        let size = rustix::termios::tcgetwinsize(&self.device).ok();
        let known = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
        known.map_or(USUAL, |size| Size {
            columns: usize::from(size.ws_col).min(LARGEST.columns),
            rows: usize::from(size.ws_row).min(LARGEST.rows),
        })
    }

    /// In one write, so that nothing flickers.
    pub(super) fn draw(&mut self, lines: &[Line], size: Size) -> anyhow::Result<()> {
        let mut frame = String::from("\x1b[H");
        for (row, line) in lines.iter().take(size.rows).enumerate() {
            let (start, end) = self.style(line.style);
            // Each row at its place, whatever the one above did.
            let _ = write!(frame, "\x1b[{};1H{start}", row + 1);
            frame.push_str(&cut(&line.text, size.columns));
            let _ = write!(frame, "{end}\x1b[K");
        }
        if lines.len() < size.rows {
            let _ = write!(frame, "\x1b[{};1H\x1b[J", lines.len() + 1);
        }
        self.device.write_all(frame.as_bytes())?;
        Ok(())
    }

    fn style(&self, style: Style) -> (&'static str, &'static str) {
        match style {
            Style::Bold => ("\x1b[1m", "\x1b[0m"),
            Style::Reverse => ("\x1b[7m", "\x1b[0m"),
            Style::Old if self.has_colour => ("\x1b[31m", "\x1b[0m"),
            Style::New if self.has_colour => ("\x1b[32m", "\x1b[0m"),
            Style::Plain | Style::Old | Style::New => ("", ""),
        }
    }

    /// Waits for it.
    pub(super) fn next(&mut self, signals: &CaughtSignals) -> anyhow::Result<Event> {
        loop {
            if let Some(signal) = signals.next()? {
                return Ok(Event::Signal(signal));
            }
            if let Some(key) = next_key(&mut self.typed, false) {
                return Ok(Event::Key(key));
            }
            let timeout = match self.typed.is_empty() {
                true => PollTimeout::NONE,
                false => PollTimeout::from(SEQUENCE),
            };
            let mut waiting = [
                PollFd::new(self.device.as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut waiting, timeout) {
                Ok(0) => {
                    if let Some(key) = next_key(&mut self.typed, true) {
                        return Ok(Event::Key(key));
                    }
                }
                Ok(_) if waiting[0].any() == Some(true) => {
                    let mut bytes = [0; 256];
                    match self.device.read(&mut bytes) {
                        Ok(0) => return Ok(Event::Gone),
                        Ok(count) => self.typed.extend(&bytes[..count]),
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        // The other side was closed.
                        Err(error) if error.raw_os_error() == Some(Errno::EIO as i32) => {
                            return Ok(Event::Gone);
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        put_back();
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Before>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was typed and not read is no command for the shell.
fn put_back() {
    if let Some(mut before) = lock().take() {
        let _ = before.terminal.write_all(LEAVE.as_bytes());
        let _ = tcflush(&before.terminal, FlushArg::TCIFLUSH);
        // At once: whoever reads the terminal's other side may have stopped.
        let _ = tcsetattr(&before.terminal, SetArg::TCSANOW, &before.modes);
    }
}

/// First the terminal, then the panic's message: on the other screen nobody would read it.
fn put_back_at_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let here = thread::current().id();
            let is_ours = lock().as_ref().is_some_and(|one| one.taken_by == here);
            if is_ours {
                put_back();
            }
            told(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use nix::pty::openpty;
    use nix::sys::termios::LocalFlags;

    use super::*;

    #[test]
    fn a_panic_leaves_the_terminal_as_it_was() {
        let pair = openpty(None, None).unwrap();
        let device = File::from(pair.slave);
        let before = tcgetattr(&device).unwrap();
        let taken = catch_unwind(AssertUnwindSafe(|| {
            let mut terminal = Terminal::of(device.try_clone().unwrap(), false).unwrap();
            let size = terminal.size();
            let line = Line::new(Style::Bold, "asked");
            terminal.draw(&[line], size).unwrap();
            // The control: it was another one.
            let modes = tcgetattr(&device).unwrap();
            assert!(!modes.local_flags.contains(LocalFlags::ICANON));
            panic!("on purpose");
        }));
        let panic = taken.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
        assert_eq!(tcgetattr(&device).unwrap(), before);
        // The kernel hands over what was written bit by bit.
        let mut master = File::from(pair.master);
        let mut shown = String::new();
        while !shown.ends_with(LEAVE) {
            let mut bytes = [0; 1000];
            let mut ready = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
            let count = poll(&mut ready, PollTimeout::from(60_000_u16)).unwrap();
            assert_eq!(count, 1, "{shown:?}");
            let count = master.read(&mut bytes).unwrap();
            shown.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        assert!(shown.starts_with(ENTER), "{shown:?}");
        assert_eq!(shown.matches(LEAVE).count(), 1, "{shown:?}");
    }
}
