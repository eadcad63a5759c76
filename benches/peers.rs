//! What a box costs: the same small Node server bare, in pinfold's two tiers, and in the sandboxes
//! that people use today, where they are installed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::machine::version;
use crate::options::Options;
use crate::place::Place;
use crate::starts::{Way, interleaved};
use crate::table::{self, Worse};

/// Answers whatever has an id.
const SERVER: &str = "#!/usr/bin/env node
const result = {protocolVersion: '2025-11-25', capabilities: {tools: {}}, serverInfo: {name: 'bench', version: '1'}};
require('node:readline').createInterface({input: process.stdin}).on('line', line => {
  const {id, method} = JSON.parse(line);
  if (id !== undefined) {
    const answer = method === 'tools/list' ? {tools: []} : result;
    process.stdout.write(JSON.stringify({jsonrpc: '2.0', id, result: answer}) + '\\n');
  }
});
";

/// Everything of the machine readable, nothing writable, all namespaces: what is usually written.
const BWRAP: &[&str] = &[
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
];

/// sandbox-runtime with its narrowest settings.
const SRT: &str = r#"{"network":{"allowedDomains":[],"deniedDomains":[]},"filesystem":{"denyRead":[],"allowWrite":[],"denyWrite":[]}}"#;

pub(crate) fn measure(place: &Place, options: &Options) {
    if version("node") == "missing" {
        println!("peers: not measured, there is no node\n");
        return;
    }
    let server = place.path().join("server.js");
    fs::write(&server, SERVER).unwrap();
    let settings = place.path().join("srt.json");
    fs::write(&settings, SRT).unwrap();
    let (server, settings) = (server.to_str().unwrap(), settings.to_str().unwrap());
    let source = format!("path:{server}");
    place.add("full", &source, &[]);
    place.add("base", &source, &[]);
    place.use_base_tier("base");

    let node = || place.command(Path::new("node"), &[server]);
    let bwrap = || {
        let mut arguments = BWRAP.to_vec();
        arguments.extend(["node", server]);
        place.command(Path::new("bwrap"), &arguments)
    };
    let srt = || place.command(Path::new("srt"), &["--settings", settings, "node", server]);
    let base = || place.pinfold(&["run", "base"]);
    let full = || place.pinfold(&["run", "full"]);
    let all: [Way<'_>; 5] = [
        ("node", &node),
        ("bwrap", &bwrap),
        ("srt", &srt),
        ("pinfold, base tier", &base),
        ("pinfold, full tier", &full),
    ];
    let ways: Vec<Way<'_>> = all
        .into_iter()
        .filter(|(name, _)| name.starts_with("pinfold") || is_installed(name))
        .collect();
    let rows = interleaved(options.runs, &ways);
    table::print(
        "Spawn to the answer to `initialize`: a small Node server, boxed",
        "ms",
        Worse::High,
        &rows,
    );
    let (bare, full) = (&rows[0], &rows[rows.len() - 1]);
    let more = full.median() - bare.median();
    let verdict = if more <= 15.0 { "met" } else { "MISSED" };
    println!("- goal: the full tier at most 15 ms over bare node: {more:.1} ms, {verdict}\n");
}

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("{program} is not installed, so it is not measured\n");
    }
    found
}
