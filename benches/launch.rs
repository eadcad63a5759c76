//! How fast a session starts and relays, against what people use today. `cargo bench` prints a
//! Markdown table.
//!
//! The ways that are compared are tried in turn, A B C A B C, in one run: whatever else the
//! machine does, it does to all of them. Options go after `--`, see [`options`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a measurement that panics is no measurement, and its files are thrown away"
)]

mod client;
mod daemon;
mod installs;
mod machine;
mod many;
mod memory;
mod options;
mod peers;
mod place;
mod python_starts;
mod relaying;
mod roles;
mod starts;
mod table;
mod transfers;
mod warm_starts;

use options::{Options, Section};
use place::Place;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // This program is also the server and the plain relay that it measures.
    if roles::play(&arguments) {
        return;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        eprintln!("this is a measurement, not a test: run `cargo bench`");
        return;
    }
    let options = Options::parse(&arguments).unwrap_or_else(|mistake| {
        eprintln!("{mistake}\n\n{}", options::USAGE);
        std::process::exit(2)
    });
    println!("{}\n", machine::description());
    let place = Place::new();
    for section in &options.sections {
        match section {
            Section::Launch => starts::measure(&place, &options),
            Section::Python => python_starts::measure(&place, &options),
            Section::Native => starts::measure_native(&place, &options),
            Section::Peers => peers::measure(&place, &options),
            Section::Add => installs::measure(&options),
            Section::Relay => relaying::measure(&place, &options),
            Section::Transfer => transfers::measure(&place),
            Section::Memory => memory::measure(&place),
            Section::Warm => warm_starts::measure(&place, &options),
            Section::Many => many::measure(&place, &options),
        }
    }
}
