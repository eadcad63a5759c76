//! From spawn to the answer to `initialize`, where the daemon has the server started already.

use std::thread::sleep;
use std::time::Duration;

use crate::daemon::Daemon;
use crate::machine::version;
use crate::options::Options;
use crate::place::Place;
use crate::starts::interleaved;
use crate::table::{self, Worse};

/// A warm server has loaded its modules by then; the next client seldom comes sooner.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn measure(place: &Place, options: &Options) {
    if version("node") == "missing" || version("npm") == "missing" {
        println!("warm: not measured, there is no node or no npm\n");
        return;
    }
    let package = options.package.as_str();
    let source = format!("npm:{package}");
    place.add("cold", &source, &[]);
    place.add("warm", &source, &[]);
    place.set("warm", "warm = 1");
    let daemon = Daemon::start(place);
    let mut rows = interleaved(
        options.runs,
        &[
            ("npx -y", &|| place.npx(&["-y", package])),
            ("pinfold run", &|| place.pinfold(&["run", "cold"])),
            ("pinfold run, daemon", &|| daemon.run("cold")),
            ("pinfold run, daemon, warm", &|| {
                daemon.wait_until_warm(1);
                sleep(PAUSE);
                daemon.run("warm")
            }),
        ],
    );
    table::print(
        &format!("Spawn to the answer to `initialize`, kept warm: {package}"),
        "ms",
        Worse::High,
        &rows,
    );
    let warm = rows.pop().unwrap();
    table::goal(&warm, 0.1, &rows[0]);
    println!();
}
