//! Which system calls name files, where in their arguments, and what they want of them: data.
//!
//! Sources: man 2 of each call. A name that this architecture doesn't have is left out.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::sys;

/// What a call wants of the file that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// To open it, with these flags of open(2).
    Open {
        flags: Place,
    },
    /// To know of it, with a flag `AT_SYMLINK_NOFOLLOW` in that argument.
    Look {
        flags: Option<u8>,
    },
    /// To know where a link leads, or of the link itself: what programs do with every folder on the
    /// way to something else.
    Walk,
    Execute,
    /// To be in it.
    Enter,
    /// To make it, to remove it, or to give it another name.
    Make,
    /// To change it, or what is known of it.
    Change,
}

/// Where flags are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In this argument.
    Argument(u8),
    /// In the first word of what this argument points at (`struct open_how`).
    Behind(u8),
    /// They are always these.
    Always(i32),
}

/// A path in the arguments of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The argument with the folder that it is relative to; `None` is the working directory.
    pub folder: Option<u8>,
    pub path: u8,
    pub want: Want,
}

const fn at(folder: u8, path: u8, want: Want) -> Named {
    Named {
        folder: Some(folder),
        path,
        want,
    }
}

const fn here(path: u8, want: Want) -> Named {
    Named {
        folder: None,
        path,
        want,
    }
}

const LOOK: Want = Want::Look { flags: None };
const CREATED: i32 = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;

#[rustfmt::skip]
const PATHS: &[(&str, &[Named])] = &[
    ("open", &[here(0, Want::Open { flags: Place::Argument(1) })]),
    ("openat", &[at(0, 1, Want::Open { flags: Place::Argument(2) })]),
    ("openat2", &[at(0, 1, Want::Open { flags: Place::Behind(2) })]),
    ("creat", &[here(0, Want::Open { flags: Place::Always(CREATED) })]),
    ("stat", &[here(0, LOOK)]),
    ("lstat", &[here(0, Want::Walk)]),
    ("newfstatat", &[at(0, 1, Want::Look { flags: Some(3) })]),
    ("statx", &[at(0, 1, Want::Look { flags: Some(2) })]),
    ("access", &[here(0, LOOK)]),
    ("faccessat", &[at(0, 1, LOOK)]),
    ("faccessat2", &[at(0, 1, Want::Look { flags: Some(3) })]),
    ("readlink", &[here(0, Want::Walk)]),
    ("readlinkat", &[at(0, 1, Want::Walk)]),
    ("statfs", &[here(0, LOOK)]),
    ("getxattr", &[here(0, LOOK)]),
    ("listxattr", &[here(0, LOOK)]),
    ("inotify_add_watch", &[here(1, LOOK)]),
    ("execve", &[here(0, Want::Execute)]),
    ("execveat", &[at(0, 1, Want::Execute)]),
    ("chdir", &[here(0, Want::Enter)]),
    ("mkdir", &[here(0, Want::Make)]),
    ("mkdirat", &[at(0, 1, Want::Make)]),
    ("mknod", &[here(0, Want::Make)]),
    ("mknodat", &[at(0, 1, Want::Make)]),
    ("rmdir", &[here(0, Want::Make)]),
    ("unlink", &[here(0, Want::Make)]),
    ("unlinkat", &[at(0, 1, Want::Make)]),
    ("rename", &[here(0, Want::Make), here(1, Want::Make)]),
    ("renameat", &[at(0, 1, Want::Make), at(2, 3, Want::Make)]),
    ("renameat2", &[at(0, 1, Want::Make), at(2, 3, Want::Make)]),
    ("link", &[here(0, LOOK), here(1, Want::Make)]),
    ("linkat", &[at(0, 1, LOOK), at(2, 3, Want::Make)]),
    ("symlink", &[here(1, Want::Make)]),
    ("symlinkat", &[at(1, 2, Want::Make)]),
    ("truncate", &[here(0, Want::Change)]),
    ("chmod", &[here(0, Want::Change)]),
    ("fchmodat", &[at(0, 1, Want::Change)]),
    ("fchmodat2", &[at(0, 1, Want::Change)]),
    ("chown", &[here(0, Want::Change)]),
    ("lchown", &[here(0, Want::Change)]),
    ("fchownat", &[at(0, 1, Want::Change)]),
    ("utime", &[here(0, Want::Change)]),
    ("utimes", &[here(0, Want::Change)]),
    ("futimesat", &[at(0, 1, Want::Change)]),
    ("utimensat", &[at(0, 1, Want::Change)]),
    ("setxattr", &[here(0, Want::Change)]),
    ("removexattr", &[here(0, Want::Change)]),
];

/// What the table says of a call, by its number.
pub(super) fn paths_of(number: i64) -> &'static [Named] {
    static BY_NUMBER: LazyLock<HashMap<i64, &'static [Named]>> = LazyLock::new(|| {
        PATHS
            .iter()
            .filter_map(|(name, named)| Some((sys::syscall_number(name)?, *named)))
            .collect()
    });
    BY_NUMBER.get(&number).copied().unwrap_or_default()
}

/// What a call is called; its number where the table of names is older than the kernel.
pub(super) fn name_of(number: i64) -> String {
    static NAMES: LazyLock<HashMap<i64, &'static str>> = LazyLock::new(|| {
        sys::SYSCALL_NAMES
            .iter()
            .map(|(name, number)| (*number, *name))
            .collect()
    });
    NAMES
        .get(&number)
        .map_or_else(|| format!("number {number}"), |name| (*name).to_owned())
}

/// A name for a call that is made by another interface than this architecture's own, whose numbers
/// mean other calls; `None` for one of its own.
pub(super) fn foreign_name(architecture: u32, number: i64) -> Option<String> {
    /// linux/audit.h
    const IS_64_BIT: u32 = 0x8000_0000;
    /// asm/unistd.h of x86: the x32 interface has the architecture of the 64-bit one.
    const X32: i64 = 0x4000_0000;
    if architecture == sys::AUDIT_ARCH {
        let is_x32 = cfg!(target_arch = "x86_64") && number >= X32;
        return is_x32.then(|| format!("x32 call {}", number - X32));
    }
    Some(match architecture & IS_64_BIT {
        0 => format!("32-bit call {number}"),
        _ => format!("foreign call {number}"),
    })
}

/// Whether a name is one of [`foreign_name`].
pub(super) fn is_foreign(name: &str) -> bool {
    ["32-bit call ", "x32 call ", "foreign call "]
        .iter()
        .any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_another_interface_has_no_name_of_this_one() {
        const I386: u32 = 0x4000_0003;
        // getpid(2) there, writev(2) on x86_64.
        let name = foreign_name(I386, 20).unwrap();
        assert_eq!(name, "32-bit call 20");
        assert!(is_foreign(&name));
        let other = match sys::AUDIT_ARCH {
            0xC000_003E => 0xC000_00B7,
            _ => 0xC000_003E,
        };
        assert_eq!(foreign_name(other, 1).unwrap(), "foreign call 1");
        // The control.
        let number = sys::syscall_number("openat").unwrap();
        assert_eq!(foreign_name(sys::AUDIT_ARCH, number), None);
        assert!(!is_foreign(&name_of(number)) && !is_foreign(&name_of(99_999)));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_x32_interface_is_another_one() {
        let name = foreign_name(sys::AUDIT_ARCH, 0x4000_0000 + 20).unwrap();
        assert_eq!(name, "x32 call 20");
        assert!(is_foreign(&name));
    }

    #[test]
    fn every_name_is_one_of_a_call() {
        // Those that one of the two architectures lacks are in the table of the other.
        const ELSEWHERE: [&str; 21] = [
            "open",
            "creat",
            "stat",
            "lstat",
            "access",
            "readlink",
            "mkdir",
            "mknod",
            "rmdir",
            "unlink",
            "rename",
            "renameat",
            "link",
            "symlink",
            "chmod",
            "chown",
            "lchown",
            "utime",
            "utimes",
            "futimesat",
            "newfstatat",
        ];
        for (name, named) in PATHS {
            let is_known = sys::syscall_number(name).is_some();
            assert!(is_known || ELSEWHERE.contains(name), "{name}");
            assert!(!named.is_empty());
        }
        let number = sys::syscall_number("openat").unwrap();
        assert_eq!(name_of(number), "openat");
        assert_eq!(paths_of(number).len(), 1);
        assert_eq!(name_of(99_999), "number 99999");
        assert!(paths_of(99_999).is_empty());
    }
}
