//! README.md and docs/: what is written there is what pinfold reads, every link leads somewhere,
//! and every page has commands that `integration/documentation` runs, or says why not.

mod checker;
mod links;
pub(crate) mod pages;
mod snippets;

use std::collections::BTreeSet;
use std::fs;

use pinfold::config::clients::CLIENTS;

use crate::place::project;
use pages::{Page, What};

/// Pages of reference, which have tests of their own.
const WITHOUT_COMMANDS: [&str; 2] = ["docs/manifest.md", "docs/incidents.md"];

fn all() -> Vec<Page> {
    let paths = pages::paths(project());
    assert!(paths.len() > 15, "the pages are somewhere else: {paths:?}");
    let read = |path: &String| Page::read(project(), path);
    let pages: Result<Vec<Page>, String> = paths.iter().map(read).collect();
    pages.unwrap_or_else(|wrong| panic!("{wrong}"))
}

#[test]
fn every_page_has_commands_or_says_why_not() {
    for page in all() {
        let commands = page.commands();
        match &page.no_commands {
            None if WITHOUT_COMMANDS.contains(&page.path.as_str()) => {}
            None => assert!(commands > 0, "{}: no command is tried", page.path),
            Some(_) => assert_eq!(commands, 0, "{}: it has commands", page.path),
        }
    }
}

#[test]
fn what_is_left_out_is_little() {
    let (mut run, mut not) = (0, Vec::new());
    for page in all() {
        for part in page.parts {
            match part.what {
                What::Command(_) => run += 1,
                What::NotRun { command, reason } => {
                    assert!(reason.len() > 10, "{command}: {reason} is no reason");
                    not.push(format!("{}:{} {command}", page.path, part.line));
                }
                _ => {}
            }
        }
    }
    assert!(not.len() * 5 < run, "{run} commands are run, not {not:#?}");
}

#[test]
fn the_readme_can_be_read_in_three_minutes() {
    let lines = Page::read(project(), "README.md")
        .unwrap()
        .text
        .lines()
        .count();
    assert!(lines < 200, "{lines} lines; docs/ is the place for more");
}

#[test]
fn every_page_is_in_the_index() {
    for (index, folder) in [
        ("docs/README.md", "docs/"),
        ("docs/clients/README.md", "docs/clients/"),
    ] {
        let text = fs::read_to_string(project().join(index)).unwrap();
        let pages = pages::paths(project());
        let of_folder = pages.iter().filter_map(|path| path.strip_prefix(folder));
        for page in of_folder.filter(|page| !page.contains('/') && *page != "README.md") {
            assert!(text.contains(&format!("]({page})")), "{index} lacks {page}");
        }
    }
}

#[test]
fn every_client_has_a_page() {
    let heading = |path: &String| {
        let text = fs::read_to_string(project().join(path)).unwrap();
        text.lines()
            .next()
            .unwrap()
            .trim_start_matches("# ")
            .to_owned()
    };
    let pages = pages::paths(project());
    let of_clients = pages
        .iter()
        .filter(|path| path.starts_with("docs/clients/"));
    let headings: BTreeSet<String> = of_clients.map(heading).collect();
    for client in CLIENTS {
        assert!(
            headings.contains(client.name()),
            "{} has no page",
            client.name()
        );
    }
}
