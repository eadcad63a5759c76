//! The group of one server, inside of its session's.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use super::contents::{Controller, Counts, Limits, settings};
use super::error::GroupError;
use super::group::Group;

/// The name of the group of a session that holds its server alone.
const NAME: &str = "server";

/// How long a group is waited for whose processes have all been killed. What is left after that goes
/// with the session's group.
const PATIENCE: Duration = Duration::from_millis(200);

/// A server's own group, with its limits. Dropping it kills whoever is in it and removes it.
#[derive(Debug)]
pub struct ServerGroup {
    group: Group,
    enforced: Vec<Controller>,
}

impl ServerGroup {
    /// Makes it in the group of a session, which holds no process itself and has passed its
    /// controllers on. Limits whose controller is not there are left out.
    ///
    /// # Errors
    /// When it can't be made, or a limit can't be set whose controller is there.
    pub fn make(session: &Path, limits: &Limits) -> Result<Self, GroupError> {
        let group = Group::make(session.join(NAME))?;
        // From here on it is removed again, also when a limit fails.
        let made = Self {
            enforced: group.controllers(),
            group,
        };
        made.group.apply(&settings(limits, &made.enforced))?;
        Ok(made)
    }

    /// The controllers that hold its limits.
    pub fn enforced(&self) -> &[Controller] {
        &self.enforced
    }

    /// See [`Group::entrance`].
    ///
    /// # Errors
    /// What open(2) reports.
    pub fn entrance(&self) -> Result<OwnedFd, GroupError> {
        self.group.entrance()
    }

    pub fn counts(&self) -> Counts {
        self.group.counts()
    }

    /// See [`Group::kill`].
    pub fn kill(&self) {
        self.group.kill();
    }

    pub fn path(&self) -> &Path {
        self.group.path()
    }
}

impl Drop for ServerGroup {
    fn drop(&mut self) {
        if let Err(error) = self.group.end(PATIENCE) {
            let path = self.group.path().display();
            tracing::debug!("the control group {path} is still there: {error}");
        }
    }
}
