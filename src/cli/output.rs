//! The only place that prints.
//!
//! Data goes to standard output, everything said about it to standard error.
//! What comes from a server or a registry is made safe for a terminal first.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressStyle};

use crate::lockfile::printable;

/// Longest line of an error, in characters.
const MAX_ERROR_LINE: usize = 4_000;

/// Why standard output took no more.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints a line of data.
pub(super) fn data(line: &str) {
    raw(format!("{line}\n").as_bytes());
}

/// Prints data that is not a line, such as a completion script.
pub(super) fn raw(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
        let _ = LOST.set(error);
    }
}

/// Whether nobody reads standard output any more, as after `| head`.
pub(super) fn is_closed() -> bool {
    LOST.get()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Why not all data came to where it was to go: a full disk, for example. A closed pipe is not an
/// error: the reader had enough.
pub(super) fn lost() -> Option<&'static io::Error> {
    LOST.get().filter(|_| !is_closed())
}

/// Says that not all data came to where it was to go.
pub(super) fn not_whole(error: &io::Error) {
    note(&format!(
        "pinfold: what was to be printed could not be written, and is not whole: {error}"
    ));
}

/// Says something about what is being done. Whatever it quotes, no control character reaches the
/// terminal but our own line breaks.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", shown(text));
}

/// Says what went wrong.
pub(super) fn error(error: &anyhow::Error) {
    note(&format!("pinfold: {}", chain(error)));
}

/// An error with all causes that add something, in one text; safe to show, because it may quote a
/// registry or a file.
pub(super) fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    written_out(text.trim_end(), MAX_ERROR_LINE)
}

/// Safe to show, whatever it quotes.
pub(super) fn shown(text: &str) -> String {
    written_out(text, usize::MAX)
}

/// Each line safe to show, and of at most `most` characters.
fn written_out(text: &str, most: usize) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| printable(line, most)).collect();
    lines.join("\n")
}

/// Warns.
pub(super) fn warning(text: &str) {
    note(&format!("pinfold: warning: {text}"));
}

/// Text of a server or registry, safe to show: no control characters, bounded.
pub(super) fn foreign(text: &str, most: usize) -> String {
    printable(text, most)
}

/// Whether a person is there to answer.
pub(super) fn interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether a person is there who also sees what is printed.
pub(super) fn at_a_terminal() -> bool {
    interactive() && io::stdout().is_terminal()
}

/// Asks on the terminal; `None` at the end of input.
pub(super) fn ask(question: &str) -> Option<String> {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{}", written_out(question, usize::MAX));
    let _ = stderr.flush();
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(1..) => Some(answer.trim().to_owned()),
        _ => None,
    }
}

/// Asks a question that only a plain yes says yes to.
pub(super) fn yes(question: &str) -> bool {
    ask(question).is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes"))
}

/// Bytes as a person reads them.
pub(super) fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// A spinner for work of unknown length; silent when standard error is no terminal.
pub(super) fn spinner(text: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    bar.set_message(text);
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}

/// A bar for `count` downloads; silent when standard error is no terminal.
pub(super) fn bar(count: u64, text: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}") {
        bar.set_style(style);
    }
    bar.set_message(text);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_line_breaks_of_our_own_stay() {
        let own = "\nkept: `ß 日本`\n  as it is →\n";
        assert_eq!(written_out(own, usize::MAX), own);
        assert_eq!(
            written_out("a\u{1b}[2J\rb\n\u{202e}c", usize::MAX),
            "a\\x1b[2J\\x0db\n\\u{202e}c"
        );
        assert_eq!(written_out("abc\ndef", 2), "ab…\nde…");
    }
}
