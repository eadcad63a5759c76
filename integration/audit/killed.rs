//! Writers that are killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pinfold::audit::{AuditLog, Limits, Record, Who, verify};
use serde_json::json;

use super::{folder, of_kind, puppet, records, says};
use crate::support::processes::wait_until;
use crate::support::{Client, Home};

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

/// They end with the test, whatever it finds.
struct Writers(Vec<Child>);

impl Drop for Writers {
    fn drop(&mut self) {
        for writer in &mut self.0 {
            let _ = writer.kill();
            let _ = writer.wait();
        }
    }
}

#[test]
fn fifty_kills_of_many_writers() {
    let home = Home::new();
    let place = home.path().join("audit");
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["audit::killed::writer", "--exact"])
            .env("PINFOLD_TEST_AUDIT_WRITER", &place)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut writers = Writers((0..4).map(|_| start()).collect());
    let writers = &mut writers.0;
    let length = || {
        let entries = fs::read_dir(&place).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| Some(entry.metadata().ok()?.len()))
            .sum::<u64>()
    };
    let mut last = 0;
    for round in 0..50_u32 {
        let before = length();
        wait_until("they write", || length() > before);
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
    for writer in writers {
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
