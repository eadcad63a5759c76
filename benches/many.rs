//! Many sessions of a small server at once, through one daemon.

use std::fs;
use std::time::Instant;

use crate::client::Client;
use crate::daemon::{Daemon, wait_for};
use crate::options::Options;
use crate::place::Place;
use crate::roles;
use crate::table::{self, Row, Worse};

/// Rounds in which each session is asked once.
const ROUNDS: usize = 5;

pub(crate) fn measure(place: &Place, options: &Options) {
    let this = std::env::current_exe().unwrap();
    let source = format!("path:{}", this.display());
    place.add("many", &source, &[roles::SERVER]);
    let daemon = Daemon::start(place);
    let begin = Instant::now();
    let starting: Vec<_> = (0..options.sessions)
        .map(|_| {
            let mut command = daemon.run("many");
            std::thread::spawn(move || Client::start(&mut command))
        })
        .collect();
    let mut first = Row::new("first answer, all started at once");
    let mut clients = Vec::with_capacity(options.sessions);
    for thread in starting {
        let (client, taken) = thread.join().expect("a session that answers");
        first.add(taken.as_secs_f64() * 1e3);
        clients.push(client);
    }
    let started = begin.elapsed();
    let mut ping = Row::new("`ping`, all connected");
    for round in 0..ROUNDS {
        for client in &mut clients {
            let id = round + 1;
            let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n");
            let begin = Instant::now();
            client.send(line.as_bytes());
            let answer = client.read();
            let taken = begin.elapsed();
            let expected = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n");
            assert_eq!(answer, expected.as_bytes());
            ping.add(taken.as_secs_f64() * 1e3);
        }
    }
    let title = format!("{} sessions at once through one daemon", options.sessions);
    table::print(&title, "ms", Worse::VeryHigh, &[first, ping]);
    println!(
        "All {} answered within {:.1} s.\n",
        clients.len(),
        started.as_secs_f64()
    );
    let all = descendants(daemon.process());
    memory(&daemon, &clients, &all);
    // SIGKILL, to one after the other.
    let begin = Instant::now();
    drop(clients);
    wait_for("the end of all sessions", || {
        all.iter().all(|process| !process.is_there())
    });
    let left = daemon.sessions().len();
    println!(
        "All clients killed: {} processes gone after {:.1} s, sessions left: {left}\n",
        all.len(),
        begin.elapsed().as_secs_f64()
    );
}

/// A process, told apart from another of its number by when it began.
struct Process {
    number: u32,
    began: String,
}

impl Process {
    fn of(number: u32) -> Option<Self> {
        let began = began(number)?;
        Some(Self { number, began })
    }

    fn is_there(&self) -> bool {
        began(self.number).as_ref() == Some(&self.began)
    }
}

/// proc_pid_stat(5), field 22; nothing of one that has ended.
fn began(number: u32) -> Option<String> {
    let stat = fs::read(format!("/proc/{number}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat).into_owned();
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18).map(str::to_owned))?
}

fn descendants(of: u32) -> Vec<Process> {
    let mut found = Vec::new();
    let mut next = children(of);
    while let Some(number) = next.pop() {
        next.extend(children(number));
        found.extend(Process::of(number));
    }
    found
}

/// Of all its threads.
fn children(of: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{of}/task"));
    threads
        .into_iter()
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .flat_map(|text| {
            let numbers = text.split_whitespace().filter_map(|one| one.parse().ok());
            numbers.collect::<Vec<u32>>()
        })
        .collect()
}

fn memory(daemon: &Daemon<'_>, clients: &[Client], all: &[Process]) {
    let sessions = children(daemon.process());
    let runs: Vec<u32> = clients.iter().map(Client::process).collect();
    let (relays, rest): (Vec<u32>, Vec<u32>) = all
        .iter()
        .map(|process| process.number)
        .partition(|number| sessions.contains(number));
    // What pages have in common is shared out among those that have them.
    println!("| | processes | sum of Pss (KiB) | for each session (KiB) |\n|---|---:|---:|---:|");
    let mut whole = Some(0);
    for (name, numbers) in [
        ("`pinfold run`", &runs),
        ("session processes", &relays),
        ("monitors and servers", &rest),
    ] {
        let sum: Option<u64> = numbers.iter().map(|number| pss(*number)).sum();
        row(name, numbers.len(), sum, clients.len());
        whole = whole.zip(sum).map(|(whole, sum)| whole + sum);
    }
    row("all of it", runs.len() + all.len(), whole, clients.len());
    row("the daemon", 1, pss(daemon.process()), clients.len());
    println!();
}

fn row(name: &str, processes: usize, sum: Option<u64>, sessions: usize) {
    let shown =
        |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
    let each = sum.map(|sum| sum / sessions as u64);
    println!(
        "| {name} | {processes} | {} | {} |",
        shown(sum),
        shown(each)
    );
}

/// In KiB; only whoever may trace a process learns it.
fn pss(number: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{number}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}
