//! Platforms: their names in the lock, and npm's `os`, `cpu` and `libc` fields, which say whether a
//! package is meant for one.

use std::path::Path;

/// A machine in npm's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    pub os: &'static str,
    pub cpu: &'static str,
    pub libc: &'static str,
}

/// Every platform that a lock can be made for: its name there, and npm's words.
const KNOWN: [(&str, Platform); 4] = [
    ("linux-aarch64", linux("arm64", "glibc")),
    ("linux-aarch64-musl", linux("arm64", "musl")),
    ("linux-x86_64", linux("x64", "glibc")),
    ("linux-x86_64-musl", linux("x64", "musl")),
];

const fn linux(cpu: &'static str, libc: &'static str) -> Platform {
    Platform {
        os: "linux",
        cpu,
        libc,
    }
}

impl Platform {
    /// The names that [`Self::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(name, _)| *name)
    }

    /// The platform that a lock calls so.
    pub fn named(name: &str) -> Option<Self> {
        KNOWN
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, platform)| *platform)
    }

    /// What a lock calls it: operating system and architecture, and `-musl` where programs use that
    /// C library.
    pub fn name(&self) -> String {
        let known = KNOWN.iter().find(|(_, platform)| platform == self);
        known.map_or_else(
            || format!("{}-{}", self.os, self.cpu),
            |(name, _)| (*name).to_owned(),
        )
    }

    /// As packages that exist once for each platform are named on npm, for example `linux-x64`.
    pub fn in_package_names(&self) -> String {
        let libc = if self.libc == "musl" { "-musl" } else { "" };
        format!("{}-{}{libc}", self.os, self.cpu)
    }

    /// The machine we run on.
    pub fn current() -> Self {
        Self {
            os: "linux",
            cpu: match std::env::consts::ARCH {
                "x86_64" => "x64",
                "aarch64" => "arm64",
                other => other,
            },
            libc: current_libc(),
        }
    }

    /// Whether lists as in package.json admit this machine; an empty list admits all.
    pub fn admits(&self, os: &[String], cpu: &[String], libc: &[String]) -> bool {
        admits(os, self.os) && admits(cpu, self.cpu) && admits(libc, self.libc)
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.os, self.cpu, self.libc)
    }
}

/// Entries with `!` exclude. Among the others, if there are any, one must match. `any` alone
/// admits everything.
fn admits(list: &[String], own: &str) -> bool {
    if list.is_empty() || list == ["any"] {
        return true;
    }
    let excluded = |entry: &String| entry.strip_prefix('!') == Some(own);
    let only_exclusions = list.iter().all(|entry| entry.starts_with('!'));
    !list.iter().any(excluded) && (only_exclusions || list.iter().any(|entry| entry == own))
}

/// Which C library programs of this machine use: told by the loader that is there. A machine
/// with both is a glibc machine that can also run musl programs.
fn current_libc() -> &'static str {
    let (glibc, musl) = match std::env::consts::ARCH {
        "aarch64" => ("/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1"),
        _ => ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"),
    };
    if Path::new(musl).exists() && !Path::new(glibc).exists() {
        "musl"
    } else {
        "glibc"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Platform = Platform {
        os: "linux",
        cpu: "x64",
        libc: "glibc",
    };

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn platforms_have_names() {
        for name in Platform::names() {
            assert_eq!(Platform::named(name).unwrap().name(), name);
        }
        assert_eq!(Platform::named("linux-x86_64"), Some(MACHINE));
        assert_eq!(MACHINE.in_package_names(), "linux-x64");
        assert_eq!(Platform::named("darwin-arm64"), None);
        let here = Platform::current().name();
        let machine = format!("linux-{}", std::env::consts::ARCH);
        assert!(here.starts_with(&machine), "{here}");
    }

    #[test]
    fn lists_are_read_as_npm_reads_them() {
        let os = |words: &[&str]| MACHINE.admits(&list(words), &[], &[]);
        assert!(os(&[]));
        assert!(os(&["any"]));
        assert!(os(&["darwin", "linux"]));
        assert!(os(&["!win32"]));
        assert!(os(&["!win32", "linux"]));
        assert!(!os(&["darwin"]));
        assert!(!os(&["!linux"]));
        assert!(!os(&["!linux", "linux"]));
        assert!(!os(&["!win32", "darwin"]));
    }

    #[test]
    fn every_list_must_admit() {
        let (linux, x64, arm, musl) = (
            list(&["linux"]),
            list(&["x64"]),
            list(&["arm64"]),
            list(&["musl"]),
        );
        assert!(MACHINE.admits(&linux, &x64, &[]));
        assert!(!MACHINE.admits(&linux, &arm, &[]));
        assert!(!MACHINE.admits(&linux, &x64, &musl));
        let alpine = Platform {
            libc: "musl",
            ..MACHINE
        };
        assert!(alpine.admits(&linux, &x64, &musl));
    }
}
