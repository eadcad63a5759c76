//! in-toto statements: what was signed, about which file, and what it says of the build.
//!
//! <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>,
//! <https://slsa.dev/spec/v1.0/provenance>

use std::collections::BTreeMap;

use serde::Deserialize;

const STATEMENTS: [&str; 2] = [
    "https://in-toto.io/Statement/v1",
    "https://in-toto.io/Statement/v0.1",
];
pub(super) const SLSA_V1: &str = "https://slsa.dev/provenance/v1";
pub(super) const SLSA_V0_2: &str = "https://slsa.dev/provenance/v0.2";
pub(super) const NPM_PUBLISH: &str =
    "https://github.com/npm/attestation/tree/main/specs/publish/v0.1";
pub(super) const PYPI_PUBLISH: &str = "https://docs.pypi.org/attestations/publish/v1";

/// A digest that a statement must be about, in hexadecimal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// `sha256` or `sha512`
    pub algorithm: &'a str,
    pub hex: &'a str,
}

/// A statement that was verified to be about exactly one file.
#[derive(Debug)]
pub(super) struct Statement {
    pub predicate_type: String,
    pub subject: String,
    pub predicate: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<RawSubject>,
    predicate_type: String,
    #[serde(default)]
    predicate: serde_json::Value,
}

#[derive(Deserialize)]
struct RawSubject {
    name: String,
    digest: BTreeMap<String, String>,
}

impl Statement {
    /// Reads a payload. One subject only: a statement about several files could be shown for
    /// any of them.
    pub(super) fn read(payload: &[u8], expected: Expected<'_>) -> Result<Self, String> {
        let raw: RawStatement = serde_json::from_slice(payload)
            .map_err(|error| format!("its statement can't be read: {error}"))?;
        if !STATEMENTS.contains(&raw.kind.as_str()) {
            return Err("it is no in-toto statement".to_owned());
        }
        let [subject] = raw.subject.as_slice() else {
            return Err(format!(
                "its statement is about {} files instead of one",
                raw.subject.len()
            ));
        };
        match subject.digest.get(expected.algorithm) {
            Some(hex) if hex.eq_ignore_ascii_case(expected.hex) => {}
            Some(_) => return Err("its statement is about a file with another digest".to_owned()),
            None => {
                return Err(format!(
                    "its statement has no {} digest",
                    expected.algorithm
                ));
            }
        }
        Ok(Self {
            predicate_type: raw.predicate_type,
            subject: subject.name.clone(),
            predicate: raw.predicate,
        })
    }

    /// The repository that SLSA provenance names, when it names one: without `git+` and ref.
    pub(super) fn repository(&self) -> Option<String> {
        let pointer = match self.predicate_type.as_str() {
            SLSA_V1 => "/buildDefinition/externalParameters/workflow/repository",
            SLSA_V0_2 => "/invocation/configSource/uri",
            _ => return None,
        };
        let text = self.predicate.pointer(pointer)?.as_str()?;
        let text = text.strip_prefix("git+").unwrap_or(text);
        let text = text.split('@').next().unwrap_or_default();
        Some(text.strip_suffix(".git").unwrap_or(text).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const EXPECTED: Expected<'_> = Expected {
        algorithm: "sha512",
        hex: "abcd",
    };

    fn statement() -> Value {
        json!({
            "_type": STATEMENTS[0], "predicateType": SLSA_V1,
            "subject": [{"name": "pkg:npm/a@1", "digest": {"sha512": "ABCD"}}],
            "predicate": {"buildDefinition": {"externalParameters": {"workflow": {
                "repository": "https://github.com/o/r"}}}},
        })
    }

    fn read(statement: &Value) -> Result<Statement, String> {
        Statement::read(statement.to_string().as_bytes(), EXPECTED)
    }

    #[test]
    fn a_statement_about_one_file_is_read() {
        let read = read(&statement()).unwrap();
        assert_eq!(read.subject, "pkg:npm/a@1");
        assert_eq!(read.repository().as_deref(), Some("https://github.com/o/r"));
    }

    #[test]
    fn older_provenance_names_its_repository_elsewhere() {
        let mut old = statement();
        old["_type"] = json!(STATEMENTS[1]);
        old["predicateType"] = json!(SLSA_V0_2);
        old["predicate"] = json!({"invocation": {"configSource": {"uri": "git+https://github.com/o/r@refs/heads/main"}}});
        let read = read(&old).unwrap();
        assert_eq!(read.repository().as_deref(), Some("https://github.com/o/r"));
    }

    #[test]
    fn statements_about_something_else_are_refused() {
        type Edit = dyn Fn(&mut Value);
        let edits: [(&str, &Edit); 6] = [
            ("another digest", &|s| {
                s["subject"][0]["digest"]["sha512"] = json!("abce")
            }),
            ("no sha512 digest", &|s| {
                s["subject"][0]["digest"] = json!({"sha256": "abcd"})
            }),
            ("2 files", &|s| {
                let subject = s["subject"][0].clone();
                s["subject"] = json!([subject, subject]);
            }),
            ("0 files", &|s| s["subject"] = json!([])),
            ("no in-toto", &|s| {
                s["_type"] = json!("https://in-toto.io/Statement/v9")
            }),
            ("can't be read", &|s| s["subject"] = json!("x")),
        ];
        for (words, edit) in edits {
            let mut changed = statement();
            edit(&mut changed);
            let error = read(&changed).unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
