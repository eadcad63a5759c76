//! What depends on the modes and owners of files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::{Desk, codes};

const CLEAN: &str = r#"{"mcpServers": {
  "everything": {"command": "{place}/bin/pinfold", "args": ["run", "everything"]}
}}"#;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn only_codes(desk: &Desk) -> Vec<(String, u64)> {
    let found = codes(&desk.found(&[])).into_iter();
    found.map(|(_, code, line)| (code, line)).collect()
}

#[test]
fn a_config_that_others_can_write_is_found() {
    let desk = Desk::new();
    let path = desk.put("home/.cursor/mcp.json", CLEAN, 0o600);
    assert_eq!(only_codes(&desk), []);
    mode(&path, 0o646);
    assert_eq!(only_codes(&desk), [("config-writable".to_owned(), 0)]);
    mode(&path, 0o600);
    let folder = path.parent().unwrap();
    mode(folder, 0o777);
    assert_eq!(only_codes(&desk), [("writable-folder".to_owned(), 0)]);
    let fix = desk.found(&[])["files"][0]["findings"][0]["fix"].clone();
    assert_eq!(fix, format!("`chmod o-w {}`", folder.display()));
    // As in /tmp nobody can replace what is another's there.
    mode(folder, 0o1777);
    assert_eq!(only_codes(&desk), []);
}

#[test]
fn a_program_that_others_can_change_is_found() {
    let desk = Desk::new();
    desk.put("home/.cursor/mcp.json", CLEAN, 0o600);
    let program = desk.0.path().join("bin/pinfold");
    mode(&program, 0o757);
    assert_eq!(only_codes(&desk), [("writable-program".to_owned(), 2)]);
    mode(&program, 0o755);
    mode(program.parent().unwrap(), 0o757);
    assert_eq!(only_codes(&desk), [("writable-folder".to_owned(), 2)]);
    mode(program.parent().unwrap(), 0o755);
    assert_eq!(only_codes(&desk), []);
}

#[test]
fn the_file_that_an_interpreter_runs_counts_too() {
    let desk = Desk::new();
    let script = desk.put("open/server.js", "", 0o644);
    let text = format!(
        "{{\"mcpServers\": {{\"a\": {{\"command\": \"node\",\n \"args\": [\"{}\"]}}}}}}",
        script.display()
    );
    desk.put("home/.cursor/mcp.json", &text, 0o600);
    let outside = ("outside-pinfold".to_owned(), 1);
    assert_eq!(only_codes(&desk), std::slice::from_ref(&outside));
    mode(script.parent().unwrap(), 0o777);
    assert_eq!(
        only_codes(&desk),
        [outside, ("writable-folder".to_owned(), 2)]
    );
}

#[test]
fn secrets_behind_a_closed_folder_are_not_readable() {
    let test = "config_audit::machine::secrets_behind_a_closed_folder_are_not_readable";
    let Some(desk) = Desk::open_to_all(test) else {
        return;
    };
    let text = r#"{"mcpServers": {"a": {"url": "https://x.example.test", "headers": {"X-Api-Key": "q8Zt3LxV0bN6cR2m"}}}}"#;
    let path = desk.put("home/.cursor/mcp.json", text, 0o644);
    let secret = ("inline-secret".to_owned(), 1);
    let readable = ("config-readable".to_owned(), 0);
    assert_eq!(only_codes(&desk), [readable, secret.clone()]);
    mode(path.parent().unwrap(), 0o700);
    assert_eq!(only_codes(&desk), [secret]);
}

#[test]
fn what_cannot_be_read_is_found() {
    let desk = Desk::new();
    let link = desk.project().join(".mcp.json");
    symlink("/etc/passwd", &link).unwrap();
    assert_eq!(only_codes(&desk), [("unreadable-config".to_owned(), 0)]);
    fs::remove_file(&link).unwrap();
    nix::unistd::mkfifo(&link, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(only_codes(&desk), [("unreadable-config".to_owned(), 0)]);
    let ran = desk.audit(&["/nowhere/mcp.json"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stdout.contains("unreadable-config"), "{ran:#?}");
}
