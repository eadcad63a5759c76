//! Only the interpreter and what `exec` names can be executed.

use std::fs;

use serde_json::json;

use super::Ground;
use crate::support::{Home, is_root};

const ECHO: &str =
    "return subprocess.run([program, 'hello'], capture_output=True, text=True).stdout";

#[test]
fn only_granted_programs_run() {
    let mut with = Ground::new(&["--exec", "echo"]);
    with.allowed(ECHO, json!({"program": "echo"}));
    with.refused(ECHO, json!({"program": "/usr/bin/env"}));
    // The interpreter itself always runs.
    with.allowed(
        "return in_child(lambda: None) or subprocess.run([sys.executable, '-c', '0'], check=True).returncode",
        json!({}),
    );
}

#[test]
fn programs_cannot_be_changed() {
    let home = Home::new();
    let tool = home.user().join("tool");
    fs::copy("/bin/echo", &tool).unwrap();
    let mut ground = Ground::in_home(home, &["--exec", tool.to_str().unwrap()]);
    let tool = json!({"program": tool});
    ground.allowed(ECHO, tool.clone());
    for way in [
        "os.close(os.open(program, os.O_WRONLY))",
        "os.truncate(program, os.stat(program).st_size)",
        "os.rename(program, program + '2'); os.rename(program + '2', program)",
        "os.chmod(program, 0o755)",
    ] {
        ground.refused(way, tool.clone());
    }
    // The interpreter is in use, which alone refuses writing, but its library isn't.
    let library = "os.close(os.open(os.__file__, os.O_WRONLY))";
    if is_root() {
        ground.refused(library, json!({}));
    } else {
        ground.refused_inside(library, &json!({}));
    }
}
