//! The format of npmrc files: `key = value` lines as npm's ini reader takes them, and
//! `${VARIABLE}` as npm's config reader replaces it.

use std::collections::BTreeMap;

/// Settings of one file or several, later ones over earlier ones. A setting written with
/// brackets (`ca[] = …`) has several values, any other has one.
pub(super) type Entries = BTreeMap<String, Vec<String>>;

/// Reads a file's text. `variable` is the environment.
///
/// Sections are passed over with all their content: npm has no setting in one.
pub(super) fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Entries {
    let mut entries = Entries::new();
    let mut in_section = false;
    for line in text.split(['\r', '\n']) {
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        if line.starts_with('[') && line.ends_with(']') {
            in_section = true;
            continue;
        }
        if in_section {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (unquote(key), unquote(value)),
            // A bare word switches something on.
            None => (unquote(line), "true".to_owned()),
        };
        let key = expand(&key, variable);
        let value = expand(&value, variable);
        match key.strip_suffix("[]") {
            Some(key) => entries.entry(key.to_owned()).or_default().push(value),
            None if value == "null" => {
                entries.remove(&key);
            }
            None => {
                entries.insert(key, vec![value]);
            }
        }
    }
    entries
}

/// Replaces `${NAME}` by the variable's value. An unset variable leaves the text as it is, or
/// nothing with `${NAME?}`. A backslash before `$` keeps it from being replaced.
pub(super) fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        let after = &rest[at + 2..];
        let name_length = after.find(['$', '{', '}', '?']).unwrap_or(after.len());
        let (name, tail) = after.split_at(name_length);
        let (optional, tail) = match tail.strip_prefix('?') {
            Some(tail) => (true, tail),
            None => (false, tail),
        };
        let Some(tail) = tail.strip_prefix('}').filter(|_| !name.is_empty()) else {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        };
        // Of n backslashes half are kept; an odd one escapes the dollar.
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        expanded.push_str(&before[..before.len() - backslashes]);
        expanded.push_str(&"\\".repeat(backslashes / 2));
        let whole = &rest[at..rest.len() - tail.len()];
        match variable(name) {
            _ if backslashes % 2 == 1 => expanded.push_str(whole),
            Some(value) => expanded.push_str(&value),
            None if optional => {}
            None => expanded.push_str(whole),
        }
        rest = tail;
    }
    expanded.push_str(rest);
    expanded
}

/// One line that [`parse`] and npm read back as `key` and `value`, whatever is in the value.
pub(super) fn line(key: &str, value: &str) -> String {
    let escaped = value.replace("${", "\\${");
    format!("{key}={}\n", serde_json::Value::from(escaped))
}

/// Quotes, comments and escapes of one side of a line.
fn unquote(text: &str) -> String {
    let text = text.trim();
    let quoted_by = |quote| text.len() >= 2 && text.starts_with(quote) && text.ends_with(quote);
    if quoted_by('"') {
        return serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
    }
    if quoted_by('\'') {
        let inner = &text[1..text.len() - 1];
        return serde_json::from_str(inner).unwrap_or_else(|_| inner.to_owned());
    }
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ';' | '#' => break,
            '\\' => match letters.next() {
                Some(escaped @ ('\\' | ';' | '#')) => plain.push(escaped),
                Some(other) => plain.extend(['\\', other]),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        (name == "TOKEN").then(|| "s3cret".to_owned())
    }

    #[test]
    fn lines_are_read_as_npm_reads_them() {
        let entries = parse(
            "; comment\n# another\n\n registry = https://npm.example/ ; why\r\n\
             @corp:registry=\"https://corp.example/\"\n//npm.example/:_authToken=${TOKEN}\n\
             password='it;s'\nescaped=a\\;b\\#c\\d\nstrict-ssl\nempty=\n\
             ca[]=one\nca[] = \"two\\nlines\"\ngone=x\ngone=null\n[section]\nregistry=no\n",
            &variable,
        );
        let one = |key: &str| entries.get(key).map(|values| values.join("|"));
        assert_eq!(one("registry").as_deref(), Some("https://npm.example/"));
        assert_eq!(
            one("@corp:registry").as_deref(),
            Some("https://corp.example/")
        );
        assert_eq!(one("//npm.example/:_authToken").as_deref(), Some("s3cret"));
        assert_eq!(one("password").as_deref(), Some("it;s"));
        assert_eq!(one("escaped").as_deref(), Some("a;b#c\\d"));
        assert_eq!(one("strict-ssl").as_deref(), Some("true"));
        assert_eq!(one("empty").as_deref(), Some(""));
        assert_eq!(one("ca").as_deref(), Some("one|two\nlines"));
        assert_eq!(one("gone"), None);
    }

    #[test]
    fn variables_are_replaced_as_npm_replaces_them() {
        let expand = |text| expand(text, &variable);
        assert_eq!(expand("a${TOKEN}b${TOKEN}"), "as3cretbs3cret");
        assert_eq!(expand("${TOKEN?}"), "s3cret");
        assert_eq!(expand("${UNSET}"), "${UNSET}");
        assert_eq!(expand("x${UNSET?}y"), "xy");
        assert_eq!(expand("\\${TOKEN}"), "${TOKEN}");
        assert_eq!(expand("\\\\${TOKEN}"), "\\s3cret");
        assert_eq!(expand("${"), "${");
        assert_eq!(expand("${}"), "${}");
        assert_eq!(expand("${a${TOKEN}"), "${as3cret");
        assert_eq!(expand("$TOKEN"), "$TOKEN");
    }

    #[test]
    fn written_lines_are_read_back() {
        for value in [
            "plain",
            "a;b#c",
            "${TOKEN}",
            "quo\"te",
            "back\\slash",
            "two\nlines",
            " x ",
        ] {
            let entries = parse(&line("key", value), &variable);
            assert_eq!(entries["key"], [value], "{value}");
        }
    }
}
