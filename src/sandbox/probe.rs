//! What this kernel offers, found by asking it; `doctor` prints it and `plan` judges it.

use std::fs;

use crate::sys;

/// What is known of unprivileged namespaces. No setting of the machine tells for certain, so it is
/// known by doing: a launch tries, and falls back if it may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NamespaceSupport {
    /// Nothing has been tried yet.
    #[default]
    Untried,
    /// A box was built with them.
    Works,
    /// A box could not be built with them, for this reason.
    Refused(String),
}

/// The features that the layers need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// `uname -r`.
    pub kernel: String,
    /// Landlock ABI, `None` when it is not available.
    pub landlock_abi: Option<u32>,
    /// Landlock errata that are fixed, as a bit mask.
    pub landlock_errata: Option<u32>,
    /// Whether seccomp filters can be installed (`/proc/sys/kernel/seccomp/actions_avail`, Linux 4.14).
    pub seccomp: bool,
    /// What came of trying namespaces.
    pub namespaces: NamespaceSupport,
    /// Whether `/proc` is mounted: the monitor finds the processes to kill there.
    pub proc: bool,
}

impl Probe {
    /// Asks the running kernel. Costs a few system calls.
    pub fn current() -> Self {
        Self {
            kernel: nix::sys::utsname::uname()
                .map(|name| name.release().to_string_lossy().into_owned())
                .unwrap_or_default(),
            landlock_abi: sys::landlock_abi(),
            landlock_errata: sys::landlock_errata(),
            seccomp: seccomp_offers_errno(),
            namespaces: NamespaceSupport::Untried,
            proc: fs::metadata("/proc/self/status").is_ok(),
        }
    }
}

/// The file is absent where /proc/sys is masked, as in some containers; the status line of this very
/// process is there whenever the kernel was built with seccomp.
fn seccomp_offers_errno() -> bool {
    fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail")
        .map(|actions| actions.split_whitespace().any(|action| action == "errno"))
        .or_else(|_| {
            fs::read_to_string("/proc/self/status")
                .map(|status| status.lines().any(|line| line.starts_with("Seccomp:")))
        })
        .unwrap_or(false)
}
