//! What import makes of single servers, and what happens when something goes wrong on the way.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::json;

use super::{Desk, SECRET};
use crate::support::{Client, Package, Ran, say};

const CONFIG: &str = "home/.cursor/mcp.json";

fn config(servers: serde_json::Value) -> String {
    serde_json::to_string_pretty(&json!({ "mcpServers": servers })).unwrap()
}

fn notes() -> serde_json::Value {
    json!({"command": "npx", "args": ["-y", "@example/notes"]})
}

#[test]
fn nothing_begins_without_a_yes() {
    let desk = Desk::new();
    let path = desk.put(CONFIG, &config(json!({"notes": notes()})));
    let before = fs::read(&path).unwrap();
    for words in [
        &["import"][..],
        &["import", "--allow-all"],
        &["import", "--dry-run"],
    ] {
        let ran = desk.run(words);
        assert_eq!(
            ran.code,
            Some(if words.contains(&"--dry-run") { 0 } else { 2 }),
            "{ran:#?}"
        );
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(desk.manifest(), "");
    }
    // Which tools is a question, too; its answer needs the server.
    let ran = desk.run(&["import", "--yes"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(
        ran.stderr.contains("--allow notes:TOOL") && ran.stderr.contains("say"),
        "{ran:#?}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    let ran = desk.run(&["import", "--yes", "--allow", "other:say"]);
    assert!(
        ran.code == Some(2) && ran.stderr.contains("`other`"),
        "{ran:#?}"
    );
    let ran = desk.succeed(&["import", "--yes", "--allow", "notes:say"]);
    assert!(!ran.stderr.contains("hard links"), "{ran:#?}");
    assert!(
        desk.manifest().contains("allow = [\"say\"]"),
        "{}",
        desk.manifest()
    );
    assert_ne!(fs::read(&path).unwrap(), before);
}

#[test]
fn one_that_can_t_be_locked_stays_and_the_others_go_on() {
    let desk = Desk::new();
    let path = desk.put(
        CONFIG,
        &config(json!({
            "gone": {"command": "npx", "args": ["no-such-package"], "env": {"API_KEY": SECRET}},
            "notes": notes(),
        })),
    );
    let ran = desk.run(&["import", "--yes", "--allow-all"]);
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    let after: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        after["mcpServers"]["gone"]["args"],
        json!(["no-such-package"])
    );
    assert_eq!(after["mcpServers"]["gone"]["env"]["API_KEY"], SECRET);
    assert_eq!(
        after["mcpServers"]["notes"]["args"],
        json!(["run", "notes"])
    );
    assert!(!desk.manifest().contains("no-such-package"));
    // Each failure once, and its end says which servers they were.
    let errors: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("pinfold: ") && !line.contains("warning"))
        .collect();
    let [error] = errors[..] else {
        panic!("{ran:#?}");
    };
    assert_eq!(ran.stderr.matches(error).count(), 1, "{ran:#?}");
    let reason = error.trim_start_matches("pinfold: ");
    assert_eq!(ran.stderr.matches(reason).count(), 1, "{ran:#?}");
    assert!(ran.stderr.contains("`gone` was not locked"), "{ran:#?}");
    let secrets = desk.succeed(&["secret", "list"]);
    assert!(!secrets.stdout.contains("gone"), "{secrets:#?}");
}

#[test]
fn a_name_that_is_taken_gets_a_number() {
    let desk = Desk::new();
    desk.registry.add(&desk.home, "notes", "npm:weather");
    desk.put(CONFIG, &config(json!({"notes": notes(), "Notes": {"command": "npx", "args": ["@example/notes", "--other"]}})));
    let ran = desk.succeed(&["import", "--yes", "--allow-all"]);
    // Both have the same layers, which is said once.
    let layers = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("layers "));
    assert_eq!(layers.count(), 1, "{ran:#?}");
    let log = desk
        .succeed(&["log", "--json", "--kind", "policy_change"])
        .stdout;
    let by = |command: &str| log.matches(&format!("\"command\":\"{command}\"")).count();
    assert_eq!((by("add"), by("import")), (1, 2), "{log}");
    let manifest = desk.manifest();
    for header in ["[servers.notes]", "[servers.notes-2]", "[servers.notes-3]"] {
        assert!(manifest.contains(header), "{manifest}");
    }
    assert_eq!(say(&mut desk.home.client("notes")), "weather@1.2.0");
    assert_eq!(
        say(&mut desk.home.client("notes-2")),
        "@example/notes@2.0.0"
    );
}

#[test]
fn values_arrive_wherever_they_are_now() {
    let desk = Desk::new();
    let names = ["API_KEY", "LANGUAGE", "PASSED"];
    let expression = "['API_KEY', 'LANGUAGE', 'PASSED'].map((name) => process.env[name]).join(' ')";
    desk.registry
        .publish(Package::speaking("telling", "1.0.0", expression));
    let path = desk.put(
        CONFIG,
        &config(
            json!({"telling": {"command": "npx", "args": ["telling"], "env": {
                "API_KEY": SECRET, "LANGUAGE": "de", "PASSED": "${env:PASSED}",
            }}}),
        ),
    );
    desk.succeed(&["import", "--yes", "--allow-all"]);
    let after: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let entry = &after["mcpServers"]["telling"];
    assert_eq!(
        entry["env"],
        json!({"PASSED": "${env:PASSED}"}),
        "{names:?}"
    );
    assert!(!desk.manifest().contains(SECRET), "{}", desk.manifest());
    // As a client would start it, with its placeholder filled in.
    let mut command = desk.home.pinfold(["run", "telling"]);
    let mut client = Client::start(command.env("PASSED", "from the client"));
    let said = say(&mut client);
    // Its own secret is taken out of what a server says.
    assert!(said.ends_with(" de from the client"), "{said}");
    assert!(
        !said.starts_with("undefined") && !said.starts_with(' '),
        "{said}"
    );
}

#[test]
fn links_and_modes_stay() {
    let desk = Desk::new();
    let kept = desk.put("dotfiles/cursor.json", &config(json!({"notes": notes()})));
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o640)).unwrap();
    let link = desk.home.path().join(CONFIG);
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink("../../dotfiles/cursor.json", &link).unwrap();
    let before = fs::read(&kept).unwrap();
    // Another name of the same file can't be found from here; that it is there can.
    let other = desk.home.path().join("dotfiles/other.json");
    fs::hard_link(&kept, &other).unwrap();
    let ran = desk.succeed(&["import", "--yes", "--allow-all"]);
    assert!(ran.stderr.contains("hard links"), "{ran:#?}");
    assert_eq!(fs::read(&other).unwrap(), before);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_ne!(fs::read(&kept).unwrap(), before);
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o640
    );
    desk.succeed(&["restore", link.to_str().unwrap()]);
    assert_eq!(fs::read(&kept).unwrap(), before);
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o640
    );
}

#[test]
fn folders_among_the_arguments_are_granted() {
    let desk = Desk::new();
    let folder = desk.home.path().join("shared");
    fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    desk.put(
        CONFIG,
        &config(json!({"notes": {"command": "npx", "args": ["@example/notes", folder, "/"]}})),
    );
    let dry = desk.succeed(&["import", "--dry-run"]);
    assert!(dry.stdout.contains("not granted: `/`"), "{}", dry.stdout);
    desk.succeed(&["import", "--yes", "--allow-all"]);
    let manifest = desk.manifest();
    assert!(
        manifest.contains(&format!("write = [\"{folder}\"]")),
        "{manifest}"
    );
    assert!(manifest.contains("profile = \"files-rw\""), "{manifest}");
}

#[test]
fn a_secret_that_is_there_is_neither_overwritten_nor_taken_away() {
    let desk = Desk::new();
    let stored = desk.home.path().join("data/pinfold/secrets/weather.token");
    desk.put("data/pinfold/secrets/.store", "files\n");
    desk.put("data/pinfold/secrets/weather.token", "mine-and-older");
    let folder = stored.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    for file in [&stored, &folder.join(".store")] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let entry = |package: &str| {
        config(
            json!({"weather": {"command": "npx", "args": [package], "env": {"TOKEN": SECRET, "token": "another-one"}}}),
        )
    };
    desk.put(CONFIG, &entry("no-such-package"));
    assert_ne!(desk.run(&["import", "--yes", "--allow-all"]).code, Some(0));
    assert_eq!(fs::read_to_string(&stored).unwrap(), "mine-and-older");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 2);
    // The control: one that can be locked has its secrets, each under a name of its own.
    desk.put(CONFIG, &entry("weather"));
    desk.succeed(&["import", "--yes", "--allow-all"]);
    assert_eq!(fs::read_to_string(&stored).unwrap(), "mine-and-older");
    assert_eq!(
        fs::read_dir(folder).unwrap().count(),
        4,
        "{}",
        desk.manifest()
    );
    let manifest = desk.manifest();
    // Without the lock and from a second config it is the same server, and keeps its secrets.
    fs::remove_file(desk.home.lock()).unwrap();
    desk.put("home/.gemini/settings.json", &entry("weather"));
    desk.succeed(&["import", "--yes", "--allow-all"]);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 4);
    assert_eq!(desk.manifest(), manifest);
}

#[test]
fn a_secret_that_is_stored_already_is_not_stored_again() {
    let desk = Desk::new();
    let stored = desk.home.path().join("data/pinfold/secrets");
    let mut command = desk.command(&["secret", "set", "weather.token", "--store", "files"]);
    assert_eq!(Ran::with_input(&mut command, SECRET).code, Some(0));
    let names = || {
        let entries = fs::read_dir(&stored).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    };
    let weather = json!({"command": "npx", "args": ["weather"], "env": {"TOKEN": SECRET}});
    desk.put(CONFIG, &config(json!({ "weather": weather })));
    desk.succeed(&["import", "--yes", "--allow-all"]);
    assert_eq!(names(), ["weather.token"]);
    assert_eq!(say(&mut desk.home.client("weather")), "weather@1.2.0");
    // The control: another value has a name of its own.
    let other =
        json!({"command": "npx", "args": ["weather", "2"], "env": {"TOKEN": "another-one"}});
    desk.put(
        "home/.gemini/settings.json",
        &config(json!({ "weather": other })),
    );
    let mut command = desk.command(&["secret", "set", "weather-2.token"]);
    assert_eq!(Ran::with_input(&mut command, "mine").code, Some(0));
    desk.succeed(&["import", "--yes", "--allow-all"]);
    assert_eq!(
        names(),
        ["weather-2.token", "weather-2.token-2", "weather.token"]
    );
}

#[test]
fn no_spelling_of_a_secret_is_shown() {
    let desk = Desk::new();
    let token = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
    desk.put(
        CONFIG,
        &format!(
            r#"{{"mcpServers": {{"notes": {{"command": "npx", "args": ["@example/notes"],
  // once {token}
  "env": {{"DB": "postgres:\/\/me:hunter2@h", "API_TOKEN": "\u0061bcd-efgh", "LANGUAGE": "de"}}}},
 "h": {{"command": "npx", "args": ["weather", "--header", "Authorization: Bearer qwertzuiop"]}}}}}}"#
        ),
    );
    let dry = desk.succeed(&["import", "--dry-run"]);
    for part in ["hunter2", "bcd-efgh", token, "qwertzuiop"] {
        assert!(
            !dry.stdout.contains(part) && !dry.stderr.contains(part),
            "{part}: {dry:#?}"
        );
    }
    // The control: the lines themselves are shown.
    for part in [
        "// once [secret]",
        "\"LANGUAGE\": \"de\"",
        "an argument holds a secret",
    ] {
        assert!(dry.stdout.contains(part), "{part}: {dry:#?}");
    }
}
