//! What a file and a finding are called where machines compare them: the same on every machine and
//! wherever a line moves to.

use std::path::Path;

use super::finding::Finding;
use crate::lockfile::Digest;

/// What paths are told relative to.
pub(super) struct Places<'p> {
    pub home: Option<&'p Path>,
    pub project: Option<&'p Path>,
}

impl Places<'_> {
    /// Below the present folder, if it is.
    pub(super) fn in_project<'f>(&self, path: &'f Path) -> Option<&'f Path> {
        path.strip_prefix(self.project?).ok()
    }

    /// Without the names of this machine.
    fn portable(&self, path: &Path) -> String {
        if let Some(inside) = self.in_project(path) {
            return inside.display().to_string();
        }
        match self.home.and_then(|home| path.strip_prefix(home).ok()) {
            Some(inside) => format!("~/{}", inside.display()),
            None => path.display().to_string(),
        }
    }

    /// For each finding of a file what stays the same while it is there. No secret goes into it: a
    /// digest of a short one could be guessed.
    pub(super) fn fingerprints(&self, path: &Path, findings: &[Finding]) -> Vec<String> {
        let path = self.portable(path);
        let mut seen: Vec<[&str; 3]> = Vec::new();
        findings
            .iter()
            .map(|finding| {
                let server = finding.server.as_deref().unwrap_or_default();
                let own = [finding.row().code, server, finding.subject.as_str()];
                let before = seen.iter().filter(|one| **one == own).count();
                seen.push(own);
                let text = [own[0], &path, own[1], own[2], &before.to_string()].join("\0");
                Digest::of(text.as_bytes()).hex()[..32].to_owned()
            })
            .collect()
    }
}
