//! On which line of the manifest something is said, for whoever explains where a right comes from.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::lockfile::ServerName;

/// Lines of one server's entry, counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(BTreeMap<String, Place>);

/// Where something stands in the manifest: both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl Lines {
    /// Looks them up in a manifest that was found to be valid; of another one nothing is known.
    pub fn of(text: &str, name: &ServerName) -> Self {
        let mut lines = Self::default();
        let Ok(manifest) = DeTable::parse(text) else {
            return lines;
        };
        let servers = manifest.get_ref().get("servers");
        let entry = servers
            .and_then(|servers| servers.get_ref().as_table())
            .and_then(|servers| servers.get_key_value(name.as_str()));
        if let Some((key, value)) = entry {
            lines.note(text, String::new(), key.span().start);
            lines.walk(text, "", value.get_ref());
        }
        lines
    }

    /// The line of a key such as `profile`, `limits.memory` or `env.LANG`, of an entry of a list
    /// such as `files.read.0`, or, for the empty key, of the server's name.
    pub fn get(&self, key: &str) -> Option<usize> {
        Some(self.place(key)?.line)
    }

    /// As [`Self::get`], with the column.
    pub fn place(&self, key: &str) -> Option<Place> {
        self.0.get(key).copied()
    }

    fn walk(&mut self, text: &str, above: &str, value: &DeValue<'_>) {
        let below = |name: &str| match above {
            "" => name.to_owned(),
            above => format!("{above}.{name}"),
        };
        if let Some(table) = value.as_table() {
            for (key, value) in table {
                let name = below(key.get_ref());
                self.walk(text, &name, value.get_ref());
                self.note(text, name, key.span().start);
            }
        } else if let Some(list) = value.as_array() {
            for (index, value) in list.iter().enumerate() {
                self.note(text, below(&index.to_string()), value.span().start);
            }
        }
    }

    fn note(&mut self, text: &str, key: String, place: usize) {
        let before = text.get(..place).unwrap_or_default();
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let column = 1 + before[line_start..].chars().count();
        self.0.insert(key, Place { line, column });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_every_entry_of_a_list_has_its_line() {
        let text = r#"# first
[servers.other]
profile = "web"

[servers.a]
source = "npm:x"
profile = "offline"
env = { LANG = "C" }
limits.memory = "1GiB"
exec = [
    "git",
    "sh",
]
[servers.a.files]
read = ["/a", "/b"]
"#;
        let lines = Lines::of(text, &"a".parse().unwrap());
        for (key, line) in [
            ("", 5),
            ("source", 6),
            ("profile", 7),
            ("env", 8),
            ("env.LANG", 8),
            ("limits.memory", 9),
            ("exec", 10),
            ("exec.0", 11),
            ("exec.1", 12),
            ("files.read.1", 15),
        ] {
            assert_eq!(lines.get(key), Some(line), "{key}");
        }
        for (key, line, column) in [
            ("", 5, 10),
            ("profile", 7, 1),
            ("env.LANG", 8, 9),
            ("exec.1", 12, 5),
            ("files.read.1", 15, 15),
        ] {
            assert_eq!(lines.place(key), Some(Place { line, column }), "{key}");
        }
        assert_eq!(lines.get("args"), None);
        assert_eq!(Lines::of(text, &"b".parse().unwrap()), Lines::default());
        assert_eq!(Lines::of("= no", &"a".parse().unwrap()), Lines::default());
    }
}
