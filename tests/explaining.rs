//! `explain` of a server whose code isn't here: what it would be allowed is known all the same.

use std::fs;

use serde_json::{Value, json};

use crate::place::{EXAMPLE, Place};

#[test]
fn of_a_server_that_was_not_fetched() {
    let place = Place::example();
    let ran = place.run(["explain", "everything", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["profile"]["name"], "offline", "{document:#}");
    assert_eq!(document["tools"], serde_json::json!(["echo", "gone"]));
    assert_eq!(document["manifest"]["line"], 1);
    assert_eq!(document["would_start"], false);
    let shown = place.run(["explain", "everything"]);
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    assert!(shown.stdout.contains("would be refused: "), "{shown:#?}");
    assert!(
        shown
            .stdout
            .contains("tools     echo gone (manifest, line 5)"),
        "{shown:#?}"
    );
}

/// A repository's manifest can be looked at before it is trusted.
#[test]
fn of_a_manifest_that_is_not_trusted() {
    let place = Place::example();
    let folder = place.path().join("repository");
    fs::create_dir(&folder).unwrap();
    for file in ["pinfold.toml", "pinfold.lock"] {
        fs::copy(place.manifest().with_file_name(file), folder.join(file)).unwrap();
    }
    let manifest = folder.join("pinfold.toml");
    let words = [
        "--manifest",
        manifest.to_str().unwrap(),
        "explain",
        "everything",
    ];
    let ran = place.run(words);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stdout
            .contains("was not trusted in its present content"),
        "{ran:#?}"
    );
}

/// The example with these lines in its table.
fn example_with(lines: &str) -> Place {
    let place = Place::example();
    let text = EXAMPLE.replace(
        "[servers.everything.tools]",
        &format!("{lines}\n[servers.everything.tools]"),
    );
    fs::write(place.manifest(), text).unwrap();
    place
}

#[test]
fn of_what_may_be_reached() {
    let place = example_with(
        "profile = \"web\"
egress = [
    \"b.test:443\",
    \"*.A.test:8443\",
]
tls_server_name = \"off\"
limits = { connections = 7, egress = \"1GiB\" }",
    );
    let ran = place.run(["explain", "everything", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let line = |line| json!({"part": "manifest", "line": line});
    assert_eq!(
        document["network"],
        json!({
            "tier": "names",
            "egress": [
                {"entry": "b.test:443", "from": line(6)},
                {"entry": "*.a.test:8443", "from": line(7)},
            ],
            "ports": [443, 8443],
            "check_server_name": false,
            "own_sockets": false,
            "from": line(5),
        })
    );
    let numbers = document["numbers"].as_array().unwrap();
    for (name, value) in [("connections", 7), ("egress", 1_u64 << 30)] {
        let found = json!({"name": name, "value": value, "from": line(10)});
        assert!(numbers.contains(&found), "{numbers:#?}");
    }
    let limitations = document["limitations"].to_string();
    for word in ["can be reached", "UDP"] {
        assert!(!limitations.contains(word), "{limitations}");
    }
    let shown = place.run(["explain", "everything"]).stdout;
    let row = |part: &str| {
        let row = shown.lines().find(|line| line.contains(part));
        row.unwrap_or_else(|| panic!("{part}: {shown}"))
    };
    for (part, from) in [
        ("  b.test:443", "manifest, line 6"),
        ("  *.a.test:8443", "manifest, line 7"),
        ("  names: held by name", "by default"),
        (
            "  the server name of TLS is not looked at",
            "manifest, line 9",
        ),
        ("  connections at one time: 7", "manifest, line 10"),
        (
            "  to and from the network in a session: 1.00 GiB",
            "manifest, line 10",
        ),
    ] {
        assert!(row(part).ends_with(from), "{part}: {shown}");
    }
}

#[test]
fn of_what_is_not_limited() {
    for (lines, shows, hides) in [
        (
            "profile = \"web\"",
            &[
                "*:80",
                "*:443",
                "profile web",
                "any public host can be reached at ports 80 and 443",
            ][..],
            &["UDP is not limited", "held by port"][..],
        ),
        (
            "profile = \"web\"\negress = []",
            &["  no host"],
            &["any public host", "*:443"],
        ),
        (
            "profile = \"web\"\negress_tier = \"ports\"",
            &[
                "ports: held by port alone",
                "only ports are limited",
                "UDP is not limited",
            ],
            &["server name of TLS", "connections at one time"],
        ),
        ("", &["  none"], &["connections at one time", "held by"]),
    ] {
        let ran = example_with(lines).run(["explain", "everything"]);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        for part in shows {
            assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
        }
        for part in hides {
            assert!(!ran.stdout.contains(part), "{part}: {}", ran.stdout);
        }
    }
}

#[test]
fn of_what_cannot_be() {
    for (manifest, says) in [
        (
            EXAMPLE.replace(
                "[servers.everything.tools]",
                "profile = \"all\"\n[servers.everything.tools]",
            ),
            "there is no profile `all`",
        ),
        (
            EXAMPLE.replace(
                "[servers.everything.tools]",
                "profile = \"files-ro\"\n[servers.everything.tools]",
            ),
            "`files.read`: name",
        ),
        (
            EXAMPLE.replace(
                "[servers.everything.tools]",
                "limits.egress = 1\n[servers.everything.tools]",
            ),
            "the profile `offline` has no network, so it goes with no `limits.egress`",
        ),
        (
            EXAMPLE.replace(
                "[servers.everything.tools]",
                "profile = \"web\"\nlayers.namespaces = \"off\"\n[servers.everything.tools]",
            ),
            "accept `egress_tier = \"ports\"`",
        ),
        (
            EXAMPLE.replace(
                "[servers.everything.tools]",
                "profile = \"web\"\negress_tier = \"ports\"\nlimits.connections = 1\n[servers.everything.tools]",
            ),
            "`limits.connections` can't be enforced with `egress_tier = \"ports\"`",
        ),
        (
            EXAMPLE.replace("everything", "other"),
            "there is no server `everything`",
        ),
    ] {
        let place = Place::example();
        fs::write(place.manifest(), manifest).unwrap();
        let ran = place.run(["explain", "everything"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
        assert!(ran.stderr.contains(says), "{ran:#?}");
    }
}

/// What is granted beyond tools is shown with its line; what nobody granted is not there.
#[test]
fn of_what_a_server_may_ask_of_its_client() {
    let place = Place::example();
    let shown = place.run(["explain", "everything"]);
    assert!(!shown.stdout.contains("\nprotocol\n"), "{shown:#?}");
    let document = |place: &Place| -> Value {
        let ran = place.run(["explain", "everything", "--json"]);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let before = document(&place);
    assert_eq!(
        before["protocol"]["sampling"],
        json!({"value": false, "from": null})
    );
    let manifest = fs::read_to_string(place.manifest()).unwrap();
    let line = manifest.lines().count() + 2;
    let grants = "[servers.everything.grants]\nelicitation = \"url\"\nprompts = [\"greet*\"]\n";
    fs::write(place.manifest(), manifest + grants).unwrap();
    let shown = place.run(["explain", "everything"]).stdout;
    for (words, line) in [
        (
            "may ask the user in forms and have web pages opened (elicitation)",
            line,
        ),
        ("prompts that match greet* only", line + 1),
    ] {
        let found = shown.lines().any(|shown| {
            shown.contains(words) && shown.ends_with(&format!("manifest, line {line}"))
        });
        assert!(found, "{words} {line}: {shown}");
    }
    let after = document(&place);
    assert_eq!(after["protocol"]["elicitation"]["value"], "url");
    assert_eq!(after["protocol"]["prompts"]["from"]["line"], line + 1);
    assert_ne!(after["policy"]["digest"], before["policy"]["digest"]);
}
