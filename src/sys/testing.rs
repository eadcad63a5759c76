//! The system calls of both architectures, for tests on either.

use std::collections::BTreeMap;

/// Names and numbers of the calls of an architecture (`std::env::consts::ARCH`).
pub(crate) fn calls(architecture: &str) -> BTreeMap<&'static str, i64> {
    let text = match architecture {
        "x86_64" => include_str!("calls/x86_64.txt"),
        "aarch64" => include_str!("calls/aarch64.txt"),
        other => panic!("no table for {other}"),
    };
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (number, name) = line.split_once(' ').unwrap();
            (name, number.parse().unwrap())
        })
        .collect()
}
