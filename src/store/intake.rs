//! One archive or folder on its way into a tree.
//!
//! The single place where entries of untrusted origin become files: each is
//! judged by name, place and bounds, entered in the plan, and only then
//! written. Links wait until everything else is in place.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use sha2::Digest as _;

use super::archive::SinkError;
use super::bounds::Bounds;
use super::directory::{Beneath, EXECUTABLE, READ_ONLY};
use super::error::{Rule, StoreError};
use super::links::{self, Origin};
use super::names::{self, CaseFold};
use super::plan::Plan;
use super::record::Content;
use super::stamp::Stamp;
use crate::lockfile::Digest;

/// What has been unpacked so far, shared by all intakes of a tree.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) folder: PathBuf,
    pub(super) beneath: Beneath,
    pub(super) plan: Plan,
    pub(super) bytes: u64,
}

/// Takes in the entries of one artifact below `base`.
pub(super) struct Intake<'a> {
    into: &'a mut Unpacked,
    origin: &'a Path,
    base: String,
    bounds: &'a Bounds,
    /// Names seen in this artifact; `None` where names that differ in case are no trick.
    fold: Option<CaseFold>,
    entries: u64,
    bytes: u64,
    nodes_before: u64,
    links: Vec<(String, String)>,
}

impl<'a> Intake<'a> {
    pub(super) fn begin(
        into: &'a mut Unpacked,
        origin: &'a Path,
        at: &str,
        bounds: &'a Bounds,
        fold: Option<CaseFold>,
    ) -> Result<Self, StoreError> {
        let base = match at {
            "" => String::new(),
            at => {
                let refuse = |rule| StoreError::refused(origin, at.as_bytes(), rule);
                names::parse(at.as_bytes(), bounds).map_err(refuse)?.path
            }
        };
        let nodes_before = into.plan.len();
        let mut intake = Self {
            into,
            origin,
            base,
            bounds,
            fold,
            entries: 0,
            bytes: 0,
            nodes_before,
            links: Vec::new(),
        };
        intake.folder(at.as_bytes(), "")?;
        intake.entries = 0;
        Ok(intake)
    }

    /// Makes a folder, unless it is there. `written` is its name as the origin has it.
    pub(super) fn folder(&mut self, written: &[u8], path: &str) -> Result<(), StoreError> {
        self.admit(written, path)?;
        let full = names::join(&self.base, path);
        let missing = self.into.plan.place_folder(&full);
        self.create_folders(written, missing)
    }

    /// Writes a file from `content`, which must yield `size` bytes when that is given.
    pub(super) fn file(
        &mut self,
        written: &[u8],
        path: &str,
        executable: bool,
        size: Option<u64>,
        content: &mut dyn Read,
    ) -> Result<(), SinkError> {
        self.admit(written, path)?;
        // Judged before reading: a header that promises too much costs nothing.
        self.judge_bytes(written, size.unwrap_or(0))?;
        let full = names::join(&self.base, path);
        let missing = self.into.plan.make_room(&full);
        self.create_folders(written, missing)?;
        let file = self
            .into
            .beneath
            .create_file(&full)
            .map_err(|e| self.failed("create", e))?;
        let (found, sha256) = self.copy(written, &file, content)?;
        if size.is_some_and(|size| size != found) {
            return Err(SinkError::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        let stamp = nix::sys::stat::fchmod(&file, if executable { EXECUTABLE } else { READ_ONLY })
            .map_err(io::Error::from)
            .and_then(|()| Stamp::of(&file))
            .map_err(|e| self.failed("finish", e))?;
        let content = Content::File {
            executable,
            size: found,
            sha256,
        };
        self.into.plan.enter(full, content, stamp);
        Ok(())
    }

    /// Enters a link; it is judged and made by [`Intake::finish`].
    pub(super) fn link(
        &mut self,
        written: &[u8],
        path: &str,
        target: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.admit(written, path)?;
        let target = links::parse_target(target, self.bounds).map_err(self.refuse(written))?;
        let full = names::join(&self.base, path);
        let missing = self.into.plan.make_room(&full);
        self.create_folders(written, missing)?;
        let content = Content::Symlink {
            target: target.clone().into_bytes(),
        };
        self.into
            .plan
            .enter(full.clone(), content, Stamp::default());
        self.links.push((full, target));
        Ok(())
    }

    /// Judges all links, then makes them.
    pub(super) fn finish(self, origin: Origin) -> Result<(), StoreError> {
        for (path, target) in &self.links {
            links::judge(&self.into.plan, &self.base, path, target, origin)
                .map_err(self.refuse(path.as_bytes()))?;
        }
        for (path, target) in &self.links {
            self.into
                .beneath
                .create_link(path, target)
                .map_err(|e| self.failed("create", e))?;
        }
        Ok(())
    }

    pub(super) fn refuse(&self, written: &[u8]) -> impl Fn(Rule) -> StoreError {
        |rule| StoreError::refused(self.origin, written, rule)
    }

    fn admit(&mut self, written: &[u8], path: &str) -> Result<(), StoreError> {
        self.entries += 1;
        let judged = if self.entries > self.bounds.max_entries {
            Err(Rule::TooManyEntries(self.bounds.max_entries))
        } else {
            self.fold.as_mut().map_or(Ok(()), |fold| fold.admit(path))
        };
        judged.map_err(self.refuse(written))
    }

    fn judge_bytes(&self, written: &[u8], more: u64) -> Result<(), StoreError> {
        let refuse = self.refuse(written);
        if self.bytes.saturating_add(more) > self.bounds.max_bytes {
            return Err(refuse(Rule::TooManyBytes(self.bounds.max_bytes)));
        }
        if self.into.bytes.saturating_add(more) > self.bounds.max_tree_bytes {
            return Err(refuse(Rule::TooManyBytes(self.bounds.max_tree_bytes)));
        }
        Ok(())
    }

    /// Makes the folders that the plan found missing; folders that are only implied count too.
    fn create_folders(
        &self,
        written: &[u8],
        missing: Result<Vec<String>, Rule>,
    ) -> Result<(), StoreError> {
        let refuse = self.refuse(written);
        let missing = missing.map_err(&refuse)?;
        let nodes = self.into.plan.len() + 1;
        if nodes.saturating_sub(self.nodes_before) > self.bounds.max_entries.saturating_add(1) {
            return Err(refuse(Rule::TooManyEntries(self.bounds.max_entries)));
        }
        if nodes > self.bounds.max_tree_entries.saturating_add(1) {
            return Err(refuse(Rule::TooManyEntries(self.bounds.max_tree_entries)));
        }
        for folder in missing {
            self.into
                .beneath
                .create_folder(&folder)
                .map_err(|e| self.failed("create", e))?;
        }
        Ok(())
    }

    fn copy(
        &mut self,
        written: &[u8],
        mut file: &File,
        content: &mut dyn Read,
    ) -> Result<(u64, Digest), SinkError> {
        let mut hasher = sha2::Sha256::new();
        let mut buffer = [0; 1 << 16];
        let mut size = 0;
        loop {
            let n = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(SinkError::Read(e)),
            };
            self.judge_bytes(written, n as u64)?;
            self.bytes += n as u64;
            self.into.bytes += n as u64;
            size += n as u64;
            hasher.update(&buffer[..n]);
            file.write_all(&buffer[..n])
                .map_err(|e| self.failed("write", e))?;
        }
        Ok((size, Digest::from_bytes(hasher.finalize().into())))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> StoreError {
        StoreError::io(action, &self.into.folder, source)
    }
}
