//! Where the control group of this process is: what /proc says of it, read without touching it. Pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Why there is no folder for the control group of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoGroup {
    #[error("the kernel has no control groups of version 2")]
    NoVersion2,
    #[error("control groups of version 2 are not mounted here")]
    NotMounted,
    #[error("our control group is outside of what is mounted here")]
    Outside,
}

/// The folder of the version 2 group of this process, from the texts of `/proc/self/cgroup`
/// (cgroups(7)) and `/proc/self/mountinfo` (proc_pid_mountinfo(5)). Where both versions are mounted
/// (systemd's hybrid hierarchy) it is that of version 2.
///
/// # Errors
/// When there is none.
pub fn own_folder(cgroup: &str, mountinfo: &str) -> Result<PathBuf, NoGroup> {
    let own = cgroup
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .ok_or(NoGroup::NoVersion2)?;
    // `/..` is above what a namespace shows; a group that was removed has no folder.
    if own.split('/').any(|part| part == "..") || own.ends_with(" (deleted)") {
        return Err(NoGroup::Outside);
    }
    let mut mounts = mountinfo.lines().filter_map(mount).peekable();
    if mounts.peek().is_none() {
        return Err(NoGroup::NotMounted);
    }
    mounts
        .find_map(|(root, point)| {
            let below = Path::new(own).strip_prefix(&root).ok()?;
            // Joining an empty path would end in a slash.
            Some(point.components().chain(below.components()).collect())
        })
        .ok_or(NoGroup::Outside)
}

/// Root and mount point of a line, if it is of version 2.
fn mount(line: &str) -> Option<(PathBuf, PathBuf)> {
    let (before, after) = line.split_once(" - ")?;
    if after.split(' ').next()? != "cgroup2" {
        return None;
    }
    let mut fields = before.split(' ').skip(3);
    Some((unescaped(fields.next()?), unescaped(fields.next()?)))
}

/// Spaces, tabs, line ends and backslashes are written as `\` and three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        let code = others
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &others[3..];
            }
            None => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &str =
        "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    const HYBRID: &str = "\
        31 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
        32 31 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        33 31 0:28 / /sys/fs/cgroup/unified rw shared:10 master:1 - cgroup2 cgroup2 rw\n";

    fn folder(cgroup: &str, mountinfo: &str) -> Result<String, NoGroup> {
        own_folder(cgroup, mountinfo).map(|path| path.to_str().unwrap().to_owned())
    }

    #[test]
    fn it_is_found_on_unified_and_hybrid_machines() {
        let service = "/user.slice/user-1000.slice/user@1000.service/app.slice/pinfold.service";
        let unified = folder(&format!("0::{service}\n"), UNIFIED).unwrap();
        assert_eq!(unified, format!("/sys/fs/cgroup{service}"));
        let hybrid = format!("4:memory:/elsewhere\n1:name=systemd:/x\n0::{service}\n");
        let hybrid = folder(&hybrid, HYBRID).unwrap();
        assert_eq!(hybrid, format!("/sys/fs/cgroup/unified{service}"));
        assert_eq!(folder("0::/\n", UNIFIED).unwrap(), "/sys/fs/cgroup");
    }

    #[test]
    fn a_mount_of_a_part_shows_only_that_part() {
        let part = "31 23 0:27 /docker/ab /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            folder("0::/docker/ab/in\n", part).unwrap(),
            "/sys/fs/cgroup/in"
        );
        assert_eq!(folder("0::/docker/abc\n", part), Err(NoGroup::Outside));
        // Another mount may show it.
        let both = format!("{part}{UNIFIED}");
        assert_eq!(
            folder("0::/docker/abc\n", &both).unwrap(),
            "/sys/fs/cgroup/docker/abc"
        );
    }

    #[test]
    fn names_are_read_as_the_kernel_writes_them() {
        let odd = "31 23 0:27 / /a\\040b\\134c rw - cgroup2 cgroup2 rw\n";
        assert_eq!(folder("0::/x\n", odd).unwrap(), "/a b\\c/x");
    }

    #[test]
    fn no_group_has_a_reason() {
        assert_eq!(folder("4:memory:/x\n", HYBRID), Err(NoGroup::NoVersion2));
        assert_eq!(folder("", UNIFIED), Err(NoGroup::NoVersion2));
        let first_version = HYBRID.lines().take(2).collect::<Vec<_>>().join("\n");
        assert_eq!(folder("0::/\n", &first_version), Err(NoGroup::NotMounted));
        for outside in ["/..", "/../../x", "/gone (deleted)"] {
            let cgroup = format!("0::{outside}\n");
            assert_eq!(folder(&cgroup, UNIFIED), Err(NoGroup::Outside), "{outside}");
        }
    }
}
