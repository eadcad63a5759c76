//! What is recorded. Digests and names; values only where the user switched that on, and then
//! without the secrets of the session.

use std::collections::BTreeMap;

use serde::Serialize;

use super::chain::{Anchor, MAX_LINE};
use super::error::AuditError;

/// Whose record it is; nothing of a command that is no session.
#[derive(Clone, Debug, Default)]
pub struct Who {
    pub session: Option<String>,
    pub server: Option<String>,
}

/// How arguments of calls are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arguments {
    /// The sha256 of their RFC 8785 form.
    #[default]
    Digest,
    /// The arguments too, without the values of the session's secrets.
    Redacted,
}

/// Who runs the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// `pinfold run` itself.
    Embedded,
    Daemon,
    /// The daemon, before there is a client; see [`Record::SessionTaken`].
    Warm,
}

/// The program on the other side of the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Client {
    pub pid: i32,
    /// The name of the program (`comm`, proc(5)), never its arguments.
    pub command: Option<String>,
}

/// For whom, and by whom, a session is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub mode: Mode,
    pub client: Option<Client>,
}

/// What is in force when a session begins.
#[derive(Clone, Debug, Serialize)]
pub struct Start {
    pub pinfold: &'static str,
    pub mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// The version of the server that was locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Digests, `sha256:HEX`.
    pub tree: String,
    pub manifest: String,
    pub lock: String,
    /// Layers in force, and those that are not.
    pub layers: Vec<&'static str>,
    pub missing: Vec<&'static str>,
    /// Names of variables that the server did not get.
    pub withheld: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Allow,
    Deny,
    /// The user is asked.
    Ask,
}

/// What went to one host in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EgressTotal {
    /// `None`: all others together.
    pub host: Option<String>,
    /// Connections.
    pub allowed: u64,
    pub refused: u64,
    /// Bytes from and to the server.
    pub sent: u64,
    pub received: u64,
}

/// One thing that is recorded; its name is `kind` in the line.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    SessionStart(Box<Start>),
    /// A server that was kept warm is now this client's.
    SessionTaken {
        client: Client,
    },
    /// A launch that was refused, and why.
    SessionRefused {
        reason: String,
    },
    SessionEnd {
        how: &'static str,
        /// The server's exit code, or 128 and the number of its signal.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Bytes; absent where nobody has measured any.
        #[serde(skip_serializing_if = "Option::is_none")]
        peak_memory: Option<u64>,
        processor_ms: u64,
        duration_ms: u64,
        calls: u64,
        denied: u64,
        errors: u64,
        /// How many of each kind were not recorded one by one, because they were too many.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        unrecorded: BTreeMap<&'static str, u64>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        egress: Vec<EgressTotal>,
    },
    /// A call of a tool, before it is passed on or refused.
    Call {
        call: u64,
        tool: String,
        decision: Decision,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// `sha256:HEX` of the arguments in RFC 8785 form.
        arguments: String,
        /// The digest is of the bytes that were sent: they hold a number that has no such form.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        not_canonical: bool,
        arguments_bytes: usize,
        /// As JSON text, where this is switched on.
        #[serde(skip_serializing_if = "Option::is_none")]
        redacted: Option<String>,
        /// The user was asked, and said yes.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        approved: bool,
        /// `terminal`; left out where it was through the client.
        #[serde(skip_serializing_if = "Option::is_none")]
        approved_by: Option<&'static str>,
        /// `traceparent` (W3C Trace Context), as far as it is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        trace: Option<String>,
    },
    CallEnd {
        call: u64,
        tool: String,
        /// `ok`, `error`, `tool_error`, `refused` (the answer did not reach the client), `input`,
        /// `none`.
        outcome: &'static str,
        duration_us: u64,
        /// Of the server's answer.
        bytes: usize,
    },
    /// Something else that the relay refused, changed or noticed.
    Event {
        what: &'static str,
        text: String,
    },
    Egress {
        decision: Decision,
        host: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        sent: u64,
        received: u64,
        duration_ms: u64,
    },
    /// The lock is about to be changed by a command.
    PolicyChange {
        command: &'static str,
        servers: Vec<String>,
        manifest: String,
        /// Digests, `sha256:HEX`.
        #[serde(skip_serializing_if = "Option::is_none")]
        manifest_digest: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lock_before: Option<String>,
        lock_after: String,
    },
    /// A manifest of somebody else is about to be trusted.
    Trust {
        manifest: String,
        manifest_digest: String,
        lock_digest: String,
    },
    /// An alarm of the session tripped, and its server was ended.
    Alarm {
        alarm: &'static str,
        /// What set it off.
        what: String,
        /// Whether its server is in quarantine now.
        quarantined: bool,
    },
    /// A command has put the server into quarantine.
    Quarantine {
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A command is about to release the server.
    Release {
        /// What was imposed, in words.
        was: String,
    },
    /// Something that the daemon itself has done.
    Daemon {
        /// `start`, `reload`, `refused` (a request of somebody who keeps to no protocol, or is another
        /// user), `stop`.
        event: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Of the daemon's process.
        pid: u32,
        pinfold: &'static str,
    },
    /// The log could not be written, and can be again.
    Resumed {
        reason: String,
        calls_refused: u64,
        records_lost: u64,
    },
    /// What an append found that was not as the last one left it.
    Repair {
        #[serde(skip_serializing_if = "Option::is_none")]
        torn: Option<Torn>,
        /// First and last number of records that are gone.
        #[serde(skip_serializing_if = "Option::is_none")]
        missing: Option<(u64, u64)>,
        /// The number of a record that is not the one that was written.
        #[serde(skip_serializing_if = "Option::is_none")]
        altered: Option<u64>,
        /// First and last number of records behind `head`, more than a killed writer can leave.
        #[serde(skip_serializing_if = "Option::is_none")]
        foreign: Option<(u64, u64)>,
        /// The file `head` was gone or damaged: whether records were cut off before is not known.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        head_lost: bool,
        /// The machine was started anew since the last record.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        restarted: bool,
    },
    /// Old files are removed, up to and with this record.
    Retention {
        through_seq: u64,
        through_hash: String,
        files: Vec<String>,
    },
}

/// A record whose end was never written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Torn {
    pub bytes: u64,
    pub sha256: String,
    /// The file that holds it now.
    pub kept_as: String,
}

/// When a record is forced onto the disk (fdatasync(2)). Each outlives every process from the moment
/// that it was written; this is about power losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sync {
    /// When the kernel gets to it, usually within half a minute.
    Later,
    /// At once, but nobody waits for it: a disk takes milliseconds.
    Soon,
    /// Before anything goes on.
    Now,
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    time: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
    #[serde(flatten)]
    record: &'a Record,
    prev: String,
}

impl Record {
    /// When it is forced onto the disk.
    pub(super) fn sync(&self) -> Sync {
        match self {
            Self::SessionRefused { .. }
            | Self::SessionEnd { .. }
            | Self::PolicyChange { .. }
            | Self::Trust { .. }
            | Self::Alarm { .. }
            | Self::Quarantine { .. }
            | Self::Release { .. }
            | Self::Retention { .. } => Sync::Now,
            Self::SessionStart(_)
            | Self::SessionTaken { .. }
            | Self::Daemon { .. }
            | Self::Resumed { .. }
            | Self::Repair { .. } => Sync::Soon,
            Self::Call { decision, .. } | Self::Egress { decision, .. } => match decision {
                Decision::Deny => Sync::Soon,
                Decision::Allow | Decision::Ask => Sync::Later,
            },
            Self::CallEnd { .. } | Self::Event { .. } => Sync::Later,
        }
    }

    /// Appends its line, with the newline, to `lines`.
    ///
    /// # Errors
    /// When it is longer than what is read back; nobody's words are to break the log.
    pub(super) fn write(
        &self,
        who: &Who,
        before: &Anchor,
        time: &str,
        lines: &mut Vec<u8>,
    ) -> Result<(), AuditError> {
        let start = lines.len();
        let line = Line {
            seq: before.seq + 1,
            time,
            session: who.session.as_deref(),
            server: who.server.as_deref(),
            record: self,
            prev: before.hash.hex(),
        };
        serde_json::to_writer(&mut *lines, &line)?;
        let length = lines.len() - start;
        // Written, it would be found later as a line that is no record.
        if length >= MAX_LINE {
            return Err(AuditError::TooLong { length });
        }
        lines.push(b'\n');
        Ok(())
    }
}

impl Caller {
    /// `pinfold run`, started by its client.
    pub fn embedded() -> Self {
        let parent = nix::unistd::getppid().as_raw();
        Self {
            mode: Mode::Embedded,
            client: Some(Client::of(parent)),
        }
    }
}

impl Client {
    pub fn of(pid: i32) -> Self {
        let command = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok();
        Self {
            pid,
            command: command.map(|name| crate::lockfile::printable(name.trim_end(), 64)),
        }
    }
}
