//! An index that lies and wheels with a trick in them are refused, and nothing stays behind. Each
//! ends with its control: the same without the trick is installed and answers.

use serde_json::json;

use crate::support::index::{Index, Offered, Wheel, uv};
use crate::support::{Home, say, skip};

fn left(home: &Home) -> Vec<std::path::PathBuf> {
    ["trees", "staging"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(home.store().join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect()
}

/// `pinfold add` refuses what the index offers as `trick` and says all of `reason`.
fn refused(trick: impl IntoIterator<Item = Offered>, reason: &[&str]) {
    if let Err(reason) = uv() {
        return skip("hostile_wheels", &reason);
    }
    let home = Home::new();
    let index = Index::new(trick);
    let add = ["add", "server", "pypi:trick", "--allow-all"];
    let ran = index.run(&home, add).unwrap();
    assert!(matches!(ran.code, Some(1 | 4)), "{ran:#?}");
    for words in reason {
        assert!(ran.stderr.contains(words), "no `{words}` in {ran:#?}");
    }
    assert!(!ran.stderr.contains("secret"), "{ran:#?}");
    assert!(left(&home).is_empty(), "{:?}", left(&home));

    let control = Index::new([
        Wheel::server("trick").offered(),
        Wheel::new("other", "1.0").offered(),
    ]);
    let ran = control.run(&home, add).unwrap();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(say(&mut home.client("server")), "hello from a wheel");
}

fn server() -> Wheel {
    Wheel::server("trick")
}

#[test]
fn another_hash() {
    let mut other = server().offered();
    other.sha256 = Some("0".repeat(64));
    refused([other], &["not what was published"]);
}

#[test]
fn record_without_a_file() {
    let mut wheel = server();
    wheel.record = |record| {
        let kept = record.lines().filter(|line| !line.contains("_server.py"));
        kept.map(|line| format!("{line}\n")).collect()
    };
    refused(
        [wheel.offered()],
        &["`trick 1.0` was refused", "not in its RECORD"],
    );
}

#[test]
fn record_with_another_hash() {
    let mut wheel = server();
    wheel.record = |record| record.replace("_server.py,sha256=", "_server.py,sha256=A");
    refused([wheel.offered()], &["`trick 1.0` was refused", "RECORD"]);
}

#[test]
fn record_with_a_file_that_is_not_there() {
    let mut wheel = server();
    wheel.record = |record| record.replace("trick_server.py", "elsewhere.py");
    refused(
        [wheel.offered()],
        &["`elsewhere.py` is in its RECORD and not in the wheel"],
    );
}

#[test]
fn files_outside_and_links() {
    let outside = server().file("../../../planted.py", "x");
    refused([outside.offered()], &["`trick 1.0` was refused"]);
    let link = server().member("door", "/etc", 0o120_777);
    refused([link.offered()], &["links are not accepted"]);
}

#[test]
fn two_wheels_that_clash() {
    let needing = server().needs("other").offered();
    let other = Wheel::new("other", "1.0").file("trick_server.py", "evil");
    refused(
        [needing, other.offered()],
        &["there already from another wheel"],
    );
}

#[test]
fn source_alone() {
    let mut source = server().offered();
    source.name = "trick-1.0.tar.gz".to_owned();
    refused([source], &["source only", "would run its code"]);
}

#[test]
fn another_platform() {
    let mut wheel = server();
    wheel.tag = "cp311-cp311-win_amd64".to_owned();
    refused([wheel.offered()], &["trick"]);
}

#[test]
fn too_young_and_withdrawn() {
    let mut young = server().offered();
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    young.more = json!({"upload-time": now});
    refused([young], &["younger than 72h"]);
    let mut timeless = server().offered();
    timeless.more = json!({"upload-time": null});
    refused([timeless], &["does not say when trick was published"]);
}

#[test]
fn yanked_only_when_it_is_asked_for() {
    if let Err(reason) = uv() {
        return skip("hostile_wheels::yanked", &reason);
    }
    let mut yanked = server().offered();
    yanked.more = json!({"yanked": "it was broken"});
    let home = Home::new();
    let index = Index::new([yanked]);
    let ran = index
        .run(&home, ["add", "server", "pypi:trick", "--allow-all"])
        .unwrap();
    assert!(matches!(ran.code, Some(1 | 4)), "{ran:#?}");
    let exact = ["add", "server", "pypi:trick==1.0", "--allow-all"];
    let ran = index.run(&home, exact).unwrap();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("it was broken"), "{ran:#?}");
    assert_eq!(say(&mut home.client("server")), "hello from a wheel");
}

/// The password of an index goes to that index, and nowhere else.
#[test]
fn a_password_is_sent_and_never_shown() {
    if let Err(reason) = uv() {
        return skip("hostile_wheels::password", &reason);
    }
    let home = Home::new();
    let index = Index::new([server().offered()]);
    let ran = index
        .run(&home, ["add", "server", "pypi:trick", "--allow-all"])
        .unwrap();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let sent = index.authorizations();
    // ada:secret@
    assert!(
        sent.contains(&Some("Basic YWRhOnNlY3JldEA=".to_owned())),
        "{sent:?}"
    );
    let lock = std::fs::read_to_string(home.lock()).unwrap();
    for text in [&lock, &ran.stderr, &ran.stdout] {
        assert!(!text.contains("secret") && !text.contains("ada"), "{text}");
    }
    // A tree that is lost is had again, the same.
    home.remove_store();
    let ran = index.run(&home, ["fetch"]).unwrap();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    home.succeed(["verify"]);
    index.publish(Wheel::server("trick").file("more.py", "").offered());
    home.remove_store();
    let ran = index.run(&home, ["fetch"]).unwrap();
    assert!(ran.stderr.contains("not what was published"), "{ran:#?}");
}

/// A document that the index serves below `/files/`.
fn document(name: &str, bytes: &[u8]) -> Offered {
    Offered {
        name: name.to_owned(),
        project: String::new(),
        bytes: bytes.to_vec(),
        sha256: None,
        more: json!({}),
    }
}

/// What PyPI published about another file.
const ATTESTED: &[u8] = include_bytes!(
    "../src/provenance/recorded/pypi-circleci_sign_publish_example-0.0.1.dev137.json"
);

#[test]
fn attestations_of_another_file() {
    let mut wheel = server().offered();
    wheel.more = json!({"provenance": "/files/attested"});
    refused(
        [wheel, document("attested", ATTESTED)],
        &["trick-1.0-py3-none-any.whl does not hold"],
    );
}

#[test]
fn attestations_that_are_not_there() {
    let mut wheel = server().offered();
    wheel.more = json!({"provenance": "/files/attested"});
    refused(
        [wheel],
        &[
            "attestations of trick-1.0-py3-none-any.whl can't be had",
            "404",
        ],
    );
}

#[test]
fn a_wheel_that_lost_its_provenance_is_not_locked_again() {
    let (home, index) = (Home::new(), Index::new([server().offered()]));
    let added = match index.run(&home, ["add", "server", "pypi:trick", "--allow-all"]) {
        Ok(ran) => ran,
        Err(reason) => return skip("hostile_wheels", &reason),
    };
    assert_eq!(added.code, Some(0), "{added:#?}");
    let manifest = std::fs::read_to_string(home.manifest()).unwrap();
    let exactly = manifest.replace("pypi:trick\"", "pypi:trick==1.0\"");
    assert_ne!(exactly, manifest);
    std::fs::write(home.manifest(), &exactly).unwrap();
    let lock = std::fs::read_to_string(home.lock()).unwrap();
    let build = "https://github.com/org/repo@.github/workflows/release.yml via https://token.actions.githubusercontent.com";
    let had = lock.replacen(
        "\"provenance\": \"absent\"",
        &format!("\"provenance\": \"{build}\""),
        1,
    );
    assert_ne!(had, lock);
    std::fs::write(home.lock(), &had).unwrap();
    let ran = index.run(&home, ["lock"]).unwrap();
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr.contains("trick@1.0 has no provenance any more"),
        "{ran:#?}"
    );
    assert_eq!(std::fs::read_to_string(home.lock()).unwrap(), had);
    // The control: one that had none.
    std::fs::write(home.lock(), &lock).unwrap();
    let ran = index.run(&home, ["lock"]).unwrap();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}
