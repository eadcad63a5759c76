//! A session needs no inotify instance of its own: a user has 128 of them on many machines, and may
//! have more sessions than that.

use std::process::Command;

use serde_json::json;

use crate::support::{Client, Home, fixture, skip};

/// Starts a program in a user namespace where its user has no inotify instance at all.
fn without_instances(test: &str) -> Option<Command> {
    let wrap = |program: &[&str]| {
        let mut command = Command::new("unshare");
        let none = "echo 0 >/proc/sys/user/max_inotify_instances\nexec \"$@\"";
        command.args(["-Ur", "sh", "-e", "-c", none, "sh"]);
        command.args(program);
        command
    };
    // The control: there is really none. EMFILE is 24.
    let asks = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.inotify_init1(0), ctypes.get_errno())";
    let none = wrap(&["python3", "-c", asks]).output();
    let none = none.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match none.as_deref() {
        Ok("-1 24\n") => Some(wrap(&[])),
        other => {
            skip(test, &format!("no such user namespace here: {other:?}"));
            None
        }
    }
}

#[test]
fn a_quarantine_is_noticed_without_an_instance() {
    const TEST: &str = "a_quarantine_is_noticed_without_an_instance";
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    let Some(starter) = without_instances(TEST) else {
        return;
    };
    let mut client = Client::start(&mut home.behind(&starter, &home.pinfold(["run", "puppet"])));
    client.initialize();
    // Other files of the folder come and go without a consequence.
    let other = home.state("puppet").join("other");
    std::fs::write(&other, "").unwrap();
    std::fs::remove_file(&other).unwrap();
    let call = json!({"name": "do", "arguments": {"code": "return 1"}});
    assert!(client.request("tools/call", call)["result"].is_object());
    let call = json!({"name": "do", "arguments": {"code": "time.sleep(600)"}});
    client.ask(7, "tools/call", call);
    let ran = home.succeed(["quarantine", "puppet"]);
    assert!(
        ran.stderr.contains("Every session of it has ended"),
        "{ran:#?}"
    );
    let answer = client.next().expect("an answer before the end");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("in quarantine"), "{message}");
    assert_eq!(client.close().0.code(), Some(125));
}
