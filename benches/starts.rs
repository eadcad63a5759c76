//! From spawn to the answer to `initialize`.

use std::path::Path;
use std::process::Command;

use crate::client::Client;
use crate::machine::version;
use crate::options::Options;
use crate::place::Place;
use crate::roles;
use crate::table::{self, Row, Worse};

/// Runs that come before the counted ones: caches of the kernel, of npm, of the store.
const WARM_UP: usize = 2;

/// A server of the npm registry: node alone, npx, pinfold.
pub(crate) fn measure(place: &Place, options: &Options) {
    if version("node") == "missing" || version("npm") == "missing" {
        println!("launch: not measured, there is no node or no npm\n");
        return;
    }
    let package = options.package.as_str();
    place.add("server", &format!("npm:{package}"), &[]);
    let entry = place.entry_point("server");
    let entry = entry.to_str().unwrap();
    let mut rows = interleaved(
        options.runs,
        &[
            ("node", &|| place.command(Path::new("node"), &[entry])),
            ("npx -y", &|| place.npx(&["-y", package])),
            ("npx -y --offline", &|| {
                place.npx(&["-y", "--offline", package])
            }),
            ("pinfold run", &|| place.pinfold(&["run", "server"])),
        ],
    );
    table::print(
        &format!("Spawn to the answer to `initialize`: {package}"),
        "ms",
        Worse::High,
        &rows,
    );
    let pinfold = rows.pop().unwrap();
    table::goal(&pinfold, 1.15, &rows[0]);
    table::goal(&pinfold, 0.45, &rows[1]);
    println!();
}

/// A server that takes no time itself, so that what remains is pinfold's share.
pub(crate) fn measure_native(place: &Place, options: &Options) {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    place.add("native", &format!("path:{this}"), &[roles::SERVER]);
    let rows = interleaved(
        options.runs,
        &[
            ("direct", &|| {
                place.command(Path::new(this), &[roles::SERVER])
            }),
            ("copying relay", &|| {
                place.command(Path::new(this), &[roles::COPY, this, roles::SERVER])
            }),
            ("pinfold run", &|| place.pinfold(&["run", "native"])),
        ],
    );
    table::print(
        "Spawn to the answer to `initialize`: a server that starts at once",
        "ms",
        Worse::High,
        &rows,
    );
}

pub(crate) type Way<'a> = (&'a str, &'a dyn Fn() -> Command);

pub(crate) fn interleaved(runs: usize, ways: &[Way<'_>]) -> Vec<Row> {
    let mut rows: Vec<Row> = ways.iter().map(|(name, _)| Row::new(*name)).collect();
    for run in 0..WARM_UP + runs {
        for ((_, command), row) in ways.iter().zip(&mut rows) {
            let (client, taken) = Client::start(&mut command());
            client.close();
            if run >= WARM_UP {
                row.add(taken.as_secs_f64() * 1e3);
            }
        }
    }
    rows
}
