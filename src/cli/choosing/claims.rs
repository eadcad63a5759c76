//! What a server claims of a tool: the `annotations` of its definition. Nothing checks them, and
//! the protocol says that nobody should decide by them (MCP 2025-11-25, `ToolAnnotations`).

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::super::difference::MAX_TAKEN_APART;

/// What it does to its surroundings, as claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Unsaid,
    Reads,
    /// Changes things, but takes nothing away.
    Adds,
    Changes,
    Destroys,
    /// It only reads, and destroys.
    Contradiction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub effect: Effect,
    /// It reaches things outside (`openWorldHint`).
    pub reaches_out: bool,
}

#[derive(Default, Deserialize)]
struct Definition {
    #[serde(default)]
    annotations: Value,
}

impl Claims {
    /// Of a whole definition. What is not a plain `true` or `false` is not said, and neither is
    /// anything in one that is too long to be taken apart.
    pub(super) fn of(canonical: &[u8]) -> Self {
        let definition: Definition = match canonical.len() {
            0..=MAX_TAKEN_APART => serde_json::from_slice(canonical).unwrap_or_default(),
            _ => Definition::default(),
        };
        let hint = |name: &str| definition.annotations.get(name).and_then(Value::as_bool);
        let effect = match (hint("readOnlyHint"), hint("destructiveHint")) {
            (Some(true), Some(true)) => Effect::Contradiction,
            (Some(true), _) => Effect::Reads,
            (_, Some(true)) => Effect::Destroys,
            (_, Some(false)) => Effect::Adds,
            (Some(false), None) => Effect::Changes,
            (None, None) => Effect::Unsaid,
        };
        Self {
            effect,
            reaches_out: hint("openWorldHint") == Some(true),
        }
    }

    pub(super) fn only_reads(self) -> bool {
        self.effect == Effect::Reads
    }

    /// As a sentence.
    pub(super) fn sentence(self) -> String {
        let effect = match self.effect {
            Effect::Unsaid if !self.reaches_out => {
                return "its server does not say what it does to things".to_owned();
            }
            Effect::Unsaid => None,
            Effect::Reads => Some("only reads"),
            Effect::Adds => Some("changes things and destroys nothing"),
            Effect::Changes => Some("changes things"),
            Effect::Destroys => Some("may destroy things"),
            Effect::Contradiction => Some("only reads, and also that it may destroy things"),
        };
        let reach = self.reaches_out.then_some("reaches out to other systems");
        let parts: Vec<&str> = effect.into_iter().chain(reach).collect();
        format!("its server claims that it {}", parts.join(" and "))
    }
}

/// In few words.
impl fmt::Display for Claims {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Unsaid => "-",
            Effect::Reads => "reads",
            Effect::Adds => "adds",
            Effect::Changes => "changes",
            Effect::Destroys => "destroys",
            Effect::Contradiction => "reads?!",
        };
        let reach = if self.reaches_out { " +net" } else { "" };
        out.pad(&format!("{effect}{reach}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_claim_is_one() {
        for (annotations, effect, reaches_out) in [
            (r#"{}"#, Effect::Unsaid, false),
            (r#""readOnlyHint""#, Effect::Unsaid, false),
            (
                r#"{"readOnlyHint":"true","openWorldHint":1}"#,
                Effect::Unsaid,
                false,
            ),
            (r#"{"readOnlyHint":true}"#, Effect::Reads, false),
            (
                r#"{"readOnlyHint":true,"destructiveHint":false,"openWorldHint":true}"#,
                Effect::Reads,
                true,
            ),
            (
                r#"{"readOnlyHint":true,"destructiveHint":true}"#,
                Effect::Contradiction,
                false,
            ),
            (r#"{"readOnlyHint":false}"#, Effect::Changes, false),
            (
                r#"{"readOnlyHint":false,"destructiveHint":false}"#,
                Effect::Adds,
                false,
            ),
            (r#"{"destructiveHint":true}"#, Effect::Destroys, false),
        ] {
            let definition = format!(r#"{{"annotations":{annotations},"name":"a"}}"#);
            let claims = Claims::of(definition.as_bytes());
            assert_eq!(
                (claims.effect, claims.reaches_out),
                (effect, reaches_out),
                "{annotations}"
            );
            assert_eq!(claims.only_reads(), effect == Effect::Reads);
        }
        assert_eq!(Claims::of(br#"{"name":"a"}"#).effect, Effect::Unsaid);
    }

    #[test]
    fn nothing_is_taken_from_what_is_too_long() {
        let with = |length: usize| {
            let text = "x".repeat(length);
            let definition =
                format!(r#"{{"annotations":{{"readOnlyHint":true}},"description":"{text}"}}"#);
            Claims::of(definition.as_bytes()).effect
        };
        assert_eq!(with(MAX_TAKEN_APART), Effect::Unsaid);
        assert_eq!(with(MAX_TAKEN_APART / 2), Effect::Reads);
    }

    #[test]
    fn a_claim_is_told_as_one() {
        let of = |text: &str| Claims::of(format!(r#"{{"annotations":{text}}}"#).as_bytes());
        let both = of(r#"{"readOnlyHint":true,"openWorldHint":true}"#);
        assert_eq!(
            both.sentence(),
            "its server claims that it only reads and reaches out to other systems"
        );
        assert_eq!(both.to_string(), "reads +net");
        assert_eq!(
            of("{}").sentence(),
            "its server does not say what it does to things"
        );
    }
}
