//! `docs/manifest.md` says what the parser does: every key and no other, types, defaults, examples,
//! refusals, sources, hosts and profiles. A page with a mistake fails.

mod edits;
mod keys;
mod page;
mod tables;

use pinfold::config::{Diagnostic, Manifest, Server};
use pinfold::policy::{EffectivePolicy, OwnFolders, PolicyError, Runtime};

use self::keys::Checked;
use self::page::Page;
use crate::place::project;

/// What is wrong with the page, in words; empty when nothing is.
fn problems(text: &str, checked: &mut Checked) -> Vec<String> {
    let page = Page::read(text);
    let mut problems = page.problems.clone();
    problems.extend(keys::problems(&page, checked));
    problems.extend(tables::problems(&page));
    problems
}

fn text() -> String {
    std::fs::read_to_string(project().join("docs/manifest.md")).unwrap()
}

/// As pinfold reads a manifest; the mistakes when there are any.
fn parse(text: &str) -> Result<Manifest, Vec<Diagnostic>> {
    let (path, home) = ("/home/me/.config/pinfold/pinfold.toml", "/home/me");
    Manifest::parse(text, path.as_ref(), Some(home.as_ref()))
        .map_err(|diagnostics| diagnostics.items().to_vec())
}

/// What a server may do, of a compiled program.
fn resolve(server: &Server) -> Result<EffectivePolicy, PolicyError> {
    EffectivePolicy::resolve(server, Runtime::Native, &OwnFolders::default())
}

/// As pinfold judges it before anything starts; what it says when it refuses.
fn judge(text: &str) -> Result<(), String> {
    let manifest = parse(text).map_err(|items| {
        let said = items.iter().map(|item| {
            let help = item.help.as_ref();
            let help = help.map(|help| format!("help: {help}\n"));
            let code = item.code.name();
            format!(
                "error[{code}]: {}\n{}",
                item.message,
                help.unwrap_or_default()
            )
        });
        said.collect::<String>()
    })?;
    for server in manifest.servers.values() {
        resolve(server).map_err(|error| format!("error: {error}\n"))?;
    }
    Ok(())
}

#[test]
fn the_page_says_what_the_parser_does() {
    let problems = problems(&text(), &mut Checked::new());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn control_a_page_with_a_mistake_fails() {
    let text = text();
    let mut checked = Checked::new();
    for (from, to, says) in [
        // a key that is not documented, one that does not exist, one of another name
        (
            "### `servers.NAME.warm`\n\ninteger",
            "### warmth\n\ninteger",
            "`servers.NAME.warm` is not in the page",
        ),
        (
            "### `servers.NAME.warm`",
            "### `servers.NAME.warmth`",
            "`servers.NAME.warmth`",
        ),
        (
            "### `settings.audit.keep`",
            "### `settings.audit.kept`",
            "`settings.audit.keep` is not in the page",
        ),
        (
            "| `minimum` |",
            "| `least` |",
            "`servers.NAME.tools.rules.TOOL.minimum` is not in the page",
        ),
        // defaults
        (
            "default `\"72h\"`",
            "default `\"71h\"`",
            "its default is not `\"71h\"`",
        ),
        (
            "integer · default `0`",
            "integer · default `1`",
            "its default is not `1`",
        ),
        (
            "string · default `\"offline\"`",
            "string · default `\"web\"`",
            "its default is not `\"web\"`",
        ),
        (
            "string · default `\"offline\"`",
            "string · required",
            "it is not required",
        ),
        (
            "integer or string · default none",
            "integer or string · default of the profile",
            "no profile says it",
        ),
        (
            "integer · default of the profile",
            "integer · default none",
            "a profile says it",
        ),
        // types
        (
            "list · default `[]`",
            "string · default `[]`",
            "a list is accepted",
        ),
        (
            "string or table · no default",
            "string or list · no default",
            "a list is refused",
        ),
        // examples, refusals, words
        (
            "profile = \"files-rw\"\nfiles   =",
            "profile = \"files-ro\"\nfiles   =",
            "an example is refused",
        ),
        ("warm = 9", "warm = 8", "it is accepted"),
        (
            "is a number from 0 (off) to 8",
            "is a number from 0 (off) to 9",
            "what is said is",
        ),
        ("Risk: it runs before there is a client.", "", ""),
        (
            "Cost: the memory of a whole server for each. Risk:",
            "",
            "neither its cost nor its risk",
        ),
        (
            "`\"escape-signals\"`. Risk",
            "Risk",
            "the alarm `escape-signals`",
        ),
        // tables
        ("| 8GiB | 2048 |", "| 8GiB | 2047 |", "`browser`: processes"),
        (
            "| `files-ro` | none | required | refused |",
            "| `files-ro` | none | required | allowed |",
            "`files-ro`: files.write",
        ),
        (
            "| `web` | `*:80` `*:443` |",
            "| `web` | `*:443` |",
            "`web`: network",
        ),
        (
            "| `offline` | none | allowed",
            "| `online` | none | allowed",
            "`offline`",
        ),
        ("`/dev/zero` ", "", "every server device"),
        (
            "| on Node | read | `/etc/ssl",
            "| on Node | read | `/etc/x` `/etc/ssl",
            "on Node read",
        ),
        ("| `*:443` | every name |\n", "", "AnyName"),
        ("`npm:zod@4.1.5`", "`npm:zod@4.1.5/x`", "npm:zod@4.1.5/x"),
        ("| `npm:Zod` |", "| `npm:zod` |", "`npm:zod` is accepted"),
        (
            "| `localhost:53` | pinfold's own",
            "| `localhost:53` | another's own",
            "`localhost:53`",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let found = problems(&text.replacen(from, to, 1), &mut checked);
        if says.is_empty() {
            assert!(found.is_empty(), "{from}: {found:#?}");
            continue;
        }
        assert!(
            found.iter().any(|problem| problem.contains(says)),
            "{from}: {says}: {found:#?}"
        );
    }
}
