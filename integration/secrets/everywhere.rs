//! One session that uses each kind of secret, in each tier: the server has every value, and nothing
//! else on the machine that is ours holds one, while it runs or afterwards.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::json;

use super::{Puppet, answer, backwards, contains, holding, set, spellings};
use crate::support::processes::{wait_until, with_home};
use crate::support::{Client, Home, Ran, Tier, fixture, is_root, skip};

/// Variables and their values, which stand nowhere else: not in another run of these tests either.
static PLANTED: LazyLock<[(&str, String); 6]> = LazyLock::new(|| {
    [
        ("STORED", "zq8/stored+value=41"),
        ("COMMAND", "zq8/command+value=42"),
        ("FILE", "zq8/file+value=43"),
        ("CREDENTIAL", "zq8/credential+value=44"),
        ("CLIENT_TOKEN", "zq8/client+value=45"),
        ("IN_FILE", "zq8/in-file+value=46"),
    ]
    .map(|(name, value)| (name, format!("{value}-{}", std::process::id())))
});

/// What stands in the manifest, so that the search is seen to find something.
const LITERAL: &str = "zq8/literal+value=40";

struct Planted {
    puppet: Puppet,
    /// Where values are that the user keeps there.
    kept: Vec<PathBuf>,
}

impl Planted {
    fn new(tier: Tier) -> Self {
        let puppet = Puppet::new(tier);
        let home = &puppet.home;
        let user = home.user();
        fs::create_dir(user.join("credentials")).unwrap();
        let program = format!("#!/bin/sh\necho {}\necho noise >&2\n", PLANTED[1].1);
        for (name, value) in [
            ("token", &PLANTED[2].1),
            ("credentials/api", &PLANTED[3].1),
            ("program", &program),
        ] {
            fs::write(user.join(name), value).unwrap();
        }
        fs::set_permissions(user.join("program"), fs::Permissions::from_mode(0o700)).unwrap();
        for (name, value) in [("stored", &PLANTED[0].1), ("in-file", &PLANTED[5].1)] {
            let ran = set(home, name, value, &["--store", "files"]);
            assert_eq!(ran.code, Some(0), "{ran:?}");
            is_silent(&ran, "secret set");
        }
        puppet.write(&format!(
            "LITERAL = \"{LITERAL}\", STORED = {{ secret = \"stored\" }}, COMMAND = {{ command = [\"{}\"] }}, FILE = {{ file = \"~/token\" }}, CREDENTIAL = {{ credential = \"api\" }}, CLIENT_TOKEN = {{ from = \"MY\" }}, IN_FILE = {{ secret = \"in-file\", deliver = \"file\" }}",
            user.join("program").display(),
        ));
        // A config with a value in it, for `audit` and `import --dry-run`.
        fs::create_dir(user.join(".cursor")).unwrap();
        let entry = json!({"command": "npx", "args": ["x"], "env": {"API_KEY": &PLANTED[0].1}});
        let config = json!({ "mcpServers": { "x": entry } });
        fs::write(user.join(".cursor/mcp.json"), config.to_string()).unwrap();
        let mut lock = home.pinfold(["lock", "puppet"]);
        let ran = Ran::of(surroundings(&mut lock, home));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let kept = vec![user, home.path().join("data/pinfold/secrets")];
        Self { puppet, kept }
    }

    fn client(&self) -> Client {
        let home = &self.puppet.home;
        let mut client = Client::start(surroundings(&mut home.pinfold(["run", "puppet"]), home));
        client.initialize();
        client
    }

    fn found(&self, value: &str) -> Vec<PathBuf> {
        holding(self.puppet.home.path(), &spellings(value), &self.kept)
    }
}

/// What a client and a service manager add to the environment.
fn surroundings<'a>(command: &'a mut Command, home: &Home) -> &'a mut Command {
    command
        .env("MY", &PLANTED[4].1)
        .env("CREDENTIALS_DIRECTORY", home.user().join("credentials"))
}

/// Process ids whose file of this name in proc(5) holds the value in any spelling.
fn with_value(name: &str, value: &str) -> Vec<i32> {
    let all = spellings(value);
    let holds = |pid: &i32| {
        let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        all.iter().any(|one| contains(&bytes, one))
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(holds).collect()
}

/// No value is in what a command said, in any spelling.
#[track_caller]
fn is_silent(ran: &Ran, what: &str) {
    for (_, value) in PLANTED.iter() {
        for one in spellings(value) {
            let says = ran.stdout.contains(&one) || ran.stderr.contains(&one);
            assert!(!says, "{what} says {one}: {ran:?}");
        }
    }
}

/// Every command, while the server runs: none says a value.
fn every_command(home: &Home) {
    for words in [
        &["explain", "puppet"][..],
        &["explain", "puppet", "--why", "read ~/token"],
        &["tools", "puppet"],
        &["verify"],
        &["secret", "list"],
        &["doctor"],
        &["review", "puppet"],
        &["lock"],
        &["gc", "--dry-run"],
        &["log"],
        &["log", "verify"],
        &["ps"],
        &["audit"],
        &["audit", "--format", "json"],
        &["audit", "--format", "sarif"],
        &["import", "--dry-run"],
    ] {
        for more in [&[][..], &["--json"]] {
            let mut command = home.pinfold(words.iter().chain(more).copied());
            command.env("PINFOLD_LOG", "trace");
            let ran = Ran::of(surroundings(&mut command, home));
            // Some have no JSON, or nothing to do; what they say of that counts, too.
            assert!(ran.code.is_some_and(|code| code < 5), "{words:?} {ran:?}");
            is_silent(&ran, &words.join(" "));
        }
    }
}

#[test]
fn the_server_has_each_and_nothing_else_does() {
    for tier in [Tier::Full, Tier::Base] {
        let planted = Planted::new(tier);
        let home = &planted.puppet.home;
        let mut client = planted.client();
        for (name, value) in PLANTED.iter() {
            let code = match *name {
                "IN_FILE" => "return open(os.environ['IN_FILE']).read()[::-1]".to_owned(),
                name => format!("return os.environ['{name}'][::-1]"),
            };
            let answered = answer(&mut client, &code);
            assert_eq!(
                answered,
                format!("ok: \"{}\"", backwards(value)),
                "{tier:?}"
            );
            // It says it in vain, in an answer and in its log.
            let code = code.replace("[::-1]", "");
            let answered = answer(&mut client, &code);
            assert_eq!(answered, format!("ok: \"[redacted: {name}]\""), "{tier:?}");
            let code = code.replace("return ", "print(") + ", file=sys.stderr, flush=True)";
            answer(&mut client, &code);
        }
        let mode = answer(
            &mut client,
            "return oct(os.stat(os.environ['IN_FILE']).st_mode)",
        );
        assert_eq!(mode, "ok: \"0o100400\"", "{tier:?}");
        let path = answer(&mut client, "return os.environ['IN_FILE']");
        let path = PathBuf::from(path.trim_start_matches("ok: ").trim_matches('"'));
        // In a root of its own it is nowhere else.
        assert_eq!(path.exists(), tier == Tier::Base, "{path:?}");

        // While it runs.
        for (_, value) in PLANTED.iter() {
            assert_eq!(with_value("cmdline", value), Vec::<i32>::new(), "{value}");
            // The client's own is in the environment of whoever it starts.
            if *value != PLANTED[4].1 {
                let strangers = with_value("environ", value).into_iter();
                let server = with_home(&home.server_home("puppet"));
                let strangers: Vec<i32> = strangers.filter(|pid| !server.contains(pid)).collect();
                assert_eq!(strangers, Vec::<i32>::new(), "{value}");
            }
            let found = planted.found(value);
            let delivered = (tier == Tier::Base && *value == PLANTED[5].1).then(|| path.clone());
            assert_eq!(found, Vec::from_iter(delivered), "{value}");
        }
        dumps(client.child.id());
        another_server_cannot_read(&planted, tier, &path);
        let log = home.state("puppet").join("stderr.log");
        wait_until("the log has the last line", || {
            fs::read_to_string(&log)
                .unwrap()
                .contains("[redacted: IN_FILE]")
        });

        every_command(home);
        let (_, stderr) = client.close();
        wait_until("the server is gone", || {
            with_home(&home.server_home("puppet")).is_empty()
        });

        // Afterwards.
        assert!(!path.exists());
        for (_, value) in PLANTED.iter() {
            assert_eq!(planted.found(value), Vec::<PathBuf>::new(), "{value}");
        }
        let said = Ran {
            code: None,
            stdout: String::new(),
            stderr,
        };
        is_silent(&said, "run");
        // The search finds what is there: in the manifest, and on a command line.
        assert_eq!(planted.found(LITERAL), [home.manifest()]);
    }
    the_search_finds_what_is_there();
}

/// On a command line and in an environment, and in another spelling in a file.
fn the_search_finds_what_is_there() {
    let (argument, variable) = ("zq8/argument+value=47", "zq8/variable+value=48");
    let encoded = spellings(argument).swap_remove(0);
    assert_ne!(encoded, argument);
    let mut control = Command::new("sh")
        .args(["-c", "sleep 60; :", &encoded])
        .env("A", variable)
        .spawn()
        .unwrap();
    wait_until("the control is seen", || {
        let seen = [
            with_value("cmdline", argument),
            with_value("environ", variable),
        ];
        seen.iter().all(|pids| !pids.is_empty())
    });
    control.kill().unwrap();
    control.wait().unwrap();
    let home = Home::new();
    for (at, spelled) in spellings(variable).iter().enumerate() {
        fs::write(home.user().join(at.to_string()), format!("x{spelled}x")).unwrap();
    }
    let found = holding(home.path(), &spellings(variable), &[]);
    assert!(
        found.len() == spellings(variable).len() && found.len() >= 5,
        "{found:?}"
    );
}

/// Nothing writes this process's memory to the disk, and nobody of the same user may read it.
fn dumps(pid: u32) {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(words.get(4..6), Some(&["0", "0"][..]), "{core:?}");
    if is_root() {
        skip(
            "secrets: dumps",
            "whose a process is that can't be dumped can't be seen by root",
        );
    } else {
        // proc(5): the files of one that is not dumpable belong to root.
        let owner = |pid: &str| fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();
        assert_eq!((owner(&pid.to_string()), owner("self") == 0), (0, false));
    }
}

fn another_server_cannot_read(planted: &Planted, tier: Tier, path: &Path) {
    let home = &planted.puppet.home;
    home.add_path("other", &fixture("puppet.py"), &[]);
    home.set_tier("other", tier);
    if tier == Tier::Base {
        // Control: it is there for whoever isn't in a box.
        assert_eq!(fs::read_to_string(path).unwrap(), PLANTED[5].1);
    }
    let mut other = home.client("other");
    other.initialize();
    let secrets = home.path().join("data/pinfold/secrets/in-file");
    for path in [path, &secrets] {
        let code = format!("return open('{}').read()[::-1]", path.display());
        let said = answer(&mut other, &code);
        let reason = said
            .strip_prefix("refused: ")
            .unwrap_or_else(|| panic!("{said}"));
        let refusals = tier.refusals();
        assert!(
            refusals.iter().any(|errno| reason.starts_with(errno)),
            "{said}"
        );
    }
    other.close();
}

#[test]
fn what_a_killed_session_leaves_goes_with_the_next() {
    // A value of its own: the other test looks for its own in every process of the machine.
    let puppet = Puppet::new(Tier::Base);
    let ran = set(
        &puppet.home,
        "left",
        "left-behind-51",
        &["--store", "files"],
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let puppet = puppet.with("IN_FILE = { secret = \"left\", deliver = \"file\" }");
    let mut client = puppet.client();
    let path = answer(&mut client, "return os.environ['IN_FILE']");
    let path = PathBuf::from(path.trim_start_matches("ok: ").trim_matches('"'));
    client.child.kill().unwrap();
    client.child.wait().unwrap();
    wait_until("the server is gone", || {
        with_home(&puppet.home.server_home("puppet")).is_empty()
    });
    assert!(path.exists());
    puppet.client().close();
    assert!(!path.exists() && !path.parent().unwrap().exists());
}
