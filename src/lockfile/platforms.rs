//! What a lock holds of a server for other platforms than the one in front. Pure.
//!
//! Source, version, behaviour and box are agreed once; which files there are, how they lie and
//! what runs them is a matter of the platform. One platform is in front, the one that was locked
//! first; each other one has a [`PlatformPart`]. Whoever works with one platform takes the server
//! [`on`](LockedServer::on) it, in which that platform is in front.

use std::collections::BTreeMap;

use super::types::{Artifact, Digest, Interpreter, Lock, LockedServer, RuntimePackage};

/// A server's bytes on one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformPart {
    pub interpreter: PartInterpreter,
    /// As that of the server.
    pub entry_point: String,
    /// Digest of the tree as it is laid out there.
    pub tree: Digest,
    /// All of them, in order of their path; the file has only what differs from the platform in
    /// front.
    pub artifacts: Vec<Artifact>,
}

/// What runs the entry point on a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few of them, and the large one is the usual one"
)]
pub enum PartInterpreter {
    /// As that of the server: `None` when the entry point is itself a binary.
    Recorded(Option<Interpreter>),
    /// A program of machines of which none has locked the server yet.
    Unknown,
}

/// What of a part differs from the platform in front, for the file.
pub(super) struct Difference<'a> {
    /// Paths of artifacts that are in front and not there.
    pub without: Vec<&'a str>,
    /// Artifacts that are there and not, or not so, in front.
    pub artifacts: Vec<&'a Artifact>,
}

impl PlatformPart {
    pub(super) fn difference<'a>(&'a self, front: &'a [Artifact]) -> Difference<'a> {
        let own = by_path(&self.artifacts);
        let front = by_path(front);
        Difference {
            without: front
                .keys()
                .filter(|path| !own.contains_key(*path))
                .copied()
                .collect(),
            artifacts: own
                .iter()
                .filter(|(path, artifact)| front.get(*path) != Some(artifact))
                .map(|(_, artifact)| *artifact)
                .collect(),
        }
    }

    /// What its interpreter comes from, when that is known and no program of a machine.
    pub fn runtime_package(&self) -> Option<&RuntimePackage> {
        match &self.interpreter {
            PartInterpreter::Recorded(interpreter) => interpreter.as_ref()?.package.as_ref(),
            PartInterpreter::Unknown => None,
        }
    }
}

/// The inverse of [`PlatformPart::difference`]; `None` when `without` names what is not in front,
/// or what is in `artifacts`.
pub(super) fn assembled(
    front: &[Artifact],
    without: &[String],
    artifacts: Vec<Artifact>,
) -> Option<Vec<Artifact>> {
    let mut all: BTreeMap<String, Artifact> = front
        .iter()
        .map(|artifact| (artifact.path.clone(), artifact.clone()))
        .collect();
    for path in without {
        all.remove(path)?;
    }
    for artifact in artifacts {
        if without.contains(&artifact.path) {
            return None;
        }
        all.insert(artifact.path.clone(), artifact);
    }
    Some(all.into_values().collect())
}

fn by_path(artifacts: &[Artifact]) -> BTreeMap<&str, &Artifact> {
    artifacts
        .iter()
        .map(|artifact| (artifact.path.as_str(), artifact))
        .collect()
}

impl LockedServer {
    /// Whether there is anything for `platform`.
    pub fn covers(&self, platform: &str) -> bool {
        self.platform == platform || self.platforms.contains_key(platform)
    }

    /// The same server with `platform` in front; `None` when it can't be run there by this lock,
    /// because there is no part for it or it isn't known what runs it.
    pub fn on(&self, platform: &str) -> Option<Self> {
        match self.platforms.get(platform) {
            Some(part) if part.interpreter == PartInterpreter::Unknown => None,
            _ => self.bytes_on(platform),
        }
    }

    /// As [`Self::on`], also where it isn't known what runs it: then it has no interpreter. For
    /// whoever is after the bytes; never to be written.
    pub fn bytes_on(&self, platform: &str) -> Option<Self> {
        if self.platform == platform {
            return Some(self.clone());
        }
        let mut server = self.clone();
        let part = server.platforms.remove(platform)?;
        let front = server.part();
        server.platforms.insert(self.platform.clone(), front);
        Some(Self {
            platform: platform.to_owned(),
            interpreter: match part.interpreter {
                PartInterpreter::Recorded(interpreter) => interpreter,
                PartInterpreter::Unknown => None,
            },
            entry_point: part.entry_point,
            tree: part.tree,
            artifacts: part.artifacts,
            ..server
        })
    }

    /// What there is for `platform`.
    pub fn part_of(&self, platform: &str) -> Option<PlatformPart> {
        match self.platform == platform {
            true => Some(self.part()),
            false => self.platforms.get(platform).cloned(),
        }
    }

    /// What is in front, as a part.
    pub fn part(&self) -> PlatformPart {
        PlatformPart {
            interpreter: PartInterpreter::Recorded(self.interpreter.clone()),
            entry_point: self.entry_point.clone(),
            tree: self.tree,
            artifacts: self.artifacts.clone(),
        }
    }

    /// The trees that it needs in the store on the platform in front: its own, and that of its
    /// interpreter.
    pub fn trees(&self) -> impl Iterator<Item = &Digest> {
        let runtime = self.runtime_package().map(|package| &package.tree);
        std::iter::once(&self.tree).chain(runtime)
    }

    /// Every file that was downloaded for it for the platform in front, its interpreter's too.
    pub fn own_artifacts(&self) -> impl Iterator<Item = &Artifact> {
        let runtime = self.runtime_package().map(|package| &package.artifacts);
        self.artifacts.iter().chain(runtime.into_iter().flatten())
    }

    /// The trees of all platforms.
    pub fn all_trees(&self) -> impl Iterator<Item = &Digest> {
        let parts = self.platforms.values().flat_map(|part| {
            let runtime = part.runtime_package().map(|package| &package.tree);
            std::iter::once(&part.tree).chain(runtime)
        });
        self.trees().chain(parts)
    }

    /// Every file for every platform; what several platforms share, once.
    pub fn all_artifacts(&self) -> impl Iterator<Item = &Artifact> {
        self.own_artifacts()
            .chain(self.other_artifacts().map(|(_, artifact)| artifact))
    }

    /// The artifacts of other platforms that the one in front doesn't have, each with the source
    /// that it belongs to.
    pub fn other_artifacts(&self) -> impl Iterator<Item = (&str, &Artifact)> {
        self.platforms.values().flat_map(|part| {
            let own = part.difference(&self.artifacts).artifacts.into_iter();
            let package = part.runtime_package();
            let runtime = package.map_or(&[][..], |package| &package.artifacts);
            let source = package.map_or("", |package| package.source.as_str());
            own.map(|artifact| (self.source.as_str(), artifact))
                .chain(runtime.iter().map(move |artifact| (source, artifact)))
        })
    }
}

impl Lock {
    /// The same lock with `platform` in front wherever it can be run there.
    pub fn on(mut self, platform: &str) -> Self {
        for server in self.servers.values_mut() {
            if let Some(seen) = server.on(platform) {
                *server = seen;
            }
        }
        self
    }

    /// The same lock with the platforms in front that `before` has there, so that a machine of
    /// another platform changes only what it has to say.
    pub fn in_order_of(mut self, before: &Self) -> Self {
        for (name, server) in &mut self.servers {
            let front = before.servers.get(name).map(|before| &before.platform);
            if let Some(ordered) = front.and_then(|platform| server.on(platform)) {
                *server = ordered;
            }
        }
        self
    }
}
