//! The server's stderr: always drained, so that the server never blocks on it; cleaned,
//! bounded, handed to a log, and its last lines kept for error messages.
//!
//! Where the log lies is the caller's business.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::Instant;

use super::redaction::Redaction;
use crate::lockfile::printable_bytes;

/// Longest line that is kept, in bytes as received.
const MAX_LINE: usize = 4 * 1024;
/// Most bytes that are kept in one [`WINDOW`]; what goes beyond is counted.
const MAX_PER_WINDOW: usize = 256 * 1024;
const WINDOW: Duration = Duration::from_secs(1);
/// Lines that are kept for error messages.
const TAIL_LINES: usize = 20;

/// Where cleaned lines go. An error ends its use, not the draining.
pub trait LineSink {
    /// Writes one line; `line` has no newline.
    fn write_line(&mut self, line: &str) -> io::Result<()>;
}

/// The last lines of a server's stderr. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct StderrTail(Arc<Mutex<VecDeque<String>>>);

/// What was done with a server's stderr, when it is closed.
#[derive(Debug)]
pub struct StderrReport {
    pub lines: u64,
    /// Lines left out because they came too fast.
    pub left_out: u64,
    /// Why the log was given up.
    pub sink_error: Option<io::Error>,
}

impl StderrTail {
    /// At most 20 lines, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }
}

/// Reads `source` to its end, without what `redaction` takes out of each line. A read error counts as the end.
pub async fn drain_stderr(
    mut source: impl AsyncRead + Unpin,
    sink: impl LineSink,
    tail: &StderrTail,
    redaction: &Redaction,
) -> StderrReport {
    let mut keeper = Keeper {
        redaction,
        sink: Some(sink),
        tail,
        line: Vec::new(),
        cut: 0,
        window_end: Instant::now() + WINDOW,
        window_bytes: 0,
        window_left_out: 0,
        report: StderrReport {
            lines: 0,
            left_out: 0,
            sink_error: None,
        },
    };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match source.read(&mut buffer).await {
            Ok(0) => break,
            Ok(read) => keeper.take_in(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    keeper.finish()
}

struct Keeper<'a, S> {
    redaction: &'a Redaction,
    /// `None` once it failed.
    sink: Option<S>,
    tail: &'a StderrTail,
    line: Vec<u8>,
    /// Bytes of the line under way that were not kept.
    cut: usize,
    window_end: Instant,
    window_bytes: usize,
    window_left_out: u64,
    report: StderrReport,
}

impl<S: LineSink> Keeper<'_, S> {
    fn take_in(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            self.extend_line(line);
            self.end_line();
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.extend_line(bytes);
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.line.len()).min(bytes.len());
        self.line
            .extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.cut += bytes.len() - room;
    }

    fn end_line(&mut self) {
        let now = Instant::now();
        if now >= self.window_end {
            self.end_window();
            self.window_end = now + WINDOW;
        }
        self.report.lines += 1;
        self.window_bytes += self.line.len() + 1;
        if self.window_bytes > MAX_PER_WINDOW {
            self.window_left_out += 1;
        } else {
            let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
            let clean = self.redaction.of_cut_bytes(line, self.cut > 0);
            let mut shown = printable_bytes(clean.as_deref().unwrap_or(line));
            if self.cut > 0 {
                shown.push_str(&format!("… ({} bytes more)", self.cut));
            }
            self.keep(&shown);
        }
        self.line.clear();
        self.cut = 0;
    }

    fn end_window(&mut self) {
        if self.window_left_out > 0 {
            let note = format!(
                "… {} lines left out: too many in a second",
                self.window_left_out
            );
            self.report.left_out += self.window_left_out;
            self.keep(&note);
        }
        self.window_bytes = 0;
        self.window_left_out = 0;
    }

    fn keep(&mut self, line: &str) {
        self.tail.push(line);
        if let Some(sink) = &mut self.sink
            && let Err(error) = sink.write_line(line)
        {
            self.sink = None;
            self.report.sink_error = Some(error);
        }
    }

    fn finish(mut self) -> StderrReport {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.end_window();
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Collected(Vec<String>);

    impl LineSink for &mut Collected {
        fn write_line(&mut self, line: &str) -> io::Result<()> {
            self.0.push(line.to_owned());
            Ok(())
        }
    }

    struct Broken;

    impl LineSink for Broken {
        fn write_line(&mut self, _: &str) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    async fn drain(text: &[u8]) -> (Vec<String>, StderrReport, StderrTail) {
        let mut collected = Collected::default();
        let tail = StderrTail::default();
        let report = drain_stderr(text, &mut collected, &tail, &Redaction::default()).await;
        (collected.0, report, tail)
    }

    #[tokio::test]
    async fn secrets_are_taken_out_also_where_a_line_is_cut() {
        let redaction = Redaction::new([("T".to_owned(), "s3cret-value".to_owned())]);
        let padding = "x".repeat(MAX_LINE - 6);
        let text = format!("a s3cret-value b\n{padding}s3cret-value\n");
        let mut collected = Collected::default();
        let tail = StderrTail::default();
        drain_stderr(text.as_bytes(), &mut collected, &tail, &redaction).await;
        let lines = tail.lines();
        assert_eq!(lines[0], "a [redacted: T] b");
        assert_eq!(lines[1], format!("{padding}[redacted: T]… (6 bytes more)"));
    }

    #[tokio::test]
    async fn lines_are_cleaned_and_kept() {
        let (lines, report, tail) =
            drain(b"started\r\n\n\x1b]0;title\x07a\tb \xff\xe2\x80\xae!\x9b\nlast").await;
        let expected = [
            "started",
            "",
            "\\x1b]0;title\\x07a\tb \\xff\\u{202e}!\\x9b",
            "last",
        ];
        assert_eq!(lines, expected);
        assert_eq!(tail.lines(), expected);
        assert_eq!((report.lines, report.left_out), (4, 0));
        assert!(report.sink_error.is_none());
    }

    #[tokio::test]
    async fn long_lines_are_cut() {
        let (lines, ..) = drain(&[vec![b'x'; 100_000], b"\nnext\n".to_vec()].concat()).await;
        assert_eq!(
            lines[0],
            format!(
                "{}… ({} bytes more)",
                "x".repeat(MAX_LINE),
                100_000 - MAX_LINE
            )
        );
        assert_eq!(lines[1], "next");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_counted_and_not_kept() {
        let (lines, report, tail) = drain(&b"flood\n".repeat(200_000)).await;
        let kept = MAX_PER_WINDOW / 6;
        assert_eq!(lines.len(), kept + 1);
        assert_eq!(report.lines, 200_000);
        assert_eq!(report.left_out, 200_000 - kept as u64);
        assert_eq!(
            lines[kept],
            format!("… {} lines left out: too many in a second", 200_000 - kept)
        );
        assert_eq!(tail.lines().len(), TAIL_LINES);
    }

    #[tokio::test]
    async fn a_broken_log_does_not_stop_the_draining() {
        let tail = StderrTail::default();
        let report = drain_stderr(&b"a\nb\nc\n"[..], Broken, &tail, &Redaction::default()).await;
        assert_eq!(report.lines, 3);
        assert_eq!(
            report.sink_error.unwrap().kind(),
            io::ErrorKind::StorageFull
        );
        assert_eq!(tail.lines(), ["a", "b", "c"]);
    }
}
