//! The lists of a server's tools in the manifest's text: names come and go, everything else stays
//! as the user wrote it. No I/O; the caller parses the result before writing it.

use std::collections::BTreeSet;

use toml_edit::{Array, DocumentMut, Item, TableLike, Value};

use super::error::ConfigError;
use crate::lockfile::{ServerName, ToolName};

/// `text` with exactly `chosen` in `tools.allow` and `tools.ask` of `name` together. Those that are
/// in `ask` stay there; new ones go into `allow`.
pub fn set_tools(
    text: &str,
    name: &ServerName,
    chosen: &BTreeSet<ToolName>,
) -> Result<String, ConfigError> {
    let by_hand = || ConfigError::EditByHand { name: name.clone() };
    let mut document: DocumentMut =
        text.parse()
            .map_err(|error: toml_edit::TomlError| ConfigError::NotToml {
                reason: error.message().to_owned(),
            })?;
    // Not by `Item::get_mut`, which adds what is not there.
    let tools = member(document.as_table_mut(), "servers")
        .and_then(|servers| member(servers, name.as_str()))
        .ok_or_else(|| ConfigError::NoSuchServer { name: name.clone() })?;
    let tools = member(tools, "tools").ok_or_else(by_hand)?;
    let is_chosen = |value: &Value| {
        let tool = value.as_str().and_then(|text| text.parse().ok());
        tool.is_some_and(|tool: ToolName| chosen.contains(&tool))
    };
    let mut asked = BTreeSet::new();
    if let Some(ask) = tools.get_mut("ask") {
        let ask = ask.as_array_mut().ok_or_else(by_hand)?;
        ask.retain(is_chosen);
        asked.extend(ask.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    let allow = tools
        .entry("allow")
        .or_insert(Item::Value(Array::new().into()));
    let allow = allow.as_array_mut().ok_or_else(by_hand)?;
    allow.retain(is_chosen);
    let present: BTreeSet<String> = allow
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    for tool in chosen.iter().map(ToolName::as_str) {
        if !present.contains(tool) && !asked.contains(tool) {
            push(allow, tool);
        }
    }
    let mut result = document.to_string();
    if text.contains("\r\n") && !text.replace("\r\n", "").contains('\n') {
        result = result.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    match (without_lists(text, name), without_lists(&result, name)) {
        (Some(before), Some(after)) if before == after => Ok(result),
        _ => Err(by_hand()),
    }
}

/// What the text says besides the two lists.
fn without_lists(text: &str, name: &ServerName) -> Option<toml::Table> {
    let mut all: toml::Table = text.parse().ok()?;
    let servers = all.get_mut("servers")?.as_table_mut()?;
    let server = servers.get_mut(name.as_str())?.as_table_mut()?;
    let tools = server.get_mut("tools")?.as_table_mut()?;
    tools.remove("allow");
    tools.remove("ask");
    Some(all)
}

fn member<'t>(table: &'t mut dyn TableLike, key: &str) -> Option<&'t mut dyn TableLike> {
    table.get_mut(key)?.as_table_like_mut()
}

/// In the manner of the element before it.
fn push(list: &mut Array, tool: &str) {
    let mut value = Value::from(tool);
    let before = list.get(list.len().saturating_sub(1));
    match before.and_then(|last| last.decor().prefix()).cloned() {
        // The first of a line may stand right behind the bracket.
        Some(prefix) if prefix.as_str().is_some_and(|text| text.contains('\n')) => {
            let indent = prefix.as_str().unwrap_or("").rsplit('\n').next();
            let prefix = format!("\n{}", indent.unwrap_or(""));
            value.decor_mut().set_prefix(prefix);
            list.push_formatted(value);
        }
        _ => list.push(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, chosen: &[&str]) -> String {
        let chosen = chosen.iter().map(|name| name.parse().unwrap()).collect();
        set_tools(text, &"a".parse().unwrap(), &chosen).unwrap()
    }

    #[test]
    fn names_come_and_go_and_the_rest_stays() {
        let text = "# mine\n[servers.a]   # a\nsource = 'x'\n\n[servers.a.tools]\nallow = [\"one\", \"two\"] # two\nask = ['three']\nlimits = { one = \"1/min\" }\n\n[servers.b]\ntools.allow = []\n";
        assert_eq!(edited(text, &["one", "two", "three"]), text);
        assert_eq!(
            edited(text, &["four", "three", "two"]),
            text.replace("[\"one\", \"two\"]", "[ \"two\", \"four\"]")
        );
        assert_eq!(
            edited(text, &["one", "two"]),
            text.replace("['three']", "[]")
        );
        let dotted = "[servers.a]\ntools.allow = []\n";
        assert_eq!(
            edited(dotted, &["one", "two"]),
            dotted.replace("[]", "[\"one\", \"two\"]")
        );
        let inline = "servers.a = { source = 'x', tools = { allow = ['one'] } }\n";
        assert_eq!(edited(inline, &[]), inline.replace("['one']", "[]"));
    }

    #[test]
    fn a_list_over_several_lines_stays_one() {
        let text = "[servers.a.tools]\nallow = [\n  \"one\", # first\n  \"two\",\n]\n";
        assert_eq!(
            edited(text, &["one", "two", "three"]),
            text.replace("\"two\",\n", "\"two\",\n  \"three\",\n")
        );
    }

    #[test]
    fn windows_line_ends_stay() {
        let text = "# top\r\n[servers.b]\r\nargs = [\"\"\"a\r\nb\"\"\"]\r\n\r\n[servers.a.tools]\r\nallow = [\r\n  \"one\",\r\n]\r\n";
        assert_eq!(
            edited(text, &["one", "two"]),
            text.replace("\"one\",\r\n", "\"one\",\r\n  \"two\",\r\n")
        );
        assert_eq!(edited(text, &["one"]), text);
        // Where only some lines end so, what it says stays the same.
        let mixed = text.replacen("\r\n", "\n", 1);
        let says = |text: &str| text.parse::<toml::Table>().unwrap();
        assert_eq!(says(&edited(&mixed, &["one"])), says(&mixed));
    }

    #[test]
    fn what_is_no_list_is_left_alone() {
        let none = BTreeSet::new();
        let name = "a".parse().unwrap();
        for text in [
            "",
            "[servers.b]\n",
            "[servers.a]\n",
            "[servers.a]\ntools = 1\n",
            "[servers.a.tools]\nallow = 'all'\n",
            "[servers",
        ] {
            assert!(set_tools(text, &name, &none).is_err(), "{text}");
        }
    }
}
