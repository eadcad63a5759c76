//! Wrong usage ends with 2, says what is wrong on standard error, and changes nothing.

use std::fs;

use crate::place::{EXAMPLE, Place};

#[test]
fn of_the_command_line() {
    for arguments in [
        &[][..],
        &["no-such-verb"],
        &["add"],
        &["add", "name"],
        &["add", "name", "npm:x", "--allow", "a", "--allow-all"],
        &["run"],
        &["run", "a", "--", "npx", "b"],
        &["run", "--daemon=maybe", "a"],
        &["stop"],
        &["stop", "a", "--all"],
        &["verify", "--no-such-option"],
        &["tools"],
        &["trust"],
        &["generate", "completions", "no-such-shell"],
    ] {
        let place = Place::new();
        let ran = place.run(arguments.iter().copied());
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:#?}");
        assert!(
            ran.stdout.is_empty() && !ran.stderr.is_empty(),
            "{arguments:?}: {ran:#?}"
        );
        assert_eq!(
            fs::read_dir(place.path()).unwrap().count(),
            0,
            "{arguments:?}"
        );
    }
}

#[test]
fn of_what_add_is_given() {
    for (arguments, says) in [
        (&["add", "UPPER", "npm:x"][..], "UPPER"),
        (&["add", "..", "npm:x"], ".."),
        (&["add", "a", "x"], "npm:"),
        (&["try", "x"], "npm:"),
        (&["try", "npm:a@file:/x"], "file:/x"),
        (&["add", "a", "npm:"], "npm"),
        (
            &["add", "a", "npm:x@http://127.0.0.1/x.tgz"],
            "http://127.0.0.1/x.tgz",
        ),
        (&["add", "a", "git+ssh://127.0.0.1/x"], "git+ssh"),
        (
            &["add", "a", "npm:x", "--env", "LD_PRELOAD=x"],
            "LD_PRELOAD",
        ),
        (
            &["add", "a", "npm:x", "--env", "NODE_OPTIONS=x"],
            "NODE_OPTIONS",
        ),
        (&["add", "a", "npm:x", "--profile", "no such"], "profile"),
        (&["add", "a", "npm:x", "--read", "/"], "the whole machine"),
        (
            &[
                "add",
                "a",
                "npm:x",
                "--egress",
                "https://api.example.com/v3",
            ],
            "`api.example.com:443`",
        ),
        (
            &[
                "add", "a", "npm:x", "--egress", "a.test:1", "--egress", "A.test:1",
            ],
            "`a.test:1` is listed twice",
        ),
        (
            &[
                "add",
                "a",
                "npm:x",
                "--profile",
                "offline",
                "--egress",
                "a.test:1",
            ],
            "the profile `offline` has no network, so it goes with no `egress`",
        ),
        (&["add", "a", "npm:x", "--exec", "../sh"], "../sh"),
        (&["add", "a", "npm:x", "--allow", "a b\u{202e}"], "tool"),
    ] {
        let place = Place::new();
        let ran = place.run(arguments.iter().copied());
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:#?}");
        assert!(ran.stderr.contains(says), "{arguments:?}: {ran:#?}");
        assert!(!place.manifest().exists(), "{arguments:?}");
    }
}

/// The manifest, which has other lines there, is not named.
#[test]
fn of_an_entry_that_is_not_written_yet() {
    let place = Place::example();
    for words in [&["add", "new", "zod", "--allow-all"][..], &["try", "zod"]] {
        let ran = place.run(words.iter().copied());
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains("--> the new entry:2:"), "{ran:#?}");
    }
    assert_eq!(fs::read_to_string(place.manifest()).unwrap(), EXAMPLE);
}

#[test]
fn of_a_name_that_is_not_there() {
    let place = Place::example();
    for verb in ["verify", "fetch", "lock", "tools", "explain", "remove"] {
        let ran = place.run([verb, "nobody"]);
        assert_eq!(ran.code, Some(2), "{verb}: {ran:#?}");
        assert!(
            ran.stderr.contains("there is no server `nobody`"),
            "{verb}: {ran:#?}"
        );
    }
    for verb in ["verify", "lock", "tools", "run", "quarantine", "remove"] {
        let ran = place.run([verb, "everythin"]);
        assert!(
            ran.stderr.contains("did you mean `everything`?"),
            "{verb}: {ran:#?}"
        );
    }
    let ran = place.run(["add", "everything", "npm:other", "--allow-all"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(
        ran.stderr.contains("another server called `everything`")
            && ran.stderr.contains("with `pinfold remove everything`"),
        "{ran:#?}"
    );
    assert_eq!(fs::read_to_string(place.manifest()).unwrap(), EXAMPLE);
}

#[test]
fn without_a_manifest_the_command_that_makes_one_is_named() {
    let place = Place::new();
    for arguments in [
        &["verify"][..],
        &["tools", "a"],
        &["explain", "a"],
        &["lock"],
        &["fetch"],
        &["remove", "a"],
    ] {
        let ran = place.run(arguments.iter().copied());
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:#?}");
        assert!(
            ran.stderr.contains("`pinfold add NAME SOURCE` makes one"),
            "{ran:#?}"
        );
    }
}

#[test]
fn a_refused_run_says_so_in_the_protocol_and_ends_with_125() {
    let place = Place::example();
    for arguments in [
        &["run", "nobody"][..],
        &["run", "--", "npx", "-y", "nobody"],
        &["run", "--", "sh", "-c", "true"],
    ] {
        use std::io::Write as _;
        use std::process::Stdio;
        let mut child = place
            .pinfold(arguments.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let hello = br#"{"jsonrpc":"2.0","id":7,"method":"initialize","params":{}}"#;
        child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(&[hello, &b"\n"[..]].concat())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{arguments:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["id"], 7, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("pinfold refused to start this server: "),
            "{answer}"
        );
        assert!(!output.stderr.is_empty());
    }
}

/// A bill of materials or a SARIF that a full disk cut off is not taken for the answer.
#[test]
fn what_could_not_be_written_is_not_called_fine() {
    let place = Place::example();
    for arguments in [&["tools", "everything"][..], &["--help"], &["--version"]] {
        let run = |output: std::process::Stdio| {
            let mut command = place.pinfold(arguments.iter().copied());
            let ran = command.stdout(output).output().unwrap();
            (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
        };
        assert_eq!(run(std::process::Stdio::piped()).0, Some(0));
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let (code, stderr) = run(full.into());
        assert_eq!(code, Some(4), "{arguments:?}: {stderr}");
        assert!(stderr.contains("is not whole"), "{stderr}");

        // Whoever closes a pipe, as `head` does, had enough.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, stderr) = run(writer.into());
        assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
        assert!(stderr.is_empty(), "{stderr}");
    }
}
