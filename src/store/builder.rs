//! Building a tree: from artifacts to a read-only folder that is named by its digest.
//!
//! The steps and their order. What may be in a tree is judged in `intake`,
//! `names` and `links`; how it is digested is in `record`.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::sys::stat::fchmod;

use super::archive::{self, ArchiveEntry, EntryKind, SinkError};
use super::bounds::Bounds;
use super::copy;
use super::directory::{self, Beneath, READ_ONLY_FOLDER};
use super::error::{Rule, StoreError};
use super::intake::{Intake, Unpacked};
use super::layout::sync_folder_of;
use super::links::Origin;
use super::names::{self, CaseFold};
use super::plan::Plan;
use super::record;
use super::staging::Staging;
use super::workshop::Workshop;
use super::zip::{self, Links, ZipEntry};
use crate::lockfile::Digest;

/// A tree in the making. Dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub struct TreeBuilder {
    staging: Staging,
    unpacked: Unpacked,
    /// Set while a step runs and for good when one fails: half an artifact is never stored.
    incomplete: bool,
}

impl TreeBuilder {
    pub(super) fn create(staging: Staging) -> Result<Self, StoreError> {
        let folder = staging.new_path("tree");
        let failed = |e| StoreError::io("create", &folder, e);
        std::fs::create_dir(&folder).map_err(failed)?;
        let beneath = Beneath::open(&folder).map_err(failed)?;
        fchmod(beneath.root(), directory::PRIVATE_FOLDER).map_err(|e| failed(e.into()))?;
        let unpacked = Unpacked {
            folder,
            beneath,
            plan: Plan::default(),
            bytes: 0,
        };
        Ok(Self {
            staging,
            unpacked,
            incomplete: false,
        })
    }

    /// Unpacks an npm tarball below `at`, a path in the tree; `""` is its root.
    ///
    /// The first component of every name in the archive (`package/`, mostly) is
    /// left out. The archive should have been verified: it is only opened here.
    ///
    /// # Errors
    /// [`StoreError::Refused`] names the entry and the [`Rule`] it broke. After an
    /// error the tree can't be finished.
    pub fn unpack_tar_gz(
        &mut self,
        archive: &Path,
        at: &str,
        bounds: &Bounds,
    ) -> Result<(), StoreError> {
        self.take_tar_gz(archive, at, bounds, false)
    }

    /// As [`Self::unpack_tar_gz`], for archives of any kind: no component is left out.
    pub fn unpack_whole_tar_gz(
        &mut self,
        archive: &Path,
        at: &str,
        bounds: &Bounds,
    ) -> Result<(), StoreError> {
        self.take_tar_gz(archive, at, bounds, true)
    }

    fn take_tar_gz(
        &mut self,
        archive: &Path,
        at: &str,
        bounds: &Bounds,
        whole: bool,
    ) -> Result<(), StoreError> {
        self.step(|unpacked| {
            let fold = Some(CaseFold::default());
            let mut intake = Intake::begin(unpacked, archive, at, bounds, fold)?;
            archive::read_tar_gz(archive, bounds, |entry| {
                take_in(&mut intake, bounds, entry, whole)
            })?;
            intake.finish(Origin::Archive)
        })
    }

    /// Places one file of any name at `at`, as a program.
    pub fn place_program(
        &mut self,
        file: &Path,
        at: &str,
        bounds: &Bounds,
    ) -> Result<(), StoreError> {
        self.step(|unpacked| {
            let failed = |e| StoreError::io("read", file, e);
            let mut content = File::open(file).map_err(failed)?;
            let size = content.metadata().map_err(failed)?.len();
            let mut intake = Intake::begin(unpacked, file, "", bounds, None)?;
            let path = names::parse(at.as_bytes(), bounds)
                .map_err(intake.refuse(at.as_bytes()))?
                .path;
            let written = at.as_bytes();
            match intake.file(written, &path, true, Some(size), &mut content) {
                Ok(()) => intake.finish(Origin::Archive),
                Err(SinkError::Read(source)) => Err(failed(source)),
                Err(SinkError::Store(error)) => Err(error),
            }
        })
    }

    /// Unpacks a zip archive below `at`, a path in the tree; `""` is its root.
    ///
    /// `place` says where an entry goes: it maps the name of a file, folder or link
    /// (without a slash at its end) to a path below `at`, or to `None`, which leaves it
    /// out; it is checked all the same. Folders that are only implied need no entry.
    /// The archive should have been verified: it is only opened here.
    ///
    /// # Errors
    /// [`StoreError::Refused`] names the entry and the [`Rule`] it broke, also when
    /// `place` gives a path that leads elsewhere. After an error the tree can't be
    /// finished.
    pub fn unpack_zip(
        &mut self,
        archive: &Path,
        at: &str,
        bounds: &Bounds,
        links: Links,
        place: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), StoreError> {
        self.step(|unpacked| {
            let fold = Some(CaseFold::default());
            let mut intake = Intake::begin(unpacked, archive, at, bounds, fold)?;
            zip::read_zip(archive, bounds, links, |entry| {
                take_in_zip(&mut intake, bounds, entry, place)
            })?;
            intake.finish(Origin::Archive)
        })
    }

    /// Copies a file or folder of this machine. A file keeps its own name; a folder's
    /// content lands at the root of the tree, without `.git` folders.
    pub fn copy_path(&mut self, source: &Path, bounds: &Bounds) -> Result<(), StoreError> {
        self.step(|unpacked| {
            let mut intake = Intake::begin(unpacked, source, "", bounds, None)?;
            copy::copy(&mut intake, source, bounds, &copy::is_version_control)?;
            intake.finish(Origin::Folder)
        })
    }

    /// Copies what a workshop has in the folder `at` to the same place, but for what `left_out` says
    /// of a path in the folder. Links must stay in it, and none is followed on the way.
    ///
    /// # Errors
    /// As [`Self::unpack_tar_gz`].
    pub fn take_from(
        &mut self,
        workshop: &Workshop,
        at: &str,
        bounds: &Bounds,
        left_out: &dyn Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        self.step(|unpacked| {
            let source = workshop.folder().join(at);
            let folder = Beneath::open(workshop.folder())
                .and_then(|root| root.folder(at))
                .map_err(|e| StoreError::io("open", &source, e))?;
            let mut intake = Intake::begin(unpacked, &source, at, bounds, None)?;
            let left_out = |path: &str, _| left_out(path);
            copy::copy_folder(&mut intake, folder, &source, bounds, &left_out)?;
            intake.finish(Origin::Folder)
        })
    }

    /// Takes the tree out of the store's hands: its owner may write everything in it, at `place`,
    /// and it never gets a name.
    ///
    /// # Errors
    /// When an earlier step failed, or the disk does.
    pub fn into_workshop(self, place: &Path) -> Result<Workshop, StoreError> {
        if self.incomplete {
            return Err(StoreError::UnfinishedTree);
        }
        let Unpacked { folder, plan, .. } = &self.unpacked;
        let before = plan.records();
        std::fs::rename(folder, place).map_err(|e| StoreError::io("move the tree to", place, e))?;
        Workshop::open(place, before)
    }

    /// Makes the tree read-only and durable and gives it its name. Returns its digest.
    ///
    /// When the tree is there already, made by another process meanwhile or
    /// before, that one stays and this one is dropped.
    pub fn finish(self) -> Result<Digest, StoreError> {
        if self.incomplete {
            return Err(StoreError::UnfinishedTree);
        }
        let Unpacked {
            folder,
            beneath,
            plan,
            ..
        } = &self.unpacked;
        let failed = |e: io::Error| StoreError::io("write to disk", folder, e);
        for path in plan.folders().rev() {
            beneath.seal_folder(path).map_err(failed)?;
        }
        let records = plan.records();
        let tree = record::tree_digest(&records);
        nix::unistd::syncfs(beneath.root()).map_err(|e| failed(e.into()))?;

        let store = self.staging.store();
        let place = store.tree(&tree);
        match std::fs::rename(folder, &place) {
            Ok(()) => {}
            Err(e) if is_occupied(&e) => return Ok(tree),
            Err(e) => return Err(StoreError::io("move the tree to", &place, e)),
        }
        // Only now: a folder that can't be written can't be moved by an ordinary user.
        fchmod(beneath.root(), READ_ONLY_FOLDER).map_err(|e| failed(e.into()))?;
        // After the last change of a folder, or its stamp would be worth nothing.
        store.index_new_tree(&tree, &records);
        sync_folder_of(&place)?;
        Ok(tree)
    }

    /// The folder in which the tree is made, to be read while it is.
    pub fn folder(&self) -> &Path {
        &self.unpacked.folder
    }

    /// The paths of all files and links.
    pub(super) fn leaves(&self) -> impl Iterator<Item = &str> {
        self.unpacked.plan.leaves()
    }

    pub(super) fn step(
        &mut self,
        step: impl FnOnce(&mut Unpacked) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if self.incomplete {
            return Err(StoreError::UnfinishedTree);
        }
        self.incomplete = true;
        step(&mut self.unpacked)?;
        self.incomplete = false;
        Ok(())
    }
}

/// `whole` keeps the first component of names.
fn take_in(
    intake: &mut Intake<'_>,
    bounds: &Bounds,
    entry: ArchiveEntry<'_>,
    whole: bool,
) -> Result<(), SinkError> {
    let ArchiveEntry {
        name: written,
        kind,
        size,
        content,
    } = entry;
    let refuse = |intake: &Intake<'_>, rule| intake.refuse(&written)(rule);
    let name = names::parse(&written, bounds).map_err(|rule| refuse(intake, rule))?;
    let path = match whole {
        true => Some(name.path.as_str()),
        false => names::without_top_folder(&name.path),
    };
    match (kind, path) {
        (EntryKind::Folder, path) => intake.folder(&written, path.unwrap_or(""))?,
        (_, None) => return Err(refuse(intake, Rule::OutsideTopFolder).into()),
        (_, Some("")) => return Err(refuse(intake, Rule::EmptyName).into()),
        (_, Some(_)) if name.ends_in_slash => {
            return Err(refuse(intake, Rule::FileNamedAsFolder).into());
        }
        (EntryKind::File { executable }, Some(path)) => {
            intake.file(&written, path, executable, Some(size), content)?;
        }
        (EntryKind::Symlink { target }, Some(path)) => intake.link(&written, path, target)?,
    }
    Ok(())
}

fn take_in_zip(
    intake: &mut Intake<'_>,
    bounds: &Bounds,
    entry: ZipEntry<'_>,
    place: &dyn Fn(&str) -> Option<String>,
) -> Result<(), SinkError> {
    let Some(placed) = place(entry.name) else {
        return Ok(());
    };
    let path = names::parse(placed.as_bytes(), bounds)
        .map_err(intake.refuse(entry.name.as_bytes()))?
        .path;
    let written = entry.name.as_bytes();
    match entry.kind {
        EntryKind::Folder => intake.folder(written, &path)?,
        EntryKind::File { executable } => {
            intake.file(written, &path, executable, Some(entry.size), entry.content)?;
        }
        EntryKind::Symlink { target } => intake.link(written, &path, target)?,
    }
    Ok(())
}

/// A folder with something in it is there (rename(2): ENOTEMPTY or EEXIST).
fn is_occupied(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
    )
}
