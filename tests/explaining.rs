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

/// The answers to questions about a server: words and documents, and the code.
fn why(place: &Place, questions: &[&str]) -> (Vec<Value>, String, Option<i32>) {
    let mut words = vec!["explain", "everything"];
    words.extend(questions.iter().flat_map(|question| ["--why", question]));
    let shown = place.run(words.iter().copied());
    words.push("--json");
    let ran = place.run(words);
    assert_eq!(ran.code, shown.code, "{ran:#?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:#?}"));
    let answers = document["why"].as_array().unwrap().clone();
    (answers, shown.stdout, ran.code)
}

#[test]
fn why_answers_what_the_relay_decides() {
    let place = example_with(
        "[servers.everything.grants]
resources = [\"demo://*\"]
prompts = false
[servers.everything.limits]",
    );
    let text = fs::read_to_string(place.manifest()).unwrap();
    let text = text + "ask = [\"add\"]\nlimits = { \"*\" = \"9/min\" }\n";
    fs::write(place.manifest(), text).unwrap();
    for (question, answer, from, says, line) in [
        (
            "tool echo",
            "yes",
            json!({"part": "manifest", "key": "tools.allow.0", "line": 9, "column": 10}),
            "9/min",
            None,
        ),
        (
            "tool add",
            "ask",
            json!({"part": "manifest", "key": "tools.ask.0", "line": 10, "column": 8}),
            "asked about each call",
            None,
        ),
        (
            "tool gone",
            "no",
            json!({"part": "lock"}),
            "no definition of it is locked",
            None,
        ),
        (
            "tool ECHO",
            "no",
            json!({"part": "manifest", "key": "tools.allow", "line": 9, "column": 1}),
            "it has `echo`",
            None,
        ),
        (
            "resource demo://x",
            "yes",
            json!({"part": "manifest", "key": "grants.resources", "line": 5, "column": 1}),
            "pattern",
            None,
        ),
        (
            "resource file:///x",
            "no",
            json!({"part": "manifest", "key": "grants.resources", "line": 5, "column": 1}),
            "no pattern",
            Some("resources = [\"demo://*\", \"file:///x\"]"),
        ),
        (
            "prompt greet",
            "no",
            json!({"part": "manifest", "key": "grants.prompts", "line": 6, "column": 1}),
            "no prompt",
            Some("prompts = [\"greet\"]"),
        ),
        (
            "method sampling/createMessage",
            "no",
            json!({"part": "manifest", "key": "grants.sampling", "line": null, "column": null}),
            "at your cost",
            Some("sampling = true"),
        ),
        (
            "method elicitation/create",
            "no",
            json!({"part": "manifest", "key": "grants.elicitation", "line": null, "column": null}),
            "not granted",
            Some("elicitation = \"form\""),
        ),
        (
            "method vendor/x",
            "no",
            json!({"part": "manifest", "key": "grants.methods", "line": null, "column": null}),
            "nothing names it",
            Some("methods = [\"vendor/x\"]"),
        ),
        (
            "method tasks/get",
            "no",
            json!({"part": "manifest", "key": "grants.tasks", "line": null, "column": null}),
            "not granted",
            Some("tasks = true"),
        ),
        (
            "method tasks/list",
            "no",
            json!({"part": "pinfold"}),
            "no grant lets it pass",
            None,
        ),
        (
            "method tools/call",
            "yes",
            json!({"part": "default"}),
            "each tool is judged",
            None,
        ),
        (
            "env LANG",
            "yes",
            json!({"part": "default"}),
            "every server",
            None,
        ),
        (
            "env TOKEN",
            "no",
            json!({"part": "manifest", "key": "env.TOKEN", "line": null, "column": null}),
            "pinfold secret set",
            Some("env.TOKEN = { from = \"TOKEN\" }"),
        ),
        (
            "env LD_PRELOAD",
            "no",
            json!({"part": "pinfold"}),
            "can't be granted: `LD_PRELOAD` is never",
            None,
        ),
        (
            "syscall read",
            "yes",
            json!({"part": "base"}),
            "lets it through",
            None,
        ),
        (
            "syscall ptrace",
            "no",
            json!({"part": "base"}),
            "EPERM",
            None,
        ),
        ("run", "no", json!({"part": "lock"}), "", None),
    ] {
        let (answers, shown, code) = why(&place, &[question]);
        let found = &answers[0];
        assert_eq!(found["answer"], answer, "{question}: {found:#}");
        assert_eq!(found["question"], question);
        assert_eq!(found["from"], from, "{question}: {found:#}");
        assert_eq!(code, Some(if answer == "no" { 1 } else { 0 }), "{question}");
        assert!(
            shown.starts_with(&format!("{answer}: ")),
            "{question}: {shown}"
        );
        assert!(shown.contains(says), "{question}: {shown}");
        let proposed = found["change"]["lines"][0]["text"].as_str();
        assert_eq!(proposed, line, "{question}: {found:#}");
        if let Some(line) = line {
            assert!(shown.contains(line), "{question}: {shown}");
            assert!(
                shown.contains("then run `pinfold lock everything`"),
                "{shown}"
            );
        }
    }
    let (answers, _, code) = why(&place, &["tool echo", "tool add"]);
    assert_eq!((answers.len(), code), (2, Some(0)));
    let (answers, shown, code) = why(&Place::example(), &["tool add"]);
    let line = &answers[0]["change"]["lines"][0]["text"];
    assert_eq!(
        (line, code),
        (&json!("allow = [\"echo\", \"gone\", \"add\"]"), Some(1)),
        "{shown}"
    );
    let (answers, _, code) = why(&place, &["tool echo", "tool nothing"]);
    assert_eq!((answers.len(), code), (2, Some(1)));
}

#[test]
fn why_warns_of_what_is_dangerous_and_proposes_nothing_that_is_refused() {
    let place = Place::example();
    let home = place.path().join("home");
    for folder in [".ssh", "documents"] {
        fs::create_dir_all(home.join(folder)).unwrap();
    }
    fs::write(home.join(".ssh/id"), "").unwrap();
    let store = home.join(".local/share/pinfold").display().to_string();
    for (question, line, says) in [
        (
            "read ~/.ssh/id",
            Some("files.read = [\"~/.ssh/id\"]"),
            "careful: ~/.ssh holds keys",
        ),
        (
            "read ~/documents",
            Some("files.read = [\"~/documents\"]"),
            "",
        ),
        (
            "read ~/documents/missing",
            Some("files.read = [\"~/documents\"]"),
            "there is no such file now",
        ),
        ("read ~/.config", None, "can't be granted: "),
        ("read /", None, "the whole machine is too much"),
        (&format!("write {store}"), None, "holds pinfold's own files"),
        (
            "write ~/.config/pinfold/pinfold.toml",
            None,
            "holds pinfold's own files",
        ),
        (
            "connect api.example.com:443",
            Some("profile = \"web\""),
            "egress = [\"api.example.com:443\"]",
        ),
        (
            "connect 169.254.169.254:80",
            Some("profile = \"web\""),
            "careful: there clouds answer",
        ),
        (
            "connect 198.18.0.1:80",
            None,
            "reserved in the box for names",
        ),
        (
            "connect /run/docker.sock",
            None,
            "no server may use UNIX sockets",
        ),
        (
            "execute sh",
            Some("exec = [\"sh\"]"),
            "careful: `sh` runs whatever",
        ),
        (
            "execute no-such-program",
            None,
            "there is no program of this name",
        ),
    ] {
        let (answers, shown, code) = why(&place, &[question]);
        assert_eq!(
            (&answers[0]["answer"], code),
            (&json!("no"), Some(1)),
            "{question}: {shown}"
        );
        let proposed = answers[0]["change"]["lines"][0]["text"].as_str();
        assert_eq!(proposed, line, "{question}: {shown}");
        assert!(shown.contains(says), "{question}: {shown}");
    }
}

#[test]
fn why_of_a_list_that_a_profile_has_keeps_what_it_allows() {
    let place = example_with("profile = \"web\"");
    let (answers, shown, _) = why(&place, &["connect a.test:22", "connect b.test:443"]);
    let line = "egress = [\"*:80\", \"*:443\", \"a.test:22\"]";
    assert_eq!(answers[0]["change"]["lines"][0]["text"], line, "{shown}");
    assert_eq!(answers[1]["answer"], "yes");
    assert_eq!(
        answers[1]["from"],
        json!({"part": "profile", "name": "web"})
    );
}

#[test]
fn why_that_is_not_understood_is_a_mistake_of_usage() {
    let place = Place::example();
    for question in ["eat x", "connect a.test", "read", "syscall nothing"] {
        let ran = place.run(["explain", "everything", "--why", question]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
        assert!(ran.stderr.contains("read PATH, write PATH"), "{ran:#?}");
    }
}
