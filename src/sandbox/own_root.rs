//! A root of its own: the granted paths where they always are, and nothing else of the machine.
//!
//! Landlock leaves names, sizes, times and attributes of files open to everyone
//! (landlock(7), "Current limitations"); here they aren't there. What is granted
//! is a mount of its own: read-only unless it may be written, and not executable
//! if it may be.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    mount_change, move_mount, open_tree, unmount,
};

use super::granted::{self, Granted};
use super::{Access, Link, Namespaces, OwnFile, PathRule, SandboxError, SandboxSpec};
use crate::sys;

/// Where the server may put files that it doesn't keep.
pub(super) const TEMPORARY: &str = "/tmp";
pub(super) const SHARED_MEMORY: &str = "/dev/shm";

/// The folders of a root of its own that may be written whatever is granted.
pub const SCRATCH: [&str; 2] = [TEMPORARY, SHARED_MEMORY];

/// The root holds only mount points and links.
const ROOT_BYTES: &str = "4m";
const ROOT_FILES: &str = "8192";
/// As many files as can be made in `/tmp` and `/dev/shm`.
const SCRATCH_FILES: &str = "65536";

/// What every program expects below `/dev` (Linux Assigned Names and Numbers, "Compulsory links").
pub(super) const DEVICE_LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// Builds the root and moves this process into it. The mount namespace must be new.
pub(super) fn enter(spec: &SandboxSpec, namespaces: &Namespaces) -> Result<(), SandboxError> {
    // Whatever is mounted from here on is nobody else's business, and the other way round.
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|errno| refused("make the mounts private", errno.into()))?;
    let mut grants = clone_all(&plan(&spec.filesystem))?;
    if let Some(short) = &namespaces.short_name {
        let code = clone(&short.folder, Rights::default())?;
        grants.extend(code.map(|code| Detached {
            path: short.name.clone(),
            ..code
        }));
    }
    let root = Root::mount()?;
    root.process_files()?;
    for (path, bytes) in [
        (TEMPORARY, namespaces.temporary),
        (SHARED_MEMORY, namespaces.shared_memory),
    ] {
        root.scratch(Path::new(path), bytes)?;
    }
    // After those, for a grant may lie in one of them.
    for grant in &grants {
        root.attach(grant)?;
    }
    for file in &namespaces.files {
        root.write(file)?;
    }
    for (path, target) in DEVICE_LINKS {
        root.link(Path::new(path), Path::new(target))?;
    }
    for Link { path, target } in &namespaces.links {
        if !grants.iter().any(|grant| path.starts_with(&grant.path)) {
            root.link(path, target)?;
        }
    }
    root.become_the_root()
}

/// What is to be mounted for a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) write: bool,
    /// What is written, too.
    pub(super) execute: bool,
    pub(super) device: bool,
}

impl Rights {
    fn attributes(self) -> MountAttrFlags {
        let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID;
        // A device file can be written on a read-only mount; its mode and times can't be changed there.
        if !self.write {
            attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
        }
        if !self.device {
            attributes |= MountAttrFlags::MOUNT_ATTR_NODEV;
        }
        if self.write && !self.execute {
            attributes |= MountAttrFlags::MOUNT_ATTR_NOEXEC;
        }
        attributes
    }
}

/// The mounts that the rules need, parents first. Pure.
///
/// A path below one that gives the same needs none. Files of processes are those of the new /proc.
pub(super) fn plan(rules: &[PathRule]) -> BTreeMap<PathBuf, Rights> {
    let mut wanted: BTreeMap<PathBuf, Rights> = BTreeMap::new();
    for rule in rules {
        if rule.path.starts_with("/proc") {
            continue;
        }
        let rights = wanted.entry(rule.path.clone()).or_default();
        rights.write |= matches!(rule.access, Access::Write | Access::WriteExecute);
        rights.execute |= rule.access == Access::WriteExecute;
        rights.device |= rule.access == Access::Device;
    }
    let mut planned: BTreeMap<PathBuf, Rights> = BTreeMap::new();
    for (path, rights) in wanted {
        let nearest = path
            .ancestors()
            .skip(1)
            .find_map(|ancestor| planned.get(ancestor));
        let given = nearest.is_some_and(|above| {
            (above.write || !rights.write)
                && (above.execute || !rights.execute)
                && (above.device || !rights.device)
        });
        if !given {
            planned.insert(path, rights);
        }
    }
    planned
}

/// A granted path, taken from the machine's root and not yet in ours.
struct Detached {
    path: PathBuf,
    mount: OwnedFd,
    is_folder: bool,
}

fn clone_all(planned: &BTreeMap<PathBuf, Rights>) -> Result<Vec<Detached>, SandboxError> {
    planned
        .iter()
        .filter_map(|(path, rights)| clone(path, *rights).transpose())
        .collect()
}

/// `None` when the path is gone, which grants nothing.
fn clone(path: &Path, rights: Rights) -> Result<Option<Detached>, SandboxError> {
    // A file that is not what it was is refused; a mount that the kernel doesn't make is done without.
    let fail = |errno: Errno| SandboxError::OwnRoot {
        path: path.to_owned(),
        source: errno.into(),
    };
    let not_granted = |source: io::Error| refused(&format!("mount {}", path.display()), source);
    let Some(Granted { file, is_folder }) = granted::open(path).map_err(fail)? else {
        return Ok(None);
    };
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if is_folder {
        // With what is mounted below: a folder is granted with everything in it.
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let mount = open_tree(&file, c"", flags).map_err(|errno| not_granted(errno.into()))?;
    sys::add_mount_attributes(
        mount.as_fd(),
        u64::from(rights.attributes().bits()),
        is_folder,
    )
    .map_err(not_granted)?;
    Ok(Some(Detached {
        path: path.to_owned(),
        mount,
        is_folder,
    }))
}

/// The new root while it is being furnished.
struct Root(OwnedFd);

impl Root {
    fn mount() -> Result<Self, SandboxError> {
        let options = [
            ("size", ROOT_BYTES),
            ("nr_inodes", ROOT_FILES),
            ("mode", "0755"),
        ];
        let harmless = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        let root = new_mount("tmpfs", &options, harmless)
            .map_err(|source| refused("mount a tmpfs", source))?;
        // A mount can only take others once it has a place itself. On top of the present root it is in
        // nobody's way, for paths still start below it.
        move_mount(
            &root,
            c"",
            rustix::fs::CWD,
            c"/",
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )
        .map_err(|errno| refused("attach the new root", errno.into()))?;
        Ok(Self(root))
    }

    /// Puts a granted path where it always is.
    fn attach(&self, grant: &Detached) -> Result<(), SandboxError> {
        let fail = |source| refused(&format!("mount {}", grant.path.display()), source);
        let inner = below_root(&grant.path);
        let place = || {
            move_mount(
                &grant.mount,
                c"",
                &self.0,
                inner,
                MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
            )
        };
        match place() {
            // Below another grant the place is there already.
            Err(rustix::io::Errno::NOENT) => {
                self.make_place(inner, grant.is_folder)
                    .map_err(|errno| fail(errno.into()))?;
                place().map_err(|errno| fail(errno.into()))
            }
            result => result.map_err(|errno| fail(errno.into())),
        }
    }

    /// The files of processes (proc(5)): of those in the new pid namespace only. Read-only, because
    /// root may write settings of the machine there without any capability.
    fn process_files(&self) -> Result<(), SandboxError> {
        let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
            | MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let files = new_mount("proc", &[], attributes).map_err(|source| {
            refused(
                "mount a /proc of its own (part of the present one is hidden, as in most containers)",
                source,
            )
        })?;
        self.mount_at(Path::new("/proc"), &files)
    }

    /// A tmpfs of bounded size for files that aren't kept.
    fn scratch(&self, path: &Path, bytes: u64) -> Result<(), SandboxError> {
        let options = [
            ("size", &*bytes.to_string()),
            ("nr_inodes", SCRATCH_FILES),
            ("mode", "1777"),
        ];
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let scratch = new_mount("tmpfs", &options, attributes)
            .map_err(|source| refused("mount a tmpfs", source))?;
        self.mount_at(path, &scratch)
    }

    /// A file with this text: mounted like a granted one, for its place may be in a granted folder.
    fn write(&self, file: &OwnFile) -> Result<(), SandboxError> {
        const WORK: &str = ".file";
        let OwnFile {
            path,
            text,
            is_private,
        } = file;
        let mode = Mode::from_bits_truncate(if *is_private { 0o400 } else { 0o444 });
        let make = || -> io::Result<OwnedFd> {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            let file = openat(&self.0, WORK, flags, mode)?;
            fs::File::from(file).write_all(text.as_str().as_bytes())?;
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            let mount = open_tree(&self.0, WORK, flags)?;
            let attributes = u64::from(Rights::default().attributes().bits());
            sys::add_mount_attributes(mount.as_fd(), attributes, false)?;
            Ok(mount)
        };
        let fail = |source| refused(&format!("write {}", path.display()), source);
        self.attach(&Detached {
            path: path.clone(),
            mount: make().map_err(fail)?,
            is_folder: false,
        })?;
        // The mount keeps it.
        unlinkat(&self.0, WORK, UnlinkatFlags::NoRemoveDir).map_err(|errno| fail(errno.into()))
    }

    fn mount_at(&self, path: &Path, mount: &OwnedFd) -> Result<(), SandboxError> {
        let inner = below_root(path);
        self.make_place(inner, true)
            .map_err(io::Error::from)
            .and_then(|()| {
                let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
                Ok(move_mount(mount, c"", &self.0, inner, flags)?)
            })
            .map_err(|source| refused(&format!("mount {}", path.display()), source))
    }

    fn link(&self, path: &Path, target: &Path) -> Result<(), SandboxError> {
        let inner = below_root(path);
        let made = self
            .make_folders(inner.parent())
            .and_then(|()| symlinkat(target, &self.0, inner));
        match made {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => Err(refused("make a link in the new root", errno.into())),
        }
    }

    fn make_place(&self, inner: &Path, is_folder: bool) -> Result<(), Errno> {
        if is_folder {
            return self.make_folders(Some(inner));
        }
        self.make_folders(inner.parent())?;
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.0, inner, flags, Mode::from_bits_truncate(0o444)).map(drop)
    }

    fn make_folders(&self, inner: Option<&Path>) -> Result<(), Errno> {
        let mut path = PathBuf::new();
        for part in inner.into_iter().flatten() {
            path.push(part);
            match mkdirat(&self.0, &path, Mode::from_bits_truncate(0o755)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// The old root leaves this namespace for good (pivot_root(2), NOTES).
    fn become_the_root(self) -> Result<(), SandboxError> {
        let read_only = u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits());
        sys::add_mount_attributes(self.0.as_fd(), read_only, false)
            .map_err(|source| refused("make the root read-only", source))?;
        nix::unistd::fchdir(&self.0).map_err(|errno| refused("enter the root", errno.into()))?;
        nix::unistd::pivot_root(".", ".")
            .map_err(|errno| refused("change the root", errno.into()))?;
        unmount(".", UnmountFlags::DETACH)
            .map_err(|errno| refused("take the old root away", errno.into()))?;
        nix::unistd::chdir("/").map_err(|errno| refused("enter the root", errno.into()))
    }
}

fn new_mount(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> io::Result<OwnedFd> {
    let configuration = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(configuration.as_fd(), *key, *value)?;
    }
    fsconfig_create(configuration.as_fd())?;
    Ok(fsmount(
        configuration.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        attributes,
    )?)
}

/// Relative to the root; the root itself is never granted.
fn below_root(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

/// The kernel doesn't grant this here.
fn refused(what: &str, source: io::Error) -> SandboxError {
    SandboxError::Namespaces {
        what: what.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, access: Access) -> PathRule {
        PathRule {
            path: path.into(),
            access,
        }
    }

    #[test]
    fn a_path_below_one_with_the_same_rights_needs_no_mount() {
        let planned = plan(&[
            rule("/a", Access::Read),
            rule("/a/b", Access::Execute),
            rule("/a/c", Access::Write),
            rule("/a/c/d", Access::Read),
            rule("/a/c/e", Access::WriteExecute),
            rule("/a-b", Access::Read),
            rule("/dev/null", Access::Device),
            rule("/proc/self/status", Access::Read),
        ]);
        let paths: Vec<&str> = planned.keys().filter_map(|path| path.to_str()).collect();
        assert_eq!(paths, ["/a", "/a/c", "/a/c/e", "/a-b", "/dev/null"]);
    }

    #[test]
    fn what_may_be_written_is_not_executable_and_the_rest_is_read_only() {
        let of = |access| plan(&[rule("/a", access)])[Path::new("/a")].attributes();
        let write = of(Access::Write);
        assert!(write.contains(MountAttrFlags::MOUNT_ATTR_NOEXEC));
        assert!(!write.contains(MountAttrFlags::MOUNT_ATTR_RDONLY));
        let build = of(Access::WriteExecute);
        assert!(!build.contains(MountAttrFlags::MOUNT_ATTR_NOEXEC));
        assert!(!build.contains(MountAttrFlags::MOUNT_ATTR_RDONLY));
        for access in [Access::Read, Access::Execute, Access::Device] {
            assert!(of(access).contains(MountAttrFlags::MOUNT_ATTR_RDONLY));
        }
        for access in [Access::Read, Access::Execute, Access::Write] {
            assert!(of(access).contains(MountAttrFlags::MOUNT_ATTR_NODEV));
        }
        assert!(!of(Access::Device).contains(MountAttrFlags::MOUNT_ATTR_NODEV));
    }

    /// Between the parent's look and this one, a server of another session may have put a link there.
    #[test]
    fn a_path_that_leads_through_a_link_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().canonicalize().unwrap().join("folder");
        let link = folder.with_file_name("link");
        std::fs::create_dir_all(folder.join("inner")).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        let refused = |path: &Path| {
            matches!(
                clone(path, Rights::default()),
                Err(SandboxError::OwnRoot { .. })
            )
        };
        for (path, expected) in [
            (link.clone(), true),
            (link.join("inner"), true),
            // Control: it is taken, or the kernel lets this user mount nothing.
            (folder.clone(), false),
            (folder.join("inner"), false),
        ] {
            assert_eq!(refused(&path), expected, "{}", path.display());
        }
    }
}
