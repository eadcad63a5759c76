//! Parts for other platforms: read, put in front, refused.

use super::{PLATFORMS, read};
use crate::lockfile::ServerName;
use crate::lockfile::layout::serialise;

/// What is in front changes which fields say something, not what is said.
#[test]
fn any_platform_can_be_in_front() {
    let here = "linux-x86_64-musl";
    let lock = read(PLATFORMS).unwrap();
    let name: ServerName = "everything".parse().unwrap();
    let musl = lock.clone().on(here);
    let server = &musl.servers[&name];
    assert_eq!(server.platform, here);
    let interpreter = server.interpreter.as_ref().unwrap();
    assert_eq!(interpreter.path, "/usr/bin/node");
    assert_eq!(server.artifacts, lock.servers[&name].artifacts);
    assert!(server.platforms.contains_key("linux-x86_64"));
    assert_eq!(read(&serialise(&musl)).unwrap(), musl);
    assert_eq!(musl.clone().on("linux-x86_64"), lock);
    assert_eq!(musl.in_order_of(&lock), lock);

    // Nobody has said what runs it there; its bytes are known.
    let arm = "linux-aarch64";
    let server = &lock.servers[&name];
    assert_eq!(lock.clone().on(arm), lock);
    assert_eq!(server.on(arm), None);
    let bytes = server.bytes_on(arm).unwrap();
    let paths: Vec<&str> = bytes.artifacts.iter().map(|it| it.path.as_str()).collect();
    assert!(!paths.contains(&"node_modules/zod"), "{paths:?}");
    assert!(
        paths.contains(&"node_modules/@zod/linux-arm64"),
        "{paths:?}"
    );
    assert_eq!(server.bytes_on("linux-riscv64"), None);
    // Each tree and artifact that any platform needs, once.
    assert!(server.all_trees().any(|tree| *tree == bytes.tree));
    assert_eq!(server.all_artifacts().count(), server.artifacts.len() + 1);
}

#[test]
fn parts_that_say_two_things_are_refused() {
    let refused = |from: &str, to: &str, says: &str| {
        assert!(PLATFORMS.contains(from), "{from}");
        let error = read(&PLATFORMS.replacen(from, to, 1)).unwrap_err();
        let mut words = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            words += &cause.to_string();
            source = cause.source();
        }
        assert!(words.contains(says), "{from} -> {to}: {words}");
    };
    refused("\"linux-aarch64\"", "\"linux-x86_64\"", "own fields");
    refused("\"unknown\"", "\"absent\"", "unknown");
    refused("\"unknown\"", "true", "a word or an object");
    let without = "            \"node_modules/zod\"\n";
    let other = "            \"node_modules/zot\"\n";
    refused(without, other, "platforms.linux-aarch64.without");
    let twice = "            \"node_modules/zod\", \"node_modules/zod\"\n";
    refused(without, twice, "sorted");
    let both = "            \"node_modules/@zod/linux-arm64\"\n";
    refused(without, both, "platforms.linux-aarch64.without");
    refused("\"without\": [],\n", "", "without");
}
