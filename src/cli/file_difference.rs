//! What would change in a file, as a unified diff on standard output.

use super::output;
use crate::lockfile::printable;

/// Lines around a change.
const CONTEXT_LINES: usize = 3;
/// Of a line that is shown, in characters: a file in one line would be shown whole.
const MAX_LINE: usize = 2_000;

/// Shows how `path` would change. Whatever could command a terminal is written out.
pub(super) fn show(path: &str, before: &str, after: &str) {
    let diff = similar::TextDiff::from_lines(before, after);
    let unified = diff
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .header(path, path)
        .to_string();
    for line in unified.lines() {
        let line = printable(line, MAX_LINE).replace("\\x09", "\t");
        output::data(&line.replace("\\x0d", ""));
    }
}
