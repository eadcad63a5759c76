//! An unpacked tree that may be changed, and what became of it.
//!
//! Install scripts work in it. Nothing of it is believed afterwards: what is taken
//! back is read again as any folder of this machine is.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::compare::compare;
use super::error::{Difference, StoreError, What};
use super::record::{Content, Record};
use super::scan::scan;

/// A tree to work in. It goes with the staging folder that it is in.
#[derive(Debug)]
pub struct Workshop {
    folder: PathBuf,
    before: Vec<Record>,
}

impl Workshop {
    /// Gives the owner the right to write every file of a tree that was just unpacked. Its folders
    /// can be written as long as it isn't finished.
    pub(super) fn open(folder: &Path, before: Vec<Record>) -> Result<Self, StoreError> {
        use std::os::unix::ffi::OsStrExt as _;
        for record in &before {
            let Content::File { executable, .. } = record.content else {
                continue;
            };
            let path = folder.join(std::ffi::OsStr::from_bytes(&record.path));
            // Nobody else had this folder yet: what is at the path is what was unpacked there.
            let mode = if executable { 0o755 } else { 0o644 };
            std::fs::set_permissions(&path, Permissions::from_mode(mode))
                .map_err(|e| StoreError::io("make writable", &path, e))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            before,
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is not as it was unpacked, sorted by path, but for what `own` says of a path. Who may
    /// read or write a file counts for nothing here.
    ///
    /// # Errors
    /// When something can't be read, or there is more than a tree can hold.
    pub fn changes(&self, own: &dyn Fn(&Path) -> bool) -> Result<Vec<Difference>, StoreError> {
        let Some(mut found) = scan(&self.folder, &[])? else {
            return Ok(vec![Difference {
                path: PathBuf::new(),
                what: What::Removed,
            }]);
        };
        found.loose.clear();
        let mut differences = compare(&self.before, &found);
        differences.retain(|difference| !own(&difference.path));
        Ok(differences)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::testing::write;
    use super::super::{Bounds, Staging, Store, Workshop};

    fn staging() -> (tempfile::TempDir, Staging) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path().join("store")).unwrap();
        (home, store.staging().unwrap())
    }

    #[test]
    fn changes_are_named_and_own_ones_are_not() {
        let (home, staging) = staging();
        let source = home.path().join("source");
        for folder in ["a/inner", "b"] {
            std::fs::create_dir_all(source.join(folder)).unwrap();
            write(source.join(folder).join("file"), "x").unwrap();
        }
        let mut tree = staging.tree().unwrap();
        tree.copy_path(&source, &Bounds::default()).unwrap();
        let workshop = tree.into_workshop(&home.path().join("workshop")).unwrap();
        let changes = |own: &str| -> Vec<String> {
            let found = workshop.changes(&|path| path.starts_with(own)).unwrap();
            found.iter().map(ToString::to_string).collect()
        };
        assert_eq!(changes("-"), Vec::<String>::new());
        write(workshop.folder().join("a/inner/file"), "y").unwrap();
        write(workshop.folder().join("new"), "").unwrap();
        std::fs::remove_file(workshop.folder().join("b/file")).unwrap();
        symlink("/etc", workshop.folder().join("b/link")).unwrap();
        let all = changes("-");
        for expected in [
            "`a/inner/file` changed",
            "`b/file` is gone",
            "`b/link` was added",
            "`new` was added",
        ] {
            assert!(all.iter().any(|said| said == expected), "{all:?}");
        }
        assert_eq!(changes("b"), ["`a/inner/file` changed", "`new` was added"]);
    }

    #[test]
    fn a_folder_is_taken_without_what_is_left_out_and_no_link_leads_elsewhere() {
        let (home, staging) = staging();
        let workshop = Workshop {
            folder: home.path().join("workshop"),
            before: Vec::new(),
        };
        let source = workshop.folder().join("node_modules/a");
        std::fs::create_dir_all(source.join("build/obj")).unwrap();
        write(source.join("build/obj/x.o"), "x").unwrap();
        write(source.join("build/x.node"), "x").unwrap();
        symlink("x.node", source.join("build/link")).unwrap();
        let take = |at: &str| {
            let mut tree = staging.tree().unwrap();
            let left_out = |path: &str| path == "build/obj";
            tree.take_from(&workshop, at, &Bounds::default(), &left_out)?;
            tree.finish()
        };
        let digest = take("node_modules/a").unwrap();
        let folder = staging.store().tree(&digest).join("node_modules/a/build");
        assert!(folder.join("x.node").exists() && folder.join("link").is_symlink());
        assert!(!folder.join("obj").exists());
        // The folder itself, and one on the way to it.
        symlink("a", workshop.folder().join("node_modules/b")).unwrap();
        symlink("node_modules", workshop.folder().join("modules")).unwrap();
        for at in ["node_modules/b", "modules/a"] {
            assert!(take(at).is_err(), "{at}");
        }
        symlink("../../b", source.join("out")).unwrap();
        let said = take("node_modules/a").unwrap_err().to_string();
        assert!(said.contains("leads out of its folder"), "{said}");
    }
}
