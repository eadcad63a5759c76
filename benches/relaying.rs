//! What a relay costs per message and per byte: directly, through a relay that only copies,
//! through pinfold.

use std::path::Path;
use std::time::Instant;

use crate::client::Client;
use crate::options::Options;
use crate::place::Place;
use crate::roles;
use crate::table::{self, Row, Worse};

const PING: &str = "\"method\":\"ping\"}\n";
const CALL: &str = "\"method\":\"tools/call\",\"params\":{\"name\":\"long\",\"arguments\":{}}}\n";

/// Pings of one session before the next session's turn.
const PINGS_PER_TURN: usize = 250;
/// Calls under way at once.
const WINDOW: usize = 32;
/// Turns in which the bytes are moved.
const TURNS: usize = 5;

struct Way {
    client: Client,
    next_id: u64,
    round_trip: Row,
    throughput: Row,
}

pub(crate) fn measure(place: &Place, options: &Options) {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    place.add("echo", &format!("path:{this}"), &[roles::SERVER]);
    let mut ways = [
        ("direct", place.command(Path::new(this), &[roles::SERVER])),
        (
            "copying relay",
            place.command(Path::new(this), &[roles::COPY, this, roles::SERVER]),
        ),
        ("pinfold run", place.pinfold(&["run", "echo"])),
    ]
    .map(|(name, mut command)| Way {
        client: Client::start(&mut command).0,
        next_id: 1,
        round_trip: Row::new(name),
        throughput: Row::new(name),
    });
    for _ in 0..options.pings.div_ceil(PINGS_PER_TURN) {
        for way in &mut ways {
            way.ping(PINGS_PER_TURN);
        }
    }
    let calls = (options.megabytes * 1_000_000 / roles::LONG_LINE / TURNS).max(WINDOW);
    for _ in 0..TURNS {
        for way in &mut ways {
            way.move_bytes(calls);
        }
    }
    let (round_trips, throughputs): (Vec<Row>, Vec<Row>) = ways
        .into_iter()
        .map(|way| {
            way.client.close();
            (way.round_trip, way.throughput)
        })
        .unzip();
    table::print("Round trip of a `ping`", "µs", Worse::High, &round_trips);
    table::print(
        &format!(
            "Throughput: {} MB of answers of {} bytes, {WINDOW} calls under way",
            options.megabytes,
            roles::LONG_LINE
        ),
        "MB/s",
        Worse::Low,
        &throughputs,
    );
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
        for _ in 0..count {
            let begin = Instant::now();
            let id = self.request(PING);
            let answer = self.client.read();
            let taken = begin.elapsed();
            let expected = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n");
            assert_eq!(answer, expected.as_bytes());
            self.round_trip.add(taken.as_secs_f64() * 1e6);
        }
    }

    fn move_bytes(&mut self, calls: usize) {
        let begin = Instant::now();
        for _ in 0..WINDOW {
            self.request(CALL);
        }
        for answered in 0..calls {
            let length = self.client.read().len();
            assert_eq!(length, roles::LONG_LINE);
            if answered + WINDOW < calls {
                self.request(CALL);
            }
        }
        let bytes = calls * roles::LONG_LINE;
        self.throughput
            .add(bytes as f64 / 1e6 / begin.elapsed().as_secs_f64());
    }
}
