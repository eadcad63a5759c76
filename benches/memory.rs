//! What pinfold's own processes hold while a session runs.

use std::fs;
use std::time::Duration;

use crate::client::Client;
use crate::place::Place;
use crate::roles;

/// Until pinfold has given back what only its start needed.
const SETTLING: Duration = Duration::from_secs(5);
/// Few requests, as of a session that is hardly used.
const FEW: usize = 100;
/// Requests before the last look.
const BUSY: usize = 2_000;

pub(crate) fn measure(place: &Place) {
    let this = std::env::current_exe().unwrap();
    place.add(
        "memory",
        &format!("path:{}", this.display()),
        &[roles::SERVER],
    );
    let (mut client, _) = Client::start(&mut place.pinfold(&["run", "memory"]));
    println!("### Memory during a session (KiB)\n");
    println!("| | resident | of which anonymous |\n|---|---:|---:|");
    let relay = client.process();
    print("relay (`pinfold run`), at the first answer", relay);
    std::thread::sleep(SETTLING);
    print("relay, idle", relay);
    let ping = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    for _ in 0..FEW {
        client.send(ping);
        client.read();
    }
    print(&format!("relay, after {FEW} pings"), relay);
    let line = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"long\",\"arguments\":{\"bytes\":10000}}}\n";
    for _ in 0..BUSY {
        client.send(line);
        client.read();
    }
    print(&format!("relay, after {BUSY} answers of 10 kB"), relay);
    for monitor in children(relay) {
        print("monitor", monitor);
    }
    println!();
    client.close();
}

fn print(name: &str, process: u32) {
    // The sums of all mappings are exact but only for whom may trace the process; the counters in
    // `status` lag behind by some pages for each processor.
    let (text, resident, anonymous) =
        match fs::read_to_string(format!("/proc/{process}/smaps_rollup")) {
            Ok(text) => (text, "Rss", "Anonymous"),
            Err(_) => (
                fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default(),
                "VmRSS",
                "RssAnon",
            ),
        };
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .and_then(|value| value.split_whitespace().next())
            .unwrap_or("?")
    };
    println!("| {name} | {} | {} |", field(resident), field(anonymous));
}

fn children(process: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{process}/task/{process}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect()
}
