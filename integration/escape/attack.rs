//! What an attack is: data.

use crate::support::is_root;

/// One way of doing harm, tried without pinfold and in the box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// What it tries, in one line.
    pub(super) idea: &'static str,
    /// The body of a Python function. Its arguments are those of `World::arguments`.
    pub(super) code: &'static str,
    /// What it is after: seen without pinfold, never inside.
    pub(super) effect: Effect,
    pub(super) stopped: Stopped,
    pub(super) needs: Needs,
    /// An error that would otherwise mean that the attack is wrong.
    pub(super) other_refusal: Option<&'static str>,
    /// Seconds after which it is ended; `None` for one that runs in the server's first process,
    /// which may read more of /proc than its children.
    pub(super) patience: Option<u32>,
}

/// How it is seen that an attack did what it is after. `World` looks after each attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The secret of this name, which the attack wasn't told, is in its answer.
    Tells(&'static str),
    /// A file that isn't the server's has changed, appeared or gone.
    ChangesFiles,
    /// The victim was signalled, written into, connected to, slowed down …
    ReachesVictim,
    /// The client's log was shortened, forged or flooded.
    SpoilsLog,
    /// The attack has seen for itself that it worked, and returns true.
    Happens,
}

/// Which box stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    Always,
    /// Only a box with namespaces; THREAT_MODEL.md says so in these words.
    ByNamespaces(&'static str),
    /// By none; THREAT_MODEL.md says so in these words.
    Never(&'static str),
}

/// What the attack needs to work at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Root,
    /// Something that not every machine has; without it the attack is skipped.
    Machine(Lack),
    RootAnd(Lack),
}

/// Something that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lack {
    pub(super) what: &'static str,
    /// Python that fails or returns false without it.
    pub(super) probe: &'static str,
}

impl Attack {
    pub(super) const fn new(
        name: &'static str,
        idea: &'static str,
        effect: Effect,
        code: &'static str,
    ) -> Self {
        Self {
            name,
            idea,
            code,
            effect,
            stopped: Stopped::Always,
            needs: Needs::Nothing,
            other_refusal: None,
            patience: Some(10),
        }
    }

    pub(super) const fn stopped(mut self, stopped: Stopped) -> Self {
        self.stopped = stopped;
        self
    }

    pub(super) const fn root(mut self) -> Self {
        self.needs = match self.needs {
            Needs::Machine(lack) => Needs::RootAnd(lack),
            _ => Needs::Root,
        };
        self
    }

    /// On a machine that lacks this the attack is skipped.
    pub(super) const fn unless_lacking(mut self, lack: Lack) -> Self {
        self.needs = match self.needs {
            Needs::Root => Needs::RootAnd(lack),
            _ => Needs::Machine(lack),
        };
        self
    }

    pub(super) const fn patience(mut self, seconds: u32) -> Self {
        self.patience = Some(seconds);
        self
    }

    pub(super) const fn also_refused_by(mut self, errno: &'static str) -> Self {
        self.other_refusal = Some(errno);
        self
    }

    pub(super) const fn in_first_process(mut self) -> Self {
        self.patience = None;
        self
    }

    /// The words of THREAT_MODEL.md by which a box of this kind lets it through.
    pub(super) fn documented(&self, namespaces: bool) -> Option<&'static str> {
        match self.stopped {
            Stopped::Always => None,
            Stopped::ByNamespaces(words) => (!namespaces).then_some(words),
            Stopped::Never(words) => Some(words),
        }
    }

    pub(super) fn for_this_user(&self) -> bool {
        is_all_powerful() || !matches!(self.needs, Needs::Root | Needs::RootAnd(_))
    }

    /// What it can't work without.
    pub(super) fn excuse(&self) -> Option<Lack> {
        match self.needs {
            Needs::Machine(lack) | Needs::RootAnd(lack) => Some(lack),
            Needs::Nothing | Needs::Root => None,
        }
    }
}

/// Root of the machine, not of a container that was given less.
fn is_all_powerful() -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let capabilities = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or(0);
    let users = read("/proc/self/uid_map");
    let users: Vec<&str> = users.split_whitespace().collect();
    is_root() && capabilities >> CAP_SYS_ADMIN & 1 == 1 && users == ["0", "0", "4294967295"]
}
