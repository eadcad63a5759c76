//! `path:FILE-OR-FOLDER`.

use std::path::Path;

use super::{Source, SourceError};
use crate::lockfile::is_hidden;

const MAX_PATH_BYTES: usize = 4096;

pub(super) fn parse(text: &str, folder: &Path, home: Option<&Path>) -> Result<Source, SourceError> {
    let refuse = |reason| {
        Err(SourceError::Path {
            path: text.to_owned(),
            reason,
        })
    };
    if text.is_empty() {
        return refuse("it is empty");
    }
    if text.len() > MAX_PATH_BYTES {
        return refuse("it is longer than 4096 bytes");
    }
    if text.chars().any(is_hidden) {
        return refuse("it holds a control or invisible character");
    }
    let file = match (text.strip_prefix("~/"), home) {
        (Some(below), Some(home)) => home.join(below.trim_start_matches('/')),
        (Some(_), None) => return refuse("there is no home directory for `~/`"),
        (None, _) if text.starts_with('~') => return refuse("only `~/` is expanded"),
        (None, _) => folder.join(text),
    };
    Ok(Source::Path {
        written: text.to_owned(),
        file,
    })
}
