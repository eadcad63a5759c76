//! What the server was started with, and what it can learn of the machine.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::super::targets::{mount_points, untried};
use super::{Attack, Group::Env, probe};
use crate::sys::probes;

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new(
        Env,
        "variables",
        "Look for secrets among the variables of the environment.",
        |targets| {
            if targets.variables.is_empty() {
                return Err(untried("there is no variable that is kept back"));
            }
            let mut names = targets.variables.iter();
            Ok(names.any(|name| std::env::var_os(name).is_some()))
        },
    ),
    Attack::new(
        Env,
        "variables-in-proc",
        "Read them as they were at the start, should they have been removed later.",
        |targets| {
            let text = fs::read("/proc/self/environ")?;
            let mut lines = text.split(|byte| *byte == 0);
            Ok(lines.any(|line| {
                let name = line.split(|byte| *byte == b'=').next().unwrap_or_default();
                let mut kept_back = targets.variables.iter();
                kept_back.any(|other| other.as_bytes() == name)
            }))
        },
    )
    .in_first_process(),
    Attack::new(
        Env,
        "inherited-file",
        "Read a file that was left open.",
        |targets| {
            let mut text = vec![0; targets.secret.len()];
            let path = format!("/dev/fd/{}", targets.descriptor);
            File::open(path)?.read_exact_at(&mut text, 0)?;
            Ok(targets.told(&text))
        },
    )
    .in_first_process(),
    Attack::new(
        Env,
        "working-folder",
        "Look around where pinfold was.",
        |targets| Ok(std::env::current_dir()? == targets.folder),
    ),
    Attack::new(
        Env,
        "log-opened",
        "Open the client's log anew through standard error, to write over it.",
        |_| {
            let log = OpenOptions::new().write(true).open("/proc/self/fd/2")?;
            Ok(log.metadata()?.is_file())
        },
    )
    .in_first_process(),
    Attack::new(
        Env,
        "log-emptied",
        "Empty the client's log through standard error.",
        |_| {
            match probe(&probes::EMPTY_LOG) {
                // A pipe has no length.
                Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => Ok(false),
                other => other,
            }
        },
    ),
    Attack::new(
        Env,
        "identity-of-machine",
        "Read the number by which services know this machine.",
        |_| reads("/etc/machine-id"),
    ),
    Attack::new(
        Env,
        "identity-of-start",
        "Read the number of this start of the machine.",
        |_| reads("/proc/sys/kernel/random/boot_id"),
    ),
    Attack::new(
        Env,
        "command-line-of-kernel",
        "Read what the kernel was started with.",
        |_| reads("/proc/cmdline"),
    ),
    Attack::new(
        Env,
        "connections-of-machine",
        "Read which connections this machine has.",
        |_| reads("/proc/net/tcp"),
    ),
    Attack::new(
        Env,
        "name-of-machine",
        "Ask for the machine's name.",
        |targets| {
            let name = nix::unistd::gethostname()?;
            Ok(name.to_string_lossy() == targets.machine.as_str())
        },
    )
    .in_base_tier("the machine's name"),
    Attack::new(
        Env,
        "mounts-of-machine",
        "Read what is mounted where.",
        |targets| {
            let point = targets.mount.as_ref();
            let point = point.ok_or_else(|| untried("nothing is mounted that would tell"))?;
            Ok(mount_points()?.contains(point))
        },
    )
    .in_base_tier("which file systems are mounted")
    .in_first_process(),
];

fn reads(path: &str) -> io::Result<bool> {
    Ok(!fs::read(Path::new(path))?.is_empty())
}
