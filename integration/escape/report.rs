//! What came of a suite, and whether that is good enough.

use std::fmt;
use std::io::Write;

use super::attack::{Attack, Effect};
use super::subject::Outcome;
use super::world::Traces;
use crate::support::is_root;

/// How a box refuses. Any other error comes from an attack that is wrong.
const REFUSALS: &[&str] = &[
    // Landlock, capabilities, the system call filter.
    "EACCES",
    "EPERM",
    "ENOSYS",
    "EXDEV",
    // Namespaces: it isn't there at all.
    "ENOENT",
    "ESRCH",
    "EROFS",
    "ENETUNREACH",
    "ECONNREFUSED",
    "ENXIO",
    // It was closed before the server started.
    "EBADF",
    // Limits.
    "EAGAIN",
    "EFBIG",
    "EMFILE",
    "ENFILE",
    "ENOMEM",
    "ENOSPC",
    "EDQUOT",
    "ETOOMANYREFS",
    // A pipe can't be read at a place.
    "ESPIPE",
];

/// How the box kills: the filter for calls of other architectures, the limit of a file's size, and
/// the kernel when memory is used up.
const KILLS: &[&str] = &["SIGSYS", "SIGXFSZ", "SIGKILL", "SIGXCPU"];

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// It did what it is after, or something as bad.
    Succeeded(String),
    Stopped(String),
    /// Neither: it says nothing about the box.
    Broken(String),
}

/// Judges an attempt without pinfold: only what the attack is after counts.
pub(super) fn judge_bare(attack: &Attack, outcome: &Outcome, traces: &Traces) -> Verdict {
    let done = match attack.effect {
        Effect::Tells(secret) => traces.told.contains(&secret),
        Effect::ChangesFiles => !traces.files.is_empty(),
        Effect::ReachesVictim => !traces.victim.is_empty(),
        Effect::SpoilsLog => !traces.log.is_empty(),
        Effect::Happens => *outcome == Outcome::Returned(true.into()),
    };
    if done {
        Verdict::Succeeded(String::new())
    } else {
        Verdict::Broken(format!("{outcome:?} {traces:?}"))
    }
}

/// Judges an attempt in the box: any trace counts.
pub(super) fn judge_boxed(attack: &Attack, outcome: &Outcome, traces: &Traces) -> Verdict {
    let happened = attack.effect == Effect::Happens && *outcome == Outcome::Returned(true.into());
    if happened {
        return Verdict::Succeeded("it happened".to_owned());
    }
    let Traces {
        told,
        files,
        victim,
        log,
    } = traces;
    if !(told.is_empty() && files.is_empty() && victim.is_empty() && log.is_empty()) {
        return Verdict::Succeeded(format!("{traces:?}"));
    }
    match outcome {
        Outcome::Returned(value) => Verdict::Stopped(format!("no effect: {value}")),
        Outcome::Refused(errno)
            if REFUSALS.contains(&errno.as_str())
                || attack.other_refusal == Some(errno.as_str()) =>
        {
            Verdict::Stopped(errno.clone())
        }
        Outcome::Killed(signal) if KILLS.contains(&signal.as_str()) => {
            Verdict::Stopped(signal.clone())
        }
        Outcome::SessionEnded(reason) => Verdict::Stopped(format!("the session ended: {reason}")),
        other => Verdict::Broken(format!("{other:?}")),
    }
}

/// Of one suite in all the boxes.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) suite: &'static str,
    pub(super) boxes: Vec<&'static str>,
    /// Worked without pinfold.
    pub(super) live: usize,
    /// Attempts in a box that were stopped: (box, attack, how).
    pub(super) stopped: Vec<(&'static str, &'static str, String)>,
    /// Succeeded in a box of which THREAT_MODEL.md says so: (box, attack).
    pub(super) documented: Vec<(&'static str, &'static str)>,
    /// Was stopped although THREAT_MODEL.md says that it isn't: (box, attack).
    pub(super) better: Vec<(&'static str, &'static str)>,
    /// Impossible on this machine: (attack, what is missing).
    pub(super) skipped: Vec<(&'static str, &'static str)>,
    /// Not tried by an ordinary user.
    pub(super) needs_root: Vec<&'static str>,
    /// What makes the suite fail.
    pub(super) failures: Vec<String>,
}

impl Report {
    pub(super) fn new(suite: &'static str) -> Self {
        Self {
            suite,
            ..Self::default()
        }
    }

    /// `lack` is what the machine was found to lack. Returns whether it works without pinfold.
    pub(super) fn add_bare(
        &mut self,
        attack: &Attack,
        verdict: &Verdict,
        lack: Option<&'static str>,
    ) -> bool {
        match (verdict, lack) {
            (Verdict::Succeeded(_), _) => {
                self.live += 1;
                return true;
            }
            (_, Some(what)) => self.skipped.push((attack.name, what)),
            (Verdict::Stopped(why) | Verdict::Broken(why), None) => self.failures.push(format!(
                "{} is dead: without pinfold it doesn't work either: {why}\n    {}",
                attack.name, attack.idea
            )),
        }
        false
    }

    /// `lives` is whether it works without pinfold; one that doesn't must still not work in the box.
    /// `namespaces` is whether the box has them.
    pub(super) fn add_boxed(
        &mut self,
        attack: &Attack,
        lives: bool,
        tier: &'static str,
        namespaces: bool,
        verdict: Verdict,
    ) {
        let documented = attack.documented(namespaces);
        match verdict {
            Verdict::Stopped(_) | Verdict::Broken(_) if !lives => {}
            Verdict::Stopped(how) => {
                if documented.is_some() {
                    self.better.push((tier, attack.name));
                }
                self.stopped.push((tier, attack.name, how));
            }
            Verdict::Succeeded(_) if documented.is_some() => {
                self.documented.push((tier, attack.name));
            }
            Verdict::Succeeded(how) => self.failures.push(format!(
                "{} gets out of box `{tier}`: {how}\n    {}",
                attack.name, attack.idea
            )),
            Verdict::Broken(why) => self.failures.push(format!(
                "{} breaks in box `{tier}` instead of being stopped: {why}\n    {}",
                attack.name, attack.idea
            )),
        }
    }

    /// Past the test runner's capture; `.ci/run` counts these lines.
    pub(super) fn print(&self) {
        let _ = writeln!(std::io::stderr(), "{self}");
    }

    pub(super) fn is_good(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suite, live, .. } = self;
        let user = if is_root() { "root" } else { "user" };
        write!(
            f,
            "ESCAPE {suite} as {user}: {live} live, {} attempts stopped in: {}",
            self.stopped.len(),
            self.boxes.join(", ")
        )?;
        if !self.boxes.contains(&"full") {
            write!(
                f,
                "\nSKIPPED escape {suite} in the full tier: this machine refuses namespaces"
            )?;
        }
        let mut note = |what: &str, names: &[(&str, &str)]| {
            if names.is_empty() {
                return Ok(());
            }
            write!(f, "\nESCAPE {suite} as {user}: {} {what}:", names.len())?;
            names
                .iter()
                .try_for_each(|(tier, name)| write!(f, " {name} ({tier})"))
        };
        note("let through, as documented", &self.documented)?;
        note("stopped although documented as let through", &self.better)?;
        if !self.needs_root.is_empty() {
            let (count, names) = (self.needs_root.len(), self.needs_root.join(" "));
            write!(
                f,
                "\nSKIPPED escape {suite}: {count} attacks need root: {names}"
            )?;
        }
        for (name, what) in &self.skipped {
            write!(
                f,
                "\nSKIPPED escape {suite} {name}: this machine lacks {what}"
            )?;
        }
        if std::env::var_os("ESCAPE_VERBOSE").is_some() {
            for (tier, name, how) in &self.stopped {
                write!(f, "\n    {tier} {name}: {how}")?;
            }
        }
        for failure in &self.failures {
            write!(f, "\n  FAILED {failure}")?;
        }
        Ok(())
    }
}
