//! What a process in the box can do with a file: asked of the same tables from which the box is
//! built (Landlock's rules, the mounts of a root of its own), without building it.
//!
//! A name is followed as the kernel follows it in the box (path_resolution(7)): where a root of its
//! own has no such name, nothing behind it is reached, whatever is granted there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use landlock::{AccessFs, BitFlags};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat, getegid, geteuid, getgroups};

use super::landlock::{abi, of_own_root, rights_on};
use super::own_root::{DEVICE_LINKS, Rights, SCRATCH, plan};
use super::{Link, PathRule, ShortName};

/// Links that follow one another for longer than this lead nowhere (`ELOOP`, path_resolution(7)).
const MAX_LINKS: usize = 40;

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileUse {
    /// Of a folder: list it.
    Read,
    /// Change a file, or make one; of a folder: make files in it.
    Write,
    Execute,
}

/// What holds a process away from files in one tier.
#[derive(Clone, Debug)]
pub struct Walls {
    rules: Vec<PathRule>,
    own_root: Option<OwnRoot>,
    /// `None` goes without Landlock.
    landlock_abi: Option<u32>,
}

#[derive(Clone, Debug)]
struct OwnRoot {
    mounts: BTreeMap<PathBuf, Rights>,
    links: BTreeMap<PathBuf, PathBuf>,
    files: Vec<PathBuf>,
    short_name: Option<ShortName>,
}

/// What becomes of the wish to use a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The file, with every link followed as far as the box has it.
    pub path: PathBuf,
    /// Whether there is such a file now; in memory file systems of the box there is none yet.
    pub is_there: bool,
    /// The rule that gives the right, the one nearest to the file.
    pub rule: Option<PathRule>,
    /// `None`: it is reached.
    pub obstacle: Option<Obstacle>,
}

/// What is in the way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The root of its own has nothing of this name.
    NotInRoot,
    /// No rule gives this right.
    NotGranted,
    /// It may not be written where it is mounted.
    ReadOnly,
    /// Nothing is executed where it is mounted.
    NoExecution,
    /// The file's owner and mode keep this user out, whatever is granted (credentials(7)).
    Mode,
    /// A memory file system of its own has the place of the machine's, in which the file is.
    OwnMemory,
    /// Its links lead nowhere.
    Links,
    /// Something on the way is no folder.
    NoFolder,
}

/// What is at a path without following it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Link(PathBuf),
    Folder,
    File,
    Device,
    /// Nothing, where something could be.
    Nothing,
    /// The root of its own does not have it.
    Outside,
    /// This user may not look.
    Closed,
}

impl Walls {
    /// Of the base tier: Landlock alone.
    pub fn of_base(rules: Vec<PathRule>, landlock_abi: Option<u32>) -> Self {
        Self {
            rules,
            own_root: None,
            landlock_abi,
        }
    }

    /// Of the full tier, with the links, files and second name that its root has besides what is
    /// granted.
    pub fn of_full(
        rules: Vec<PathRule>,
        links: Vec<Link>,
        files: Vec<PathBuf>,
        short_name: Option<ShortName>,
        landlock_abi: Option<u32>,
    ) -> Self {
        let mounts = plan(&rules);
        let granted = |link: &Link| mounts.keys().any(|mount| link.path.starts_with(mount));
        let mut made: BTreeMap<PathBuf, PathBuf> = links
            .into_iter()
            .filter(|link| !granted(link))
            .map(|Link { path, target }| (path, target))
            .collect();
        made.extend(DEVICE_LINKS.map(|(path, target)| (path.into(), target.into())));
        let own = of_own_root(files.iter().map(PathBuf::as_path));
        let rules = rules.into_iter().chain(own).collect();
        Self {
            rules,
            own_root: Some(OwnRoot {
                mounts,
                links: made,
                files,
                short_name,
            }),
            landlock_abi,
        }
    }

    /// Whether it is the full tier.
    pub fn has_own_root(&self) -> bool {
        self.own_root.is_some()
    }

    /// Judges what a process of the box would meet at `path`, an absolute path.
    pub fn judge(&self, path: &Path, wanted: FileUse) -> Reached {
        let (path, node) = match self.follow(path) {
            Ok((path, node)) => (self.first_name(&path), node),
            Err((path, obstacle)) => {
                return Reached {
                    path: self.first_name(&path),
                    is_there: false,
                    rule: None,
                    obstacle: Some(obstacle),
                };
            }
        };
        let is_there = matches!(node, Node::Folder | Node::File | Node::Device);
        let (rule, granted) = self.granted(&path, &node, wanted);
        let obstacle = match node {
            Node::Outside => Some(Obstacle::NotInRoot),
            _ if !granted => Some(Obstacle::NotGranted),
            Node::Closed => Some(Obstacle::Mode),
            Node::Nothing if self.hides(&path, wanted) => Some(Obstacle::OwnMemory),
            _ => self
                .mounted(&path, &node, wanted)
                .or_else(|| self.mode(&path, is_there, wanted)),
        };
        Reached {
            path,
            is_there,
            rule,
            obstacle,
        }
    }

    /// The name that the rules know.
    fn first_name(&self, path: &Path) -> PathBuf {
        let short_name = (self.own_root.as_ref()).and_then(|own| own.short_name.as_ref());
        short_name
            .and_then(|short| short.lengthen(path))
            .unwrap_or_else(|| path.to_owned())
    }

    /// Where a name leads, and what is there.
    fn follow(&self, path: &Path) -> Result<(PathBuf, Node), (PathBuf, Obstacle)> {
        let mut left = parts(path);
        let mut here = PathBuf::from("/");
        let mut node = Node::Folder;
        let mut links = 0;
        while let Some(part) = left.pop() {
            if matches!(node, Node::File | Node::Device) {
                return Err((here, Obstacle::NoFolder));
            }
            if part == ".." {
                here.pop();
                node = self.node(&here);
                continue;
            }
            let next = here.join(&part);
            node = match node {
                Node::Folder => self.node(&next),
                gone => gone,
            };
            if let Node::Link(target) = &node {
                links += 1;
                if links > MAX_LINKS {
                    return Err((next, Obstacle::Links));
                }
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                left.extend(parts(target));
                node = self.node(&here);
            } else {
                here = next;
            }
        }
        Ok((here, node))
    }

    fn node(&self, path: &Path) -> Node {
        // It means another process here, and its links are no names (proc(5)).
        if path == Path::new("/") || path == Path::new("/proc/self") {
            return Node::Folder;
        }
        if path.starts_with("/proc/self") {
            return match on_machine(path) {
                Node::Link(_) => Node::File,
                other => other,
            };
        }
        let Some(own) = &self.own_root else {
            return on_machine(path);
        };
        if path.starts_with("/proc") {
            return on_machine(path);
        }
        if own.files.iter().any(|file| file == path) {
            return Node::File;
        }
        if let Some(target) = own.links.get(path) {
            return Node::Link(target.clone());
        }
        let path = &*self.first_name(path);
        if let Some((mount, _)) = own.mount_of(path) {
            return match on_machine(path) {
                // A folder of the server's own, which its first start makes.
                Node::Nothing if mount == path => Node::Folder,
                other => other,
            };
        }
        let leads_there = |known: &Path| known != path && known.starts_with(path);
        let scratch = SCRATCH.map(Path::new);
        let is_on_the_way = own.mounts.keys().any(|known| leads_there(known))
            || own.links.keys().any(|known| leads_there(known))
            || own.files.iter().any(|known| leads_there(known))
            || scratch.into_iter().any(leads_there);
        if is_on_the_way || scratch.contains(&path) {
            Node::Folder
        } else if scratch.into_iter().any(|own| path.starts_with(own)) {
            Node::Nothing
        } else {
            Node::Outside
        }
    }

    /// The nearest rule that gives any of the rights, and whether all together give what is wanted.
    fn granted(&self, path: &Path, node: &Node, wanted: FileUse) -> (Option<PathRule>, bool) {
        let Some(number) = self.landlock_abi else {
            let above = self
                .rules
                .iter()
                .filter(|rule| path.starts_with(&rule.path));
            return (
                above
                    .max_by_key(|rule| rule.path.as_os_str().len())
                    .cloned(),
                true,
            );
        };
        let Ok(abi) = abi(number) else {
            return (None, false);
        };
        let is_folder = *node == Node::Folder;
        let needed: BitFlags<AccessFs> = match wanted {
            FileUse::Read if is_folder => AccessFs::ReadDir.into(),
            FileUse::Read => AccessFs::ReadFile.into(),
            FileUse::Write if is_folder => AccessFs::MakeReg | AccessFs::WriteFile,
            FileUse::Write if *node == Node::Nothing => AccessFs::MakeReg | AccessFs::WriteFile,
            FileUse::Write => AccessFs::WriteFile.into(),
            FileUse::Execute => AccessFs::Execute | AccessFs::ReadFile,
        };
        let mut found = BitFlags::empty();
        let mut nearest: Option<&PathRule> = None;
        for rule in &self.rules {
            if !path.starts_with(&rule.path) {
                continue;
            }
            let is_file = rule.path == path && matches!(node, Node::File | Node::Device);
            let given = rights_on(rule.access, !is_file, abi) & needed;
            found |= given;
            let nearer = nearest
                .is_none_or(|known| known.path.as_os_str().len() <= rule.path.as_os_str().len());
            if !given.is_empty() && nearer {
                nearest = Some(rule);
            }
        }
        let granted = found == needed;
        (nearest.filter(|_| granted).cloned(), granted)
    }

    /// Whether it is a file or folder of the machine that is meant, where the box has memory.
    fn hides(&self, path: &Path, wanted: FileUse) -> bool {
        let in_memory = |own: &OwnRoot| own.mount_of(path).is_none();
        let of_machine = |path: &Path| path.exists() && self.node(path) != Node::Folder;
        let is_there = wanted != FileUse::Write && path.exists();
        self.own_root.as_ref().is_some_and(in_memory)
            && (is_there || path.parent().is_some_and(of_machine))
    }

    /// What the mount that it is on keeps from being done.
    fn mounted(&self, path: &Path, node: &Node, wanted: FileUse) -> Option<Obstacle> {
        let own = self.own_root.as_ref()?;
        let in_scratch = SCRATCH.iter().any(|own| path.starts_with(own));
        let rights = match own.mount_of(path) {
            _ if own.files.iter().any(|file| file == path) => Rights::default(),
            Some((_, rights)) => rights,
            None => Rights {
                write: in_scratch,
                ..Rights::default()
            },
        };
        let of_processes = path.starts_with("/proc");
        match wanted {
            FileUse::Write if *node == Node::Device && rights.device => None,
            FileUse::Write if !rights.write => Some(Obstacle::ReadOnly),
            FileUse::Execute if of_processes || (rights.write && !rights.execute) => {
                Some(Obstacle::NoExecution)
            }
            _ => None,
        }
    }

    /// Owner and mode, as they are for whoever asks. The box has no capability that overrules them.
    fn mode(&self, path: &Path, is_there: bool, wanted: FileUse) -> Option<Obstacle> {
        if path.starts_with("/proc/self") {
            return None;
        }
        if let Some(own) = &self.own_root {
            own.mount_of(path)?;
        }
        if is_there && !path.exists() {
            // Made at the first start, for this user.
            return None;
        }
        let mut judged = path;
        let mut wanted = match wanted {
            FileUse::Read => AccessFlags::R_OK,
            FileUse::Write => AccessFlags::W_OK,
            FileUse::Execute => AccessFlags::X_OK,
        };
        if !is_there {
            if wanted != AccessFlags::W_OK {
                return None;
            }
            // Made where its folder is, or what is there of it.
            judged = path.ancestors().find(|above| above.exists())?;
            wanted |= AccessFlags::X_OK;
        }
        let refused = faccessat(AT_FDCWD, judged, wanted, AtFlags::AT_EACCESS).is_err()
            || (geteuid().is_root() && !self.without_capabilities(judged, wanted));
        refused.then_some(Obstacle::Mode)
    }

    /// As [`Self::mode`] for root, to whom access(2) promises more than the box leaves it.
    fn without_capabilities(&self, path: &Path, wanted: AccessFlags) -> bool {
        let may = |path: &Path, wanted: AccessFlags| {
            fs::metadata(path).is_ok_and(|found| {
                let bits = bits_for(&found);
                [
                    (AccessFlags::R_OK, 4),
                    (AccessFlags::W_OK, 2),
                    (AccessFlags::X_OK, 1),
                ]
                .into_iter()
                .all(|(flag, bit)| !wanted.contains(flag) || bits & bit != 0)
            })
        };
        let mount = self.own_root.as_ref().and_then(|own| own.mount_of(path));
        let top = mount.map_or_else(|| Path::new("/"), |(mount, _)| mount);
        let mut folders = path.ancestors().skip(1);
        may(path, wanted)
            && folders.all(|folder| !folder.starts_with(top) || may(folder, AccessFlags::X_OK))
    }
}

impl OwnRoot {
    /// The mount that a path is on, if it is a granted one.
    fn mount_of<'a>(&'a self, path: &Path) -> Option<(&'a Path, Rights)> {
        let (mount, rights) = path
            .ancestors()
            .find_map(|above| self.mounts.get_key_value(above))?;
        Some((mount, *rights))
    }
}

/// The three bits of a mode that are about this process.
fn bits_for(found: &Metadata) -> u32 {
    let group = |number: u32| {
        getegid().as_raw() == number
            || getgroups().is_ok_and(|all| all.iter().any(|one| one.as_raw() == number))
    };
    let shift = if found.uid() == geteuid().as_raw() {
        6
    } else if group(found.gid()) {
        3
    } else {
        0
    };
    found.mode() >> shift & 0o7
}

fn on_machine(path: &Path) -> Node {
    match fs::symlink_metadata(path) {
        Ok(found) => kind(path, found.file_type()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Node::Closed,
        Err(_) => Node::Nothing,
    }
}

fn kind(path: &Path, found: FileType) -> Node {
    if found.is_symlink() {
        return fs::read_link(path).map_or(Node::Closed, Node::Link);
    }
    if found.is_dir() {
        Node::Folder
    } else if found.is_char_device() || found.is_block_device() {
        Node::Device
    } else {
        Node::File
    }
}

/// The names in a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let named = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(named).rev().collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
mod tests;
