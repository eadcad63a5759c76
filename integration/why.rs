//! What `pinfold explain --why` answers is what the kernel does: each question is asked, and then a
//! server in the box tries it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Client, Home, Tier, fixture, skip};

const READ: &str = "
    if os.path.isdir(what): return os.listdir(what)
    with open(what, 'rb') as file: return len(file.read(1))";
const WRITE: &str = "
    if os.path.isdir(what):
        what = os.path.join(what, 'made-to-try')
    there = os.path.exists(what)
    with open(what, 'ab') as file: file.write(b'')
    if not there: os.remove(what)";
const EXECUTE: &str = "
    return subprocess.run([what], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode";
const VARIABLE: &str = "
    if what not in os.environ: raise OSError(errno.ENOENT, 'no such variable')";
/// Arguments that no call does anything with: whether there is the call, not what it does.
const CALL: &str = "
    known(what)";
/// Connecting alone says nothing: in the box that is pinfold's doing.
const CONNECT: &str = "
    host, port = what.rsplit(':', 1)
    one = socket.create_connection((host.strip('[]'), int(port)), 10)
    one.sendall(b'x')
    if not one.recv(16): raise ConnectionResetError(errno.ECONNRESET, 'nothing came')";
const SOCKET: &str = "
    one = socket.socket(socket.AF_UNIX)
    one.connect(what)";

/// The question's first word, its rest, and the answer that is known beforehand, if any.
type Asked = (&'static str, String);

fn code(word: &str, rest: &str) -> &'static str {
    match word {
        "read" => READ,
        "write" => WRITE,
        "execute" => EXECUTE,
        "env" => VARIABLE,
        "syscall" => CALL,
        "connect" if rest.starts_with('/') => SOCKET,
        _ => CONNECT,
    }
}

/// Asks all at once: each answer.
fn ask(home: &Home, asked: &[Asked]) -> Vec<Value> {
    let questions: Vec<String> = asked
        .iter()
        .map(|(word, rest)| format!("{word} {rest}"))
        .collect();
    let mut words = vec!["explain", "puppet", "--json"];
    words.extend(questions.iter().flat_map(|question| ["--why", question]));
    let ran = home.run(words);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:#?}"));
    let answers = document["why"].as_array().unwrap().clone();
    assert_eq!(answers.len(), asked.len());
    let all_yes = answers.iter().all(|answer| answer["answer"] != "no");
    assert_eq!(ran.code, Some(if all_yes { 0 } else { 1 }), "{ran:#?}");
    answers
}

fn tried(client: &mut Client, word: &str, rest: &str) -> String {
    let code = code(word, rest);
    client.call_text("do", json!({"code": code, "arguments": {"what": rest}}))
}

/// Every answer holds in the box. How many were yes and no.
fn agrees(home: &Home, asked: &[Asked]) -> BTreeMap<String, usize> {
    let answers = ask(home, asked);
    let mut client = home.client("puppet");
    client.initialize();
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for ((word, rest), answer) in asked.iter().zip(&answers) {
        let said = answer["answer"].as_str().unwrap();
        let fact = tried(&mut client, word, rest);
        *counts.entry(said.to_owned()).or_default() += 1;
        if (said == "yes") != fact.starts_with("ok:") {
            wrong.push(format!(
                "{word} {rest}: said {answer:#}; in the box: {fact}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    counts
}

/// A puppet with folders of every kind in its user's home.
fn puppet(more: &[&str]) -> Home {
    let home = Home::new();
    let at = |name: &str| home.user().join(name);
    for folder in ["readable/inner", "writable", "other"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    for file in ["readable/file", "writable/file", "other/file", "secret"] {
        fs::write(at(file), "content").unwrap();
    }
    fs::write(at("readable/closed"), "content").unwrap();
    fs::set_permissions(at("readable/closed"), fs::Permissions::from_mode(0o000)).unwrap();
    for script in ["writable/script", "readable/script", "script"] {
        fs::write(at(script), "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(at(script), fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(at("readable"), at("alias")).unwrap();
    symlink(at("secret"), at("readable/out")).unwrap();
    symlink("file", at("readable/in")).unwrap();
    symlink("nowhere/at/all", at("readable/dangling")).unwrap();
    let [readable, writable] = ["readable", "writable"].map(|name| at(name).display().to_string());
    let mut words = vec![
        "--read", &readable, "--write", &writable, "--exec", "echo", "--env", "LEVEL=x",
    ];
    words.extend(more);
    home.add_path("puppet", &fixture("puppet.py"), &words);
    home
}

fn has_namespaces(home: &Home) -> bool {
    let document: Value =
        serde_json::from_str(&home.succeed(["explain", "puppet", "--json"]).stdout).unwrap();
    let mut layers = document["layers"].as_array().unwrap().iter();
    layers.any(|layer| layer["name"] == "own-root" && layer["in_force"] == true)
}

fn about_files(home: &Home) -> Vec<Asked> {
    let at = |name: &str| home.user().join(name).display().to_string();
    let own = |path: &Path| path.display().to_string();
    let tree = home.only_tree();
    let mut asked: Vec<Asked> = Vec::new();
    for name in [
        "",
        "readable",
        "readable/file",
        "readable/in",
        "readable/out",
        "readable/closed",
        "readable/inner/../file",
        "readable/../secret",
        "alias/file",
        "writable/file",
        "other",
        "other/file",
        "secret",
        "writable/../readable/file",
    ] {
        asked.push(("read", at(name)));
    }
    for name in [
        "readable/file",
        "readable",
        "readable/in",
        "readable/closed",
        "writable",
        "writable/file",
        "writable/new",
        "secret",
        "other/new",
        "readable/../writable/file",
    ] {
        asked.push(("write", at(name)));
    }
    for name in ["readable/script", "writable/script", "script"] {
        asked.push(("execute", at(name)));
    }
    asked.extend([
        ("read", own(&tree)),
        ("write", own(&tree)),
        ("read", own(&home.server_home("puppet"))),
        ("write", own(&home.server_home("puppet").join("new"))),
        ("execute", own(&home.server_home("puppet"))),
        ("read", own(&home.manifest())),
        ("write", own(&home.lock())),
        ("write", own(&home.state("puppet").join("quarantine.json"))),
    ]);
    for path in [
        "/",
        "/etc",
        "/etc/passwd",
        "/etc/shadow",
        "/etc/hosts",
        "/etc/ssl/certs",
        "/usr/bin",
        "/usr/lib",
        "/dev/null",
        "/dev/urandom",
        "/dev/mem",
        "/dev/fd",
        "/proc/self/status",
        "/proc/self/mem",
        "/proc/self/net/tcp",
        "/proc/cpuinfo",
        "/proc/mounts",
        "/proc/1/environ",
        "/proc/sys/kernel/osrelease",
        "/sys/devices/system/cpu/possible",
        "/sys/kernel",
        "/tmp",
        "/etc/localtime",
        "/root",
        "/var/lib/dpkg/status",
    ] {
        asked.push(("read", path.to_owned()));
    }
    for path in [
        "/dev/null",
        "/tmp/pinfold-why-new",
        "/dev/shm/pinfold-why-new",
        "/etc/new",
        "/proc/self/comm",
        "/usr/bin/new",
        "/new",
    ] {
        asked.push(("write", path.to_owned()));
    }
    for path in [
        "/usr/bin/echo",
        "/bin/echo",
        "/usr/bin/cat",
        "/bin/sh",
        "/usr/bin/python3",
        "/usr/bin/env",
    ] {
        asked.push(("execute", path.to_owned()));
    }
    for name in ["LEVEL", "HOME", "PATH", "API_KEY", "LD_PRELOAD"] {
        asked.push(("env", name.to_owned()));
    }
    for name in ["getpid", "kcmp", "mount", "fsopen", "bpf", "inotify_init1"] {
        asked.push(("syscall", name.to_owned()));
    }
    asked.push(("connect", "/run/dbus/system_bus_socket".to_owned()));
    asked
}

#[test]
fn about_files_in_the_full_tier() {
    let home = puppet(&[]);
    if !has_namespaces(&home) {
        return skip("why::about_files_in_the_full_tier", "no namespaces here");
    }
    let counts = agrees(&home, &about_files(&home));
    assert!(counts["yes"] >= 20 && counts["no"] >= 30, "{counts:?}");
}

#[test]
fn about_files_in_the_base_tier() {
    let home = puppet(&[]);
    home.set_tier("puppet", Tier::Base);
    let counts = agrees(&home, &about_files(&home));
    assert!(counts["yes"] >= 20 && counts["no"] >= 30, "{counts:?}");
}

/// Somebody who says something to each who connects.
fn service(address: &str) -> u16 {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut one in listener.incoming().flatten() {
            let _ = one.write_all(b"hello");
        }
    });
    port
}

#[test]
fn about_connections_by_name() {
    let [one, two] = ["127.0.0.1:0", "127.0.0.1:0"].map(service);
    let other = service("127.0.0.2:0");
    let home = puppet(&[
        "--profile",
        "web",
        "--egress",
        &format!("localhost:{one}"),
        "--egress",
        &format!("127.0.0.2:{other}"),
    ]);
    if !has_namespaces(&home) {
        return skip("why::about_connections_by_name", "no namespaces here");
    }
    let mut asked: Vec<Asked> = Vec::new();
    for host in [
        "localhost",
        "127.0.0.1",
        "127.0.0.2",
        "127.0.0.3",
        "198.18.0.2",
        "169.254.169.254",
        "unlisted.invalid",
    ] {
        for port in [one, two, other] {
            asked.push(("connect", format!("{host}:{port}")));
        }
    }
    asked.extend([
        ("read", "/etc/resolv.conf".to_owned()),
        ("read", "/etc/hosts".to_owned()),
        ("write", "/etc/hosts".to_owned()),
    ]);
    let counts = agrees(&home, &asked);
    assert!(counts["yes"] >= 5 && counts["no"] >= 15, "{counts:?}");
}

#[test]
fn about_connections_by_port() {
    let [one, two] = ["127.0.0.1:0", "127.0.0.1:0"].map(service);
    let home = puppet(&["--profile", "web", "--egress", &format!("localhost:{one}")]);
    home.set_tier("puppet", Tier::Base);
    let mut asked: Vec<Asked> = Vec::new();
    for host in ["localhost", "127.0.0.1"] {
        for port in [one, two] {
            asked.push(("connect", format!("{host}:{port}")));
        }
    }
    let counts = agrees(&home, &asked);
    assert_eq!((counts["yes"], counts["no"]), (2, 2));
}

/// The lines that the answers propose, written as they say.
fn with_lines(text: &str, answers: &[Value]) -> String {
    let mut changes: Vec<&Value> = Vec::new();
    for answer in answers {
        let lines = answer["change"]["lines"].as_array();
        changes.extend(lines.unwrap_or_else(|| panic!("{answer:#}")));
    }
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let first = |change: &Value| match &change["replaces"] {
        Value::Null => number(&change["header"]),
        lines => number(&lines[0]),
    };
    changes.sort_by_key(|change| std::cmp::Reverse(first(change)));
    let mut lines: Vec<&str> = text.lines().collect();
    for change in changes {
        let new = change["text"].as_str().unwrap().lines();
        let header = number(&change["header"]);
        assert_eq!(Some(lines[header - 1]), change["table"].as_str());
        match &change["replaces"] {
            Value::Null => lines.splice(header..header, new),
            old => lines.splice(number(&old[0]) - 1..number(&old[1]), new),
        };
    }
    lines.join("\n") + "\n"
}

/// Control: with the proposed lines the answer is yes, and so is the fact.
#[test]
fn the_lines_that_are_proposed_are_enough() {
    let port = service("127.0.0.1:0");
    let home = puppet(&[]);
    let at = |name: &str| home.user().join(name).display().to_string();
    let mut asked: Vec<Asked> = vec![
        ("read", at("secret")),
        ("write", at("other/new")),
        ("execute", "/usr/bin/cat".to_owned()),
        ("env", "API_KEY".to_owned()),
    ];
    if has_namespaces(&home) {
        asked.push(("connect", format!("localhost:{port}")));
    }
    let refused = agrees(&home, &asked);
    assert_eq!(refused, BTreeMap::from([("no".to_owned(), asked.len())]));
    let answers = ask(&home, &asked);
    let text = fs::read_to_string(home.manifest()).unwrap();
    fs::write(home.manifest(), with_lines(&text, &answers)).unwrap();
    assert_eq!(answers[0]["change"]["then"], "pinfold lock puppet");
    home.succeed(["lock", "puppet"]);
    for answer in ask(&home, &asked) {
        assert_eq!(answer["answer"], "yes", "{answer:#}");
        assert_eq!(answer["from"]["part"], "manifest", "{answer:#}");
    }
    let mut command = home.pinfold(["run", "puppet"]);
    let mut client = Client::start(command.env("API_KEY", "x"));
    client.initialize();
    for (word, rest) in &asked {
        let fact = tried(&mut client, word, rest);
        assert!(fact.starts_with("ok:"), "{word} {rest}: {fact}");
    }
}
