//! The monitor, the server itself, and what it inherits.

use std::process::Command;

use serde_json::json;

use super::Ground;
use crate::support::{Client, Home, fixture};

#[test]
fn the_monitor_cannot_be_signalled() {
    let mut ground = Ground::new(&[]);
    ground.refused("os.kill(os.getppid(), 0)", json!({}));
    for number in [libc::SIGTERM, libc::SIGKILL, libc::SIGSTOP] {
        ground.refused_inside("os.kill(os.getppid(), number)", &json!({"number": number}));
    }
}

#[test]
fn it_may_look_at_itself() {
    let mut ground = Ground::new(&[]);
    ground.allowed("return len(open('/proc/self/status').read())", json!({}));
}

/// A client that opened a file without O_CLOEXEC hands it to everything that it starts.
#[test]
fn a_leaked_descriptor_does_not_come_in() {
    let home = Home::new();
    let secret = home.user().join("secret");
    std::fs::write(&secret, "do not tell").unwrap();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    let leaking = |program: Command| {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"exec 7<"$0" 9<"$0"; exec "$@""#])
            .arg(&secret)
            .arg(program.get_program())
            .args(program.get_args());
        home.environment(&mut command);
        command.current_dir(home.path());
        Client::start(&mut command)
    };
    let look = json!({"code": "return os.pread(7, 100, 0).decode()"});
    let mut bare = leaking(Command::new(fixture("puppet.py")));
    bare.initialize();
    assert_eq!(bare.call_text("do", look.clone()), r#"ok: "do not tell""#);
    let mut boxed = leaking(home.pinfold(["run", "puppet"]));
    boxed.initialize();
    assert!(boxed.call_text("do", look).starts_with("refused: EBADF"));
    let list = json!({"code": "
        open_ones = []
        for number in range(4096):
            try:
                os.fstat(number)
                open_ones.append(number)
            except OSError:
                pass
        return open_ones"});
    assert_eq!(boxed.call_text("do", list), "ok: [0, 1, 2]");
}
