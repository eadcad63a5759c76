//! Every hostile line of `tests/hostile_lines/`, through a real session in the state that it
//! needs, against the verdict that is written beside it.

use std::collections::BTreeSet;

use pinfold::relay::{CanonicalLine, Outcome, Session};

use crate::place::project;
use crate::relay_model::corpus::{Era, HostileLine, Verdict, read, written_out};
use crate::relay_model::{From, Rules, Sent, policy};

fn lines() -> Vec<HostileLine> {
    read(&project().join("tests/hostile_lines"))
}

fn say(session: &mut Session, sent: &Sent) -> Outcome {
    match sent.from {
        From::Client => session.from_client(&sent.line),
        From::Server => session.from_server(&sent.line),
    }
}

/// The error that a line of the relay is: its code, and its id as JSON.
fn error(line: &[u8]) -> Option<(i64, Option<String>)> {
    let line = CanonicalLine::read(line, 1 << 20).ok()?;
    let error = line.root().find("error")?.as_object()?;
    let code = error.find("code")?.as_integer()?;
    let id = line.root().find("id");
    let id = id.map(|id| String::from_utf8(id.raw().to_vec()).unwrap());
    Some((code, id))
}

/// What became of the line; `Err` when it is none of the verdicts.
fn verdict(outcome: &Outcome, from: From) -> Result<Verdict, String> {
    let (onwards, back) = match from {
        From::Client => (&outcome.to_server, &outcome.to_client),
        From::Server => (&outcome.to_client, &outcome.to_server),
    };
    match (onwards, back) {
        (None, None) => Ok(Verdict::Dropped),
        (None, Some(back)) => {
            let (code, id) = error(back).ok_or_else(|| shown(back))?;
            Ok(Verdict::Refused { code, id })
        }
        (Some(line), None) => Ok(Verdict::Forwarded(line.clone())),
        (Some(_), Some(_)) => Err("it was forwarded and answered".to_owned()),
    }
}

/// A line for a message: not all of a long one.
fn shown(line: &[u8]) -> String {
    let text = line.escape_ascii().to_string();
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{} … ({} bytes)", &text[..end], line.len()),
        None => text,
    }
}

fn describe(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Forwarded(line) => format!("forwarded as {}", shown(line)),
        other => format!("{other:?}"),
    }
}

/// What is wrong with the session's verdict about `line`, if anything.
fn deviation(line: &HostileLine, era: Era) -> Option<String> {
    let mut session = Session::new(policy(Rules::default()));
    for sent in line.before(era) {
        let _ = say(&mut session, &sent);
    }
    let outcome = say(&mut session, &line.sent);
    let found = match verdict(&outcome, line.sent.from) {
        Ok(found) => found,
        Err(text) => return Some(text),
    };
    let same = match (&line.verdict, &found) {
        (Verdict::Replaced { code, id }, Verdict::Forwarded(line)) => {
            error(line).as_ref() == Some(&(*code, id.clone()))
        }
        (expected, found) => expected == found,
    };
    (!same).then(|| describe(&found))
}

#[test]
fn every_hostile_line_gets_its_verdict() {
    let (mut ran, mut deviations) = (0, Vec::new());
    for line in lines() {
        for era in &line.eras {
            ran += 1;
            if let Some(found) = deviation(&line, *era) {
                deviations.push(format!(
                    "{} ({era:?}): {}\n  line:     {}\n  expected: {}\n  found:    {found}",
                    line.place,
                    line.tries,
                    shown(&line.sent.line),
                    describe(&line.verdict),
                ));
            }
        }
    }
    println!("{ran} hostile lines, {} deviations", deviations.len());
    assert!(
        deviations.is_empty(),
        "{} of {ran} lines:\n{}",
        deviations.len(),
        deviations.join("\n")
    );
    assert!(ran >= 240, "only {ran} lines ran");
}

/// The list is a list: nothing twice, both sides, every verdict.
#[test]
fn the_corpus_is_broad_and_says_nothing_twice() {
    let lines = lines();
    assert!(lines.len() >= 120, "only {} lines", lines.len());
    let mut seen = BTreeSet::new();
    for line in &lines {
        let state = line.before(line.eras[0]);
        let said = format!("{state:?}{:?}{:?}", line.sent, line.eras);
        assert!(seen.insert(said), "{} is there twice", line.place);
    }
    for (what, least, count) in [
        (
            "from the server",
            60,
            lines.iter().filter(|l| l.sent.from == From::Server).count(),
        ),
        (
            "forwarded",
            40,
            lines
                .iter()
                .filter(|l| matches!(l.verdict, Verdict::Forwarded(_)))
                .count(),
        ),
        (
            "refused",
            60,
            lines
                .iter()
                .filter(|l| matches!(l.verdict, Verdict::Refused { .. }))
                .count(),
        ),
        (
            "replaced",
            20,
            lines
                .iter()
                .filter(|l| matches!(l.verdict, Verdict::Replaced { .. }))
                .count(),
        ),
        (
            "dropped",
            20,
            lines
                .iter()
                .filter(|l| l.verdict == Verdict::Dropped)
                .count(),
        ),
    ] {
        assert!(count >= least, "only {count} {what}");
    }
}

/// A wrong verdict is seen, whichever way it is wrong.
#[test]
fn control_a_wrong_verdict_is_a_deviation() {
    let mut line = lines()
        .into_iter()
        .find(|line| line.verdict == Verdict::Dropped)
        .unwrap();
    let era = line.eras[0];
    assert_eq!(deviation(&line, era), None);
    for wrong in [
        Verdict::Forwarded(line.sent.line.clone()),
        Verdict::Refused {
            code: -32600,
            id: None,
        },
        Verdict::Replaced {
            code: -31002,
            id: None,
        },
    ] {
        line.verdict = wrong;
        assert!(deviation(&line, era).is_some());
    }
}

#[test]
fn the_notation_stands_for_bytes() {
    assert_eq!(written_out("a⟨0d 0a⟩b⟨ff⟩"), b"a\r\nb\xff");
    assert_eq!(written_out("⟨U+2028⟩"), "\u{2028}".as_bytes());
    assert_eq!(written_out("⟨3 × ⟨U+0041⟩b⟩c"), b"AbAbAbc");
}
