//! A place without any network, for the processes of a test.

use std::ffi::OsStr;
use std::process::Command;

/// `command` in a network namespace of its own, in which not even loopback is up; `None`
/// when this kernel or this user may not make one.
pub(crate) fn without_network(command: &Command) -> Option<Command> {
    let flags = ["-n", "-rn"].into_iter().find(|flags| {
        Command::new("unshare")
            .args([flags, "true"])
            .output()
            .is_ok_and(|output| output.status.success())
    })?;
    let mut wrapped = Command::new("unshare");
    wrapped
        .args([OsStr::new(flags), command.get_program()])
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            wrapped.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    Some(wrapped)
}
