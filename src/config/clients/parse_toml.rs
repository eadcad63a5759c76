//! TOML, as a tree.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::{Member, Node, Value};

/// The tree of `text`.
///
/// # Errors
/// Where, in bytes, and what is wrong.
pub(super) fn parse(text: &str) -> Result<Node, (usize, String)> {
    let table = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        (start, error.message().to_owned())
    })?;
    let span = table.span();
    Ok(Node::new(span, Value::Map(members(table.get_ref()))))
}

fn members(table: &DeTable<'_>) -> Vec<Member> {
    let mut members: Vec<Member> = table
        .iter()
        .map(|(key, value)| Member {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            value: node(value),
        })
        .collect();
    members.sort_by_key(|member| member.key_span.start);
    members
}

fn node(value: &Spanned<DeValue<'_>>) -> Node {
    let read = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Integer(number) => Value::Plain(number.to_string()),
        DeValue::Float(number) => Value::Plain(number.to_string()),
        DeValue::Datetime(date) => Value::Plain(date.to_string()),
        DeValue::Array(list) => Value::List(list.iter().map(node).collect()),
        DeValue::Table(table) => Value::Map(members(table)),
    };
    Node::new(value.span(), read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_in_every_spelling_are_read_in_their_order() {
        let text = "z = 1\n[mcp_servers.b]\ncommand = 'x'\nenv.A = \"1\"\n[mcp_servers.a]\nenv = { B = '2' }\n[mcp_servers.a.tools]\nat = 2026-01-01\n";
        let root = parse(text).unwrap();
        let servers = root.get("mcp_servers").unwrap();
        let names: Vec<&str> = servers.members().iter().map(|m| m.key.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        let a = servers
            .get("b")
            .unwrap()
            .get("env")
            .unwrap()
            .get("A")
            .unwrap();
        assert_eq!(&text[a.span.clone()], "\"1\"");
        let (at, reason) = parse("a = 1\nb = = 2\n").unwrap_err();
        assert!(at >= 6 && !reason.is_empty(), "{at} {reason}");
    }
}
