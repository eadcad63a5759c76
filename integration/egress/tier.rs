//! Where namespaces are refused, and the way that needs none.

use std::process::Command;

use serde_json::json;

use super::{EXCHANGE, Ground, SETTING, Setting, ZONE, write_manifest};
use crate::support::{Authority, Client, Home, skip};

/// A machine without namespaces: its own user namespace may have no other below it.
const REFUSE: &str = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";

const PORTS: Setting<'_> = Setting {
    manifest: "egress = [\"allowed.test:8443\"]\negress_tier = \"ports\"",
    ..SETTING
};

/// The starter of a command on such a machine; `None`, and said, where that can't be made.
fn refusing(test: &str) -> Option<Command> {
    let mut starter = Command::new("unshare");
    starter.args([
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        REFUSE,
        "sh",
    ]);
    let mut trial = Command::new("unshare");
    let able = trial.args(starter.get_args()).arg("true").output();
    if able.is_ok_and(|output| output.status.success()) {
        return Some(starter);
    }
    skip(test, "this machine has no namespaces to take away");
    None
}

#[test]
fn without_namespaces_names_are_no_start() {
    let test = "egress::without_namespaces_names_are_no_start";
    let Some(starter) = refusing(test) else {
        return;
    };
    let home = Home::new();
    write_manifest(&home, &SETTING);
    home.succeed(["lock"]);
    // The control: it is the namespaces that it lacks.
    let mut client = home.client("puppet");
    assert_eq!(client.initialize()["serverInfo"]["name"], "puppet");
    client.close();

    let mut client = Client::start(&mut home.behind(&starter, &home.pinfold(["run", "puppet"])));
    let initialize = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    for (method, params) in [("initialize", initialize), ("tools/list", json!({}))] {
        let answer = client.request(method, params);
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        for words in ["egress_tier = \"ports\"", "packaging/apparmor/pinfold"] {
            assert!(message.contains(words), "no `{words}` in {answer}");
        }
    }
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(125), "{stderr}");
    assert!(stderr.contains("egress_tier"), "{stderr}");
}

#[test]
fn ports_need_no_namespaces() {
    let test = "egress::ports_need_no_namespaces";
    let Some(starter) = refusing(test) else {
        return;
    };
    let home = Home::new();
    let Some(authority) = Authority::new(test, &home, ZONE, json!({})) else {
        return;
    };
    write_manifest(&home, &PORTS);
    home.succeed(["lock"]);
    let world = authority.world(&home, "world");
    let command = home.behind(&starter, &home.pinfold(["run", "puppet"]));
    let mut client = Client::start(&mut world.around(&command));
    client.initialize();
    let arguments = json!({"host": "allowed.test", "port": 8443});
    let answer = client.call_text("do", json!({"code": EXCHANGE, "arguments": arguments}));
    assert!(answer.starts_with("ok:"), "{answer}");
}

#[test]
fn ports_are_what_they_are_said_to_be() {
    let Some(mut ground) = Ground::new("egress::ports_are_what_they_are_said_to_be", &PORTS) else {
        return;
    };
    ground.reaches("the granted host", EXCHANGE, "allowed.test", 8443);
    // Any host, which `names` would refuse; but no other port.
    let (answer, _) = ground.boxed(EXCHANGE, "refused.test", 8443);
    assert!(answer.starts_with("ok:"), "{answer}");
    let control = ground.bare(
        EXCHANGE,
        "allowed.test",
        8444,
        Some("tcp 93.184.216.34 8444|tcp 2606:2800:220:1::1 8444"),
    );
    assert!(control.starts_with("ok:"), "control: {control}");
    let (answer, _) = ground.boxed(EXCHANGE, "allowed.test", 8444);
    assert!(answer.starts_with("refused: EACCES"), "{answer}");
    let explained = ground.home.succeed(["explain", "puppet"]).stdout;
    for words in ["egress_tier = \"ports\"", "not hosts"] {
        assert!(explained.contains(words), "no `{words}` in {explained}");
    }
}
