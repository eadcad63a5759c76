//! A server that may write a folder can't turn another grant inside of it into a door.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::support::{Home, fixture};

#[test]
fn a_granted_folder_that_became_a_link_is_refused() {
    let home = Home::new();
    let shared = home.user().join("shared");
    let granted = shared.join("reference");
    let private = home.user().join("private");
    std::fs::create_dir_all(&granted).unwrap();
    std::fs::create_dir_all(&private).unwrap();
    std::fs::write(private.join("key"), "do not tell").unwrap();
    home.add_path(
        "puppet",
        &fixture("puppet.py"),
        &[
            "--write",
            shared.to_str().unwrap(),
            "--read",
            granted.to_str().unwrap(),
        ],
    );

    // Control: the grants work, and the server itself can put the link there.
    let mut client = home.client("puppet");
    client.initialize();
    let path = granted.join("note");
    let wrote = client.call_text(
        "do",
        json!({"code": "open(path, 'w').write('x')", "arguments": {"path": path}}),
    );
    assert!(wrote.starts_with("ok:"), "{wrote}");
    client.close();
    std::fs::remove_dir_all(&granted).unwrap();
    symlink(&private, &granted).unwrap();

    let ran = home.run(["run", "puppet"]);
    assert_eq!(ran.code, Some(125), "{ran:?}");
    assert!(ran.stderr.contains("policy"), "{ran:?}");

    // Control: with the folder back in its place it starts again.
    std::fs::remove_file(&granted).unwrap();
    std::fs::create_dir(&granted).unwrap();
    let mut client = home.client("puppet");
    client.initialize();
}
