//! What can go wrong while the box is built, one variant per step.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// The step that fails where the kernel grants no namespaces; the base tier does without.
pub const NAMESPACES: &str = "namespaces";

/// The step that puts the server into its control group, where it has one.
pub const CGROUP: &str = "cgroup";

/// A step of the stub that failed. Nothing of the server has run then.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the stub was called without its descriptors; it is not meant to be run by hand")]
    Arguments,
    #[error("could not adopt descriptor {number} from the parent")]
    Adopt { number: i32, source: io::Error },
    #[error("could not close the descriptors that were inherited")]
    CloseDescriptors(#[source] io::Error),
    #[error("could not write the sandbox spec into sealed memory (memfd_create(2))")]
    WriteSpec(#[source] io::Error),
    #[error("could not read the sandbox spec")]
    ReadSpec(#[source] io::Error),
    #[error("the sandbox spec is not sealed, so it could still be changed")]
    SpecNotSealed,
    #[error("the sandbox spec is not valid")]
    ParseSpec(#[source] serde_json::Error),
    #[error("could not become the one that inherits orphaned processes")]
    Subreaper(#[source] io::Error),
    #[error("could not watch for ended children")]
    WatchChildren(#[source] io::Error),
    #[error("could not signal through a process descriptor (pidfd_open(2), Linux 5.3)")]
    ProcessDescriptors(#[source] io::Error),
    #[error("could not enter the server's control group")]
    ControlGroup(#[source] io::Error),
    #[error("could not fork")]
    Fork(#[source] io::Error),
    #[error("the namespaces are not granted here: could not {what}")]
    Namespaces { what: String, source: io::Error },
    #[error("could not put {} into the server's own root", path.display())]
    OwnRoot { path: PathBuf, source: io::Error },
    #[error("was not told to go on")]
    Gate(#[source] io::Error),
    #[error("could not tie the server's life to its monitor")]
    ParentDeath(#[source] io::Error),
    #[error("could not start a session of its own")]
    NewSession(#[source] io::Error),
    #[error("could not protect the process against being inspected")]
    NotDumpable(#[source] io::Error),
    #[error("could not reset the signal dispositions")]
    Signals(#[source] io::Error),
    #[error("could not enter the working folder {}", path.display())]
    WorkingDirectory { path: PathBuf, source: io::Error },
    #[error("could not set the limit on {name}")]
    Limit {
        name: &'static str,
        source: io::Error,
    },
    #[error("could not drop the capabilities: {0}")]
    Capabilities(String),
    #[error("could not set no_new_privs")]
    NoNewPrivileges(#[source] io::Error),
    #[error("could not open {} for its Landlock rule", path.display())]
    LandlockPath { path: PathBuf, source: io::Error },
    #[error("Landlock refused: {0}")]
    Landlock(String),
    #[error("Landlock was only partly enforced")]
    LandlockPartial,
    #[error("could not build the system call filter: {0}")]
    FilterBuild(String),
    #[error("the kernel refused the system call filter: {0}")]
    FilterInstall(String),
    #[error("the self-check failed: {0}")]
    SelfCheck(String),
    #[error("could not tell the parent that the box stands")]
    Status(#[source] io::Error),
    #[error("a program, argument or variable holds a NUL byte")]
    NulByte,
    #[error("could not execute {}", path.display())]
    Execute { path: PathBuf, source: io::Error },
}

impl SandboxError {
    /// The step, as the parent reports it.
    pub fn step(&self) -> &'static str {
        match self {
            Self::Arguments | Self::Adopt { .. } => "arguments",
            Self::CloseDescriptors(_) => "descriptors",
            Self::WriteSpec(_) | Self::ReadSpec(_) | Self::SpecNotSealed | Self::ParseSpec(_) => {
                "spec"
            }
            Self::Subreaper(_)
            | Self::WatchChildren(_)
            | Self::ProcessDescriptors(_)
            | Self::Fork(_)
            | Self::Gate(_) => "monitor",
            // Says nothing of what the kernel grants, so it is no reason to do with less.
            Self::Namespaces { source, .. } if is_want_of_descriptors(source) => "descriptors",
            Self::Namespaces { .. } => NAMESPACES,
            Self::ControlGroup(_) => CGROUP,
            Self::OwnRoot { .. } => "own-root",
            Self::ParentDeath(_)
            | Self::NewSession(_)
            | Self::NotDumpable(_)
            | Self::Signals(_) => "session",
            Self::WorkingDirectory { .. } => "working-directory",
            Self::Limit { .. } => "resource-limits",
            Self::Capabilities(_) => "capabilities",
            Self::NoNewPrivileges(_) => "no-new-privileges",
            Self::LandlockPath { .. } | Self::Landlock(_) | Self::LandlockPartial => "landlock",
            Self::FilterBuild(_) | Self::FilterInstall(_) => "seccomp",
            Self::SelfCheck(_) => "self-check",
            Self::Status(_) | Self::NulByte | Self::Execute { .. } => "execute",
        }
    }
}

fn is_want_of_descriptors(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE))
}

/// The record that the stub writes to its status pipe when a step failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailure {
    pub step: String,
    /// The whole chain of causes, in one line.
    pub message: String,
}

impl From<&SandboxError> for StepFailure {
    fn from(error: &SandboxError) -> Self {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self {
            step: error.step().to_owned(),
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_kernel_does_not_grant_is_done_without() {
        let step = |errno: Errno| {
            let source = errno.into();
            let what = "mount /usr".to_owned();
            SandboxError::Namespaces { what, source }.step()
        };
        for errno in [Errno::EPERM, Errno::EACCES, Errno::ENOSPC, Errno::EINVAL] {
            assert_eq!(step(errno), NAMESPACES, "{errno}");
        }
        for errno in [Errno::EMFILE, Errno::ENFILE] {
            assert_ne!(step(errno), NAMESPACES, "{errno}");
        }
    }
}
