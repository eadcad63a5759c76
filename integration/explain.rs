//! What `pinfold explain` says is what holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Home, fixture, skip};

/// A puppet with a grant of every kind, as `explain --json` sees it.
struct Explained {
    home: Home,
    readable: PathBuf,
    writable: PathBuf,
}

impl Explained {
    fn new(more: &[&str]) -> Self {
        let home = Home::new();
        let [readable, writable] = ["readable", "writable"].map(|name| home.user().join(name));
        for folder in [&readable, &writable] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("file"), "content").unwrap();
        }
        let mut words = vec![
            "--read",
            readable.to_str().unwrap(),
            "--write",
            writable.to_str().unwrap(),
            "--exec",
            "echo",
            "--env",
            "LEVEL=do-not-show",
            "--env",
            "TOKEN",
        ];
        words.extend(more);
        home.add_path("puppet", &fixture("puppet.py"), &words);
        Self {
            home,
            readable,
            writable,
        }
    }

    /// Takes the namespaces away: the base tier.
    fn without_namespaces(self) -> Self {
        let text = fs::read_to_string(self.home.manifest()).unwrap();
        let text = format!("{text}\n[servers.puppet.layers]\nnamespaces = \"off\"\n");
        fs::write(self.home.manifest(), text).unwrap();
        self.home.succeed(["lock"]);
        self
    }

    fn document(&self) -> Value {
        let ran = self.home.succeed(["explain", "puppet", "--json"]);
        assert_eq!(ran.stdout.lines().count(), 1);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    fn paths(document: &Value, access: &[&str]) -> Vec<String> {
        document["files"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|file| access.contains(&file["access"].as_str().unwrap()))
            .map(|file| file["path"].as_str().unwrap().to_owned())
            .collect()
    }

    fn inside(&self) -> Client {
        let mut client = self.home.client("puppet");
        client.initialize();
        client
    }
}

/// Opens what is named: a folder by listing it, a file by reading its first byte.
const OPEN: &str = "
    refused = {}
    for path in paths:
        try:
            if os.path.isdir(path): os.listdir(path)
            else:
                with open(path, 'rb') as file: file.read(1)
        except OSError as error:
            refused[path] = errno.errorcode[error.errno]
    return refused";

const WRITE: &str = "
    refused = {}
    for path in paths:
        try:
            with open(path + '/written', 'w') as file: file.write('x')
            os.remove(path + '/written')
        except OSError as error:
            refused[path] = errno.errorcode[error.errno]
    return refused";

/// Which of `paths` were refused, and with what.
fn refused(client: &mut Client, code: &str, paths: &[String]) -> serde_json::Map<String, Value> {
    let answer = client.call_text("do", json!({"code": code, "arguments": {"paths": paths}}));
    let answer = answer
        .strip_prefix("ok: ")
        .unwrap_or_else(|| panic!("{answer}"));
    serde_json::from_str(answer).unwrap()
}

/// Files of the machine that anybody can read, a sample of each of some folders.
fn files_of_the_machine(home: &Home) -> Vec<String> {
    let secret = home.user().join("secret");
    fs::write(&secret, "do not tell").unwrap();
    let mut files = vec![secret];
    for folder in [
        "/etc",
        "/usr/bin",
        "/usr/lib",
        "/usr/share",
        "/usr/share/doc",
        "/usr/sbin",
        "/proc",
        "/proc/sys/kernel",
        "/proc/1",
        "/proc/net",
        "/sys/class",
        "/sys/kernel",
        "/var/lib/dpkg",
        "/dev",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/include",
    ] {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        found.sort();
        // Who reads the kernel's log takes it from the machine, and waits when it is empty.
        let regular = |path: &PathBuf| {
            !path.ends_with("kmsg") && fs::metadata(path).is_ok_and(|found| found.is_file())
        };
        files.extend(found.into_iter().filter(regular).take(40));
    }
    files
        .into_iter()
        .filter_map(|path| fs::canonicalize(path).ok()?.to_str().map(str::to_owned))
        .collect()
}

fn agrees(test: &str, explained: &Explained) {
    let document = explained.document();
    assert_eq!(document["would_start"], true, "{document:#}");
    let mut inside = explained.inside();
    let readable = Explained::paths(&document, &["read", "execute", "write", "device", "list"]);
    assert!(readable.len() > 40, "{readable:?}");
    let nothing = serde_json::Map::new();
    assert_eq!(refused(&mut inside, OPEN, &readable), nothing);
    let writable = Explained::paths(&document, &["write"]);
    assert!(writable.len() > 2, "{writable:?}");
    assert_eq!(refused(&mut inside, WRITE, &writable), nothing);
    for read_only in [&explained.readable, &explained.home.only_tree()] {
        let folder = [read_only.to_str().unwrap().to_owned()];
        assert_eq!(refused(&mut inside, WRITE, &folder).len(), 1);
    }

    // And nothing else: of what can be read out here, only what is said can be read in there.
    let listed = |path: &str| {
        readable
            .iter()
            .any(|right| Path::new(path).starts_with(right))
    };
    let others: Vec<String> = files_of_the_machine(&explained.home)
        .into_iter()
        .filter(|path| !listed(path))
        .collect();
    let mut bare = Command::new(fixture("puppet.py"));
    explained.home.environment(&mut bare);
    let mut bare = Client::start(&mut bare);
    bare.initialize();
    let unreadable = refused(&mut bare, OPEN, &others);
    let others: Vec<String> = others
        .into_iter()
        .filter(|path| !unreadable.contains_key(path))
        .collect();
    assert!(others.len() > 100, "{test}: only {} others", others.len());
    let closed = refused(&mut inside, OPEN, &others);
    let open: Vec<&String> = others
        .iter()
        .filter(|path| !closed.contains_key(*path))
        .collect();
    assert_eq!(open, Vec::<&String>::new(), "can be read and isn't listed");
}

#[test]
fn what_is_listed_can_be_reached_and_nothing_else_in_the_full_tier() {
    const TEST: &str = "explain::…_in_the_full_tier";
    let explained = Explained::new(&[]);
    let layers = explained.document()["layers"].clone();
    let in_force = |name: &str| {
        let mut layers = layers.as_array().unwrap().iter();
        layers.any(|layer| layer["name"] == name && layer["in_force"] == true)
    };
    if !in_force("own-root") {
        return skip(TEST, "this machine grants no namespaces");
    }
    agrees(TEST, &explained);
}

#[test]
fn what_is_listed_can_be_reached_and_nothing_else_in_the_base_tier() {
    let explained = Explained::new(&[]).without_namespaces();
    let document = explained.document();
    let own_root = document["layers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|layer| layer["name"] == "own-root")
        .unwrap();
    assert_eq!(own_root["in_force"], false);
    assert_eq!(own_root["note"], "off in the manifest");
    agrees("explain::…_in_the_base_tier", &explained);
}

#[test]
fn every_right_has_its_origin() {
    let explained = Explained::new(&["--profile", "web"]);
    let document = explained.document();
    let text = fs::read_to_string(explained.home.manifest()).unwrap();
    let line = |part: &str| 1 + text.lines().position(|line| line.contains(part)).unwrap();
    let from = |path: &Path| {
        let files = document["files"].as_array().unwrap();
        let file = files
            .iter()
            .find(|file| Path::new(file["path"].as_str().unwrap()) == path);
        file.unwrap_or_else(|| panic!("{} is not listed", path.display()))["from"].clone()
    };
    for (path, key) in [
        (&explained.readable, "read ="),
        (&explained.writable, "write ="),
    ] {
        assert_eq!(from(path), json!({"part": "manifest", "line": line(key)}));
    }
    let echo = fs::canonicalize("/usr/bin/echo").unwrap();
    assert_eq!(
        from(&echo),
        json!({"part": "manifest", "line": line("exec")})
    );
    assert_eq!(from(Path::new("/etc/passwd")), json!({"part": "base"}));
    assert_eq!(
        from(Path::new("/etc/ssl/certs")),
        json!({"part": "profile", "name": "web"})
    );
    assert_eq!(
        document["profile"],
        json!({"name": "web", "line": line("profile")})
    );
    let web = json!({"part": "profile", "name": "web"});
    assert_eq!(
        document["network"],
        json!({
            "tier": "names",
            "egress": [
                {"entry": "*:80", "from": web},
                {"entry": "*:443", "from": web},
            ],
            "ports": [80, 443],
            "check_server_name": true,
            "own_sockets": false,
            "from": web,
        })
    );
    let numbers = document["numbers"].as_array().unwrap();
    assert_eq!(
        numbers[0],
        json!({"name": "memory", "value": 4_u64 << 30, "from": {"part": "base"}})
    );
    for call in ["read", "clone", "ptrace"] {
        let calls = &document["system_calls"];
        let lists = ["allowed", "allowed_with", "refused"];
        let found = lists
            .iter()
            .filter(|list| calls[**list].as_array().unwrap().contains(&json!(call)));
        assert_eq!(found.count(), 1, "{call}");
    }
    // For a person, the same.
    let shown = explained.home.succeed(["explain", "puppet"]).stdout;
    let row = |path: &Path| {
        let path = path.to_str().unwrap();
        shown
            .lines()
            .find(|line| line.contains(path))
            .unwrap_or_default()
    };
    let said = format!("manifest, line {}", line("read ="));
    assert!(row(&explained.readable).ends_with(&said), "{shown}");
    assert!(
        row(Path::new("/etc/ssl/certs")).contains("profile web: certificate authorities"),
        "{shown}"
    );
    assert!(shown.contains("names: held by name"), "{shown}");
}

#[test]
fn names_of_variables_are_shown_and_values_are_not() {
    let explained = Explained::new(&[]);
    for words in [&["explain", "puppet"][..], &["explain", "puppet", "--json"]] {
        let mut command = explained.home.pinfold(words.iter().copied());
        command
            .env("API_KEY", "do-not-show")
            .env("TOKEN", "do-not-show");
        let ran = crate::support::Ran::of(&mut command);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        for name in ["API_KEY", "TOKEN", "LEVEL", "HOME"] {
            assert!(ran.stdout.contains(name), "{name}: {ran:#?}");
        }
        assert!(!ran.stdout.contains("do-not-show"), "{ran:#?}");
    }
    let document = explained.document();
    let token = document["environment"]
        .as_array()
        .unwrap()
        .iter()
        .find(|variable| variable["name"] == "TOKEN")
        .unwrap();
    assert_eq!(token["present"], false, "{token}");
    assert_eq!(token["client_name"], "TOKEN", "{token}");
}

#[test]
fn a_policy_that_is_not_the_locked_one_is_said_to_be() {
    let explained = Explained::new(&[]);
    assert_eq!(explained.document()["policy"]["as_locked"], true);
    let text = fs::read_to_string(explained.home.manifest()).unwrap();
    let changed = text.replace("exec = [\"echo\"]", "exec = [\"echo\", \"cat\"]");
    assert_ne!(text, changed);
    fs::write(explained.home.manifest(), changed).unwrap();
    let document = explained.document();
    assert_eq!(document["policy"]["as_locked"], false);
    assert_eq!(document["would_start"], false);
    assert!(
        document["refusal"]
            .as_str()
            .unwrap()
            .contains("`pinfold lock puppet`"),
        "{document:#}"
    );
    let shown = explained.home.succeed(["explain", "puppet"]).stdout;
    assert!(shown.contains("is locked: the settings"), "{shown}");
    assert!(
        shown.contains("would be refused: the policy of `puppet`"),
        "{shown}"
    );
}
