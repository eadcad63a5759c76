//! The findings as SARIF 2.1.0 (OASIS), for code scanning.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::finding::{Finding, Severity};
use super::identity::Places;
use super::judge::Audited;
use super::table::{Row, TABLE};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// What paths of the project are relative to.
const ROOT: &str = "%SRCROOT%";

pub(super) fn log(audited: &[Audited<'_>], places: &Places<'_>) -> Value {
    let results: Vec<Value> = audited
        .iter()
        .flat_map(|file| {
            let fingerprints = places.fingerprints(&file.place.path, &file.findings);
            let findings = file.findings.iter().zip(fingerprints);
            findings.map(|(finding, print)| result(file, finding, &print, places))
        })
        .collect();
    let artifacts = audited
        .iter()
        .map(|file| json!({ "location": location(&file.place.path, places) }));
    let mut run = json!({
        "tool": { "driver": {
            "name": "pinfold",
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": TABLE.iter().map(rule).collect::<Vec<_>>(),
        }},
        "columnKind": "unicodeCodePoints",
        "artifacts": artifacts.collect::<Vec<_>>(),
        "results": results,
    });
    if let Some(project) = places.project {
        let folder = format!("{}/", uri(project));
        run["originalUriBaseIds"] = json!({ ROOT: { "uri": format!("file://{folder}") } });
    }
    json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run] })
}

fn rule(row: &Row) -> Value {
    json!({
        "id": row.code,
        "name": name(row.code),
        "shortDescription": { "text": row.title },
        "fullDescription": { "text": row.help },
        "help": { "text": format!("{}\n\n{}\n\nFix: {}", row.title, row.help, general(row.fix)) },
        "defaultConfiguration": { "level": row.severity.name() },
        "properties": {
            "tags": ["security", "mcp"],
            "security-severity": score(row.severity),
        },
    })
}

/// `inline-secret` as `InlineSecret`.
fn name(code: &str) -> String {
    code.split('-')
        .map(|part| part[..1].to_ascii_uppercase() + &part[1..])
        .collect()
}

fn general(fix: &str) -> String {
    fix.replace("{file}", "FILE").replace("{about}", "PATH")
}

/// On the scale of CVSS, by which code scanning sorts.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "8.0",
        Severity::Warning => "5.0",
        Severity::Note => "2.0",
    }
}

fn result(file: &Audited<'_>, finding: &Finding, print: &str, places: &Places<'_>) -> Value {
    let row = finding.row();
    let path = &file.place.path;
    let fix = finding.fix(&path.display().to_string());
    let subject = match &finding.server {
        Some(server) => format!("{server}: {}", finding.message),
        None => finding.message.clone(),
    };
    let mut region = Map::new();
    // A finding about the file as a whole stands at its beginning: code scanning shows no other.
    region.insert(
        "startLine".to_owned(),
        json!(finding.at.map_or(1, |at| at.line)),
    );
    if let Some(at) = finding.at {
        region.insert("startColumn".to_owned(), json!(at.column));
    }
    json!({
        "ruleId": row.code,
        "ruleIndex": row.rule as usize,
        "level": row.severity.name(),
        "message": { "text": format!("{}. {subject}. Fix: {fix}", row.title) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": location(path, places),
            "region": region,
        }}],
        "partialFingerprints": { "pinfoldFinding/v1": print },
    })
}

fn location(path: &Path, places: &Places<'_>) -> Value {
    match places.in_project(path) {
        Some(inside) => json!({ "uri": uri(inside), "uriBaseId": ROOT }),
        None => json!({ "uri": format!("file://{}", uri(path)) }),
    }
}

/// A path as RFC 3986 has it.
fn uri(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            other => {
                let _ = write!(text, "%{other:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_spelled() {
        assert_eq!(name("inline-secret"), "InlineSecret");
        assert_eq!(uri(Path::new("/a b/ß%.json")), "/a%20b/%C3%9F%25.json");
    }
}
