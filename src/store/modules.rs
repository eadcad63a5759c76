//! Which files of a tree are compiled modules: what they link to must be readable, too.

use std::path::{Path, PathBuf};

use memchr::memmem;

use super::directory::MAX_DEPTH;
use super::entry::Kind;
use super::index::Index;
use super::layout::Store;
use crate::lockfile::Digest;

/// A server with more has no business being one; stops at a hostile tree.
const MAX_MODULES: usize = 2_000;

impl Store {
    /// The shared objects of a tree: Python's and Node's compiled modules, and libraries.
    ///
    /// By name, from what was recorded of the tree; without a record from the tree itself.
    /// Nothing is verified here, and nothing needs to be: it decides which libraries of the
    /// *machine* can be read.
    pub fn compiled_modules(&self, tree: &Digest) -> Vec<PathBuf> {
        let folder = self.tree(tree);
        let mut found = Vec::new();
        match std::fs::read(self.index_path(tree)) {
            // Most trees have none, which is seen much faster than what they have.
            Ok(bytes) if !mentions_module(&bytes) => return found,
            Ok(bytes) => {
                if let Some(index) = Index::parse(bytes) {
                    add_recorded(&index, &folder, &mut found);
                    return found;
                }
            }
            Err(_) => {}
        }
        walk(&folder, 0, &mut found);
        found
    }
}

fn mentions_module(index: &[u8]) -> bool {
    [&b".so\0"[..], b".so.", b".node\0"]
        .iter()
        .any(|end| memmem::find(index, end).is_some())
}

/// `x.so`, `libx.so.1.2`, `x.node`.
fn is_module(name: &[u8]) -> bool {
    name.ends_with(b".so") || name.ends_with(b".node") || memmem::find(name, b".so.").is_some()
}

fn add_recorded(index: &Index, folder: &Path, found: &mut Vec<PathBuf>) {
    use std::os::unix::ffi::OsStrExt as _;
    let _ = index.for_each(|path, entry| {
        let is_file = matches!(entry.kind, Kind::File { .. });
        if is_file && is_module(entry.name.to_bytes()) && found.len() < MAX_MODULES {
            found.push(folder.join(std::ffi::OsStr::from_bytes(path)));
        }
    });
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    use std::os::unix::ffi::OsStrExt as _;
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(&entry.path(), depth + 1, found);
        } else if kind.is_file()
            && is_module(entry.file_name().as_bytes())
            && found.len() < MAX_MODULES
        {
            found.push(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Bounds;
    use super::super::testing::{Home, Tar};

    #[test]
    fn modules_are_found_with_and_without_the_record() {
        let home = Home::new();
        let archive = Tar::default()
            .file("p/a/_core.cpython-311-x86_64-linux-gnu.so", "1")
            .file("p/libx.so.1.2", "2")
            .file("p/addon.node", "3")
            .file("p/also.py", "4")
            .file("p/x.so.d/readme", "5");
        let tree = home.unpack(&archive.gz(), "", &Bounds::default()).unwrap();
        let folder = home.store.tree(&tree);
        let expected = [
            "a/_core.cpython-311-x86_64-linux-gnu.so",
            "addon.node",
            "libx.so.1.2",
        ]
        .map(|path| folder.join(path));
        assert_eq!(home.store.compiled_modules(&tree), expected);
        std::fs::remove_file(home.store.index_path(&tree)).unwrap();
        let mut walked = home.store.compiled_modules(&tree);
        walked.sort();
        assert_eq!(walked, expected);

        let none = Tar::default().file("p/x.js", "1");
        let tree = home.unpack(&none.gz(), "", &Bounds::default()).unwrap();
        assert!(home.store.compiled_modules(&tree).is_empty());
    }
}
