//! The attacks, by what they are after.

mod env;
mod fs;
mod ipc;
mod kernel;
mod network;
mod process;
mod resources;

use std::io;
use std::path::Path;
use std::process::Command;

use super::{Attack, Group, Targets};
use crate::sys::probes::Probe;

/// Every attack, group by group.
pub fn all() -> impl Iterator<Item = &'static Attack> {
    [
        fs::ATTACKS,
        process::ATTACKS,
        kernel::ATTACKS,
        network::ATTACKS,
        ipc::ATTACKS,
        env::ATTACKS,
        resources::ATTACKS,
    ]
    .into_iter()
    .flatten()
}

// ---- what more than one of them does ------------------------------------------------------------

/// Whether the folder can be listed.
fn listed(folder: &Path) -> io::Result<bool> {
    std::fs::read_dir(folder)?.next().transpose().map(|_| true)
}

/// Whether the program can be executed.
fn runs(program: &Path, arguments: &[&str]) -> io::Result<bool> {
    Ok(Command::new(program).args(arguments).status()?.success())
}

/// Whether a call that is told the victim's number is answered.
fn probe_victim(probe: &Probe, targets: &Targets) -> io::Result<bool> {
    let victim = targets.victim()?.as_raw();
    probe.make(victim.into()).map(|_| true)
}

/// Whether a call that needs no number is answered.
fn probe(probe: &Probe) -> io::Result<bool> {
    probe.make(0).map(|_| true)
}
