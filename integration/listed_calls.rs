//! A server that may make no system calls but those on its manifest's list, and how it comes by one.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Home, Ran, Tier, fixture, skip};

/// Makes a link, which the puppet does for nothing else. ENOSYS is the filter's answer.
const LINKS: &str = "
    import errno, tempfile
    try:
        os.symlink('x', os.path.join(tempfile.mkdtemp(), 'link'))
        return 'made'
    except OSError as error:
        return errno.errorcode[error.errno]";

fn link() -> Value {
    json!({ "code": LINKS })
}

fn nothing() -> Value {
    json!({ "code": "\n    import tempfile\n    tempfile.mkdtemp()\n    return 1" })
}

/// What the tool answers in a session of its own.
fn answers(mut client: Client, arguments: Value) -> String {
    client.initialize();
    client.call_text("do", arguments)
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
}

/// Its calls but for those that make links.
fn without_links() -> Home {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    home
}

fn observed(home: &Home, arguments: &Value) -> Value {
    let call = format!("do {arguments}");
    report(&home.succeed(["observe", "puppet", "--anew", "--json", "--call", &call]))
}

fn limit(home: &Home) {
    observed(home, &nothing());
    home.succeed(["observe", "puppet", "--apply", "--system-calls", "--yes"]);
}

fn only_what_it_was_seen_to_make(tier: Tier) {
    let home = without_links();
    home.set_tier("puppet", tier);
    // The control: its box lets it.
    assert_eq!(answers(home.client("puppet"), link()), "ok: \"made\"");

    limit(&home);
    let manifest = fs::read_to_string(home.manifest()).unwrap();
    assert!(manifest.contains("\nsystem_calls = [\n"), "{manifest}");
    assert_eq!(answers(home.client("puppet"), nothing()), "ok: 1");
    assert_eq!(answers(home.client("puppet"), link()), "ok: \"ENOSYS\"");
    let why = |question: &str| home.run(["explain", "puppet", "--why", question]);
    let no = why("syscall symlink");
    assert_eq!(no.code, Some(1), "{no:#?}");
    assert!(no.stdout.contains("system_calls"), "{no:#?}");
    assert_eq!(why("syscall openat").code, Some(0));

    // What the list refused is seen, proposed, and with that it works again.
    let seen = observed(&home, &link());
    let lines = seen["proposal"]["lines"].as_array().unwrap();
    let keys: Vec<&str> = lines
        .iter()
        .map(|line| line["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["system_calls"], "{seen}");
    assert!(lines[0]["value"].as_str().unwrap().starts_with("symlink"));
    home.succeed(["observe", "puppet", "--apply", "--yes"]);
    assert_eq!(answers(home.client("puppet"), link()), "ok: \"made\"");
}

#[test]
fn nothing_but_what_was_seen() {
    only_what_it_was_seen_to_make(Tier::Full);
}

#[test]
fn nothing_but_what_was_seen_in_the_base_tier() {
    only_what_it_was_seen_to_make(Tier::Base);
}

/// The box is built a second time then, with other rules.
#[test]
fn the_list_holds_where_namespaces_are_refused() {
    const TEST: &str = "the_list_holds_where_namespaces_are_refused";
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let mut starter = Command::new("unshare");
    starter.args(["--user", "--map-root-user", "sh", "-c", script, "sh"]);
    let able = Command::new("unshare")
        .args(starter.get_args())
        .arg("true")
        .output();
    if !able.is_ok_and(|output| output.status.success()) {
        return skip(TEST, "this machine has no namespaces to take away");
    }
    let home = without_links();
    let there = || Client::start(&mut home.behind(&starter, &home.pinfold(["run", "puppet"])));
    assert_eq!(answers(there(), link()), "ok: \"made\"");
    limit(&home);
    assert_eq!(answers(there(), nothing()), "ok: 1");
    assert_eq!(answers(there(), link()), "ok: \"ENOSYS\"");
}

#[test]
fn a_list_can_only_take_away_and_counts_only_once_it_is_locked() {
    let home = without_links();
    let manifest = fs::read_to_string(home.manifest()).unwrap();
    let with = |calls: &str| {
        let entry = "[servers.puppet]\n";
        let list = format!("{entry}system_calls = [{calls}]\n");
        fs::write(home.manifest(), manifest.replace(entry, &list)).unwrap();
    };
    with("'read', 'ptrace'");
    let refused = home.run(["lock", "puppet"]);
    assert_ne!(refused.code, Some(0));
    assert!(
        refused.stderr.contains("can't name `ptrace`"),
        "{refused:#?}"
    );
    // A server that needs more than that can't even be asked for its tools.
    with("");
    let unlocked = home.run(["run", "puppet"]);
    assert_eq!(unlocked.code, Some(125), "{unlocked:#?}");
    assert_ne!(home.run(["lock", "puppet"]).code, Some(0));
    // The control.
    fs::write(home.manifest(), &manifest).unwrap();
    home.succeed(["lock", "puppet"]);
    assert_eq!(answers(home.client("puppet"), nothing()), "ok: 1");
}
