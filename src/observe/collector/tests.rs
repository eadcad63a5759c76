//! Calls as a process would make them, and what becomes of them.

use std::collections::BTreeSet;

use super::*;
use crate::sandbox::{CallRule, ShortName, SyscallRules, compile, compile_list};

/// A process whose memory is a list of texts; descriptor 7 is the folder `/srv/data`.
struct Puppet(Vec<(u64, Vec<u8>)>);

impl Process for Puppet {
    fn text(&self, address: u64) -> Option<Vec<u8>> {
        let found = self.0.iter().find(|(at, _)| *at == address)?;
        Some(found.1.clone())
    }

    fn bytes(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = self.text(address).unwrap_or_default();
        bytes.truncate(length);
        bytes
    }

    fn working_directory(&self) -> Option<PathBuf> {
        Some("/work".into())
    }

    fn descriptor(&self, number: i32) -> Option<PathBuf> {
        match number {
            7 => Some("/srv/data".into()),
            8 => Some("pipe:[1]".into()),
            _ => None,
        }
    }
}

const AT_HERE: u64 = 0xffff_ffff_ffff_ff9c;

fn number(name: &str) -> i64 {
    sys::syscall_number(name).unwrap()
}

/// A collector of a box that refuses `ptrace` and `socket`, and whose server runs.
fn begun() -> Collector {
    let rule = |calls: &[&str]| CallRule {
        calls: calls.iter().map(ToString::to_string).collect(),
        when: vec![],
    };
    let rules = SyscallRules {
        allow: vec![rule(&[
            "openat",
            "execve",
            "statx",
            "connect",
            "clone",
            "mkdirat",
            "readlinkat",
        ])],
        deny: vec![rule(&["ptrace", "socket"])],
    };
    let filters = compile(&rules).unwrap();
    let mut collector = Collector::new(&filters, None, Observed::of_policy("p"));
    collector.executes(1, "start");
    collector
}

fn call(collector: &mut Collector, name: &str, arguments: &[u64], path: &str, result: i64) {
    let puppet = Puppet(vec![(100, path.as_bytes().to_vec())]);
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    collector.enters(1, number(name), all, &puppet);
    collector.leaves(1, result, "tool", &puppet);
}

#[test]
fn findings_bear_the_name_that_the_machine_knows() {
    let short_name = ShortName {
        folder: "/store/tree".into(),
        name: "/short".into(),
    };
    let mut collector = begun().with_short_name(Some(short_name));
    call(
        &mut collector,
        "openat",
        &[AT_HERE, 100, 0],
        "/short/a.js",
        9,
    );
    call(
        &mut collector,
        "openat",
        &[AT_HERE, 100, 0],
        "/short/b/../c.js",
        -2,
    );
    call(
        &mut collector,
        "openat",
        &[AT_HERE, 100, 0o101],
        "/short",
        -21,
    );
    call(
        &mut collector,
        "openat",
        &[AT_HERE, 100, 0],
        "/shorter",
        -13,
    );
    let observed = collector.observed();
    let used: Vec<_> = observed.used.keys().collect();
    assert_eq!(used, ["/store/tree/a.js"]);
    let denied: Vec<_> = observed.denied.keys().collect();
    assert_eq!(denied, ["/shorter", "/store/tree/c.js"]);
}

#[test]
fn what_is_refused_and_what_is_used_is_told_apart() {
    let mut collector = begun();
    call(&mut collector, "openat", &[AT_HERE, 100, 0], "/etc/x", -13);
    call(&mut collector, "openat", &[AT_HERE, 100, 0], "a/../b", 9);
    call(&mut collector, "openat", &[7, 100, 0o101], "new", -30);
    call(&mut collector, "openat", &[AT_HERE, 100, 0], "/link", 7);
    // Says nothing of rights.
    call(&mut collector, "openat", &[AT_HERE, 100, 0], "/busy", -24);
    let observed = collector.observed();
    let denied: Vec<&str> = observed.denied.keys().map(String::as_str).collect();
    assert_eq!(denied, ["/etc/x", "/srv/data/new"]);
    assert_eq!(
        observed.denied["/srv/data/new"].wishes,
        BTreeSet::from([Wish::Make])
    );
    assert_eq!(
        observed.denied["/etc/x"].errors,
        BTreeSet::from(["EACCES".to_owned()])
    );
    // The third led through a link.
    let used: Vec<&str> = observed.used.keys().map(String::as_str).collect();
    assert_eq!(used, ["/srv/data", "/work/b"]);
    assert!(observed.system_calls.contains("openat"));
}

#[test]
fn a_link_that_is_looked_at_is_only_walked_over() {
    let mut collector = begun();
    let no_follow = u64::try_from(libc::AT_SYMLINK_NOFOLLOW).unwrap();
    call(
        &mut collector,
        "statx",
        &[AT_HERE, 100, no_follow],
        "/a",
        -2,
    );
    call(&mut collector, "statx", &[AT_HERE, 100, 0], "/b", -2);
    call(&mut collector, "readlinkat", &[AT_HERE, 100], "/c", -2);
    let wishes = |path: &str| collector.observed().denied[path].wishes.first().copied();
    assert_eq!(wishes("/a"), Some(Wish::Walk));
    assert_eq!(wishes("/b"), Some(Wish::Look));
    assert_eq!(wishes("/c"), Some(Wish::Walk));
}

#[test]
fn what_the_filter_refuses_is_no_file_that_is_missing() {
    let mut collector = begun();
    call(&mut collector, "ptrace", &[], "", -1);
    call(&mut collector, "socket", &[2], "", -1);
    // Nobody allows it.
    call(&mut collector, "unlinkat", &[AT_HERE, 100], "/etc/x", -38);
    let observed = collector.observed();
    assert!(observed.denied.is_empty());
    let refused: Vec<&str> = observed.refused_calls.keys().map(String::as_str).collect();
    assert_eq!(refused, ["ptrace", "unlinkat"]);
    assert!(observed.sockets.contains_key("IPv4"));
    assert!(!observed.system_calls.contains("ptrace"));
}

#[test]
fn what_only_the_servers_own_list_refuses_is_told_apart() {
    let rule = |calls: &[&str]| CallRule {
        calls: calls.iter().map(ToString::to_string).collect(),
        when: vec![],
    };
    let rules = SyscallRules {
        allow: vec![rule(&["openat", "symlinkat"])],
        deny: vec![rule(&["ptrace"])],
    };
    let list = ["openat", "ptrace"].map(str::to_owned).into();
    let list = compile_list(&list).unwrap();
    let filters = compile(&rules).unwrap();
    let mut collector = Collector::new(&filters, Some(&list), Observed::of_policy("p"));
    collector.executes(1, "start");
    for name in ["symlinkat", "ptrace", "mount"] {
        call(&mut collector, name, &[], "", -38);
    }
    call(&mut collector, "openat", &[AT_HERE, 100, 0], "/etc/x", 3);
    let observed = collector.observed();
    let names = |map: &std::collections::BTreeMap<String, Seen>| -> Vec<String> {
        map.keys().cloned().collect()
    };
    assert_eq!(names(&observed.unlisted), ["symlinkat"]);
    assert_eq!(names(&observed.refused_calls), ["mount", "ptrace"]);
    assert!(observed.system_calls.contains("openat"));
    assert!(!observed.system_calls.contains("symlinkat"));
}

#[test]
fn a_call_of_another_interface_is_refused_whatever_its_number_means_here() {
    let mut collector = begun();
    collector.enters_foreign(1, "32-bit call 20", "tool");
    // The kernel gives the number back, and ends the process.
    let puppet = Puppet(Vec::new());
    collector.leaves(1, 20, "tool", &puppet);
    let observed = collector.observed();
    let refused: Vec<&str> = observed.refused_calls.keys().map(String::as_str).collect();
    assert_eq!(refused, ["32-bit call 20"]);
    let made: Vec<&str> = observed.system_calls.iter().map(String::as_str).collect();
    assert_eq!(made, ["execve"]);
    // The control: of the box nothing is told.
    let mut building = Collector::default();
    building.enters_foreign(1, "32-bit call 20", "start");
    assert!(building.observed().refused_calls.is_empty());
}

#[test]
fn nothing_is_told_of_what_builds_the_box() {
    let mut collector = Collector::default();
    call(&mut collector, "openat", &[AT_HERE, 100, 0], "/etc/x", -13);
    assert!(collector.observed().denied.is_empty());
    assert!(collector.observed().system_calls.is_empty());
}

#[test]
fn programs_are_noted_when_they_are_executed_and_when_they_are_not() {
    let mut collector = begun();
    call(&mut collector, "execve", &[100], "/usr/bin/git", -13);
    let puppet = Puppet(vec![(100, b"/usr/bin/echo".to_vec())]);
    collector.enters(2, number("execve"), [100, 0, 0, 0, 0, 0], &puppet);
    collector.executes(2, "start");
    let observed = collector.observed();
    assert!(observed.denied.contains_key("/usr/bin/git"));
    assert!(observed.used.contains_key("/usr/bin/echo"));
}

#[test]
fn a_refused_connection_has_an_address_and_a_hidden_process_is_counted() {
    let mut collector = begun();
    let mut address = vec![0; 16];
    address[..2].copy_from_slice(&2_u16.to_ne_bytes());
    address[2..4].copy_from_slice(&443_u16.to_be_bytes());
    address[4..8].copy_from_slice(&[192, 0, 2, 1]);
    let puppet = Puppet(vec![(100, address)]);
    for result in [-13, -111, 0] {
        collector.enters(1, number("connect"), [3, 100, 16, 0, 0, 0], &puppet);
        collector.leaves(1, result, "tool", &puppet);
    }
    call(&mut collector, "clone", &[CLONE_UNTRACED], "", 5);
    let observed = collector.observed();
    assert_eq!(observed.addresses["192.0.2.1:443"].times, 1);
    assert_eq!(observed.hidden, 1);
}
