//! Every client's config through import and restore.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::readers::read;
use super::{Desk, SECRET, snapshot};
use crate::support::{Client, say};

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(super) fn desk_with_the_collection() -> Desk {
    let desk = Desk::new();
    let collection = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client_configs");
    copy(&collection.join("home"), &desk.home.user());
    copy(&collection.join("project"), &desk.work());
    desk
}

/// A place where two readings differ: the way to it, and both values.
type Difference<'v> = (String, &'v Value, &'v Value);

/// Lists are one value, unless they are of entries.
fn differences<'v>(path: &str, one: &'v Value, two: &'v Value, found: &mut Vec<Difference<'v>>) {
    match (one, two) {
        (Value::Object(one), Value::Object(two)) => {
            let keys: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
            for key in keys {
                let (a, b) = (one.get(key), two.get(key));
                let (a, b) = (a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null));
                differences(&format!("{path}/{key}"), a, b, found);
            }
        }
        (Value::Array(one), Value::Array(two))
            if one.len() == two.len() && one.iter().all(Value::is_object) =>
        {
            for (index, (one, two)) in one.iter().zip(two).enumerate() {
                differences(&format!("{path}/{index}"), one, two, found);
            }
        }
        (one, two) if one == two => {}
        _ => found.push((path.to_owned(), one, two)),
    }
}

/// Whether it is what import is there for: the program, its arguments, variables that are gone.
fn is_meant((path, _, new): &Difference<'_>, program: &str) -> bool {
    let words = |value: &Value| -> Vec<String> {
        let words = value.as_array().into_iter().flatten();
        words
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let starts = |words: &[String]| words.len() == 2 && words[0] == "run";
    let mut keys = path.rsplit('/');
    match (keys.next().unwrap(), keys.next().unwrap_or_default()) {
        ("command" | "cmd" | "path", _) if new.is_string() => *new == program,
        ("command", _) => words(new)
            .split_first()
            .is_some_and(|(first, rest)| first == program && starts(rest)),
        ("args", _) => starts(&words(new)),
        ("env" | "envs" | "environment", _) | (_, "env" | "envs" | "environment") => new.is_null(),
        _ => false,
    }
}

/// What no reader shows: a byte order mark, line breaks, whether it is JSON without comments.
fn is_written_alike(path: &Path, old: &[u8], new: &[u8]) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).unwrap();
    let (old, new) = (text(old), text(new));
    let shape = |text: &str| {
        let bare = text.trim_start_matches('\u{feff}');
        let breaks = text.matches('\n').count();
        [
            text.starts_with('\u{feff}'),
            text.ends_with('\n'),
            breaks > 0 && text.matches("\r\n").count() == breaks,
            text.contains('\r'),
            serde_json::from_str::<Value>(bare).is_ok(),
        ]
    };
    assert_eq!(shape(&old), shape(&new), "{}", path.display());
    // One stands among the arguments, and goes with them.
    let is_comment = |line: &&str| {
        let starts = ["//", "/*", "#"].iter().any(|sign| line.starts_with(sign));
        starts && *line != "# several lines"
    };
    for comment in old.lines().map(str::trim).filter(is_comment) {
        assert!(new.contains(comment), "{}: {comment}", path.display());
    }
}

#[test]
fn goes_through_dry_run_import_and_restore() {
    let desk = desk_with_the_collection();
    let folders = [desk.home.user(), desk.work()];
    let before = folders.clone().map(|folder| snapshot(&folder));

    let dry = desk.succeed(&["import", "--dry-run"]);
    assert_eq!(folders.clone().map(|folder| snapshot(&folder)), before);
    assert!(!desk.home.manifest().exists(), "{dry:#?}");
    assert!(
        !dry.stdout.contains(SECRET) && !dry.stderr.contains(SECRET),
        "{dry:#?}"
    );
    for part in [
        "[secret]",
        "+++ ",
        "docker",
        "it is remote",
        "-      \"command\": \"npx\",",
    ] {
        assert!(dry.stdout.contains(part), "{part}: {}", dry.stdout);
    }

    let import = desk.succeed(&["import", "--yes", "--allow-all"]);
    assert!(
        !import.stdout.contains(SECRET) && !import.stderr.contains(SECRET),
        "{import:#?}"
    );
    let program = env!("CARGO_BIN_EXE_pinfold");
    let (mut rewritten, mut commands) = (0, BTreeSet::new());
    for (folder, before) in folders.iter().zip(&before) {
        for (path, (bytes, mode)) in snapshot(folder) {
            let (old, old_mode) = &before[&path];
            assert_eq!(mode, *old_mode, "{}", path.display());
            assert!(
                !String::from_utf8_lossy(&bytes).contains(SECRET),
                "{}",
                path.display()
            );
            let (Some(old), Some(new)) = (read(&path, old), read(&path, &bytes)) else {
                continue;
            };
            let mut found = Vec::new();
            differences("", &old, &new, &mut found);
            assert!(!found.is_empty(), "{} was not rewritten", path.display());
            for one in &found {
                assert!(is_meant(one, program), "{}: {one:?}", path.display());
            }
            is_written_alike(&path, &before[&path].0, &bytes);
            rewritten += 1;
            collect_commands(&new, program, &mut commands);
        }
    }
    assert_eq!(
        rewritten,
        before.iter().map(|files| files.len()).sum::<usize>()
    );
    // The same command with the same variables is one server.
    let manifest = desk.manifest();
    assert!(
        commands.len() >= 4 && !manifest.contains(SECRET),
        "{manifest}"
    );
    assert_eq!(
        manifest.matches("\nsource = ").count(),
        commands.len(),
        "{manifest}"
    );
    for (index, name) in commands.iter().enumerate() {
        let mut command = Command::new(program);
        desk.home.environment(&mut command);
        let mut client = Client::start(command.args(["run", name]));
        let said = say(&mut client);
        assert!(
            said == "weather@1.2.0" || said == "@example/notes@2.0.0",
            "{index} {said}"
        );
    }

    // There is nothing left to do, and what is locked is not locked again.
    let again = desk.succeed(&["import", "--yes", "--allow-all"]);
    assert!(
        again.stdout.contains("pinfold runs it already"),
        "{again:#?}"
    );
    assert_eq!(desk.manifest(), manifest);

    desk.succeed(&["restore"]);
    assert_eq!(folders.map(|folder| snapshot(&folder)), before);
    assert!(
        desk.succeed(&["restore"])
            .stderr
            .contains("nothing to put back")
    );
}

/// The names after `run` of entries that start this pinfold.
fn collect_commands(value: &Value, program: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let args = members.get("args").or_else(|| members.get("command"));
            let is_ours = ["command", "cmd", "path"]
                .iter()
                .filter_map(|key| members.get(*key))
                .any(|command| command == program || command[0] == program);
            if let Some(Value::Array(words)) = args
                && is_ours
            {
                assert_eq!(words[words.len() - 2], "run", "{value}");
                found.insert(words.last().unwrap().as_str().unwrap().to_owned());
            }
            members
                .values()
                .for_each(|value| collect_commands(value, program, found));
        }
        Value::Array(entries) => {
            entries
                .iter()
                .for_each(|value| collect_commands(value, program, found));
        }
        _ => {}
    }
}

#[test]
fn control_the_comparison_sees_what_should_not_change() {
    let old = serde_json::json!({"a": {"command": "npx", "args": ["x"], "env": {"A": "1"}, "timeout": 1}});
    for (key, value) in [
        ("command", serde_json::json!("sh")),
        ("args", serde_json::json!(["x", "y"])),
        ("env", serde_json::json!({"A": "2"})),
        ("env", serde_json::json!({"A": "1", "B": "2"})),
        ("timeout", serde_json::json!(2)),
        ("other", serde_json::json!(2)),
    ] {
        let mut new = old.clone();
        new["a"][key] = value;
        let mut found = Vec::new();
        differences("", &old, &new, &mut found);
        assert!(
            found.len() == 1 && !is_meant(&found[0], "pinfold"),
            "{found:?}"
        );
    }
}
