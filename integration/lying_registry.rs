//! A registry that lies or fails, in every way: a clear refusal or another try, never a wrong
//! install. Each row is one way, and its control is the same registry when it stops.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use crate::support::{Fault, Home, Package, Ran, Registry, integrity, say};

/// More often than anybody asks.
const ALWAYS: usize = 1000;

/// What a lie must come to.
enum Comes {
    /// Nothing is installed; the exit code, and words that say what is wrong.
    Refused(i32, &'static str),
    /// It was asked again, and the right bytes are installed.
    Right,
}
use Comes::{Refused, Right};

fn right() -> Package {
    Package::server("tool", "1.0.0")
}

/// The right package, published otherwise.
fn published(edit: impl FnOnce(&mut Package)) -> Package {
    let mut package = right();
    edit(&mut package);
    package
}

fn evil() -> Package {
    Package::speaking("tool", "1.0.0", "'evil'")
}

/// A documentation address: nobody is there, and nobody must be asked.
fn elsewhere() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 80))
}

type Lie = (&'static str, fn(&Registry), Comes);

fn lies() -> Vec<Lie> {
    vec![
        (
            "other bytes",
            |r| {
                r.publish(published(|p| {
                    p.integrity = Some(Some(integrity(&p.bytes())));
                    p.tarball = Some(evil().bytes());
                }));
            },
            Refused(1, "not what was published"),
        ),
        (
            "other integrity for the right bytes",
            |r| r.publish(published(|p| p.integrity = Some(Some(integrity(b"other"))))),
            Refused(1, "not what was published"),
        ),
        (
            "one integrity for npm, another for us",
            |r| r.fail_for("npm/", "/tool", Fault::Instead(vec![evil()]), ALWAYS),
            Refused(1, "npm was told the digest"),
        ),
        (
            "no integrity",
            |r| r.publish(published(|p| p.integrity = Some(None))),
            Refused(4, "no published sha512 digest"),
        ),
        (
            "only a weak integrity",
            |r| {
                let sha1 = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=".to_owned();
                r.publish(published(|p| p.integrity = Some(Some(sha1))));
            },
            Refused(4, "no published sha512 digest"),
        ),
        (
            "a version that npm sees and we don't",
            |r| {
                let other = Package::server("tool", "1.0.1");
                r.fail_for(
                    "npm/",
                    "/tool",
                    Fault::Instead(vec![right(), other]),
                    ALWAYS,
                );
            },
            Refused(4, "does not offer tool@1.0.1"),
        ),
        (
            "a version that was unpublished meanwhile",
            |r| {
                let other = Package::server("tool", "0.9.0");
                r.fail_for("pinfold/", "/tool", Fault::Instead(vec![other]), ALWAYS);
            },
            Refused(4, "does not offer tool@1.0.0"),
        ),
        (
            "a package that was unpublished meanwhile",
            |r| r.fail_for("pinfold/", "/tool", Fault::Status(404), ALWAYS),
            Refused(4, "no such package: tool"),
        ),
        (
            "a tarball that is gone",
            |r| r.fail(".tgz", Fault::Status(404), ALWAYS),
            Refused(4, "status 404"),
        ),
        (
            "a document about another package",
            |r| {
                let other = Package::server("other", "1.0.0");
                r.fail_for("pinfold/", "/tool", Fault::Instead(vec![other]), ALWAYS);
            },
            Refused(4, "about another package"),
        ),
        (
            "a page of somebody's network in place of documents",
            |r| r.fail("/tool", Fault::Garbage, ALWAYS),
            Refused(4, "npm failed"),
        ),
        (
            "such a page only for us",
            |r| r.fail_for("pinfold/", "/tool", Fault::Garbage, ALWAYS),
            Refused(4, "can't be read"),
        ),
        (
            "such a page in place of the tarball",
            |r| r.fail(".tgz", Fault::Garbage, ALWAYS),
            Refused(1, "not what was published"),
        ),
        (
            "a redirect to plain http elsewhere, of the document",
            |r| r.fail_for("pinfold/", "/tool", Fault::Redirect(elsewhere()), ALWAYS),
            Refused(4, "redirects to http://192.0.2.1/tool, which is plain http"),
        ),
        (
            "a redirect to plain http elsewhere, of the tarball",
            |r| r.fail(".tgz", Fault::Redirect(elsewhere()), ALWAYS),
            Refused(4, "which is plain http"),
        ),
        (
            "a document that never ends, for npm",
            |r| r.fail_for("npm/", "/tool", Fault::Huge(700), ALWAYS),
            Refused(4, "npm failed"),
        ),
        (
            "a document that never ends, for us",
            |r| r.fail_for("pinfold/", "/tool", Fault::Huge(200), ALWAYS),
            Refused(4, "is larger than the 128 MiB"),
        ),
        (
            "a tarball of a terabyte",
            |r| r.fail(".tgz", Fault::Announced(1 << 40), ALWAYS),
            Refused(4, "is larger than the 512 MiB"),
        ),
        (
            "slow answers",
            |r| r.fail("/tool", Fault::Slow(Duration::from_millis(1200)), ALWAYS),
            Right,
        ),
        // npm does not try again after half an answer.
        (
            "a document that stalls for npm",
            |r| r.fail_for("npm/", "/tool", Fault::Stall, 1),
            Refused(4, "npm can't reach 127.0.0.1 (EIDLETIMEOUT)"),
        ),
        (
            "a document that stalls for us, once",
            |r| r.fail_for("pinfold/", "/tool", Fault::Stall, 1),
            Right,
        ),
        (
            "a tarball that stalls, always",
            |r| r.fail(".tgz", Fault::Stall, ALWAYS),
            Refused(4, "broke off or stalled (4 attempts)"),
        ),
        (
            "500 for npm, once",
            |r| r.fail_for("npm/", "/tool", Fault::Status(500), 1),
            Right,
        ),
        (
            "500 for us, once",
            |r| r.fail_for("pinfold/", "/tool", Fault::Status(500), 1),
            Right,
        ),
        (
            "503 for the tarball, twice",
            |r| r.fail(".tgz", Fault::Status(503), 2),
            Right,
        ),
        (
            "500 for npm, always",
            |r| r.fail_for("npm/", "/tool", Fault::Status(500), ALWAYS),
            Refused(4, "E500"),
        ),
        (
            "500 for us, always",
            |r| r.fail_for("pinfold/", "/tool", Fault::Status(500), ALWAYS),
            Refused(4, "status 500 (4 attempts)"),
        ),
        (
            "500 for the tarball, always",
            |r| r.fail(".tgz", Fault::Status(500), ALWAYS),
            Refused(4, "status 500 (4 attempts)"),
        ),
        (
            "a tarball cut short, once",
            |r| r.fail(".tgz", Fault::Cut, 1),
            Right,
        ),
        (
            "a tarball cut short, always",
            |r| r.fail(".tgz", Fault::Cut, ALWAYS),
            Refused(4, "broke off or stalled (4 attempts)"),
        ),
        (
            "a document cut short for us, once",
            |r| r.fail_for("pinfold/", "/tool", Fault::Cut, 1),
            Right,
        ),
        (
            "a document cut short for npm, always",
            |r| r.fail_for("npm/", "/tool", Fault::Cut, ALWAYS),
            Refused(4, "npm "),
        ),
    ]
}

/// `pinfold add`, with a registry that has two seconds for each answer.
fn add(home: &Home, registry: &Registry) -> Ran {
    let mut add = registry.pinfold(home, ["add", "tool", "npm:tool", "--allow-all"]);
    Ran::of(add.env("npm_config_fetch_timeout", "2000"))
}

fn nothing_was_kept(home: &Home, lie: &str) {
    assert!(!home.manifest().exists() && !home.lock().exists(), "{lie}");
    for folder in ["trees", "staging"] {
        let left = fs::read_dir(home.store().join(folder)).unwrap().count();
        assert_eq!(left, 0, "{lie}: {folder}");
    }
}

fn try_out((lie, tell, comes): Lie) {
    let home = Home::new();
    let registry = Registry::new([right()]);
    tell(&registry);
    let ran = add(&home, &registry);
    match comes {
        Refused(code, words) => {
            assert_eq!(ran.code, Some(code), "{lie}: {ran:#?}");
            assert!(
                ran.stderr.contains(words),
                "{lie}: no `{words}` in {ran:#?}"
            );
            nothing_was_kept(&home, lie);
            // Control: the same when it tells the truth.
            registry.mend();
            registry.publish(right());
            let ran = add(&home, &registry);
            assert_eq!(ran.code, Some(0), "{lie}: {ran:#?}");
        }
        Right => assert_eq!(ran.code, Some(0), "{lie}: {ran:#?}"),
    }
    assert_eq!(say(&mut home.client("tool")), "tool@1.0.0", "{lie}");
}

#[test]
fn every_lie_is_refused_or_outlived() {
    let lies = lies();
    let (count, mut queue) = (lies.len(), lies);
    assert!(count > 30);
    // Most of them wait, so three at a time.
    let mut wrong = Vec::new();
    while !queue.is_empty() {
        let now = queue.split_off(queue.len().saturating_sub(3));
        std::thread::scope(|scope| {
            let running: Vec<_> = now
                .into_iter()
                .map(|lie| (lie.0, scope.spawn(|| try_out(lie))))
                .collect();
            let ended = running.into_iter().map(|(lie, one)| (lie, one.join()));
            wrong.extend(
                ended
                    .filter(|(_, ended)| ended.is_err())
                    .map(|(lie, _)| lie),
            );
        });
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What was locked is had again from a registry that has something else of that name now.
#[test]
fn a_version_that_moved_is_no_longer_what_was_locked() {
    for (what, change) in [
        (
            "other bytes that fit",
            (|r| r.publish(evil())) as fn(&Registry),
        ),
        ("unpublished", |r| r.unpublish("tool", "1.0.0")),
        ("no digest", |r| {
            r.publish(published(|p| {
                p.integrity = Some(None);
                p.tarball = Some(evil().bytes());
            }));
        }),
    ] {
        let (home, registry) = (Home::new(), Registry::new([right()]));
        assert_eq!(add(&home, &registry).code, Some(0));
        let agreed = fs::read(home.lock()).unwrap();
        home.remove_store();
        change(&registry);
        for command in ["fetch", "lock"] {
            let ran = registry.run(&home, [command]);
            assert!(matches!(ran.code, Some(1 | 4)), "{what}: {ran:#?}");
        }
        assert_eq!(fs::read(home.lock()).unwrap(), agreed, "{what}");
        let mut client = home.client("tool");
        let answer = client.request("initialize", json!({"protocolVersion": "2025-11-25"}));
        assert!(answer["error"].is_object(), "{what}: {answer}");
        drop(client);
        // Control: what was locked is there again.
        registry.publish(right());
        assert_eq!(registry.run(&home, ["fetch"]).code, Some(0), "{what}");
        assert_eq!(say(&mut home.client("tool")), "tool@1.0.0");
    }
}
