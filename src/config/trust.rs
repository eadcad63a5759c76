//! Which foreign manifests the user agreed to. Trust is in the content of manifest and
//! lock, at one path; any change of either asks again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ConfigError;
use crate::lockfile::{
    Digest, GuardedReadError, LockError, WriteLock, create_private_folder, printable, read_guarded,
    replace_atomically,
};

const VERSION: u32 = 1;
const MAX_BYTES: u64 = 16 << 20;
const MAX_ENTRIES: usize = 10_000;
/// Writing the record takes milliseconds; who waits longer has met a stuck process.
const WAIT: Duration = Duration::from_secs(10);

/// The record in `trusted.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// By the absolute path of the manifest.
    agreed: BTreeMap<String, Agreed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Agreed {
    manifest: Digest,
    lock: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTrust {
    version: u32,
    trusted: Vec<RawAgreed>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAgreed {
    path: String,
    manifest: String,
    lock: String,
}

impl Trust {
    /// Reads the record at `path` ([`super::Paths::trusted`]). None there: nothing is trusted.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let bytes = match read_guarded(path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(GuardedReadError::Missing { .. }) => return Ok(Self::default()),
            Err(other) => return Err(ConfigError::Read(other)),
        };
        parse(&bytes).map_err(|reason| ConfigError::TrustDamaged {
            path: path.to_owned(),
            reason,
        })
    }

    /// Whether exactly this manifest and this lock were agreed to at this (absolute) path.
    ///
    /// The digests must be of the bytes that are then obeyed: [`super::Manifest::load_with_digest`]
    /// and [`crate::lockfile::digest`].
    #[must_use]
    pub fn is_trusted(&self, manifest_path: &Path, manifest: &Digest, lock: &Digest) -> bool {
        manifest_path
            .to_str()
            .and_then(|path| self.agreed.get(path))
            .is_some_and(|agreed| agreed.manifest == *manifest && agreed.lock == *lock)
    }

    /// Whether exactly this manifest was agreed to at this path, with whatever lock.
    #[must_use]
    pub fn is_known(&self, manifest_path: &Path, manifest: &Digest) -> bool {
        let agreed = manifest_path
            .to_str()
            .and_then(|path| self.agreed.get(path));
        agreed.is_some_and(|agreed| agreed.manifest == *manifest)
    }

    /// The manifests that were ever agreed to and not withdrawn, whatever they hold now.
    pub fn manifests(&self) -> impl Iterator<Item = &Path> {
        self.agreed.keys().map(Path::new)
    }

    /// Records trust in the file at `path`, which other pinfolds may be changing too.
    /// An earlier agreement for the same manifest is replaced.
    pub fn record(
        path: &Path,
        manifest_path: &Path,
        manifest: Digest,
        lock: Digest,
    ) -> Result<(), ConfigError> {
        let key = recordable(manifest_path)?;
        change(path, |trust| {
            trust.agreed.insert(key, Agreed { manifest, lock });
            if trust.agreed.len() > MAX_ENTRIES {
                let reason = "10000 others are recorded already";
                return Err(refused(manifest_path, reason));
            }
            Ok(())
        })
    }

    /// Takes trust back; fine when there was none.
    pub fn withdraw(path: &Path, manifest_path: &Path) -> Result<(), ConfigError> {
        let key = recordable(manifest_path)?;
        change(path, |trust| {
            trust.agreed.remove(&key);
            Ok(())
        })
    }

    fn text(&self) -> Result<String, serde_json::Error> {
        let trusted = self.agreed.iter().map(|(path, agreed)| RawAgreed {
            path: path.clone(),
            manifest: agreed.manifest.to_string(),
            lock: agreed.lock.to_string(),
        });
        let raw = RawTrust {
            version: VERSION,
            trusted: trusted.collect(),
        };
        Ok(serde_json::to_string_pretty(&raw)? + "\n")
    }
}

fn parse(bytes: &[u8]) -> Result<Trust, String> {
    let raw: RawTrust =
        serde_json::from_slice(bytes).map_err(|error| printable(&error.to_string(), 200))?;
    if raw.version != VERSION {
        return Err(format!("version {} is of a newer pinfold", raw.version));
    }
    let mut agreed = BTreeMap::new();
    for entry in raw.trusted {
        let digest = |text: &str| text.parse::<Digest>().map_err(|error| error.to_string());
        let value = Agreed {
            manifest: digest(&entry.manifest)?,
            lock: digest(&entry.lock)?,
        };
        if agreed.insert(entry.path, value).is_some() {
            return Err("a path is recorded twice".to_owned());
        }
    }
    Ok(Trust { agreed })
}

fn recordable(manifest_path: &Path) -> Result<String, ConfigError> {
    if !manifest_path.is_absolute() {
        return Err(refused(manifest_path, "its path is not absolute"));
    }
    let text = manifest_path.to_str();
    text.map(str::to_owned)
        .ok_or_else(|| refused(manifest_path, "its path is not UTF-8"))
}

fn refused(manifest_path: &Path, reason: &'static str) -> ConfigError {
    ConfigError::TrustRefused {
        manifest: manifest_path.to_owned(),
        reason,
    }
}

fn change(
    path: &Path,
    edit: impl FnOnce(&mut Trust) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    let failed = |source| ConfigError::TrustWrite {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    create_private_folder(folder).map_err(failed)?;
    let _lock: WriteLock = WriteLock::acquire(folder, WAIT)
        .map_err(|error: LockError| ConfigError::TrustLock(error))?;
    let mut trust = Trust::load(path)?;
    edit(&mut trust)?;
    let text = trust.text().map_err(|error| failed(error.into()))?;
    replace_atomically(path, text.as_bytes(), 0o600).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const MANIFEST: &str = "/repository/pinfold.toml";

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn trusts(path: &Path, manifest: &str, m: &str, l: &str) -> bool {
        Trust::load(path)
            .unwrap()
            .is_trusted(Path::new(manifest), &digest(m), &digest(l))
    }

    #[test]
    fn trust_is_in_path_manifest_and_lock_together() {
        let folder = crate::lockfile::private_test_folder();
        let path = folder.path().join("state/pinfold/trusted.json");
        assert!(!trusts(&path, MANIFEST, "m", "l"));
        Trust::record(&path, Path::new(MANIFEST), digest("m"), digest("l")).unwrap();
        assert!(trusts(&path, MANIFEST, "m", "l"));
        assert!(!trusts(&path, MANIFEST, "changed", "l"));
        assert!(!trusts(&path, MANIFEST, "m", "changed"));
        let known = |manifest: &str, content: &str| {
            let trust = Trust::load(&path).unwrap();
            trust.is_known(Path::new(manifest), &digest(content))
        };
        assert!(known(MANIFEST, "m"));
        assert!(!known(MANIFEST, "changed") && !known("/other/pinfold.toml", "m"));
        assert!(!trusts(&path, "/other/pinfold.toml", "m", "l"));

        Trust::record(&path, Path::new("/b.toml"), digest("b"), digest("l")).unwrap();
        Trust::record(&path, Path::new(MANIFEST), digest("m2"), digest("l2")).unwrap();
        assert!(trusts(&path, "/b.toml", "b", "l"));
        assert!(trusts(&path, MANIFEST, "m2", "l2"));
        assert!(!trusts(&path, MANIFEST, "m", "l"));

        Trust::withdraw(&path, Path::new(MANIFEST)).unwrap();
        assert!(!trusts(&path, MANIFEST, "m2", "l2"));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn only_absolute_paths_are_recorded() {
        let folder = crate::lockfile::private_test_folder();
        let path = folder.path().join("trusted.json");
        assert!(matches!(
            Trust::record(&path, Path::new("pinfold.toml"), digest("m"), digest("l")),
            Err(ConfigError::TrustRefused { .. })
        ));
        assert!(!path.exists());
    }

    #[test]
    fn a_damaged_record_trusts_nothing_and_is_not_overwritten() {
        let folder = crate::lockfile::private_test_folder();
        let path = folder.path().join("trusted.json");
        let entry = |path: &str| {
            let digest = digest("m");
            format!("{{\"path\":\"{path}\",\"manifest\":\"{digest}\",\"lock\":\"{digest}\"}}")
        };
        let good = format!("{{\"version\":1,\"trusted\":[{}]}}", entry(MANIFEST));
        replace_atomically(&path, good.as_bytes(), 0o600).unwrap();
        assert!(trusts(&path, MANIFEST, "m", "m"));
        for bad in [
            String::new(),
            "{}".to_owned(),
            good.replace("\"version\":1", "\"version\":2"),
            good.replace("sha256:", "sha1:"),
            good.replace("\"lock\"", "\"lok\""),
            good.replace(']', &format!(",{}]", entry(MANIFEST))),
        ] {
            replace_atomically(&path, bad.as_bytes(), 0o600).unwrap();
            assert!(
                matches!(Trust::load(&path), Err(ConfigError::TrustDamaged { .. })),
                "{bad}"
            );
            assert!(Trust::record(&path, Path::new("/x"), digest("m"), digest("l")).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn a_record_that_others_can_write_is_refused() {
        let folder = crate::lockfile::private_test_folder();
        let path = folder.path().join("trusted.json");
        Trust::record(&path, Path::new(MANIFEST), digest("m"), digest("l")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(Trust::load(&path), Err(ConfigError::Read(_))));
    }
}
