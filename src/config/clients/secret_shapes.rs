//! Which values of a config are secrets: by the name they stand under, and by the known beginnings
//! of tokens. Data and two look-ups.

use super::shape::may_be_placeholder;
use super::tree::{Node, Value};

/// Parts of a name, between `_`, `-`, spaces or a change of case, that stand for a secret.
const WORDS: &[&str] = &[
    "TOKEN",
    "TOKENS",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PWD",
    "PAT",
    "KEY",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "AUTH",
    "AUTHORIZATION",
    "BEARER",
    "COOKIE",
    "DSN",
];

/// Names that end like a secret and hold none.
const NOT_SECRET: &[&str] = &[
    "PUBLIC_KEY",
    "KEY_ID",
    "KEY_PATH",
    "KEY_FILE",
    "TOKEN_PATH",
    "TOKEN_FILE",
    "CREDENTIALS_FILE",
    "CREDENTIALS_PATH",
];

/// How tokens begin, and how long they are at least. Sources: the documentation of who gives them out.
const SHAPES: &[(&str, usize)] = &[
    ("ghp_", 36),
    ("gho_", 36),
    ("ghu_", 36),
    ("ghs_", 36),
    ("ghr_", 36),
    ("github_pat_", 40),
    ("glpat-", 20),
    ("sk-", 20),
    ("sk_live_", 20),
    ("sk_test_", 20),
    ("rk_live_", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("xapp-", 20),
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 35),
    ("ya29.", 20),
    ("npm_", 36),
    ("pypi-", 40),
    ("hf_", 30),
    ("gsk_", 30),
    ("ntn_", 30),
    ("secret_", 40),
    ("lin_api_", 30),
    ("figd_", 30),
    ("tvly-", 20),
    ("dop_v1_", 40),
    ("SG.", 40),
    ("eyJ", 40),
    ("-----BEGIN ", 40),
];

/// Whether `value`, which stands under `name`, is a secret. Placeholders are none, and neither is
/// what is too short to be one.
pub fn looks_secret(name: &str, value: &str) -> bool {
    if value.len() < 4 || may_be_whole_placeholder(value) {
        return false;
    }
    has_shape(value) || has_userinfo(value) || is_secret_by_name(name, value)
}

/// Whether a value is a secret because of the name it stands under, whatever it looks like.
pub fn is_secret_by_name(name: &str, value: &str) -> bool {
    is_secret_name(name) && !is_plain(value)
}

/// A path, a truth value or a small number is no secret, whatever its name.
fn is_plain(value: &str) -> bool {
    value.starts_with(['/', '~'])
        || ["true", "false", "none", "null"].contains(&value)
        || (value.len() < 6 && value.bytes().all(|byte| byte.is_ascii_digit()))
}

fn may_be_whole_placeholder(value: &str) -> bool {
    may_be_placeholder(value) && value.starts_with(['$', '{'])
}

fn has_shape(value: &str) -> bool {
    let value = value.strip_prefix("Bearer ").unwrap_or(value);
    SHAPES
        .iter()
        .any(|(start, length)| value.starts_with(start) && value.len() >= *length)
}

/// `scheme://user:password@host`
fn has_userinfo(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    user.and_then(|user| user.split_once(':'))
        .is_some_and(|(_, password)| !password.is_empty() && !may_be_placeholder(password))
}

fn is_secret_name(name: &str) -> bool {
    let upper = in_words(name);
    !NOT_SECRET.iter().any(|end| upper.ends_with(end))
        && upper.split('_').any(|part| WORDS.contains(&part))
}

/// `apiKey`, `api-key` and `API_KEY` as one.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    let mut was_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && was_lower {
            words.push('_');
        }
        was_lower = letter.is_ascii_lowercase();
        words.push(match letter {
            letter if letter.is_alphanumeric() => letter.to_ascii_uppercase(),
            _ => '_',
        });
    }
    words
}

/// Every secret text of a file, so that it can be left out of what is shown of it.
pub fn secrets_in(root: &Node) -> Vec<String> {
    let mut found = Vec::new();
    collect("", root, &mut found);
    found.sort();
    found.dedup();
    // A part of another would leave the rest of it.
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found
}

fn collect(name: &str, node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Value::Text(text) | Value::Plain(text) if looks_secret(name, text) => {
            found.push(text.clone());
        }
        Value::List(entries) => {
            // The word after `--token` is one, and so is what is after `--token=`.
            let mut before = name;
            for entry in entries {
                collect(before, entry, found);
                let word = entry.as_text().unwrap_or_default();
                before = if word.starts_with('-') { word } else { name };
                if let Some((option, value)) = word.split_once('=') {
                    before = name;
                    if looks_secret(option, value) {
                        found.push(value.to_owned());
                    }
                }
            }
        }
        Value::Map(members) => {
            for member in members {
                collect(&member.key, &member.value, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_json::parse;
    use super::*;

    #[test]
    fn secrets_are_known_by_name_or_shape() {
        for (name, value) in [
            ("GITHUB_TOKEN", "abcdef"),
            ("apiKey", "0123456789"),
            ("X", "ghp_0123456789abcdefghijklmnopqrstuvwxyz"),
            ("Authorization", "Bearer abcdefgh"),
            ("DB_PASSWORD", "hunter2"),
            ("DATABASE", "postgres://me:hunter2@db.test/x"),
            (
                "JWT",
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.abc",
            ),
            ("SLACK_BOT_TOKEN", "pa$$word"),
        ] {
            assert!(looks_secret(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("LANGUAGE", "de"),
            ("GITHUB_TOKEN", "${env:GITHUB_TOKEN}"),
            ("GITHUB_TOKEN", ""),
            ("KEYBOARD", "qwertz"),
            ("MONKEY", "banana"),
            ("SSH_KEY_PATH", "secret-looking"),
            ("AWS_PUBLIC_KEY", "abcdefghi"),
            ("TOKEN", "/home/ada/token"),
            ("MAX_TOKENS", "4096"),
            ("DATABASE", "postgres://db.test/x"),
            ("HOST", "https://ada@example.test"),
        ] {
            assert!(!looks_secret(name, value), "{name}={value}");
        }
    }

    #[test]
    fn all_of_a_file_are_found() {
        let root = parse(
            r#"{"a": {"args": ["--token", "abcdefgh", "--api-key=12345678x", "plain"], "headers": {"Authorization": "Bearer zzzzzzzz"}}, "n": {"TOKEN": "abcd"}}"#,
        );
        let found = secrets_in(&root.unwrap());
        assert_eq!(found, ["Bearer zzzzzzzz", "12345678x", "abcdefgh", "abcd"]);
    }
}
