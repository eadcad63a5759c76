//! `[servers.NAME.tools.rules.TOOL]`: JSON Schema, written as TOML.
//!
//! A keyword that is not known here is a mistake: a rule that is silently not applied is worse
//! than none.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::DeTable;

use super::diagnostic::Code;
use super::raw::{Node, Walk};
use crate::schema::{Keyword, Literal, Number, Pattern, Schema, Type};

/// The keywords in the order in which they are judged: the cheap ones first.
const KEYWORDS: [&str; 19] = [
    "type",
    "const",
    "enum",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "allOf",
    "anyOf",
    "not",
];
/// Schemas inside of each other.
const MAX_DEPTH: usize = 16;
/// Entries of one list or table.
const MAX_ENTRIES: usize = 1024;

/// The rule of one tool; `what` names it.
pub(super) fn call_rule(walk: &mut Walk, node: &Node<'_>, what: &str) -> Schema {
    schema(walk, node, what, 0)
}

fn schema(walk: &mut Walk, node: &Node<'_>, what: &str, depth: usize) -> Schema {
    if let (Some(truth), true) = (node.get_ref().as_bool(), depth > 0) {
        return Schema(if truth { vec![] } else { vec![Keyword::Never] });
    }
    let Some(table) = walk.table(node, what) else {
        return Schema::default();
    };
    if depth == MAX_DEPTH {
        let text = format!("{what} has more than {MAX_DEPTH} schemas inside of each other");
        walk.report(Code::InvalidValue, node.span(), text);
        return Schema::default();
    }
    walk.only_keys(table, &KEYWORDS, what);
    if table.is_empty() {
        let text = format!("{what} is empty, so it would refuse nothing");
        walk.report(Code::MissingKey, node.span(), text);
    }
    let mut keywords = Vec::new();
    for name in KEYWORDS {
        if let Some(value) = table.get(name) {
            let what = format!("{what}.{name}");
            keywords.extend(keyword(walk, table, name, value, &what, depth + 1));
        }
    }
    Schema(keywords)
}

fn keyword(
    walk: &mut Walk,
    table: &DeTable<'_>,
    name: &str,
    node: &Node<'_>,
    what: &str,
    depth: usize,
) -> Option<Keyword> {
    Some(match name {
        "type" => Keyword::Type(types(walk, node, what)),
        "const" => Keyword::Const(literal(walk, node, what)?),
        "enum" => {
            let values = list(walk, node, what)?;
            Keyword::Enum(
                values
                    .iter()
                    .filter_map(|value| literal(walk, value, what))
                    .collect(),
            )
        }
        "minimum" => Keyword::Minimum(number(walk, node, what)?),
        "maximum" => Keyword::Maximum(number(walk, node, what)?),
        "exclusiveMinimum" => Keyword::ExclusiveMinimum(number(walk, node, what)?),
        "exclusiveMaximum" => Keyword::ExclusiveMaximum(number(walk, node, what)?),
        "minLength" => Keyword::MinLength(count(walk, node, what)?),
        "maxLength" => Keyword::MaxLength(count(walk, node, what)?),
        "minItems" => Keyword::MinItems(count(walk, node, what)?),
        "maxItems" => Keyword::MaxItems(count(walk, node, what)?),
        "pattern" => {
            let text = walk.string(node, what)?;
            match Pattern::new(&text) {
                Ok(pattern) => Keyword::Pattern(pattern),
                Err(error) => {
                    let text = format!("{what} can't be used: {error}");
                    walk.report(Code::InvalidValue, node.span(), text);
                    return None;
                }
            }
        }
        "required" => Keyword::Required(required(walk, node, what)),
        "properties" => Keyword::Properties {
            named: properties(walk, node, what, depth),
            others: table
                .get("additionalProperties")
                .map(|node| Box::new(schema(walk, node, "`additionalProperties`", depth))),
        },
        // With `properties` it belongs to them.
        "additionalProperties" if table.get("properties").is_some() => return None,
        "additionalProperties" => Keyword::Properties {
            named: BTreeMap::new(),
            others: Some(Box::new(schema(walk, node, what, depth))),
        },
        "items" => Keyword::Items(Box::new(schema(walk, node, what, depth))),
        "allOf" => Keyword::AllOf(schemas(walk, node, what, depth)?),
        "anyOf" => Keyword::AnyOf(schemas(walk, node, what, depth)?),
        _ => Keyword::Not(Box::new(schema(walk, node, what, depth))),
    })
}

fn properties(
    walk: &mut Walk,
    node: &Node<'_>,
    what: &str,
    depth: usize,
) -> BTreeMap<String, Schema> {
    let Some(table) = walk.table(node, what) else {
        return BTreeMap::new();
    };
    if table.len() > MAX_ENTRIES {
        too_many(walk, node, what);
        return BTreeMap::new();
    }
    table
        .iter()
        .map(|(key, node)| {
            let name = key.get_ref().to_string();
            let schema = schema(walk, node, &format!("{what}.{name}"), depth);
            (name, schema)
        })
        .collect()
}

fn schemas(walk: &mut Walk, node: &Node<'_>, what: &str, depth: usize) -> Option<Vec<Schema>> {
    let list = list(walk, node, what)?;
    Some(
        list.iter()
            .map(|node| schema(walk, node, what, depth))
            .collect(),
    )
}

/// A list with something in it.
fn list<'v, 'i>(walk: &mut Walk, node: &'v Node<'i>, what: &str) -> Option<&'v [Node<'i>]> {
    let Some(list) = node.get_ref().as_array() else {
        walk.wrong_type(node, what, "a list");
        return None;
    };
    if list.is_empty() {
        let text = format!("{what} has no entry");
        walk.report(Code::InvalidValue, node.span(), text);
        return None;
    }
    if list.len() > MAX_ENTRIES {
        too_many(walk, node, what);
        return None;
    }
    Some(list)
}

fn too_many(walk: &mut Walk, node: &Node<'_>, what: &str) {
    let text = format!("{what} has more than {MAX_ENTRIES} entries");
    walk.report(Code::InvalidValue, node.span(), text);
}

fn required(walk: &mut Walk, node: &Node<'_>, what: &str) -> BTreeSet<String> {
    let names = walk.strings(Some(node), what).into_iter();
    names.map(|(name, _)| name).collect()
}

fn types(walk: &mut Walk, node: &Node<'_>, what: &str) -> BTreeSet<Type> {
    let named: Vec<(String, Range<usize>)> = if node.get_ref().is_str() {
        let text = walk.string(node, what).into_iter();
        text.map(|text| (text, node.span())).collect()
    } else {
        walk.strings(Some(node), what)
    };
    if named.is_empty() && node.get_ref().is_array() {
        let text = format!("{what} has no entry");
        walk.report(Code::InvalidValue, node.span(), text);
    }
    let mut types = BTreeSet::new();
    for (text, span) in named {
        match Type::ALL.into_iter().find(|one| one.name() == text) {
            Some(one) => {
                types.insert(one);
            }
            None => {
                let known: Vec<&str> = Type::ALL.iter().map(|one| one.name()).collect();
                let text = format!("`{text}` is none of the types {}", known.join(", "));
                walk.report(Code::InvalidValue, span, text);
            }
        }
    }
    types
}

fn literal(walk: &mut Walk, node: &Node<'_>, what: &str) -> Option<Literal> {
    let value = node.get_ref();
    if let Some(truth) = value.as_bool() {
        return Some(Literal::Boolean(truth));
    }
    if let Some(text) = value.as_str() {
        // Arguments may hold what no program argument can.
        return Some(Literal::Text(text.to_owned()));
    }
    if value.is_integer() || value.is_float() {
        return number(walk, node, what).map(Literal::Number);
    }
    walk.wrong_type(node, what, "a string, a number or a boolean");
    None
}

fn number(walk: &mut Walk, node: &Node<'_>, what: &str) -> Option<Number> {
    let value = node.get_ref();
    let number = match (value.as_integer(), value.as_float()) {
        (Some(integer), _) => i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            // Exact wherever it is accepted.
            .and_then(|integer| integer.to_string().parse().ok()),
        (None, Some(float)) => float.as_str().parse().ok(),
        _ => {
            walk.wrong_type(node, what, "a number");
            return None;
        }
    };
    let found = number.and_then(Number::new);
    if found.is_none() {
        let text = format!("{what} is no number between -(2^53 - 1) and 2^53 - 1");
        walk.report(Code::InvalidValue, node.span(), text);
    }
    found
}

fn count(walk: &mut Walk, node: &Node<'_>, what: &str) -> Option<usize> {
    let Some(integer) = node.get_ref().as_integer() else {
        walk.wrong_type(node, what, "a whole number");
        return None;
    };
    let count = usize::from_str_radix(integer.as_str(), integer.radix()).ok();
    if count.is_none() {
        let text = format!("{what} is negative or too large");
        walk.report(Code::InvalidValue, node.span(), text);
    }
    count
}
