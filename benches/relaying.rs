//! What a relay costs per message and per byte: directly, through a relay that only copies,
//! through pinfold; and, for scale, through relays as people write them in Python and Node.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::client::Client;
use crate::options::Options;
use crate::place::Place;
use crate::roles;
use crate::table::{self, Row, Worse};

const PING: &str = "\"method\":\"ping\"}\n";

/// Pings of one session before the next session's turn.
const PINGS_PER_TURN: usize = 250;
/// Turns in which the bytes are moved.
const TURNS: usize = 5;
/// Lengths of answers in bytes, and how many requests are under way at once.
const ANSWERS: [(usize, usize); 3] = [(1_000, 32), (10_000, 32), (1_000_000, 4)];

/// What the answers are to.
#[derive(Clone, Copy)]
enum Asked {
    /// Recorded in the audit log, each before it is passed on and when it was answered.
    Call,
    Resource,
}

struct Way {
    name: &'static str,
    /// Absent where this machine lacks its interpreter, or the server has no relay.
    relay: bool,
    client: Client,
    next_id: u64,
    round_trip: Row,
    processor_time: Row,
}

pub(crate) fn measure(place: &Place, options: &Options) {
    let mut ways = ways(place);
    for _ in 0..options.pings.div_ceil(PINGS_PER_TURN) {
        for way in &mut ways {
            way.ping(PINGS_PER_TURN);
        }
    }
    let mut throughputs = Vec::new();
    for asked in [Asked::Call, Asked::Resource] {
        for answer in ANSWERS {
            let rows = throughput(&mut ways, options.megabytes, asked, answer);
            throughputs.push((asked, answer, rows));
        }
    }
    let (round_trips, processor_times): (Vec<Row>, Vec<Row>) =
        ways.into_iter().map(Way::close).unzip();
    print_round_trips(&round_trips, &processor_times);
    for (asked, (length, window), rows) in throughputs {
        let what = match asked {
            Asked::Call => "to calls of a tool",
            Asked::Resource => "that are resources",
        };
        let title = format!(
            "Throughput: {} MB of answers of {length} bytes {what}, {window} under way",
            options.megabytes
        );
        table::print(&title, "MB/s", Worse::Low, &rows);
        table::goal_at_least(
            named(&rows, "pinfold run"),
            0.6,
            named(&rows, "copying relay"),
        );
        println!();
    }
}

/// The server directly, and behind each relay.
fn ways(place: &Place) -> Vec<Way> {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let relays = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/relays");
    let (python, node) = (format!("{relays}/pass.py"), format!("{relays}/pass.mjs"));
    place.add("echo", &format!("path:{this}"), &[roles::SERVER]);
    let direct = place.command(Path::new(this), &[roles::SERVER]);
    let copying = place.command(Path::new(this), &[roles::COPY, this, roles::SERVER]);
    let interpreted = |interpreter: &str, script: &str| {
        place.command(Path::new(interpreter), &[script, this, roles::SERVER])
    };
    [
        ("direct", direct),
        ("copying relay", copying),
        ("Python relay", interpreted("python3", &python)),
        ("Node relay", interpreted("node", &node)),
        ("pinfold run", place.pinfold(&["run", "echo"])),
    ]
    .into_iter()
    .filter(|(_, command)| is_here(command))
    .map(|(name, mut command)| Way {
        name,
        relay: name != "direct",
        client: Client::start(&mut command).0,
        next_id: 1,
        round_trip: Row::new(name),
        processor_time: Row::new(name),
    })
    .collect()
}

fn is_here(command: &Command) -> bool {
    let program = Path::new(command.get_program());
    let here = program.is_absolute()
        || std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .any(|folder| folder.join(program).exists());
    if !here {
        println!("- left out: {} is not on this machine\n", program.display());
    }
    here
}

fn print_round_trips(round_trips: &[Row], processor_times: &[Row]) {
    table::print("Round trip of a `ping`", "µs", Worse::VeryHigh, round_trips);
    let pinfold = named(round_trips, "pinfold run");
    table::goal_added(pinfold, 30.0, "µs", named(round_trips, "direct"));
    // Nothing stands between a client and a server that it speaks to directly.
    let relays: Vec<Row> = processor_times
        .iter()
        .filter(|row| row.count() > 0)
        .cloned()
        .collect();
    table::print(
        "Processor time of the relay, for each `ping` and its answer",
        "µs",
        Worse::High,
        &relays,
    );
}

fn named<'r>(rows: &'r [Row], name: &str) -> &'r Row {
    rows.iter()
        .find(|row| row.name() == name)
        .expect("it is always measured")
}

fn throughput(
    ways: &mut [Way],
    megabytes: usize,
    asked: Asked,
    (length, window): (usize, usize),
) -> Vec<Row> {
    let calls = (megabytes * 1_000_000 / length / TURNS).max(window);
    let mut rows: Vec<Row> = ways.iter().map(|way| Row::new(way.name)).collect();
    for _ in 0..TURNS {
        for (way, row) in ways.iter_mut().zip(&mut rows) {
            row.add(way.move_bytes(asked, calls, length, window));
        }
    }
    rows
}

impl Way {
    fn request(&mut self, rest: &str) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{rest}");
        self.client.send(line.as_bytes());
        id
    }

    fn ping(&mut self, count: usize) {
        let before = self.client.processor_time();
        for _ in 0..count {
            let begin = Instant::now();
            let id = self.request(PING);
            let answer = self.client.read();
            let taken = begin.elapsed();
            let expected = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n");
            assert_eq!(answer, expected.as_bytes());
            self.round_trip.add(taken.as_secs_f64() * 1e6);
        }
        if self.relay {
            let taken = self.client.processor_time() - before;
            self.processor_time
                .add(taken.as_secs_f64() * 1e6 / count as f64);
        }
    }

    /// MB/s.
    fn move_bytes(&mut self, asked: Asked, calls: usize, length: usize, window: usize) -> f64 {
        let call = match asked {
            Asked::Call => format!(
                "\"method\":\"tools/call\",\"params\":{{\"name\":\"long\",\"arguments\":{{\"bytes\":{length}}}}}}}\n"
            ),
            Asked::Resource => format!(
                "\"method\":\"resources/read\",\"params\":{{\"uri\":\"bench:\",\"_meta\":{{\"bytes\":{length}}}}}}}\n"
            ),
        };
        let begin = Instant::now();
        for _ in 0..window {
            self.request(&call);
        }
        for answered in 0..calls {
            assert_eq!(self.client.read().len(), length);
            if answered + window < calls {
                self.request(&call);
            }
        }
        (calls * length) as f64 / 1e6 / begin.elapsed().as_secs_f64()
    }

    fn close(self) -> (Row, Row) {
        self.client.close();
        (self.round_trip, self.processor_time)
    }
}
