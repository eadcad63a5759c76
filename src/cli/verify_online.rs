//! `pinfold verify --online`: whether what was locked is still what its registry serves.

use serde_json::{Value, json};

use super::context::Context;
use super::output;
use super::sources;
use crate::lockfile::LockedServer;

/// Longest message, in characters: a registry's words are in it.
const MAX_MESSAGE: usize = 600;

/// What was found out about one server.
#[derive(Default)]
pub(super) struct Online {
    /// Not as locked any more: code and message.
    pub problems: Vec<(&'static str, String)>,
    /// As locked, with advice against it: code and message.
    pub advice: Vec<(&'static str, String)>,
    /// Why nothing, or not everything, was found out.
    pub unanswered: Option<anyhow::Error>,
}

/// Asks where each artifact came from. That nobody answered is a result, too, and never a good one.
pub(super) async fn ask(context: &Context, locked: &LockedServer) -> Online {
    let mut online = Online::default();
    let (all, unanswered) = sources::published(context, locked).await;
    for (artifact, published) in all {
        let Some(code) = published.code() else {
            continue;
        };
        let message = output::foreign(&published.message(artifact), MAX_MESSAGE);
        if published.is_advice() {
            online.advice.push((code, message));
        } else {
            online.problems.push((code, message));
        }
    }
    online.unanswered = unanswered;
    online
}

impl Online {
    /// The members that a server has in the JSON output when `--online` was given.
    pub(super) fn json(&self) -> Value {
        let advice: Vec<Value> = self
            .advice
            .iter()
            .map(|(code, message)| json!({ "code": code, "message": message }))
            .collect();
        json!({ "asked": self.unanswered.is_none(), "advice": advice })
    }
}
