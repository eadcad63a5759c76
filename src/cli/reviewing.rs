//! Reviewing on a screen: one change after another, each with a yes or a no, and what comes of it
//! at the end. Nothing is written before that. Pure.
//!
//! A yes counts only for what was in sight: a text whose end was not shown can't be accepted, and
//! keys that were typed before a change was shown are no answer to it.

use super::definitions::Change;
use super::screen::{Key, Line, Model, Pager, Size, Step, Style, wrapped};
use crate::lockfile::ServerName;

const KEYS: &str = "a accept  w withhold  s skip  b back  Space more  q quit, nothing is written";
const LAST_KEYS: &str = "Enter do this  b back  q quit, nothing is written";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Open,
    Accept,
    Withhold,
}

/// A review that goes on.
pub(super) struct Reviewing {
    server: ServerName,
    changes: Vec<Change>,
    decisions: Vec<Decision>,
    /// Which is shown; after the last comes what was decided.
    at: usize,
    pager: Pager,
    notice: Option<&'static str>,
}

impl Reviewing {
    pub(super) fn new(server: &ServerName, changes: Vec<Change>) -> Self {
        let mut reviewing = Self {
            server: server.clone(),
            decisions: vec![Decision::Open; changes.len()],
            changes,
            at: 0,
            pager: Pager::new(Vec::new()),
            notice: None,
        };
        reviewing.turn_to(0);
        reviewing
    }

    /// For the end: which stay withheld, and why.
    pub(super) fn undecided_and_withheld(&self, decisions: &[Decision]) -> Vec<String> {
        let with = |wanted: Decision, words: &str| -> Vec<String> {
            let decided = self.changes.iter().zip(decisions);
            decided
                .filter(|(_, decision)| **decision == wanted)
                .map(|(change, _)| format!("{words}: {}", change.subject))
                .collect()
        };
        let mut lines = with(Decision::Withhold, "withheld");
        lines.extend(with(Decision::Open, "not decided"));
        lines
    }

    fn turn_to(&mut self, at: usize) {
        self.at = at.min(self.changes.len());
        let lines = match self.changes.get(self.at) {
            Some(change) => change.lines.iter().map(|line| coloured(line)).collect(),
            None => self.decided(),
        };
        self.pager = Pager::new(lines);
    }

    fn decided(&self) -> Vec<Line> {
        let all = self.changes.iter().zip(&self.decisions);
        all.map(|(change, decision)| {
            let (style, word) = match decision {
                Decision::Accept => (Style::New, "accept   "),
                Decision::Withhold => (Style::Old, "withhold "),
                Decision::Open => (Style::Plain, "undecided"),
            };
            Line::new(style, format!("  {word}  {}", change.title))
        })
        .collect()
    }

    fn decide(&mut self, decision: Decision) -> Step<Option<Vec<Decision>>> {
        if decision == Decision::Accept && !self.pager.is_read() {
            self.notice = Some("There is more of it: Space shows it. Then accept or withhold.");
            return Step::Stay;
        }
        if let Some(present) = self.decisions.get_mut(self.at) {
            *present = decision;
        }
        self.turn_to(self.at + 1);
        Step::Turn
    }

    fn title(&self) -> [String; 2] {
        match self.changes.get(self.at) {
            Some(change) => [
                format!(
                    "Review of {}: change {} of {}",
                    self.server,
                    self.at + 1,
                    self.changes.len()
                ),
                change.title.clone(),
            ],
            None => {
                let accepted = self.decisions.iter();
                let count = accepted.filter(|one| **one == Decision::Accept).count();
                [
                    format!("Review of {}: what you decided", self.server),
                    match count {
                        0 => "Nothing is accepted: the lock stays as it is.".to_owned(),
                        count => format!(
                            "The lock will have {count} of {} as they are now; what is not accepted stays withheld.",
                            self.changes.len()
                        ),
                    },
                ]
            }
        }
    }

    fn foot(&self, columns: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut say = |style, text: &str| {
            let rows = wrapped(text, columns, 2).into_iter();
            lines.extend(rows.map(|row| Line::new(style, row)));
        };
        if let Some(change) = self.changes.get(self.at) {
            let decided = match self.decisions[self.at] {
                Decision::Open => "",
                Decision::Accept => " (You said: accept.)",
                Decision::Withhold => " (You said: withhold.)",
            };
            say(Style::Plain, &format!("{}{decided}", change.outcome));
        }
        let is_last = self.at == self.changes.len();
        say(Style::Bold, if is_last { LAST_KEYS } else { KEYS });
        if let Some(notice) = self.notice {
            say(Style::Reverse, notice);
        }
        lines
    }
}

impl Model for Reviewing {
    type Answer = Option<Vec<Decision>>;

    fn frame(&mut self, size: Size) -> Vec<Line> {
        let mut lines = Vec::new();
        for title in self.title() {
            let rows = wrapped(&title, size.columns, 2).into_iter();
            lines.extend(rows.map(|row| Line::new(Style::Bold, row)));
        }
        let mut foot = self.foot(size.columns);
        // The change itself has three rows at least, and one says how much there is.
        lines.truncate(size.rows.saturating_sub(6));
        let most = size.rows.saturating_sub(lines.len() + 4).max(1);
        // What is said last is about the last key.
        foot.drain(..foot.len().saturating_sub(most));
        let height = size.rows.saturating_sub(lines.len() + foot.len() + 1);
        lines.extend(self.pager.rows(size.columns, height));
        lines.resize(size.rows - foot.len() - 1, Line::new(Style::Plain, ""));
        lines.push(match self.pager.below() {
            0 => Line::new(Style::Plain, ""),
            below => Line::new(Style::Reverse, format!("{below} more rows below")),
        });
        lines.extend(foot);
        lines
    }

    fn press(&mut self, key: Key) -> Step<Self::Answer> {
        self.notice = None;
        let is_last = self.at == self.changes.len();
        match key {
            Key::Escape | Key::Character('q') => Step::Done(None),
            Key::Enter if is_last => Step::Done(Some(self.decisions.clone())),
            Key::Character('a') if !is_last => self.decide(Decision::Accept),
            Key::Character('w') if !is_last => self.decide(Decision::Withhold),
            Key::Character('s') | Key::Right if !is_last => {
                self.turn_to(self.at + 1);
                Step::Turn
            }
            Key::Character('b') | Key::Left => {
                self.turn_to(self.at.saturating_sub(1));
                Step::Turn
            }
            key => {
                self.pager.press(key);
                Step::Stay
            }
        }
    }
}

/// Lines of a difference begin with what they are; no text of a server begins a line.
fn coloured(line: &str) -> Line {
    let style = if line.starts_with("  - ") {
        Style::Old
    } else if line.starts_with("  + ") {
        Style::New
    } else {
        Style::Plain
    };
    Line::new(style, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        columns: 60,
        rows: 14,
    };

    fn change(name: &str, lines: usize) -> Change {
        Change {
            subject: format!("`{name}`"),
            title: format!("changed  {name}"),
            lines: (0..lines).map(|n| format!("  + {name} {n}")).collect(),
            outcome: "Accepting pins it.",
        }
    }

    fn reviewing(lengths: &[usize]) -> Reviewing {
        let server = "moody".parse().unwrap();
        let changes = lengths.iter().enumerate();
        let changes = changes.map(|(at, length)| change(&format!("t{at}"), *length));
        Reviewing::new(&server, changes.collect())
    }

    fn shown(reviewing: &mut Reviewing) -> String {
        let lines = reviewing.frame(SIZE);
        assert!(lines.len() <= SIZE.rows);
        let rows: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        rows.join("\n")
    }

    fn press(reviewing: &mut Reviewing, keys: &str) -> Option<Option<Vec<Decision>>> {
        for key in keys.chars() {
            shown(reviewing);
            let key = if key == '\n' {
                Key::Enter
            } else {
                Key::Character(key)
            };
            if let Step::Done(answer) = reviewing.press(key) {
                return Some(answer);
            }
        }
        None
    }

    #[test]
    fn each_change_has_its_answer_and_the_end_one_more() {
        use Decision::{Accept, Open, Withhold};
        let mut one = reviewing(&[1, 1, 1]);
        assert_eq!(press(&mut one, "aws"), None);
        let last = shown(&mut one);
        assert!(
            last.contains("1 of 3") && last.contains("accept     changed  t0"),
            "{last}"
        );
        assert_eq!(
            press(&mut one, "\n"),
            Some(Some(vec![Accept, Withhold, Open]))
        );
        assert_eq!(
            one.undecided_and_withheld(&[Accept, Withhold, Open]),
            ["withheld: `t1`", "not decided: `t2`"]
        );
        // Keys of the changes do nothing at the end, and going back changes a mind.
        let mut one = reviewing(&[1]);
        assert_eq!(press(&mut one, "aaaw"), None);
        assert_eq!(press(&mut one, "bw\n"), Some(Some(vec![Withhold])));
        assert_eq!(press(&mut reviewing(&[1, 1]), "aq"), Some(None));
    }

    #[test]
    fn what_was_not_shown_to_its_end_is_not_accepted() {
        let mut one = reviewing(&[40, 1]);
        assert_eq!(press(&mut one, "aaa"), None);
        assert!(shown(&mut one).contains("There is more of it"));
        assert!(shown(&mut one).contains("change 1 of 2"));
        // Saying no needs no reading.
        assert_eq!(press(&mut one, "wb"), None);
        let mut pages = 0;
        while press(&mut one, " ").is_none() && !one.pager.is_read() {
            pages += 1;
            assert!(pages < 50);
        }
        assert!(pages > 1);
        assert_eq!(
            press(&mut one, "aw\n"),
            Some(Some(vec![Decision::Accept, Decision::Withhold]))
        );
    }

    #[test]
    fn typed_ahead_is_no_answer() {
        let mut one = reviewing(&[1, 1]);
        shown(&mut one);
        for key in ['a', 's', 'b'] {
            assert_eq!(one.press(Key::Character(key)), Step::Turn);
        }
    }

    #[test]
    fn it_fits_on_the_smallest_screen() {
        let size = Size {
            columns: 20,
            rows: 8,
        };
        let mut one = reviewing(&[40]);
        one.changes[0].title = format!("changed  {}", "x".repeat(128));
        for _ in 0..3 {
            let lines = one.frame(size);
            assert_eq!(lines.len(), size.rows);
            assert!(
                lines.iter().any(|line| line.text.contains("+ t0")),
                "{lines:?}"
            );
            one.press(Key::Character('a'));
        }
        assert_eq!(one.decisions, [Decision::Open]);
    }
}
