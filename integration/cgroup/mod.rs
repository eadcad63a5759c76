//! Control groups: only what was delegated is touched, the server is in its group and nobody else,
//! and what is in a group ends with it. Limits need controllers, which an ordinary user has
//! inside of `systemd-run --user --scope -p Delegate=yes`.

mod boxed;
mod delegated;
mod limits;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::unistd::getpid;
use pinfold::cgroup::{Controller, Group, own_folder};
use pinfold::daemon::cgroup::Delegated;

use crate::support::skip;

/// A group of a test's own, gone with it.
struct Ground {
    group: Group,
}

/// Where this process may make groups: in what was delegated to it, or in its own group.
fn top() -> Option<&'static Path> {
    static TOP: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = TOP.get_or_init(|| {
        if let Ok(delegated) = Delegated::find() {
            return Some(delegated.path().to_owned());
        }
        let own = own_folder(&proc("self/cgroup"), &proc("self/mountinfo")).ok()?;
        let attempt = Group::make(own.join(format!("pinfold-test-{}", getpid()))).ok()?;
        attempt.remove().unwrap();
        Some(own)
    });
    found.as_deref()
}

impl Ground {
    fn new(test: &str) -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let Some(top) = top() else {
            skip(test, "this user may make no control groups here");
            return None;
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = top.join(format!("pinfold-test-{}-{number}", getpid()));
        Some(Self {
            group: Group::make(path).unwrap(),
        })
    }

    /// One that has these controllers, as the group of a session has.
    fn with(test: &str, wanted: &[Controller]) -> Option<Self> {
        let ground = Self::new(test)?;
        let has = ground.group.controllers();
        for controller in wanted {
            if !has.contains(controller) {
                skip(
                    test,
                    &format!(
                        "the controller {controller} is not delegated to this user here (systemd-run --user --scope -p Delegate=yes does that)"
                    ),
                );
                return None;
            }
        }
        ground.group.pass_controllers_on().unwrap();
        Some(ground)
    }

    fn path(&self) -> &Path {
        self.group.path()
    }

    /// Delegates it as systemd does.
    fn mark(&self, value: &str) {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(self.path(), "user.delegate", value.as_bytes(), flags).unwrap();
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let ended = self.group.end(Duration::from_secs(20));
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

fn proc(file: &str) -> String {
    std::fs::read_to_string(Path::new("/proc").join(file)).unwrap_or_default()
}

/// The version 2 group of a process, as /proc says it.
fn group_of(pid: i32) -> String {
    let text = proc(&format!("{pid}/cgroup"));
    let line = text.lines().find_map(|line| line.strip_prefix("0::"));
    line.unwrap_or_default().to_owned()
}
