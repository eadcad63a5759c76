//! Tests of `tool_list` and of its view: what a frame shows, and what comes of keys.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::super::screen::{Key, Model as _, Size, Step};
use super::*;
use crate::lockfile::Digest;
use crate::relay::ToolDefinition;

const SIZE: Size = Size {
    columns: 80,
    rows: 24,
};

fn definition(name: &str, description: &str, annotations: &Value) -> ToolDefinition {
    let whole = json!({"annotations": annotations, "description": description, "name": name});
    let canonical = whole.to_string().into_bytes();
    ToolDefinition {
        name: name.to_owned(),
        title: None,
        description: Some(description.to_owned()),
        digest: Digest::of(&canonical),
        canonical,
    }
}

fn list(tools: Vec<ToolDefinition>) -> ToolList {
    let introspection = Introspection {
        protocol: "2025-11-25".to_owned(),
        server_name: None,
        server_version: None,
        instructions: None,
        tools,
        unusable: 0,
    };
    ToolList::new(&"files".parse().unwrap(), &introspection, &BTreeSet::new())
}

fn files() -> ToolList {
    list(vec![
        definition(
            "write_file",
            "Writes a file.\nMore.",
            &json!({"destructiveHint": true}),
        ),
        definition("read_file", "Reads a file.", &json!({"readOnlyHint": true})),
        definition(
            "fetch",
            "Gets a page for reading.",
            &json!({"readOnlyHint": true, "openWorldHint": true}),
        ),
        definition("move_file", "Moves.", &json!({})),
    ])
}

fn shown(list: &mut ToolList, size: Size) -> String {
    let lines = list.frame(size);
    assert!(lines.len() <= size.rows, "{lines:?}");
    let rows: Vec<String> = lines.into_iter().map(|line| line.text).collect();
    rows.join("\n")
}

/// Types `keys`; the names at the end of it, where that is one.
fn typed(list: &mut ToolList, keys: &str) -> Option<Option<Vec<String>>> {
    for character in keys.chars() {
        shown(list, SIZE);
        let key = match character {
            '\n' => Key::Enter,
            '\u{1b}' => Key::Escape,
            '↓' => Key::Down,
            '<' => Key::Backspace,
            other => Key::Character(other),
        };
        if let Step::Done(chosen) = list.press(key) {
            let names = |tools: BTreeSet<ToolName>| tools.iter().map(ToString::to_string).collect();
            return Some(chosen.map(names));
        }
    }
    None
}

fn names(names: &[&str]) -> Option<Option<Vec<String>>> {
    Some(Some(names.iter().map(|&name| name.to_owned()).collect()))
}

#[test]
fn keys_choose() {
    for (keys, chosen) in [
        (" \n", &["fetch"][..]),
        ("↓↓ \n", &["read_file"]),
        ("  \n", &["fetch", "move_file"]),
        ("*\n", &["fetch", "move_file", "read_file", "write_file"]),
        ("=\n", &["fetch", "read_file"]),
        ("*!\n\n", &[]),
        ("\n\n", &[]),
        // Found by its name, and by its description.
        ("move \n", &["move_file"]),
        ("PAGE \n", &["fetch"]),
        ("read*\n", &["fetch", "read_file"]),
        ("read=<<<<write \n", &["fetch", "read_file", "write_file"]),
        // A mark taken away, and nothing found to mark.
        ("  ↓↓↓\n", &["fetch", "move_file"]),
        ("zzz *=\n\n", &[]),
    ] {
        assert_eq!(typed(&mut files(), keys), names(chosen), "{keys:?}");
    }
    assert_eq!(typed(&mut files(), "*\u{1b}"), Some(None));
    // Once is not enough for none.
    assert_eq!(typed(&mut files(), "\n↓\n"), None);
}

#[test]
fn a_frame_says_what_is_chosen_from() {
    let mut files = files();
    let all = shown(&mut files, SIZE);
    for words in [
        "files: which of its 4 tools may the client use? 0 marked",
        "> [ ] fetch       reads +net",
        "  [ ] write_file  destroys      Writes a file.",
        "fetch: its server claims that it only reads and reaches out to other systems",
        "Esc write nothing",
    ] {
        assert!(all.contains(words), "{words}:\n{all}");
    }
    assert!(!all.contains("More."), "{all}");
    typed(&mut files, "*write");
    let found = shown(&mut files, SIZE);
    assert!(
        found.contains("> [x] write_file") && !found.contains("fetch"),
        "{found}"
    );
    assert!(
        found.contains("4 marked") && found.contains("3 more marked, not shown"),
        "{found}"
    );
    typed(&mut files, "?");
    let whole = shown(&mut files, SIZE);
    assert!(
        whole.contains("annotations.destructiveHint") && whole.contains("More."),
        "{whole}"
    );
    assert_eq!(typed(&mut files, "\u{1b}"), None);
    assert!(shown(&mut files, SIZE).contains("> [x] write_file"));
}

#[test]
fn names_that_are_cut_are_told_in_full() {
    let long = |last: &str| format!("{}{last}", "a".repeat(127));
    let mut list = list(vec![
        definition(&long("1"), "", &json!({})),
        definition(&long("2"), "", &json!({})),
    ]);
    for columns in [20, 40, 80] {
        let size = Size { columns, rows: 24 };
        let text = shown(&mut list, size).replace([' ', '\n'], "");
        assert!(
            text.contains(&long("1")) && !text.contains(&long("2")),
            "{columns} {text}"
        );
    }
    assert_eq!(typed(&mut list, "↓ \n"), names(&[&long("2")]));
}

#[test]
fn thousands_of_tools_scroll() {
    let tools = (0..5000).map(|n| definition(&format!("t{n:04}"), "x", &json!({})));
    let mut list = list(tools.collect());
    for (key, expected) in [
        (Key::End, "> [ ] t4999"),
        (Key::Up, "> [ ] t4998"),
        (Key::Home, "> [ ] t0000"),
        (Key::PageDown, "> [ ] t00"),
    ] {
        list.press(key);
        assert!(shown(&mut list, SIZE).contains(expected), "{key:?}");
    }
    assert_eq!(typed(&mut list, "t4321 \n"), names(&["t4321"]));
}

#[test]
fn what_has_no_proper_name_is_counted_and_can_not_be_chosen() {
    let mut list = list(vec![
        definition("echo", "", &json!({})),
        definition("ech\u{200b}o", "", &json!({"readOnlyHint": true})),
        definition("e\u{1b}[2J", "", &json!({})),
    ]);
    let text = shown(&mut list, SIZE);
    assert!(
        text.contains("its 1 tools") && text.contains("2 more have no name"),
        "{text}"
    );
    assert_eq!(typed(&mut list, "*\n"), names(&["echo"]));
}

#[test]
fn every_size_has_a_row_for_the_tool_where_the_keys_act() {
    let mut files = files();
    typed(&mut files, "*↓↓");
    for columns in 20..130 {
        for rows in 8..30 {
            let text = shown(&mut files, Size { columns, rows });
            assert!(text.contains("> [x] read"), "{columns}×{rows}:\n{text}");
        }
    }
}

/// `fetch` reads, as its description says; `read_file` is called so.
#[test]
fn names_are_found_before_descriptions() {
    let mut list = files();
    for letter in "read".chars() {
        list.press(Key::Character(letter));
    }
    let found: Vec<&str> = list
        .found
        .iter()
        .map(|at| list.tools[*at].name.as_str())
        .collect();
    assert_eq!(found, ["read_file", "fetch"]);
    list.press(Key::Character(' '));
    let Step::Done(Some(chosen)) = list.press(Key::Enter) else {
        panic!("not done");
    };
    assert!(chosen.iter().map(ToolName::as_str).eq(["read_file"]));
}
