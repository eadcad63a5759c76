//! What a config file says, whatever its dialect: values, each with its place in the text.

use std::ops::Range;

/// A value. Its span is in bytes of [`super::SourceText::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub span: Range<usize>,
    pub value: Value,
    /// Why this can't be edited in place: an anchor, an alias, a tag, a block of text.
    pub unusual: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    Bool(bool),
    /// A number or a date, as written.
    Plain(String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<Member>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub key: String,
    pub key_span: Range<usize>,
    pub value: Node,
}

impl Node {
    pub(super) fn new(span: Range<usize>, value: Value) -> Self {
        Self {
            span,
            value,
            unusual: None,
        }
    }

    /// The value of `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        Some(&self.member(key)?.value)
    }

    /// The same with its key.
    pub fn member(&self, key: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.key == key)
    }

    /// The members of a map; of anything else none.
    pub fn members(&self) -> &[Member] {
        match &self.value {
            Value::Map(members) => members,
            _ => &[],
        }
    }

    /// The entries of a list; of anything else none.
    pub fn entries(&self) -> &[Self] {
        match &self.value {
            Value::List(entries) => entries,
            _ => &[],
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A text, number or truth value as a program would be given it.
    pub fn as_word(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) | Value::Plain(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Whether both say the same, wherever and however it is written. The order of keys counts
    /// for nothing; that of a list does.
    pub fn says_the_same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::List(one), Value::List(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(a, b)| a.says_the_same(b))
            }
            (Value::Map(one), Value::Map(two)) => {
                let sorted = |members: &[Member]| {
                    let mut order: Vec<usize> = (0..members.len()).collect();
                    // Stable: members of the same name stay in their order.
                    order.sort_by(|a, b| members[*a].key.cmp(&members[*b].key));
                    order
                };
                one.len() == two.len()
                    && sorted(one).into_iter().zip(sorted(two)).all(|(a, b)| {
                        one[a].key == two[b].key && one[a].value.says_the_same(&two[b].value)
                    })
            }
            (one, two) => one == two,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_json::parse;
    use super::*;

    fn node(text: &str) -> Node {
        parse(text).unwrap()
    }

    #[test]
    fn spelling_and_order_of_keys_count_for_nothing() {
        let one = node(r#"{"a": [1, "x"], /* c */ "b": {"c": null}}"#);
        assert!(one.says_the_same(&node(r#"{"b":{"c":null},"a":[1,"\u0078"],}"#)));
        for other in [
            r#"{"a": ["x", 1], "b": {"c": null}}"#,
            r#"{"a": [1, "x"], "b": {"c": false}}"#,
            r#"{"a": [1, "x"]}"#,
            r#"{"a": [1, "x"], "b": {"c": null}, "d": 1}"#,
            r#"{"a": [1.0, "x"], "b": {"c": null}}"#,
        ] {
            assert!(!one.says_the_same(&node(other)), "{other}");
        }
    }
}
