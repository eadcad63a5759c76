//! Which texts are secrets: more careful than what `import` moves, because a false alarm costs the
//! reader's trust. Data and pure functions.

use crate::config::clients::{is_secret_by_name, looks_secret};

/// Last parts of names that speak about a secret and hold none.
const ABOUT: &[&str] = &[
    "TYPE",
    "MODE",
    "URL",
    "URI",
    "ENDPOINT",
    "HOST",
    "PORT",
    "LIMIT",
    "COUNT",
    "LENGTH",
    "SIZE",
    "TTL",
    "EXPIRY",
    "EXPIRES",
    "TIMEOUT",
    "ENABLED",
    "REQUIRED",
    "DISABLED",
    "NAME",
    "ID",
    "IDS",
    "ALG",
    "ALGORITHM",
    "PREFIX",
    "HEADER",
    "DOMAIN",
    "SCOPE",
    "SCOPES",
    "METHOD",
    "PROVIDER",
    "VERSION",
    "REGION",
    "ARN",
    "PATH",
    "FILE",
    "DIR",
    "FOLDER",
    "FORMAT",
    "ISSUER",
    "AUDIENCE",
    "COMMAND",
    "VAR",
    "VARIABLE",
    "STORE",
    "BUDGET",
    "USER",
    "USERNAME",
    "EMAIL",
    "MAX",
    "MIN",
    "MODEL",
    "FIELD",
    "COLUMN",
    "STRATEGY",
    "SERVER",
    "FLOW",
    "REF",
    "LABEL",
];

/// Parts of names whose values look random and are known to all who read.
const KNOWN_RANDOM: &[&str] = &[
    "ID",
    "IDS",
    "HASH",
    "DIGEST",
    "CHECKSUM",
    "SHA",
    "SHA1",
    "SHA256",
    "SHA512",
    "MD5",
    "FINGERPRINT",
    "INTEGRITY",
    "COMMIT",
    "REVISION",
    "REF",
    "ETAG",
    "PUBLIC",
    "ICON",
    "IMAGE",
    "LOGO",
    "AVATAR",
    "FAVICON",
    "UUID",
    "GUID",
    "CERT",
    "CERTIFICATE",
    "CA",
    "SPREADSHEET",
    "DOCUMENT",
    "NONCE",
    "ADDRESS",
    "MODEL",
    "VERSION",
    "PROJECT",
];

/// Names whose word for a secret has other meanings, too: a plain word under them is none.
const WEAK: &[&str] = &[
    "KEY",
    "AUTH",
    "PAT",
    "PASS",
    "COOKIE",
    "DSN",
    "AUTHORIZATION",
    "PWD",
];

/// Those that have none.
const STRONG: &[&str] = &[
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
];

/// Parts of values that stand where a secret is to be filled in.
const SAMPLES: &[&str] = &[
    "YOUR",
    "REPLACE",
    "PLACEHOLDER",
    "EXAMPLE",
    "CHANGEME",
    "INSERT",
    "REDACTED",
    "XXXX",
    "TODO",
    "DUMMY",
    "FILL",
];

/// How base64 of pictures, fonts, archives and documents begins.
const KNOWN_FILES: &[&str] = &[
    "iVBORw0KGgo",
    "R0lGOD",
    "/9j/",
    "UklGR",
    "PHN2Zy",
    "PD94bWwg",
    "AAABAA",
    "data:",
    "JVBERi",
    "UEsDB",
    "H4sI",
    "d09GRg",
    "d09GMg",
    "sha1-",
    "sha256-",
    "sha384-",
    "sha512-",
    "SHA256:",
];

/// `apiKey`, `api-key` and `API_KEY` as parts.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for letter in name.chars() {
        let starts = !letter.is_alphanumeric() || (letter.is_ascii_uppercase() && was_lower);
        was_lower = letter.is_ascii_lowercase();
        if starts {
            parts.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(part) = parts.last_mut()
        {
            part.push(letter.to_ascii_uppercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// A text without what a client fills in, and without the word for a kind of authorization.
fn filled(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((start, end)) = placeholder(rest) {
        kept.push_str(&rest[..start]);
        rest = &rest[end..];
    }
    kept.push_str(rest);
    let kept = kept.trim();
    let bare = [
        "Bearer", "bearer", "Basic", "basic", "token", "Token", "ApiKey",
    ]
    .iter()
    .find_map(|scheme| {
        let after = kept.strip_prefix(scheme)?;
        let value = after.strip_prefix([' ', '\t']);
        value.or_else(|| after.is_empty().then_some(""))
    });
    bare.unwrap_or(kept).trim().to_owned()
}

/// Where the first placeholder is.
fn placeholder(text: &str) -> Option<(usize, usize)> {
    for start in ["${", "{env:", "{file:", "{{"] {
        if let Some(at) = text.find(start)
            && let Some(length) = text[at..].find('}')
        {
            let end = at + length + 1;
            let more = text[end..].bytes().take_while(|byte| *byte == b'}').count();
            return Some((at, end + more));
        }
    }
    let name = text.strip_prefix('$')?;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let length = name.find(|letter| !is_name(letter)).unwrap_or(name.len());
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts_well && length > 0).then_some((0, 1 + length))
}

/// A word that shows where the secret goes.
fn is_sample(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let first = text.chars().next();
    (text.starts_with('<') && text.ends_with('>'))
        || (text.starts_with('[') && text.ends_with(']'))
        || text.chars().all(|letter| Some(letter) == first)
        || upper.ends_with("...")
        || upper.ends_with('…')
        || SAMPLES.iter().any(|sample| {
            let has_it = |part: &str| part.starts_with(sample);
            upper.split(['_', '-', ' ', '.', '<']).any(has_it)
        })
}

/// The secret in a text, if there is one that is known by its name or its shape.
pub(super) fn certain(name: &str, text: &str) -> Option<String> {
    let value = filled(text);
    if value.chars().count() < 4 || is_sample(&value) {
        return None;
    }
    if let Some(word) = shaped_word(&value) {
        return Some(word.to_owned());
    }
    let parts = parts(name);
    let about = parts
        .last()
        .is_some_and(|last| ABOUT.contains(&last.as_str()));
    if about
        || value.contains("://")
        || value.starts_with("-----BEGIN ")
        || is_uuid_of(&parts, &value)
    {
        return None;
    }
    // An amount of tokens.
    let is_number = value
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_number && parts.iter().any(|part| part == "TOKENS" || part == "KEY") {
        return None;
    }
    let is_word = value.len() < 24
        && value
            .bytes()
            .all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-' | b'.' | b' '));
    let is_weak = parts.iter().any(|part| WEAK.contains(&part.as_str()));
    if is_word && is_weak && !has_strong_word(&parts) {
        return None;
    }
    is_secret_by_name(name, &value).then_some(value)
}

/// Shortest value that its name alone makes a token of.
const MIN_TOKEN: usize = 16;

/// Whether a secret can be nothing else: by its shape, or by a name that ends in a word without
/// another meaning and a value that nobody would type.
pub(super) fn is_token(name: &str, secret: &str) -> bool {
    let parts = parts(name);
    let end = &parts[parts.len().saturating_sub(2)..];
    let is_named = end
        .last()
        .is_some_and(|last| STRONG.contains(&last.as_str()))
        || matches!(end, [api, key] if api == "API" && key == "KEY");
    let looks_made = secret.len() >= MIN_TOKEN
        && secret.bytes().any(|byte| byte.is_ascii_digit())
        && !secret.contains(char::is_whitespace);
    shaped_word(secret).is_some() || (looks_made && is_named)
}

fn has_strong_word(parts: &[String]) -> bool {
    parts.iter().any(|part| STRONG.contains(&part.as_str()))
        || parts
            .windows(2)
            .any(|two| two[0] == "API" && two[1] == "KEY")
}

/// A UUID names something, unless its name says that it is more.
fn is_uuid_of(parts: &[String], value: &str) -> bool {
    is_uuid(value) && !has_strong_word(parts)
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && groups
            .iter()
            .all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A word of the text with the shape of a known token. A digit is in every real one.
fn shaped_word(text: &str) -> Option<&str> {
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY") {
        return Some(text);
    }
    let in_word = |letter: char| letter.is_ascii_alphanumeric() || "_-.+/=~".contains(letter);
    text.split(|letter| !in_word(letter)).find(|word| {
        word.bytes().any(|byte| byte.is_ascii_digit()) && looks_secret("", word) && !is_sample(word)
    })
}

/// Tokens of the form of a JWT in a text.
pub(super) fn jwts(text: &str) -> impl Iterator<Item = &str> {
    let in_token = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    text.split(move |letter| !in_token(letter))
        .filter(|word| word.starts_with("eyJ") && word.split('.').count() == 3)
}

/// The password or token in an address.
pub(super) fn in_address(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("://")?;
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    if let Some((user, _)) = authority.rsplit_once('@')
        && let Some((_, password)) = user.split_once(':')
    {
        let password = filled(password);
        if !password.is_empty() && !is_sample(&password) {
            return Some(password);
        }
    }
    let (_, query) = path.split_once('?')?;
    query.split('#').next()?.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let name = match name.to_ascii_lowercase().as_str() {
            "key" | "sig" | "signature" | "auth" | "code" => "API_KEY",
            _ => name,
        };
        let is_meant = has_strong_word(&parts(name)) || shaped_word(value).is_some();
        let has_digit = value.bytes().any(|byte| byte.is_ascii_digit());
        certain(name, value).filter(|value| is_meant && has_digit && value.len() >= 8)
    })
}

/// A part of the path of an address that looks random.
pub(super) fn random_in_path(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let path = rest.split(['?', '#']).next()?;
    path.split('/').skip(1).find(|part| is_random("", part))
}

/// Shortest and longest text that is looked at for being random, in bytes.
const RANDOM_LENGTH: std::ops::RangeInclusive<usize> = 24..=200;
/// Shannon entropy, as a part of what this length could have.
const MIN_ENTROPY: f64 = 0.82;
/// How often the next character is of another class (small, capital, digit), of all. Of random
/// characters six in ten are, of words in one three.
const MIN_CHANGES: f64 = 0.42;

/// Whether a text is as random as a token: small letters, capitals and digits without any order.
/// Digests and UUIDs have one case and are none; a picture is told by its beginning.
pub(super) fn is_random(name: &str, text: &str) -> bool {
    if !RANDOM_LENGTH.contains(&text.len())
        || KNOWN_FILES.iter().any(|start| text.starts_with(start))
        || parts(name)
            .iter()
            .any(|part| KNOWN_RANDOM.contains(&part.as_str()))
        || is_sample(text)
    {
        return false;
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
    if !text.bytes().all(allowed)
        || text.starts_with(['/', '-', '.'])
        || text.matches('/').count() > 2
    {
        return false;
    }
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let bytes = text.as_bytes();
    let has = |wanted: u8| bytes.iter().any(|byte| class(*byte) == wanted);
    if !(has(0) && has(1) && has(2)) {
        return false;
    }
    let joined = bytes.windows(2).map(|two| (class(two[0]), class(two[1])));
    let joined: Vec<(u8, u8)> = joined.filter(|(a, b)| *a != 3 && *b != 3).collect();
    let changes = joined.iter().filter(|(a, b)| a != b).count();
    #[allow(clippy::cast_precision_loss, reason = "at most 200")]
    let share = changes as f64 / joined.len().max(1) as f64;
    share >= MIN_CHANGES && entropy(bytes) >= MIN_ENTROPY
}

/// Bits per character, as a part of the most that so many characters of 64 can have.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    #[allow(clippy::cast_precision_loss, reason = "at most 200")]
    let length = bytes.len() as f64;
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / length;
            -share * share.log2()
        })
        .sum();
    bits / length.log2().min(6.0)
}

/// What may be shown of a secret: its length, and of a long one the first four characters.
pub(super) fn excerpt(secret: &str) -> String {
    let length = secret.chars().count();
    match length >= 16 {
        true => {
            let start: String = secret.chars().take(4).collect();
            format!("{start}…, {length} characters")
        }
        false => format!("{length} characters"),
    }
}

#[cfg(test)]
mod tests;
