//! The shape of a bundle's manifest.json (MCPB manifest, versions 0.1 to 0.4).
//!
//! Every key that the published schemas have, and no other: what we don't know
//! we can't have judged. What is only shown to people elsewhere is read and left.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::lockfile::{Object, UniqueMap};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    #[serde(rename = "$schema")]
    _schema: Option<IgnoredAny>,
    /// What `manifest_version` was called at first.
    pub(super) dxt_version: Option<String>,
    pub(super) manifest_version: Option<String>,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) server: Object<Server>,
    pub(super) tools: Option<Vec<Object<Tool>>>,
    pub(super) tools_generated: Option<bool>,
    pub(super) prompts: Option<Vec<IgnoredAny>>,
    pub(super) compatibility: Option<Object<Compatibility>>,
    pub(super) user_config: Option<UniqueMap<Object<Asked>>>,

    #[serde(rename = "display_name")]
    _display_name: Option<IgnoredAny>,
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
    #[serde(rename = "long_description")]
    _long_description: Option<IgnoredAny>,
    #[serde(rename = "author")]
    _author: Option<IgnoredAny>,
    #[serde(rename = "repository")]
    _repository: Option<IgnoredAny>,
    #[serde(rename = "homepage")]
    _homepage: Option<IgnoredAny>,
    #[serde(rename = "documentation")]
    _documentation: Option<IgnoredAny>,
    #[serde(rename = "support")]
    _support: Option<IgnoredAny>,
    #[serde(rename = "icon")]
    _icon: Option<IgnoredAny>,
    #[serde(rename = "icons")]
    _icons: Option<IgnoredAny>,
    #[serde(rename = "screenshots")]
    _screenshots: Option<IgnoredAny>,
    #[serde(rename = "localization")]
    _localization: Option<IgnoredAny>,
    #[serde(rename = "prompts_generated")]
    _prompts_generated: Option<IgnoredAny>,
    #[serde(rename = "keywords")]
    _keywords: Option<IgnoredAny>,
    #[serde(rename = "license")]
    _license: Option<IgnoredAny>,
    #[serde(rename = "privacy_policies")]
    _privacy_policies: Option<IgnoredAny>,
    #[serde(rename = "_meta")]
    _meta: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) entry_point: String,
    pub(super) mcp_config: Option<Object<CommandLine>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandLine {
    pub(super) command: Option<String>,
    pub(super) args: Option<Vec<String>>,
    pub(super) env: Option<UniqueMap<String>>,
    /// By the names of Node.js: `linux`, `darwin`, `win32`.
    pub(super) platform_overrides: Option<UniqueMap<Object<Override>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Override {
    pub(super) command: Option<String>,
    pub(super) args: Option<Vec<String>>,
    pub(super) env: Option<UniqueMap<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    pub(super) name: String,
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Compatibility {
    #[serde(rename = "claude_desktop")]
    _claude_desktop: Option<IgnoredAny>,
    pub(super) platforms: Option<Vec<String>>,
    pub(super) runtimes: Option<Object<Runtimes>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Runtimes {
    pub(super) python: Option<String>,
    pub(super) node: Option<String>,
}

/// One value that the bundle asks of its user.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(rename = "title")]
    _title: Option<IgnoredAny>,
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) required: bool,
    pub(super) default: Option<DefaultValue>,
    #[serde(default)]
    pub(super) multiple: bool,
    #[serde(default)]
    pub(super) sensitive: bool,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    String,
    Number,
    Boolean,
    Directory,
    File,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum DefaultValue {
    Text(String),
    Number(serde_json::Number),
    Truth(bool),
    List(Vec<String>),
}
