//! The file that a server's stderr goes to: bounded, private to the user, rotated once.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::errors::RelayError;
use super::stderr::LineSink;

/// When a log file is put aside, in bytes. With the one put aside: twice this.
const MAX_BYTES: u64 = 1024 * 1024;

/// `PATH`, and the file before it as `PATH.1`. Mode 0600; a symbolic link is not followed.
#[derive(Debug)]
pub struct StderrLog {
    path: PathBuf,
    file: File,
    written: u64,
}

impl StderrLog {
    /// Opens `path` to append; its folder must exist.
    pub fn open(path: &Path) -> Result<Self, RelayError> {
        let opened = open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (written, file) = opened.map_err(|source| RelayError::OpenLog {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            written,
        })
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".1");
        std::fs::rename(&self.path, aside)?;
        self.file = open(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

impl LineSink for StderrLog {
    fn write_line(&mut self, line: &str) -> io::Result<()> {
        if self.written >= MAX_BYTES {
            self.rotate()?;
        }
        let line = format!("{line}\n");
        self.file.write_all(line.as_bytes())?;
        self.written += line.len() as u64;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_log_is_private_appended_and_rotated_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stderr.log");
        StderrLog::open(&path).unwrap().write_line("first").unwrap();
        let mut log = StderrLog::open(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        log.write_line("second").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond\n");

        let line = "x".repeat(4095);
        for _ in 0..1000 {
            log.write_line(&line).unwrap();
        }
        let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size("stderr.log") <= MAX_BYTES + 4096);
        assert!(size("stderr.log.1") <= MAX_BYTES + 4096);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_link_or_a_missing_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert!(matches!(
            StderrLog::open(&link),
            Err(RelayError::OpenLog { .. })
        ));
        let missing = folder.path().join("no/such/folder");
        assert!(matches!(
            StderrLog::open(&missing),
            Err(RelayError::OpenLog { .. })
        ));
    }
}
