//! Quarantine: a marker in a server's state folder, which the server can't reach. As long as it is
//! there nothing of the server is started, and what runs of it ends (`quarantine_watch.rs`).
//!
//! A marker that can't be read counts: whoever damages it releases nobody.

use std::fs::{self, File};
use std::io;
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::config::Alarm;
use crate::lockfile::{create_private_folder, printable, read_guarded, replace_atomically};

/// The marker's name in a server's state folder.
pub const QUARANTINE_FILE: &str = "quarantine.json";

const MAX_BYTES: u64 = 64 << 10;
/// Longest reason that is kept, in characters.
const MAX_REASON: usize = 1000;

/// The place of one server's marker.
#[derive(Clone, Debug)]
pub struct Quarantine {
    path: PathBuf,
}

/// Who imposed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImposedBy {
    /// `pinfold quarantine`.
    Command,
    /// `pinfold secret remove`, of a secret that the server uses.
    SecretRemoval,
    Alarm(Alarm),
}

/// What a marker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imposed {
    Known {
        since: SystemTime,
        reason: Option<String>,
        by: ImposedBy,
    },
    /// There is something in the marker's place, and this is wrong with it.
    Unreadable { problem: String },
}

/// The bytes of a marker.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    pinfold: u32,
    /// RFC 3339, UTC.
    since: String,
    reason: Option<String>,
    /// `command`, `secret-remove`, or the name of an alarm.
    by: String,
}

impl Quarantine {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is imposed now, if anything.
    pub fn look(&self) -> Option<Imposed> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(unreadable(&error)),
            Ok(_) => Some(match read_guarded(&self.path, MAX_BYTES) {
                Ok(bytes) => parse(&bytes).unwrap_or_else(|problem| unreadable(&problem)),
                // Somebody has just taken it away, or it leads nowhere.
                Err(error) => match fs::symlink_metadata(&self.path) {
                    Err(gone) if gone.kind() == io::ErrorKind::NotFound => return None,
                    _ => unreadable(&error),
                },
            }),
        }
    }

    /// Imposes it, once the marker is on the disk. One that is there already stays as it is, and
    /// is returned.
    ///
    /// # Errors
    /// When the marker can't be written.
    pub fn impose(&self, by: ImposedBy, reason: Option<&str>) -> io::Result<Option<Imposed>> {
        if let Some(already) = self.look() {
            return Ok(Some(already));
        }
        let written = Written {
            pinfold: 1,
            since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            reason: reason.map(|reason| printable(reason, MAX_REASON)),
            by: match by {
                ImposedBy::Command => "command".to_owned(),
                ImposedBy::SecretRemoval => "secret-remove".to_owned(),
                ImposedBy::Alarm(alarm) => alarm.name().to_owned(),
            },
        };
        let text = serde_json::to_vec(&written)?;
        if let Some(folder) = self.path.parent() {
            create_private_folder(folder)?;
        }
        replace_atomically(&self.path, &text, 0o600)?;
        Ok(None)
    }

    /// Takes the marker away, whatever is in it. Whether there was one.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn lift(&self) -> io::Result<bool> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        }
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(true)
    }
}

fn unreadable(problem: &impl ToString) -> Imposed {
    Imposed::Unreadable {
        problem: printable(&problem.to_string(), MAX_REASON),
    }
}

fn parse(bytes: &[u8]) -> Result<Imposed, String> {
    let written: Written = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if written.pinfold != 1 {
        return Err(format!("it is of version {}", written.pinfold));
    }
    let by = match written.by.as_str() {
        "command" => ImposedBy::Command,
        "secret-remove" => ImposedBy::SecretRemoval,
        name => ImposedBy::Alarm(
            Alarm::named(name).ok_or_else(|| "it does not say who imposed it".to_owned())?,
        ),
    };
    Ok(Imposed::Known {
        since: humantime::parse_rfc3339(&written.since).map_err(|error| error.to_string())?,
        reason: written.reason.map(|reason| printable(&reason, MAX_REASON)),
        by,
    })
}

impl Imposed {
    /// A sentence without its subject, which is the server.
    pub fn describe(&self) -> String {
        match self {
            Self::Known { since, reason, by } => {
                let since = humantime::format_rfc3339_seconds(*since);
                let by = match by {
                    ImposedBy::Command => "by `pinfold quarantine`".to_owned(),
                    ImposedBy::SecretRemoval => "by `pinfold secret remove`".to_owned(),
                    ImposedBy::Alarm(alarm) => format!("by the alarm `{}`", alarm.name()),
                };
                let reason = reason.as_deref().unwrap_or("no reason was given");
                format!("has been in quarantine since {since}, {by}: {reason}")
            }
            Self::Unreadable { problem } => {
                format!("counts as in quarantine, because its marker can't be read: {problem}")
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests damage files")]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Quarantine) {
        let folder = crate::lockfile::private_test_folder();
        let quarantine = Quarantine::new(folder.path().join("server/quarantine.json"));
        (folder, quarantine)
    }

    #[test]
    fn it_is_imposed_once_and_lifted() {
        let (_folder, quarantine) = place();
        assert_eq!(quarantine.look(), None);
        assert!(!quarantine.lift().unwrap());
        let reason = Some("it called home\u{1b}[2J");
        assert_eq!(quarantine.impose(ImposedBy::Command, reason).unwrap(), None);
        let found = quarantine.look().unwrap();
        let text = found.describe();
        assert!(
            text.contains("`pinfold quarantine`: it called home\\x1b[2J"),
            "{text}"
        );
        let alarm = ImposedBy::Alarm(Alarm::DeniedCalls);
        assert_eq!(quarantine.impose(alarm, None).unwrap(), Some(found));
        assert!(quarantine.lift().unwrap());
        assert_eq!(quarantine.look(), None);
        quarantine.impose(ImposedBy::SecretRemoval, None).unwrap();
        let text = quarantine.look().unwrap().describe();
        assert!(
            text.contains("by `pinfold secret remove`: no reason"),
            "{text}"
        );
        assert!(quarantine.lift().unwrap());
        quarantine.impose(alarm, None).unwrap();
        let text = quarantine.look().unwrap().describe();
        assert!(
            text.contains("the alarm `denied-calls`: no reason"),
            "{text}"
        );
    }

    #[test]
    fn what_can_not_be_read_counts() {
        let (_folder, quarantine) = place();
        quarantine.impose(ImposedBy::Command, None).unwrap();
        let sound = fs::read_to_string(quarantine.path()).unwrap();
        assert!(matches!(quarantine.look(), Some(Imposed::Known { .. })));
        for bytes in [
            String::new(),
            "{}".to_owned(),
            "0".repeat(70_000),
            sound.replace("\"pinfold\":1", "\"pinfold\":2"),
            sound.replace("command", "somebody"),
            sound.replace("\"by\"", "\"x\":1,\"by\""),
            sound.replace("\"since\":\"2", "\"since\":\"x"),
        ] {
            assert_ne!(bytes, sound);
            fs::write(quarantine.path(), &bytes).unwrap();
            let found = quarantine.look();
            assert!(
                matches!(found, Some(Imposed::Unreadable { .. })),
                "{bytes}: {found:?}"
            );
        }
        assert!(quarantine.lift().unwrap());
        std::os::unix::fs::symlink("nowhere", quarantine.path()).unwrap();
        assert!(matches!(
            quarantine.look(),
            Some(Imposed::Unreadable { .. })
        ));
        assert!(quarantine.lift().unwrap());
        fs::create_dir(quarantine.path()).unwrap();
        assert!(matches!(
            quarantine.look(),
            Some(Imposed::Unreadable { .. })
        ));
        assert!(quarantine.lift().is_err());
    }
}
