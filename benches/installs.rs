//! The first time: `npx -y` and `pinfold add`, both with empty caches.

use std::time::Instant;

use crate::client::Client;
use crate::machine::version;
use crate::options::Options;
use crate::place::Place;
use crate::table::{self, Row, Worse};

pub(crate) fn measure(options: &Options) {
    if version("npm") == "missing" {
        println!("add: not measured, there is no npm\n");
        return;
    }
    let package = options.package.as_str();
    let mut rows = [
        Row::new("npx -y, to its first answer"),
        Row::new("pinfold add, to its end"),
    ];
    // The first pair wakes the registry's own caches up.
    for run in 0..=options.installs {
        let [npx, add] = &mut rows;
        let place = Place::new();
        let (client, taken) = Client::start(&mut place.npx(&["-y", package]));
        client.close();
        if run > 0 {
            npx.add(taken.as_secs_f64() * 1e3);
        }
        let place = Place::new();
        let begin = Instant::now();
        place.add("server", &format!("npm:{package}"), &[]);
        if run > 0 {
            add.add(begin.elapsed().as_secs_f64() * 1e3);
        }
    }
    table::print(
        &format!("Install with empty caches: {package}"),
        "ms",
        Worse::High,
        &rows,
    );
}
