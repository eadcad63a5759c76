//! The official conformance suite gives the same result with and without pinfold, check by
//! check. It speaks HTTP only, so `clients/bridge.mjs` stands between it and the stdio server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::sdk::{node_modules, node_script};
use crate::support::tools::node;
use crate::support::{Home, registry_is_reachable, skip};

/// The newest revision that has a session; the one after it has another HTTP binding.
const REVISION: &str = "2025-11-25";
/// Scenarios of the suite at this version, and checks that can fail in them (the suite also
/// notes a few things without a verdict), so that none is lost on both sides.
const SCENARIOS: usize = 33;
const CHECKS: usize = 84;

/// Everything that the suite uses.
const GRANTS: &str = "
[servers.conformance.grants]
sampling = true
elicitation = \"form\"
roots = true
";

/// A bridge that serves until it is dropped.
struct Bridge {
    child: Child,
    address: String,
}

impl Bridge {
    fn start(home: &Home, command: &[&str]) -> Result<Self, String> {
        let mut bridge = node_script("bridge.mjs")?;
        home.environment(&mut bridge);
        let mut child = bridge
            .args(command)
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        Ok(Self { child, address })
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // It ends its sessions, and then itself.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The verdict on each check, by scenario, name, and how often it came before.
type Verdicts = BTreeMap<(String, String, usize), String>;

/// Starts the suite against the server at `address`; what it finds goes to `folder`.
fn suite(home: &Home, address: &str, which: &[&str], folder: &Path) -> Result<Child, String> {
    let main = "@modelcontextprotocol/conformance/dist/index.js";
    let mut command = Command::new(node()?);
    home.environment(&mut command);
    let child = command
        .arg(node_modules()?.join(main))
        .args(["server", "--url", address])
        .args(which)
        .args(["--spec-version", REVISION, "-o"])
        .arg(folder)
        .current_dir(home.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Ok(child)
}

fn verdicts(folder: &Path) -> Verdicts {
    let mut verdicts = Verdicts::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // The time of the run stands after the scenario.
        let (scenario, _) = name.split_once("-2").unwrap();
        let checks = fs::read(path.join("checks.json")).unwrap();
        let checks: Vec<Value> = serde_json::from_slice(&checks).unwrap();
        for check in checks {
            let mut key = (scenario.to_owned(), check["id"].to_string(), 0);
            while verdicts.contains_key(&key) {
                key.2 += 1;
            }
            let status = check["status"].as_str().unwrap();
            let reason = check["errorMessage"].as_str().unwrap_or_default();
            verdicts.insert(key, format!("{status} {reason}").trim().to_owned());
        }
    }
    verdicts
}

fn server() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/servers/conformance.mjs")
}

#[test]
fn the_suite_finds_the_same_with_and_without_pinfold() {
    let test = "conformance::the_suite_finds_the_same";
    if !registry_is_reachable() {
        return skip(test, "the npm registry can't be reached");
    }
    if let Err(reason) = node_modules().and_then(|_| node()) {
        return skip(test, &reason);
    }
    let home = Home::new();
    home.add_path("conformance", &server(), &[]);
    let penned = [env!("CARGO_BIN_EXE_pinfold"), "run", "conformance"];

    // Control: what is not granted, the suite misses.
    let sampling = ["--scenario", "tools-call-sampling"];
    let missed = found(&home, "not-granted", &sampling, &penned);
    assert!(
        missed
            .values()
            .any(|verdict| verdict.starts_with("FAILURE")),
        "{missed:#?}"
    );

    let manifest = fs::read_to_string(home.manifest()).unwrap();
    fs::write(home.manifest(), format!("{manifest}{GRANTS}")).unwrap();
    home.succeed(["lock", "conformance"]);

    let script = server();
    let bare = ["node", script.to_str().unwrap()];
    let all = ["--suite", "all"];
    let bare = found(&home, "bare", &all, &bare);
    let penned = found(&home, "penned", &all, &penned);
    let passed = bare
        .values()
        .filter(|verdict| *verdict == "SUCCESS")
        .count();
    let scenarios: BTreeSet<_> = bare.keys().map(|key| &key.0).collect();
    assert_eq!(scenarios.len(), SCENARIOS, "{bare:#?}");
    let noted = bare.values().filter(|verdict| verdict.starts_with("INFO"));
    let noted = noted.count();
    assert_eq!((bare.len() - noted, passed), (CHECKS, CHECKS), "{bare:#?}");
    assert_eq!(penned, bare);
    let line =
        format!("CONFORMANCE {REVISION}: {passed} checks passed without pinfold, and with\n");
    // Past the test runner's capture, as skips.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn found(home: &Home, how: &str, which: &[&str], command: &[&str]) -> Verdicts {
    let folder = home.path().join(how);
    fs::create_dir(&folder).unwrap();
    let bridge = Bridge::start(home, command).unwrap();
    let mut suite = suite(home, &bridge.address, which, &folder).unwrap();
    suite.wait().unwrap();
    verdicts(&folder)
}
