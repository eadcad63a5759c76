//! What holds for calls of tools beyond the list of those that are allowed, and for what a server
//! answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::{PerTool, Rate, Server};
use crate::lockfile::ToolName;
use crate::schema::Schema;

/// Of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallPolicy {
    /// What the arguments must be.
    pub rules: BTreeMap<ToolName, Schema>,
    pub limits: PerTool<Rate>,
    /// For so long the same call is refused.
    pub repeat: PerTool<Duration>,
}

impl CallPolicy {
    pub(super) fn of(server: &Server) -> Self {
        Self {
            rules: server.tools.rules.clone(),
            limits: server.tools.limits.clone(),
            repeat: server.tools.repeat.clone(),
        }
    }

    /// Everything that is not so anyway, for the digest and for `explain`.
    pub fn document(&self) -> Map<String, Value> {
        let mut document = Map::new();
        if !self.rules.is_empty() {
            let rules: BTreeMap<&str, Value> = self
                .rules
                .iter()
                .map(|(tool, rule)| (tool.as_str(), rule.document()))
                .collect();
            document.insert("rules".to_owned(), json!(rules));
        }
        if !self.limits.is_empty() {
            let limits = self.limits.iter();
            let limits: BTreeMap<&str, String> = limits
                .map(|(tool, rate)| (tool, rate.to_string()))
                .collect();
            document.insert("limits".to_owned(), json!(limits));
        }
        if !self.repeat.is_empty() {
            let spans = self.repeat.iter();
            let spans: BTreeMap<&str, String> = spans
                .map(|(tool, span)| (tool, humantime::format_duration(*span).to_string()))
                .collect();
            document.insert("repeat".to_owned(), json!(spans));
        }
        document
    }
}
