//! Which tools a server last showed otherwise than agreed, and how, kept beside its state for
//! `pinfold tools` and `pinfold review`. Only for people: nothing is decided by it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::lockfile::{ToolName, create_private_folder, read_guarded, replace_atomically};
use crate::relay::Differing;

/// Far more than a session keeps of definitions (`relay/pins.rs`).
const MAX_BYTES: u64 = 4 << 20;

/// The file of one server.
#[derive(Debug)]
pub struct ShownTools {
    path: PathBuf,
    /// What is in it, once that is known.
    known: Option<Vec<Differing>>,
}

impl ShownTools {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, known: None }
    }

    /// The tools that were last seen to differ; none when nothing readable is there.
    pub fn differing(&self) -> BTreeSet<ToolName> {
        self.last_seen().into_iter().map(|one| one.tool).collect()
    }

    /// The same with what was seen.
    pub fn last_seen(&self) -> Vec<Differing> {
        let read = || -> Option<Vec<Differing>> {
            let bytes = read_guarded(&self.path, MAX_BYTES).ok()?;
            let value: Value = serde_json::from_slice(&bytes).ok()?;
            value
                .get("differing")?
                .as_array()?
                .iter()
                .map(one)
                .collect()
        };
        read().unwrap_or_default()
    }

    /// Notes which tools differ now. What can't be written is said, and does no harm.
    pub fn note(&mut self, differing: impl IntoIterator<Item = Differing>) {
        let differing: Vec<Differing> = differing.into_iter().collect();
        let known = self.known.take().unwrap_or_else(|| self.last_seen());
        if known == differing {
            self.known = Some(known);
            return;
        }
        let tools = differing.iter().map(|one| {
            json!({
                "tool": one.tool.as_str(),
                "pinned": one.pinned.map(|digest| digest.to_string()),
                "definition": one.definition.as_deref(),
            })
        });
        let text = json!({ "differing": tools.collect::<Vec<_>>() }).to_string();
        // A server that was never run has no folder yet.
        let folder = self.path.parent().unwrap_or(&self.path);
        let written = create_private_folder(folder)
            .and_then(|()| replace_atomically(&self.path, text.as_bytes(), 0o600));
        if let Err(error) = written {
            tracing::warn!("could not write {}: {error}", self.path.display());
        }
        self.known = Some(differing);
    }
}

fn one(value: &Value) -> Option<Differing> {
    let text = |key: &str| value.get(key)?.as_str();
    let pinned = text("pinned").map(str::parse).transpose().ok()?;
    Some(Differing {
        tool: text("tool")?.parse().ok()?,
        pinned,
        definition: text("definition").map(Arc::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_found() {
        let folder = crate::lockfile::private_test_folder();
        let path = folder.path().join("moody/tools.json");
        let mut shown = ShownTools::new(path.clone());
        let echo = Differing {
            tool: "echo".parse().unwrap(),
            pinned: Some(crate::lockfile::Digest::of(b"{}")),
            definition: Some("{\"name\":\"echo\"}".into()),
        };
        assert_eq!(shown.differing(), BTreeSet::new());
        shown.note([]);
        assert!(!path.exists());
        shown.note([echo.clone()]);
        let found = ShownTools::new(path.clone());
        assert_eq!(found.last_seen(), std::slice::from_ref(&echo));
        assert_eq!(found.differing(), BTreeSet::from([echo.tool]));
        // A later session of the same server.
        let mut shown = ShownTools::new(path.clone());
        shown.note([]);
        assert_eq!(ShownTools::new(path.clone()).differing(), BTreeSet::new());
        replace_atomically(&path, b"{\"differing\":7}", 0o600).unwrap();
        assert_eq!(ShownTools::new(path.clone()).last_seen(), []);
        replace_atomically(&path, b"{\"differing\":[{\"tool\":\"a b\"}]}", 0o600).unwrap();
        assert_eq!(ShownTools::new(path).last_seen(), []);
    }
}
