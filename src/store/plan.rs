//! What has been placed in a tree so far: the map that decides before anything is written.
//!
//! Pure. The file system is asked again (exclusive creation, no links
//! followed), but by then the answer is known.

use std::collections::BTreeMap;

use super::error::Rule;
use super::names;
use super::record::{Content, Record};
use super::stamp::Stamp;

#[derive(Debug)]
pub(super) enum Node {
    Folder { occupied: bool },
    Leaf { content: Content, stamp: Stamp },
}

/// All nodes of a tree by path. The root is not among them.
#[derive(Debug, Default)]
pub(super) struct Plan {
    nodes: BTreeMap<String, Node>,
}

impl Plan {
    /// Number of nodes, folders included.
    pub(super) fn len(&self) -> u64 {
        self.nodes.len() as u64
    }

    pub(super) fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Sees to it that `path` and all above it are folders; returns those that are new, outermost first.
    pub(super) fn place_folder(&mut self, path: &str) -> Result<Vec<String>, Rule> {
        let mut missing = Vec::new();
        let mut prefix = path;
        while !prefix.is_empty() {
            match self.nodes.get_mut(prefix) {
                Some(Node::Folder { occupied }) => {
                    *occupied |= !missing.is_empty();
                    break;
                }
                Some(Node::Leaf { .. }) => return Err(Rule::NotAFolder(prefix.to_owned())),
                None => missing.push(prefix.to_owned()),
            }
            prefix = names::split(prefix).0;
        }
        missing.reverse();
        for (depth, folder) in missing.iter().enumerate() {
            let occupied = depth + 1 < missing.len();
            self.nodes.insert(folder.clone(), Node::Folder { occupied });
        }
        Ok(missing)
    }

    /// Makes room for a file or link: its name is free and its folder exists. Returns the new folders.
    pub(super) fn make_room(&mut self, path: &str) -> Result<Vec<String>, Rule> {
        if self.nodes.contains_key(path) {
            return Err(Rule::Duplicate);
        }
        let folder = names::split(path).0;
        let missing = self.place_folder(folder)?;
        if let Some(Node::Folder { occupied }) = self.nodes.get_mut(folder) {
            *occupied = true;
        }
        Ok(missing)
    }

    /// Enters what [`Plan::make_room`] made room for.
    pub(super) fn enter(&mut self, path: String, content: Content, stamp: Stamp) {
        self.nodes.insert(path, Node::Leaf { content, stamp });
    }

    /// All folders, innermost after the ones they are in.
    pub(super) fn folders(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.nodes
            .iter()
            .filter(|(_, node)| matches!(node, Node::Folder { .. }))
            .map(|(path, _)| path.as_str())
    }

    /// The paths of all that is no folder, sorted.
    pub(super) fn leaves(&self) -> impl Iterator<Item = &str> {
        self.nodes
            .iter()
            .filter(|(_, node)| matches!(node, Node::Leaf { .. }))
            .map(|(path, _)| path.as_str())
    }

    /// What the tree's digest is over, sorted by path.
    pub(super) fn records(&self) -> Vec<Record> {
        self.nodes
            .iter()
            .filter_map(|(path, node)| {
                let (content, stamp) = match node {
                    Node::Folder { occupied: true } => return None,
                    Node::Folder { occupied: false } => (Content::EmptyFolder, Stamp::default()),
                    Node::Leaf { content, stamp } => (content.clone(), *stamp),
                };
                Some(Record {
                    path: path.clone().into_bytes(),
                    content,
                    stamp,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Content {
        Content::Symlink {
            target: b"x".to_vec(),
        }
    }

    #[test]
    fn folders_appear_once_and_count_as_empty_until_used() {
        let mut plan = Plan::default();
        assert_eq!(plan.place_folder("a/b").unwrap(), ["a", "a/b"]);
        assert!(plan.place_folder("a/b").unwrap().is_empty());
        assert!(plan.place_folder("").unwrap().is_empty());
        assert_eq!(plan.place_folder("a/b/c").unwrap(), ["a/b/c"]);
        assert_eq!(plan.make_room("d/file").unwrap(), ["d"]);
        plan.enter("d/file".to_owned(), link(), Stamp::default());
        let paths: Vec<Vec<u8>> = plan.records().into_iter().map(|r| r.path).collect();
        assert_eq!(paths, [b"a/b/c".to_vec(), b"d/file".to_vec()]);
        assert_eq!(
            plan.folders().collect::<Vec<_>>(),
            ["a", "a/b", "a/b/c", "d"]
        );
        assert_eq!(plan.len(), 5);
    }

    #[test]
    fn nothing_is_placed_twice_or_below_a_leaf() {
        let mut plan = Plan::default();
        plan.make_room("a").unwrap();
        plan.enter("a".to_owned(), link(), Stamp::default());
        assert_eq!(plan.make_room("a").unwrap_err(), Rule::Duplicate);
        assert_eq!(
            plan.make_room("a/b").unwrap_err(),
            Rule::NotAFolder("a".to_owned())
        );
        assert_eq!(
            plan.place_folder("a").unwrap_err(),
            Rule::NotAFolder("a".to_owned())
        );
        plan.place_folder("f").unwrap();
        assert_eq!(plan.make_room("f").unwrap_err(), Rule::Duplicate);
    }
}
