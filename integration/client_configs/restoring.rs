//! What `pinfold restore` puts back, and what it refuses to.

use std::fs;
use std::os::unix::fs::symlink;

use super::Desk;

const BEFORE: &str =
    "{\"mcpServers\": {\"notes\": {\"command\": \"npx\", \"args\": [\"@example/notes\"]}}}\r\n";

fn taken_over() -> (Desk, std::path::PathBuf) {
    let desk = Desk::new();
    let path = desk.put("home/.cursor/mcp.json", BEFORE);
    desk.succeed(&["import", "--yes", "--allow-all"]);
    (desk, path)
}

#[test]
fn what_was_changed_since_is_not_lost() {
    let (desk, path) = taken_over();
    let mine = fs::read_to_string(&path).unwrap() + "\n";
    fs::write(&path, &mine).unwrap();
    let ran = desk.run(&["restore"]);
    assert!(
        ran.code == Some(1) && ran.stderr.contains("--force"),
        "{ran:#?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), mine);
    assert!(
        desk.succeed(&["restore", "--list"])
            .stdout
            .contains("changed since")
    );
    desk.succeed(&["restore", "--force", path.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&path).unwrap(), BEFORE);
}

#[test]
fn several_imports_go_back_to_the_first() {
    let (desk, path) = taken_over();
    // The user adds a server; the next import takes that over, too.
    let first = fs::read_to_string(&path).unwrap();
    let edited = first.replace(
        "{\"mcpServers\": {",
        "{\"mcpServers\": {\"w\": {\"command\": \"npx\", \"args\": [\"weather\"]}, ",
    );
    fs::write(&path, &edited).unwrap();
    desk.succeed(&["import", "--yes", "--allow-all"]);
    desk.succeed(&["restore"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), edited);
    // Undone by hand, it goes on.
    fs::write(&path, &first).unwrap();
    desk.succeed(&["restore"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), BEFORE);
}

#[test]
fn an_original_that_was_touched_is_not_put_back() {
    let (desk, path) = taken_over();
    let folder = desk.home.path().join("state/pinfold/client-configs");
    let after = fs::read(&path).unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "original") {
            fs::write(path, "{}").unwrap();
        }
    }
    let ran = desk.run(&["restore"]);
    assert!(
        ran.code != Some(0) && ran.stderr.contains("damaged"),
        "{ran:#?}"
    );
    assert_eq!(fs::read(&path).unwrap(), after);
    let other = desk.run(&["restore", "/nowhere.json"]);
    assert_eq!(other.code, Some(2), "{other:#?}");
    desk.succeed(&["restore", "--forget"]);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn nothing_is_put_back_through_a_link() {
    let (desk, path) = taken_over();
    // As a server could do it that may write in the folder.
    let victim = desk.put("home/.bashrc", "precious\n");
    fs::remove_file(&path).unwrap();
    symlink(&victim, &path).unwrap();
    for command in [&["restore"][..], &["restore", "--force"]] {
        let ran = desk.run(command);
        assert!(
            ran.code == Some(1) && ran.stderr.contains("behind a link"),
            "{ran:#?}"
        );
    }
    let listed = desk.succeed(&["restore", "--list"]);
    assert!(listed.stdout.contains("behind a link"), "{listed:#?}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious\n");
    // So is a folder above it.
    fs::remove_file(&path).unwrap();
    let folder = path.parent().unwrap();
    fs::remove_dir(folder).unwrap();
    let other = desk.put("home/other/mcp.json", "{}");
    symlink(other.parent().unwrap(), folder).unwrap();
    assert_eq!(desk.run(&["restore", "--force"]).code, Some(1));
    assert_eq!(fs::read_to_string(&other).unwrap(), "{}");
    // The control.
    fs::remove_file(folder).unwrap();
    fs::create_dir(folder).unwrap();
    desk.succeed(&["restore", "--force"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), BEFORE);
}
