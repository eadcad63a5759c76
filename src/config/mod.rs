//! What the user wrote, and where pinfold's files are: the manifest with its mistakes
//! shown in place, the paths, edits, and which foreign manifests are trusted.
//!
//! Nothing is resolved, fetched or decided here. The configs of MCP clients are in `clients`.

mod alarm_keys;
mod answer_keys;
mod audit_keys;
mod build_keys;
mod call_keys;
mod call_rules;
mod change;
pub mod clients;
mod diagnostic;
mod edit;
mod edit_tools;
mod egress;
mod egress_keys;
pub mod env_names;
mod environment;
mod error;
mod grants_keys;
mod host_name;
mod layers;
mod limits;
mod lines;
mod manifest;
mod nearest;
mod paths;
mod program_keys;
mod raw;
mod secret_keys;
mod shell_word;
mod size;
mod source;
mod tool_keys;
mod trust;
mod validate;
mod warm_key;

pub use alarm_keys::{Alarm, Alarms};
pub use answer_keys::Redact;
pub use audit_keys::AuditSettings;
pub use build_keys::BuildRule;
pub use change::{Change, NewValue, with_changes};
pub use diagnostic::{Code, Diagnostic, Diagnostics};
pub use edit::{Additions, NewServer, add_server, grant, remove_server};
pub use edit_tools::set_tools;
pub use egress::{EgressHost, EgressRule, EgressRuleError, EgressTier};
pub use egress_keys::NAMES_NETWORK;
pub use environment::Environment;
pub use error::ConfigError;
pub use host_name::{HostName, HostNameError};
pub use layers::Layers;
pub use lines::{Lines, Place};
pub use manifest::{
    EnvValue, Files, Limits, MAX_MANIFEST_BYTES, Manifest, PerTool, Rate, RuntimeRule, Server,
    Settings, Tools,
};
pub use nearest::nearest;
pub use paths::Paths;
pub use program_keys::ConfigValue;
pub use secret_keys::{Delivery, SecretName, SecretNameError, SecretSource, SecretUse};
pub use shell_word::shell_word;
pub use size::{SizeError, parse_size};
pub use source::{Source, SourceError, normalized_pypi_name};
pub use trust::Trust;
