//! `system_calls` of a server: the only ones it may make, of those that its box lets through.

use std::collections::BTreeSet;

use super::diagnostic::Code;
use super::raw::{Node, Walk};

/// No call of Linux has a longer name.
const MAX_NAME_BYTES: usize = 40;

/// Whether the box knows calls of these names is for the policy to say.
pub(super) fn system_calls(walk: &mut Walk, node: &Node<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, span) in walk.strings(Some(node), "`system_calls`") {
        let is_name = (1..=MAX_NAME_BYTES).contains(&name.len())
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !is_name {
            let message = format!("`{}` is not the name of a system call", name.escape_debug());
            let help = "write it as in section 2 of the manual, for example \"openat\"";
            walk.report_with_help(Code::InvalidValue, span, message, Some(help.to_owned()));
        } else if !names.insert(name.clone()) {
            walk.report(Code::Duplicate, span, format!("`{name}` is listed twice"));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Manifest;

    fn calls(line: &str) -> Result<Option<BTreeSet<String>>, String> {
        let text = format!("[servers.a]\nsource = 'npm:a'\n{line}\ntools.allow = []\n");
        let parsed = Manifest::parse(&text, Path::new("/x/pinfold.toml"), None);
        let manifest = parsed.map_err(|problems| problems.to_string())?;
        let server = manifest.servers.into_values().next().unwrap();
        Ok(server.system_calls)
    }

    #[test]
    fn no_list_and_an_empty_list_are_not_the_same() {
        assert_eq!(calls("").unwrap(), None);
        assert_eq!(calls("system_calls = []").unwrap(), Some(BTreeSet::new()));
        let two = BTreeSet::from(["pread64".to_owned(), "_llseek".to_owned()]);
        assert_eq!(
            calls("system_calls = ['pread64', '_llseek']").unwrap(),
            Some(two)
        );
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_place() {
        for (line, says) in [
            ("system_calls = 'read'", "a list of strings"),
            ("system_calls = ['Read']", "not the name of a system call"),
            ("system_calls = ['']", "not the name of a system call"),
            (
                "system_calls = ['read\\n']",
                "not the name of a system call",
            ),
            ("system_calls = ['read', 'read']", "listed twice"),
            ("system_calls = [0]", "a string"),
        ] {
            let said = calls(line).unwrap_err();
            assert!(
                said.contains(says) && said.contains(":3:"),
                "{line}: {said}"
            );
        }
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        assert!(calls(&format!("system_calls = ['{long}']")).is_err());
    }
}
