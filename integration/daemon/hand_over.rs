//! A session that the daemon serves is the session that `run` serves by itself.

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use super::{Daemon, pid, pinfold, process, unruly, wait_until_idle};
use crate::support::processes::with_home;
use crate::support::{Client, Home, Ran, fixture, registry_is_reachable, skip};

const WHEN: [&str; 2] = ["--daemon=never", "--daemon=require"];

fn client(home: &Home, when: &str, name: &str) -> Client {
    Client::start(&mut pinfold(home, ["run", when, name]))
}

#[test]
fn the_daemon_serves_it_and_says_what_happens_there() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    assert_eq!(daemon.sessions(), Vec::<Value>::new());
    let mut client = daemon.client("unruly");
    client.initialize();
    client.call("answer_of_size", json!({"size": 10}));
    let denied = client.call("no-such-tool", json!({}));
    assert!(denied["error"].is_object(), "{denied}");

    let sessions = daemon.answering();
    let [session] = sessions.as_slice() else {
        panic!("{sessions:#?}");
    };
    let id = session["session"].as_str().unwrap();
    assert!(id.starts_with("unruly@") && id.len() == 14, "{id}");
    assert_eq!(session["server"], "unruly");
    assert_eq!(
        (&session["calls"], &session["denied"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(session["client"]["pid"], std::process::id());
    assert_eq!(session["client"]["run_pid"], client.child.id());
    assert_eq!(session["outdated"], false);
    assert_eq!(session["egress"], json!({"sent": 0, "received": 0}));
    assert!(session["memory"].as_u64().unwrap() > 1 << 20);
    let server = i32::try_from(session["server_pid"].as_i64().unwrap()).unwrap();
    assert!(with_home(&home.server_home("unruly")).contains(&server));
    // Not `run` serves it, and not the daemon itself.
    let serving = i32::try_from(session["session_pid"].as_i64().unwrap()).unwrap();
    assert_eq!(process(serving).unwrap().0, daemon.pid().as_raw());
    assert_eq!(super::tree(pid(&client.child)).len(), 1);

    // What is agreed changes; the session keeps what it began with, and says so.
    home.succeed([
        "add",
        "other",
        &format!("path:{}", fixture("busy.py").display()),
        "--allow-all",
    ]);
    assert_eq!(daemon.answering()[0]["outdated"], true);

    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
    wait_until_idle(&daemon);
    assert_eq!(with_home(&home.server_home("unruly")), Vec::<i32>::new());
}

#[test]
fn exit_codes_and_last_words_are_the_same() {
    let home = unruly();
    let _daemon = Daemon::start(&home);
    for (tool, arguments, code) in [
        ("exit_with", json!({"code": 3}), 3),
        ("exit_with", json!({"code": 0}), 0),
        ("killed", json!({}), 128 + 9),
    ] {
        let told: Vec<Value> = WHEN
            .iter()
            .map(|when| {
                let mut client = client(&home, when, "unruly");
                client.initialize();
                let answer = client.call(tool, arguments.clone());
                assert_eq!(client.line(), None);
                let (status, stderr) = client.close();
                assert_eq!(status.code(), Some(code), "{when}: {stderr}");
                answer["error"]["message"].clone()
            })
            .collect();
        assert!(told[0].is_string());
        assert_eq!(told[0], told[1]);
    }
}

#[test]
fn signals_are_the_same() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        for when in WHEN {
            let mut client = client(&home, when, "unruly");
            client.initialize();
            kill(pid(&client.child), signal).unwrap();
            assert_eq!(client.line(), None);
            let status = client.child.wait().unwrap();
            assert_eq!(status.code(), Some(128 + signal as i32), "{when}");
            assert_eq!(with_home(&home.server_home("unruly")), Vec::<i32>::new());
        }
    }
    wait_until_idle(&daemon);
}

#[test]
fn refusals_are_the_same() {
    let home = unruly();
    let _daemon = Daemon::start(&home);
    let refused = |name: &str| {
        let told: Vec<String> = WHEN
            .iter()
            .map(|when| {
                let mut client = client(&home, when, name);
                let answer = client.request("initialize", json!({}));
                let message = answer["error"]["message"].as_str();
                let message = message.unwrap_or_else(|| panic!("{answer}")).to_owned();
                let (status, stderr) = client.close();
                assert_eq!(status.code(), Some(125), "{when}: {stderr}");
                message
            })
            .collect();
        assert_eq!(told[0], told[1]);
        told[0].clone()
    };
    assert!(refused("nobody").contains("there is no server `nobody`"));
    assert!(refused("../x").contains("../x"));
    let lock = std::fs::read(home.lock()).unwrap();
    std::fs::remove_file(home.lock()).unwrap();
    refused("unruly");
    std::fs::write(home.lock(), lock).unwrap();
    let manifest = std::fs::read_to_string(home.manifest()).unwrap();
    std::fs::write(home.manifest(), format!("{manifest}\nevil = 1\n")).unwrap();
    refused("unruly");
    std::fs::write(home.manifest(), manifest).unwrap();
    // The control.
    for when in WHEN {
        client(&home, when, "unruly").initialize();
    }
}

#[test]
fn without_a_daemon_it_is_served_here_or_refused_as_was_asked() {
    let home = unruly();
    for (when, code) in [
        ("auto", 0),
        ("never", 0),
        ("require", 125),
        ("sometimes", 125),
    ] {
        let mut command = pinfold(&home, ["run", "unruly"]);
        let mut client = Client::start(command.env("PINFOLD_DAEMON", when));
        let answer = client.request("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}));
        assert_eq!(answer["error"].is_object(), code != 0, "{when}: {answer}");
        if when == "require" {
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(
                message.contains("systemctl --user enable --now pinfold.socket"),
                "{message}"
            );
        }
        let (status, stderr) = client.close();
        assert_eq!(status.code(), Some(code), "{when}: {stderr}");
    }
    let mut command = pinfold(&home, ["daemon"]);
    let ran = Ran::of(command.env_remove("XDG_RUNTIME_DIR"));
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(ran.stderr.contains("XDG_RUNTIME_DIR"), "{ran:#?}");
}

#[test]
fn what_the_daemon_does_not_serve_is_served_here() {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &["--env", "TOKEN"]);
    let daemon = Daemon::start(&home);
    let token = |client: &mut Client| {
        client.initialize();
        let code = json!({"code": "return len(os.environ.get('TOKEN', ''))"});
        client.call_text("do", code)
    };
    let mut command = pinfold(&home, ["run", "puppet"]);
    let mut client = Client::start(command.env("TOKEN", "of the client"));
    assert_eq!(token(&mut client), "ok: 13");
    assert_eq!(daemon.sessions(), Vec::<Value>::new());
    client.close();

    let mut refused = daemon.client("puppet");
    let answer = refused.request("initialize", json!({}));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("TOKEN"), "{message}");
    refused.close();

    // Another manifest than the daemon's.
    let other = home.path().join("other");
    std::fs::create_dir(&other).unwrap();
    for (from, name) in [
        (home.manifest(), "pinfold.toml"),
        (home.lock(), "pinfold.lock"),
    ] {
        std::fs::copy(from, other.join(name)).unwrap();
    }
    let other = other.join("pinfold.toml");
    let other = other.to_str().unwrap();
    home.succeed(["trust", other]);
    let mut client = Client::start(&mut pinfold(&home, ["--manifest", other, "run", "puppet"]));
    assert_eq!(token(&mut client), "ok: 0");
    assert_eq!(daemon.sessions(), Vec::<Value>::new());
    client.close();

    // The control: without that variable it serves it.
    let manifest = std::fs::read_to_string(home.manifest()).unwrap();
    let changed = manifest.replace(
        "TOKEN = { from = \"TOKEN\" }",
        "TOKEN = \"of the manifest\"",
    );
    assert_ne!(changed, manifest, "{manifest}");
    std::fs::write(home.manifest(), changed).unwrap();
    home.succeed(["lock", "puppet"]);
    let mut client = daemon.client("puppet");
    assert_eq!(token(&mut client), "ok: 15");
    assert_eq!(daemon.sessions().len(), 1);
}

#[test]
fn a_command_of_before_is_looked_up_and_handed_over() {
    const PACKAGE: &str = "@modelcontextprotocol/server-everything";
    if !registry_is_reachable() {
        return skip(
            "daemon::hand_over::a_command",
            "the npm registry can't be reached",
        );
    }
    let home = Home::new();
    let source = format!("npm:{PACKAGE}");
    home.succeed(["add", "everything", &source, "--allow", "echo"]);
    let daemon = Daemon::start(&home);
    let run = ["run", "--daemon=require", "--", "npx", "-y"];
    let mut client = Client::start(&mut pinfold(&home, run.into_iter().chain([PACKAGE])));
    client.initialize();
    assert_eq!(client.tools(), ["echo"]);
    let answer = client.call_text("echo", json!({"message": "through the daemon"}));
    assert_eq!(answer, "Echo: through the daemon");
    assert_eq!(daemon.sessions()[0]["server"], "everything");
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
    let mut refused = Client::start(&mut pinfold(&home, run.into_iter().chain(["other"])));
    let answer = refused.request("initialize", json!({}));
    assert!(answer["error"].is_object(), "{answer}");
    assert_eq!(refused.close().0.code(), Some(125));
}
