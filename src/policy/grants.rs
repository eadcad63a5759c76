//! Rights to files, where each comes from, and which can't be granted.

use std::path::{Path, PathBuf};

use super::profile::{Demand, Unless};
use super::{PolicyError, Profile};
use crate::config::{EgressTier, Server};
use crate::sandbox::Access;

/// One right to files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// An absolute path, perhaps with `{tree}`, `{home}`, `{temporary}`, `{prefix}` or `{name}` in it.
    pub path: String,
    pub access: Access,
    pub why: String,
    pub origin: Origin,
    /// Of a path that the manifest grants: what it is with links resolved. It is pinned, too: a
    /// server that may write somewhere above could put a link in its place.
    pub resolved: Option<PathBuf>,
}

/// pinfold's own files and folders, which no manifest may grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnFolders {
    /// Neither to read nor to write: store, state and logs of other servers, the user's manifest.
    pub private: Vec<PathBuf>,
    /// Not to write: a manifest that lies in a repository, and the program itself.
    pub protected: Vec<PathBuf>,
}

/// Where a right comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Base,
    Profile(String),
    Runtime(&'static str),
    Manifest,
}

/// What the profile's name promises must be so.
pub(super) fn meet_demands(server: &Server, profile: &Profile) -> Result<(), PolicyError> {
    for (demand, key, paths) in [
        (profile.files.read, "files.read", &server.files.read),
        (profile.files.write, "files.write", &server.files.write),
    ] {
        let profile = || server.profile.clone();
        match demand {
            Demand::Required if paths.is_empty() => {
                return Err(PolicyError::MissingGrant {
                    profile: profile(),
                    key,
                });
            }
            Demand::Refused if !paths.is_empty() => {
                return Err(PolicyError::RefusedGrant {
                    profile: profile(),
                    key,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// What one part of the policy grants to a server with egress of this tier, or without network.
pub(super) fn grants_of(
    profile: &Profile,
    origin: &Origin,
    tier: Option<EgressTier>,
) -> Vec<Grant> {
    let by_name = tier == Some(EgressTier::Names);
    [
        (&profile.read, Access::Read),
        (&profile.write, Access::Write),
        (&profile.execute, Access::Execute),
        (&profile.write_execute, Access::WriteExecute),
        (&profile.device, Access::Device),
        (&profile.list, Access::List),
    ]
    .into_iter()
    .flat_map(|(paths, access)| paths.iter().map(move |path| (path, access)))
    .filter(|(path, _)| !(by_name && path.unless == Some(Unless::Names)))
    .map(|(path, access)| Grant {
        path: path.path.clone(),
        access,
        why: path.why.clone(),
        origin: origin.clone(),
        resolved: None,
    })
    .collect()
}

/// Judges a path that a manifest grants, as written and again with links resolved.
///
/// Landlock can't take a right away below a folder that has it, so a grant must not hold pinfold's
/// own files.
///
/// # Errors
/// [`PolicyError::ForbiddenGrant`].
pub fn check_grant(path: &Path, access: Access, own: &OwnFolders) -> Result<(), PolicyError> {
    let meets = |own: &PathBuf| own.starts_with(path) || path.starts_with(own);
    let forbidden = path == Path::new("/")
        || own.private.iter().any(meets)
        || (access == Access::Write && own.protected.iter().any(meets));
    if forbidden {
        Err(PolicyError::ForbiddenGrant {
            path: path.to_owned(),
        })
    } else {
        Ok(())
    }
}

/// A path of the manifest as a grant.
pub(super) fn manifest_grant(
    path: &Path,
    access: Access,
    own: &OwnFolders,
) -> Result<Grant, PolicyError> {
    check_grant(path, access, own)?;
    Ok(Grant {
        path: path.to_string_lossy().into_owned(),
        access,
        why: "granted in the manifest".to_owned(),
        origin: Origin::Manifest,
        resolved: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> OwnFolders {
        OwnFolders {
            private: vec![
                "/home/me/.config/pinfold".into(),
                "/home/me/.local/share/pinfold".into(),
            ],
            protected: vec!["/src/repository/pinfold.toml".into()],
        }
    }

    #[test]
    fn grants_that_reach_our_own_files_are_refused() {
        let refused = [
            ("/", Access::Read),
            ("/home", Access::Read),
            ("/home/me", Access::Read),
            ("/home/me/.config/pinfold", Access::Read),
            ("/home/me/.local/share/pinfold/store", Access::Write),
            ("/src/repository", Access::Write),
        ];
        for (path, access) in refused {
            assert!(
                check_grant(Path::new(path), access, &own()).is_err(),
                "{path} {access:?}"
            );
        }
        let fine = [
            ("/home/me/documents", Access::Write),
            ("/home/me/.config/pinfolding", Access::Write),
            ("/src/repository", Access::Read),
            ("/src/other", Access::Write),
        ];
        for (path, access) in fine {
            assert!(
                check_grant(Path::new(path), access, &own()).is_ok(),
                "{path} {access:?}"
            );
        }
    }
}
