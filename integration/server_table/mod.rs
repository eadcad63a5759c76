//! Servers that people use: added by the program itself, they show through `pinfold run` the very
//! tools that they show when they are started bare, and each does something real.
//!
//! Prints a table (`SERVERS`). A server that can't be had here is a skip with its reason.

mod native;
mod npm;
mod pair;
mod python;

use std::io::Write as _;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pair::Row;

use crate::support::skip;

type Case = fn() -> Result<Row, String>;

const SERVERS: [(&str, Case); 12] = [
    ("server-everything", npm::everything),
    ("server-filesystem", npm::filesystem),
    ("server-memory", npm::memory),
    ("server-sequential-thinking", npm::sequential_thinking),
    ("@upstash/context7-mcp", npm::context7),
    ("@playwright/mcp", npm::playwright),
    ("mcp-server-time", python::time),
    ("mcp-server-git", python::git),
    ("mcp-server-fetch", python::fetch),
    ("mcp-server-sqlite", python::sqlite),
    ("everything.mcpb", native::bundle),
    ("static program", native::static_program),
];

/// At one time; most of it is waiting for a registry.
const AT_ONCE: usize = 3;

enum Outcome {
    Works(Row),
    Skipped(String),
    Failed,
}

fn outcome(case: Case) -> Outcome {
    match catch_unwind(case) {
        Ok(Ok(row)) => Outcome::Works(row),
        Ok(Err(reason)) => Outcome::Skipped(reason),
        // The panic has said why.
        Err(_) => Outcome::Failed,
    }
}

#[test]
fn servers_show_and_do_the_same_through_pinfold() {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, case)) = SERVERS.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let outcome = outcome(*case);
                    outcomes.lock().unwrap().push((*name, outcome));
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    assert_eq!(outcomes.len(), SERVERS.len());
    print_table(&outcomes);
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Failed))
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(failed, Vec::<&str>::new(), "what failed is said above");
}

/// Past the test runner's capture, in the order of [`SERVERS`].
fn print_table(outcomes: &[(&str, Outcome)]) {
    let mut lines =
        vec!["| server | version | profile | tools bare / through | call | result |".to_owned()];
    for (name, _) in SERVERS {
        let (_, outcome) = outcomes.iter().find(|(of, _)| *of == name).unwrap();
        let cells = match outcome {
            Outcome::Works(row) => format!(
                "{} | {} | {tools} / {tools} | {} | {}",
                row.version,
                row.profile,
                row.call,
                row.result,
                tools = row.tools
            ),
            Outcome::Skipped(reason) => {
                skip(&format!("server_table, {name}"), reason);
                "| | | | skipped".to_owned()
            }
            Outcome::Failed => "| | | | FAILED".to_owned(),
        };
        lines.push(format!("| {name} | {cells} |"));
    }
    for (number, line) in lines.iter().enumerate() {
        // .ci/run shows these lines at its end, sorted.
        let text = format!("SERVERS {number:02} {line}\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}
