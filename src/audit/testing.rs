//! What the tests of this room share.

use std::fs;
use std::path::{Path, PathBuf};

use super::record::{Decision, Record, Who};
use super::{AuditLog, Limits, Verified, verify};

pub(super) const ROOMY: Limits = Limits {
    max_size: 1 << 20,
    keep: Some(8),
};

pub(super) fn who() -> Who {
    Who {
        session: Some("s".to_owned()),
        server: Some("everything".to_owned()),
    }
}

/// One that has to be on the disk.
pub(super) fn durable(text: &str) -> Record {
    Record::SessionRefused {
        reason: text.to_owned(),
    }
}

/// One that has not.
pub(super) fn call(number: u64) -> Record {
    Record::Call {
        call: number,
        tool: "echo".to_owned(),
        decision: Decision::Allow,
        reason: None,
        arguments: "sha256:0".to_owned(),
        not_canonical: false,
        arguments_bytes: 2,
        redacted: None,
        approved: false,
        approved_by: None,
        trace: None,
    }
}

pub(super) fn append(folder: &Path, limits: Limits, count: u64) {
    let mut log = AuditLog::open(folder, limits).unwrap();
    for number in 1..=count {
        log.append(&who(), &call(number)).unwrap();
    }
}

/// Files of records with their lines, in order.
pub(super) fn files(folder: &Path) -> Vec<(PathBuf, Vec<String>)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .collect();
    // `audit.jsonl` is behind all `audit-N.jsonl` by its `.`
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text.lines().map(str::to_owned).collect())
        })
        .collect()
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[track_caller]
pub(super) fn verified(folder: &Path) -> Verified {
    verify(folder, None).unwrap()
}
