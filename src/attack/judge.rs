//! Two attempts → a verdict. Pure: whatever isn't plainly a refusal is not counted as one.

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::{Attack, Outcome};

/// How a box refuses. Any other error comes from an attack that is wrong.
const REFUSALS: &[Errno] = &[
    // Landlock, capabilities, the system call filter.
    Errno::EACCES,
    Errno::EPERM,
    Errno::ENOSYS,
    Errno::EXDEV,
    // Namespaces: it isn't there at all.
    Errno::ENOENT,
    Errno::ESRCH,
    Errno::EROFS,
    Errno::ENXIO,
    // It was closed before the server started.
    Errno::EBADF,
    // Limits.
    Errno::EFBIG,
    Errno::EMFILE,
    Errno::ENOMEM,
];

/// How the box kills: for calls of another architecture, and for a file that is too large.
const KILLS: &[Signal] = &[Signal::SIGSYS, Signal::SIGXFSZ];

/// Which box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// With namespaces and a root of its own.
    Full,
    /// Without.
    Base,
}

impl Tier {
    /// Both, the stronger first.
    pub const ALL: [Self; 2] = [Self::Full, Self::Base];

    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Base => "base",
        }
    }
}

/// What an attack says about a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The box stopped it, in this way.
    Held(String),
    /// It did in the box what it is after.
    GotThrough,
    /// It did, and THREAT_MODEL.md says so in these words.
    Documented(&'static str),
    /// It doesn't work without the box either, or can't be tried, so it says nothing.
    Dead(String),
    /// It worked without the box, and in the box it neither worked nor was refused.
    Unclear(String),
}

impl Verdict {
    /// The name in the report.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Held(_) => "held",
            Self::GotThrough => "GOT THROUGH",
            Self::Documented(_) => "documented",
            Self::Dead(_) => "dead here",
            Self::Unclear(_) => "UNCLEAR",
        }
    }

    /// Whether nothing is to be done about it.
    pub const fn is_good(&self) -> bool {
        !matches!(self, Self::GotThrough | Self::Unclear(_))
    }
}

/// Judges an attack by what came of it without the box and in it; `None` means that nothing is known.
pub fn judge(
    attack: &Attack,
    tier: Tier,
    landlock_abi: Option<u32>,
    outside: Option<&Outcome>,
    inside: Option<&Outcome>,
) -> Verdict {
    // Before anything else: what happens in the box has happened, dead or not.
    if inside == Some(&Outcome::Happened) {
        return match attack.documented(tier, landlock_abi) {
            Some(words) => Verdict::Documented(words),
            None => Verdict::GotThrough,
        };
    }
    match outside {
        Some(Outcome::Happened) => {}
        Some(other) => return Verdict::Dead(other.to_string()),
        None => return Verdict::Unclear("it was not tried without the box".to_owned()),
    }
    let Some(inside) = inside else {
        return Verdict::Unclear("it was not tried in the box".to_owned());
    };
    let text = inside.to_string();
    match inside {
        Outcome::NoEffect => Verdict::Held(text),
        Outcome::Refused(number) if REFUSALS.contains(&Errno::from_raw(*number)) => {
            Verdict::Held(text)
        }
        Outcome::Killed(number) if KILLS.iter().any(|signal| *signal as i32 == *number) => {
            Verdict::Held(text)
        }
        Outcome::Untried(_) => Verdict::Dead(text),
        _ => Verdict::Unclear(text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Group, all};
    use super::*;

    const PLAIN: Attack = Attack::new(
        Group::Fs,
        "plain",
        "Something that every box must stop.",
        |_| Ok(true),
    );
    const NEW: Option<u32> = Some(7);

    fn verdict(outside: &Outcome, inside: &Outcome) -> Verdict {
        judge(&PLAIN, Tier::Full, NEW, Some(outside), Some(inside))
    }

    #[test]
    fn only_a_plain_refusal_of_a_living_attack_is_held() {
        use Outcome::{Failed, Happened, Killed, NoEffect, Refused, TimedOut, Untried};
        let because = || "because".to_owned();
        for (outside, inside, wanted) in [
            (Happened, Refused(libc_number(Errno::EACCES)), "held"),
            (Happened, NoEffect, "held"),
            (Happened, Killed(Signal::SIGSYS as i32), "held"),
            (Happened, Happened, "GOT THROUGH"),
            (Happened, Refused(libc_number(Errno::EIO)), "UNCLEAR"),
            (Happened, Killed(Signal::SIGSEGV as i32), "UNCLEAR"),
            (Happened, TimedOut, "UNCLEAR"),
            (Happened, Failed(because()), "UNCLEAR"),
            (Happened, Untried(because()), "dead here"),
            (
                Refused(libc_number(Errno::EPERM)),
                Refused(libc_number(Errno::EPERM)),
                "dead here",
            ),
            (NoEffect, NoEffect, "dead here"),
            (Untried(because()), Untried(because()), "dead here"),
            (Failed(because()), Failed(because()), "dead here"),
            (TimedOut, NoEffect, "dead here"),
            // Dead outside and alive in the box: the box made it worse.
            (Refused(libc_number(Errno::EPERM)), Happened, "GOT THROUGH"),
        ] {
            let verdict = verdict(&outside, &inside);
            assert_eq!(verdict.name(), wanted, "{outside:?} {inside:?}");
            assert_eq!(
                verdict.is_good(),
                !["GOT THROUGH", "UNCLEAR"].contains(&wanted)
            );
        }
    }

    fn libc_number(errno: Errno) -> i32 {
        errno as i32
    }

    #[test]
    fn what_was_not_tried_is_not_held() {
        let happened = Outcome::Happened;
        for (outside, inside) in [(Some(&happened), None), (None, Some(&Outcome::NoEffect))] {
            let verdict = judge(&PLAIN, Tier::Base, NEW, outside, inside);
            assert_eq!(verdict.name(), "UNCLEAR");
        }
        let through = judge(&PLAIN, Tier::Base, NEW, None, Some(&happened));
        assert_eq!(through, Verdict::GotThrough);
    }

    #[test]
    fn a_limit_of_the_base_tier_is_none_of_the_full_tier() {
        let stat = all().find(|attack| attack.name == "size-by-stat").unwrap();
        let happened = Outcome::Happened;
        let of = |tier| judge(stat, tier, NEW, Some(&happened), Some(&happened));
        assert_eq!(of(Tier::Base).name(), "documented");
        assert_eq!(of(Tier::Full), Verdict::GotThrough);
        let stopped = judge(
            stat,
            Tier::Base,
            NEW,
            Some(&happened),
            Some(&Outcome::NoEffect),
        );
        assert_eq!(stopped.name(), "held");
    }
}
