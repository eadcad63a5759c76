//! From a launch that is in order to a running server: the box is built while the code is looked at,
//! and the server is executed when both are right.

use std::path::PathBuf;

use super::LaunchError;
use super::alarms::SessionAlarms;
use super::own_group;
use super::prepare::Launcher;
use super::secret_files::SecretFiles;
use super::spawn::{Running, Standing, spawn};
use crate::audit::Recorder;
use crate::config::Alarms;
use crate::lockfile::{Digest, LockedServer, ServerName};
use crate::observe::Observer;
use crate::policy::{EgressPolicy, syscall_rules};
use crate::relay::Redaction;
use crate::sandbox::{
    NAMESPACES, NamespaceSupport, Plan, Requirements, SandboxSpec, StepFailure, compile,
};
use crate::store::{Store, StoreError, TreeInUse, Verification};

/// A box that can be built, and what was asked of it.
#[must_use]
pub struct Launch {
    pub spec: SandboxSpec,
    pub plan: Plan,
    pub requirements: Requirements,
    /// What the server may reach; `None` is no network.
    pub egress: Option<EgressPolicy>,
    /// Where its connections are recorded.
    pub recorder: Option<Recorder>,
    /// Secrets that the server reads from files.
    pub(super) secret_files: Option<SecretFiles>,
    /// What is to be listened for.
    pub alarms: Alarms,
    /// The server's secrets, taken out of what is said of it.
    pub redaction: Redaction,
    /// Who watches what it does, if anybody is to.
    pub observer: Option<Observer>,
}

/// The question whether a server's code, and that of an interpreter of its own, is what was locked.
#[must_use]
pub struct TreeCheck {
    store: Store,
    name: ServerName,
    /// Its own, and that of its interpreter.
    trees: Vec<Digest>,
}

/// A server that runs, and what is in force around it.
pub struct Started {
    pub running: Running,
    pub plan: Plan,
}

impl TreeCheck {
    pub(super) fn new(store: &Store, name: &ServerName, locked: &LockedServer) -> Self {
        Self {
            store: store.clone(),
            name: name.clone(),
            trees: locked.trees().copied().collect(),
        }
    }

    /// Answers it. The walk over the tree is the longest part of a launch.
    /// As long as the result lives nobody takes the trees away.
    pub(super) fn answer(self) -> Result<Vec<TreeInUse>, LaunchError> {
        let mut in_use = Vec::with_capacity(self.trees.len());
        for tree in &self.trees {
            let checked = self.store.use_tree(tree).and_then(|used| {
                self.store.verify_tree(tree, Verification::Recorded)?;
                Ok(used)
            });
            match checked {
                Ok(used) => in_use.push(used),
                Err(StoreError::MissingTree { .. }) => {
                    return Err(LaunchError::NotFetched { name: self.name });
                }
                Err(source) => {
                    return Err(LaunchError::Tree {
                        name: self.name,
                        source,
                    });
                }
            }
        }
        Ok(in_use)
    }
}

impl Launcher<'_> {
    /// Starts a server whose code is checked first. Nothing of it is executed before the answer.
    ///
    /// # Errors
    /// When the code is not what was locked, or the box could not be built.
    pub async fn start(&self, launch: Launch, code: TreeCheck) -> Result<Started, LaunchError> {
        self.start_announced(launch, code, |_| Ok(())).await
    }

    /// As [`Self::start`]. `announce` is told what is in force once the box stands, the code is in
    /// order, and nothing of the server has been executed; nothing is if it says no.
    ///
    /// # Errors
    /// Also when `announce` says no.
    pub async fn start_announced(
        &self,
        launch: Launch,
        code: TreeCheck,
        announce: impl FnOnce(&Plan) -> Result<(), LaunchError>,
    ) -> Result<Started, LaunchError> {
        let check = tokio::task::spawn_blocking(|| code.answer());
        let (built, checked) = tokio::join!(self.build(launch), check);
        let checked = checked.unwrap_or_else(|panicked| {
            Err(LaunchError::Io(std::io::Error::other(format!(
                "the check of the code failed, which is a bug of pinfold: {panicked}"
            ))))
        });
        match (checked, built) {
            (Ok(in_use), Ok((standing, plan))) => {
                if let Err(error) = announce(&plan) {
                    standing.abandon().await?;
                    return Err(error);
                }
                Ok(Started {
                    running: Running {
                        trees: in_use,
                        ..standing.execute().await?
                    },
                    plan,
                })
            }
            (Err(error), Ok((standing, _))) => {
                standing.abandon().await?;
                Err(error)
            }
            (Err(error), Err(_)) | (Ok(_), Err(error)) => Err(error),
        }
    }

    /// Starts what was just put into the store, or a program of this machine.
    ///
    /// # Errors
    /// When the box could not be built.
    pub async fn start_unchecked(&self, launch: Launch) -> Result<Started, LaunchError> {
        let (standing, plan) = self.build(launch).await?;
        Ok(Started {
            running: standing.execute().await?,
            plan,
        })
    }

    /// Builds the box: in the full tier, or where that is refused and may be, in the base tier.
    async fn build(&self, launch: Launch) -> Result<(Standing, Plan), LaunchError> {
        let Launch {
            mut spec,
            plan,
            requirements,
            egress,
            recorder,
            secret_files,
            alarms,
            redaction,
            observer,
        } = launch;
        spec.observed = observer.is_some();
        let alarms = SessionAlarms::new(alarms).redacting(redaction.clone());
        let with_namespaces = spec.namespaces.is_some();
        let deliver = |spec: &mut SandboxSpec| match &secret_files {
            Some(files) => files.deliver(spec),
            None => Ok(None),
        };
        let held = deliver(&mut spec)?;
        let limits = spec.limits.clone();
        // One for each attempt: the first is gone with its processes.
        let group = || {
            let make = |session: &PathBuf| own_group::make(session, &limits);
            self.group.as_ref().map(make).transpose()
        };
        match spawn(&spec, group()?).await {
            Err(LaunchError::Sandbox(StepFailure { step, message }))
                if with_namespaces && step == NAMESPACES =>
            {
                self.learn_of_namespaces(NamespaceSupport::Refused(message));
                // Refuses when they are required.
                let plan = self.plan_for(&requirements)?;
                spec.namespaces = None;
                spec.own_sockets = false;
                spec.filters = compile(&syscall_rules(&spec.network, false, false)?)?;
                let held = deliver(&mut spec)?;
                let standing = spawn(&spec, group()?).await?;
                let standing = standing.holding(held).with_alarms(alarms);
                Ok((standing.observed_by(observer, &spec).await?, plan))
            }
            Err(error) => Err(error),
            Ok(standing) => {
                let mut standing = standing.with_alarms(alarms);
                if with_namespaces {
                    self.learn_of_namespaces(NamespaceSupport::Works);
                }
                if let Some(egress) = &egress {
                    let observer = observer.clone();
                    standing.serve_network(
                        egress,
                        self.environment,
                        recorder,
                        redaction,
                        observer,
                    )?;
                }
                let standing = standing.holding(held);
                Ok((standing.observed_by(observer, &spec).await?, plan))
            }
        }
    }
}
