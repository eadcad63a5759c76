//! Reads a config as its client does, and not as pinfold does: JSON with comments by a reader of
//! this test, TOML and YAML by Python's.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Ran, skip};

/// What a file says; `None` when there is no reader here.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match path.extension().and_then(|end| end.to_str()).unwrap() {
        "toml" => python("import tomllib; read = tomllib.loads", text),
        "yaml" => python("import yaml; read = yaml.safe_load", text),
        _ => Some(serde_json::from_str(&without_comments(text)).unwrap()),
    }
}

fn python(reader: &str, text: &str) -> Option<Value> {
    let program = format!(
        "import sys, json\ntry:\n    {}\nexcept ImportError:\n    sys.exit(7)\njson.dump(read(sys.stdin.buffer.read().decode()), sys.stdout, default=str)",
        reader.replace("; ", "\n    ")
    );
    let ran = Ran::with_input(Command::new("python3").args(["-c", &program]), text);
    if ran.code == Some(7) {
        skip(
            "client_configs",
            &format!("python3 has no reader for it: {reader}"),
        );
        return None;
    }
    assert_eq!(ran.code, Some(0), "python3 refused:\n{text}");
    Some(serde_json::from_str(&ran.stdout).unwrap())
}

/// JSON of it: comments and trailing commas taken out, strings left.
fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let start = at;
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                out.extend(&bytes[start..at]);
            }
            b'/' if bytes[at + 1] == b'/' => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
            }
            b'/' if bytes[at + 1] == b'*' => {
                at += 2 + text[at + 2..].find("*/").unwrap() + 2;
            }
            other => {
                let last = out
                    .iter()
                    .rposition(|byte: &u8| !byte.is_ascii_whitespace());
                if b"]}".contains(&other)
                    && let Some(last) = last
                    && out[last] == b','
                {
                    out.remove(last);
                }
                out.push(other);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn control_the_reader_of_comments_reads_strings_as_they_are() {
    let text = "{ // one\n \"a,}\": [\"//x\", /* , */ \"\\\"/*\",], }";
    let value: Value = serde_json::from_str(&without_comments(text)).unwrap();
    assert_eq!(value, serde_json::json!({"a,}": ["//x", "\"/*"]}));
}
