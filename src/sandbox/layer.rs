//! The layers of the box, by name. The names are part of the lock format.

use std::fmt;
use std::str::FromStr;

/// One kernel mechanism, or one step that takes something away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Every inherited descriptor but 0–2 closed.
    Descriptors,
    /// Own session, no controlling terminal, killed with its monitor.
    Session,
    /// User, pid, ipc, uts and cgroup namespaces: no process, message queue or host name of the
    /// machine can be seen.
    Namespaces,
    /// A network namespace without any interface; not with network.
    OwnNetwork,
    /// A mount namespace whose root holds only what was granted.
    OwnRoot,
    /// Resource limits (setrlimit(2)).
    ResourceLimits,
    /// Capabilities dropped from every set.
    Capabilities,
    /// no_new_privs (prctl(2)).
    NoNewPrivileges,
    /// Landlock: files, TCP ports, and from ABI 6 signals and abstract sockets.
    Landlock,
    /// The system call filter.
    Seccomp,
    /// Only named environment variables.
    Environment,
    /// The box was tried from inside before the server's first instruction.
    SelfCheck,
}

impl Layer {
    /// All layers, in the order in which the stub applies them.
    pub const ALL: [Self; 12] = [
        Self::Descriptors,
        Self::Session,
        Self::Namespaces,
        Self::OwnNetwork,
        Self::OwnRoot,
        Self::ResourceLimits,
        Self::Capabilities,
        Self::NoNewPrivileges,
        Self::Landlock,
        Self::Seccomp,
        Self::Environment,
        Self::SelfCheck,
    ];

    /// The layers of the base tier, which needs no namespaces.
    pub fn base() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|layer| !layer.is_namespace())
    }

    /// Whether it needs unprivileged user namespaces.
    pub const fn is_namespace(self) -> bool {
        matches!(self, Self::Namespaces | Self::OwnNetwork | Self::OwnRoot)
    }

    /// The name in the lock and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Session => "session",
            Self::Namespaces => "namespaces",
            Self::OwnNetwork => "own-network",
            Self::OwnRoot => "own-root",
            Self::ResourceLimits => "resource-limits",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Environment => "environment",
            Self::SelfCheck => "self-check",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layer {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|layer| layer.name() == name)
            .ok_or(())
    }
}
