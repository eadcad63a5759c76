//! `[servers.NAME.layers]`: how much of the box this server insists upon.

use super::diagnostic::Code;
use super::raw::{Node, Walk};
use crate::sandbox::Requirement;

/// What the manifest asks of the layers that not every machine has. All others are always required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    pub namespaces: Requirement,
    pub landlock: Requirement,
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            namespaces: Requirement::Preferred,
            landlock: Requirement::Required,
        }
    }
}

pub(super) fn layers(walk: &mut Walk, node: &Node<'_>) -> Layers {
    let mut layers = Layers::default();
    let Some(table) = walk.table(node, "`layers`") else {
        return layers;
    };
    walk.only_keys(table, &["namespaces", "landlock"], "`layers`");
    if let Some(node) = table.get("namespaces") {
        layers.namespaces = requirement(walk, node, "`layers.namespaces`");
    }
    if let Some(node) = table.get("landlock") {
        layers.landlock = requirement(walk, node, "`layers.landlock`");
        if layers.landlock < Requirement::Required && layers.namespaces < Requirement::Required {
            walk.report_with_help(
                Code::InvalidValue,
                node.span(),
                "without Landlock nothing would keep the server away from your files on a machine that refuses namespaces",
                Some("add `namespaces = \"required\"`, or leave `landlock` out".to_owned()),
            );
        }
    }
    layers
}

fn requirement(walk: &mut Walk, node: &Node<'_>, what: &str) -> Requirement {
    match walk.string(node, what).as_deref() {
        Some("required") | None => Requirement::Required,
        Some("preferred") => Requirement::Preferred,
        Some("off") => Requirement::Off,
        Some(_) => {
            walk.report(
                Code::InvalidValue,
                node.span(),
                format!("{what} is \"required\", \"preferred\" or \"off\""),
            );
            Requirement::Required
        }
    }
}
