//! What systemd says of the control group that this process is in.
//!
//! The system's manager marks what it delegates; that of a user does not (seen of systemd 252), so it
//! is asked: `systemctl show` tells for a unit which control group it has, and whether that was
//! delegated (org.freedesktop.systemd1(5), `ControlGroup` and `Delegate`). The name of the group is
//! only the question; what counts is the answer, which names the group.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

/// Where distributions have it. No search path is asked: this is about what belongs to whom.
const SYSTEMCTL: [&str; 3] = [
    "/usr/bin/systemctl",
    "/bin/systemctl",
    "/run/current-system/sw/bin/systemctl",
];

/// How long an answer is waited for. It takes a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

/// Bytes of an answer.
const MAX_ANSWER: u64 = 16 * 1024;

/// Longest name of a unit (systemd.unit(5)).
const MAX_UNIT: usize = 255;

/// What is asked for, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Question {
    unit: String,
    /// The manager of the user, not that of the system.
    of_user: bool,
}

/// The control group, as in `/proc/PID/cgroup`, of the unit that is called like `folder`, if systemd
/// says that it has delegated it. `None` also where there is no systemd.
pub(super) fn delegated(folder: &Path) -> Option<String> {
    let question = question(folder, geteuid().as_raw())?;
    control_group(&ask(&question)?)
}

/// Services and scopes are what can be delegated.
fn question(folder: &Path, user: u32) -> Option<Question> {
    let unit = folder.file_name()?.to_str()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    let is_unit = [".service", ".scope"]
        .into_iter()
        .any(|kind| unit.len() > kind.len() && unit.ends_with(kind));
    if !is_unit || unit.len() > MAX_UNIT || !unit.bytes().all(plain) {
        return None;
    }
    let mut above = folder.parent()?.iter().filter_map(|part| part.to_str());
    let manager = above.find(|part| part.starts_with("user@") && part.ends_with(".service"));
    match manager {
        // Somebody else's has nothing to give to us.
        Some(manager) if manager != format!("user@{user}.service") => None,
        manager => Some(Question {
            unit: unit.to_owned(),
            of_user: manager.is_some(),
        }),
    }
}

fn ask(question: &Question) -> Option<String> {
    let program = SYSTEMCTL
        .into_iter()
        .find(|path| Path::new(path).exists())?;
    let mut command = Command::new(program);
    command
        .args(["show", "--property=ControlGroup", "--property=Delegate"])
        .args(question.of_user.then_some("--user"))
        .args(["--", &question.unit])
        .env_clear()
        // Where the user's manager listens.
        .envs(std::env::vars_os().filter(|(name, _)| name == "XDG_RUNTIME_DIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut asked = command.spawn().ok()?;
    let end = Instant::now() + PATIENCE;
    // It must be gone before anybody looks who is in our group. Its two lines fit into the pipe.
    let status = loop {
        match asked.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => thread::sleep(PAUSE),
            _ => {
                let _ = asked.kill();
                let _ = asked.wait();
                return None;
            }
        }
    };
    let mut answer = String::new();
    asked
        .stdout
        .take()?
        .take(MAX_ANSWER)
        .read_to_string(&mut answer)
        .ok()?;
    status.success().then_some(answer)
}

/// From lines of `NAME=VALUE`.
fn control_group(answer: &str) -> Option<String> {
    let value = |name| {
        let mut lines = answer.lines().filter_map(|line| line.split_once('='));
        lines.find_map(|(key, value)| (key == name).then_some(value))
    };
    let group = value("ControlGroup").filter(|group| group.starts_with('/'))?;
    (value("Delegate") == Some("yes")).then(|| group.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLICE: &str = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice";

    #[test]
    fn the_manager_that_the_group_belongs_to_is_asked_for_the_unit() {
        let asked = |folder: &str| question(Path::new(folder), 1000);
        let of_user = |unit: &str, of_user| {
            Some(Question {
                unit: unit.to_owned(),
                of_user,
            })
        };
        assert_eq!(
            asked(&format!("{SLICE}/pinfold.service")),
            of_user("pinfold.service", true)
        );
        assert_eq!(
            asked(&format!("{SLICE}/run-r1f.scope")),
            of_user("run-r1f.scope", true)
        );
        assert_eq!(
            asked("/sys/fs/cgroup/system.slice/pinfold.service"),
            of_user("pinfold.service", false)
        );
        for nothing in [
            "/",
            "/sys/fs/cgroup",
            "/sys/fs/cgroup/user.slice",
            "/sys/fs/cgroup/a b.service",
            "/sys/fs/cgroup/.service",
            &format!("{SLICE}/pinfold.service/supervisor"),
            &format!("/sys/fs/cgroup/{}.service", "x".repeat(250)),
            // Of another user's manager.
            &format!("{SLICE}/pinfold.service").replace("1000", "1001"),
        ] {
            assert_eq!(asked(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn only_a_group_that_was_delegated_is_an_answer() {
        let group = "/user.slice/user@1000.service/app.slice/pinfold.service";
        let said = |lines: &str| control_group(&lines.replace("GROUP", group));
        assert_eq!(
            said("ControlGroup=GROUP\nDelegate=yes\n").as_deref(),
            Some(group)
        );
        assert_eq!(
            said("Delegate=yes\nControlGroup=GROUP\n").as_deref(),
            Some(group)
        );
        for nothing in [
            "",
            "ControlGroup=GROUP\n",
            "Delegate=yes\n",
            "ControlGroup=GROUP\nDelegate=no\n",
            // A unit that does not run, or that systemd does not know.
            "ControlGroup=\nDelegate=yes\n",
            "ControlGroup=GROUP\nDelegateControllers=yes\n",
        ] {
            assert_eq!(said(nothing), None, "{nothing:?}");
        }
    }
}
