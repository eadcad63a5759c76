//! The findings as JSON, for programs.

use serde_json::{Value, json};

use super::finding::Severity;
use super::identity::Places;
use super::judge::{Audited, count};

pub(super) fn report(audited: &[Audited<'_>], places: &Places<'_>) -> Value {
    let files = audited.iter().map(|file| {
        let path = file.place.path.display().to_string();
        let fingerprints = places.fingerprints(&file.place.path, &file.findings);
        let findings = file.findings.iter().zip(fingerprints);
        let findings = findings.map(|(finding, fingerprint)| {
            let row = finding.row();
            json!({
                "code": row.code,
                "severity": row.severity.name(),
                "line": finding.at.map(|at| at.line),
                "column": finding.at.map(|at| at.column),
                "server": finding.server,
                "title": row.title,
                "message": finding.message,
                "means": row.help,
                "fix": finding.fix(&path),
                "fingerprint": fingerprint,
            })
        });
        json!({
            "path": path,
            "client": file.place.client.name(),
            "findings": findings.collect::<Vec<_>>(),
        })
    });
    json!({
        "version": 1,
        "files": files.collect::<Vec<_>>(),
        "errors": count(audited, Severity::Error),
        "warnings": count(audited, Severity::Warning),
        "notes": count(audited, Severity::Note),
    })
}
