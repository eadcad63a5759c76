//! What egress by name costs per byte: a server downloads from this machine, directly and through
//! pinfold.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Instant;

use crate::client::Client;
use crate::place::Place;
use crate::roles;
use crate::table::{self, Row, Worse};

/// Of one download, in bytes.
const SIZE: usize = 1_000_000_000;
const TURNS: usize = 5;
const CALL: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"long\",\"arguments\":{}}}\n";

pub(crate) fn measure(place: &Place) {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || send(connection));
        }
    });
    let arguments = [roles::DOWNLOAD, &port];
    let host = format!("localhost:{port}");
    let options = ["--egress", &host];
    place.add_with("download", &format!("path:{this}"), &options, &arguments);
    let mut ways = [
        ("direct", place.command(Path::new(this), &arguments)),
        ("pinfold run", place.pinfold(&["run", "download"])),
    ]
    .map(|(name, mut command)| (Client::start(&mut command).0, Row::new(name)));
    for _ in 0..TURNS {
        for (client, row) in &mut ways {
            let begin = Instant::now();
            client.send(CALL.as_bytes());
            let answer = client.read();
            let taken = begin.elapsed();
            assert!(answer.windows(8).any(|part| part == b"\"result\""));
            row.add(SIZE as f64 / 1e6 / taken.as_secs_f64());
        }
    }
    let rows = ways.map(|(client, row)| {
        client.close();
        row
    });
    table::print("Download of 1 GB", "MB/s", Worse::Low, &rows);
    let [direct, pinfold] = &rows;
    table::goal_at_least(pinfold, 0.7, direct);
}

fn send(mut connection: TcpStream) {
    let bytes = vec![0; 256 << 10];
    let mut left = SIZE;
    while left > 0 {
        let part = left.min(bytes.len());
        if connection.write_all(&bytes[..part]).is_err() {
            return;
        }
        left -= part;
    }
}
