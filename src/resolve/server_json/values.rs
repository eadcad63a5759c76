//! The values of arguments and variables: the author's, the user's, or none. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ServerJsonError;
use super::raw::{Format, Input};
use crate::lockfile::{Object, is_hidden, printable};

const MAX_VALUE: usize = 8 << 10;

/// What came of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// Nothing was said, and nothing has to be.
    Nothing,
    /// At least one; several of a repeated argument.
    Texts(Vec<String>),
    /// It may be in no file.
    Secret,
    /// What is missing was noted.
    Missing,
}

/// The user's words, and what is learnt while they are put in.
pub(super) struct Values<'a> {
    given: &'a BTreeMap<String, Vec<String>>,
    known: BTreeSet<String>,
    /// Options that would give what is missing.
    missing: Vec<String>,
}

impl<'a> Values<'a> {
    pub(super) fn new(given: &'a BTreeMap<String, Vec<String>>) -> Self {
        Self {
            given,
            known: BTreeSet::new(),
            missing: Vec::new(),
        }
    }

    /// After everything was filled.
    pub(super) fn finish(self) -> Result<(), ServerJsonError> {
        if let Some(key) = self.given.keys().find(|key| !self.known.contains(*key)) {
            let known: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
            return Err(ServerJsonError::UnknownValue {
                key: printable(key, 80),
                known: match known.is_empty() {
                    true => "none".to_owned(),
                    false => printable(&known.join(", "), 400),
                },
            });
        }
        match self.missing.is_empty() {
            true => Ok(()),
            false => Err(ServerJsonError::Missing {
                options: self.missing,
            }),
        }
    }

    pub(super) fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Notes that `option` would give `input` its value.
    pub(super) fn miss(&mut self, input: &Input, option: String) {
        let option = match input.description.as_deref() {
            Some(text) => format!("{option}  ({})", printable(text, 120)),
            None => option,
        };
        if !self.missing.contains(&option) {
            self.missing.push(option);
        }
    }

    /// The value of `input`. `key` is what `--set` calls it; `None` for what has another option.
    pub(super) fn fill(
        &mut self,
        input: &Input,
        key: Option<&str>,
        field: &str,
    ) -> Result<Filled, ServerJsonError> {
        if let Some(value) = &input.value {
            if let Some(key) = key.filter(|key| self.given.contains_key(*key))
                && !input
                    .variables
                    .as_ref()
                    .is_some_and(|all| all.0.contains_key(key))
            {
                return Err(ServerJsonError::field(
                    field,
                    format!("its value is its author's, so `--set {key}=…` can't change it"),
                ));
            }
            return self.template(input, value, field);
        }
        let given = key.and_then(|key| {
            self.known.insert(key.to_owned());
            self.given.get(key)
        });
        let texts = match (given, &input.default) {
            (Some(_), _) if input.is_secret => return Ok(Filled::Secret),
            (Some(texts), _) if texts.len() > 1 && !input.is_repeated => {
                return Err(ServerJsonError::field(field, "it is one value, not a list"));
            }
            (Some(texts), _) => texts.clone(),
            (None, _) if input.is_secret => return Ok(Filled::Secret),
            (None, Some(default)) => vec![default.clone()],
            (None, None) if input.is_required => return Ok(Filled::Missing),
            (None, None) => return Ok(Filled::Nothing),
        };
        for text in &texts {
            judge(input, text, field)?;
        }
        Ok(Filled::Texts(texts))
    }

    /// The author's value with its variables; a name in braces that is no variable stays.
    fn template(
        &mut self,
        input: &Input,
        value: &str,
        field: &str,
    ) -> Result<Filled, ServerJsonError> {
        let none = BTreeMap::new();
        let variables = input.variables.as_ref().map_or(&none, |all| &all.0);
        let mut text = String::new();
        let mut rest = value;
        let mut is_secret = input.is_secret;
        let mut is_missing = false;
        let mut is_absent = false;
        while let Some(start) = rest.find('{') {
            let after = &rest[start + 1..];
            let found = after
                .split_once('}')
                .and_then(|(name, after)| Some((name, variables.get(name)?, after)));
            let Some((name, Object(variable), after)) = found else {
                text.push_str(&rest[..=start]);
                rest = after;
                continue;
            };
            text.push_str(&rest[..start]);
            rest = after;
            let field = format!("{field}.variables.{}", printable(name, 80));
            if variable.variables.is_some() || variable.kind.is_some() {
                return Err(ServerJsonError::field(field, "it has variables of its own"));
            }
            match self.fill(variable, Some(name), &field)? {
                Filled::Texts(texts) => text.push_str(&texts.concat()),
                Filled::Secret => is_secret = true,
                Filled::Nothing => is_absent = true,
                Filled::Missing => {
                    self.miss(variable, format!("--set {}=VALUE", printable(name, 80)));
                    is_missing = true;
                }
            }
        }
        text.push_str(rest);
        if is_secret {
            let whole = value
                .strip_prefix('{')
                .and_then(|value| value.strip_suffix('}'));
            return match whole.is_some_and(|name| variables.contains_key(name))
                || variables.is_empty()
            {
                true => Ok(Filled::Secret),
                false => Err(ServerJsonError::field(
                    field,
                    "a secret is a part of its value, and a manifest is no place for secrets; have the client pass the whole of it, and say `--env NAME`",
                )),
            };
        }
        if is_missing {
            return Ok(Filled::Missing);
        }
        if is_absent {
            return match input.is_required {
                true => Err(ServerJsonError::field(
                    field,
                    "it is required, and a variable of its value has none",
                )),
                false => Ok(Filled::Nothing),
            };
        }
        judge(input, &text, field)?;
        Ok(Filled::Texts(vec![text]))
    }
}

fn judge(input: &Input, text: &str, field: &str) -> Result<(), ServerJsonError> {
    let refuse = |reason: String| Err(ServerJsonError::field(field, reason));
    if text.len() > MAX_VALUE {
        return refuse(format!("its value is longer than {MAX_VALUE} bytes"));
    }
    if text.chars().any(is_hidden) {
        return refuse("its value holds a control or invisible character".to_owned());
    }
    if let Some(choices) = &input.choices
        && !choices.iter().any(|choice| choice == text)
    {
        return refuse(format!("`{text}` is none of {}", choices.join(", ")));
    }
    match input.format {
        Format::Number if !text.parse::<f64>().is_ok_and(f64::is_finite) => {
            refuse(format!("`{text}` is not a number"))
        }
        Format::Boolean if !matches!(text, "true" | "false") => {
            refuse(format!("`{text}` is neither true nor false"))
        }
        _ => Ok(()),
    }
}
