//! One key of a server's entry with another value: the lines to write and where, for whoever
//! proposes a change to a person. No judgement of the value: the caller parses the result with
//! [`super::Manifest::parse`].

use std::ops::Range;

use toml_edit::{Array, Document, InlineTable, Item, Key, Table, TableLike, Value};

use super::clients::looks_secret;
use super::edit::{line, list_line};
use crate::lockfile::ServerName;

/// What becomes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewValue {
    /// The list, made if it isn't there, has this entry besides.
    Added(String),
    /// The whole list.
    List(Vec<String>),
    Text(String),
    Truth(bool),
    /// A table of one key with a text, for example `{ from = "LANG" }`.
    Table(&'static str, String),
}

/// Lines to write into a manifest; lines are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table's header as it stands there, for example `[servers.github.files]`.
    pub table: String,
    /// The line of that header.
    pub header: usize,
    /// Key and value, perhaps in several lines.
    pub text: String,
    /// First and last line of what the text takes the place of; `None` where the key is new.
    pub replaces: Option<(usize, usize)>,
}

impl Change {
    /// How `key` of the server's entry, a path such as `["files", "read"]`, gets its value.
    ///
    /// `None` when the text is not TOML, or the entry is written so that no line of it can be
    /// changed by itself.
    pub fn of(text: &str, name: &ServerName, key: &[&str], value: &NewValue) -> Option<Self> {
        let document = Document::parse(text).ok()?;
        let servers = document.as_table().get("servers")?.as_table()?;
        let entry = servers.get(name.as_str())?.as_table()?;
        let mut place = Writing {
            source: text,
            header: format!("servers.{}", Key::new(name.as_str())),
            table: entry,
        };
        let mut written: Vec<String> = Vec::new();
        let mut table: &Table = entry;
        let mut left = key;
        loop {
            let (part, below) = left.split_first()?;
            let own = Key::new(*part).to_string();
            match table.get_key_value(part) {
                None => {
                    let key = [&written[..], &left.iter().map(quoted).collect::<Vec<_>>()].concat();
                    return place.change(&key.join("."), &value.added_to(None)?, None);
                }
                Some((_, Item::Table(inner))) if inner.is_dotted() => {
                    written.push(own);
                    table = inner;
                }
                // Without a header of its own it can't be extended from above.
                Some((_, Item::Table(inner))) if inner.is_implicit() => return None,
                Some((_, Item::Table(inner))) => {
                    place.header = [place.header, own].join(".");
                    place.table = inner;
                    written.clear();
                    table = inner;
                }
                // The line would hold the values of other variables.
                Some((_, Item::Value(old))) if !below.is_empty() && holds_a_secret(old) => {
                    return None;
                }
                Some((found, Item::Value(old))) => {
                    let span = found.span()?.start..old.span()?.end;
                    if text.get(old.span()?)?.contains('\n') {
                        written.push(own);
                        return place.lines_more(&written.join("."), old, below, value, span);
                    }
                    let new = if below.is_empty() {
                        value.added_to(Some(old))?
                    } else {
                        Value::InlineTable(nested(old.as_inline_table()?, below, value)?)
                    };
                    written.push(own);
                    return place.change(&written.join("."), &new, Some(span));
                }
                Some(_) => return None,
            }
            left = below;
        }
    }
}

/// The text after all changes, which must be of different keys.
pub fn with_changes(text: &str, changes: &[Change]) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut ordered: Vec<&Change> = changes.iter().collect();
    // From the end, so that the earlier places stay true.
    ordered
        .sort_by_key(|change| std::cmp::Reverse(change.replaces.map_or(change.header, |at| at.0)));
    for change in ordered {
        let new = change.text.lines().map(str::to_owned);
        match change.replaces {
            Some((first, last)) if 1 <= first && first <= last && last <= lines.len() => {
                lines.splice(first - 1..last, new);
            }
            None if change.header <= lines.len() => {
                lines.splice(change.header..change.header, new);
            }
            _ => {}
        }
    }
    lines.join(end) + end
}

/// The table with a header that a line is written below.
struct Writing<'t> {
    source: &'t str,
    header: String,
    table: &'t Table,
}

impl Writing<'_> {
    fn change(&self, key: &str, value: &Value, old: Option<Range<usize>>) -> Option<Change> {
        let text = match value.as_array().map(texts) {
            Some(Some(entries)) => list_line(key, &entries),
            _ => line(key, value),
        };
        self.written(text, old)
    }

    /// This text in the place of `old`, or below the header.
    fn written(&self, mut text: String, old: Option<Range<usize>>) -> Option<Change> {
        if self.table.is_implicit() || self.table.is_dotted() {
            return None;
        }
        let number = |at: usize| Some(1 + self.source.get(..at)?.matches('\n').count());
        let replaces = match old {
            None => None,
            Some(span) => {
                // What is remarked behind it stays.
                let rest = self
                    .source
                    .get(span.end..)?
                    .lines()
                    .next()
                    .unwrap_or_default();
                text.push_str(rest.trim_end());
                Some((number(span.start)?, number(span.end)?))
            }
        };
        Some(Change {
            table: format!("[{}]", self.header),
            header: number(self.table.span()?.start)?,
            text,
            replaces,
        })
    }
}

impl Writing<'_> {
    /// A list of several lines with an entry more, and what is remarked between them.
    fn lines_more(
        &self,
        key: &str,
        old: &Value,
        below: &[&str],
        value: &NewValue,
        span: Range<usize>,
    ) -> Option<Change> {
        match (old, value) {
            (Value::Array(list), NewValue::Added(entry)) if below.is_empty() => {
                texts(list)?;
                let list = with_entry(self.source, list, entry)?;
                let text = format!("{key} = {}", list.replace("\r\n", "\n"));
                self.written(text, Some(span))
            }
            _ if below.is_empty() => self.change(key, &value.added_to(Some(old))?, Some(span)),
            // What is remarked in there would be lost.
            _ => None,
        }
    }
}

/// The text of `list` with an entry more: on a line of its own, if the last one has its own. All else
/// is as it was.
fn with_entry(source: &str, list: &Array, entry: &str) -> Option<String> {
    let whole = list.span()?;
    let entry = Value::from(entry);
    let closing = whole.end.checked_sub(1)?;
    let Some(last) = list.iter().last().map(Value::span) else {
        // Nothing but remarks.
        let (before, after) = (
            source.get(whole.start..closing)?,
            source.get(closing..whole.end)?,
        );
        return Some(format!("{}\n    {entry},\n{after}", before.trim_end()));
    };
    let last = last?;
    let before = source.get(whole.start..last.start)?;
    let mut head = source.get(whole.start..last.end)?.to_owned();
    let rest = source.get(last.end..closing)?;
    let has_comma = has_comma(rest);
    let Some((above, indent)) = before.rsplit_once('\n') else {
        return Some(format!("{head}, {entry}{rest}]"));
    };
    let end = if above.ends_with('\r') { "\r\n" } else { "\n" };
    // Not behind the next comma: another entry may be on the last one's line.
    let indent = indent
        .split(|letter: char| !letter.is_whitespace())
        .next()?;
    if !has_comma {
        head.push(',');
    }
    let comma = if has_comma { "," } else { "" };
    let (same_line, below) = match rest.find(end) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    // A comma at the beginning of a line is nobody's style.
    if has_comma != self::has_comma(same_line) {
        return None;
    }
    Some(format!(
        "{head}{same_line}{end}{indent}{entry}{comma}{below}]"
    ))
}

/// Whether there is a comma outside of remarks.
fn has_comma(text: &str) -> bool {
    text.lines()
        .any(|line| line.split('#').next().unwrap_or_default().contains(','))
}

impl NewValue {
    fn added_to(&self, old: Option<&Value>) -> Option<Value> {
        Some(match self {
            Self::List(entries) => entries.iter().collect::<Array>().into(),
            Self::Text(text) => Value::from(text),
            Self::Truth(truth) => Value::from(*truth),
            Self::Table(key, text) => InlineTable::from_iter([(*key, text.as_str())]).into(),
            Self::Added(entry) => {
                let mut entries = match old {
                    None => Vec::new(),
                    // `true` and `false` stand for all and none in some lists.
                    Some(Value::Boolean(_)) => Vec::new(),
                    Some(old) => texts(old.as_array()?)?,
                };
                entries.push(entry.clone());
                entries.iter().collect::<Array>().into()
            }
        })
    }
}

/// An inline table in which `key` has another value.
fn nested(table: &InlineTable, key: &[&str], value: &NewValue) -> Option<InlineTable> {
    let (part, below) = key.split_first()?;
    let mut table = table.clone();
    let old = table.get(part);
    let new = if below.is_empty() {
        value.added_to(old)?
    } else {
        match old {
            Some(old) => nested(old.as_inline_table()?, below, value)?.into(),
            None => nested(&InlineTable::new(), below, value)?.into(),
        }
    };
    TableLike::insert(&mut table, part, Item::Value(new));
    table.fmt();
    Some(table)
}

fn texts(list: &Array) -> Option<Vec<String>> {
    list.iter()
        .map(|entry| entry.as_str().map(str::to_owned))
        .collect()
}

fn quoted(part: &&str) -> String {
    Key::new(*part).to_string()
}

/// Whether what is written there has a value that looks like a secret.
fn holds_a_secret(written: &Value) -> bool {
    let mut values = written.as_inline_table().into_iter().flatten();
    values.any(|(name, value)| value.as_str().is_some_and(|text| looks_secret(name, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(text: &str, key: &[&str], value: NewValue) -> Option<(Change, String)> {
        let change = Change::of(text, &"a".parse().unwrap(), key, &value)?;
        let after = with_changes(text, std::slice::from_ref(&change));
        Some((change, after))
    }

    fn added(entry: &str) -> NewValue {
        NewValue::Added(entry.to_owned())
    }

    #[test]
    fn each_way_to_write_a_key_is_kept() {
        let head = "# mine\n[servers.a]\nsource = \"npm:x\"\n";
        for (rest, table, text, replaces) in [
            ("", "[servers.a]", "files.read = [\"/x\"]", None),
            (
                "files.read = [\"/a\"] # why\n",
                "[servers.a]",
                "files.read = [\"/a\", \"/x\"] # why",
                Some((4, 4)),
            ),
            (
                "files.write = [\"/a\"]\n",
                "[servers.a]",
                "files.read = [\"/x\"]",
                None,
            ),
            (
                "files = { write = [\"/a\"] }\n",
                "[servers.a]",
                "files = { write = [\"/a\"], read = [\"/x\"] }",
                Some((4, 4)),
            ),
            (
                "[servers.a.files]\nwrite = []\n",
                "[servers.a.files]",
                "read = [\"/x\"]",
                None,
            ),
            (
                "[servers.a.files]\nread = [\n  \"/a\",\n  \"/b\", # two\n]\n",
                "[servers.a.files]",
                "read = [\n  \"/a\",\n  \"/b\", # two\n  \"/x\",\n]",
                Some((5, 8)),
            ),
        ] {
            let before = format!("{head}{rest}");
            let (change, after) = change(&before, &["files", "read"], added("/x")).unwrap();
            assert_eq!(change.table, table, "{before}");
            assert_eq!(change.text, text, "{before}");
            assert_eq!(change.replaces, replaces, "{before}");
            let value: toml::Table = after
                .parse()
                .unwrap_or_else(|error| panic!("{after}{error}"));
            let read = value["servers"]["a"]["files"]["read"].as_array().unwrap();
            assert_eq!(read.last().unwrap().as_str(), Some("/x"), "{after}");
            assert!(after.starts_with("# mine\n[servers.a]\n"), "{after}");
        }
    }

    #[test]
    fn what_is_remarked_in_a_list_of_several_lines_stays() {
        for (list, expected) in [
            (
                "[ # all\n    # one\n    \"/a\", # first\n    # two\n    \"/b\" # second, last\n    # end\n]",
                "[ # all\n    # one\n    \"/a\", # first\n    # two\n    \"/b\", # second, last\n    \"/x\"\n    # end\n]",
            ),
            (
                "[\n  \"/a\",\n  \"/b\"]",
                "[\n  \"/a\",\n  \"/b\",\n  \"/x\"]",
            ),
            (
                "[\"/a\", # one\n \"/b\",\n]",
                "[\"/a\", # one\n \"/b\",\n \"/x\",\n]",
            ),
            (
                "[\"/a\", \"/b\" # both\n]",
                "[\"/a\", \"/b\", \"/x\" # both\n]",
            ),
            (
                "[\n  \"/a\", \"/b\",\n]",
                "[\n  \"/a\", \"/b\",\n  \"/x\",\n]",
            ),
            ("[\n  # none\n]", "[\n  # none\n    \"/x\",\n]"),
            (
                "[\r\n  \"/#,\", # one\r\n]",
                "[\n  \"/#,\", # one\n  \"/x\",\n]",
            ),
        ] {
            let before = format!(
                "[servers.a]\nsource = \"npm:x\"\nexec = {list} # why\nprofile = \"offline\"\n"
            );
            let (change, after) = change(&before, &["exec"], added("/x")).unwrap();
            assert_eq!(change.text, format!("exec = {expected} # why"), "{list}");
            let after: toml::Table = after
                .parse()
                .unwrap_or_else(|error| panic!("{after}{error}"));
            let entry = &after["servers"]["a"];
            let exec = entry["exec"].as_array().unwrap();
            assert_eq!(exec.last().unwrap().as_str(), Some("/x"));
            assert_eq!(entry["profile"].as_str(), Some("offline"));
            let text: toml::Table = before.parse().unwrap();
            let old = text["servers"]["a"]["exec"].as_array().unwrap();
            assert_eq!(exec[..old.len()], old[..]);
        }
        // Where they can't be kept it is left to a person.
        let nested = "[servers.a]\nfiles = { read = [\n  \"/a\", # one\n] }\n";
        assert_eq!(change(nested, &["files", "read"], added("/x")), None);
    }

    #[test]
    fn several_changes_and_other_values() {
        let text = "[servers.a]\nsource = \"npm:x\"\ntools.allow = []\nprofile = \"offline\"\r\n";
        let name = "a".parse().unwrap();
        let of = |key: &[&str], value| Change::of(text, &name, key, &value).unwrap();
        let changes = [
            of(&["profile"], NewValue::Text("web".to_owned())),
            of(&["egress"], added("a.test:443")),
            of(&["grants", "sampling"], NewValue::Truth(true)),
            of(&["env", "LANG"], NewValue::Table("from", "LANG".to_owned())),
        ];
        let after: toml::Table = with_changes(text, &changes).parse().unwrap();
        let entry = &after["servers"]["a"];
        assert_eq!(entry["profile"].as_str(), Some("web"));
        assert_eq!(entry["egress"][0].as_str(), Some("a.test:443"));
        assert_eq!(entry["grants"]["sampling"].as_bool(), Some(true));
        assert_eq!(entry["env"]["LANG"]["from"].as_str(), Some("LANG"));
    }

    #[test]
    fn the_values_of_other_variables_are_not_shown() {
        let of = |variables: &str| {
            let text = format!("[servers.a]\nsource = \"npm:x\"\n{variables}");
            let value = NewValue::Table("from", "LANG".to_owned());
            change(&text, &["env", "LANG"], value)
        };
        assert_eq!(of("env = { TOKEN = \"s3cret\" }\n"), None);
        // The control.
        for variables in [
            "env = { LEVEL = \"x\" }\n",
            "env.TOKEN = \"s3cret\"\n",
            "[servers.a.env]\nTOKEN = \"s3cret\"\n",
        ] {
            let (change, _) = of(variables).unwrap();
            assert!(!change.text.contains("s3cret"), "{}", change.text);
        }
    }

    #[test]
    fn what_no_line_can_change_is_left_to_a_person() {
        for text in [
            "[servers]\na = { source = \"npm:x\" }\n",
            "servers.a.source = \"npm:x\"\n",
            "[servers.a]\nfiles = 1\n",
            "[servers.a.files.read]\n",
            "not toml",
            "",
        ] {
            assert_eq!(
                change(text, &["files", "read"], added("/x")),
                None,
                "{text}"
            );
        }
    }
}
