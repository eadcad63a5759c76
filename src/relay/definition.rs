//! One tool definition, in the form in which it is pinned: canonical bytes and digest.

use super::canonical_form::canonical_form;
use super::json::Value;
use super::strict::{CanonicalLine, DEFAULT_MAX_LINE};
use super::tool_list::read_tool;
use crate::lockfile::Digest;

/// A tool as its server defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolDefinition {
    /// As sent; it may not be a proper `ToolName`.
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    /// The whole definition in RFC 8785 canonical form.
    pub canonical: Vec<u8>,
    /// The digest of `canonical`.
    pub digest: Digest,
}

impl ToolDefinition {
    /// Reads what is in [`Self::canonical`].
    pub fn of_canonical(text: &str) -> Option<Self> {
        let line = CanonicalLine::read(text.as_bytes(), DEFAULT_MAX_LINE).ok()?;
        Self::read(line.root().as_value()).ok()?
    }

    /// Reads one element of `tools`. `Ok(None)` when it is no usable definition, by the
    /// same rule by which the relay hides it.
    pub fn read(tool: Value<'_>) -> Result<Option<Self>, serde_json::Error> {
        let Some((name, definition)) = read_tool(tool) else {
            return Ok(None);
        };
        let text = |key| {
            definition
                .find(key)
                .and_then(Value::as_text)
                .map(Into::into)
        };
        let canonical = canonical_form(definition.as_value())?;
        Ok(Some(Self {
            name: name.clone().into_owned(),
            title: text("title"),
            description: text("description"),
            digest: Digest::of(&canonical),
            canonical,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<ToolDefinition> {
        let line = CanonicalLine::read(format!("{{\"t\":{text}}}").as_bytes(), 1 << 20).unwrap();
        ToolDefinition::read(line.root().find("t").unwrap()).unwrap()
    }

    #[test]
    fn the_digest_is_of_the_whole_definition_in_canonical_form() {
        let tool = read(r#"{"name":"a","description":"x\u0041","b":1.0,"a":[1e2]}"#).unwrap();
        assert_eq!(
            tool.canonical,
            br#"{"a":[100],"b":1,"description":"xA","name":"a"}"#
        );
        assert_eq!(tool.digest, Digest::of(&tool.canonical));
        let text = String::from_utf8(tool.canonical.clone()).unwrap();
        assert_eq!(ToolDefinition::of_canonical(&text).as_ref(), Some(&tool));
        assert_eq!(ToolDefinition::of_canonical("[]"), None);
        assert_eq!(tool.description.as_deref(), Some("xA"));
        assert_eq!(tool.title, None);
        // Order and spelling don't count, content does.
        let same = read(r#"{"a":[100],"b":1,"name":"a","description":"xA"}"#).unwrap();
        assert_eq!(same.digest, tool.digest);
        let other = read(r#"{"a":[100],"b":1,"name":"a","description":"xA "}"#).unwrap();
        assert_ne!(other.digest, tool.digest);
    }

    #[test]
    fn what_the_relay_hides_is_no_definition() {
        assert_eq!(read(r#"{"title":"x"}"#), None);
        assert_eq!(read(r#"{"name":"a","Description":"x"}"#), None);
        assert_eq!(read("1"), None);
    }

    #[test]
    fn numbers_beyond_a_double_are_an_error() {
        let line = CanonicalLine::read(br#"{"t":{"name":"a","x":1e400}}"#, 4096).unwrap();
        assert!(ToolDefinition::read(line.root().find("t").unwrap()).is_err());
    }
}
