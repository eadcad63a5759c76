//! The attack suite: every attack first works without pinfold and then fails in the box.
//!
//! An attack is data (`attack.rs`): an idea, a piece of Python, and what it is after. Whether it
//! got that is seen from outside: a secret of the planted world in its answer, a file that has
//! changed, a victim that was reached (`world.rs`). One that doesn't work without pinfold says
//! nothing about the box, so it fails the suite as dead.

mod about;
mod attack;
mod attacks;
mod decoys;
mod lacks;
mod native;
mod places;
mod report;
mod runner;
mod snapshot;
mod subject;
mod victim;
mod world;

use runner::Suite;

use crate::support::skip;

const FS: Suite = Suite {
    name: "fs",
    manifest: "",
    prelude: "",
    attacks: &[
        attacks::fs_read::ATTACKS,
        attacks::fs_write::ATTACKS,
        attacks::fs_granted::ATTACKS,
        attacks::fs_metadata::ATTACKS,
    ],
};

const PROCESS: Suite = Suite {
    name: "process",
    manifest: "",
    prelude: "",
    attacks: &[
        attacks::process_signals::ATTACKS,
        attacks::process_memory::ATTACKS,
        attacks::process_steering::STEERING,
        attacks::process_steering::LEARNING,
        attacks::process_privileges::ATTACKS,
        attacks::programs::ATTACKS,
    ],
};

const KERNEL: Suite = Suite {
    name: "kernel",
    manifest: "",
    prelude: "",
    attacks: &[
        attacks::kernel_namespaces::ATTACKS,
        attacks::kernel_calls::ATTACKS,
        attacks::kernel_files::ATTACKS,
    ],
};

const NATIVE: Suite = Suite {
    name: "native",
    manifest: "exec = [\"NATIVE\"]",
    prelude: attacks::native::PRELUDE,
    attacks: &[attacks::native::ATTACKS],
};

const NETWORK: Suite = Suite {
    name: "network",
    manifest: "",
    prelude: attacks::network_learning::PRELUDE,
    attacks: &[
        attacks::network_sockets::ATTACKS,
        attacks::network_local::OF_OTHERS,
        attacks::network_local::NAMES,
        attacks::network_learning::ATTACKS,
    ],
};

const WEB: Suite = Suite {
    name: "web",
    manifest: "profile = \"web\"\nexec = [\"NATIVE\"]",
    prelude: attacks::native::PRELUDE,
    attacks: &[attacks::network_web::ATTACKS, attacks::native::WEB],
};

/// It may have UNIX sockets of its own.
const BROWSER: Suite = Suite {
    name: "browser",
    manifest: "profile = \"browser\"",
    prelude: "",
    attacks: &[attacks::network_local::OF_OTHERS],
};

const IPC: Suite = Suite {
    name: "ipc",
    manifest: "",
    prelude: attacks::ipc::PRELUDE,
    attacks: &[
        attacks::ipc::SYSTEM_V,
        attacks::ipc::POSIX,
        attacks::ipc::KEYS,
    ],
};

const ENV: Suite = Suite {
    name: "env",
    manifest: "",
    prelude: "",
    attacks: &[
        attacks::env::INHERITED,
        attacks::env::LOG,
        attacks::env::MACHINE,
    ],
};

const PROCESSES: Suite = Suite {
    name: "processes",
    manifest: attacks::resources::PROCESSES_MANIFEST,
    prelude: attacks::resources::PRELUDE,
    attacks: &[attacks::resources::PROCESSES],
};

const MEMORY: Suite = Suite {
    name: "memory",
    manifest: attacks::resources::MEMORY_MANIFEST,
    prelude: attacks::resources::PRELUDE,
    attacks: &[attacks::resources::MEMORY],
};

const FILES: Suite = Suite {
    name: "files",
    manifest: attacks::resources_files::FILES_MANIFEST,
    prelude: attacks::resources::PRELUDE,
    attacks: &[attacks::resources_files::FILES],
};

const PROCESSOR: Suite = Suite {
    name: "processor",
    manifest: attacks::resources_files::PROCESSOR_MANIFEST,
    prelude: attacks::resources::PRELUDE,
    attacks: &[attacks::resources_files::PROCESSOR],
};

const DISK: Suite = Suite {
    name: "disk",
    manifest: attacks::resources_files::DISK_MANIFEST,
    prelude: attacks::resources::PRELUDE,
    attacks: &[attacks::resources_files::DISK],
};

/// All suites but [`BROWSER`], whose attacks are those of [`NETWORK`] in another profile. Each is
/// one test, so that they run side by side.
const ALL: &[Suite] = &[
    FS, PROCESS, KERNEL, NATIVE, NETWORK, WEB, IPC, ENV, PROCESSES, MEMORY, FILES, PROCESSOR, DISK,
];

fn holds(suite: &Suite) {
    if suite.manifest.contains("NATIVE") && !native::compiler() {
        return skip(&format!("escape {}", suite.name), "there is no C compiler");
    }
    let report = runner::run(suite);
    report.print();
    assert!(report.is_good(), "{report}");
}

#[test]
fn fs() {
    holds(&FS);
}

#[test]
fn process() {
    holds(&PROCESS);
}

#[test]
fn kernel() {
    holds(&KERNEL);
}

#[test]
fn native_code() {
    holds(&NATIVE);
}

#[test]
fn network() {
    holds(&NETWORK);
}

#[test]
fn web() {
    holds(&WEB);
}

#[test]
fn browser() {
    holds(&BROWSER);
}

#[test]
fn ipc() {
    holds(&IPC);
}

#[test]
fn env() {
    holds(&ENV);
}

#[test]
fn resources_processes() {
    holds(&PROCESSES);
}

#[test]
fn resources_memory() {
    holds(&MEMORY);
}

#[test]
fn resources_files() {
    holds(&FILES);
}

#[test]
fn resources_processor() {
    holds(&PROCESSOR);
}

#[test]
fn resources_disk() {
    holds(&DISK);
}
