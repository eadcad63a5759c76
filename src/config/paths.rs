//! Where pinfold's files are: the XDG base directories, or beside a given manifest.
//! Computes names only; makes and reads nothing (except to see where links lead).

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::ConfigError;
use crate::lockfile::{Digest, ServerName};

const FOLDER: &str = "pinfold";
const MANIFEST: &str = "pinfold.toml";
const LOCK_EXTENSION: &str = "lock";

/// Every place that pinfold reads or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    pub manifest: PathBuf,
    /// Beside the manifest: the same name ending in `.lock`.
    pub lock: PathBuf,
    /// `$XDG_DATA_HOME/pinfold`
    pub data: PathBuf,
    /// `$XDG_STATE_HOME/pinfold`
    pub state: PathBuf,
    /// `$XDG_RUNTIME_DIR/pinfold`; the specification knows no default for it.
    pub runtime: Option<PathBuf>,
    pub home: Option<PathBuf>,
    /// Whether the manifest is the user's own default one, which needs no `pinfold trust`.
    pub own_manifest: bool,
    /// The folder of a manifest that is somebody else's, links resolved; `None` while there is none.
    pub foreign_folder: Option<PathBuf>,
}

impl Paths {
    /// Applies the XDG Base Directory Specification: unset, empty and relative values
    /// of `XDG_*` are ignored, and so is a HOME that is not absolute; then the user
    /// database is asked. An override that is a folder means the `pinfold.toml` in it.
    pub fn resolve(
        environment: &Environment,
        manifest_override: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        Self::resolve_with(environment, manifest_override, home_of_user)
    }

    fn resolve_with(
        environment: &Environment,
        manifest_override: Option<&Path>,
        database_home: impl FnOnce() -> Option<PathBuf>,
    ) -> Result<Self, ConfigError> {
        let home = absolute(environment, "HOME")
            .or_else(|| database_home().filter(|home| home.is_absolute()));
        let base = |variable: &str, below_home: &str| {
            absolute(environment, variable)
                .or_else(|| home.as_ref().map(|home| home.join(below_home)))
                .map(|base| base.join(FOLDER))
                .ok_or_else(|| ConfigError::NoHome {
                    user: nix::unistd::geteuid().as_raw(),
                })
        };
        let own = base("XDG_CONFIG_HOME", ".config")?.join(MANIFEST);
        let (manifest, own_manifest) = match manifest_override {
            None => (own, true),
            Some(given) => {
                let given = absolute_manifest(given)?;
                // The own name is kept, so that the lock beside it is the own one too and
                // not one that lies beside a link in somebody's repository.
                if same_file(&given, &own) {
                    (own, true)
                } else {
                    (given, false)
                }
            }
        };
        Ok(Self {
            lock: lock_beside(&manifest)?,
            foreign_folder: match own_manifest {
                true => None,
                false => manifest
                    .parent()
                    .and_then(|folder| folder.canonicalize().ok()),
            },
            manifest,
            data: base("XDG_DATA_HOME", ".local/share")?,
            state: base("XDG_STATE_HOME", ".local/state")?,
            runtime: absolute(environment, "XDG_RUNTIME_DIR").map(|base| base.join(FOLDER)),
            home: home.clone(),
            own_manifest,
        })
    }

    /// Every place below `folder`, for a command that keeps nothing.
    pub fn below(folder: &Path, home: Option<PathBuf>) -> Self {
        Self {
            manifest: folder.join(MANIFEST),
            lock: folder.join(MANIFEST).with_extension(LOCK_EXTENSION),
            data: folder.join("data"),
            state: folder.join("state"),
            runtime: None,
            home,
            own_manifest: true,
            foreign_folder: None,
        }
    }

    /// The folder that the manifest and the lock are in.
    pub fn manifest_folder(&self) -> &Path {
        self.manifest.parent().unwrap_or_else(|| Path::new("/"))
    }

    /// Read-only trees and artifacts, addressed by digest.
    pub fn store(&self) -> PathBuf {
        self.data.join("store")
    }

    /// What a server keeps between sessions: its HOME and TMPDIR.
    ///
    /// A manifest that is not the user's own has folders of its own for its servers: one of them
    /// that is called like another's must not find what that one keeps. No name of a server has
    /// an `@`.
    pub fn server_state(&self, name: &ServerName) -> PathBuf {
        let servers = self.state.join("servers");
        if self.own_manifest {
            return servers.join(name.as_str());
        }
        let manifest = Digest::of(self.manifest.as_os_str().as_bytes()).hex();
        servers.join(format!("{name}@{}", &manifest[..16]))
    }

    /// The originals of configs that `pinfold import` rewrote.
    pub fn client_configs(&self) -> PathBuf {
        self.state.join("client-configs")
    }

    /// `$XDG_STATE_HOME/pinfold/import`: whoever imports configs locks a file in it.
    pub fn import_turn(&self) -> PathBuf {
        self.state.join("import")
    }

    /// The folder of the audit log.
    pub fn audit(&self) -> PathBuf {
        self.state.join("audit")
    }

    /// Where sessions that no daemon serves say that they are there.
    pub fn embedded_sessions(&self) -> PathBuf {
        self.state.join("sessions")
    }

    /// Where the daemon listens; `None` where the user has no runtime folder.
    pub fn control_socket(&self) -> Option<PathBuf> {
        Some(self.runtime.as_ref()?.join("control.sock"))
    }

    /// The record of manifests that the user trusts; see [`super::Trust`].
    pub fn trusted(&self) -> PathBuf {
        self.state.join("trusted.json")
    }
}

fn absolute(environment: &Environment, variable: &str) -> Option<PathBuf> {
    environment
        .get(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

fn home_of_user() -> Option<PathBuf> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
        .ok()
        .flatten()?;
    Some(user.dir)
}

fn absolute_manifest(given: &Path) -> Result<PathBuf, ConfigError> {
    let path = std::path::absolute(given).map_err(|source| ConfigError::CurrentFolder {
        path: given.to_owned(),
        source,
    })?;
    Ok(if path.is_dir() {
        path.join(MANIFEST)
    } else {
        path
    })
}

fn lock_beside(manifest: &Path) -> Result<PathBuf, ConfigError> {
    let lock = manifest.with_extension(LOCK_EXTENSION);
    if manifest.file_name().is_none() || lock == manifest {
        return Err(ConfigError::ManifestName {
            path: manifest.to_owned(),
        });
    }
    Ok(lock)
}

/// A name that leads to the own manifest by another way is still the own manifest.
fn same_file(given: &Path, own: &Path) -> bool {
    given == own
        || match (given.canonicalize(), own.canonicalize()) {
            (Ok(given), Ok(own)) => given == own,
            _ => false,
        }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
mod tests {
    use super::*;

    fn resolve(pairs: &[(&str, &str)], given: Option<&Path>) -> Result<Paths, ConfigError> {
        Paths::resolve_with(
            &Environment::from_pairs(pairs.iter().copied()),
            given,
            || None,
        )
    }

    #[test]
    fn defaults_are_below_home() {
        let paths = resolve(&[("HOME", "/home/ada")], None).unwrap();
        assert_eq!(
            paths.manifest,
            Path::new("/home/ada/.config/pinfold/pinfold.toml")
        );
        assert_eq!(
            paths.lock,
            Path::new("/home/ada/.config/pinfold/pinfold.lock")
        );
        assert_eq!(
            paths.manifest_folder(),
            Path::new("/home/ada/.config/pinfold")
        );
        assert_eq!(
            paths.store(),
            Path::new("/home/ada/.local/share/pinfold/store")
        );
        assert_eq!(
            paths.trusted(),
            Path::new("/home/ada/.local/state/pinfold/trusted.json")
        );
        let name = "everything".parse().unwrap();
        assert_eq!(
            paths.server_state(&name),
            Path::new("/home/ada/.local/state/pinfold/servers/everything")
        );
        assert_eq!(paths.runtime, None);
        assert!(paths.own_manifest);
    }

    #[test]
    fn servers_of_other_manifests_have_folders_of_their_own() {
        let name: ServerName = "github".parse().unwrap();
        let own = resolve(&[("HOME", "/home/ada")], None).unwrap();
        let other = |manifest: &str| Paths {
            manifest: manifest.into(),
            own_manifest: false,
            ..own.clone()
        };
        let (one, two) = (other("/a/pinfold.toml"), other("/b/pinfold.toml"));
        let folders = [&own, &one, &two].map(|paths| paths.server_state(&name));
        let different: std::collections::BTreeSet<_> = folders.iter().collect();
        assert_eq!(different.len(), 3, "{folders:?}");
        assert_eq!(
            one.server_state(&name),
            other("/a/pinfold.toml").server_state(&name)
        );
        assert!(
            folders
                .iter()
                .all(|folder| folder.parent() == folders[0].parent())
        );
    }

    #[test]
    fn absolute_xdg_values_win_and_others_are_ignored() {
        let paths = resolve(
            &[
                ("HOME", "/home/ada"),
                ("XDG_CONFIG_HOME", "/c"),
                ("XDG_DATA_HOME", "relative"),
                ("XDG_STATE_HOME", ""),
                ("XDG_RUNTIME_DIR", "/run/user/1"),
            ],
            None,
        )
        .unwrap();
        assert_eq!(paths.manifest, Path::new("/c/pinfold/pinfold.toml"));
        assert_eq!(paths.data, Path::new("/home/ada/.local/share/pinfold"));
        assert_eq!(paths.state, Path::new("/home/ada/.local/state/pinfold"));
        assert_eq!(
            paths.runtime.as_deref(),
            Some(Path::new("/run/user/1/pinfold"))
        );
    }

    #[test]
    fn without_home_the_user_database_is_asked_and_then_the_answer_is_no() {
        for home in [&[][..], &[("HOME", "")], &[("HOME", "relative")]] {
            let environment = Environment::from_pairs(home.iter().copied());
            let paths =
                Paths::resolve_with(&environment, None, || Some("/database".into())).unwrap();
            assert_eq!(paths.home.as_deref(), Some(Path::new("/database")));
            let error = resolve(home, None).unwrap_err();
            assert!(matches!(error, ConfigError::NoHome { .. }));
            assert!(error.to_string().contains("XDG_STATE_HOME"), "{error}");
        }
        let all = [
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_DATA_HOME", "/d"),
            ("XDG_STATE_HOME", "/s"),
        ];
        assert_eq!(resolve(&all, None).unwrap().home, None);
    }

    #[test]
    fn another_manifest_is_not_the_users_own() {
        let folder = crate::lockfile::private_test_folder();
        let home = folder.path().to_str().unwrap();
        let own = folder.path().join(".config/pinfold/pinfold.toml");
        std::fs::create_dir_all(own.parent().unwrap()).unwrap();
        std::fs::write(&own, "").unwrap();
        let repository = folder.path().join("repository");
        std::fs::create_dir(&repository).unwrap();

        let with = |given: &Path| resolve(&[("HOME", home)], Some(given));
        let other = with(&repository).unwrap();
        assert_eq!(other.manifest, repository.join("pinfold.toml"));
        assert_eq!(other.lock, repository.join("pinfold.lock"));
        assert!(!other.own_manifest);

        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(&own, &link).unwrap();
        assert!(with(&own).unwrap().own_manifest);
        assert_eq!(with(&link).unwrap(), with(&own).unwrap());
        assert!(matches!(
            with(&repository.join("pinfold.lock")),
            Err(ConfigError::ManifestName { .. })
        ));
        assert!(
            with(Path::new("relative.toml"))
                .unwrap()
                .manifest
                .is_absolute()
        );
    }
}
