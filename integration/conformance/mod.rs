//! The official conformance suite gives the same result with and without pinfold, check by
//! check, for both kinds of revision. It speaks HTTP only, so a bridge of `clients/` stands
//! between it and the stdio server.

mod stateful;
mod stateless;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::sdk::{node_modules, node_script};
use crate::support::tools::node;
use crate::support::{Home, registry_is_reachable};

/// Everything that the suite uses.
const GRANTS: &str = "
[servers.conformance.grants]
sampling = true
elicitation = \"form\"
roots = true
";

/// One half of the suite: a revision, and the bridge that speaks its HTTP.
struct Half {
    revision: &'static str,
    bridge: &'static str,
}

/// What the suite is run against.
#[derive(Clone, Copy)]
struct Server<'a> {
    /// A name for it.
    how: &'a str,
    /// A scenario that is run first; its verdicts are left out.
    before: Option<&'a str>,
    command: &'a [&'a str],
}

/// The verdict on each check, by scenario, name, and how often it came before.
type Verdicts = BTreeMap<(String, String, usize), String>;

/// Why the suite can't be run here.
fn missing() -> Option<String> {
    if !registry_is_reachable() {
        return Some("the npm registry can't be reached".to_owned());
    }
    node_modules().and_then(|_| node()).err()
}

/// Grants what the suite uses to the server, which is `conformance` in the manifest.
fn grant(home: &Home) {
    let manifest = fs::read_to_string(home.manifest()).unwrap();
    fs::write(home.manifest(), format!("{manifest}{GRANTS}")).unwrap();
    home.succeed(["lock", "conformance"]);
}

impl Half {
    /// What the suite finds.
    fn found(&self, home: &Home, server: &Server<'_>, which: &[&str]) -> Verdicts {
        let bridge = Bridge::start(home, self.bridge, server.command).unwrap();
        if let Some(scenario) = server.before {
            self.suite(home, &bridge, &["--scenario", scenario]);
        }
        let folder = home.path().join(server.how);
        fs::create_dir(&folder).unwrap();
        let output = ["-o", folder.to_str().unwrap()];
        self.suite(home, &bridge, &[which, &output].concat());
        verdicts(&folder)
    }

    /// What it finds in all scenarios. One in which something failed is tried twice more, for some of
    /// the suite's time limits are half a second; `counts` leaves checks out, by scenario and name.
    fn found_in_all(
        &self,
        home: &Home,
        server: &Server<'_>,
        counts: impl Fn(&str, &str) -> bool,
    ) -> Verdicts {
        let mut found = self.found(home, server, &["--suite", "all"]);
        for round in 0..2 {
            let failed: BTreeSet<String> = found
                .iter()
                .filter(|(key, text)| text.starts_with("FAILURE") && counts(&key.0, &key.1))
                .map(|(key, _)| key.0.clone())
                .collect();
            for scenario in failed {
                say(&format!("repeated {}: {scenario}", server.how));
                let how = format!("{}-{scenario}-{round}", server.how);
                let server = Server {
                    how: &how,
                    ..*server
                };
                let once_more = self.found(home, &server, &["--scenario", &scenario]);
                found.retain(|key, _| key.0 != scenario);
                found.extend(once_more);
            }
        }
        found
    }

    fn suite(&self, home: &Home, bridge: &Bridge, arguments: &[&str]) {
        let mut command = Command::new(node().unwrap());
        home.environment(&mut command);
        command
            .arg(program().unwrap())
            .args(["server", "--url", &bridge.address])
            .args(["--spec-version", self.revision])
            .args(arguments)
            .current_dir(home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }

    /// Tells how many checks passed, as skips.
    fn tell(&self, passed: usize, more: &str) {
        say(&format!(
            "{}: {passed} checks passed without pinfold, and with{more}",
            self.revision
        ));
    }
}

/// Past the test runner's capture.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("CONFORMANCE {text}\n").as_bytes());
}

fn program() -> Result<std::path::PathBuf, String> {
    Ok(node_modules()?.join("@modelcontextprotocol/conformance/dist/index.js"))
}

/// A bridge that serves until it is dropped.
struct Bridge {
    child: Child,
    address: String,
}

impl Bridge {
    fn start(home: &Home, script: &str, command: &[&str]) -> Result<Self, String> {
        let mut bridge = node_script(script)?;
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

fn verdicts(folder: &Path) -> Verdicts {
    let mut verdicts = Verdicts::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let scenario = scenario(&name);
        let checks = fs::read(path.join("checks.json")).unwrap();
        let checks: Vec<Value> = serde_json::from_slice(&checks).unwrap();
        for check in checks {
            let id = check["id"].as_str().unwrap();
            let mut key = (scenario.to_owned(), id.to_owned(), 0);
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

/// The scenario of the folder `server-SCENARIO-TIME`.
fn scenario(folder: &str) -> &str {
    let time = "-2026-07-28T00-00-00-000Z".len();
    let (name, _) = folder.split_at(folder.len() - time);
    name.strip_prefix("server-").unwrap()
}

fn scenarios(verdicts: &Verdicts) -> BTreeSet<&str> {
    verdicts.keys().map(|key| key.0.as_str()).collect()
}

/// How many checks there are that can fail (the suite also notes a few things without a
/// verdict), and how many of them passed.
fn counted(verdicts: &Verdicts) -> (usize, usize) {
    let noted = verdicts.values().filter(|text| text.starts_with("INFO"));
    let passed = verdicts.values().filter(|text| *text == "SUCCESS");
    (verdicts.len() - noted.count(), passed.count())
}

fn has_failure(verdicts: &Verdicts) -> bool {
    verdicts.values().any(|text| text.starts_with("FAILURE"))
}

/// Neither side may lose a check, or change the verdict on it.
#[track_caller]
fn assert_same(bare: &Verdicts, penned: &Verdicts) {
    let keys: BTreeSet<_> = bare.keys().chain(penned.keys()).collect();
    let differ: Vec<_> = keys
        .into_iter()
        .filter(|key| bare.get(*key) != penned.get(*key))
        .map(|key| (key, bare.get(key), penned.get(key)))
        .collect();
    assert!(differ.is_empty(), "check, without, with: {differ:#?}");
}
