//! The question whether a server's code is what was locked: asked before the box is built, and
//! answered before anything of the server is executed.
//!
//! Looking up some thousand names is the longest part of a launch. So a look may begin in a thread
//! of its own while the rest is still being decided, as soon as it is known which trees are meant.
//! That look only reads and only recognises (`store::recognise`). Whatever it doesn't recognise is
//! looked at again, by the full check, when the answer is asked for.

use std::thread::{Builder, JoinHandle};

use tokio::sync::oneshot;

use super::LaunchError;
use crate::lockfile::{Digest, LockedServer, ServerName};
use crate::store::{Store, StoreError, TreeInUse, Verification};

/// The question whether a server's code, and that of an interpreter of its own, is what was locked.
#[must_use]
pub struct TreeCheck {
    store: Store,
    pub(super) name: ServerName,
    /// Its own, and that of its interpreter.
    trees: Vec<Digest>,
    early: Option<EarlyLook>,
}

/// A look that has begun.
struct EarlyLook {
    /// What was recognised, a place for each tree.
    thread: JoinHandle<Vec<Option<TreeInUse>>>,
    /// Closed at its end, however it ends.
    ended: oneshot::Receiver<()>,
}

impl TreeCheck {
    pub(super) fn new(store: &Store, name: &ServerName, locked: &LockedServer) -> Self {
        Self {
            store: store.clone(),
            name: name.clone(),
            trees: locked.trees().copied().collect(),
            early: None,
        }
    }

    /// Begins to look. For a launch that follows at once: the longer ago it was looked at, the more
    /// can have changed since.
    pub(super) fn begun(mut self) -> Self {
        let (store, trees) = (self.store.clone(), self.trees.clone());
        let (at_end, ended) = oneshot::channel();
        let look = move || {
            let _at_end = at_end;
            let recognised = |tree| store.recognise_tree(tree);
            trees.iter().map(recognised).collect()
        };
        // Without a thread all of it is left to the answer.
        self.early = Builder::new()
            .spawn(look)
            .map(|thread| EarlyLook { thread, ended })
            .ok();
        self
    }

    /// Answers it, and blocks nobody else meanwhile.
    pub(super) async fn answered(mut self) -> Result<Vec<TreeInUse>, LaunchError> {
        if let Some(early) = &mut self.early {
            // It says nothing and is closed.
            let _ = (&mut early.ended).await;
            let recognised = self.recognised();
            if let Some(in_use) = recognised.into_iter().collect() {
                return Ok(in_use);
            }
        }
        tokio::task::spawn_blocking(|| self.answer())
            .await
            .unwrap_or_else(|panicked| {
                Err(LaunchError::Io(std::io::Error::other(format!(
                    "the check of the code failed, which is a bug of pinfold: {panicked}"
                ))))
            })
    }

    /// Answers it.
    /// As long as the result lives nobody takes the trees away.
    pub(super) fn answer(mut self) -> Result<Vec<TreeInUse>, LaunchError> {
        self.recognised()
            .into_iter()
            .zip(&self.trees)
            .map(|(recognised, tree)| match recognised {
                Some(in_use) => Ok(in_use),
                None => self.check(tree),
            })
            .collect()
    }

    /// What the early look has recognised, a place for each tree. Waits for its end.
    fn recognised(&mut self) -> Vec<Option<TreeInUse>> {
        let early = self.early.take().and_then(|early| early.thread.join().ok());
        let mut recognised = early.unwrap_or_default();
        recognised.resize_with(self.trees.len(), || None);
        recognised
    }

    fn check(&self, tree: &Digest) -> Result<TreeInUse, LaunchError> {
        let checked = self.store.use_tree(tree).and_then(|used| {
            self.store.verify_tree(tree, Verification::Recorded)?;
            Ok(used)
        });
        checked.map_err(|source| match source {
            StoreError::MissingTree { .. } => LaunchError::NotFetched {
                name: self.name.clone(),
            },
            source => LaunchError::Tree {
                name: self.name.clone(),
                source,
            },
        })
    }
}
