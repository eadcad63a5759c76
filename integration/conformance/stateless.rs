//! The revision without sessions: every request stands for itself, the server asks inside of
//! its results, and one process serves all that the suite sends.

use std::collections::BTreeSet;
use std::process::Command;

use super::{
    Half, Server, Verdicts, assert_same, counted, grant, has_failure, missing, program, scenarios,
};
use crate::support::sdk_servers::conformance_server;
use crate::support::tools::node;
use crate::support::{Home, skip};

const HALF: Half = Half {
    revision: "2026-07-28",
    bridge: "bridge-modern.mjs",
};

/// Scenarios of the suite at this version that can be tried over stdio, and checks that can
/// fail in them, so that none is lost on both sides.
const SCENARIOS: usize = 37;
const CHECKS: usize = 125;

/// Scenarios for servers that are about HTTP alone: only the bridge could pass or fail them.
const HTTP_ONLY: [(&str, &str); 3] = [
    (
        "dns-rebinding-protection",
        "stdio has no Host and no Origin",
    ),
    (
        "http-header-validation",
        "stdio has no Mcp-Method and Mcp-Name that could differ from the message",
    ),
    (
        "http-custom-header-server-validation",
        "stdio has no Mcp-Param headers",
    ),
];

/// The same for one check of a scenario that is tried.
const HTTP_ONLY_CHECKS: [(&str, &str, &str); 1] = [(
    "server-stateless",
    "sep-2575-http-server-header-mismatch-400",
    "stdio has no MCP-Protocol-Version that could differ from the message",
)];

/// Scenarios that the suite itself leaves out for a revision: extensions, which none requires.
const EXTENSIONS: [(&str, usize, &str); 2] = [
    (
        "tasks-",
        10,
        "pinfold takes this extension out of what either side says that it can do, and refuses it",
    ),
    (
        "sep-2640-skills-",
        3,
        "pinfold takes extensions out of what a server says that it can do",
    ),
];

fn is_over_stdio(scenario: &str, check: &str) -> bool {
    HTTP_ONLY.iter().all(|(name, _)| *name != scenario)
        && HTTP_ONLY_CHECKS
            .iter()
            .all(|(of, name, _)| (*of, *name) != (scenario, check))
}

/// Takes the checks out that are about HTTP alone, each of which has to be there.
fn over_stdio(mut verdicts: Verdicts) -> Verdicts {
    for (scenario, _) in HTTP_ONLY {
        assert!(scenarios(&verdicts).contains(scenario), "{scenario}");
        verdicts.retain(|key, _| key.0 != scenario);
    }
    for (scenario, check, _) in HTTP_ONLY_CHECKS {
        let key = (scenario.to_owned(), check.to_owned(), 0);
        assert!(verdicts.remove(&key).is_some(), "{key:?}");
    }
    verdicts
}

/// The suite's scenarios for servers: of this revision, and of no revision.
fn known() -> (BTreeSet<String>, BTreeSet<String>) {
    let output = Command::new(node().unwrap())
        .arg(program().unwrap())
        .args(["list", "--server"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let all = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.split_once(" ["));
    let of = |wanted: &str| {
        let with = all.clone().filter(|(_, tags)| tags.contains(wanted));
        with.map(|(name, _)| name.to_owned()).collect()
    };
    (of(HALF.revision), of("extension"))
}

#[test]
fn the_suite_finds_the_same_with_and_without_pinfold() {
    let test = "conformance::stateless";
    if let Some(reason) = missing() {
        return skip(test, &reason);
    }
    let folder = match conformance_server() {
        Ok(folder) => folder,
        Err(reason) => return skip(test, &reason),
    };
    let home = Home::new();
    home.add_path("conformance", &folder, &[]);
    let penned = [env!("CARGO_BIN_EXE_pinfold"), "run", "conformance"];

    // Control: what is not granted, the suite misses.
    let elicitation = ["--scenario", "input-required-result-basic-elicitation"];
    let missed = Server {
        how: "not-granted",
        before: None,
        command: &penned,
    };
    let missed = HALF.found(&home, &missed, &elicitation);
    assert!(has_failure(&missed), "{missed:#?}");

    grant(&home);
    let script = folder.join("conformance-modern.mjs");
    let bare = ["node", script.to_str().unwrap()];
    // The SDK's stdio server takes a connection that opens with a malformed request for one of
    // an older revision, and the suite opens with one.
    let found = |how, command| {
        let before = Some("tools-list");
        let server = Server {
            how,
            before,
            command,
        };
        HALF.found_in_all(&home, &server, is_over_stdio)
    };
    let bare = found("bare", &bare);
    let penned = found("penned", &penned);
    // What is about HTTP must not differ, either.
    assert_same(&bare, &penned);

    let (of_revision, extensions) = known();
    let run: BTreeSet<String> = scenarios(&bare).into_iter().map(str::to_owned).collect();
    assert_eq!(run, of_revision);
    for (prefix, count, _) in EXTENSIONS {
        let named = extensions.iter().filter(|name| name.starts_with(prefix));
        assert_eq!(named.count(), count, "{extensions:#?}");
    }
    let counts = EXTENSIONS.iter().map(|(_, count, _)| count);
    assert_eq!(extensions.len(), counts.sum::<usize>(), "{extensions:#?}");

    let bare = over_stdio(bare);
    assert_eq!(scenarios(&bare).len(), SCENARIOS, "{bare:#?}");
    assert_eq!(counted(&bare), (CHECKS, CHECKS), "{bare:#?}");
    let mut left_out = String::new();
    for (name, reason) in HTTP_ONLY {
        left_out += &format!("\n  left out: {name}: {reason}");
    }
    for (_, check, reason) in HTTP_ONLY_CHECKS {
        left_out += &format!("\n  left out: {check}: {reason}");
    }
    for (prefix, count, reason) in EXTENSIONS {
        left_out += &format!("\n  left out: {count} of extensions ({prefix}*): {reason}");
    }
    HALF.tell(CHECKS, &left_out);
}
