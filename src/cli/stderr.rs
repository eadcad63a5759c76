//! The log on standard error, written by a thread of its own.
//!
//! A client need not read it. What a server causes to be said must then keep nobody waiting: not its
//! network, not the relay, and not the end of its session.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::output;

/// So many lines may wait to be written; what comes while they do is lost.
const WAITING_LINES: usize = 256;
/// How long the end of the program waits for them where nobody reads.
const LAST_LINES: Duration = Duration::from_millis(200);
/// And where it is only the thread that had no turn yet.
const LAST_TURN: Duration = Duration::from_secs(5);

static LOG: OnceLock<Log> = OnceLock::new();

/// Where lines are put.
#[derive(Clone)]
pub(super) struct Log(SyncSender<Entry>);

enum Entry {
    Line(Vec<u8>),
    /// Answered when all before it was written.
    End(SyncSender<()>),
}

/// Starts the thread when first something is said; a second start in one process (a test) keeps the first one's.
pub(super) fn start() -> Log {
    LOG.get_or_init(|| {
        let (log, entries) = Log::new();
        // Without it each line is written by whoever says it.
        let _ = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&entries, io::stderr()));
        log
    })
    .clone()
}

/// Says something of a session with a server, which may be lost where nobody reads. What a session
/// says it says by these, and by nothing that waits: its client answers for reading.
pub(super) fn note(text: &str) {
    let _ = start().write_all(format!("{}\n", output::shown(text)).as_bytes());
}

/// Says what went wrong with a session.
pub(super) fn error(error: &anyhow::Error) {
    note(&format!("pinfold: {}", output::chain(error)));
}

/// Warns of something in a session.
pub(super) fn warning(text: &str) {
    note(&format!("pinfold: warning: {text}"));
}

/// Has a panic told in the same way: the one that the standard library has writes by itself, and
/// would wait.
pub(super) fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        note(&format!("pinfold: this is a bug of pinfold: {panic}"));
    }));
}

/// Waits until everything is written, or for a moment.
pub(super) fn finish() {
    if let Some(log) = LOG.get() {
        log.finish(&io::stderr());
    }
}

/// Whether something can be written without waiting.
fn is_read(to: impl AsFd) -> bool {
    let mut one = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
    poll(&mut one, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn write_all(entries: &Receiver<Entry>, mut to: impl Write) {
    for entry in entries {
        match entry {
            // There is nobody else to tell.
            Entry::Line(line) => drop(to.write_all(&line)),
            Entry::End(done) => drop(done.try_send(())),
        }
    }
}

impl Log {
    fn new() -> (Self, Receiver<Entry>) {
        let (sender, entries) = sync_channel(WAITING_LINES);
        (Self(sender), entries)
    }

    /// `to` is where the thread writes.
    fn finish(&self, to: &impl AsFd) {
        let (done, is_done) = sync_channel(1);
        // With so many lines waiting, nobody reads them.
        if self.0.try_send(Entry::End(done)).is_err() {
            return;
        }
        let begun = Instant::now();
        while is_done.recv_timeout(LAST_LINES) == Err(RecvTimeoutError::Timeout)
            && begun.elapsed() < LAST_TURN
            && is_read(to)
        {}
    }
}

impl Write for Log {
    /// Takes one whole line, as `tracing_subscriber` writes them, and never waits.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.0.try_send(Entry::Line(line.to_vec())) {
            Ok(()) | Err(TrySendError::Full(_)) => Ok(line.len()),
            Err(TrySendError::Disconnected(_)) => io::stderr().write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::Instant;

    use super::*;

    #[test]
    fn nobody_waits_for_one_who_does_not_read() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (mut log, entries) = Log::new();
        let to = writer.try_clone().unwrap();
        let thread = thread::spawn(move || write_all(&entries, writer));
        let begun = Instant::now();
        for _ in 0..100 * WAITING_LINES {
            log.write_all(&[b'x'; 1000]).unwrap();
        }
        log.finish(&to);
        drop(to);
        assert!(begun.elapsed() < Duration::from_secs(5));
        // The control: it was more than the pipe takes, so somebody waits.
        assert!(!thread.is_finished());
        drop(log);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read.len() >= 1000 * WAITING_LINES && read.len() < 50_000 * WAITING_LINES);
        thread.join().unwrap();
    }

    #[test]
    fn the_last_line_is_written() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (mut log, entries) = Log::new();
        let to = writer.try_clone().unwrap();
        log.write_all(b"first\n").unwrap();
        log.write_all(b"last\n").unwrap();
        // The thread has its first turn later than the end would wait for one who doesn't read.
        thread::spawn(move || {
            thread::sleep(2 * LAST_LINES);
            write_all(&entries, writer);
        });
        log.finish(&to);
        let mut read = [0; 11];
        assert_eq!(reader.read(&mut read).unwrap(), read.len());
        assert_eq!(&read, b"first\nlast\n");
    }
}
