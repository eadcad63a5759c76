//! What is in the log, and what never is.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::json;

use super::{folder, neutralise, of_kind, puppet, records, says};
use crate::support::{Client, Home};

#[test]
fn a_session_of_a_moment_has_used_memory() {
    let home = puppet("");
    home.client("puppet").close();
    let records = records(&home);
    let [end] = of_kind(&records, "session_end")[..] else {
        panic!("{records:#?}");
    };
    assert!(end["peak_memory"].as_u64().unwrap() > 1 << 20, "{end}");
}

#[test]
fn a_session_from_its_start_to_its_end() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let home = puppet("");
    let mut client = home.client("puppet");
    client.initialize();
    assert_eq!(client.call_text("do", says("return 1")), "ok: 1");
    client.call("nope", json!({}));
    let params =
        json!({"name": "do", "arguments": {"code": "return 2"}, "_meta": {"traceparent": TRACE}});
    client.request("tools/call", params);
    client.request("no/such/method", json!({}));
    // Ended in the middle of a call.
    client.ask(
        7,
        "tools/call",
        json!({"name": "do", "arguments": says("time.sleep(60)")}),
    );
    std::thread::sleep(Duration::from_millis(300));
    client.close();

    let records = records(&home);
    let [added] = of_kind(&records, "policy_change")[..] else {
        panic!("{records:#?}");
    };
    assert_eq!(
        (&added["command"], &added["servers"]),
        (&json!("add"), &json!(["puppet"]))
    );
    let [start] = of_kind(&records, "session_start")[..] else {
        panic!("{records:#?}");
    };
    assert_eq!(start["server"], "puppet");
    assert_eq!(start["lock"], added["lock_after"]);
    for key in ["tree", "manifest", "lock"] {
        assert!(
            start[key].as_str().unwrap().starts_with("sha256:"),
            "{start}"
        );
    }
    let names = |key: &str| start[key].as_array().unwrap().len();
    assert_eq!(names("layers") + names("missing"), 12, "{start}");
    assert_eq!(start["client"]["pid"], std::process::id());
    let session = &start["session"];
    let calls = of_kind(&records, "call");
    let said: Vec<_> = calls
        .iter()
        .map(|call| {
            assert_eq!(&call["session"], session);
            (
                call["tool"].as_str().unwrap(),
                call["decision"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("do", "allow"),
            ("nope", "deny"),
            ("do", "allow"),
            ("do", "allow")
        ]
    );
    // RFC 8785 by hand.
    let digest = pinfold::lockfile::Digest::of(br#"{"code":"return 1"}"#).to_string();
    assert_eq!(calls[0]["arguments"], digest);
    assert_eq!(calls[2]["trace"], TRACE);
    let ends: Vec<_> = of_kind(&records, "call_end")
        .iter()
        .map(|end| {
            (
                end["call"].as_u64().unwrap(),
                end["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(ends, [(1, "ok"), (3, "ok"), (4, "none")]);
    let [event] = of_kind(&records, "event")[..] else {
        panic!("{records:#?}");
    };
    assert_eq!(event["what"], "request_refused");
    let [end] = of_kind(&records, "session_end")[..] else {
        panic!("{records:#?}");
    };
    assert_eq!(
        (&end["calls"], &end["denied"], &end["how"]),
        (&json!(3), &json!(1), &json!("client_closed"))
    );
    assert!(end["peak_memory"].as_u64().unwrap() > 0, "{end}");
    // The same through the filters.
    let denied = home.succeed(["log", "--denied"]).stdout;
    assert_eq!(denied.lines().count(), 2, "{denied}");
    let calls = home
        .succeed(["log", "--server", "puppet", "--kind", "call"])
        .stdout;
    assert_eq!(calls.lines().count(), 4, "{calls}");
    assert_eq!(
        home.succeed(["log", "--since", "1s", "--server", "other"])
            .stdout,
        ""
    );
    assert_eq!(home.run(["log", "--since", "soon"]).code, Some(2));
}

#[test]
fn no_values_unless_they_are_wanted_and_secrets_never() {
    const SECRETS: [&str; 3] = ["t0ken-of-the-server", "argument-v4lue", "w1thheld-value"];
    let run = |home: &Home| {
        let mut command = home.pinfold(["run", "puppet"]);
        command.env("MY_TOKEN", SECRETS[0]).env("OTHER", SECRETS[2]);
        let mut client = Client::start(&mut command);
        client.initialize();
        let code = format!(
            "return [os.environ['API_TOKEN'][::-1], '{}', '{}']",
            SECRETS[1], SECRETS[0]
        );
        let answer = client.call_text("do", says(&code));
        // The control: it has them all.
        let backwards: String = SECRETS[0].chars().rev().collect();
        assert!(
            answer.contains(&backwards) && answer.contains(SECRETS[1]),
            "{answer}"
        );
        client.call(SECRETS[0], says(SECRETS[1]));
        client.request(SECRETS[0], json!({"value": SECRETS[1]}));
        client.send(&format!("{{\"jsonrpc\":\"2.0\",\"id\":\"{}\"", SECRETS[0]));
        client.send(&json!({"jsonrpc": "2.0", "id": SECRETS[0], "result": {}}).to_string());
        client.close();
        let records = records(home);
        assert!(
            of_kind(&records, "session_start")[0]["withheld"]
                .to_string()
                .contains("OTHER")
        );
        // As it is in the files, not as it is shown.
        fs::read_dir(folder(home))
            .unwrap()
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect::<String>()
    };
    let env = "env = { API_TOKEN = { from = \"MY_TOKEN\" } }";
    let home = puppet(env);
    let log = run(&home);
    for secret in SECRETS {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    assert!(log.contains("\"tool\":\"[redacted: API_TOKEN]\""), "{log}");

    let text = fs::read_to_string(home.manifest()).unwrap();
    let settings = "[settings]\naudit = { arguments = \"redacted\" }\n";
    fs::write(home.manifest(), format!("{settings}{text}")).unwrap();
    let log = run(&home);
    // Switched on: arguments, but not the values of the server's secrets.
    assert!(log.contains(SECRETS[1]), "{log}");
    assert!(
        !log.contains(SECRETS[0]) && !log.contains(SECRETS[2]),
        "{log}"
    );
}

#[test]
fn what_a_launch_was_refused_for_and_what_commands_change() {
    let home = puppet("");
    neutralise(&home);
    assert_eq!(home.run(["run", "puppet"]).code, Some(125));
    home.succeed(["lock", "puppet"]);
    home.succeed(["lock", "puppet"]);
    let own = records(&home);
    let [refused] = of_kind(&own, "session_refused")[..] else {
        panic!("{own:#?}");
    };
    assert!(
        refused["reason"].as_str().unwrap().contains("policy"),
        "{refused}"
    );
    // A lock that changes nothing is no change.
    let commands: Vec<_> = of_kind(&own, "policy_change")
        .iter()
        .map(|record| record["command"].clone())
        .collect();
    assert_eq!(commands, ["add", "lock"]);

    // Somebody else's manifest can't have records removed or arguments written down.
    let other = home.user().join("repository");
    fs::create_dir(&other).unwrap();
    let settings =
        "[settings]\naudit = { max_size = \"64KiB\", keep = 1, arguments = \"redacted\" }\n";
    fs::write(
        other.join("pinfold.toml"),
        format!("{settings}{}", fs::read_to_string(home.manifest()).unwrap()),
    )
    .unwrap();
    fs::copy(home.lock(), other.join("pinfold.lock")).unwrap();
    let path = other.to_str().unwrap();
    home.succeed(["trust", path]);
    let mut client = Client::start(&mut home.pinfold(["--manifest", path, "run", "puppet"]));
    client.initialize();
    let long = "x".repeat(10_000);
    for _ in 0..20 {
        client.call("do", json!({"code": "return 1", "arguments": {"a": long}}));
    }
    client.close();
    let all = records(&home);
    assert_eq!(of_kind(&all, "trust").len(), 1);
    assert_eq!(of_kind(&all, "call").len(), 20);
    assert!(
        of_kind(&all, "call")
            .iter()
            .all(|call| call.get("redacted").is_none())
    );
    assert_eq!(
        fs::read_dir(folder(&home)).unwrap().count(),
        3,
        "one file, head and lock"
    );
}

/// A flood of what is refused is counted, not recorded one by one; calls are, every one.
#[test]
fn what_a_hostile_server_or_client_can_cause_is_bounded() {
    let home = puppet("");
    let mut client = home.client("puppet");
    client.initialize();
    let flood = "for i in range(3000):\n  sys.__stdout__.write('{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x%d\"}\\n' % i)\nsys.__stdout__.flush()\nreturn 1";
    assert_eq!(client.call_text("do", says(flood)), "ok: 1");
    for _ in 0..1500 {
        client.call("nope", json!({}));
    }
    client.close();
    let records = records(&home);
    assert_eq!(of_kind(&records, "event").len(), 100);
    assert_eq!(of_kind(&records, "call").len(), 1001);
    let end = of_kind(&records, "session_end")[0];
    assert_eq!(
        end["unrecorded"],
        json!({"call": 500, "dropped_from_server": 2900})
    );
    assert_eq!(end["denied"], 1500);
}

#[test]
fn names_that_a_server_may_not_reach() {
    let home = puppet("profile = \"web\"\negress = [\"allowed.example:443\"]");
    let mut client = home.client("puppet");
    client.initialize();
    let code = "try:\n  socket.getaddrinfo('evil.example', 443)\nexcept OSError: pass\ntry:\n  socket.create_connection(('192.0.2.7', 443), 5).recv(1)\nexcept OSError: pass\nreturn 1";
    assert_eq!(client.call_text("do", says(code)), "ok: 1");
    client.close();
    let records = records(&home);
    let refused: BTreeMap<_, _> = of_kind(&records, "egress")
        .iter()
        .map(|record| {
            (
                record["host"].as_str().unwrap().to_owned(),
                record["decision"].clone(),
            )
        })
        .collect();
    assert_eq!(
        refused.get("evil.example"),
        Some(&json!("deny")),
        "{refused:?}"
    );
    assert_eq!(
        refused.get("192.0.2.7"),
        Some(&json!("deny")),
        "{refused:?}"
    );
    let end = of_kind(&records, "session_end")[0];
    assert!(end["egress"].to_string().contains("192.0.2.7"), "{end}");
}
