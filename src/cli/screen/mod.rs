//! The whole terminal for one question: a model draws itself as lines and is told of keys, until it
//! has an answer. However that ends (a signal and a panic among it), the terminal is as before.
//!
//! What a model draws is made safe here once more, so no text of a server commands the terminal.

mod keys;
mod pager;
mod terminal;
mod text;

use nix::sys::signal::Signal;

use super::exit::Exit;
use super::signals;
use crate::config::Environment;
use crate::sys::CaughtSignals;
pub(super) use keys::Key;
pub(super) use pager::Pager;
use terminal::{Event, Terminal};
pub(super) use text::{cut, wrapped};

/// Below this nothing that a person could judge fits.
const SMALLEST: Size = Size {
    columns: 20,
    rows: 8,
};

/// What a person sees and answers.
pub(super) trait Model {
    type Answer;

    /// The screen's lines. Longer ones are cut, and what is below the last row is not seen.
    fn frame(&mut self, size: Size) -> Vec<Line>;

    fn press(&mut self, key: Key) -> Step<Self::Answer>;
}

/// What a key did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<T> {
    /// The screen is drawn anew.
    Stay,
    /// Something else is shown now: keys that were typed before that was to be seen are no answer.
    Turn,
    Done(T),
}

/// In character cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// A row of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub text: String,
    pub style: Style,
}

/// How a row looks. Nothing is said by that alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Bold,
    /// Where the keys act.
    Reverse,
    /// What went, and what came.
    Old,
    New,
}

impl Line {
    pub(super) fn new(style: Style, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }
}

/// Somebody wants the whole command to end: by the key, or by a signal.
#[derive(Debug, thiserror::Error)]
pub(super) enum Interrupted {
    #[error("stopped by Ctrl-C")]
    Key,
    #[error("stopped by {}", .0.as_str())]
    Signal(Signal),
    #[error("the terminal is gone")]
    Gone,
}

impl Interrupted {
    /// As of a program that the signal ended.
    pub(super) fn exit(&self) -> Exit {
        signals::code(match self {
            Self::Key => Signal::SIGINT as i32,
            Self::Signal(signal) => *signal as i32,
            Self::Gone => Signal::SIGHUP as i32,
        })
    }
}

/// Whether this process has a terminal that can be drawn on, as far as `TERM` says; otherwise
/// questions are lines.
pub(super) fn is_drawable(environment: &Environment) -> bool {
    let term = environment.get("TERM").and_then(|term| term.to_str());
    !matches!(term, None | Some("" | "dumb" | "unknown")) && terminal::open().is_ok()
}

/// Asks with the whole screen.
///
/// # Errors
/// [`Interrupted`], and what the terminal reports.
pub(super) fn ask<M: Model>(model: &mut M, environment: &Environment) -> anyhow::Result<M::Answer> {
    // An empty NO_COLOR doesn't count (no-color.org).
    let has_colour = environment
        .get("NO_COLOR")
        .is_none_or(std::ffi::OsStr::is_empty);
    let caught = CaughtSignals::catch(&[
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGWINCH,
        Signal::SIGCONT,
    ])?;
    let mut terminal = Terminal::take(has_colour)?;
    let mut fitted = true;
    loop {
        let size = terminal.size();
        let fits = size.columns >= SMALLEST.columns && size.rows >= SMALLEST.rows;
        if fits && !fitted {
            // It was typed while nothing was to be seen.
            terminal.forget_typed()?;
        }
        fitted = fits;
        let lines = match fits {
            true => model.frame(size),
            false => vec![
                Line::new(Style::Plain, "Make this larger,"),
                Line::new(Style::Plain, "or press Ctrl-C."),
            ],
        };
        terminal.draw(&lines, size)?;
        match terminal.next(&caught)? {
            Event::Key(Key::Control('c')) => return Err(Interrupted::Key.into()),
            // Nobody saw what it would be about.
            Event::Key(_) if !fits => {}
            Event::Key(key) => match model.press(key) {
                Step::Stay => {}
                Step::Turn => terminal.forget_typed()?,
                Step::Done(answer) => return Ok(answer),
            },
            Event::Signal(Signal::SIGWINCH) => {}
            // After a stop the shell has set the terminal as it likes it.
            Event::Signal(Signal::SIGCONT) => terminal.set()?,
            Event::Signal(signal) => return Err(Interrupted::Signal(signal).into()),
            Event::Gone => return Err(Interrupted::Gone.into()),
        }
    }
}
