//! `pinfold observe`: what a run that is watched tells, and that it is the same run.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::processes::{wait_until, with_home};
use crate::support::{Client, Home, Ran, Tier, fixture, registry_is_reachable, skip};

const PACKAGE: &str = "npm:@modelcontextprotocol/server-filesystem@2026.8.31";

fn call(tool: &str, arguments: &Value) -> String {
    format!("{tool} {arguments}")
}

/// (key, value) of what is proposed.
fn proposed(document: &Value) -> Vec<(String, String)> {
    let lines = document["proposal"]["lines"].as_array().unwrap();
    lines
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            (text("key"), text("value"))
        })
        .collect()
}

fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
}

fn folder(home: &Home, name: &str) -> PathBuf {
    // Beside $HOME, of which nothing is proposed as a whole.
    let folder = home.path().canonicalize().unwrap().join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "content").unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Its folder is the only thing that is proposed, and with that the same call works.
fn filesystem_server(test: &str, tier: Tier) {
    if !registry_is_reachable() {
        return skip(test, "no npm registry");
    }
    let home = Home::new();
    let granted = folder(&home, "granted");
    let wanted = folder(&home, "wanted");
    let mut words = vec![
        "add",
        "fs",
        PACKAGE,
        "--allow-all",
        "--read",
        text(&granted),
    ];
    // Where its folder isn't there at all it doesn't start, so it has another one.
    words.extend(["--", text(&granted), text(&wanted)]);
    home.succeed(words);
    home.set_tier("fs", tier);
    let read = json!({ "path": wanted.join("file") });
    let reading = call("read_text_file", &read);
    let write = json!({ "path": wanted.join("new"), "content": "new" });
    let writing = call("write_file", &write);

    let refused = Ran::of(&mut home.pinfold(["observe", "fs", "--json", "--call", &reading]));
    let before = document(&refused);
    assert_eq!(before["calls"][0]["error"], true, "{before}");
    let reads = |key: &str| vec![(key.to_owned(), text(&wanted).to_owned())];
    assert_eq!(proposed(&before), reads("files.read"), "{before}");
    // The control: the same server, not watched, answers the same.
    let mut plain = home.client("fs");
    plain.initialize();
    let answer = plain.call_text("read_text_file", read.clone());
    assert_eq!(before["calls"][0]["text"], answer);
    drop(plain);

    let manifest = fs::read_to_string(home.manifest()).unwrap();
    let unasked = home.run(["observe", "fs", "--apply"]);
    assert_eq!(unasked.code, Some(2), "{unasked:#?}");
    assert_eq!(fs::read_to_string(home.manifest()).unwrap(), manifest);
    // What somebody else has put there meanwhile is not agreed to along with it.
    let more = folder(&home, "more");
    let with_more = format!("read = [\"{}\", ", text(&more));
    let drifted = manifest.replacen("read = [", &with_more, 1);
    assert_ne!(drifted, manifest);
    fs::write(home.manifest(), &drifted).unwrap();
    let refused = home.run(["observe", "fs", "--apply", "--yes"]);
    assert_ne!(refused.code, Some(0), "{refused:#?}");
    assert!(refused.stderr.contains("pinfold lock fs"), "{refused:#?}");
    assert_eq!(fs::read_to_string(home.manifest()).unwrap(), drifted);
    // The control: without that it is written.
    fs::write(home.manifest(), &manifest).unwrap();
    home.succeed(["observe", "fs", "--apply", "--yes"]);

    let after = home.succeed([
        "observe", "fs", "--json", "--call", &reading, "--call", &writing,
    ]);
    let after = document(&after);
    assert_eq!(after["calls"][0]["text"], "content");
    assert_eq!(after["calls"][1]["error"], true);
    assert_eq!(proposed(&after), reads("files.write"), "{after}");
    home.succeed(["observe", "fs", "--apply", "--yes"]);
    let mut plain = home.client("fs");
    plain.initialize();
    assert_eq!(plain.call_text("read_text_file", read), "content");
    plain.call_text("write_file", write);
    assert_eq!(fs::read_to_string(wanted.join("new")).unwrap(), "new");
    // The first folder was granted, and only looked for.
    let last = document(&home.succeed(["observe", "fs", "--json", "--call", &writing]));
    assert_eq!(proposed(&last), []);
    assert_eq!(last["unused"]["read"][0], text(&granted), "{last}");
    let tools = last["unused"]["tools"].as_array().unwrap();
    assert!(tools.contains(&json!("move_file")) && !tools.contains(&json!("write_file")));
    // Limited to the system calls that it was seen to make, it does the same.
    home.succeed(["observe", "fs", "--apply", "--system-calls", "--yes"]);
    let mut plain = home.client("fs");
    plain.initialize();
    let again = json!({ "path": wanted.join("new"), "content": "again" });
    plain.call_text("write_file", again);
    assert_eq!(fs::read_to_string(wanted.join("new")).unwrap(), "again");
}

#[test]
fn the_filesystem_server_lacks_its_folder() {
    filesystem_server("the_filesystem_server_lacks_its_folder", Tier::Full);
}

#[test]
fn the_filesystem_server_lacks_its_folder_in_the_base_tier() {
    filesystem_server(
        "the_filesystem_server_lacks_its_folder_in_the_base_tier",
        Tier::Base,
    );
}

/// Threads, forks, vforks, signals that stop and those that no name is for.
const BUSY: &str = "
    import subprocess, threading
    def look(path):
        try:
            open(path).close()
        except OSError:
            pass
    thread = threading.Thread(target=look, args=(paths[0],))
    thread.start()
    thread.join()
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        look(paths[1])
        os._exit(7)
    os.waitpid(pid, os.WUNTRACED)
    os.kill(pid, signal.SIGCONT)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    ran = []
    for program in programs:
        try:
            ran.append(subprocess.run([program, 'x'], capture_output=True).returncode)
        except OSError as error:
            ran.append(errno.errorcode[error.errno])
    heard = []
    signal.signal(signal.SIGRTMIN + 5, lambda number, frame: heard.append(number))
    os.kill(os.getpid(), signal.SIGRTMIN + 5)
    return [ended, ran, len(heard)]";

fn busy(tier: Tier) {
    let home = Home::new();
    let files = folder(&home, "files");
    let other = files.join("other");
    fs::write(&other, "content").unwrap();
    home.add_path("puppet", &fixture("puppet.py"), &["--exec", "echo"]);
    home.set_tier("puppet", tier);
    let paths = [files.join("file"), other];
    let arguments = json!({
        "code": BUSY,
        "arguments": { "paths": paths, "programs": ["/usr/bin/echo", "/usr/bin/env"] },
    });
    let named = call("do", &arguments);
    let seen = document(&home.succeed(["observe", "puppet", "--json", "--call", &named]));
    let refused = if tier == Tier::Full {
        "ENOENT"
    } else {
        "EACCES"
    };
    let expected = format!("ok: [7, [0, \"{refused}\"], 1]");
    assert_eq!(seen["calls"][0]["text"], expected, "{seen}");
    // The control: not watched it does the same.
    let mut plain = home.client("puppet");
    plain.initialize();
    assert_eq!(plain.call_text("do", arguments), expected);

    let mut lines = vec![("exec".to_owned(), "env".to_owned())];
    lines.extend(paths.map(|path| ("files.read".to_owned(), text(&path).to_owned())));
    assert_eq!(proposed(&seen), lines, "{seen}");
    for line in seen["proposal"]["lines"].as_array().unwrap() {
        assert_eq!(line["during"], json!(["do"]));
    }
    assert_eq!(seen["unused"]["exec"], json!([]), "{seen}");
    let calls = seen["observed"]["system_calls"].as_array().unwrap();
    assert!(calls.contains(&json!("openat")), "{seen}");
}

#[test]
fn threads_and_children_are_seen() {
    busy(Tier::Full);
}

#[test]
fn threads_and_children_are_seen_in_the_base_tier() {
    busy(Tier::Base);
}

#[test]
fn what_the_box_refuses_is_told_apart() {
    let home = Home::new();
    let key = home.user().join(".ssh");
    fs::create_dir(&key).unwrap();
    fs::write(key.join("id_rsa"), "key").unwrap();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    let code = "
    import socket
    refused = 0
    for act in [lambda: open(path), lambda: call('ptrace', 0, 0, 0, 0), lambda: socket.socket()]:
        try:
            act()
        except OSError:
            refused += 1
    return refused";
    let arguments = json!({ "code": code, "arguments": { "path": key.join("id_rsa") } });
    let named = call("do", &arguments);
    let seen = document(&home.succeed(["observe", "puppet", "--json", "--call", &named]));
    assert_eq!(seen["calls"][0]["text"], "ok: 3", "{seen}");
    assert_eq!(proposed(&seen), []);
    let not = seen["proposal"]["not_proposed"].as_array().unwrap();
    let told = |what: &str| {
        not.iter()
            .any(|entry| entry["what"].as_str().unwrap().contains(what))
    };
    assert!(
        told(".ssh/id_rsa") && told("system call ptrace") && told("the network"),
        "{seen}"
    );
    // For a person.
    let shown = home.succeed(["observe", "puppet", "--report"]);
    assert!(
        shown.stdout.contains("Asked for, not proposed:"),
        "{shown:#?}"
    );
    assert!(shown.stdout.contains("Nothing is proposed"), "{shown:#?}");
}

#[test]
fn a_client_that_goes_away_and_a_server_that_is_killed_leave_a_report() {
    let home = Home::new();
    let files = folder(&home, "files");
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    let nothing = home.run(["observe", "puppet", "--report"]);
    assert_eq!(nothing.code, Some(1), "{nothing:#?}");
    let look = json!({
        "code": "open(path)",
        "arguments": { "path": files.join("file") },
    });
    let mut client = Client::start(&mut home.pinfold(["observe", "puppet"]));
    client.initialize();
    assert!(client.call_text("do", look).starts_with("refused"));
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("observe puppet --report"), "{stderr}");
    let seen = document(&home.succeed(["observe", "puppet", "--report", "--json"]));
    assert_eq!(proposed(&seen).len(), 1, "{seen}");

    let end = json!({ "code": "os.kill(os.getpid(), signal.SIGKILL)" });
    let mut client = Client::start(&mut home.pinfold(["observe", "puppet"]));
    client.initialize();
    let _ = client.try_request("tools/call", json!({ "name": "do", "arguments": end }));
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(137), "{stderr}");
    // Both runs are in it.
    let seen = document(&home.succeed(["observe", "puppet", "--report", "--json"]));
    assert_eq!(seen["observed"]["runs"], 2, "{seen}");
    assert_eq!(proposed(&seen).len(), 1, "{seen}");
    assert!(with_home(&home.server_home("puppet")).is_empty());
}

#[test]
fn nothing_outlives_a_tracer_that_is_killed() {
    for tier in [Tier::Full, Tier::Base] {
        let home = Home::new();
        home.add_path("puppet", &fixture("puppet.py"), &[]);
        home.set_tier("puppet", tier);
        let mut client = Client::start(&mut home.pinfold(["observe", "puppet"]));
        client.initialize();
        let fork = json!({ "code": "
    if os.fork() == 0:
        os.setsid()
        signal.pause()
    return 1" });
        assert_eq!(client.call_text("do", fork), "ok: 1");
        let left = || with_home(&home.server_home("puppet"));
        assert!(left().len() >= 2, "{:?}", left());
        let pinfold = Pid::from_raw(i32::try_from(client.child.id()).unwrap());
        kill(pinfold, Signal::SIGKILL).unwrap();
        assert_eq!(client.child.wait().unwrap().signal(), Some(9));
        wait_until("the server's processes end", || left().is_empty());
    }
}

/// Refuses ptrace(2) to itself and to what it executes, as some containers do (seccomp(2)).
const WITHOUT_PTRACE: &str = "
import ctypes, os, platform, struct, sys
ptrace = {'x86_64': 101, 'aarch64': 117}[platform.machine()]
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, ptrace), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack('HxxxxxxP', len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn where_nobody_may_trace_nothing_is_started() {
    let home = Home::new();
    let marked = ["--", "PUPPET_MARKER"];
    home.add_path("puppet", &fixture("puppet.py"), &marked);
    let mut starter = Command::new("python3");
    starter.args(["-c", WITHOUT_PTRACE]);
    let named = call("do", &json!({ "code": "return 1" }));
    let observing = home.pinfold(["observe", "puppet", "--call", &named]);
    let ran = Ran::of(&mut home.behind(&starter, &observing));
    assert_eq!(ran.code, Some(3), "{ran:#?}");
    assert!(ran.stderr.contains("can't be observed"), "{ran:#?}");
    // The puppet notes its start there.
    let noted = home.server_home("puppet").join("ran");
    assert!(!noted.exists(), "{ran:#?}");
    assert!(with_home(&home.server_home("puppet")).is_empty());
    // The controls: with the same filter it runs unwatched, and without it it is watched.
    let mut plain = Client::start(&mut home.behind(&starter, &home.pinfold(["run", "puppet"])));
    plain.initialize();
    assert_eq!(
        plain.call_text("do", json!({ "code": "return 1" })),
        "ok: 1"
    );
    drop(plain);
    assert!(noted.exists());
    let watched = home.succeed(["observe", "puppet", "--call", &named]);
    assert!(watched.stdout.starts_with("do (ok): ok: 1"), "{watched:#?}");
}
