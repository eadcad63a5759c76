//! What a bundle asks and sets, and where each value comes from, for a person. Nothing is put in, so
//! no secret is in it. Pure.

use std::collections::BTreeMap;

use super::Bundle;
use super::raw::DefaultValue;
use crate::config::ConfigValue;

/// A bundle's own part of a launch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleDescription {
    pub name: String,
    pub version: String,
    /// After the entry point, as written: `--level=${user_config.level}`.
    pub arguments: Vec<String>,
    /// Variables, as written.
    pub environment: BTreeMap<String, String>,
    pub values: BTreeMap<String, DescribedValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedValue {
    pub required: bool,
    pub sensitive: bool,
    pub origin: ValueOrigin,
}

/// Where a value comes from. A single one is a list of one; of a sensitive one there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueOrigin {
    Manifest(Vec<String>),
    /// The client passes it under this name.
    Client(String),
    /// A secret, in words.
    Secret(String),
    /// The bundle's own default.
    Bundle(Vec<String>),
    Nothing,
}

impl Bundle {
    /// Describes it with the values that a manifest gives.
    pub fn described(&self, given: &BTreeMap<String, ConfigValue>) -> BundleDescription {
        let values = self.asked.iter().map(|(key, asked)| {
            let shown = |texts: Vec<String>| match asked.sensitive {
                true => Vec::new(),
                false => texts,
            };
            let origin = match (given.get(key), &asked.default) {
                (Some(ConfigValue::FromClient { name }), _) => ValueOrigin::Client(name.clone()),
                (Some(ConfigValue::Secret(secret)), _) => {
                    ValueOrigin::Secret(secret.source.described())
                }
                (Some(ConfigValue::Text(text)), _) => {
                    ValueOrigin::Manifest(shown(vec![text.clone()]))
                }
                (Some(ConfigValue::List(texts)), _) => ValueOrigin::Manifest(shown(texts.clone())),
                (None, Some(default)) => ValueOrigin::Bundle(shown(texts(default))),
                (None, None) => ValueOrigin::Nothing,
            };
            let value = DescribedValue {
                required: asked.required,
                sensitive: asked.sensitive,
                origin,
            };
            (key.clone(), value)
        });
        BundleDescription {
            name: self.name.clone(),
            version: self.version.clone(),
            arguments: self.arguments.iter().map(ToString::to_string).collect(),
            environment: self
                .environment
                .iter()
                .map(|(name, text)| (name.clone(), text.to_string()))
                .collect(),
            values: values.collect(),
        }
    }
}

pub(super) fn texts(default: &DefaultValue) -> Vec<String> {
    match default {
        DefaultValue::Text(text) => vec![text.clone()],
        DefaultValue::Number(number) => vec![number.to_string()],
        DefaultValue::Truth(truth) => vec![truth.to_string()],
        DefaultValue::List(texts) => texts.clone(),
    }
}
