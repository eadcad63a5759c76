//! `pinfold remove`: out of manifest and lock, nothing else touched, and no longer started.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Client, Home, Ran, fixture, refused, say};

const MINE: &str =
    "# My servers. Don't touch the spacing.\n\n[settings]   # all of them\nrelease_age = '72h'\n";

fn with_two() -> Home {
    let home = Home::new();
    fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
    fs::write(home.manifest(), MINE).unwrap();
    home.add_path("stays", &fixture("server.sh"), &[]);
    home.add_path("goes", &fixture("puppet.py"), &[]);
    home
}

fn manifest(home: &Home) -> String {
    fs::read_to_string(home.manifest()).unwrap()
}

fn locked(home: &Home) -> Vec<String> {
    let lock: Value = serde_json::from_slice(&fs::read(home.lock()).unwrap()).unwrap();
    lock["servers"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

#[test]
fn one_goes_and_the_rest_stays_as_it_was() {
    let home = Home::new();
    fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
    fs::write(home.manifest(), MINE).unwrap();
    home.add_path("stays", &fixture("server.sh"), &[]);
    let (before, lock_before) = (manifest(&home), fs::read(home.lock()).unwrap());
    home.add_path("goes", &fixture("puppet.py"), &[]);
    // The control: it starts, and writes into its own folder.
    let mut client = home.client("goes");
    client.initialize();
    let write = "open(os.environ['HOME'] + '/kept', 'w').write('mine')";
    client.call_text("do", json!({"code": write}));
    client.close();

    let ran = home.succeed(["remove", "goes"]);
    assert_eq!(manifest(&home), before);
    assert_eq!(fs::read(home.lock()).unwrap(), lock_before);
    refused(&home, "goes", &["there is no server `goes`"]);
    assert_eq!(say(&mut home.client("stays")), "from the shell");
    home.succeed(["verify"]);
    let kept = home.server_home("goes").join("kept");
    assert_eq!(fs::read_to_string(kept).unwrap(), "mine");
    let stays = home.state("goes");
    for said in [
        "Removed `goes` (path:",
        stays.to_str().unwrap(),
        "pinfold gc",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {ran:#?}");
    }
    // What it had in the store is free now, and only that.
    let gone = home.succeed(["gc", "--json"]);
    let gone: Value = serde_json::from_str(&gone.stdout).unwrap();
    assert_eq!(gone["trees"].as_array().unwrap().len(), 1, "{gone:#}");
    assert_eq!(say(&mut home.client("stays")), "from the shell");
    // It is in the audit log.
    let told = home
        .succeed(["log", "--json", "--kind", "policy_change"])
        .stdout;
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert!(last.to_string().contains("\"remove\""), "{last:#}");
    assert!(last.to_string().contains("\"goes\""), "{last:#}");

    let again = home.run(["remove", "goes"]);
    assert_eq!(again.code, Some(2), "{again:#?}");
    home.succeed(["remove", "stays"]);
    assert_eq!(manifest(&home), MINE);
    assert!(locked(&home).is_empty());
}

#[test]
fn all_or_none() {
    let home = with_two();
    let before = (manifest(&home), fs::read(home.lock()).unwrap());
    let ran = home.run(["remove", "goes", "stay"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("did you mean `stays`?"), "{ran:#?}");
    assert_eq!((manifest(&home), fs::read(home.lock()).unwrap()), before);
    // Twice the same is once.
    home.succeed(["remove", "goes", "stays", "goes"]);
    assert_eq!(manifest(&home), MINE);
    assert!(locked(&home).is_empty());
}

#[test]
fn one_that_runs_is_said_to_run() {
    let home = with_two();
    let mut client = home.client("goes");
    client.initialize();
    let ran = home.succeed(["remove", "goes", "stays"]);
    assert!(
        ran.stderr
            .contains("a session of `goes` still runs; `pinfold stop goes`"),
        "{ran:#?}"
    );
    assert!(!ran.stderr.contains("session of `stays`"), "{ran:#?}");
    assert_eq!(client.call_text("do", json!({"code": "return 1"})), "ok: 1");
    home.succeed(["stop", "goes"]);
    assert_eq!(client.next(), None);
    client.close();
    refused(&home, "goes", &["there is no server `goes`"]);
}

#[test]
fn one_that_was_never_locked_goes_too() {
    let home = with_two();
    let text = manifest(&home)
        + "\n# Tried once.\n[servers.new]\nsource = \"npm:nothing\"\ntools.allow = []\n";
    fs::write(home.manifest(), text).unwrap();
    let lock = fs::read(home.lock()).unwrap();
    home.succeed(["remove", "new"]);
    assert!(!manifest(&home).contains("new"), "{}", manifest(&home));
    assert!(!manifest(&home).contains("Tried"), "{}", manifest(&home));
    assert_eq!(fs::read(home.lock()).unwrap(), lock);
    // Without any lock at all.
    fs::remove_file(home.lock()).unwrap();
    home.succeed(["remove", "goes"]);
    assert!(!manifest(&home).contains("goes"));
    assert!(!home.lock().exists());
}

#[test]
fn a_secret_that_nothing_else_uses_is_named() {
    let home = with_two();
    for name in ["alone", "shared"] {
        let mut set = home.pinfold(["secret", "set", name]);
        let ran = Ran::with_input(&mut set, "sesame");
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    }
    let secret = |name: &str| format!("{{ secret = \"{name}\" }}");
    let text = manifest(&home)
        .replace(
            "[servers.goes]\n",
            &format!(
                "[servers.goes]\nenv = {{ A = {}, B = {} }}\n",
                secret("alone"),
                secret("shared")
            ),
        )
        .replace(
            "[servers.stays]\n",
            &format!("[servers.stays]\nenv = {{ B = {} }}\n", secret("shared")),
        );
    fs::write(home.manifest(), text).unwrap();
    let ran = home.succeed(["remove", "goes"]);
    assert!(
        ran.stderr.contains("`pinfold secret remove alone`"),
        "{ran:#?}"
    );
    assert!(!ran.stderr.contains("shared"), "{ran:#?}");
    assert!(home.succeed(["secret", "list"]).stdout.contains("alone"));
}

#[test]
fn of_another_manifest_it_asks_for_new_trust() {
    let home = Home::new();
    let folder = home.user().join("project");
    fs::create_dir(&folder).unwrap();
    let theirs = folder.join("pinfold.toml");
    let source = format!("path:{}", fixture("server.sh").display());
    let pinfold = |arguments: &[&str]| {
        let all = [&["--manifest", theirs.to_str().unwrap()], arguments].concat();
        home.succeed(all)
    };
    pinfold(&["add", "one", &source, "--allow-all"]);
    pinfold(&["add", "two", &source, "--allow-all"]);
    home.succeed(["trust", theirs.to_str().unwrap()]);
    let run = || home.pinfold(["--manifest", theirs.to_str().unwrap(), "run", "two"]);
    assert_eq!(say(&mut Client::start(&mut run())), "from the shell");
    let ran = pinfold(&["remove", "one"]);
    assert!(ran.stderr.contains("trusted again"), "{ran:#?}");
    let text = fs::read_to_string(&theirs).unwrap();
    assert!(text.contains("two") && !text.contains("one"), "{text}");
    let mut client = Client::start(&mut run());
    let answer = client.request("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}));
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("pinfold trust"),
        "{answer}"
    );
    client.close();
    home.succeed(["trust", theirs.to_str().unwrap()]);
    assert_eq!(say(&mut Client::start(&mut run())), "from the shell");
}
