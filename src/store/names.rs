//! Which names of files are accepted from an archive or a folder.
//!
//! Pure: bytes in, a clean relative path or the broken [`Rule`] out. One path
//! must have one meaning for every reader, so nothing is repaired except what
//! all tools agree on: `./`, doubled and trailing slashes.

use std::collections::HashMap;

use super::bounds::Bounds;
use super::error::Rule;

/// A relative path without `.`, `..` or empty components. Empty for the folder itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntryName {
    pub(super) path: String,
    /// Written with a slash, or a slash and a dot, at its end, so it can only be a folder.
    pub(super) ends_in_slash: bool,
}

/// Checks a name as it stands in an archive.
pub(super) fn parse(bytes: &[u8], bounds: &Bounds) -> Result<EntryName, Rule> {
    if bytes.len() > bounds.max_path {
        return Err(Rule::PathTooLong(bounds.max_path));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Rule::NotUtf8)?;
    if text.is_empty() {
        return Err(Rule::EmptyName);
    }
    if text.chars().any(char::is_control) {
        return Err(Rule::ControlCharacter);
    }
    if text.starts_with('/') {
        return Err(Rule::AbsolutePath);
    }
    let mut components: Vec<&str> = Vec::new();
    for component in text.split('/') {
        match component {
            // Everybody's readers leave these out, and real packages have them.
            "" | "." => {}
            ".." => return Err(Rule::ParentComponent),
            name if name.len() > bounds.max_component => {
                return Err(Rule::ComponentTooLong(bounds.max_component));
            }
            name => components.push(name),
        }
    }
    if components.len() > bounds.max_depth {
        return Err(Rule::TooDeep(bounds.max_depth));
    }
    Ok(EntryName {
        path: components.join("/"),
        ends_in_slash: text.ends_with('/') || text.ends_with("/."),
    })
}

/// The path without its first component; `None` when it has only one.
pub(super) fn without_top_folder(path: &str) -> Option<&str> {
    path.split_once('/').map(|(_, rest)| rest)
}

/// `name` below `folder`, where an empty folder is the root.
pub(super) fn join(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

/// The folder of a path and its last component; the folder is empty at the root.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Sees to it that no two names of one archive differ only in case.
///
/// On Linux they would be two files, elsewhere one; what was reviewed there
/// would not be what runs here. Folders count: `A/x` collides with `a/y`.
#[derive(Default)]
pub(super) struct CaseFold {
    seen: HashMap<String, String>,
}

impl CaseFold {
    pub(super) fn admit(&mut self, path: &str) -> Result<(), Rule> {
        let mut prefix = path;
        while !prefix.is_empty() {
            match self.seen.get(&prefix.to_lowercase()) {
                // All shorter prefixes were admitted with this one.
                Some(seen) if seen == prefix => return Ok(()),
                Some(seen) => return Err(Rule::CaseCollision(seen.clone())),
                None => {}
            }
            self.seen.insert(prefix.to_lowercase(), prefix.to_owned());
            prefix = split(prefix).0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &[u8]) -> Result<String, Rule> {
        parse(name, &Bounds::default()).map(|name| name.path)
    }

    #[test]
    fn ordinary_names_pass() {
        for (name, path) in [
            ("package/index.js", "package/index.js"),
            ("./package/a b/ü.js", "package/a b/ü.js"),
            ("././package//x/", "package/x"),
            ("package/./dist/./x", "package/dist/x"),
            ("package/.", "package"),
            ("package/..x/...", "package/..x/..."),
            ("./", ""),
        ] {
            assert_eq!(read(name.as_bytes()).unwrap(), path);
        }
        assert!(
            parse(b"package/", &Bounds::default())
                .unwrap()
                .ends_in_slash
        );
    }

    #[test]
    fn each_trick_breaks_its_rule() {
        let cases: [(&[u8], Rule); 12] = [
            (b"", Rule::EmptyName),
            (b"/etc/passwd", Rule::AbsolutePath),
            (b"//x", Rule::AbsolutePath),
            (b"..", Rule::ParentComponent),
            (b"package/../../x", Rule::ParentComponent),
            (b"./../x", Rule::ParentComponent),
            (b"package/\xff", Rule::NotUtf8),
            (b"package/a\0b", Rule::ControlCharacter),
            (b"package/a\nb", Rule::ControlCharacter),
            ("package/a\u{9b}b".as_bytes(), Rule::ControlCharacter),
            (&[b'a'; 256], Rule::ComponentTooLong(255)),
            (&[b'a'; 1025], Rule::PathTooLong(1024)),
        ];
        for (name, rule) in cases {
            assert_eq!(read(name).unwrap_err(), rule, "{name:?}");
        }
        assert!(read(&[b'a'; 255]).is_ok());
        assert!(read("a/".repeat(64).as_bytes()).is_ok());
        assert_eq!(
            read("a/".repeat(65).as_bytes()).unwrap_err(),
            Rule::TooDeep(64)
        );
    }

    #[test]
    fn names_that_differ_only_in_case_collide() {
        let mut names = CaseFold::default();
        names.admit("a/x").unwrap();
        names.admit("a/y").unwrap();
        names.admit("a").unwrap();
        assert_eq!(
            names.admit("A/z").unwrap_err(),
            Rule::CaseCollision("a".to_owned())
        );
        assert_eq!(
            names.admit("a/X").unwrap_err(),
            Rule::CaseCollision("a/x".to_owned())
        );
        names.admit("É").unwrap();
        assert_eq!(
            names.admit("é").unwrap_err(),
            Rule::CaseCollision("É".to_owned())
        );
    }
}
