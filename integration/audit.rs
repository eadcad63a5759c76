//! The audit log of real sessions and commands: what is in it and what is never, what happens when
//! it can't be written, and what is left of it when its writers are killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pinfold::audit::{AuditLog, Limits, Record, Who, verify};
use serde_json::{Value, json};

use crate::support::{Client, Home, fixture, with_mounts};

fn folder(home: &Home) -> PathBuf {
    home.path().join("state/pinfold/audit")
}

/// Every record, with the control that the chain holds.
#[track_caller]
fn records(home: &Home) -> Vec<Value> {
    let verified = home.run(["log", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:#?}");
    home.succeed(["log", "--json"])
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn of_kind<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records
        .iter()
        .filter(|record| record["kind"] == kind)
        .collect()
}

/// A home with one server, the puppet, whose table in the manifest has these lines.
fn puppet(server: &str) -> Home {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    if !server.is_empty() {
        let text = fs::read_to_string(home.manifest()).unwrap();
        let text = text.replacen(
            "[servers.puppet]\n",
            &format!("[servers.puppet]\n{server}\n"),
            1,
        );
        fs::write(home.manifest(), text).unwrap();
        home.succeed(["lock", "puppet"]);
    }
    home
}

fn says(code: &str) -> Value {
    json!({"code": code})
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
    let text = fs::read_to_string(home.manifest()).unwrap();
    fs::write(
        home.manifest(),
        text.replace(
            "[servers.puppet]\n",
            "[servers.puppet]\nneutralise = true\n",
        ),
    )
    .unwrap();
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

#[test]
fn without_a_log_nothing_starts_and_nothing_is_changed() {
    let home = puppet("");
    let place = folder(&home);
    let lock = fs::read(home.lock()).unwrap();
    let away = home.path().join("away");
    fs::rename(&place, &away).unwrap();
    fs::write(&place, "in the way").unwrap();
    let ran = home.run(["run", "puppet"]);
    assert_eq!(ran.code, Some(125), "{ran:#?}");
    assert!(ran.stderr.contains("nothing runs unrecorded"), "{ran:#?}");
    let mut client = home.client("puppet");
    let answer = client.request("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}));
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("audit log"),
        "{answer}"
    );
    drop(client);
    let text = fs::read_to_string(home.manifest()).unwrap();
    fs::write(
        home.manifest(),
        text.replace(
            "[servers.puppet]\n",
            "[servers.puppet]\nneutralise = true\n",
        ),
    )
    .unwrap();
    let ran = home.run(["lock", "puppet"]);
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(ran.stderr.contains("nothing was changed"), "{ran:#?}");
    assert_eq!(fs::read(home.lock()).unwrap(), lock);
    // The control.
    fs::remove_file(&place).unwrap();
    fs::rename(&away, &place).unwrap();
    home.succeed(["lock", "puppet"]);
    let mut client = home.client("puppet");
    client.initialize();
    client.close();
}

/// The log can be opened and has no room for the first record.
#[test]
fn a_disk_that_is_full_at_the_start() {
    const TEST: &str = "a_disk_that_is_full_at_the_start";
    let home = puppet("");
    let place = folder(&home);
    let marked = |size: &str| {
        let mount = format!(
            "mount -t tmpfs -o size={size},mode=700 none {}",
            place.display()
        );
        let starter = with_mounts(TEST, &mount)?;
        let mut client =
            Client::start(&mut home.behind(&starter, &home.pinfold(["run", "puppet"])));
        let parameters = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let answer = client.request("initialize", parameters);
        let (status, _) = client.close();
        Some((answer, status.code()))
    };
    let Some((answer, code)) = marked("4k") else {
        return;
    };
    let message = answer["error"]["message"].as_str().unwrap();
    let says = message.contains("No space left") && message.contains("nothing runs unrecorded");
    assert!(says && code == Some(125), "{message} {code:?}");
    // The control.
    let (answer, code) = marked("64k").unwrap();
    assert_eq!(answer["result"]["serverInfo"]["name"], "puppet", "{answer}");
    assert_eq!(code, Some(0));
}

/// A real disk that becomes full in the middle of a session, and has room again.
#[test]
fn a_full_disk() {
    const TEST: &str = "a_full_disk";
    let home = puppet("");
    let place = folder(&home);
    let script = format!(
        "mount -t tmpfs -o size=128k,mode=700 none {}",
        place.display()
    );
    let Some(starter) = with_mounts(TEST, &script) else {
        return;
    };
    let mut client = Client::start(&mut home.behind(&starter, &home.pinfold(["run", "puppet"])));
    client.initialize();
    // The disk as the session sees it (proc_pid_root(5)).
    let inside = format!("/proc/{}/root{}", client.child.id(), place.display());
    let inside = PathBuf::from(inside);
    let filler = inside.join("filler");
    let mark = || {
        says("with open(os.environ['HOME'] + '/marks', 'a') as marks: marks.write('x')\nreturn 1")
    };
    assert_eq!(client.call_text("do", mark()), "ok: 1");
    // Under way while the disk becomes full: its answer passes.
    let slow = says("time.sleep(2)\nreturn 'late'");
    client.ask(0, "tools/call", json!({"name": "do", "arguments": slow}));
    std::thread::sleep(Duration::from_millis(300));
    let full = fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull, "{full}");
    // The file's last page has some room.
    for id in 1..=40 {
        client.ask(id, "tools/call", json!({"name": "do", "arguments": mark()}));
    }
    let (mut passed, mut refused) = (0, 0);
    while passed + refused < 41 {
        let answer = client.next().unwrap();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        if answer["result"]["isError"] == true {
            refused += 1;
            let says = text.contains("No space left") && text.contains("audit log");
            assert!(says, "{text}");
        } else {
            passed += 1;
            assert_eq!(text == "ok: \"late\"", answer["id"] == 0, "{answer}");
        }
    }
    assert!(refused > 20, "{refused}");
    fs::remove_file(&filler).unwrap();
    assert_eq!(client.call_text("do", mark()), "ok: 1");
    let copy = home.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for name in ["audit.jsonl", "head"] {
        fs::copy(inside.join(name), copy.join(name)).unwrap();
    }
    client.close();
    let marks = fs::read_to_string(home.server_home("puppet").join("marks")).unwrap();
    assert_eq!(
        marks.len(),
        passed + 1,
        "those that were refused did not reach the server"
    );
    let found = verify(&copy, None).unwrap();
    assert!(found.ok(), "{found:#?}");
    let text = fs::read_to_string(copy.join("audit.jsonl")).unwrap();
    let records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [resumed] = of_kind(&records, "resumed")[..] else {
        panic!("{text}");
    };
    assert_eq!(resumed["calls_refused"], refused);
    // Ends of calls that were under way.
    assert!(resumed["records_lost"].as_u64().unwrap() > 0, "{resumed}");
}

/// Does nothing but in a process of the next test, where it appends until it is killed.
#[test]
fn writer() {
    let Some(place) = std::env::var_os("PINFOLD_TEST_AUDIT_WRITER") else {
        return;
    };
    let limits = Limits {
        max_size: 40_000,
        keep: Some(1000),
    };
    let who = Who::default();
    let text = "x".repeat(usize::try_from(std::process::id() % 200).unwrap());
    loop {
        // A new one each time now and then: it must find out by itself where the log ends.
        let Ok(mut log) = AuditLog::open(Path::new(&place), limits) else {
            continue;
        };
        for _ in 0..20 {
            let record = Record::Event {
                what: "test",
                text: text.clone(),
            };
            let _ = log.append(&who, &record);
        }
    }
}

#[test]
fn fifty_kills_of_many_writers() {
    let home = Home::new();
    let place = home.path().join("audit");
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["audit::writer", "--exact"])
            .env("PINFOLD_TEST_AUDIT_WRITER", &place)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut writers: Vec<_> = (0..4).map(|_| start()).collect();
    crate::support::processes::wait_until("a writer", || place.join("head").exists());
    let mut last = 0;
    for round in 0..50_u32 {
        // Odd times, so that they come at every step.
        std::thread::sleep(Duration::from_micros(u64::from(round * 7919 % 40_000)));
        let at = usize::try_from(round).unwrap() % writers.len();
        writers[at].kill().unwrap();
        writers[at].wait().unwrap();
        writers[at] = start();
        if round % 10 == 9 {
            let found = verify(&place, None).unwrap();
            assert!(found.ok(), "{round}: {found:#?}");
            let seq = found.last.unwrap().seq;
            assert!(seq > last, "{round}: they still write");
            last = seq;
        }
    }
    for mut writer in writers {
        writer.kill().unwrap();
        writer.wait().unwrap();
    }
    let limits = Limits {
        max_size: 40_000,
        keep: Some(1000),
    };
    let mut log = AuditLog::open(&place, limits).unwrap();
    let reason = "the end".to_owned();
    log.append(&Who::default(), &Record::SessionRefused { reason })
        .unwrap();
    let found = verify(&place, None).unwrap();
    assert!(
        found.ok() && found.records > 500 && found.oldest == Some(1),
        "{found:#?}"
    );
    println!(
        "{} records in {} files, {} notes",
        found.records,
        found.files,
        found.notes.len()
    );
}

/// Sessions of pinfold itself, killed under load.
#[test]
fn sessions_that_are_killed_in_the_middle_of_calls() {
    let home = puppet("");
    let mut clients: Vec<Client> = (0..3).map(|_| home.client("puppet")).collect();
    for client in &mut clients {
        client.initialize();
    }
    for round in 0..12_u64 {
        let at = usize::try_from(round).unwrap() % clients.len();
        for client in &mut clients {
            for id in 0..30 {
                client.ask(
                    id,
                    "tools/call",
                    json!({"name": "do", "arguments": says("return 1")}),
                );
            }
        }
        std::thread::sleep(Duration::from_millis(round * 3));
        clients[at].child.kill().unwrap();
        clients[at] = home.client("puppet");
        clients[at].initialize();
        let found = verify(&folder(&home), None).unwrap();
        assert!(found.ok(), "{found:#?}");
    }
    drop(clients);
    let records = records(&home);
    assert!(of_kind(&records, "call").len() > 100);
    assert_eq!(of_kind(&records, "session_start").len(), 15);
}
