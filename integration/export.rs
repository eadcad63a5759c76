//! `pinfold log export`: what a collector gets of the audit log, and what it costs whom when the
//! collector is away, slow, or does not want it.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pinfold::audit::{AuditLog, Limits, Record, Who};
use serde_json::{Value, json};

use crate::support::collector::{Answer, Collector, TAKEN, attribute, decode};
use crate::support::processes::wait_until;
use crate::support::{Home, Ran, fixture, skip};

const LIMITS: Limits = Limits {
    max_size: 64 << 10,
    keep: None,
};

fn folder(home: &Home) -> PathBuf {
    home.path().join("state/pinfold/audit")
}

/// A home in which nothing but a log is.
fn with_records(number: u64) -> Home {
    let home = Home::new();
    append(&home, number);
    home
}

fn append(home: &Home, number: u64) {
    let mut log = AuditLog::open(&folder(home), LIMITS).unwrap();
    let who = Who {
        session: Some("s".to_owned()),
        server: Some("files".to_owned()),
    };
    for _ in 0..number {
        let record = Record::Event {
            what: "hidden",
            text: "x".repeat(50),
        };
        log.append(&who, &record).unwrap();
    }
}

fn command(home: &Home, url: &str, more: &[&str]) -> Command {
    let mut command = home.pinfold(["log", "export", "--endpoint", url]);
    command
        .args(more)
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1");
    command
}

fn export(home: &Home, collector: &Collector, more: &[&str]) -> Ran {
    Ran::of(&mut command(home, &collector.url(), more))
}

fn says(code: &str) -> Value {
    json!({ "code": code })
}

/// The numbers of the records that have arrived.
fn numbers(collector: &Collector) -> Vec<u64> {
    let logs = collector.logs();
    logs.iter()
        .filter_map(|log| attribute(log, "pinfold.record.seq"))
        .map(|number| number.as_str().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn a_session_is_told_once_and_no_value_of_it() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const SECRETS: [&str; 2] = ["argument-v4lue", "t0ken-of-the-server"];
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &["--env", "API_TOKEN"]);
    let text = fs::read_to_string(home.manifest()).unwrap();
    let settings = "[settings]\naudit = { arguments = \"redacted\" }\n";
    fs::write(home.manifest(), format!("{settings}{text}")).unwrap();
    let mut run = home.pinfold(["run", "puppet"]);
    let mut client = crate::support::Client::start(run.env("API_TOKEN", SECRETS[1]));
    client.initialize();
    let params = json!({"name": "do", "arguments": {"code": format!("return '{}'", SECRETS[0])},
        "_meta": {"traceparent": TRACE}});
    client.request("tools/call", params);
    // The next call is answered with `isError`.
    let failing = format!(
        "import __main__\nreal = __main__.answer\ndef once(m):\n  __main__.answer = real\n  return {{'content': [], 'isError': True}}\n__main__.answer = once\nreturn '{}'",
        SECRETS[1]
    );
    client.call("do", says(&failing));
    let failed = client.call("do", says("return 1"));
    assert_eq!(failed["result"]["isError"], true, "{failed}");
    client.call("nope", json!({}));
    // In the middle of a call.
    let sleep = json!({"code": "time.sleep(60); return 1"});
    client.ask(7, "tools/call", json!({"name": "do", "arguments": sleep}));
    wait_until("the call is in the log", || {
        home.succeed(["log", "--kind", "call"])
            .stdout
            .lines()
            .count()
            == 5
    });
    let collector = Collector::start(|_| TAKEN);
    let ran = export(&home, &collector, &[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let spans = collector.spans();
    assert_eq!(spans.len(), 4, "{spans:#?}");
    let text = |span: &Value, key: &str| {
        attribute(span, key).map(|value| value.as_str().unwrap().to_owned())
    };
    let [first, _, failed, denied] = &spans[..] else {
        unreachable!();
    };
    assert_eq!(first["name"], "tools/call do");
    assert_eq!(first["kind"], 2);
    assert_eq!(first["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(first["parentSpanId"], "b7ad6b7169203331");
    assert!(first.get("status").is_none(), "{first}");
    for (key, value) in [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "do"),
        ("gen_ai.operation.name", "execute_tool"),
        ("network.transport", "pipe"),
        ("pinfold.server", "puppet"),
    ] {
        assert_eq!(text(first, key).as_deref(), Some(value), "{first}");
    }
    for (span, error) in [(failed, "tool_error"), (denied, "denied")] {
        assert_eq!(text(span, "error.type").as_deref(), Some(error), "{span}");
        assert_eq!(span["status"]["code"], 2);
    }
    let logs = collector.logs();
    let events: Vec<&str> = logs
        .iter()
        .map(|log| log["eventName"].as_str().unwrap())
        .collect();
    assert_eq!(
        events,
        [
            "pinfold.policy_change",
            "pinfold.session_start",
            "pinfold.call"
        ]
    );
    let everything = format!("{:?}", collector.sent());
    for secret in SECRETS {
        assert!(!everything.contains(secret), "{secret}: {everything}");
    }
    // Nothing twice; and what had begun before is whole when it has ended.
    let (status, _) = client.close();
    assert!(status.success());
    let before = collector.sent().len();
    assert_eq!(export(&home, &collector, &[]).code, Some(0));
    let spans = collector.spans();
    assert_eq!(spans.len(), 5);
    let length = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    let last = &spans[4];
    assert!(length(last, "endTimeUnixNano") - length(last, "startTimeUnixNano") >= 1_000_000);
    assert_eq!(collector.logs().len(), 4, "and the end of the session");
    assert_eq!(collector.sent().len(), before + 2);
    assert_eq!(export(&home, &collector, &[]).code, Some(0));
    assert_eq!(collector.sent().len(), before + 2);
    // The control of what was not in it: asked for, the log's own words are.
    fs::remove_file(home.path().join("state/pinfold/export.json")).unwrap();
    let again = Collector::start(|_| TAKEN);
    assert_eq!(export(&home, &again, &["--arguments"]).code, Some(0));
    let everything = format!("{:?}", again.sent());
    assert!(everything.contains(SECRETS[0]) && !everything.contains(SECRETS[1]));
    // What is sent again has the same ids.
    let ids = |collector: &Collector| -> Vec<Value> {
        let spans = collector.spans().into_iter();
        spans
            .map(|span| json!([span["traceId"], span["spanId"]]))
            .collect()
    };
    assert_eq!(ids(&again), ids(&collector));
}

#[test]
fn opentelemetrys_own_definitions_read_it() {
    const TEST: &str = "export::opentelemetrys_own_definitions_read_it";
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    let mut client = home.client("puppet");
    client.initialize();
    client.call_text("do", json!({"code": "return 1"}));
    client.call("nope", json!({}));
    client.request("no/such/method", json!({}));
    client.close();
    home.succeed(["quarantine", "puppet"]);
    home.succeed(["release", "puppet"]);
    let collector = Collector::start(|_| TAKEN);
    let mut command = command(&home, &collector.url(), &[]);
    command
        .env("OTEL_SERVICE_NAME", "mine")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%2Cb");
    assert_eq!(Ran::of(&mut command).code, Some(0));
    let sent = collector.sent();
    assert_eq!(sent.len(), 2);
    for request in &sent {
        let header = |name: &str| {
            let found = request.headers.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(header("content-type"), Some("application/json"));
        assert_eq!(header("x-tenant"), Some("a,b"));
        assert!(header("user-agent").unwrap().starts_with("pinfold/"));
        assert!(request.body.to_string().contains("\"mine\""));
    }
    match decode(&sent) {
        Err(reason) => skip(TEST, &reason),
        Ok(read) => {
            read.unwrap();
            // The control: they refuse what they don't know.
            let mut wrong = sent;
            wrong[0].body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["startTime"] = json!(1);
            assert!(decode(&wrong).unwrap().unwrap_err().contains("startTime"));
        }
    }
}

#[test]
fn a_collector_that_is_away_costs_nothing() {
    let home = with_records(7);
    // Somebody's port, and nobody there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let ran = Ran::of(&mut command(&home, &url, &["--patience", "1200ms"]));
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    // Once, however often it was tried, and then why it gave up.
    assert_eq!(
        ran.stderr.matches("the export waits").count(),
        1,
        "{ran:#?}"
    );
    assert!(
        ran.stderr.contains("nothing is lost, the next export"),
        "{ran:#?}"
    );
    let collector = Collector::start(|_| TAKEN);
    assert_eq!(export(&home, &collector, &[]).code, Some(0));
    assert_eq!(numbers(&collector), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn what_a_collector_answers_is_heeded() {
    const BUSY: Answer = (429, "retry-after: 1\r\n", "");
    const AWAY: Answer = (503, "retry-after: 0\r\n", "");
    for busy in [BUSY, AWAY, (502, "", ""), (504, "", "")] {
        let home = with_records(3);
        let collector = Collector::start(move |number| if number < 2 { busy } else { TAKEN });
        let ran = export(&home, &collector, &[]);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        // The same request, until it is taken.
        let sent = collector.sent();
        assert_eq!(sent.len(), 3, "{busy:?}");
        assert!(sent.iter().all(|one| one.body == sent[0].body));
        assert!(ran.stderr.contains("takes records again"), "{ran:#?}");
    }
    // Asked to wait for longer than it may.
    let home = with_records(3);
    let collector = Collector::start(|_| (429, "retry-after: 3000\r\n", ""));
    let ran = export(&home, &collector, &["--patience", "5s"]);
    assert_eq!((ran.code, collector.sent().len()), (Some(4), 1), "{ran:#?}");
    // Slower than a request may take.
    let collector = Collector::start(|number| {
        if number == 0 {
            std::thread::sleep(Duration::from_secs(2));
        }
        TAKEN
    });
    let mut slow = command(&home, &collector.url(), &[]);
    let ran = Ran::of(slow.env("OTEL_EXPORTER_OTLP_TIMEOUT", "500"));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("no answer within 500ms"), "{ran:#?}");
    // Some of it, or none of it, is not wanted: said, and the next ones go on.
    for (answer, says) in [
        (
            (
                200,
                "",
                r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}"#,
            ),
            "did not take 2 of 500",
        ),
        (
            (400, "", r#"{"message":"bad data"}"#),
            "did not take 500 of 500 (status 400: bad data)",
        ),
        ((413, "", ""), "did not take 500 of 500 (status 413"),
    ] {
        let home = with_records(501);
        let collector = Collector::start(move |number| if number == 0 { answer } else { TAKEN });
        let ran = export(&home, &collector, &[]);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert!(ran.stderr.contains(says), "{ran:#?}");
        assert_eq!(collector.sent().len(), 2);
        assert_eq!(export(&home, &collector, &[]).code, Some(0));
        assert_eq!(collector.sent().len(), 2);
    }
    // Nothing of ours is wanted: nothing is lost.
    for answer in [
        (401, "", "who are you?"),
        (404, "", ""),
        (302, "location: /other\r\n", ""),
    ] {
        let home = with_records(3);
        let collector = Collector::start(move |number| if number == 0 { answer } else { TAKEN });
        let ran = export(&home, &collector, &[]);
        assert_eq!((ran.code, collector.sent().len()), (Some(4), 1), "{ran:#?}");
        assert!(
            ran.stderr.contains("OTEL_EXPORTER_OTLP_HEADERS"),
            "{ran:#?}"
        );
        assert_eq!(export(&home, &collector, &[]).code, Some(0));
        assert_eq!(collector.sent()[1].body, collector.sent()[0].body);
    }
}

/// Over rotated files, killed in the middle.
#[test]
fn a_long_log_arrives_whole_though_the_export_is_killed() {
    const RECORDS: u64 = 3000;
    static HELD: AtomicUsize = AtomicUsize::new(0);
    let home = with_records(RECORDS);
    assert!(fs::read_dir(folder(&home)).unwrap().count() > 5);
    let collector = Collector::start(|number| {
        if number == 2 {
            HELD.store(1, Ordering::Relaxed);
            wait_until("the first export is gone", || {
                HELD.load(Ordering::Relaxed) == 2
            });
        }
        TAKEN
    });
    let mut child = command(&home, &collector.url(), &[])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the third request is there", || {
        HELD.load(Ordering::Relaxed) == 1
    });
    // The control: meanwhile nobody else exports.
    let ran = export(&home, &collector, &[]);
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(ran.stderr.contains("another export is running"), "{ran:#?}");
    child.kill().unwrap();
    child.wait().unwrap();
    HELD.store(2, Ordering::Relaxed);
    let ran = export(&home, &collector, &[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let mut counted = BTreeMap::<u64, usize>::new();
    for number in numbers(&collector) {
        *counted.entry(number).or_default() += 1;
    }
    let all: Vec<u64> = counted.keys().copied().collect();
    assert_eq!(all, (1..=RECORDS).collect::<Vec<_>>());
    // Twice is only what was under way.
    let twice = counted.values().filter(|times| **times == 2).count();
    assert!(
        twice == 500 && counted.values().all(|times| *times <= 2),
        "{twice}"
    );
}

#[test]
fn a_log_that_was_changed_is_told_and_exported() {
    let edited = |edit: &dyn Fn(Vec<&str>) -> Vec<String>| {
        let home = with_records(5);
        let collector = Collector::start(|_| TAKEN);
        assert_eq!(export(&home, &collector, &[]).code, Some(0));
        append(&home, 3);
        let path = folder(&home).join("audit.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        let lines = edit(text.lines().collect());
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let ran = export(&home, &collector, &[]);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let logs = collector.logs();
        let broken = logs
            .iter()
            .filter(|log| log["eventName"] == "pinfold.chain_broken");
        (numbers(&collector), broken.count(), ran.stderr)
    };
    let same = |lines: Vec<&str>| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    // The control.
    let (numbers, broken, stderr) = edited(&same);
    assert_eq!((numbers, broken), ((1..=8).collect(), 0), "{stderr}");
    let (numbers, broken, _) = edited(&|mut lines| {
        lines.remove(6);
        same(lines)
    });
    assert_eq!((numbers, broken), (vec![1, 2, 3, 4, 5, 6, 8], 1));
    let (numbers, broken, stderr) = edited(&|lines| {
        let mut lines = same(lines);
        lines[4] = lines[4].replace("hidden", "hiddem");
        lines
    });
    assert_eq!((numbers, broken), ((1..=8).collect(), 1));
    assert!(stderr.contains("not the one that was exported"), "{stderr}");
    // Cut: it begins anew.
    let (numbers, broken, stderr) = edited(&|mut lines| {
        lines.truncate(2);
        same(lines)
    });
    assert_eq!((numbers, broken), (vec![1, 2, 3, 4, 5, 1, 2], 1));
    assert!(stderr.contains("its end was cut off"), "{stderr}");
}

#[test]
fn it_follows_until_it_is_told_to_end() {
    let home = with_records(2);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let address = url.strip_prefix("http://").unwrap();
    let mut child = command(&home, &url, &["--follow"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    assert!(child.try_wait().unwrap().is_none());
    // Somebody else may have taken the port meanwhile.
    let Ok(listener) = TcpListener::bind(address) else {
        child.kill().unwrap();
        return skip(
            "export::it_follows_until_it_is_told_to_end",
            "the port is taken",
        );
    };
    let collector = Collector::at(listener, |_| TAKEN);
    wait_until("the first are there", || numbers(&collector).len() == 2);
    append(&home, 2);
    // The collector has seen them before the export has its answer.
    let position = home.path().join("state/pinfold/export.json");
    wait_until("the next are taken", || {
        fs::read_to_string(&position).is_ok_and(|text| text.contains("\"through\":\"4:"))
    });
    kill(
        Pid::from_raw(i32::try_from(child.id()).unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(
        stderr.contains("4 log records were exported; the last record is 4:"),
        "{stderr}"
    );
    // It is where it was.
    let before = collector.sent().len();
    assert_eq!(export(&home, &collector, &[]).code, Some(0));
    assert_eq!(collector.sent().len(), before);
}

#[test]
fn without_a_collector_nothing_is_sent_and_it_says_what_is_missing() {
    let home = with_records(1);
    let ran = home.run(["log", "export"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(
        ran.stderr.contains("OTEL_EXPORTER_OTLP_ENDPOINT"),
        "{ran:#?}"
    );
    let collector = Collector::start(|_| TAKEN);
    let with = |name: &str, value: &str| {
        let mut command = command(&home, &collector.url(), &[]);
        Ran::of(command.env(name, value))
    };
    assert_eq!(with("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").code, Some(2));
    let ran = with("OTEL_SDK_DISABLED", "true");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(with("OTEL_LOGS_EXPORTER", "none").code, Some(0));
    assert!(collector.sent().is_empty());
    // A position that can't be read is not guessed.
    let position = home.path().join("state/pinfold/export.json");
    fs::write(&position, "{").unwrap();
    assert_eq!(export(&home, &collector, &[]).code, Some(4));
    assert!(collector.sent().is_empty());
    // The control.
    fs::remove_file(&position).unwrap();
    assert_eq!(export(&home, &collector, &[]).code, Some(0));
    assert_eq!(numbers(&collector), [1]);
}
