//! How many files of the machine a server can read: in the box, and under `bwrap --ro-bind / /`,
//! which is what many sandboxes come down to.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Client, Home, fixture, skip};

/// Counts the regular files below `roots` that can be opened, each once, for at most so many
/// seconds. /proc, /sys and /dev are no files of the machine.
const COUNT: &str = "
    import stat
    end = time.monotonic() + seconds
    seen = set()
    def look(path):
        try:
            found = os.lstat(path)
            if stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) not in seen:
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                seen.add((found.st_dev, found.st_ino))
        except OSError:
            pass
    for root in roots:
        look(root)
        for folder, folders, files in os.walk(root):
            if folder == '/':
                folders[:] = [name for name in folders if name not in ('proc', 'sys', 'dev')]
            for name in files:
                look(os.path.join(folder, name))
            if time.monotonic() > end:
                return len(seen)
    return len(seen)";

/// Longer than this nobody waits for a number that only has to be large.
const SECONDS: u32 = 25;

/// The roots of what a server may read, as `explain` has them.
fn roots(home: &Home, server: &str) -> Vec<String> {
    let document = home.succeed(["explain", server, "--json"]).stdout;
    let document: Value = serde_json::from_str(&document).unwrap();
    document["files"]
        .as_array()
        .unwrap()
        .iter()
        // What it may write is its own, and from outside /tmp is another.
        .filter(|file| ["read", "execute"].contains(&file["access"].as_str().unwrap()))
        .map(|file| file["path"].as_str().unwrap().to_owned())
        .filter(|path| !path.starts_with("/proc") && !path.starts_with("/sys"))
        .collect()
}

fn count(client: &mut Client, roots: &[String]) -> u64 {
    let arguments = json!({"roots": roots, "seconds": SECONDS});
    let answer = client.call_text("do", json!({"code": COUNT, "arguments": arguments}));
    answer.strip_prefix("ok: ").unwrap().parse().unwrap()
}

/// What a server in Python can read, counted by itself, and one in JavaScript, counted from outside.
fn count_in_the_box() -> [u64; 2] {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    home.add_path("optional", &fixture("optional.js"), &[]);
    let mut inside = home.client("puppet");
    inside.initialize();
    let mut bare = Command::new(fixture("puppet.py"));
    home.environment(&mut bare);
    let mut bare = Client::start(&mut bare);
    bare.initialize();
    [
        count(&mut inside, &roots(&home, "puppet")),
        count(&mut bare, &roots(&home, "optional")),
    ]
}

/// The same program, with the same code, in bubblewrap. `None` with the reason when it doesn't run.
fn count_under_bubblewrap() -> Result<u64, String> {
    let mut command = Command::new("bwrap");
    command
        .args(["--ro-bind", "/", "/"])
        .arg(fixture("puppet.py"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("bwrap: {error}"))?;
    let arguments = json!({"code": COUNT, "arguments": {"roots": ["/"], "seconds": SECONDS}});
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "do", "arguments": arguments},
    });
    let mut stdin = child.stdin.take().unwrap();
    // When it has ended already, its last words say why.
    let _ = writeln!(stdin, "{call}");
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).trim().to_owned())?;
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let count = text.strip_prefix("ok: ").ok_or(text)?;
    Ok(count.parse().unwrap())
}

#[test]
fn a_server_can_read_a_small_part_of_the_machine() {
    let [python, node] = count_in_the_box();
    assert!(python > 0 && node > 0);
    match count_under_bubblewrap() {
        Ok(everything) => {
            // Past the test runner's capture: the number is what this is for.
            let _ = writeln!(
                std::io::stderr(),
                "readable files: {python} (Python) and {node} (Node) in the box, {everything} under bwrap --ro-bind / /"
            );
            assert!(python < everything && node < everything);
        }
        Err(reason) => skip("readable_files", &reason),
    }
}
