//! Every system call that no server needs, made in the box: what the table of the filter's unit
//! tests expects is what the kernel does.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Ground, tier};
use crate::support::Tier;

#[allow(
    dead_code,
    reason = "the lists of calls that are judged or allowed are not for here"
)]
#[path = "../../src/policy/syscalls/tests/expected.rs"]
mod expected;

/// The kernel lets these pass by every filter; without a probe they kill (uretprobe(2)).
const EXEMPT: [&str; 2] = ["uprobe", "uretprobe"];

/// Of the calls that are unknown in the box, some that do no harm out here.
const CONTROLS: [&str; 10] = [
    "clone3",
    "futex_waitv",
    "get_mempolicy",
    "get_robust_list",
    "io_setup",
    "io_uring_enter",
    "mlock2",
    "openat2",
    "readahead",
    "tee",
];

fn numbers() -> BTreeMap<&'static str, i64> {
    let text = match std::env::consts::ARCH {
        "x86_64" => include_str!("../../src/sys/calls/x86_64.txt"),
        _ => include_str!("../../src/sys/calls/aarch64.txt"),
    };
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(number, name)| (name, number.parse().unwrap()))
        .collect()
}

/// Makes each call with six zeros; the errno by the call's number.
const CALL: &str = "
    found = {}
    for number in numbers:
        try:
            call(number, 0, 0, 0, 0, 0, 0)
            found[number] = 'ok'
        except OSError as error:
            found[number] = errno.errorcode[error.errno]
    return found";

fn answers(text: &str) -> Map<String, Value> {
    let json = text
        .strip_prefix("ok: ")
        .unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str(json).unwrap()
}

#[test]
fn what_nobody_needs_is_refused_or_unknown() {
    let mut ground = Ground::new(&[]);
    let table = numbers();
    // Changes of mode, owner and times are refused only where there is no root of its own.
    let metadata = match tier() {
        Tier::Base => expected::METADATA,
        Tier::Full => "",
    };
    let mut seen = 0;
    for (lists, errno) in [
        ([expected::REFUSED, metadata], "EPERM"),
        ([expected::UNKNOWN, ""], "ENOSYS"),
    ] {
        let numbers: Vec<i64> = lists
            .into_iter()
            .flat_map(str::split_whitespace)
            .filter(|name| !EXEMPT.contains(name))
            .filter_map(|name| table.get(name).copied())
            .collect();
        seen += numbers.len();
        let found = answers(&ground.boxed(CALL, &json!({"numbers": numbers})));
        for (name, number) in &table {
            if let Some(found) = found.get(&number.to_string()) {
                assert_eq!(found, errno, "{name}");
            }
        }
        assert_eq!(found.len(), numbers.len());
    }
    assert!(seen > 100, "{seen}");

    // The kernel itself knows them.
    let numbers: Vec<i64> = CONTROLS.iter().map(|name| table[name]).collect();
    for (number, found) in answers(&ground.bare(CALL, &json!({"numbers": numbers}))) {
        assert_ne!(found, "ENOSYS", "{number}");
        assert_ne!(found, "EPERM", "{number}");
    }
    // And a call that is allowed arrives.
    ground.allowed("return call('getpid') == os.getpid()", json!({}));
}

#[test]
fn no_file_can_be_made_that_runs_as_its_owner() {
    let mut ground = Ground::new(&[]);
    for way in [
        "os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o4755)); os.remove(path)",
        "os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o2755)); os.remove(path)",
        "os.close(os.open(os.environ['HOME'], os.O_TMPFILE | os.O_WRONLY, 0o4755))",
        "open(path, 'w').close(); os.chmod(path, 0o4755)",
        "open(path, 'w').close(); os.fchmod(os.open(path, os.O_WRONLY), 0o2755)",
    ] {
        let code = format!("path = os.environ['HOME'] + '/planted'\n{way}");
        ground.refused(&code, json!({}));
    }
}
