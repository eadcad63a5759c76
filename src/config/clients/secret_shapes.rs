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

/// Options whose value is a header of HTTP.
const HEADER_OPTIONS: &[&str] = &["-H", "--header", "--headers"];

/// The part of an argument that is a secret; `before` is the word before it.
pub fn secret_in_argument<'w>(before: &str, word: &'w str) -> Option<&'w str> {
    if looks_secret("", word) {
        return Some(word);
    }
    if before.starts_with('-')
        && !before.contains('=')
        && looks_secret(before.trim_start_matches('-'), word)
    {
        return Some(word);
    }
    // `--api-key=VALUE`, `API_KEY=VALUE`, `https://a.test/?token=VALUE`
    for part in word.split(['?', '&']) {
        if let Some((name, value)) = part.split_once('=')
            && (looks_secret(name.trim_start_matches('-'), value) || looks_secret("", value))
        {
            return Some(value);
        }
    }
    let header = match word.split_once('=') {
        Some((option, value)) if option.starts_with('-') => value,
        _ => word,
    };
    if let Some((name, value)) = header.split_once(':') {
        let is_header =
            HEADER_OPTIONS.contains(&before) || header.len() < word.len() || value.starts_with(' ');
        let value = value.trim();
        if is_header && looks_secret(name.trim(), value) {
            return Some(value);
        }
    }
    let credentials = header.split_once(' ').filter(|(scheme, rest)| {
        ["bearer", "basic", "token"].contains(&scheme.to_ascii_lowercase().as_str())
            && looks_secret("TOKEN", rest)
    });
    if credentials.is_some() {
        return Some(header);
    }
    known_tokens(word).next().map(|range| &word[range])
}

/// Where tokens of known shapes stand in any text, comments included, and passwords of addresses.
pub fn known_tokens(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let mut at = 0;
    std::iter::from_fn(move || {
        let bytes = text.as_bytes();
        while at < bytes.len() {
            let start = at;
            at += 1;
            if text.is_char_boundary(start) && text[start..].starts_with("://") {
                let ends = |c: char| c.is_whitespace() || "/?#\"'`\\".contains(c);
                let rest = &text[start + 3..];
                let authority = &rest[..rest.find(ends).unwrap_or(rest.len())];
                if has_userinfo(&format!("://{authority}"))
                    && let Some(end) = authority.rfind('@')
                {
                    at = start + 3 + end;
                    return Some(start + 3..at);
                }
                continue;
            }
            if !is_part(bytes[start]) || (start > 0 && bytes[start - 1].is_ascii_alphanumeric()) {
                continue;
            }
            let rest = &text[start..];
            let length = rest.bytes().take_while(|byte| is_part(*byte)).count();
            let is_token = |(beginning, least): &(&str, usize)| {
                rest.starts_with(beginning) && length >= *least
            };
            if rest.starts_with("-----BEGIN ") {
                let end = rest.find("-----END").map(|end| start + end);
                at = end.unwrap_or_else(|| start + rest.find('\n').unwrap_or(rest.len()));
                return Some(start..at);
            }
            if SHAPES.iter().any(is_token) {
                at = start + length;
                return Some(start..at);
            }
        }
        None
    })
}

/// Every secret text of a file, and how it is spelled there, so that it can be left out of what is
/// shown of it. `text` is what the spans are in.
pub fn secrets_in(root: &Node, text: &str) -> Vec<String> {
    let mut found = Found {
        text,
        words: Vec::new(),
    };
    found.collect("", root);
    let mut found = found.words;
    found.sort();
    found.dedup();
    // A part of another would leave the rest of it.
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found
}

struct Found<'t> {
    text: &'t str,
    words: Vec<String>,
}

impl Found<'_> {
    fn add(&mut self, node: &Node, whole: &str, secret: &str) {
        self.words.push(secret.to_owned());
        // Without what says how it is used.
        if let Some((_, credentials)) = secret.split_once(' ')
            && credentials.len() >= 8
        {
            self.words.push(credentials.to_owned());
        }
        // Escapes can spell it in many ways.
        let spelled = self.text.get(node.span.clone()).unwrap_or_default();
        let spelled = spelled.trim().trim_matches(['"', '\'']);
        if spelled != whole && spelled.len() >= 4 {
            self.words.push(spelled.to_owned());
        }
    }

    fn collect(&mut self, name: &str, node: &Node) {
        match &node.value {
            Value::Text(text) | Value::Plain(text) if looks_secret(name, text) => {
                self.add(node, text, text);
            }
            Value::List(entries) => {
                let mut before = name;
                for entry in entries {
                    let word = entry.as_text().unwrap_or_default();
                    match secret_in_argument(before, word) {
                        Some(secret) => self.add(entry, word, secret),
                        None => self.collect(name, entry),
                    }
                    before = if word.starts_with('-') { word } else { "" };
                }
            }
            Value::Map(members) => {
                for member in members {
                    self.collect(&member.key, &member.value);
                }
            }
            _ => {}
        }
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
        let text = r#"{"a": {"args": ["--token", "abcdefgh", "--api-key=12345678x", "plain"], "headers": {"Authorization": "Bearer zzzzzzzz"}}, "n": {"TOKEN": "abcd"}}"#;
        let found = secrets_in(&parse(text).unwrap(), text);
        let all = [
            "Bearer zzzzzzzz",
            "12345678x",
            "abcdefgh",
            "zzzzzzzz",
            "abcd",
        ];
        assert_eq!(found, all);
        let text = r#"{"TOKEN": "\u0061bcdefgh", "DB": "postgres:\/\/me:hunter2@h"}"#;
        let found = secrets_in(&parse(text).unwrap(), text);
        for word in [r"\u0061bcdefgh", r"postgres:\/\/me:hunter2@h", "abcdefgh"] {
            assert!(found.iter().any(|one| one == word), "{word}: {found:?}");
        }
    }

    #[test]
    fn secrets_among_arguments_and_in_comments_are_found() {
        for (before, word, secret) in [
            (
                "--header",
                "Authorization: Bearer abcdefgh",
                "Bearer abcdefgh",
            ),
            ("-H", "X-Api-Key:abcdefgh", "abcdefgh"),
            (
                "x",
                "--header=Authorization: Basic abcdefgh",
                "Basic abcdefgh",
            ),
            ("", "API_KEY=abcdefgh", "abcdefgh"),
            ("", "--api-key=abcdefgh", "abcdefgh"),
            ("--token", "abcdefgh", "abcdefgh"),
            ("", "https://a.test/?x=1&token=abcdefgh", "abcdefgh"),
            ("", "Bearer abcdefgh", "Bearer abcdefgh"),
        ] {
            assert_eq!(secret_in_argument(before, word), Some(secret), "{word}");
        }
        for (before, word) in [
            ("--header", "Accept: text/html"),
            ("--name", "weather"),
            ("", "--max-tokens=4096"),
            ("", "https://a.test/?x=1"),
            ("--key-file", "/home/ada/key"),
            ("", "@scope/token-counter"),
        ] {
            assert_eq!(secret_in_argument(before, word), None, "{word}");
        }
        let text =
            "// old: ghp_0123456789abcdefghijklmnopqrstuvwxyz, http://me:pw@h/x, http://h/a@b";
        let found: Vec<&str> = known_tokens(text).map(|range| &text[range]).collect();
        assert_eq!(found, ["ghp_0123456789abcdefghijklmnopqrstuvwxyz", "me:pw"]);
    }
}
