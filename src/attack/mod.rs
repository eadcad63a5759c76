//! Attacks that are harmless where they succeed: `pinfold doctor --attack` tries each of them on this
//! machine without the box and then in it.
//!
//! An attack is data (`list/`): a name, an idea, and a function that tells whether it worked. This
//! very program, started with a hidden verb, tries them in turn ([`run`]) and says of each what
//! came of it. [`judge`] compares the two attempts: what doesn't work without the box says nothing
//! about it. The suite in `integration/escape/` goes further, because it may plant and break things.

mod judge;
mod list;
mod outcome;
mod runner;
mod targets;
mod tiny_program;

use std::io;

pub use judge::{Tier, Verdict, judge};
pub use list::all;
pub use outcome::{Attempt, Outcome};
pub use runner::run;
pub use targets::{Planted, Targets};

/// The hidden verb; `main` looks for it before anything else.
pub const VERB: &str = "__attack";

/// What an attack is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Fs,
    Process,
    Kernel,
    Network,
    Ipc,
    Env,
    Resources,
}

impl Group {
    /// All groups, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Fs,
        Self::Process,
        Self::Kernel,
        Self::Network,
        Self::Ipc,
        Self::Env,
        Self::Resources,
    ];

    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fs => "fs",
            Self::Process => "process",
            Self::Kernel => "kernel",
            Self::Network => "network",
            Self::Ipc => "ipc",
            Self::Env => "env",
            Self::Resources => "resources",
        }
    }
}

/// One way of doing harm.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    pub group: Group,
    pub name: &'static str,
    /// What it tries, in one sentence.
    pub idea: &'static str,
    limit: Limit,
    /// The server's first process may read more of /proc than its children, so some are tried there.
    in_first_process: bool,
    attempt: fn(&Targets) -> io::Result<bool>,
}

/// Where THREAT_MODEL.md says that an attack is not stopped, in these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Nowhere,
    BaseTier(&'static str),
    /// In the base tier on a kernel with a Landlock ABI below this one.
    LandlockBelow(u32, &'static str),
}

impl Attack {
    const fn new(
        group: Group,
        name: &'static str,
        idea: &'static str,
        attempt: fn(&Targets) -> io::Result<bool>,
    ) -> Self {
        Self {
            group,
            name,
            idea,
            limit: Limit::Nowhere,
            in_first_process: false,
            attempt,
        }
    }

    const fn in_base_tier(mut self, words: &'static str) -> Self {
        self.limit = Limit::BaseTier(words);
        self
    }

    const fn below_landlock(mut self, abi: u32, words: &'static str) -> Self {
        self.limit = Limit::LandlockBelow(abi, words);
        self
    }

    const fn in_first_process(mut self) -> Self {
        self.in_first_process = true;
        self
    }

    /// The words of THREAT_MODEL.md by which a box of this kind lets it through.
    pub fn documented(&self, tier: Tier, landlock_abi: Option<u32>) -> Option<&'static str> {
        match (self.limit, tier) {
            (Limit::BaseTier(words), Tier::Base) => Some(words),
            (Limit::LandlockBelow(abi, words), Tier::Base) if landlock_abi < Some(abi) => {
                Some(words)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_ideas_are_sentences() {
        let mut names = HashSet::new();
        for Attack { name, idea, .. } in all() {
            assert!(names.insert(name), "{name} twice");
            assert!(
                idea.ends_with('.') && idea.len() >= 10 && !idea.contains('\n'),
                "{name}: {idea}"
            );
        }
        assert!(names.len() >= 80, "{}", names.len());
    }

    #[test]
    fn what_is_let_through_is_in_the_threat_model() {
        let page = include_str!("../../THREAT_MODEL.md");
        for attack in all() {
            if let Limit::BaseTier(words) | Limit::LandlockBelow(_, words) = attack.limit {
                assert!(page.contains(words), "{}: {words}", attack.name);
            }
        }
    }

    #[test]
    fn the_full_tier_has_no_limits_and_an_old_landlock_has_more() {
        for attack in all() {
            assert_eq!(attack.documented(Tier::Full, None), None);
        }
        let signal = all().find(|attack| attack.name == "signal").unwrap();
        assert!(signal.documented(Tier::Base, Some(5)).is_some());
        assert!(signal.documented(Tier::Base, None).is_some());
        assert_eq!(signal.documented(Tier::Base, Some(6)), None);
    }
}
