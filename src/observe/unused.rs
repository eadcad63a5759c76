//! Rights that the manifest grants and that no observed run made use of.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::observed::{BETWEEN, Observed, START, Wish};

/// What the manifest grants.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// As written, and with links resolved.
    pub read: Vec<(String, PathBuf)>,
    pub write: Vec<(String, PathBuf)>,
    /// As written, and where the program is.
    pub exec: Vec<(String, PathBuf)>,
    /// Entries of `egress`.
    pub egress: Vec<String>,
    pub tools: Vec<String>,
}

/// What of it was not used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unused {
    pub read: Vec<String>,
    pub write: Vec<String>,
    /// Granted to write, and only read.
    pub only_read: Vec<String>,
    pub exec: Vec<String>,
    pub egress: Vec<String>,
    pub tools: Vec<String>,
}

impl Unused {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares what is granted with what was seen.
pub fn unused(granted: &Granted, observed: &Observed) -> Unused {
    let wishes_below = |folder: &PathBuf| -> BTreeSet<_> {
        observed
            .used
            .iter()
            .filter(|(path, _)| std::path::Path::new(path).starts_with(folder))
            .flat_map(|(_, seen)| {
                // At its start a server looks whether all that it was told of is there.
                let for_a_call = seen
                    .during
                    .iter()
                    .any(|moment| moment != START && moment != BETWEEN);
                let counts =
                    move |wish: &Wish| wish.is_about_content() || for_a_call && *wish == Wish::Look;
                seen.wishes.iter().copied().filter(counts)
            })
            .collect()
    };
    let mut unused = Unused::default();
    for (written, resolved) in &granted.read {
        if wishes_below(resolved).is_empty() {
            unused.read.push(written.clone());
        }
    }
    for (written, resolved) in &granted.write {
        let wishes = wishes_below(resolved);
        if wishes.is_empty() {
            unused.write.push(written.clone());
        } else if !wishes.iter().any(|wish| wish.changes()) {
            unused.only_read.push(written.clone());
        }
    }
    for (written, program) in &granted.exec {
        let is_used = observed.used.iter().any(|(path, seen)| {
            seen.wishes.contains(&Wish::Execute)
                && (std::path::Path::new(path) == program
                    || std::path::Path::new(path).file_name() == program.file_name())
        });
        if !is_used {
            unused.exec.push(written.clone());
        }
    }
    let allowed: Vec<&str> = observed
        .hosts
        .iter()
        .filter(|(_, seen)| seen.allowed > 0)
        .map(|(host, _)| host.as_str())
        .collect();
    for entry in &granted.egress {
        if !allowed.iter().any(|host| reaches(entry, host)) {
            unused.egress.push(entry.clone());
        }
    }
    for tool in &granted.tools {
        if !observed.tools.contains_key(tool) {
            unused.tools.push(tool.clone());
        }
    }
    unused
}

/// Whether `entry` (`HOST:PORT`, `*.HOST:PORT`, `*:PORT`) is about `host` (`HOST:PORT`).
fn reaches(entry: &str, host: &str) -> bool {
    let (Some((wanted, wanted_port)), Some((name, port))) =
        (entry.rsplit_once(':'), host.rsplit_once(':'))
    else {
        return false;
    };
    let names = match wanted.strip_prefix("*.") {
        Some(above) => name
            .strip_suffix(above)
            .is_some_and(|below| below.ends_with('.')),
        None => wanted == name || wanted == "*",
    };
    names && (wanted_port == port || wanted_port == "*")
}

#[cfg(test)]
mod tests {
    use super::super::{HostSeen, Seen};
    use super::*;

    #[test]
    fn what_was_never_used_is_told_and_what_was_is_not() {
        let place = |path: &str| (path.to_owned(), PathBuf::from(path));
        let granted = Granted {
            read: vec![place("/a"), place("/b")],
            write: vec![place("/c"), place("/d"), place("/e")],
            exec: vec![place("/usr/bin/git"), place("/usr/bin/rg")],
            egress: vec!["*.example.com:443".into(), "example.com:443".into()],
            tools: vec!["read".into(), "write".into()],
        };
        let seen = |wish| Seen {
            wishes: BTreeSet::from([wish]),
            ..Seen::default()
        };
        let mut observed = Observed::of_policy("p");
        for (path, wish) in [
            ("/a/x", Wish::Read),
            ("/bb", Wish::Read),
            ("/c/x", Wish::Read),
            ("/d/x", Wish::Make),
            ("/usr/bin/git", Wish::Execute),
        ] {
            observed.used.insert(path.to_owned(), seen(wish));
        }
        let allowed = HostSeen {
            allowed: 1,
            ..HostSeen::default()
        };
        observed.hosts.insert("a.example.com:443".into(), allowed);
        observed.tools.insert("read".into(), 1);
        let unused = unused(&granted, &observed);
        assert_eq!(unused.read, ["/b"]);
        assert_eq!(unused.write, ["/e"]);
        assert_eq!(unused.only_read, ["/c"]);
        assert_eq!(unused.exec, ["/usr/bin/rg"]);
        assert_eq!(unused.egress, ["example.com:443"]);
        assert_eq!(unused.tools, ["write"]);
    }
}
