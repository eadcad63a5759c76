//! Fetches a secret from where the manifest says that it is.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::fcntl::OFlag;

use super::{Secret, SecretError, SecretStore, command};
use crate::config::{Environment, Paths, SecretSource};

/// Where systemd puts the credentials of a service (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// What fetching needs to know of this call.
#[derive(Clone, Copy, Debug)]
pub struct Supply<'a> {
    pub paths: &'a Paths,
    pub environment: &'a Environment,
    /// Folders of pinfold's own, of which no file is a secret for a server.
    pub private: &'a [PathBuf],
}

impl Supply<'_> {
    /// Fetches one. Waits no longer than `deadline`.
    ///
    /// # Errors
    /// When it is not there, can't be had in time, is no value for a variable, or is a command in
    /// a manifest that is not the user's own.
    pub fn fetch(&self, source: &SecretSource, deadline: Instant) -> Result<Secret, SecretError> {
        if deadline <= Instant::now() {
            return Err(SecretError::TooLate);
        }
        match source {
            SecretSource::Stored(name) => match SecretStore::decided(&self.paths.data)? {
                Some(store) => store.get(name, deadline),
                None => Err(SecretError::Missing {
                    name: name.clone(),
                    place: "yet".to_owned(),
                }),
            },
            SecretSource::Command(_) if !self.paths.own_manifest => {
                Err(SecretError::ForeignCommand)
            }
            SecretSource::Command(words) => command::run(words, self.environment, deadline),
            SecretSource::File(path) => self.file(path),
            SecretSource::Credential(name) => {
                let folder = self.environment.get(CREDENTIALS).map(Path::new);
                match folder.filter(|folder| folder.is_absolute()) {
                    Some(folder) => self.file(&folder.join(name)),
                    None => Err(SecretError::NoCredentials),
                }
            }
        }
    }

    fn file(&self, path: &Path) -> Result<Secret, SecretError> {
        let failed = |source| SecretError::Io {
            path: path.to_owned(),
            source,
        };
        let real = std::fs::canonicalize(path).map_err(failed)?;
        let is_below = |folder: &PathBuf| real.starts_with(folder) || path.starts_with(folder);
        if self.private.iter().any(is_below) {
            return Err(SecretError::OwnFile {
                path: path.to_owned(),
            });
        }
        // A FIFO is not waited for.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&real)
            .map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(SecretError::NotAFile {
                path: path.to_owned(),
            });
        }
        Secret::read_line_of(file)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn files_and_credentials_are_read_and_others_refused() {
        let folder = crate::lockfile::private_test_folder();
        let root = folder.path().canonicalize().unwrap();
        let paths = Paths::below(&root, None);
        let environment = Environment::from_pairs([(CREDENTIALS, &root)]);
        let none = Environment::default();
        let private = [root.join("own")];
        std::fs::create_dir(&private[0]).unwrap();
        for name in ["token", "own/token"] {
            std::fs::write(root.join(name), "value\n").unwrap();
        }
        std::os::unix::fs::symlink("own/token", root.join("link")).unwrap();
        nix::unistd::mkfifo(&root.join("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let supply = |paths, environment| Supply {
            paths,
            environment,
            private: &private,
        };
        let later = Instant::now() + Duration::from_secs(60);
        let file = |name: &str| SecretSource::File(root.join(name));
        let fetch = |source: &SecretSource| supply(&paths, &environment).fetch(source, later);
        let credential = SecretSource::Credential("token".to_owned());
        for source in [&file("token"), &credential] {
            assert_eq!(fetch(source).unwrap().text(), "value");
        }
        for name in ["own/token", "link"] {
            assert!(matches!(
                fetch(&file(name)),
                Err(SecretError::OwnFile { .. })
            ));
        }
        for name in ["fifo", ""] {
            assert!(matches!(
                fetch(&file(name)),
                Err(SecretError::NotAFile { .. })
            ));
        }
        assert!(matches!(fetch(&file("none")), Err(SecretError::Io { .. })));
        let without = supply(&paths, &none).fetch(&credential, later);
        assert!(matches!(without, Err(SecretError::NoCredentials)));
        let stored = SecretSource::Stored("a".parse().unwrap());
        assert!(matches!(fetch(&stored), Err(SecretError::Missing { .. })));
        let late = supply(&paths, &environment).fetch(&credential, Instant::now());
        assert!(matches!(late, Err(SecretError::TooLate)));

        let command = SecretSource::Command(vec!["echo".into(), "printed".into()]);
        assert_eq!(fetch(&command).unwrap().text(), "printed");
        let others = Paths {
            own_manifest: false,
            ..paths.clone()
        };
        let foreign = supply(&others, &environment).fetch(&command, later);
        assert!(matches!(foreign, Err(SecretError::ForeignCommand)));
    }
}
