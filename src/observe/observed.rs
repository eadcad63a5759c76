//! What is kept of observed runs: plain data, one document, which further runs of the same policy
//! are added to.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Of another one nothing can be read.
pub(super) const FORMAT: u32 = 1;

/// Different paths of each kind that are kept; what comes after them is counted.
const MAX_PATHS: usize = 20_000;
/// After so many, long ones are counted, too: a server may ask for the longest paths there are.
const MAX_LONG: usize = 500;
/// Bytes of a path that is not long, as JSON has it.
const LONG: usize = 256;
/// Different calls of tools that are kept of one path.
const MAX_MOMENTS: usize = 20;

/// While no tool had been called yet.
pub(super) const START: &str = "start";
/// While no call was under way any more.
pub(super) const BETWEEN: &str = "between calls";

/// What a process wanted of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// Whether it is there as a link, or where that leads: what is done with every folder on a way.
    Walk,
    /// Whether it is there, and of which kind.
    Look,
    Read,
    List,
    Execute,
    /// To make it, to remove it, or to rename it.
    Make,
    Write,
}

impl Wish {
    /// Whether it is about what is in the file, not only about whether there is one.
    pub fn is_about_content(self) -> bool {
        self > Self::Look
    }

    /// Whether the right to write is needed.
    pub fn changes(self) -> bool {
        matches!(self, Self::Make | Self::Write)
    }
}

/// One path, host or call, and what was seen of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub wishes: BTreeSet<Wish>,
    /// What went on: `start`, `between calls`, or the names of the tools that were being called.
    pub during: BTreeSet<String>,
    /// Names of the errors that were answered.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub errors: BTreeSet<String>,
    pub times: u64,
}

/// A host that the server asked for by name, as the egress tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSeen {
    /// Connections that were made.
    pub allowed: u64,
    /// Attempts that were refused.
    pub refused: u64,
    pub during: BTreeSet<String>,
}

/// Everything that was observed of a server under one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    pub format: u32,
    /// Digest of the policy that was in force.
    pub policy: String,
    pub runs: u64,
    /// Paths that were granted and asked for.
    pub used: BTreeMap<String, Seen>,
    /// Paths that were refused, or that are not shown in the box.
    pub denied: BTreeMap<String, Seen>,
    /// `HOST:PORT`, or `HOST` where it was refused before there was a port.
    pub hosts: BTreeMap<String, HostSeen>,
    /// Addresses that processes tried to connect to, and were refused by the kernel.
    pub addresses: BTreeMap<String, Seen>,
    /// Internet sockets that were refused: of this kind, for example `IPv4`.
    pub sockets: BTreeMap<String, Seen>,
    /// System calls that the box let through.
    pub system_calls: BTreeSet<String>,
    /// System calls that the box refused.
    pub refused_calls: BTreeMap<String, Seen>,
    /// System calls that nothing refused but the server's own list of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unlisted: BTreeMap<String, Seen>,
    /// Calls of tools that reached the server.
    pub tools: BTreeMap<String, u64>,
    /// Calls of tools that didn't.
    pub withheld_tools: BTreeMap<String, u64>,
    /// Processes that asked not to be watched (`CLONE_UNTRACED`), of whom nothing is known.
    pub hidden: u64,
    /// What was too much to keep.
    pub lost: u64,
}

impl Observed {
    /// Nothing yet, of runs with this policy.
    pub fn of_policy(policy: &str) -> Self {
        Self {
            format: FORMAT,
            policy: policy.to_owned(),
            ..Self::default()
        }
    }

    /// Adds what was seen in another run, if it was with the same policy; else that run is all
    /// that counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self.policy != other.policy || self.format != other.format {
            return other;
        }
        let mut all = self;
        all.runs += other.runs;
        all.hidden += other.hidden;
        all.lost += other.lost;
        all.system_calls.extend(other.system_calls);
        for (into, from) in [
            (&mut all.used, other.used),
            (&mut all.denied, other.denied),
            (&mut all.addresses, other.addresses),
            (&mut all.sockets, other.sockets),
            (&mut all.refused_calls, other.refused_calls),
            (&mut all.unlisted, other.unlisted),
        ] {
            for (key, seen) in from {
                if let Some(kept) = kept(into, &key, &mut all.lost) {
                    kept.add(seen);
                }
            }
        }
        for (into, from) in [
            (&mut all.tools, other.tools),
            (&mut all.withheld_tools, other.withheld_tools),
        ] {
            for (tool, times) in from {
                *into.entry(tool).or_default() += times;
            }
        }
        for (host, seen) in other.hosts {
            let kept = all.hosts.entry(host).or_default();
            kept.allowed += seen.allowed;
            kept.refused += seen.refused;
            kept.during.extend(seen.during);
        }
        all
    }
}

impl Observed {
    /// Without what `text` takes out of paths, addresses and names of tools, and `host` out of names
    /// of hosts, all of which the server chose. What is pinfold's or the kernel's own word stays.
    #[must_use]
    pub fn cleaned(self, text: impl Fn(&str) -> String, host: impl Fn(&str) -> String) -> Self {
        let moments = |during: BTreeSet<String>| -> BTreeSet<String> {
            let clean = |moment: String| match moment.as_str() {
                START | BETWEEN => moment,
                tools => text(tools),
            };
            during.into_iter().map(clean).collect()
        };
        let seen = |seen: Seen| Seen {
            during: moments(seen.during),
            ..seen
        };
        // What was told apart by a secret only adds up.
        let by_text = |map: BTreeMap<String, Seen>| {
            let mut clean = BTreeMap::<String, Seen>::new();
            for (key, found) in map {
                clean.entry(text(&key)).or_default().add(seen(found));
            }
            clean
        };
        let by_name = |map: BTreeMap<String, Seen>| {
            let found = map.into_iter().map(|(key, found)| (key, seen(found)));
            found.collect()
        };
        let by_tool = |map: BTreeMap<String, u64>| {
            let mut clean = BTreeMap::<String, u64>::new();
            for (tool, times) in map {
                *clean.entry(text(&tool)).or_default() += times;
            }
            clean
        };
        let mut hosts = BTreeMap::<String, HostSeen>::new();
        for (name, found) in self.hosts {
            let kept = hosts.entry(host(&name)).or_default();
            kept.allowed += found.allowed;
            kept.refused += found.refused;
            kept.during.extend(moments(found.during));
        }
        Self {
            hosts,
            used: by_text(self.used),
            denied: by_text(self.denied),
            addresses: by_text(self.addresses),
            sockets: by_name(self.sockets),
            refused_calls: by_name(self.refused_calls),
            unlisted: by_name(self.unlisted),
            tools: by_tool(self.tools),
            withheld_tools: by_tool(self.withheld_tools),
            ..self
        }
    }
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.wishes.extend(other.wishes);
        self.errors.extend(other.errors);
        for moment in other.during {
            self.note_moment(&moment);
        }
        self.times += other.times;
    }

    pub(super) fn note_moment(&mut self, moment: &str) {
        if !self.during.contains(moment) && self.during.len() < MAX_MOMENTS {
            self.during.insert(moment.to_owned());
        }
    }
}

/// What is kept of `key`, unless there is too much already.
pub(super) fn kept<'m>(
    map: &'m mut BTreeMap<String, Seen>,
    key: &str,
    lost: &mut u64,
) -> Option<&'m mut Seen> {
    let has_place = map.len() < MAX_LONG || map.len() < MAX_PATHS && written(key) <= LONG;
    if !has_place && !map.contains_key(key) {
        *lost += 1;
        return None;
    }
    Some(map.entry(key.to_owned()).or_default())
}

/// Bytes of a text in JSON, where a control character takes six.
fn written(text: &str) -> usize {
    let more = |byte: u8| match byte {
        b'"' | b'\\' => 1,
        0..b' ' => 5,
        _ => 0,
    };
    text.bytes().map(|byte| 1 + more(byte)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(policy: &str, path: &str) -> Observed {
        let seen = Seen {
            wishes: BTreeSet::from([Wish::Read]),
            during: BTreeSet::from(["start".to_owned()]),
            errors: BTreeSet::new(),
            times: 1,
        };
        Observed {
            runs: 1,
            used: BTreeMap::from([(path.to_owned(), seen)]),
            ..Observed::of_policy(policy)
        }
    }

    #[test]
    fn runs_with_the_same_policy_add_up_and_others_begin_anew() {
        let both = run("a", "/x").and(run("a", "/x")).and(run("a", "/y"));
        assert_eq!(
            (both.runs, both.used.len(), both.used["/x"].times),
            (3, 2, 2)
        );
        let other = both.and(run("b", "/z"));
        assert_eq!((other.runs, other.used.len()), (1, 1));
    }

    #[test]
    fn what_the_server_chose_is_cleaned_and_the_document_stays_one() {
        let seen = |moment: &str| Seen {
            wishes: BTreeSet::from([Wish::Read]),
            during: BTreeSet::from([moment.to_owned()]),
            errors: BTreeSet::from(["EACCES".to_owned()]),
            times: 1,
        };
        let host = HostSeen {
            refused: 1,
            during: BTreeSet::from(["tool-s3".to_owned()]),
            ..HostSeen::default()
        };
        let observed = Observed {
            denied: BTreeMap::from([
                ("/a/s3".to_owned(), seen("tool-s3")),
                ("/a/used".to_owned(), seen("start")),
            ]),
            hosts: BTreeMap::from([
                ("s3.example".to_owned(), host.clone()),
                ("S3.example".to_owned(), host),
            ]),
            refused_calls: BTreeMap::from([("ptrace".to_owned(), seen("s3"))]),
            tools: BTreeMap::from([("tool-s3".to_owned(), 2)]),
            ..run("digest-s3", "/b")
        };
        for secret in ["s3", "used", "start", "\"", ":", "read", "format", "/"] {
            let text = |text: &str| text.replace(secret, "[redacted]");
            let host = |text: &str| text.to_lowercase().replace(secret, "[redacted]");
            let clean = observed.clone().cleaned(text, host);
            let written = serde_json::to_string(&clean).unwrap();
            // What was written can be read, and goes on being of this policy.
            let read: Observed = serde_json::from_str(&written).unwrap();
            assert_eq!(read, clean, "{secret}");
            assert_eq!((read.policy.as_str(), read.runs), ("digest-s3", 1));
            assert!(read.refused_calls.contains_key("ptrace"));
            assert_eq!(read.tools.values().sum::<u64>(), 2);
            if secret == "s3" {
                assert_eq!(written.matches("s3").count(), 1, "{written}");
                assert_eq!(read.hosts["[redacted].example"].refused, 2);
                assert!(
                    read.denied["/a/[redacted]"]
                        .during
                        .contains("tool-[redacted]")
                );
            }
        }
        // The control.
        let same = |text: &str| text.to_owned();
        assert_eq!(observed.clone().cleaned(same, same), observed);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut all = Observed::of_policy("a");
        for number in 0..MAX_PATHS + 10 {
            all = Observed {
                lost: all.lost,
                ..all
            };
            let _ = kept(&mut all.used, &format!("/{number}"), &mut all.lost);
        }
        assert_eq!((all.used.len(), all.lost), (MAX_PATHS, 10));
        let _ = kept(&mut all.used, "/0", &mut all.lost);
        assert_eq!(all.lost, 10);
    }

    #[test]
    fn the_longest_paths_fill_no_more_than_can_be_read_again() {
        let mut all = Observed::of_policy("a");
        for number in 0..MAX_LONG + 10 {
            let long = format!("/{number}{}", "\u{1}".repeat(LONG / 6 + 1));
            let _ = kept(&mut all.used, &long, &mut all.lost);
        }
        assert_eq!((all.used.len(), all.lost), (MAX_LONG, 10));
        // The control: a short one still has its place.
        assert!(kept(&mut all.used, "/short", &mut all.lost).is_some());
    }
}
