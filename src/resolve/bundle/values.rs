//! The values that a bundle asks of its user, judged by what it says of them.

use std::collections::BTreeMap;

use super::described::texts;
use super::error::BundleError;
use super::raw::{Asked, Kind};
use super::template::{Piece, Template};
use super::{BundleInputs, BundlePlaces, ConfigValue};

/// Shortest secret that is taken out of what the server says; shorter ones are ordinary words.
const LEAST_SECRET: usize = 4;

/// Every value that there is, by its key. A single one is a list of one.
pub(super) struct Values {
    values: BTreeMap<String, Value>,
}

struct Value {
    texts: Vec<String>,
    sensitive: bool,
}

impl Values {
    pub(super) fn decide(
        asked: &BTreeMap<String, Asked>,
        given: &BTreeMap<String, ConfigValue>,
        inputs: BundleInputs<'_>,
        places: BundlePlaces<'_>,
    ) -> Result<Self, BundleError> {
        if let Some(key) = given.keys().find(|key| !asked.contains_key(*key)) {
            let known: Vec<String> = asked.keys().map(|key| format!("`{key}`")).collect();
            return Err(BundleError::UnknownConfig {
                key: key.clone(),
                known: match known.is_empty() {
                    true => "none".to_owned(),
                    false => crate::lockfile::printable(&known.join(", "), 200),
                },
            });
        }
        let mut values = BTreeMap::new();
        for (key, asked) in asked {
            let texts = match given.get(key) {
                Some(given) => from_manifest(key, asked, given, inputs, places)?,
                None => from_default(key, asked, places)?,
            };
            let texts = texts.filter(|texts| texts.iter().any(|text| !text.is_empty()));
            match texts {
                Some(texts) => {
                    judge(key, asked, &texts)?;
                    let sensitive = asked.sensitive;
                    values.insert(key.clone(), Value { texts, sensitive });
                }
                None if asked.required => return Err(missing(key, asked, given.get(key))),
                None => {}
            }
        }
        Ok(Self { values })
    }

    /// Names and values of those that are called sensitive.
    pub(super) fn secrets(&self) -> Vec<(String, String)> {
        let sensitive = self.values.iter().filter(|(_, value)| value.sensitive);
        sensitive
            .flat_map(|(key, value)| {
                let texts = value.texts.iter();
                texts.map(move |text| (format!("config.{key}"), text.clone()))
            })
            .filter(|(_, text)| text.chars().count() >= LEAST_SECRET)
            .collect()
    }

    /// A text with its values; several when it is one value that is a list, none when it is one
    /// that there is not.
    pub(super) fn fill(
        &self,
        template: &Template,
        field: &str,
        places: BundlePlaces<'_>,
    ) -> Result<Vec<String>, BundleError> {
        if let Some(key) = template.only_value() {
            let value = self.values.get(key);
            return Ok(value.map(|value| value.texts.clone()).unwrap_or_default());
        }
        let mut text = String::new();
        for piece in &template.0 {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Folder => text.push_str(&places.folder.to_string_lossy()),
                Piece::Home => text.push_str(&places.home.to_string_lossy()),
                Piece::Value(key) => {
                    let field = || field.to_owned();
                    let value = self.values.get(key).ok_or_else(|| BundleError::NoValue {
                        field: field(),
                        key: key.clone(),
                    })?;
                    match value.texts.as_slice() {
                        [one] => text.push_str(one),
                        _ => {
                            let reason = "a list of values stands within a text";
                            return Err(BundleError::field(field(), reason));
                        }
                    }
                }
            }
        }
        Ok(vec![text])
    }
}

fn from_manifest(
    key: &str,
    asked: &Asked,
    given: &ConfigValue,
    inputs: BundleInputs<'_>,
    places: BundlePlaces<'_>,
) -> Result<Option<Vec<String>>, BundleError> {
    let is_path = matches!(asked.kind, Kind::Directory | Kind::File);
    let path = |text: &String| match (text.strip_prefix("~/"), places.user_home) {
        (Some(below), Some(home)) if is_path => {
            let below = below.trim_start_matches('/');
            home.join(below).to_string_lossy().into_owned()
        }
        _ => text.clone(),
    };
    match given {
        ConfigValue::FromClient { name } => Ok((inputs.client)(name).map(|text| vec![text])),
        ConfigValue::Secret(_) => Ok((inputs.secret)(key).map(|text| vec![text])),
        _ if asked.sensitive => Err(BundleError::config(
            key,
            "it is sensitive and doesn't belong in a file; write { secret = \"NAME\" }, or { from = \"NAME\" } and have the client pass it",
        )),
        ConfigValue::Text(text) => Ok(Some(vec![path(text)])),
        ConfigValue::List(texts) if asked.multiple => Ok(Some(texts.iter().map(path).collect())),
        ConfigValue::List(_) => Err(BundleError::config(key, "it is one value, not a list")),
    }
}

/// The bundle's own value. It may name the folders that a bundle can name.
fn from_default(
    key: &str,
    asked: &Asked,
    places: BundlePlaces<'_>,
) -> Result<Option<Vec<String>>, BundleError> {
    let Some(default) = &asked.default else {
        return Ok(None);
    };
    let texts = texts(default);
    let field = format!("user_config.{key}.default");
    let none = Values {
        values: BTreeMap::new(),
    };
    let mut filled = Vec::new();
    for text in texts {
        let template = Template::parse(&text, &field)?;
        if template.values().next().is_some() {
            return Err(BundleError::field(field, "it names another value"));
        }
        filled.extend(none.fill(&template, &field, places)?);
    }
    Ok(Some(filled))
}

fn judge(key: &str, asked: &Asked, texts: &[String]) -> Result<(), BundleError> {
    let refuse = |reason: String| Err(BundleError::config(key, reason));
    for text in texts {
        if text.contains('\0') {
            return refuse("it holds a NUL byte".to_owned());
        }
        match asked.kind {
            Kind::String => {}
            Kind::Boolean if !matches!(text.as_str(), "true" | "false") => {
                return refuse("it is neither true nor false".to_owned());
            }
            Kind::Boolean => {}
            Kind::Number => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                let Some(number) = number else {
                    return refuse("it is not a number".to_owned());
                };
                if let Some(least) = asked.min.filter(|least| number < *least) {
                    return refuse(format!("it is less than {least}"));
                }
                if let Some(most) = asked.max.filter(|most| number > *most) {
                    return refuse(format!("it is more than {most}"));
                }
            }
            Kind::Directory | Kind::File if !text.starts_with('/') => {
                return refuse("it is not an absolute path; start it with `/` or `~/`".to_owned());
            }
            Kind::Directory | Kind::File => {}
        }
    }
    Ok(())
}

fn missing(key: &str, asked: &Asked, given: Option<&ConfigValue>) -> BundleError {
    let reason = match given {
        Some(ConfigValue::FromClient { name }) => {
            format!("the bundle requires it, and {name} is not in the environment")
        }
        Some(_) => "the bundle requires it, and it is empty".to_owned(),
        None if asked.sensitive => format!(
            "the bundle requires it: write config.{key} = {{ secret = \"NAME\" }} or {{ from = \"NAME\" }}, or `add --config-from {key}=NAME`"
        ),
        None => {
            format!("the bundle requires it: write config.{key} = …, or `add --config {key}=VALUE`")
        }
    };
    BundleError::config(key, reason)
}
