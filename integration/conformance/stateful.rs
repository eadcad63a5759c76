//! The newest revision that has sessions, with a process of the server for each.

use std::path::{Path, PathBuf};

use super::{Half, Server, assert_same, counted, grant, has_failure, missing, scenarios};
use crate::support::{Home, skip};

const HALF: Half = Half {
    revision: "2025-11-25",
    bridge: "bridge.mjs",
};

/// Scenarios of the suite at this version, and checks that can fail in them, so that none is
/// lost on both sides.
const SCENARIOS: usize = 33;
const CHECKS: usize = 84;

fn server() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/servers/conformance.mjs")
}

#[test]
fn the_suite_finds_the_same_with_and_without_pinfold() {
    if let Some(reason) = missing() {
        return skip("conformance::stateful", &reason);
    }
    let home = Home::new();
    home.add_path("conformance", &server(), &[]);
    let penned = [env!("CARGO_BIN_EXE_pinfold"), "run", "conformance"];

    // Control: what is not granted, the suite misses.
    let sampling = ["--scenario", "tools-call-sampling"];
    let tried = |how, command| Server {
        how,
        before: None,
        command,
    };
    let missed = HALF.found(&home, &tried("not-granted", &penned), &sampling);
    assert!(has_failure(&missed), "{missed:#?}");

    grant(&home);
    let script = server();
    let bare = ["node", script.to_str().unwrap()];
    let bare = HALF.found_in_all(&home, &tried("bare", &bare), |_, _| true);
    let penned = HALF.found_in_all(&home, &tried("penned", &penned), |_, _| true);
    assert_eq!(scenarios(&bare).len(), SCENARIOS, "{bare:#?}");
    assert_eq!(counted(&bare), (CHECKS, CHECKS), "{bare:#?}");
    assert_same(&bare, &penned);
    HALF.tell(CHECKS, "");
}
