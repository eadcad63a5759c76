//! A pseudo-terminal with a program on it, and what a person would see there.
//!
//! On its other screen only the sequences that pinfold draws with are known: whatever else reaches
//! the terminal, by a server's doing, is a failure.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use rustix::termios::{Winsize, tcsetwinsize};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Terminal {
    child: Child,
    /// The program's side, until it has ended.
    device: Option<OwnedFd>,
    /// As it was before the program.
    before: Termios,
    /// Whether it was so at the end.
    has_old_modes: bool,
    keyboard: File,
    bytes: Receiver<Vec<u8>>,
    /// The beginning of a character, of which the rest is on its way.
    half: Vec<u8>,
    /// Everything that was sent to the terminal.
    pub(crate) sent: String,
    /// How much of it is on the screen.
    drawn: usize,
    pub(crate) screen: Screen,
}

/// What is to be seen, and how the terminal was set.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    pub(crate) rows: Vec<String>,
    /// How many were drawn.
    pub(crate) frames: usize,
    /// More rows than these there are not.
    height: usize,
    row: usize,
    is_other: bool,
    hides_cursor: bool,
    keeps_rows: bool,
}

pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// What stands on the ordinary screen, without escapes.
    pub(crate) said: String,
}

impl Terminal {
    /// Starts `command` as the leader of a session on a terminal of this size; its streams are the
    /// terminal, but for those that `redirect` gives it.
    pub(crate) fn start(
        command: &Command,
        columns: u16,
        rows: u16,
        redirect: impl FnOnce(&mut Command),
    ) -> Self {
        let pair = openpty(None, None).unwrap();
        // Another test's programs would hold it.
        for end in [&pair.master, &pair.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let before = tcgetattr(&pair.slave).unwrap();
        // It takes the terminal for that of its session.
        let mut leader = Command::new("python3");
        leader.args(["-c", LEADER]).arg(command.get_program());
        leader.args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                leader.env(name, value);
            }
        }
        leader.current_dir(command.get_current_dir().unwrap());
        let stream = || Stdio::from(pair.slave.try_clone().unwrap());
        leader.stdin(stream()).stdout(stream()).stderr(stream());
        redirect(&mut leader);
        let terminal = File::from(pair.master);
        set_size(&terminal, columns, rows);
        let child = leader.spawn().unwrap();
        drop(leader);
        let (sender, bytes) = channel();
        let mut output = terminal.try_clone().unwrap();
        thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            device: Some(pair.slave),
            before,
            has_old_modes: false,
            keyboard: terminal,
            bytes,
            half: Vec::new(),
            sent: String::new(),
            drawn: 0,
            screen: Screen {
                height: rows.into(),
                ..Screen::default()
            },
        }
    }

    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Sets the modes as they were before the program.
    pub(crate) fn put_back(&mut self) {
        let device = self.device.as_ref().unwrap();
        tcsetattr(device, SetArg::TCSANOW, &self.before).unwrap();
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        set_size(&self.keyboard, columns, rows);
        self.screen.height = rows.into();
    }

    /// Until the screen shows `text`; what it shows then.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let shown = |terminal: &Self| terminal.screen.text().contains(text);
        self.wait(text, shown);
        self.screen.text()
    }

    pub(crate) fn wait_until(&mut self, what: &str, is_there: impl Fn(&Screen) -> bool) {
        self.wait(what, |terminal| is_there(&terminal.screen));
    }

    /// Until that was said, line by line.
    pub(crate) fn wait_for_line(&mut self, text: &str) {
        self.wait(text, |terminal| terminal.sent.contains(text));
    }

    fn wait(&mut self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_there(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self
                .bytes
                .recv_timeout(left.min(Duration::from_millis(200)))
            {
                Ok(bytes) => self.take(&bytes),
                Err(_) => {
                    let ended = self.child.try_wait().unwrap();
                    if ended.is_some() {
                        // Its last words may be on the way.
                        self.take_the_rest();
                        if is_there(self) {
                            return;
                        }
                    }
                    assert!(
                        ended.is_none() && Instant::now() < deadline,
                        "no {what:?} ({ended:?}) in\n{}\n{}",
                        self.screen.text(),
                        self.sent
                    );
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.half.extend(bytes);
        let whole = match std::str::from_utf8(&self.half) {
            Ok(text) => text.len(),
            Err(error) => {
                assert_eq!(error.error_len(), None, "no UTF-8: {:?}", self.half);
                error.valid_up_to()
            }
        };
        let rest = self.half.split_off(whole);
        self.sent.push_str(str::from_utf8(&self.half).unwrap());
        self.half = rest;
        while let Some(length) = self.screen.draw(&self.sent[self.drawn..]) {
            self.drawn += length;
        }
    }

    /// After its end: all that was written.
    fn take_the_rest(&mut self) {
        // Where nobody holds the device, its reader sees an end.
        if let Some(device) = self.device.take() {
            self.has_old_modes = tcgetattr(&device).unwrap() == self.before;
        }
        while let Ok(bytes) = self.bytes.recv_timeout(Duration::from_secs(5)) {
            self.take(&bytes);
        }
    }

    pub(crate) fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let code = loop {
            while let Ok(bytes) = self.bytes.recv_timeout(Duration::from_millis(50)) {
                self.take(&bytes);
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                use std::os::unix::process::ExitStatusExt as _;
                let killed = status.signal().map(|signal| -signal);
                break status.code().or(killed);
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                panic!("it goes on:\n{}\n{}", self.screen.text(), self.sent);
            }
        };
        self.take_the_rest();
        let is_restored = self.is_restored();
        assert!(
            is_restored || code == Some(-9),
            "{:?}\n{}",
            self.screen,
            self.sent
        );
        assert!(code != Some(-9) || !is_restored, "nothing puts it back");
        let said = strip(&self.sent);
        Ended { code, said }
    }

    /// The modes, the screen, the cursor, and what happens at the end of a row.
    fn is_restored(&self) -> bool {
        let Screen {
            is_other,
            hides_cursor,
            keeps_rows,
            ..
        } = self.screen;
        self.has_old_modes && !is_other && !hides_cursor && !keeps_rows
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LEADER: &str = "
import fcntl, os, signal, sys, termios
# Whoever runs the tests in the background has them ignored.
for one in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(one, signal.SIG_DFL)
os.setsid()
fcntl.ioctl(next(stream for stream in (0, 1, 2) if os.isatty(stream)), termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
";

fn set_size(terminal: &File, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

impl Screen {
    pub(crate) fn text(&self) -> String {
        self.rows.join("\n")
    }

    /// Takes the first piece of `sent` and says how long it was; `None` when it is not whole yet.
    fn draw(&mut self, sent: &str) -> Option<usize> {
        let first = sent.chars().next()?;
        if first != '\u{1b}' {
            let end = sent.find('\u{1b}').unwrap_or(sent.len());
            if self.is_other {
                self.write(&sent[..end]);
            }
            return Some(end);
        }
        let sequence = sent.strip_prefix("\u{1b}[");
        let Some(sequence) = sequence else {
            let is_half = sent.len() == 1;
            assert!(is_half || !self.is_other, "{sent:?}");
            return (!is_half).then_some(1);
        };
        let at = sequence.find(|c: char| ('\u{40}'..='\u{7e}').contains(&c))?;
        self.command(&sequence[..=at]);
        Some(2 + at + 1)
    }

    fn write(&mut self, text: &str) {
        assert!(
            !text.chars().any(pinfold::lockfile::is_hidden),
            "a control character in a row: {text:?}"
        );
        let row = self.row;
        self.rows
            .resize(self.rows.len().max(row + 1), String::new());
        self.rows[row].push_str(text);
    }

    fn command(&mut self, command: &str) {
        let switched = command.ends_with('h');
        match command {
            "?1049h" | "?1049l" => {
                self.is_other = switched;
                self.rows.clear();
            }
            "?25h" | "?25l" => self.hides_cursor = !switched,
            "?7h" | "?7l" => self.keeps_rows = !switched,
            // Progress bars, before anything is asked.
            _ if !self.is_other => {}
            "2J" => self.rows.clear(),
            "H" => {
                self.row = 0;
                self.frames += 1;
                self.rows.truncate(self.height);
            }
            // What was written took the place of what stood there.
            "K" | "0m" | "1m" | "7m" | "31m" | "32m" => {}
            "J" => self.rows.truncate(self.row),
            other => {
                let place = other
                    .strip_suffix(";1H")
                    .and_then(|row| row.parse::<usize>().ok());
                let row = place.unwrap_or_else(|| panic!("ESC [ {other} is not ours"));
                self.row = row - 1;
                if let Some(row) = self.rows.get_mut(row - 1) {
                    row.clear();
                }
            }
        }
    }
}

/// Without escapes and what was drawn on the other screen.
fn strip(sent: &str) -> String {
    let mut said = String::new();
    let mut rest = sent;
    while let Some((before, drawn)) = rest.split_once("\u{1b}[?1049h") {
        said.push_str(before);
        rest = drawn
            .split_once("\u{1b}[?1049l")
            .map_or("", |(_, after)| after);
    }
    said.push_str(rest);
    said.replace("\r\n", "\n")
}
