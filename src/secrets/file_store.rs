//! Secrets in files: one each, of mode 0600, in a folder of mode 0700. What others could read or
//! could have put there is not used.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use super::value::read_bounded;
use super::{Secret, SecretError, StoredSecret};
use crate::config::SecretName;
use crate::lockfile::{create_private_folder, replace_atomically};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const GROUP_OR_OTHERS: u32 = 0o077;

/// `$XDG_DATA_HOME/pinfold/secrets`
#[derive(Clone, Debug)]
pub(super) struct FileStore {
    folder: PathBuf,
}

impl FileStore {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// `None` when it is not there.
    pub(super) fn get(&self, name: &SecretName) -> Result<Option<Secret>, SecretError> {
        self.read(name.as_str())?.map(Secret::new).transpose()
    }

    pub(super) fn set(&self, name: &SecretName, value: &Secret) -> Result<(), SecretError> {
        self.write(name.as_str(), value.bytes())
    }

    /// Whether it was there.
    pub(super) fn remove(&self, name: &SecretName) -> Result<bool, SecretError> {
        if !self.is_there()? {
            return Ok(false);
        }
        let path = self.folder.join(name.as_str());
        let failed = |source| SecretError::Io {
            path: path.clone(),
            source,
        };
        match fs::remove_file(&path) {
            Ok(()) => {
                let folder = File::open(&self.folder).map_err(failed)?;
                folder.sync_all().map_err(failed)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Sorted by name.
    pub(super) fn list(&self) -> Result<Vec<StoredSecret>, SecretError> {
        let mut found = Vec::new();
        if !self.is_there()? {
            return Ok(found);
        }
        let failed = |source| SecretError::Io {
            path: self.folder.clone(),
            source,
        };
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let file_name = entry.file_name();
            // Others begin with a dot: the decision, and files of a writer that was killed.
            let Some(name) = file_name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let path = entry.path();
            let metadata = fs::symlink_metadata(&path).map_err(failed)?;
            refuse_exposed(&path, &metadata, false)?;
            let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push(StoredSecret { name, changed });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The bytes of a file of the folder; `None` when there is none.
    pub(super) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, SecretError> {
        if !self.is_there()? {
            return Ok(None);
        }
        let path = self.folder.join(name);
        let opened = OpenOptions::new()
            .read(true)
            // A link or a FIFO in the file's place is neither followed nor waited for.
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SecretError::Io { path, source }),
        };
        let metadata = file.metadata().map_err(|source| SecretError::Io {
            path: path.clone(),
            source,
        })?;
        refuse_exposed(&path, &metadata, false)?;
        read_bounded(file).map(Some)
    }

    /// Replaces a file of the folder atomically.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), SecretError> {
        let path = self.folder.join(name);
        let failed = |source| SecretError::Io {
            path: path.clone(),
            source,
        };
        create_private_folder(&self.folder).map_err(failed)?;
        self.is_there()?;
        match fs::symlink_metadata(&path) {
            // A link would be followed.
            Ok(metadata) => refuse_exposed(&path, &metadata, false)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        replace_atomically(&path, bytes, FILE_MODE).map_err(failed)
    }

    /// Whether the folder is there; one that is not the user's alone is refused.
    fn is_there(&self) -> Result<bool, SecretError> {
        match fs::symlink_metadata(&self.folder) {
            Ok(metadata) => refuse_exposed(&self.folder, &metadata, true).map(|()| true),
            // Nor is it below what is no folder.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(false)
            }
            Err(source) => Err(SecretError::Io {
                path: self.folder.clone(),
                source,
            }),
        }
    }
}

fn refuse_exposed(path: &Path, metadata: &Metadata, is_folder: bool) -> Result<(), SecretError> {
    let me = nix::unistd::geteuid().as_raw();
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let wanted = if is_folder { FOLDER_MODE } else { FILE_MODE };
    let is_right_kind = match is_folder {
        true => metadata.is_dir(),
        false => metadata.is_file(),
    };
    let shown = path.display();
    let (problem, fix) = if !is_right_kind {
        let kind = if is_folder { "folder" } else { "regular file" };
        (
            format!("it is not a {kind}"),
            "move it out of the way".to_owned(),
        )
    } else if owner != me {
        (
            format!("it belongs to user id {owner}, not to you"),
            "its owner knows, or chose, what is in it; set the secret anew elsewhere".to_owned(),
        )
    } else if mode & GROUP_OR_OTHERS != 0 {
        (
            format!("others can get at it (mode {mode:04o})"),
            format!(
                "what was in it may be known; `chmod {wanted:o} {shown}` and set the secret anew"
            ),
        )
    } else {
        return Ok(());
    };
    Err(SecretError::Exposed {
        path: path.to_owned(),
        problem,
        fix,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn store() -> (tempfile::TempDir, FileStore, SecretName, Secret) {
        let folder = crate::lockfile::private_test_folder();
        let store = FileStore::new(folder.path().join("data/secrets"));
        let value = Secret::read_line_of(&b"planted"[..]).unwrap();
        (folder, store, "a.b".parse().unwrap(), value)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_kept_is_found_listed_and_removed() {
        let (_folder, store, name, value) = store();
        assert!(store.get(&name).unwrap().is_none() && store.list().unwrap().is_empty());
        assert!(!store.remove(&name).unwrap());
        store.set(&name, &value).unwrap();
        let other = Secret::read_line_of(&b"second"[..]).unwrap();
        store.set(&name, &other).unwrap();
        assert_eq!(store.get(&name).unwrap().unwrap(), other);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(store.folder()), 0o700);
        assert_eq!(mode(&store.folder().join("a.b")), 0o600);
        store.write(".store", b"files\n").unwrap();
        let names: Vec<_> = store
            .list()
            .unwrap()
            .into_iter()
            .map(|one| one.name)
            .collect();
        assert_eq!(names, std::slice::from_ref(&name));
        assert!(store.remove(&name).unwrap() && store.get(&name).unwrap().is_none());
    }

    #[test]
    fn what_others_can_get_at_is_refused() {
        let (_folder, store, name, value) = store();
        store.set(&name, &value).unwrap();
        let file = store.folder().join("a.b");
        for (path, modes, right) in [
            (file.as_path(), [0o640, 0o604, 0o620], 0o600),
            (store.folder(), [0o750, 0o701, 0o770], 0o700),
        ] {
            for mode in modes {
                set_mode(path, mode);
                let refused = |error| matches!(error, SecretError::Exposed { .. });
                assert!(refused(store.get(&name).unwrap_err()), "{mode:o}");
                assert!(refused(store.set(&name, &value).unwrap_err()), "{mode:o}");
                assert!(refused(store.list().unwrap_err()), "{mode:o}");
            }
            set_mode(path, right);
            assert!(store.get(&name).unwrap().is_some());
        }
    }

    #[test]
    fn links_and_other_things_are_not_followed() {
        let (folder, store, name, value) = store();
        store.set(&name, &value).unwrap();
        let link = store.folder().join("link");
        symlink("a.b", &link).unwrap();
        let linked: SecretName = "link".parse().unwrap();
        assert!(store.get(&linked).is_err() && store.set(&linked, &value).is_err());
        fs::remove_file(&link).unwrap();
        nix::unistd::mkfifo(&link, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        assert!(matches!(
            store.get(&linked),
            Err(SecretError::Exposed { .. })
        ));
        let elsewhere = folder.path().join("link-to-folder");
        symlink(store.folder(), &elsewhere).unwrap();
        assert!(FileStore::new(elsewhere).get(&name).is_err());
    }
}
