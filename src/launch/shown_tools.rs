//! Which tools a server last showed otherwise than agreed, kept beside its state for
//! `pinfold tools`. Only for people: nothing is decided by it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use crate::lockfile::{ToolName, create_private_folder, read_guarded, replace_atomically};

const MAX_BYTES: u64 = 4 << 20;

/// The file of one server.
#[derive(Debug)]
pub struct ShownTools {
    path: PathBuf,
    /// What is in it, once that is known.
    known: Option<BTreeSet<ToolName>>,
}

impl ShownTools {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, known: None }
    }

    /// The tools that were last seen to differ; none when nothing readable is there.
    pub fn differing(&self) -> BTreeSet<ToolName> {
        let read = || {
            let bytes = read_guarded(&self.path, MAX_BYTES).ok()?;
            let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
            let names = value.get("differing")?.as_array()?.iter();
            Some(
                names
                    .filter_map(|name| name.as_str()?.parse().ok())
                    .collect(),
            )
        };
        read().unwrap_or_default()
    }

    /// Notes which tools differ now. What can't be written is said, and does no harm.
    pub fn note(&mut self, differing: impl IntoIterator<Item = ToolName>) {
        let differing: BTreeSet<ToolName> = differing.into_iter().collect();
        let known = self.known.take().unwrap_or_else(|| self.differing());
        if known == differing {
            self.known = Some(known);
            return;
        }
        let names: Vec<&str> = differing.iter().map(ToolName::as_str).collect();
        let text = json!({ "differing": names }).to_string();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_found() {
        let folder = crate::lockfile::private_test_folder();
        let path = folder.path().join("moody/tools.json");
        let mut shown = ShownTools::new(path.clone());
        let echo: ToolName = "echo".parse().unwrap();
        assert_eq!(shown.differing(), BTreeSet::new());
        shown.note([]);
        assert!(!path.exists());
        shown.note([echo.clone()]);
        assert_eq!(
            ShownTools::new(path.clone()).differing(),
            BTreeSet::from([echo])
        );
        // A later session of the same server.
        let mut shown = ShownTools::new(path.clone());
        shown.note([]);
        assert_eq!(ShownTools::new(path.clone()).differing(), BTreeSet::new());
        replace_atomically(&path, b"{\"differing\":7}", 0o600).unwrap();
        assert_eq!(ShownTools::new(path).differing(), BTreeSet::new());
    }
}
