//! A secret that can't be had: the launch is refused, soon, in the client's protocol, with a message
//! that names server, variable and source; and no process of a command is left.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Puppet, answer, backwards, set};
use crate::support::processes::wait_until;
use crate::support::{Client, Home, Tier};

/// Far more than the five seconds that it may take, far less than forever.
const SOON: Duration = Duration::from_secs(25);

/// What the client is told.
#[track_caller]
pub(super) fn refusal(client: Client) -> String {
    let mut client = client;
    let begun = Instant::now();
    let answer = client.request(
        "initialize",
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}),
    );
    let took = begun.elapsed();
    assert!(took < SOON, "{took:?}");
    let message = answer["error"]["message"].as_str();
    let message = message.unwrap_or_else(|| panic!("{answer}")).to_owned();
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(125), "{stderr}");
    assert!(
        !message.contains("zq8") && !stderr.contains("zq8"),
        "{stderr}"
    );
    message
}

/// A program of the user, of this text.
fn program(home: &Home, text: &str) -> String {
    let path = home.user().join("program");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn commands_that_give_no_secret() {
    let puppet = Puppet::new(Tier::Full);
    let home = &puppet.home;
    let path = program(home, "echo zq8-fine");
    let puppet = puppet.with(&format!("TOKEN = {{ command = [\"{path}\"] }}"));
    let home = &puppet.home;
    // Control: with a command that does what it should, it starts.
    let mut client = puppet.client();
    let said = answer(&mut client, "return os.environ['TOKEN'][::-1]");
    assert_eq!(said, format!("ok: \"{}\"", backwards("zq8-fine")));
    client.close();

    let left = home.path().join("left");
    for (text, says) in [
        ("echo zq8; sleep 600".to_owned(), "was not done in time"),
        (
            "echo zq8; exec sleep 600 >/dev/null".to_owned(),
            "was not done in time",
        ),
        ("echo zq8; echo zq8 >&2; exit 3".to_owned(), "failed"),
        ("kill -9 $$".to_owned(), "failed"),
        ("true".to_owned(), "printed nothing"),
        ("exec yes zq8".to_owned(), "more than 64 KiB"),
        (
            "head -c 1048576 /dev/zero | tr '\\0' a".to_owned(),
            "more than 64 KiB",
        ),
        ("printf 'zq8\\0'".to_owned(), "NUL"),
        ("printf '\\n'".to_owned(), "printed nothing"),
        ("printf '\\377'".to_owned(), "UTF-8"),
        (
            format!("sleep 600 & echo $! > {}; echo zq8", left.display()),
            "keeps its output open",
        ),
    ] {
        program(home, &text);
        let message = refusal(home.client("puppet"));
        for part in [says, "`puppet`", "`TOKEN`", &path] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    let pid = fs::read_to_string(&left).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    wait_until("the child that it left is gone", || {
        fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
    });
    fs::remove_file(&path).unwrap();
    assert!(refusal(home.client("puppet")).contains("could not be started"));
}

#[test]
fn several_that_hang_are_not_waited_for_one_after_the_other() {
    let puppet = Puppet::new(Tier::Full);
    let path = program(&puppet.home, "echo zq8-fine");
    let variables: Vec<String> = (0..6)
        .map(|number| format!("TOKEN{number} = {{ command = [\"{path}\"] }}"))
        .collect();
    let puppet = puppet.with(&variables.join(", "));
    program(&puppet.home, "exec sleep 600");
    let begun = Instant::now();
    let message = refusal(puppet.home.client("puppet"));
    let took = begun.elapsed();
    assert!(message.contains("`TOKEN"), "{message}");
    let _ = writeln!(
        std::io::stderr(),
        "SECRETS six commands that hang: refused after {took:.1?}"
    );
    // The control: many lines are a value, and it arrives as it is.
    program(&puppet.home, "printf 'zq8\\n\\nkey\\n\\n'");
    let mut client = puppet.client();
    let said = answer(&mut client, "return os.environ['TOKEN0'][::-1]");
    assert_eq!(said, "ok: \"\\nyek\\n\\n8qz\"");
}

#[test]
fn secrets_that_are_not_there_or_that_others_can_read() {
    let puppet = Puppet::new(Tier::Full);
    let value = "zq8-value";
    assert_eq!(
        set(&puppet.home, "a", value, &["--store", "files"]).code,
        Some(0)
    );
    let puppet = puppet.with("TOKEN = { secret = \"a\" }");
    let home = &puppet.home;
    puppet.client().close();

    let folder = home.path().join("data/pinfold/secrets");
    for (path, mode, right) in [
        (folder.join("a"), 0o644, 0o600),
        (folder.clone(), 0o755, 0o700),
    ] {
        let set_mode = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        set_mode(mode);
        let message = refusal(home.client("puppet"));
        assert!(message.contains("chmod"), "{message}");
        set_mode(right);
    }
    puppet.client().close();

    let listed = home.succeed(["secret", "list"]).stdout;
    assert!(listed.contains("used by puppet (TOKEN)"), "{listed}");
    let removed = home.succeed(["secret", "remove", "a"]);
    assert!(removed.stderr.contains("release puppet"), "{removed:?}");
    let message = refusal(home.client("puppet"));
    assert!(message.contains("quarantine"), "{message}");
    home.succeed(["release", "puppet"]);
    let message = refusal(home.client("puppet"));
    assert!(message.contains("pinfold secret set a"), "{message}");
    let listed = home.succeed(["secret", "list", "--json"]).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["missing"][0]["name"], "a", "{listed}");
    // Its user isn't in quarantine any more; then it is, and there is nothing left to do.
    let again = home.succeed(["secret", "remove", "a"]);
    assert!(again.stderr.contains("release puppet"), "{again:?}");
    assert_eq!(home.run(["secret", "remove", "a"]).code, Some(2));
    home.succeed(["release", "puppet"]);
    // Never on the command line.
    assert_eq!(home.run(["secret", "set", "a", value]).code, Some(2));
    assert_eq!(set(home, "a", "", &[]).code, Some(2));
    assert_eq!(set(home, "A", value, &[]).code, Some(2));
}

#[test]
fn a_removal_that_can_revoke_nothing_removes_nothing() {
    let puppet = Puppet::new(Tier::Full);
    let home = &puppet.home;
    for name in ["a", "unused"] {
        let ran = set(home, name, "zq8-value", &["--store", "files"]);
        assert_eq!(ran.code, Some(0));
    }
    let puppet = puppet.with("TOKEN = { secret = \"a\" }");
    let home = &puppet.home;
    let kept = home.path().join("data/pinfold/secrets/a");
    let mut client = puppet.client();
    let text = fs::read_to_string(home.manifest()).unwrap();
    fs::write(home.manifest(), format!("{text}\n[servers\n")).unwrap();
    for _ in 0..2 {
        let ran = home.run(["secret", "remove", "a"]);
        assert_ne!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.contains("nothing was removed"), "{ran:?}");
        assert!(kept.exists());
    }
    super::answer(&mut client, "return 1");
    // The control: mended, it removes and revokes.
    fs::write(home.manifest(), text).unwrap();
    // As if it had been removed by a version that revoked nothing.
    fs::remove_file(&kept).unwrap();
    let ran = home.succeed(["secret", "remove", "a"]);
    assert!(ran.stderr.contains("is in quarantine"), "{ran:?}");
    let message = refusal(home.client("puppet"));
    assert!(
        message.contains("quarantine") && message.contains("by `pinfold secret remove`"),
        "{message}"
    );
    home.succeed(["secret", "remove", "unused"]);
    assert_eq!(home.run(["secret", "remove", "unused"]).code, Some(2));
}

#[test]
fn another_secret_under_the_same_variable_is_another_policy() {
    let puppet = Puppet::new(Tier::Full);
    for name in ["a", "b"] {
        assert_eq!(
            set(&puppet.home, name, "zq8-value", &["--store", "files"]).code,
            Some(0)
        );
    }
    let puppet = puppet.with("TOKEN = { secret = \"a\" }");
    let home = &puppet.home;
    // Another value is none.
    assert_eq!(set(home, "a", "zq8-other", &[]).code, Some(0));
    puppet.client().close();
    let text = fs::read_to_string(home.manifest()).unwrap();
    for other in ["secret = \"b\"", "secret = \"a\", deliver = \"file\""] {
        fs::write(home.manifest(), text.replace("secret = \"a\"", other)).unwrap();
        let message = refusal(home.client("puppet"));
        assert!(message.contains("pinfold lock puppet"), "{message}");
    }
}

#[test]
fn a_manifest_of_somebody_else_names_no_command() {
    let puppet = Puppet::new(Tier::Full);
    let path = program(&puppet.home, "echo zq8-fine; echo ran >> ~/ran");
    let puppet = puppet.with(&format!("TOKEN = {{ command = [\"{path}\"] }}"));
    let home = &puppet.home;
    let ran = home.user().join("ran");
    assert!(ran.exists());
    fs::remove_file(&ran).unwrap();
    let repository = home.path().join("repository");
    fs::create_dir(&repository).unwrap();
    for file in [home.manifest(), home.lock()] {
        fs::copy(&file, repository.join(file.file_name().unwrap())).unwrap();
    }
    let repository = repository.to_str().unwrap();
    home.succeed(["trust", repository]);
    let run = ["--manifest", repository, "run", "puppet"];
    let message = refusal(Client::start(&mut home.pinfold(run)));
    assert!(message.contains("can't name a command"), "{message}");
    assert!(!ran.exists());
}
