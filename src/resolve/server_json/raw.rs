//! The shape of a server.json (schemas 2025-09-16 to 2025-12-11) and of the registry's answers.
//!
//! What only describes a server to people is passed over. A package and its inputs say how it is
//! run, so there every key is known or the document is refused: what we don't know we can't have
//! judged.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::lockfile::{Object, UniqueMap};

#[derive(Debug, Deserialize)]
pub(super) struct Document {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) description: Option<String>,
    /// Each read as far as it has to be: of those that are not chosen, the kind alone.
    pub(super) packages: Option<Vec<Box<RawValue>>>,
    pub(super) remotes: Option<Vec<IgnoredAny>>,
}

/// What the registry answers about one version.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) server: Box<RawValue>,
    #[serde(rename = "_meta")]
    pub(super) meta: Option<Meta>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Meta {
    #[serde(rename = "io.modelcontextprotocol.registry/official")]
    pub(super) official: Option<Official>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Official {
    pub(super) status: Option<String>,
    pub(super) status_message: Option<String>,
}

/// As much of a package as it takes to choose it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outline {
    pub(super) registry_type: String,
    pub(super) identifier: String,
    pub(super) transport: Option<Transport>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Transport {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Package {
    #[serde(rename = "registryType")]
    _registry_type: IgnoredAny,
    pub(super) registry_base_url: Option<String>,
    pub(super) identifier: String,
    pub(super) version: Option<String>,
    pub(super) file_sha256: Option<String>,
    pub(super) runtime_hint: Option<String>,
    #[serde(rename = "transport")]
    _transport: IgnoredAny,
    pub(super) runtime_arguments: Option<Vec<Object<Input>>>,
    pub(super) package_arguments: Option<Vec<Object<Input>>>,
    pub(super) environment_variables: Option<Vec<Object<Input>>>,
    #[serde(rename = "postInstallInstructions")]
    _post_install_instructions: Option<IgnoredAny>,
}

/// An argument, a variable of the environment, or a variable within a value.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Input {
    /// Of an argument: `positional` or `named`.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) name: Option<String>,
    pub(super) value_hint: Option<String>,
    #[serde(default)]
    pub(super) is_repeated: bool,
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) is_required: bool,
    #[serde(default)]
    pub(super) format: Format,
    /// Not for the user to change. `{NAME}` stands for a variable.
    pub(super) value: Option<String>,
    #[serde(default)]
    pub(super) is_secret: bool,
    pub(super) default: Option<String>,
    #[serde(rename = "placeholder")]
    _placeholder: Option<IgnoredAny>,
    pub(super) choices: Option<Vec<String>>,
    pub(super) variables: Option<UniqueMap<Object<Input>>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    #[default]
    String,
    Number,
    Boolean,
    Filepath,
}
