//! The checks of the pages see what is wrong in a page.

use super::pages::{Page, Place, What, compare};
use super::{links, snippets};

fn page(text: &str) -> Page {
    Page::parse("docs/any.md", text).unwrap()
}

fn wrong(text: &str) -> String {
    Page::parse("docs/any.md", text).err().unwrap()
}

#[test]
fn commands_are_read_in_order() {
    let page = page(
        "# A\n\n```sh\n# first\na | b   # why\nc \\\n  d\n```\n\n1. x\n   ```console\n   $ e\n   one\n\n   two\n   $ echo $?\n   3\n   ```\n<!-- not run: there is no such thing -->\n```sh\nf\n```\n",
    );
    let commands: Vec<_> = page
        .parts
        .iter()
        .map(|part| match &part.what {
            What::Command(command) => {
                let prints = command.prints.as_ref().map(|lines| lines.join("/"));
                (part.line, command.text.as_str(), prints, command.may_fail)
            }
            What::NotRun { command, .. } => (part.line, command.as_str(), None, true),
            _ => panic!("{}", part.line),
        })
        .collect();
    let shown = |text: &str| Some(text.to_owned());
    assert_eq!(
        commands,
        [
            (5, "a | b   # why", None, false),
            (6, "c \\\n  d", None, false),
            (12, "e", shown("one//two"), true),
            (16, "echo $?", shown("3"), false),
            (21, "f", None, true),
        ]
    );
    assert_eq!(page.commands(), 5);
}

#[test]
fn a_page_that_nobody_can_check_is_wrong() {
    for (text, what) in [
        ("```\na\n```\n", "no test knows blocks"),
        ("```sh\na\n", "no end"),
        ("```sh\n# only words\n```\n", "no command"),
        ("```console\na\n```\n", "begins with"),
        ("<!-- not run: why -->\nwords\n", "about no block"),
        ("<!-- not run: why -->\n", "about no block"),
        (
            "<!-- not run: why -->\n```toml\n```\n",
            "not about a config",
        ),
        ("<!-- file: ~/x -->\n```sh\na\n```\n", "not about commands"),
        (
            "<!-- nut run: why -->\n```sh\na\n```\n",
            "no test knows the comment",
        ),
    ] {
        assert!(wrong(text).contains(what), "{text}: {}", wrong(text));
    }
}

#[test]
fn what_is_printed_is_compared() {
    let compare = |shown: &str, actual: &str| {
        let shown: Vec<String> = shown.lines().map(str::to_owned).collect();
        compare(&shown, actual).is_ok()
    };
    for (shown, actual) in [
        ("a\nb", "a\nb\n"),
        ("a…c", "abbc"),
        ("…", ""),
        ("…\nb\n…", "a\nb\nc\nd"),
        ("a …, … c", "a 1, 2 c"),
        ("a\n…", "a"),
    ] {
        assert!(compare(shown, actual), "{shown:?} {actual:?}");
    }
    for (shown, actual) in [
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("a…c", "abbd"),
        ("a…", "b"),
        ("…\nb", "a\nb\nc"),
        ("", "a"),
        ("a…b…c", "acb"),
    ] {
        assert!(!compare(shown, actual), "{shown:?} {actual:?}");
    }
}

#[test]
fn wrong_excerpts_are_found() {
    let check = |heading: &str, before: &str, language: &str, text: &str| {
        let text = format!("# {heading}\n\n{before}```{language}\n{text}\n```\n");
        let page = Page::parse("docs/clients/any.md", &text).unwrap();
        match &page.parts[0].what {
            What::Config(config) => snippets::check(&page, config),
            _ => panic!("no config"),
        }
    };
    let cursor = "<!-- file: ~/.cursor/mcp.json -->\n";
    let entry = r#"{"mcpServers": {"a": {"command": "pinfold"}}}"#;
    for (heading, before, language, text) in [
        ("X", "", "toml", "[servers.a]\nprofile = \"web\""),
        ("X", "", "json", entry),
        ("Cursor", cursor, "jsonc", entry),
        (
            "X",
            "<!-- not checked: another program's file -->\n",
            "yaml",
            "{",
        ),
    ] {
        check(heading, before, language, text).unwrap();
    }
    for (heading, before, language, text, what) in [
        ("X", "", "toml", "[servers.a]\nprofil = \"web\"", "profil"),
        ("X", "", "toml", "[servers.a]\nprofile = \"wide\"", "wide"),
        ("X", "", "json", r#"{"mcpServers": {}}"#, "no server"),
        (
            "X",
            "",
            "json",
            r#"{"mcpServer": {"a": {"command": "x"}}}"#,
            "",
        ),
        ("X", "", "json", "{", ""),
        ("VS Code", cursor, "json", entry, "file of Cursor"),
        (
            "Cursor",
            "<!-- file: ~/.cursor/mcp.jsn -->\n",
            "json",
            entry,
            "file of a client",
        ),
        ("X", "<!-- not checked: no -->\n", "json", "{}", "no reason"),
    ] {
        let error = check(heading, before, language, text).unwrap_err();
        assert!(error.contains(what), "{text}: {error}");
    }
}

#[test]
fn places_are_read() {
    let page = page(
        "<!-- file: ~/.mcp.json -->\n\n```json\n{}\n```\n<!-- file now: ~/.mcp.json -->\n```json\n{}\n```\n<!-- needs: uv -->\n<!-- prepared: mkdir ~/notes -->\n<!-- any other comment -->\n",
    );
    let places: Vec<&Place> = page
        .parts
        .iter()
        .filter_map(|part| match &part.what {
            What::Config(config) => Some(&config.place),
            _ => None,
        })
        .collect();
    let path = || "~/.mcp.json".to_owned();
    assert_eq!(places, [&Place::Written(path()), &Place::Result(path())]);
    assert!(matches!(&page.parts[2].what, What::Needs(program) if program == "uv"));
    assert!(matches!(&page.parts[3].what, What::Prepared(command) if command == "mkdir ~/notes"));
}

#[test]
fn broken_links_are_found() {
    let text = "# A `b` & c's\n\n## A\n\n# A\n";
    for target in [
        "#a-b--cs",
        "#a",
        "#a-1",
        "../README.md",
        "clients/README.md",
        "../README.md#licence",
    ] {
        links::follow("docs/any.md", text, target).unwrap();
    }
    for target in [
        "#b",
        "#a-2",
        "README.txt",
        "../README.md#no-such",
        "../docs",
    ] {
        let found = links::follow("docs/any.md", text, target);
        assert_eq!(found.is_ok(), target == "../docs", "{target}");
    }
}
