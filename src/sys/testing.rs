//! The system calls of both architectures, for tests on either.

use std::collections::BTreeMap;
use std::sync::LazyLock;

type Calls = BTreeMap<&'static str, i64>;

/// Names and numbers of the calls of an architecture (`std::env::consts::ARCH`).
pub(crate) fn calls(architecture: &str) -> &'static Calls {
    static X86_64: LazyLock<Calls> = LazyLock::new(|| table(include_str!("calls/x86_64.txt")));
    static AARCH64: LazyLock<Calls> = LazyLock::new(|| table(include_str!("calls/aarch64.txt")));
    match architecture {
        "x86_64" => &X86_64,
        "aarch64" => &AARCH64,
        other => panic!("no table for {other}"),
    }
}

fn table(text: &'static str) -> Calls {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (number, name) = line.split_once(' ').unwrap();
            (name, number.parse().unwrap())
        })
        .collect()
}
