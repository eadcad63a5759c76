//! `pypi:NAME[EXTRA,…]SPECIFIERS`: a name, extras and version specifiers as in a requirements
//! file (PEP 508, PEP 440), and nothing that leads out of the index.

use super::{Source, SourceError};

/// The public index refuses longer names; nobody has one.
const MAX_NAME_BYTES: usize = 128;
const MAX_EXTRAS: usize = 32;
const MAX_SPECIFIERS_BYTES: usize = 256;

/// Longer ones first: `===` would be read as `==` and `=`.
const OPERATORS: [&str; 8] = ["===", "~=", "==", "!=", "<=", ">=", "<", ">"];

pub(super) fn parse(text: &str) -> Result<Source, SourceError> {
    let end = text.find(|c: char| !is_name_character(c));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    check_name(name).map_err(|reason| SourceError::PypiName {
        name: if name.is_empty() { text } else { name }.to_owned(),
        reason,
    })?;
    let (extras, specifiers) = match rest.trim_start().strip_prefix('[') {
        Some(inner) => {
            let (extras, rest) = inner.split_once(']').ok_or_else(|| {
                refused(
                    rest,
                    "the list of extras is not closed: expected `NAME[EXTRA]`",
                )
            })?;
            (parse_extras(extras)?, rest)
        }
        None => (Vec::new(), rest),
    };
    let specifiers = specifiers.trim();
    if !specifiers.is_empty() {
        check_specifiers(specifiers).map_err(|reason| refused(specifiers, reason))?;
    }
    Ok(Source::Pypi {
        written: text.to_owned(),
        name: name.to_owned(),
        extras,
        specifiers: (!specifiers.is_empty()).then(|| specifiers.to_owned()),
    })
}

/// The name that all spellings of a name stand for (PEP 503): lower case, `-` for any run of
/// `-`, `_` and `.`.
pub fn normalized_pypi_name(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for letter in name.chars() {
        if !matches!(letter, '-' | '_' | '.') {
            normalized.push(letter.to_ascii_lowercase());
        } else if !normalized.ends_with('-') {
            normalized.push('-');
        }
    }
    normalized
}

/// The version that `==VERSION` alone asks for; `==1.*` asks for several.
pub(super) fn exact_version(specifiers: &str) -> Option<&str> {
    let version = specifiers.trim().strip_prefix("==")?.trim();
    let is_one = !version.contains([',', '*', '=']);
    is_one.then_some(version)
}

fn refused(specifiers: &str, reason: &'static str) -> SourceError {
    SourceError::PypiSpecifiers {
        specifiers: specifiers.to_owned(),
        reason,
    }
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

/// PEP 508: letters and digits, and `-`, `_`, `.` between them.
fn check_name(name: &str) -> Result<(), &'static str> {
    let outer = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    if name.len() > MAX_NAME_BYTES {
        Err("it is longer than 128 characters")
    } else if name.is_empty() {
        Err("it starts with a letter or digit, followed by a-z 0-9 - _ .")
    } else if !outer(name.chars().next()) || !outer(name.chars().next_back()) {
        Err("it starts and ends with a letter or digit")
    } else {
        Ok(())
    }
}

fn parse_extras(text: &str) -> Result<Vec<String>, SourceError> {
    let extras: Vec<&str> = text.split(',').map(str::trim).collect();
    if extras.len() > MAX_EXTRAS {
        return Err(refused(text, "it has more extras than any package"));
    }
    extras
        .into_iter()
        .map(|extra| {
            let is_name = extra.chars().all(is_name_character) && check_name(extra).is_ok();
            is_name
                .then(|| extra.to_owned())
                .ok_or_else(|| refused(text, "an extra is a name: `NAME[EXTRA,EXTRA]`"))
        })
        .collect()
}

fn check_specifiers(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_SPECIFIERS_BYTES {
        return Err("it is longer than 256 characters");
    }
    if text.starts_with('@') {
        return Err(
            "addresses are not pinned by an index; for a version write `==VERSION`, without `@`",
        );
    }
    if text.contains(';') {
        return Err("markers have no use here: the server is resolved for this machine");
    }
    for clause in text.split(',').map(str::trim) {
        let operator = OPERATORS
            .iter()
            .find(|operator| clause.starts_with(**operator))
            .ok_or("expected version specifiers such as `==1.2.3` or `>=1.2,<2`")?;
        if *operator == "===" {
            return Err("`===` compares text and not versions; write `==`");
        }
        let version = clause[operator.len()..].trim();
        let core = match version.strip_suffix(".*") {
            Some(_) if !matches!(*operator, "==" | "!=") => {
                return Err("`.*` goes with `==` and `!=` only");
            }
            Some(core) => core,
            None => version,
        };
        // As much of PEP 440 as decides that this can be nothing but a version; the rest is
        // judged by the resolver.
        let starts_well = core
            .strip_prefix(['v', 'V'])
            .unwrap_or(core)
            .starts_with(|letter: char| letter.is_ascii_digit());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".!+-_".contains(&byte);
        if !starts_well || !core.bytes().all(allowed) {
            return Err("it holds something that is no version (PEP 440)");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Result<Source, SourceError> {
        Source::parse(text, Path::new("/"), None)
    }

    fn parts(text: &str) -> (String, Vec<String>, Option<String>) {
        let source = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(source.to_string(), text);
        match source {
            Source::Pypi {
                name,
                extras,
                specifiers,
                ..
            } => (name, extras, specifiers),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requirements_are_read_and_displayed_as_written() {
        for (text, name, extras, specifiers) in [
            ("pypi:mcp-server-time", "mcp-server-time", &[][..], None),
            ("pypi:Mcp.Server_Time", "Mcp.Server_Time", &[], None),
            ("pypi:mcp[cli]", "mcp", &["cli"], None),
            (
                "pypi:mcp[cli,ws]==1.2",
                "mcp",
                &["cli", "ws"],
                Some("==1.2"),
            ),
            (
                "pypi:mcp [cli] >= 1, < 2",
                "mcp",
                &["cli"],
                Some(">= 1, < 2"),
            ),
            (
                "pypi:a==1!2.0.post1+x.y",
                "a",
                &[],
                Some("==1!2.0.post1+x.y"),
            ),
            ("pypi:a~=1.4.2,!=1.4.*", "a", &[], Some("~=1.4.2,!=1.4.*")),
        ] {
            let expected_extras: Vec<String> = extras.iter().map(|&e| e.to_owned()).collect();
            let expected = (name.into(), expected_extras, specifiers.map(str::to_owned));
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("pypi:{}", "a".repeat(129));
        for text in [
            "pypi:", "pypi:-a", "pypi:a-", "pypi:.a", "pypi:ä", "pypi:/x", &long,
        ] {
            let result = read(text);
            assert!(
                matches!(result, Err(SourceError::PypiName { .. })),
                "{text}: {result:?}"
            );
        }
        assert!(read(&format!("pypi:{}", "a".repeat(128))).is_ok());
    }

    #[test]
    fn what_leads_out_of_the_index_is_refused() {
        for rest in [
            "@1.0",
            " @ https://x/y.whl",
            "@ file:///x",
            "==1.0; python_version > '3'",
            "===1.0",
            "=1.0",
            " 1.0",
            "==",
            ">=1.*",
            "==1.0,",
            "==latest",
            "==1 --index-url=x",
            "==1\n2",
            "==1 # x",
            "[x",
            "[]",
            "[x y]",
            "[../x]",
            "/x",
            "==1\u{202e}",
            &format!("=={}", "1".repeat(256)),
        ] {
            let text = format!("pypi:name{rest}");
            let result = read(&text);
            assert!(
                matches!(result, Err(SourceError::PypiSpecifiers { .. })),
                "{text:?}: {result:?}"
            );
        }
        let hint = read("pypi:name@1.0").unwrap_err().to_string();
        assert!(hint.contains("`==VERSION`"), "{hint}");
    }

    #[test]
    fn one_version_is_told_from_several() {
        for (text, exact) in [
            ("pypi:a==1.2", true),
            ("pypi:a == 1.2", true),
            ("pypi:a==1.2.*", false),
            ("pypi:a==1.2,!=1.3", false),
            ("pypi:a>=1.2", false),
            ("pypi:a", false),
        ] {
            assert_eq!(
                read(text).unwrap().asks_for_exact_version(),
                exact,
                "{text}"
            );
        }
    }

    #[test]
    fn names_have_one_spelling() {
        for name in ["Friendly-Bard", "FRIENDLY__bard", "friendly.-_.bard"] {
            assert_eq!(normalized_pypi_name(name), "friendly-bard");
        }
    }
}
