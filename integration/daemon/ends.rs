//! Whoever ends, ends all of it: `run`, the session's process, the daemon, or `pinfold stop`.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::{Daemon, Process, pinfold, tree, unruly, wait_until_gone, wait_until_idle};
use crate::support::processes::{wait_until, with_home};
use crate::support::{Client, Home, Ran};

/// No client waits longer than 2 s for the end; a busy machine may take some more.
const HANGING: Duration = Duration::from_secs(15);

fn calling(daemon: &Daemon<'_>) -> Client {
    let mut client = daemon.client("unruly");
    client.initialize();
    client.ask(1, "tools/call", json!({"name": "never", "arguments": {}}));
    // The server has it when something that came after it is answered.
    client.call("answer_of_size", json!({"size": 1}));
    client
}

/// The session's process, and everything below it.
fn session(daemon: &Daemon<'_>) -> (Pid, Vec<Process>) {
    let sessions = daemon.sessions();
    let number = sessions.last().unwrap()["session_pid"].as_i64().unwrap();
    let process = Pid::from_raw(i32::try_from(number).unwrap());
    let tree = tree(process);
    // The session itself, the monitor, the server at least.
    assert!(tree.len() >= 3, "{tree:?}");
    (process, tree)
}

fn nothing_is_left(home: &Home, processes: &[Process]) {
    wait_until_gone(processes);
    assert_eq!(with_home(&home.server_home("unruly")), Vec::<i32>::new());
}

/// What the request that waits was told, and how `run` ended.
fn farewell(mut client: Client) -> (String, Option<i32>, String) {
    let began = Instant::now();
    let answer = client.next().unwrap();
    assert_eq!(answer["id"], 1, "{answer}");
    let message = answer["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(client.line(), None);
    let (status, stderr) = client.close();
    assert!(began.elapsed() < HANGING);
    (message, status.code(), stderr)
}

#[test]
fn run_killed() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let mut client = calling(&daemon);
    let mut other = calling(&daemon);
    let sessions = daemon.sessions();
    let first = sessions[0]["session_pid"].as_i64().unwrap();
    let processes = tree(Pid::from_raw(i32::try_from(first).unwrap()));
    client.child.kill().unwrap();
    client.child.wait().unwrap();
    wait_until_gone(&processes);
    // The other session goes on.
    wait_until("it is alone", || daemon.sessions().len() == 1);
    other.call("answer_of_size", json!({"size": 1}));
    drop(other);
    wait_until_idle(&daemon);
    nothing_is_left(&home, &processes);
}

#[test]
fn the_sessions_process_killed() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let mut client = calling(&daemon);
    let (process, processes) = session(&daemon);
    let id = daemon.sessions()[0]["session"].as_str().unwrap().to_owned();
    kill(process, Signal::SIGKILL).unwrap();
    assert_eq!(client.line(), None);
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(69), "{stderr}");
    assert!(stderr.contains("is gone"), "{stderr}");
    nothing_is_left(&home, &processes);
    wait_until_idle(&daemon);
    // After it was taken from the list.
    let said = format!("{id} was killed or crashed");
    wait_until("it is said", || daemon.log().contains(&said));
    // The control: the daemon serves the next one.
    daemon.client("unruly").initialize();
}

#[test]
fn the_daemon_killed() {
    let home = unruly();
    let mut daemon = Daemon::start(&home);
    let client = calling(&daemon);
    let (_, processes) = session(&daemon);
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
    let (message, code, stderr) = farewell(client);
    assert!(message.contains("daemon has ended"), "{message}");
    assert_eq!(code, Some(128 + Signal::SIGTERM as i32), "{stderr}");
    nothing_is_left(&home, &processes);
    let end = home
        .succeed(["log", "--json", "--kind", "session_end"])
        .stdout;
    assert!(end.contains("the channel to the daemon ended"), "{end}");
    // A socket is left where nobody listens: served without the daemon, and taken over by the next.
    let mut alone = Client::start(&mut pinfold(&home, ["run", "unruly"]));
    alone.initialize();
    drop(alone);
    drop(daemon);
    Daemon::start(&home).client("unruly").initialize();
}

#[test]
fn the_daemon_asked_to_end() {
    let home = unruly();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Daemon::start(&home);
        let client = calling(&daemon);
        let (_, processes) = session(&daemon);
        daemon.signal(signal);
        let (message, code, stderr) = farewell(client);
        assert!(message.contains("daemon was stopped"), "{message}");
        assert_eq!(code, Some(128 + Signal::SIGTERM as i32), "{stderr}");
        assert_eq!(daemon.code(), Some(0));
        assert!(!super::socket_path(&home).exists());
        nothing_is_left(&home, &processes);
    }
}

#[test]
fn stopped_by_name_by_id_and_all() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let stop = |argument: &str| Ran::of(&mut pinfold(&home, ["stop", argument]));
    assert_eq!(stop("unruly").code, Some(2));
    let first = calling(&daemon);
    let second = calling(&daemon);
    let ids = |daemon: &Daemon<'_>| -> Vec<String> {
        let sessions = daemon.sessions().into_iter();
        sessions
            .map(|one| one["session"].as_str().unwrap().to_owned())
            .collect()
    };
    let [one, other] = &ids(&daemon)[..] else {
        panic!("two sessions");
    };
    let ran = stop(one);
    assert_eq!((ran.code, ran.stdout), (Some(0), format!("{one}\n")));
    let (message, code, _) = farewell(first);
    assert!(
        message.contains("was stopped (`pinfold stop`)"),
        "{message}"
    );
    assert_eq!(code, Some(128 + Signal::SIGTERM as i32));
    super::wait_until("the first has ended", || ids(&daemon) == [other.as_str()]);
    assert_eq!(stop("other").code, Some(2));
    assert_eq!(stop(one).code, Some(2));
    assert_eq!(ids(&daemon), [other.as_str()]);
    assert_eq!(stop("unruly").stdout, format!("{other}\n"));
    farewell(second);
    wait_until_idle(&daemon);
    let third = calling(&daemon);
    let last = ids(&daemon).join("");
    assert_eq!(stop("--all").stdout, format!("{last}\n"));
    farewell(third);
    wait_until_idle(&daemon);
    assert_eq!(with_home(&home.server_home("unruly")), Vec::<i32>::new());
}

/// Whatever the moment: nobody hangs, nothing is left.
fn killed_under_load(rounds: u32) {
    let home = unruly();
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        let mut daemon = Daemon::start(&home);
        let mut clients: Vec<Client> = (0..4)
            .map(|_| {
                let mut command = pinfold(&home, ["run", "unruly"]);
                let mut client = Client::start(command.env("PINFOLD_DAEMON", "auto"));
                client.send(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#);
                client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
                client.ask(2, "tools/call", json!({"name": "never", "arguments": {}}));
                client
            })
            .collect();
        // From at once to well into the work, in an order that is not that of time.
        std::thread::sleep(Duration::from_millis(u64::from(round * 37 % 50) * 10));
        let processes = tree(daemon.pid());
        daemon.child.kill().unwrap();
        daemon.child.wait().unwrap();
        let began = Instant::now();
        for client in &mut clients {
            // Those whom nobody had taken go on by themselves.
            client.close_input();
            while client.line().is_some() {}
            let status = client.child.wait().unwrap();
            assert!(status.code().is_some(), "{status:?}");
        }
        longest = longest.max(began.elapsed());
        wait_until_gone(&processes);
        assert_eq!(with_home(&home.server_home("unruly")), Vec::<i32>::new());
    }
    assert!(longest < HANGING);
    println!("the longest wait for an end: {longest:?}");
}

#[test]
fn the_daemon_killed_under_load() {
    killed_under_load(10);
}

#[test]
#[ignore = "a minute"]
fn the_daemon_killed_under_load_fifty_times() {
    killed_under_load(50);
}
