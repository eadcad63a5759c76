//! Each wall by itself, as the kernel records it. An attack says that some wall stopped it; these
//! tables say that every wall is there.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::json;

use super::{Ground, tier};
use crate::support::{Client, Home, Tier, fixture, is_root, skip};

/// The processes of a session in the box, by their numbers outside.
pub(super) struct Boxed {
    monitor: u32,
    init: Option<u32>,
    pub(super) server: u32,
}

impl Boxed {
    pub(super) fn of(client: &Client) -> Self {
        let monitor = only_child(client.child.id());
        let first = only_child(monitor);
        match tier() {
            Tier::Base => Self {
                monitor,
                init: None,
                server: first,
            },
            Tier::Full => Self {
                monitor,
                init: Some(first),
                server: only_child(first),
            },
        }
    }
}

fn only_child(parent: u32) -> u32 {
    let children = proc(parent, &format!("task/{parent}/children"));
    let mut children = children.split_whitespace();
    let child = children.next().expect("no child").parse().unwrap();
    assert_eq!(children.next(), None, "one child expected");
    child
}

fn proc(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
}

/// A line of /proc/PID/status (proc_pid_status(5)).
fn status(pid: u32, name: &str) -> String {
    let text = proc(pid, "status");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .unwrap_or_else(|| panic!("no {name} in {text}"));
    value.trim().to_owned()
}

const NONE: &str = "0000000000000000";

#[test]
fn privileges_and_filters_of_each_process() {
    let ground = Ground::new(&[]);
    let bare = ground.bare.child.id();
    let boxed = Boxed::of(&ground.boxed);
    let filters = |pid| status(pid, "Seccomp_filters").parse::<u32>().unwrap();
    for pid in boxed.init.into_iter().chain([boxed.server]) {
        for (field, expected) in [
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
            ("CapInh", NONE),
            ("CapPrm", NONE),
            ("CapEff", NONE),
            ("CapAmb", NONE),
        ] {
            assert_eq!(status(pid, field), expected, "{field}");
        }
        // Architectures, what is allowed, what is denied.
        assert_eq!(filters(pid), filters(bare) + 3);
        // An ordinary user may not change it, and needs no_new_privs.
        if is_root() || tier() == Tier::Full {
            assert_eq!(status(pid, "CapBnd"), NONE);
        }
        for field in ["Uid", "Gid", "Groups"] {
            assert_eq!(status(pid, field), status(bare, field), "{field}");
        }
    }
    assert_eq!(status(boxed.server, "SigBlk"), NONE);
    // Nothing but SIGKILL ends it while others of the session live.
    let blocked = u64::from_str_radix(&status(boxed.monitor, "SigBlk"), 16).unwrap();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGUSR1, libc::SIGALRM] {
        assert_eq!(blocked >> (signal - 1) & 1, 1, "signal {signal}");
    }
    if let Some(init) = boxed.init {
        // Without streams it can't hold the session open.
        if is_root() {
            let open = fs::read_dir(format!("/proc/{init}/fd")).unwrap().count();
            assert_eq!(open, 0, "init has descriptors");
        }
        assert_eq!(
            status(boxed.server, "NSpid"),
            format!("{}\t2", boxed.server)
        );
    }
    // Session and terminal: fields 6 and 7 (proc_pid_stat(5)).
    let stat = proc(boxed.server, "stat");
    let after_name = &stat[stat.rfind(')').unwrap() + 2..];
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    assert_eq!(fields[3], boxed.server.to_string(), "leads its session");
    assert_eq!(fields[4], "0", "has no terminal");
}

/// Who ignores a signal hands that down to everything that it starts (signal(7)).
#[test]
fn signals_that_were_ignored_outside_are_not_inside() {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    home.set_tier("puppet", tier());
    let ignoring = |program: Command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"trap '' USR1 TERM; exec "$0" "$@""#]);
        let mut client = Client::start(&mut home.behind(&shell, &program));
        client.initialize();
        client
    };
    let ignores = |pid| {
        let ignored = u64::from_str_radix(&status(pid, "SigIgn"), 16).unwrap();
        [libc::SIGUSR1, libc::SIGTERM].map(|signal| ignored >> (signal - 1) & 1 == 1)
    };
    let bare = ignoring(Command::new(fixture("puppet.py")));
    assert_eq!(ignores(bare.child.id()), [true; 2], "control");
    let boxed = ignoring(home.pinfold(["run", "puppet"]));
    assert_eq!(ignores(Boxed::of(&boxed).server), [false; 2]);
}

#[test]
fn limits_are_those_of_the_manifest() {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    home.set_tier("puppet", tier());
    let mut text = fs::read_to_string(home.manifest()).unwrap();
    text.push_str(
        "\n[servers.puppet.limits]\nmemory = \"512MiB\"\nprocesses = 300\nopen_files = 200\n\
         file_size = \"64MiB\"\nprocessor_time = \"100s\"\n",
    );
    fs::write(home.manifest(), text).unwrap();
    home.succeed(["lock", "puppet"]);
    let mut client = home.client("puppet");
    client.initialize();
    let limits = |pid| -> BTreeMap<String, [String; 2]> {
        let text = proc(pid, "limits");
        // `Max open files            200                  200                  files`
        text.lines()
            .skip(1)
            .map(|line| {
                let values: Vec<&str> = line[26..].split_whitespace().collect();
                let name = line[..26].trim().to_owned();
                (name, [values[0].to_owned(), values[1].to_owned()])
            })
            .collect()
    };
    let server = Boxed::of(&client).server;
    let inside = limits(server);
    // Only this number keeps dumps from programs that take them; nobody may raise it from 0.
    let [_, outside] = &limits(std::process::id())["Max core file size"];
    let core = if outside == "0" { "0" } else { "1" };
    let dumped = |pid| proc(pid, "coredump_filter").trim().to_owned();
    assert_eq!(dumped(server), "00000000");
    assert_ne!(dumped(std::process::id()), "00000000", "control");
    for (name, expected) in [
        ("Max core file size", core),
        ("Max pending signals", "1024"),
        ("Max locked memory", "0"),
        ("Max realtime priority", "0"),
        ("Max nice priority", "0"),
        ("Max data size", "536870912"),
        ("Max open files", "200"),
        ("Max file size", "67108864"),
        ("Max cpu time", "100"),
    ] {
        assert_eq!(inside[name], [expected; 2], "{name}");
    }
    let [soft, hard] = &inside["Max processes"];
    assert_eq!(soft, hard);
    match tier() {
        Tier::Full => assert_eq!(hard, "300"),
        // Added to those that this user has already, and may get.
        Tier::Base => {
            let load = fs::read_to_string("/proc/loadavg").unwrap();
            let (_, threads) = load.split(' ').nth(3).unwrap().split_once('/').unwrap();
            let most = 300 + 1024 + 2 * threads.parse::<u64>().unwrap();
            assert!(
                (300 + 1024..=most).contains(&hard.parse().unwrap()),
                "{hard}"
            );
        }
    }
}

#[test]
fn a_limit_that_is_lower_outside_stays() {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    home.set_tier("puppet", tier());
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"ulimit -n 150; ulimit -f 2048; exec "$0" "$@""#]);
    let pinfold = home.pinfold(["run", "puppet"]);
    let mut client = Client::start(&mut home.behind(&shell, &pinfold));
    client.initialize();
    let limits = proc(Boxed::of(&client).server, "limits");
    let hard = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().rev().nth(1).unwrap().to_owned()
    };
    assert_eq!(hard("Max open files"), "150", "{limits}");
    assert_eq!(hard("Max file size"), (2048 * 512).to_string(), "{limits}");
}

#[test]
fn namespaces_are_its_own() {
    let mut ground = Ground::new(&[]);
    let server = Boxed::of(&ground.boxed).server;
    let of = |pid: u32, name: &str| fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
    for name in ["user", "pid", "mnt", "ipc", "uts", "cgroup", "net"] {
        let shared = of(server, name) == of(std::process::id(), name);
        assert_eq!(shared, tier() == Tier::Base, "{name}");
    }
    if tier() == Tier::Base {
        return;
    }
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    for (file, number) in [("uid_map", user.as_raw()), ("gid_map", group.as_raw())] {
        let map = proc(server, file);
        let numbers: Vec<&str> = map.split_whitespace().collect();
        let number = number.to_string();
        assert_eq!(numbers, [number.as_str(), number.as_str(), "1"], "{file}");
    }
    assert_eq!(proc(server, "setgroups").trim(), "deny");
    let name = ground.allowed_inside("return os.uname().nodename", &json!({}));
    assert_eq!(name, "localhost");
}

/// The kernel answers for the namespaces of whoever reads these files, so the reader enters them.
#[test]
fn what_all_programs_of_a_user_share_is_bounded() {
    const TEST: &str = "what_all_programs_of_a_user_share_is_bounded";
    if tier() == Tier::Base {
        return;
    }
    let ground = Ground::new(&[]);
    let server = Boxed::of(&ground.boxed).server.to_string();
    let inside = |file: &str| {
        let enter = ["-t", &server, "-U", "-p", "--preserve-credentials", "cat"];
        let read = Command::new("nsenter").args(enter).arg(file).output();
        let read = read.unwrap();
        assert!(read.status.success(), "{read:?}");
        String::from_utf8(read.stdout).unwrap().trim().to_owned()
    };
    let outside = |file: &str| fs::read_to_string(file).unwrap().trim().to_owned();
    let highest = "/proc/sys/kernel/pid_max";
    let eighth = |what: &str, most: u64| {
        let all: u64 = outside(&format!("/proc/sys/fs/inotify/{what}"))
            .parse()
            .unwrap();
        all.div_ceil(8).min(most).to_string()
    };
    for (file, expected) in [
        ("/proc/sys/user/max_user_namespaces", "0"),
        (
            "/proc/sys/user/max_inotify_instances",
            eighth("max_user_instances", 64).as_str(),
        ),
        (
            "/proc/sys/user/max_inotify_watches",
            eighth("max_user_watches", 16384).as_str(),
        ),
        // One more than the processes that the profile allows.
        (highest, "513"),
    ] {
        if file == highest && (!is_root() || inside(file) == outside(file)) {
            // Before Linux 6.14 there is one number for the machine.
            skip(TEST, "no highest process number for this user or kernel");
            continue;
        }
        assert_eq!(inside(file), expected, "{file}");
        assert_ne!(outside(file), expected, "control: {file}");
    }
}
