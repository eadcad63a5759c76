//! JSON with comments and trailing commas, as a tree. Plain JSON is a part of it.

use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::tree::{Member, Node, Value};

/// What editors' JSON with comments allows, and nothing of JSON5.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The tree of `text`; an empty file is an empty map, as editors have it.
///
/// # Errors
/// Where, in bytes, and what is wrong.
pub(super) fn parse(text: &str) -> Result<Node, (usize, String)> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS)
        .map_err(|error| (error.range().start, error.kind().to_string()))?;
    Ok(match parsed.value {
        Some(value) => node(value),
        None => Node::new(text.len()..text.len(), Value::Map(Vec::new())),
    })
}

/// Whether a client that reads no comments can read it.
pub(super) fn is_strict(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn node(value: ast::Value<'_>) -> Node {
    let span = span(&value);
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::NumberLit(literal) => Value::Plain(literal.value.to_owned()),
        ast::Value::StringLit(literal) => Value::Text(literal.value.into_owned()),
        ast::Value::Array(list) => Value::List(list.elements.into_iter().map(node).collect()),
        ast::Value::Object(map) => Value::Map(
            map.properties
                .into_iter()
                .map(|member| Member {
                    key_span: span_of_name(&member.name),
                    key: member.name.into_string(),
                    value: node(member.value),
                })
                .collect(),
        ),
    };
    Node::new(span, value)
}

fn span(of: &impl Ranged) -> Range<usize> {
    of.range().start..of.range().end
}

fn span_of_name(name: &ast::ObjectPropName<'_>) -> Range<usize> {
    span(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_read_and_json5_is_not() {
        let text = "// one\n{\"a\": [1, true,], /* two */ \"b\": \"x\\n\",}\n";
        let root = parse(text).unwrap();
        assert_eq!(root.get("b").unwrap().as_text(), Some("x\n"));
        assert_eq!(&text[root.get("a").unwrap().span.clone()], "[1, true,]");
        assert_eq!(&text[root.member("b").unwrap().key_span.clone()], "\"b\"");
        for broken in [
            "{a: 1}",
            "{'a': 1}",
            "{\"a\" 1}",
            "[1 2]",
            "{\"a\": 0x1}",
            "{",
            "{} {}",
        ] {
            assert!(parse(broken).is_err(), "{broken}");
        }
        assert_eq!(parse(" // nothing\n").unwrap().members(), []);
    }

    #[test]
    fn what_is_too_deep_is_refused() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&format!("{}1{}", "[".repeat(100), "]".repeat(100))).is_ok());
    }
}
