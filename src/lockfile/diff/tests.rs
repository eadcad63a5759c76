//! What differs between two locks, in words.

use std::path::Path;

use super::*;
use crate::lockfile::format::parse;

const NPM: &str = include_str!("../../../lockfile/examples/npm.lock");
const NATIVE: &str = include_str!("../../../lockfile/examples/native.lock");

fn npm() -> Lock {
    parse(NPM.as_bytes(), Path::new("npm.lock")).unwrap()
}

/// The npm example after `edit`, compared with the example itself.
fn changes_after(edit: impl FnOnce(&mut LockedServer)) -> Vec<Change> {
    let mut new = npm();
    edit(new.servers.values_mut().next().unwrap());
    differences(&npm(), &new)
}

fn lines(changes: &[Change]) -> Vec<String> {
    changes.iter().map(Change::to_string).collect()
}

#[test]
fn equal_locks_and_a_new_date_are_no_difference() {
    assert_eq!(differences(&npm(), &npm()), []);
    assert_eq!(
        changes_after(|server| server.locked_at = "2027-01-01T00:00:00Z".into()),
        []
    );
}

#[test]
fn servers_come_and_go() {
    let native = parse(NATIVE.as_bytes(), Path::new("native.lock")).unwrap();
    assert_eq!(
        lines(&differences(&npm(), &native)),
        [
            "clock: server added",
            "everything: server removed",
            "weather-2.1: server added",
        ]
    );
    assert_eq!(
        lines(&differences(&native, &npm())),
        [
            "clock: server removed",
            "everything: server added",
            "everything: new install script (it is run only if `build` names the package): zod@4.1.5 at `node_modules/zod`",
            "weather-2.1: server removed",
        ]
    );
}

#[test]
fn each_field_has_its_line() {
    type Edit = fn(&mut LockedServer);
    let other = Digest::of(b"other");
    let table: Vec<(Edit, &str)> = vec![
        (
            |s| s.source = "npm:x".into(),
            "source `npm:@modelcontextprotocol/server-everything@^2026.8` -> `npm:x`",
        ),
        (
            |s| s.version = Some("2026.9.0".into()),
            "version 2026.8.4 -> 2026.9.0",
        ),
        (|s| s.version = None, "version 2026.8.4 -> none"),
        (
            |s| s.platform = "linux-aarch64".into(),
            "platform linux-x86_64 -> linux-aarch64",
        ),
        (
            |s| {
                s.platforms.insert("linux-aarch64".into(), s.part());
            },
            "platform added: linux-aarch64",
        ),
        (
            |s| s.interpreter = None,
            "interpreter `/usr/bin/node` v24.11.0 (sha256:545ea5384610…) -> none",
        ),
        (
            |s| s.entry_point = "a.js".into(),
            "entry point `node_modules/@modelcontextprotocol/server-everything/dist/index.js` -> `a.js`",
        ),
        (
            |s| s.behaviour.protocol = "2026-07-28".into(),
            "protocol 2025-11-25 -> 2026-07-28",
        ),
        (|s| s.behaviour.instructions = None, "instructions removed"),
        (
            |s| {
                s.behaviour.tools.remove("echo");
            },
            "tool removed: `echo`",
        ),
        (
            |s| {
                s.behaviour
                    .tools
                    .insert("x".parse().unwrap(), Digest::of(b""));
            },
            "tool added: `x`",
        ),
        (
            |s| {
                s.artifacts.remove(2);
            },
            "artifact removed: zod@4.1.5 at `node_modules/zod`",
        ),
        (
            |s| s.artifacts[2].version = "4.1.6".into(),
            "artifact changed: zod@4.1.5 at `node_modules/zod` -> zod@4.1.6",
        ),
        (
            |s| s.artifacts[2].size = 1,
            "artifact record changed: zod@4.1.5 at `node_modules/zod`",
        ),
        (
            |s| s.artifacts[2].install_script = false,
            "artifact record changed: zod@4.1.5 at `node_modules/zod`",
        ),
        (
            |s| s.artifacts[1].signature = None,
            "registry signature npm:SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U -> absent: `node_modules/@modelcontextprotocol/server-everything`",
        ),
        (
            |s| s.artifacts[0].publisher = Some("eve".into()),
            "publisher pcarleton -> eve: `node_modules/@modelcontextprotocol/sdk`",
        ),
        (
            |s| s.artifacts[2].provenance = Some("p".into()),
            "provenance absent -> p: `node_modules/zod`",
        ),
        (
            |s| s.confinement.landlock_abi = 3,
            "least enforcement Landlock ABI 4 with landlock+seccomp -> Landlock ABI 3 with landlock+seccomp",
        ),
        (
            |s| s.confinement.layers.clear(),
            "least enforcement Landlock ABI 4 with landlock+seccomp -> Landlock ABI 4 with no layer",
        ),
    ];
    for (edit, line) in table {
        assert_eq!(lines(&changes_after(edit)), [format!("everything: {line}")]);
    }
    for (changes, line) in [
        (changes_after(|s| s.tree = other), "tree sha256:"),
        (
            changes_after(|s| s.confinement.policy = other),
            "sandbox policy sha256:",
        ),
        (
            changes_after(|s| *s.behaviour.tools.values_mut().next().unwrap() = other),
            "tool definition changed: `add` sha256:",
        ),
        (
            changes_after(|s| s.artifacts[2].sha256 = other),
            "artifact content changed under the same version: zod@4.1.5",
        ),
    ] {
        assert_eq!(changes.len(), 1);
        assert!(
            changes[0]
                .to_string()
                .starts_with(&format!("everything: {line}")),
            "{changes:?}"
        );
    }
}

#[test]
fn a_new_version_is_one_line_and_another_key_is_one_more() {
    let next = |signature: fn(&mut LockedServer)| {
        changes_after(|server| {
            signature(server);
            let artifact = &mut server.artifacts[1];
            artifact.version = "2026.9.0".into();
            artifact.sha256 = Digest::of(b"new");
        })
    };
    assert_eq!(next(|_| ()).len(), 1);
    let changes = next(|s| s.artifacts[1].signature = Some("other:SHA256:x".into()));
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(
        changes[1].to_string().contains("-> other:SHA256:x"),
        "{changes:?}"
    );
}
