//! What files are like, so that any change is seen.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Everything of a file that a change of it changes, its access time apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    links: u64,
    size: u64,
    modified: (i64, i64),
    /// Also moved by changes of attributes, owner and links.
    changed: (i64, i64),
    content: Option<Vec<u8>>,
}

/// Small files are also compared byte by byte: times are only as fine as the kernel's clock.
const MAX_COMPARED: u64 = 64 << 10;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, State>);

impl Snapshot {
    /// Of `roots` and all that is below, but for `excluded`. A root that isn't there is noted as that.
    pub(super) fn take(roots: &[PathBuf], excluded: &[PathBuf]) -> Self {
        let mut found = Self::default();
        for root in roots {
            found.walk(root, excluded);
        }
        found
    }

    fn walk(&mut self, path: &Path, excluded: &[PathBuf]) {
        if excluded.iter().any(|excluded| path == excluded) {
            return;
        }
        let Ok(metadata) = fs::symlink_metadata(path) else {
            return;
        };
        let content = if metadata.is_symlink() {
            fs::read_link(path)
                .ok()
                .map(|target| target.into_os_string().into_encoded_bytes())
        } else if metadata.is_file() && metadata.len() <= MAX_COMPARED {
            fs::read(path).ok()
        } else {
            None
        };
        // A folder's times move when something excluded comes or goes in it.
        let times_count = !excluded
            .iter()
            .any(|excluded| excluded.parent() == Some(path));
        let time = |seconds, nanoseconds| {
            if times_count {
                (seconds, nanoseconds)
            } else {
                (0, 0)
            }
        };
        self.0.insert(
            path.to_owned(),
            State {
                inode: metadata.ino(),
                mode: metadata.mode(),
                owner: (metadata.uid(), metadata.gid()),
                // Of a folder these say what its entries say, which may be excluded.
                links: if metadata.is_dir() {
                    0
                } else {
                    metadata.nlink()
                },
                size: if metadata.is_dir() { 0 } else { metadata.len() },
                modified: time(metadata.mtime(), metadata.mtime_nsec()),
                changed: time(metadata.ctime(), metadata.ctime_nsec()),
                content,
            },
        );
        if metadata.is_dir() {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                self.walk(&entry.path(), excluded);
            }
        }
    }

    /// What is different in `later`, for people.
    pub(super) fn differences(&self, later: &Self) -> Vec<String> {
        let gone = self
            .0
            .keys()
            .filter(|path| !later.0.contains_key(*path))
            .map(|path| format!("{} is gone", path.display()));
        let other = later
            .0
            .iter()
            .filter_map(|(path, state)| match self.0.get(path) {
                None => Some(format!("{} is new", path.display())),
                Some(before) if before != state => Some(format!("{} has changed", path.display())),
                Some(_) => None,
            });
        gone.chain(other).collect()
    }
}

#[test]
fn every_change_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let file = root.join("file");
    let look = || Snapshot::take(std::slice::from_ref(&root), &[root.join("excluded")]);
    fs::create_dir(root.join("excluded")).unwrap();
    fs::write(&file, "one").unwrap();
    let mut before = look();
    assert_eq!(before, look());
    fs::write(root.join("excluded/other"), "x").unwrap();
    assert_eq!(before, look());
    let changes: [(&str, &dyn Fn()); 6] = [
        ("content", &|| fs::write(&file, "two").unwrap()),
        ("mode", &|| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        }),
        ("times", &|| {
            let file = fs::File::options().write(true).open(&file).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        }),
        ("link", &|| {
            fs::hard_link(&file, root.join("second")).unwrap()
        }),
        ("new", &|| fs::write(root.join("new"), "").unwrap()),
        ("gone", &|| fs::remove_file(&file).unwrap()),
    ];
    for (what, change) in changes {
        change();
        let after = look();
        assert_ne!(before.differences(&after), Vec::<String>::new(), "{what}");
        before = after;
    }
}
