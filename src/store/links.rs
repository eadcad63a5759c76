//! Which symbolic links may be in a tree.
//!
//! Pure: judged on the finished [`Plan`] of the artifact, before any link is
//! made. Since no component on the way may itself be a link, what the kernel
//! will resolve is what was judged.

use super::bounds::Bounds;
use super::error::Rule;
use super::names;
use super::plan::{Node, Plan};
use super::record::Content;

/// Where the links come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// An archive: links lead to files and folders only.
    Archive,
    /// A folder of this machine, where `libx.so` → `libx.so.1` → `libx.so.1.2` is common:
    /// a link may end at another link, which is judged in its turn.
    Folder,
}

/// Refuses a link at `path` to `target` unless it stays in `base` and leads to something there.
///
/// `..` is accepted only at the start of a target, where it is lexical: the
/// folders of `path` are known not to be links.
pub(super) fn judge(
    plan: &Plan,
    base: &str,
    path: &str,
    target: &str,
    origin: Origin,
) -> Result<(), Rule> {
    let below_base = match base {
        "" => Some(path),
        base => path
            .strip_prefix(base)
            .and_then(|rest| rest.strip_prefix('/')),
    };
    let folder = names::split(below_base.ok_or(Rule::LinkEscapes)?).0;
    let mut reached: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let mut descending = false;
    let mut parts = target
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .peekable();
    if parts.peek().is_none() {
        return Err(Rule::LinkMalformed);
    }
    while let Some(part) = parts.next() {
        if part == ".." {
            if descending {
                return Err(Rule::LinkMalformed);
            }
            reached.pop().ok_or(Rule::LinkEscapes)?;
            continue;
        }
        descending = true;
        reached.push(part);
        let here = names::join(base, &reached.join("/"));
        match (plan.node(&here), parts.peek()) {
            (None, _) => return Err(Rule::LinkDangling),
            (Some(Node::Folder { .. }), _) => {}
            (
                Some(Node::Leaf {
                    content: Content::Symlink { .. },
                    ..
                }),
                next,
            ) => {
                if next.is_some() || origin == Origin::Archive {
                    return Err(Rule::LinkThroughLink);
                }
            }
            (Some(Node::Leaf { .. }), Some(_)) => return Err(Rule::LinkDangling),
            (Some(Node::Leaf { .. }), None) => {}
        }
    }
    // A link to the whole folder would make it endless to walk.
    if reached.is_empty() {
        Err(Rule::LinkEscapes)
    } else {
        Ok(())
    }
}

/// Checks the text of a target, before it is known what it leads to.
pub(super) fn parse_target(bytes: Vec<u8>, bounds: &Bounds) -> Result<String, Rule> {
    if bytes.len() > bounds.max_path {
        return Err(Rule::PathTooLong(bounds.max_path));
    }
    let target = String::from_utf8(bytes).map_err(|_| Rule::NotUtf8)?;
    if target.chars().any(char::is_control) {
        return Err(Rule::ControlCharacter);
    }
    if target.starts_with('/') {
        return Err(Rule::LinkAbsolute);
    }
    if target.is_empty() {
        Err(Rule::LinkMalformed)
    } else {
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::super::stamp::Stamp;
    use super::*;
    use crate::lockfile::Digest;

    /// `p/lib/file`, `p/bin/` and the links `p/to-lib` → `lib`, `p/to-link` → `to-lib`; `q/file` beside it.
    fn plan() -> Plan {
        let mut plan = Plan::default();
        let file = || Content::File {
            executable: false,
            size: 0,
            sha256: Digest::of(b""),
        };
        let link = |target: &str| Content::Symlink {
            target: target.into(),
        };
        plan.place_folder("p/bin").unwrap();
        for (path, content) in [
            ("p/lib/file", file()),
            ("q/file", file()),
            ("p/to-lib", link("lib")),
            ("p/to-link", link("to-lib")),
        ] {
            plan.make_room(path).unwrap();
            plan.enter(path.to_owned(), content, Stamp::default());
        }
        plan
    }

    #[test]
    fn links_within_their_folder_pass() {
        let plan = plan();
        for (path, target) in [
            ("p/l", "lib"),
            ("p/l", "./lib/file"),
            ("p/bin/l", "../lib/file"),
            ("p/bin/l", "../lib/"),
        ] {
            judge(&plan, "p", path, target, Origin::Archive).unwrap();
        }
        judge(&plan, "", "p/l", "../q/file", Origin::Archive).unwrap();
        judge(&plan, "p", "p/to-link", "to-lib", Origin::Folder).unwrap();
    }

    #[test]
    fn each_way_out_is_refused() {
        let plan = plan();
        for (path, target, rule) in [
            ("p/l", "../q/file", Rule::LinkEscapes),
            ("p/bin/l", "../../q/file", Rule::LinkEscapes),
            ("p/bin/l", "..", Rule::LinkEscapes),
            ("q/l", "file", Rule::LinkEscapes),
            ("p/l", "lib/../../q", Rule::LinkMalformed),
            ("p/l", "./", Rule::LinkMalformed),
            ("p/l", "to-lib/file", Rule::LinkThroughLink),
            ("p/to-link", "to-lib", Rule::LinkThroughLink),
            ("p/l", "nothing", Rule::LinkDangling),
            ("p/l", "lib/file/x", Rule::LinkDangling),
        ] {
            let judged = judge(&plan, "p", path, target, Origin::Archive);
            assert_eq!(judged.unwrap_err(), rule, "{path} -> {target}");
        }
        let through = judge(&plan, "p", "p/l", "to-lib/file", Origin::Folder);
        assert_eq!(through.unwrap_err(), Rule::LinkThroughLink);
    }

    #[test]
    fn targets_are_read_strictly() {
        let read = |bytes: &[u8]| parse_target(bytes.to_vec(), &Bounds::default());
        assert_eq!(read(b"../a").unwrap(), "../a");
        assert_eq!(read(b"/etc").unwrap_err(), Rule::LinkAbsolute);
        assert_eq!(read(b"").unwrap_err(), Rule::LinkMalformed);
        assert_eq!(read(b"a\0b").unwrap_err(), Rule::ControlCharacter);
        assert_eq!(read(b"\xff").unwrap_err(), Rule::NotUtf8);
        assert_eq!(read(&[b'a'; 1025]).unwrap_err(), Rule::PathTooLong(1024));
    }
}
