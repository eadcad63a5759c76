//! What the profiles promise, tried.

use std::fs;
use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::{Client, Home, fixture, registry_is_reachable, skip};

/// A home with a folder that holds a file, and the words to add the puppet with a profile.
struct Files {
    home: Home,
    folder: PathBuf,
}

impl Files {
    fn new() -> Self {
        let home = Home::new();
        let folder = home.user().join("notes");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("note"), "content").unwrap();
        Self { home, folder }
    }

    fn add(&self, more: &[&str]) -> crate::support::Ran {
        let source = format!("path:{}", fixture("puppet.py").display());
        let mut words = vec!["add", "puppet", source.as_str(), "--allow-all"];
        words.extend(more);
        self.home.run(words)
    }

    fn outcome(&self, code: &str) -> String {
        let mut client = self.home.client("puppet");
        client.initialize();
        let arguments = json!({"path": self.folder.join("note")});
        client.call_text("do", json!({"code": code, "arguments": arguments}))
    }
}

const READ: &str = "return open(path).read()";
const WRITE: &str = "with open(path, 'a') as file: file.write('x')";

#[test]
fn files_ro_reads_what_is_named_and_can_grant_no_writing() {
    let files = Files::new();
    let folder = files.folder.to_str().unwrap();
    for (more, says) in [
        (&["--profile", "files-ro"][..], "`files.read`: name"),
        (
            &["--profile", "files-ro", "--read", folder, "--write", folder],
            "no entry in `files.write`",
        ),
    ] {
        let refused = files.add(more);
        assert_eq!(refused.code, Some(2), "{refused:#?}");
        assert!(refused.stderr.contains(says), "{refused:#?}");
        assert!(!files.home.manifest().exists());
    }
    let added = files.add(&["--profile", "files-ro", "--read", folder]);
    assert_eq!(added.code, Some(0), "{added:#?}");
    assert_eq!(files.outcome(READ), r#"ok: "content""#);
    let refused = files.outcome(WRITE);
    // Landlock says the one, a read-only mount the other.
    assert!(
        refused.starts_with("refused: EACCES") || refused.starts_with("refused: EROFS"),
        "{refused}"
    );

    // An edit that takes the profile's promise away is no start either.
    let text = fs::read_to_string(files.home.manifest()).unwrap();
    let edited = text.replace(&format!("read = [\"{folder}\"]"), "read = []");
    assert_ne!(text, edited);
    fs::write(files.home.manifest(), edited).unwrap();
    let run = files.home.run(["run", "puppet"]);
    assert_eq!(run.code, Some(125), "{run:#?}");
    assert!(run.stderr.contains("`files.read`: name"), "{run:#?}");
}

#[test]
fn files_rw_writes_what_is_named() {
    let files = Files::new();
    let folder = files.folder.to_str().unwrap();
    let refused = files.add(&["--profile", "files-rw", "--read", folder]);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(
        refused.stderr.contains("`files.write`: name"),
        "{refused:#?}"
    );
    let added = files.add(&["--profile", "files-rw", "--write", folder]);
    assert_eq!(added.code, Some(0), "{added:#?}");
    assert_eq!(files.outcome(READ), r#"ok: "content""#);
    assert_eq!(files.outcome(WRITE), "ok: null");
}

/// The program itself of a Chromium of the machine, not the script that starts it.
fn chromium() -> Option<&'static str> {
    [
        "/usr/lib/chromium/chromium-headless-shell",
        "/usr/lib/chromium/chromium",
        "/usr/lib64/chromium-browser/chromium-browser",
        "/opt/google/chrome/chrome",
    ]
    .into_iter()
    .find(|path| Path::new(path).exists())
}

/// A page that is only right when the browser has run its script.
const PAGE: &str = "data:text/html,<title>x</title><script>document.title='six times '%2b(6*7)</script><h1>Hello</h1>";

#[test]
fn a_browser_starts_in_its_profile_and_only_there() {
    const TEST: &str = "profiles::a_browser_starts_in_its_profile_and_only_there";
    let Some(program) = chromium() else {
        return skip(TEST, "there is no Chromium");
    };
    let outcome = |profile| {
        let home = Home::new();
        let words = ["--profile", profile, "--exec", program];
        home.add_path("puppet", &fixture("puppet.py"), &words);
        let mut client = home.client("puppet");
        client.initialize();
        let code = "
            done = subprocess.run(
                [program, '--headless', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu-compositing',
                 '--dump-dom', page], capture_output=True, text=True, timeout=50)
            return done.stdout or 'nothing'";
        let arguments = json!({"program": program, "page": PAGE});
        client.call_text("do", json!({"code": code, "arguments": arguments}))
    };
    let shown = outcome("browser");
    assert!(shown.contains("<title>six times 42</title>"), "{shown}");
    let shown = outcome("web");
    assert!(!shown.contains("six times 42"), "{shown}");
}

#[test]
fn a_server_drives_a_browser() {
    const TEST: &str = "profiles::a_server_drives_a_browser";
    let Some(program) = chromium() else {
        return skip(TEST, "there is no Chromium");
    };
    if !registry_is_reachable() {
        return skip(TEST, "the npm registry can't be reached");
    }
    let home = Home::new();
    home.succeed([
        "add",
        "devtools",
        "npm:chrome-devtools-mcp@1.11.0",
        "--allow-all",
        "--profile",
        "browser",
        "--exec",
        program,
        "--",
        "--headless",
        "--isolated",
        "--executablePath",
        program,
        "--chromeArg=--no-sandbox",
        "--chromeArg=--disable-dev-shm-usage",
    ]);
    let mut client = home.client("devtools");
    client.initialize();
    let opened = client.call_text("new_page", json!({"url": PAGE}));
    assert!(opened.contains("2: "), "{opened}");
    let text = client.call_text("take_snapshot", json!({"pageId": 2}));
    assert!(
        text.contains("six times 42") && text.contains("Hello"),
        "{text}"
    );
    let picture = client.call("take_screenshot", json!({"pageId": 2}));
    let kinds: Vec<&str> = picture["result"]["content"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|part| part["type"].as_str())
        .collect();
    assert_eq!(kinds, ["text", "image"], "{picture}");
}

/// What a process does that listens on a UNIX socket for another one of the same server.
const OWN_SOCKET: &str = "
    name = os.environ.get('TMPDIR', '/tmp') + '/own.sock'
    server = socket.socket(socket.AF_UNIX); server.bind(name); server.listen()
    client = socket.socket(socket.AF_UNIX); client.connect(name); client.sendall(b'hi')
    heard = server.accept()[0].recv(2).decode()
    os.unlink(name)
    return heard";

/// A socket of somebody else, by its path or, after `@`, by its abstract name.
const FOREIGN_SOCKET: &str = "
    if path.startswith('@'):
        path = chr(0) + path[1:]
    client = socket.socket(socket.AF_UNIX); client.connect(path)
    return client.recv(6).decode()";

/// Sockets of this machine that greet whoever connects.
struct Greeters {
    paths: Vec<String>,
}

impl Greeters {
    fn new(folder: &Path) -> Self {
        let path = folder.join("agent.sock");
        let abstract_name = format!("pinfold-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let listeners = [
            UnixListener::bind(&path).unwrap(),
            UnixListener::bind_addr(&address).unwrap(),
        ];
        for listener in listeners {
            std::thread::spawn(move || {
                for mut connection in listener.incoming().flatten() {
                    let _ = connection.write_all(b"secret");
                }
            });
        }
        let paths = vec![
            path.to_str().unwrap().to_owned(),
            format!("@{abstract_name}"),
        ];
        Self { paths }
    }
}

/// Playwright MCP does it. The sockets of others stay out of reach, and whoever is granted a folder
/// has none of its own, because somebody else's could be in there.
#[test]
fn sockets_of_its_own_are_for_a_browser_and_are_its_own() {
    let files = Files::new();
    let greeters = Greeters::new(&files.folder);
    let folder = files.folder.to_str().unwrap().to_owned();
    let ask = |client: &mut Client, code: &str, path: &str| {
        let arguments = json!({"code": code, "arguments": {"path": path}});
        client.call_text("do", arguments)
    };

    // Control: bare, all of it works.
    let mut command = Command::new(fixture("puppet.py"));
    let mut bare = Client::start(command.env("TMPDIR", &files.folder));
    bare.initialize();
    assert_eq!(ask(&mut bare, OWN_SOCKET, ""), r#"ok: "hi""#);
    for path in &greeters.paths {
        assert_eq!(ask(&mut bare, FOREIGN_SOCKET, path), r#"ok: "secret""#);
    }

    let all: [(&str, &[&str], bool); 4] = [
        ("browser", &[], true),
        ("browser", &["--read", &folder], false),
        ("web", &[], false),
        ("offline", &[], false),
    ];
    for (profile, more, has_own) in all {
        let home = Home::new();
        let words = [&["--profile", profile], more].concat();
        home.add_path("puppet", &fixture("puppet.py"), &words);
        let mut client = home.client("puppet");
        client.initialize();
        let own = ask(&mut client, OWN_SOCKET, "");
        if has_own {
            assert_eq!(own, r#"ok: "hi""#, "{profile} {more:?}");
        } else {
            assert!(
                own.starts_with("refused: EPERM"),
                "{profile} {more:?} {own}"
            );
        }
        for path in &greeters.paths {
            let foreign = ask(&mut client, FOREIGN_SOCKET, path);
            assert!(
                foreign.starts_with("refused: "),
                "{profile} {more:?} {path}: {foreign}"
            );
        }
        // A stream only: datagrams could be sent to any path without connecting.
        let datagram = ask(
            &mut client,
            "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
            "",
        );
        assert!(
            datagram.starts_with("refused: EPERM"),
            "{profile} {datagram}"
        );
    }
}
