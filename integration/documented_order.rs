//! What the stub does and in which order, as strace(1) sees it: ARCHITECTURE.md, "The box".

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::support::{Client, Home, Tier, fixture, is_root, skip};

/// The calls that tell which step this is.
const CALLS: &str = "trace=clone,close_range,execve,?poll,?ppoll,openat,open_tree,pivot_root,umount2,\
                     prlimit64,capset,prctl,landlock_create_ruleset,landlock_restrict_self,seccomp,\
                     socket,write,read,?readlink,readlinkat,setsid,sethostname";

const MONITOR: &[&str] = &[
    "executed",
    "descriptors",
    "not dumpable",
    "session",
    "subreaper",
];

const INIT: &[&str] = &[
    "setgroups",
    "user",
    "group",
    "not dumpable",
    "ends with its parent",
    "monitor lives",
    "host name",
    "bounds",
    "grants",
    "root",
    "old root",
    "new /proc",
    "the server's process",
    "streams",
    "securebits",
    "bounding set",
    "capabilities",
    "no_new_privs",
    "seccomp 1",
    "seccomp 2",
    "seccomp 3",
    "word",
];

const SERVER: &[&str] = &[
    "ends with its parent",
    "session",
    "core",
    "locked memory",
    "real-time priority",
    "nice",
    "memory",
    "open files",
    "file size",
    "processes",
    "securebits",
    "bounding set",
    "capabilities",
    "no_new_privs",
    "Landlock rules",
    "Landlock",
    "seccomp 1",
    "seccomp 2",
    "seccomp 3",
    "self-check: record",
    "self-check: folder",
    "self-check: socket",
    "init's word",
    "word",
    "gate",
    "executed",
];

/// Words of a call, and the step that it is. Only what succeeds counts, but for what the box refuses.
const STEPS: &[(&[&str], &str)] = &[
    (&["close_range(0, 2, 0)", " = 0"], "streams"),
    (&["close_range(", ", 4294967295, 0)", " = 0"], "descriptors"),
    (
        &["PR_SET_DUMPABLE, SUID_DUMP_DISABLE", " = 0"],
        "not dumpable",
    ),
    (&["setsid()", " = "], "session"),
    (&["PR_SET_CHILD_SUBREAPER, 1", " = 0"], "subreaper"),
    (&["/proc/self/setgroups\", O_WRONLY"], "setgroups"),
    (&["/proc/self/uid_map\", O_WRONLY"], "user"),
    (&["/proc/self/gid_map\", O_WRONLY"], "group"),
    (
        &["PR_SET_PDEATHSIG, SIGKILL", " = 0"],
        "ends with its parent",
    ),
    (&["poll([{fd=", "events=0}], 1, ", " = 0"], "monitor lives"),
    (&["sethostname(", " = 0"], "host name"),
    (&["/proc/sys/user/", "O_WRONLY"], "bounds"),
    (&["open_tree(", "OPEN_TREE_CLONE"], "grants"),
    (&["pivot_root(\".\", \".\")", " = 0"], "root"),
    (&["umount2(\".\", MNT_DETACH)", " = 0"], "old root"),
    (&["readlink", "\"/proc/self\"", "\"1\""], "new /proc"),
    (&["clone(", "SIGCHLD", " = 2"], "the server's process"),
    (&["RLIMIT_CORE, {rlim_cur=", " = 0"], "core"),
    (
        &["RLIMIT_MEMLOCK, {rlim_cur=0, rlim_max=0}", " = 0"],
        "locked memory",
    ),
    (
        &["RLIMIT_RTPRIO, {rlim_cur=0, rlim_max=0}", " = 0"],
        "real-time priority",
    ),
    (&["RLIMIT_NICE, {rlim_cur=0, rlim_max=0}", " = 0"], "nice"),
    (&["RLIMIT_DATA, {", " = 0"], "memory"),
    (&["RLIMIT_NOFILE, {", " = 0"], "open files"),
    (&["RLIMIT_FSIZE, {", " = 0"], "file size"),
    (&["RLIMIT_NPROC, {", " = 0"], "processes"),
    (
        &["PR_SET_SECUREBITS", "SECBIT_NOROOT_LOCKED", " = 0"],
        "securebits",
    ),
    (&["PR_CAPBSET_DROP", " = 0"], "bounding set"),
    (
        &["capset(", "effective=0, permitted=0, inheritable=0", " = 0"],
        "capabilities",
    ),
    (&["PR_SET_NO_NEW_PRIVS, 1", " = 0"], "no_new_privs"),
    (
        &["landlock_create_ruleset({", "handled_access_fs"],
        "Landlock rules",
    ),
    (&["landlock_restrict_self(", " = 0"], "Landlock"),
    (&["seccomp(SECCOMP_SET_MODE_FILTER", " = 0"], "seccomp"),
    (&["openat(", "\"/proc/self/status\""], "self-check: record"),
    (
        &["openat(", "\"/\"", "O_DIRECTORY", " = -1 EACCES"],
        "self-check: folder",
    ),
    (&["socket(AF_UNIX", " = -1"], "self-check: socket"),
    (&["write(", ", \"+\", 1)", " = 1"], "word"),
    (&["read(", ", \"+\", 1)", " = 1"], "init's word"),
    (&["read(", ", \"G\", 1)", " = 1"], "gate"),
    (&["execve(", " = 0"], "executed"),
];

/// The same where the process is not dumpable and the tracer is an ordinary user, who can't look at
/// what the arguments point to (ptrace(2), "Ptrace access mode checking").
const STEPS_UNREAD: &[(&[&str], &str)] = &[
    (&["poll(0x", ", 1, 0)", " = 0"], "monitor lives"),
    (&["pivot_root(0x", " = 0"], "root"),
    (&["umount2(0x", "MNT_DETACH)", " = 0"], "old root"),
    (&["RLIMIT_CORE, 0x", " = 0"], "core"),
    (&["RLIMIT_MEMLOCK, 0x", " = 0"], "locked memory"),
    (&["RLIMIT_RTPRIO, 0x", " = 0"], "real-time priority"),
    (&["RLIMIT_NICE, 0x", " = 0"], "nice"),
    (&["RLIMIT_DATA, 0x", " = 0"], "memory"),
    (&["RLIMIT_NOFILE, 0x", " = 0"], "open files"),
    (&["RLIMIT_FSIZE, 0x", " = 0"], "file size"),
    (&["RLIMIT_NPROC, 0x", " = 0"], "processes"),
    (&["capset(0x", ", 0x", " = 0"], "capabilities"),
    (&["landlock_create_ruleset(0x"], "Landlock rules"),
];

/// Steps that are known by a name or a byte.
const NAMED: &[&str] = &[
    "new /proc",
    "setgroups",
    "user",
    "group",
    "bounds",
    "self-check: record",
    "self-check: folder",
    "init's word",
    "word",
    "gate",
];

/// The calls of each process, in order, by its number; a call that was interrupted in the listing
/// is put together again.
fn calls(trace: &str) -> BTreeMap<u32, Vec<String>> {
    let mut calls: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for line in trace.lines() {
        let (pid, call) = line.split_once(' ').unwrap();
        let calls = calls.entry(pid.parse().unwrap()).or_default();
        let call = call.trim_start();
        match call
            .strip_prefix("<... ")
            .and_then(|call| call.split_once(" resumed>"))
        {
            Some((_, rest)) => calls.last_mut().unwrap().push_str(rest),
            None => calls.push(call.replace(" <unfinished ...>", "")),
        }
    }
    calls
}

/// The steps that these calls are; a step of several calls counts once.
fn steps(calls: &[String]) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for call in calls {
        let is = |words: &[&str]| words.iter().all(|word| call.contains(word));
        let Some((_, step)) = STEPS
            .iter()
            .chain(STEPS_UNREAD)
            .find(|(words, _)| is(words))
        else {
            continue;
        };
        let mut step = (*step).to_owned();
        if step == "seccomp" {
            let before = steps.iter().filter(|step| step.starts_with("seccomp"));
            step = format!("seccomp {}", before.count() + 1);
        } else if step == "no_new_privs" && steps.contains(&step) {
            // The crates for Landlock and seccomp ask for it once more, each time.
            continue;
        }
        if steps.last() != Some(&step) {
            steps.push(step);
        }
    }
    steps
}

fn in_tier(tier: Tier) {
    let test = "documented_order";
    let traced = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .output();
    if !traced.is_ok_and(|output| output.status.success()) {
        return skip(test, "there is no strace, or it may not trace");
    }
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    home.set_tier("puppet", tier);
    let trace = home.path().join("trace");
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-s", "4096", "-e", CALLS, "-o"])
        .arg(&trace);
    let pinfold = home.pinfold(["run", "puppet"]);
    let mut client = Client::start(&mut home.behind(&strace, &pinfold));
    assert_eq!(client.initialize()["serverInfo"]["name"], "puppet");
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(0), "{stderr}");

    let calls = calls(&fs::read_to_string(&trace).unwrap());
    let with = |words: [&str; 2]| {
        let is = |call: &String| words.iter().all(|word| call.contains(word));
        let mut found = calls.iter().filter(|(_, calls)| calls.iter().any(is));
        let (pid, calls) = found.next().unwrap_or_else(|| panic!("no {words:?}"));
        assert!(found.next().is_none(), "more than one {words:?}");
        (*pid, calls.as_slice())
    };
    let (_, monitor) = with(["execve(\"/proc/self/exe\"", "__sandbox-stub"]);
    let (_, server) = with(["landlock_restrict_self(", " = 0"]);
    // Up to here it is ours; what comes then is the server's business.
    let executes = |call: &String| call.starts_with("execve(");
    let end = server.iter().position(executes).unwrap();
    // Not dumpable: only root can see what it holds.
    assert_eq!(server[end].contains("puppet.py"), is_root());
    let forks = |call: &String| call.starts_with("clone(");
    let fork = monitor.iter().position(forks).unwrap();

    let mut unseen: Vec<&str> = if is_root() { vec![] } else { NAMED.to_vec() };
    if tier == Tier::Base {
        unseen.push("init's word");
        if !is_root() {
            // It has none to give up.
            unseen.extend(["securebits", "bounding set"]);
        }
    }
    let seen = |steps: Vec<String>| {
        let seen = steps.into_iter().filter(|step| !unseen.contains(&&**step));
        seen.collect::<Vec<_>>()
    };
    let expected =
        |documented: &[&str]| seen(documented.iter().map(|step| (*step).to_owned()).collect());
    assert_eq!(steps(&monitor[..fork]), MONITOR);
    assert_eq!(seen(steps(&server[..=end])), expected(SERVER));
    if tier == Tier::Full {
        let flags = &monitor[fork];
        for flag in ["USER", "PID", "IPC", "UTS", "CGROUP", "NS", "NET"] {
            assert!(flags.contains(&format!("CLONE_NEW{flag}|")), "{flags}");
        }
        let (_, init) = with(["sethostname(", " = 0"]);
        assert_eq!(seen(steps(init)), expected(INIT));
    }
}

#[test]
fn of_the_full_tier() {
    in_tier(Tier::Full);
}

#[test]
fn of_the_base_tier() {
    in_tier(Tier::Base);
}
