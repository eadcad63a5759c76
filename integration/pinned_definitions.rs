//! A tool whose definition is not the one that was locked is neither listed nor called, until a
//! person has reviewed the difference.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Home, Ran, at_terminal, fixture};

const AGREED: &str = "Echoes the message back to you.";
/// One letter is another.
const CHANGED: &str = "Echoes the massage back to you.";

/// A server that says of itself what a file says, locked with [`AGREED`].
struct Moody {
    home: Home,
    words: PathBuf,
}

impl Moody {
    fn new() -> Self {
        let home = Home::new();
        let folder = home.path().join("words");
        fs::create_dir(&folder).unwrap();
        let words = folder.join("words.json");
        let moody = Self { home, words };
        moody.say("echo", AGREED);
        let (folder, words) = (folder.to_str().unwrap(), moody.words.to_str().unwrap());
        let more = ["--read", folder, "--", words];
        moody.home.add_path("moody", &fixture("moody.py"), &more);
        moody
    }

    /// From now on the server says this, and the usual of everything else.
    fn say(&self, what: &str, text: &str) {
        let mut words =
            json!({"echo": AGREED, "other": "Another tool.", "instructions": "Be kind."});
        words[what] = text.into();
        self.write(&words);
    }

    fn write(&self, words: &Value) {
        fs::write(&self.words, words.to_string()).unwrap();
    }

    /// A session through pinfold.
    fn client(&self) -> Client {
        self.home.client("moody")
    }

    /// A session without pinfold.
    fn bare(&self) -> Client {
        let mut command = Command::new(fixture("moody.py"));
        self.home.environment(&mut command);
        Client::start(command.arg(&self.words).stderr(Stdio::null()))
    }

    /// The calls that reached the server.
    fn calls(&self) -> String {
        let log = self.home.server_home("moody").join("calls.log");
        fs::read_to_string(log).unwrap_or_default()
    }

    fn review(&self, more: &[&str], code: i32) -> String {
        let ran = self.home.run([&["review", "moody"], more].concat());
        assert_eq!(ran.code, Some(code), "{ran:#?}");
        ran.stdout
    }
}

/// The client was told why, in a result that a model reads.
fn expect_withheld(answer: &Value) {
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("`pinfold review moody`"), "{answer}");
}

#[test]
fn one_letter_between_sessions() {
    let moody = Moody::new();
    let mut client = moody.client();
    client.initialize();
    assert_eq!(client.description("echo").as_deref(), Some(AGREED));
    assert_eq!(client.call_text("echo", json!({})), "echo");
    client.close();
    assert_eq!(moody.calls(), "echo\n");

    moody.say("echo", CHANGED);
    // Control: without pinfold the client sees the new text, and the call arrives.
    let mut bare = moody.bare();
    bare.initialize();
    assert_eq!(bare.description("echo").as_deref(), Some(CHANGED));
    assert_eq!(bare.call_text("echo", json!({})), "echo");
    bare.close();

    let mut client = moody.client();
    client.initialize();
    assert_eq!(client.tools(), ["other"]);
    expect_withheld(&client.call("echo", json!({})));
    let (_, stderr) = client.close();
    assert_eq!(moody.calls(), "echo\n");
    let said = "withheld the tool `echo`: its definition is not the one that was locked; \
                `pinfold review moody` shows what changed";
    assert_eq!(stderr.matches(said).count(), 1, "{stderr}");
    let tools = moody.home.succeed(["tools", "moody"]).stdout;
    assert!(tools.contains("changed   echo"), "{tools}");

    // A person sees the letter, and says yes.
    let shown = moody.review(&[], 1);
    for line in [
        "  - \"Echoes the [-message-] back to you.\"",
        "  + \"Echoes the {+massage+} back to you.\"",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let before = fs::read_to_string(moody.home.lock()).unwrap();
    moody.review(&["--accept", "echo"], 0);
    let after = fs::read_to_string(moody.home.lock()).unwrap();
    let differing = before.lines().zip(after.lines()).filter(|(a, b)| a != b);
    let differing: Vec<_> = differing.collect();
    assert_eq!(differing.len(), 1, "{differing:?}");
    assert!(differing[0].0.contains("\"echo\""), "{differing:?}");

    let mut client = moody.client();
    client.initialize();
    assert_eq!(client.description("echo").as_deref(), Some(CHANGED));
    assert_eq!(client.call_text("echo", json!({})), "echo");
    client.close();
    assert_eq!(moody.calls(), "echo\necho\n");
    let tools = moody.home.succeed(["tools", "moody"]).stdout;
    assert!(tools.contains("allowed   echo"), "{tools}");
}

/// `review` asks the server itself, which may say something else then.
#[test]
fn what_only_a_session_saw_is_reviewed() {
    let moody = Moody::new();
    let only_other = || {
        moody.say("echo", CHANGED);
        let mut client = moody.client();
        client.initialize();
        assert_eq!(client.tools(), ["other"]);
        client.close();
        moody.say("echo", AGREED);
    };
    only_other();
    // The letter, and where it comes from.
    let ran = moody.home.run(["review", "moody"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stdout.contains("{+massage+}"), "{ran:#?}");
    assert!(
        ran.stderr.contains("as its last session saw it"),
        "{ran:#?}"
    );
    // A session that sees what was agreed is the last one then.
    let mut client = moody.client();
    client.initialize();
    assert_eq!(client.tools(), ["echo", "other"]);
    client.close();
    assert!(!moody.review(&[], 0).contains("massage"));
    // Nor does it count when something else has been agreed since.
    only_other();
    moody.review(&["--accept", "echo"], 0);
    moody.say("echo", CHANGED);
    assert!(!moody.review(&[], 0).contains("massage"));
    let mut client = moody.client();
    client.initialize();
    assert_eq!(client.description("echo").as_deref(), Some(CHANGED));
    client.close();
}

/// Neither a session nor `review` keeps a definition that holds a secret.
#[test]
fn a_definition_that_holds_a_secret_is_not_kept() {
    let moody = Moody::new();
    let text = fs::read_to_string(moody.home.manifest()).unwrap();
    let head = "[servers.moody]\n";
    assert!(text.contains(head), "{text}");
    let with = format!("{head}env = {{ TOKEN = {{ from = \"TOKEN\" }} }}\n");
    fs::write(moody.home.manifest(), text.replacen(head, &with, 1)).unwrap();
    let command = |words: &[&str]| {
        let mut command = moody.home.pinfold(words.iter().copied());
        command.env("TOKEN", "t0ken-of-moody");
        command
    };
    assert_eq!(Ran::of(&mut command(&["lock"])).code, Some(0));
    let kept = || fs::read_to_string(moody.home.state("moody").join("tools.json")).unwrap();
    for (says, is_kept) in [("It is t0ken-of-moody.", false), (CHANGED, true)] {
        moody.say("echo", says);
        let mut client = Client::start(&mut command(&["run", "moody"]));
        client.initialize();
        assert_eq!(client.tools(), ["other"]);
        client.close();
        for _ in 0..2 {
            assert!(kept().contains("\"echo\""), "{}", kept());
            assert_eq!(kept().contains(says), is_kept, "{}", kept());
            assert_eq!(Ran::of(&mut command(&["review", "moody"])).code, Some(1));
        }
    }
}

#[test]
fn what_depends_on_its_own_folder_is_reviewed_there() {
    let moody = Moody::new();
    let own = moody.home.server_home("moody").join("words.json");
    moody.client().initialize();
    moody.say("echo", CHANGED);
    fs::copy(&moody.words, &own).unwrap();
    moody.say("echo", AGREED);
    // In quarantine it does not reach its folder.
    moody.home.succeed(["quarantine", "moody"]);
    assert!(!moody.review(&[], 0).contains("massage"));
    moody.home.succeed(["release", "moody"]);
    let shown = moody.review(&[], 1);
    assert!(shown.contains("{+massage+}"), "{shown}");
    moody.review(&["--accept-all"], 0);
    moody.review(&[], 0);
    let mut client = moody.client();
    client.initialize();
    assert_eq!(client.description("echo").as_deref(), Some(CHANGED));
    client.close();
}

#[test]
fn mid_session_when_the_client_lists_again() {
    let moody = Moody::new();
    let mut client = moody.client();
    client.initialize();
    assert_eq!(client.tools(), ["echo", "other"]);
    moody.say("echo", CHANGED);
    assert_eq!(client.tools(), ["other"]);
    expect_withheld(&client.call("echo", json!({})));
    assert_eq!(moody.calls(), "");
    // Back again, it may be called again.
    moody.say("echo", AGREED);
    assert_eq!(client.tools(), ["echo", "other"]);
    assert_eq!(client.call_text("echo", json!({})), "echo");
    client.close();
}

#[test]
fn mid_session_when_the_server_says_so_and_the_client_does_not_ask() {
    let moody = Moody::new();
    let mut client = moody.client();
    client.initialize();
    assert_eq!(client.tools(), ["echo", "other"]);
    moody.say("echo", CHANGED);
    assert_eq!(client.call_text("other", json!({})), "other");
    // The client is told, as it would be without pinfold, and nothing else.
    let lines = client.lines_until("list_changed");
    assert_eq!(lines.len(), 1, "{lines:?}");
    // The relay asks by itself; until the server has answered it, calls pass.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = client.call("echo", json!({}));
        if answer["result"]["isError"] == true {
            expect_withheld(&answer);
            break;
        }
        assert!(Instant::now() < deadline, "{answer}");
    }
    let reached = moody.calls();
    expect_withheld(&client.call("echo", json!({})));
    assert_eq!(moody.calls(), reached);
    client.close();

    // Control: without pinfold the call arrives whatever was announced.
    moody.say("echo", AGREED);
    let mut bare = moody.bare();
    bare.initialize();
    assert_eq!(bare.tools(), ["echo", "other"]);
    moody.say("echo", CHANGED);
    bare.call_text("other", json!({}));
    bare.lines_until("list_changed");
    assert_eq!(bare.call_text("echo", json!({})), "echo");
    bare.close();
}

#[test]
fn a_client_that_never_lists_is_looked_after() {
    let moody = Moody::new();
    moody.say("echo", CHANGED);
    let mut client = moody.client();
    client.initialize();
    // The first call makes the relay look; it is not held up.
    let deadline = Instant::now() + Duration::from_secs(30);
    while client.call("echo", json!({}))["result"]["isError"] != true {
        assert!(Instant::now() < deadline);
    }
    client.close();
}

#[test]
fn other_instructions_are_withheld_until_accepted() {
    let moody = Moody::new();
    let mut client = moody.client();
    assert_eq!(client.initialize()["instructions"], "Be kind.");
    client.close();
    moody.say("instructions", "Be king.");
    let mut bare = moody.bare();
    assert_eq!(bare.initialize()["instructions"], "Be king.");
    bare.close();
    let mut client = moody.client();
    let result = client.initialize();
    assert_eq!(result.get("instructions"), None, "{result}");
    assert_eq!(client.tools(), ["echo", "other"]);
    let (_, stderr) = client.close();
    assert!(
        stderr.contains("withheld the server's instructions"),
        "{stderr}"
    );

    let shown = moody.review(&["--accept", "echo"], 1);
    assert!(
        shown.contains("  - Be [-kind.-]\n  + Be {+king.+}"),
        "{shown}"
    );
    moody.review(&["--accept-instructions"], 0);
    let mut client = moody.client();
    assert_eq!(client.initialize()["instructions"], "Be king.");
    client.close();
}

#[test]
fn tools_that_come_and_go() {
    let moody = Moody::new();
    moody.write(&json!({"echo": AGREED, "instructions": "Be kind."}));
    assert!(moody.review(&[], 1).contains("gone  other"));
    moody.review(&["--accept-all"], 0);
    // `other` is still on the allowlist, but the lock knows nothing of it any more.
    moody.say("echo", AGREED);
    let mut client = moody.client();
    client.initialize();
    assert_eq!(client.tools(), ["echo"]);
    expect_withheld(&client.call("other", json!({})));
    client.close();
    assert_eq!(moody.calls(), "");
    let tools = moody.home.succeed(["tools", "moody"]).stdout;
    assert!(tools.contains("new       other"), "{tools}");
    let shown = moody.review(&["--json", "--accept", "other"], 0);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let other = &shown["tools"][1];
    assert_eq!(
        (&other["name"], &other["state"], &other["accepted"]),
        (&json!("other"), &json!("new"), &json!(true)),
        "{shown}"
    );
    assert_eq!(other["new"]["description"], "Another tool.");
    let mut client = moody.client();
    client.initialize();
    assert_eq!(client.tools(), ["echo", "other"]);
    client.close();
}

#[test]
fn locking_again_accepts_nothing_of_the_same_code() {
    let moody = Moody::new();
    let before = fs::read_to_string(moody.home.lock()).unwrap();
    moody.write(&json!({"echo": CHANGED, "instructions": "Be king."}));
    let ran = moody.home.run(["lock", "moody"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    for what in [
        "the definition of the tool `echo` changed",
        "the tool `other` is gone",
        "the instructions changed",
    ] {
        assert!(ran.stderr.contains(what), "{ran:#?}");
    }
    assert_eq!(fs::read_to_string(moody.home.lock()).unwrap(), before);
    // Other code is another agreement, which `lock` is for.
    let copy = moody.home.path().join("moody.py");
    let text = fs::read_to_string(fixture("moody.py")).unwrap();
    fs::copy(fixture("moody.py"), &copy).unwrap();
    fs::write(&copy, text + "\n# A newer version.\n").unwrap();
    let manifest = fs::read_to_string(moody.home.manifest()).unwrap();
    let manifest = manifest.replace(
        fixture("moody.py").to_str().unwrap(),
        copy.to_str().unwrap(),
    );
    fs::write(moody.home.manifest(), manifest).unwrap();
    let ran = moody.home.succeed(["lock", "moody"]);
    assert!(
        ran.stderr.contains("tool definition changed: `echo`"),
        "{ran:#?}"
    );
    moody.review(&[], 0);
}

#[test]
fn what_is_not_known_of_the_old_text_is_said() {
    let moody = Moody::new();
    moody.say("echo", CHANGED);
    fs::remove_dir_all(moody.home.store().join("definitions")).unwrap();
    let shown = moody.review(&[], 1);
    assert!(
        shown.contains("the text that was locked is not on this machine"),
        "{shown}"
    );
    assert!(shown.contains(&format!("  + \"{CHANGED}\"")), "{shown}");
    let ran = moody.home.run(["review", "moody", "--accept", "nothing"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    // Escapes of a text that came from a server don't reach the terminal.
    moody.say("echo", "Echoes\u{1b}[2J\u{202e}.");
    let shown = moody.review(&[], 1);
    assert!(
        shown.contains("\\x1b[2J\\u{202e}") && !shown.contains('\u{1b}'),
        "{shown}"
    );
}

#[test]
fn a_person_is_asked_for_each_and_no_is_the_answer_unless_it_is_yes() {
    let moody = Moody::new();
    moody.write(&json!({"echo": CHANGED, "other": "Changed.", "instructions": "Be king."}));
    let mut person = at_terminal(&["y", "", "n"]);
    person
        .args([env!("CARGO_BIN_EXE_pinfold"), "review", "moody"])
        .current_dir(moody.home.path());
    moody.home.environment(&mut person);
    let ran = Ran::of(&mut person);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    for question in [
        "Accept `echo` (changed)? [y/N]",
        "Accept `other` (changed)? [y/N]",
        "Accept the instructions? [y/N]",
        "accepted: `echo`",
    ] {
        assert_eq!(ran.stdout.matches(question).count(), 1, "{ran:#?}");
    }
    let left = moody.review(&["--json"], 1);
    let left: Value = serde_json::from_str(&left).unwrap();
    let states = [&left["tools"][0], &left["tools"][1], &left["instructions"]];
    assert_eq!(
        states.map(|one| one["state"].as_str().unwrap()),
        ["unchanged", "changed", "changed"],
        "{left}"
    );
    // It was never run, and what a review found is known all the same.
    let tools = moody.home.succeed(["tools", "moody"]).stdout;
    assert!(
        tools.contains("allowed   echo\n") && tools.contains("changed   other  "),
        "{tools}"
    );
}

/// The program's words about it.
#[test]
fn a_review_of_what_is_as_locked_is_quick_to_read() {
    let moody = Moody::new();
    assert_eq!(
        moody.review(&[], 0),
        "moody: 2 tools are as they were locked\n"
    );
}
