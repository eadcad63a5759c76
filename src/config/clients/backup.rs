//! The originals of configs that were rewritten: kept in a private folder of their own, because
//! they may hold secrets, and with digests of what was there and what was put there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::read::MAX_CLIENT_FILE_BYTES;
use crate::lockfile::{
    Digest, GuardedReadError, create_private_folder, printable, read_guarded, replace_atomically,
};

const VERSION: u32 = 1;
const MAX_RECORD_BYTES: u64 = 64 << 10;
const RECORD: &str = "json";
const ORIGINAL: &str = "original";

/// The folder of the originals.
#[derive(Clone, Debug)]
pub struct Backups {
    folder: PathBuf,
}

/// One rewriting of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Names sort by time.
    pub id: String,
    /// Of the config, links resolved.
    pub path: PathBuf,
    /// RFC 3339.
    pub at: String,
    /// What was there before.
    pub original: Digest,
    /// What was put there.
    pub result: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    path: String,
    at: String,
    original: String,
    result: String,
}

/// One variant per failing step.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("the original could not be kept in `{}`, so nothing was changed", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the originals in `{}` could not be read", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Read(GuardedReadError),
    #[error("`{}` is damaged ({reason}), so it can't be put back; its folder holds the original", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("the path of a config is not UTF-8")]
    NotUtf8,
}

impl Backups {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps `original` before `result` takes its place. `at` is now, in RFC 3339 with fractions,
    /// so that ids sort by time.
    pub fn keep(
        &self,
        path: &Path,
        original: &[u8],
        result: &[u8],
        at: &str,
    ) -> Result<Backup, BackupError> {
        let digest = Digest::of(original);
        let time: String = at.chars().filter(char::is_ascii_digit).collect();
        let place = Digest::of(path.as_os_str().as_encoded_bytes()).hex();
        let backup = Backup {
            id: format!("{time}-{}", &place[..12]),
            path: path.to_owned(),
            at: at.to_owned(),
            original: digest,
            result: Digest::of(result),
        };
        let raw = Raw {
            version: VERSION,
            path: path.to_str().ok_or(BackupError::NotUtf8)?.to_owned(),
            at: backup.at.clone(),
            original: backup.original.to_string(),
            result: backup.result.to_string(),
        };
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| BackupError::Write { path, source }
        };
        create_private_folder(&self.folder).map_err(failed(&self.folder))?;
        let text = serde_json::to_vec_pretty(&raw).map_err(|error| BackupError::Damaged {
            path: self.folder.clone(),
            reason: error.to_string(),
        })?;
        // The record last: one without its original would promise what can't be kept.
        for (extension, bytes) in [(ORIGINAL, original), (RECORD, text.as_slice())] {
            let path = self.file(&backup, extension);
            replace_atomically(&path, bytes, 0o600).map_err(failed(&path))?;
        }
        Ok(backup)
    }

    /// All that are kept, the oldest first.
    pub fn list(&self) -> Result<Vec<Backup>, BackupError> {
        let failed = |source| BackupError::Folder {
            path: self.folder.clone(),
            source,
        };
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let id = path.file_stem().and_then(|id| id.to_str());
            if let Some(id) = id
                && path.extension().is_some_and(|end| end == RECORD)
            {
                found.push(read_record(&path, id)?);
            }
        }
        found.sort_by(|one, two| one.id.cmp(&two.id));
        Ok(found)
    }

    /// The bytes that were there, held against their digest.
    pub fn original(&self, backup: &Backup) -> Result<Vec<u8>, BackupError> {
        let path = self.file(backup, ORIGINAL);
        let bytes = read_guarded(&path, MAX_CLIENT_FILE_BYTES).map_err(BackupError::Read)?;
        match Digest::of(&bytes) == backup.original {
            true => Ok(bytes),
            false => Err(BackupError::Damaged {
                path,
                reason: "its digest is another".to_owned(),
            }),
        }
    }

    /// Removes one.
    pub fn forget(&self, backup: &Backup) -> io::Result<()> {
        // The record first, for the same reason.
        fs::remove_file(self.file(backup, RECORD))?;
        fs::remove_file(self.file(backup, ORIGINAL))
    }

    /// Removes what a program that was killed left behind: originals without a record, which nobody
    /// could put back, and files that were never finished. They may hold secrets. Nobody else may
    /// keep or forget one meanwhile.
    pub fn sweep(&self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_unfinished = name.starts_with('.') && name.contains(".pinfold-");
            let is_alone = path.extension().is_some_and(|end| end == ORIGINAL)
                && !path.with_extension(RECORD).exists();
            if is_unfinished || is_alone {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn file(&self, backup: &Backup, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", backup.id))
    }
}

fn read_record(path: &Path, id: &str) -> Result<Backup, BackupError> {
    let bytes = read_guarded(path, MAX_RECORD_BYTES).map_err(BackupError::Read)?;
    let damaged = |reason: &dyn std::fmt::Display| BackupError::Damaged {
        path: path.to_owned(),
        reason: printable(&reason.to_string(), 200),
    };
    let raw: Raw = serde_json::from_slice(&bytes).map_err(|error| damaged(&error))?;
    if raw.version != VERSION {
        return Err(damaged(&"it is of another version of pinfold"));
    }
    Ok(Backup {
        id: id.to_owned(),
        path: PathBuf::from(raw.path),
        at: raw.at,
        original: raw.original.parse().map_err(|error| damaged(&error))?,
        result: raw.result.parse().map_err(|error| damaged(&error))?,
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_could_put_back_is_swept_away_and_nothing_else() {
        let folder = crate::lockfile::private_test_folder();
        let backups = Backups::new(folder.path().join("originals"));
        backups.sweep().unwrap();
        let path = Path::new("/home/ada/.cursor/mcp.json");
        let kept = backups
            .keep(path, b"before", b"after", "2026-01-02T03:04:05.678901234Z")
            .unwrap();
        for name in [
            "20260102030405000000000-0123456789ab.original",
            ".20260102030405000000000-0123456789ab.original.pinfold-7-00ff",
        ] {
            fs::write(backups.folder.join(name), "a secret").unwrap();
        }
        assert_eq!(fs::read_dir(&backups.folder).unwrap().count(), 4);
        backups.sweep().unwrap();
        assert_eq!(fs::read_dir(&backups.folder).unwrap().count(), 2);
        assert_eq!(backups.original(&kept).unwrap(), b"before");
        // One that is forgotten half can't be put back either.
        fs::remove_file(backups.file(&kept, RECORD)).unwrap();
        backups.sweep().unwrap();
        assert_eq!(fs::read_dir(&backups.folder).unwrap().count(), 0);
    }
}
