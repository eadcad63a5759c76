//! Every command of README.md and docs/, as it is written, in the order of its page, in a home of
//! its own; and what a page shows of its output and of files is what there is.
//!
//! `tests/documentation/pages.rs` says how pages are read. `PINFOLD_PAGE=guide` runs only pages with that in
//! their path, and prints what each command printed.

#[path = "../../tests/documentation/pages.rs"]
pub(crate) mod pages;
mod reader;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pages::{Page, What};
use reader::{First, Reader};

use crate::support::{registry_is_reachable, skip};

const TEST: &str = "documentation";

/// Pages at one time; they mostly wait for the registry.
const AT_ONCE: usize = 4;

#[test]
fn every_command_of_every_page_does_what_it_says() {
    if !registry_is_reachable() {
        return skip(TEST, "the npm registry can't be reached");
    }
    let wanted = std::env::var("PINFOLD_PAGE").unwrap_or_default();
    let paths: Vec<String> = pages::paths(reader::project())
        .into_iter()
        .filter(|path| path.contains(&wanted))
        .collect();
    let (next, first) = (AtomicUsize::new(0), First::new());
    let (ran, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let read = || page(path, &first, !wanted.is_empty());
                    // A registry may fail once, and a package may be old enough meanwhile.
                    let result = read().or_else(|wrong| {
                        say(&format!("PAGES read once more: {wrong}"));
                        read()
                    });
                    match result {
                        Ok(count) => drop(ran.fetch_add(count, Ordering::SeqCst)),
                        Err(what) => wrong.lock().unwrap().push(what),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
    let ran = ran.into_inner();
    assert!(ran > 50 || !wanted.is_empty(), "{ran} commands");
    say(&format!(
        "PAGES {} pages, {ran} commands were run",
        paths.len()
    ));
}

/// Past the test runner's capture.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs a page; returns how many commands.
fn page(path: &str, first: &First, is_shown: bool) -> Result<usize, String> {
    let page = Page::read(reader::project(), path)?;
    if page.no_commands.is_some() {
        return Ok(0);
    }
    let reader = Reader::new();
    let mut ran = 0;
    for part in &page.parts {
        let at = format!("{path}:{}", part.line);
        let wrong = |what: String| format!("{at}: {what}");
        match &part.what {
            What::Needs(program) if !reader.has(program) => {
                skip(
                    TEST,
                    &format!("{at}: the rest of the page needs `{program}`"),
                );
                break;
            }
            What::Needs(_) => {}
            What::NotRun { command, reason } => {
                skip(TEST, &format!("{at} `{command}`: {reason}"));
            }
            What::Config(config) => reader.config(config).map_err(wrong)?,
            What::Prepared(command) => drop(reader.run(command).map_err(wrong)?),
            What::BeginsWith(server) => reader.begin(server, first).map_err(wrong)?,
            What::Command(command) => {
                ran += 1;
                let output = reader.command(command).map_err(wrong)?;
                if is_shown {
                    say(&format!("{at} $ {}\n{output}", command.text));
                }
            }
        }
    }
    Ok(ran)
}

/// What the runner must see, each beside the same page without the mistake.
#[test]
fn a_page_that_is_wrong_fails() {
    let of_text = |text: &str| {
        let page = Page::parse("docs/any.md", text).unwrap();
        let reader = Reader::new();
        page.parts.iter().try_for_each(|part| match &part.what {
            What::Config(config) => reader.config(config),
            What::Command(command) => reader.command(command).map(drop),
            What::Prepared(command) => reader.run(command).map(drop),
            What::NotRun { .. } | What::Needs(_) | What::BeginsWith(_) => Ok(()),
        })
    };
    for (right, wrong) in [
        (
            "```sh\npinfold tools --help\n```\n",
            "```sh\npinfold tolls --help\n```\n",
        ),
        (
            "```sh\npinfold tools --json --help\n```\n",
            "```sh\npinfold tools --jason --help\n```\n",
        ),
        (
            "```console\n$ echo a\na\n```\n",
            "```console\n$ echo a\nb\n```\n",
        ),
        (
            "```console\n$ (exit 3)\n$ echo $?\n3\n```\n",
            "```console\n$ (exit 3)\n```\n",
        ),
        (
            "```console\n$ (exit 3)\n$ echo $?\n3\n```\n",
            "```console\n$ (exit 3)\n$ echo $?\n1\n```\n",
        ),
        // One command builds on the other.
        (
            "```sh\ncd /usr\nexport X=1\n```\n```console\n$ echo $PWD $X\n/usr 1\n```\n",
            "```console\n$ echo $PWD $X\n/usr 1\n```\n",
        ),
        // The reader's home, both ways.
        (
            "```console\n$ ls -d /home/me/.\n/home/me/.\n$ cd; pwd\n/home/me\n```\n",
            "```sh\nls /home/you\n```\n",
        ),
        (
            "<!-- file: ~/a/b.json -->\n```json\n{}\n```\n```sh\ncat ~/a/b.json\n```\n<!-- file now: ~/a/b.json -->\n```json\n{}\n```\n",
            "<!-- file: ~/a/b.json -->\n```json\n{}\n```\n```sh\necho >> ~/a/b.json\n```\n<!-- file now: ~/a/b.json -->\n```json\n{}\n```\n",
        ),
    ] {
        of_text(right).unwrap_or_else(|error| panic!("{right}\n{error}"));
        assert!(of_text(wrong).is_err(), "{wrong}");
    }
}
