//! What of an update nobody accepts by accident: each has a word, a number, and a test that sees it.
//! Pure.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use crate::lockfile::{Artifact, LockedServer};
use crate::provenance::{LossKind, server_losses};
use crate::resolve::pypi::Version;

/// A reason to stop an update. The words are those of `--accept-risk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(in crate::cli) enum Risk {
    /// A version was published less than `settings.release_age` ago
    TooYoung,
    /// A package asks to run a script at install, and didn't before
    InstallScript,
    /// Somebody else published it
    PublisherChanged,
    /// It had provenance, and has none any more
    ProvenanceLost,
    /// Its provenance names another repository, or another issuer says so
    ProvenanceChanged,
    /// The registry signed it, and doesn't any more
    SignatureLost,
    /// Another registry signed it
    SignerChanged,
    /// The version is the same and its bytes are not
    OtherBytes,
    /// The version that is chosen now is older than the one that was locked
    OlderVersion,
    /// The code is the same, and says something else of itself
    ToolDrift,
}

/// One reason, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alarm {
    pub risk: Risk,
    /// For example `zod@4.1.5`.
    pub subject: String,
    pub message: String,
}

impl Risk {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::TooYoung => "too-young",
            Self::InstallScript => "install-script",
            Self::PublisherChanged => "publisher-changed",
            Self::ProvenanceLost => "provenance-lost",
            Self::ProvenanceChanged => "provenance-changed",
            Self::SignatureLost => "signature-lost",
            Self::SignerChanged => "signer-changed",
            Self::OtherBytes => "other-bytes",
            Self::OlderVersion => "older-version",
            Self::ToolDrift => "tool-drift",
        }
    }

    /// The `status` of the JSON output: one number for each, for ever.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::TooYoung => 10,
            Self::InstallScript => 11,
            Self::PublisherChanged => 12,
            Self::ProvenanceLost => 13,
            Self::ProvenanceChanged => 14,
            Self::SignatureLost => 15,
            Self::OtherBytes => 16,
            Self::ToolDrift => 17,
            Self::OlderVersion => 18,
            Self::SignerChanged => 19,
        }
    }

    /// What `lock` and `add` refuse is an alarm here.
    fn of_loss(loss: &LossKind) -> Self {
        match loss {
            LossKind::Provenance { .. } => Self::ProvenanceLost,
            LossKind::Repository { .. } => Self::ProvenanceChanged,
            LossKind::Signature { .. } => Self::SignatureLost,
            LossKind::Signer { .. } => Self::SignerChanged,
        }
    }
}

/// What is alarming about the artifacts of `new`, in order of their names.
///
/// A package is compared with what was locked of the same name, wherever in the tree it was: a
/// dependency that moves to another folder is not a new one.
pub(super) fn of_artifacts(
    old: &LockedServer,
    new: &LockedServer,
    now: SystemTime,
    release_age: Duration,
) -> Vec<Alarm> {
    let mut alarms = Vec::from_iter(older(old, new));
    alarms.extend(server_losses(old, new).into_iter().map(|loss| Alarm {
        risk: Risk::of_loss(&loss.kind),
        message: loss.kind.to_string(),
        subject: loss.package,
    }));
    let mut seen = BTreeSet::new();
    for artifact in new.all_artifacts() {
        let subject = format!("{}@{}", artifact.name, artifact.version);
        if !seen.insert((&artifact.name, &artifact.version, artifact.sha256)) {
            continue;
        }
        let before: Vec<&Artifact> = old
            .all_artifacts()
            .filter(|old| old.name == artifact.name)
            .collect();
        let is_there = before
            .iter()
            .any(|old| old.version == artifact.version && old.sha256 == artifact.sha256);
        let age = (!is_there).then(|| age_of(artifact, now)).flatten();
        let found = compare(&before, artifact)
            .into_iter()
            .chain(too_young(age, release_age));
        alarms.extend(found.map(|(risk, message)| Alarm {
            risk,
            subject: subject.clone(),
            message,
        }));
    }
    alarms.sort_by(|a, b| (a.risk, &a.subject).cmp(&(b.risk, &b.subject)));
    alarms
}

/// A step back: to an older, perhaps vulnerable version, because a newer one is gone or hidden.
fn older(old: &LockedServer, new: &LockedServer) -> Option<Alarm> {
    let (before, now) = (old.version.as_deref()?, new.version.as_deref()?);
    let older = if old.source.starts_with("pypi:") {
        is_older_python(now, before)
    } else {
        is_older(now, before)
    };
    older.then(|| Alarm {
        risk: Risk::OlderVersion,
        subject: now.to_owned(),
        message: format!("is older than {before}, which was locked"),
    })
}

/// By the precedence of Semantic Versioning (section 11): a pre-release (`-rc.1`) comes before what
/// it precedes, numbers before words.
fn is_older(version: &str, than: &str) -> bool {
    let parts = |text: &str| {
        let text = text.split('+').next().unwrap_or_default();
        let (numbers, tail) = text.split_once('-').unwrap_or((text, ""));
        let numbers: Vec<u64> = numbers
            .split('.')
            .map(|number| number.parse().unwrap_or(0))
            .collect();
        let identifiers: Vec<(bool, u64, String)> = tail
            .split('.')
            .map(|word| match word.parse() {
                Ok(number) => (false, number, String::new()),
                Err(_) => (true, 0, word.to_owned()),
            })
            .collect();
        (numbers, tail.is_empty(), identifiers)
    };
    parts(version) < parts(than)
}

/// By PEP 440. What is no such version was not locked by us.
fn is_older_python(version: &str, than: &str) -> bool {
    match (version.parse::<Version>(), than.parse::<Version>()) {
        (Ok(version), Ok(than)) => version < than,
        _ => false,
    }
}

/// How long ago it was published; `None` when the registry doesn't say.
pub(super) fn age_of(artifact: &Artifact, now: SystemTime) -> Option<Duration> {
    let published = humantime::parse_rfc3339(artifact.published.as_deref()?).ok()?;
    // A time that is yet to come is as young as can be.
    Some(now.duration_since(published).unwrap_or_default())
}

fn too_young(age: Option<Duration>, release_age: Duration) -> Option<(Risk, String)> {
    let age = age.filter(|age| *age < release_age)?;
    Some((
        Risk::TooYoung,
        format!(
            "was published {} ago; hijacked versions are mostly found within days",
            in_words(age)
        ),
    ))
}

fn compare(before: &[&Artifact], new: &Artifact) -> Vec<(Risk, String)> {
    let mut found = Vec::new();
    let mut alarm = |risk, message: String| found.push((risk, message));
    let same_version = before.iter().find(|old| old.version == new.version);
    if let Some(old) = same_version.filter(|old| old.sha256 != new.sha256) {
        alarm(
            Risk::OtherBytes,
            format!(
                "is published with other bytes than were locked ({} instead of {}); a registry must never do that",
                new.sha256, old.sha256
            ),
        );
    }
    if new.install_script && !before.iter().any(|old| old.install_script) {
        alarm(
            Risk::InstallScript,
            "asks to run code at install and didn't before; it is not run".to_owned(),
        );
    }
    // Of several that were locked, any may be the one that it takes the place of.
    let publishers = recorded(before, |old| old.publisher.as_deref());
    let publisher = new.publisher.as_deref();
    if !publishers.is_empty() && !publisher.is_some_and(|name| publishers.contains(name)) {
        alarm(
            Risk::PublisherChanged,
            match publisher {
                Some(name) => format!(
                    "was published by `{name}`, before by {}",
                    listed(&publishers)
                ),
                None => format!(
                    "has no named publisher any more, before {}",
                    listed(&publishers)
                ),
            },
        );
    }
    found
}

fn recorded<'a>(
    before: &[&'a Artifact],
    value: impl Fn(&'a Artifact) -> Option<&'a str>,
) -> BTreeSet<&'a str> {
    before.iter().filter_map(|old| value(old)).collect()
}

fn listed(values: &BTreeSet<&str>) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    quoted.join(" or ")
}

/// In the largest unit that fits: `9 days`; up to three days in hours.
pub(super) fn in_words(age: Duration) -> String {
    const HOUR: u64 = 3600;
    let (number, unit) = match age.as_secs() {
        seconds @ ..60 => (seconds, "second"),
        seconds @ 60..HOUR => (seconds / 60, "minute"),
        seconds if seconds < 3 * 24 * HOUR => (seconds / HOUR, "hour"),
        seconds => (seconds / (24 * HOUR), "day"),
    };
    match number {
        1 => format!("1 {unit}"),
        _ => format!("{number} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::lockfile::{Behaviour, Confinement, Digest};

    const REPORTS: &str = include_str!("../../../lockfile/REPORTS.md");
    const BUILD: &str = "https://host.test/a@w.yml via https://issuer.test";
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn now_at() -> SystemTime {
        humantime::parse_rfc3339("2026-11-20T12:00:00Z").unwrap()
    }

    fn artifact(name: &str, version: &str) -> Artifact {
        Artifact {
            name: name.to_owned(),
            version: version.to_owned(),
            path: format!("node_modules/{name}"),
            url: "x.tgz".to_owned(),
            integrity: "sha512-x".to_owned(),
            sha256: Digest::of(format!("{name}@{version}").as_bytes()),
            size: 1,
            published: Some("2026-01-01T00:00:00Z".to_owned()),
            install_script: false,
            publisher: Some("ann".to_owned()),
            signature: Some("npm:SHA256:one".to_owned()),
            provenance: Some(BUILD.to_owned()),
        }
    }

    fn server(artifacts: Vec<Artifact>) -> LockedServer {
        LockedServer {
            source: "npm:x".to_owned(),
            version: None,
            locked_at: "2026-11-20T12:00:00Z".to_owned(),
            platform: "linux-x86_64".to_owned(),
            interpreter: None,
            entry_point: "x".to_owned(),
            tree: Digest::of(b"tree"),
            artifacts,
            build: None,
            platforms: [].into(),
            behaviour: Behaviour::default(),
            confinement: Confinement {
                policy: Digest::of(b"policy"),
                landlock_abi: 4,
                layers: Vec::new(),
            },
        }
    }

    /// The alarms of an update from `zod@1.0.0` to an edited `zod@1.1.0`.
    fn after(edit: impl FnOnce(&mut Artifact)) -> Vec<(&'static str, String)> {
        let mut new = artifact("zod", "1.1.0");
        edit(&mut new);
        let (old, new) = (server(vec![artifact("zod", "1.0.0")]), server(vec![new]));
        of_artifacts(&old, &new, now_at(), 3 * DAY)
            .into_iter()
            .map(|alarm| (alarm.risk.code(), alarm.message))
            .collect()
    }

    fn codes(found: &[(&'static str, String)]) -> Vec<&'static str> {
        found.iter().map(|(code, _)| *code).collect()
    }

    #[test]
    fn an_ordinary_new_version_alarms_nobody() {
        assert_eq!(after(|_| {}), []);
        // Another workflow of the same repository, another key of the same registry.
        let next = BUILD.replace("w.yml", "other.yml");
        assert_eq!(after(|new| new.provenance = Some(next)), []);
        let next = "npm:SHA256:two".to_owned();
        assert_eq!(after(|new| new.signature = Some(next)), []);
    }

    #[test]
    fn what_lock_refuses_is_an_alarm_of_the_same_code() {
        let old = server(vec![artifact("zod", "1.0.0")]);
        let edits: [fn(&mut Artifact); 4] = [
            |a| a.provenance = None,
            |a| a.provenance = Some(BUILD.replace("/a@", "/b@")),
            |a| a.signature = None,
            |a| a.signature = Some("corp.test:SHA256:one".into()),
        ];
        for edit in edits {
            let mut next = artifact("zod", "1.1.0");
            edit(&mut next);
            let new = server(vec![next]);
            let losses = server_losses(&old, &new);
            let refused: Vec<_> = losses.iter().map(|loss| loss.kind.code()).collect();
            let found = of_artifacts(&old, &new, now_at(), 3 * DAY);
            let alarms: Vec<_> = found.iter().map(|alarm| alarm.risk.code()).collect();
            assert_eq!(refused.len(), 1);
            assert_eq!(alarms, refused);
        }
    }

    #[test]
    fn each_risk_has_its_code_and_its_words() {
        type Edit = fn(&mut Artifact);
        let table: [(Edit, &str, &str); 9] = [
            (
                |a| a.published = Some("2026-11-20T11:50:00Z".into()),
                "too-young",
                "10 minutes ago",
            ),
            (
                |a| a.install_script = true,
                "install-script",
                "didn't before",
            ),
            (
                |a| a.publisher = Some("eve".into()),
                "publisher-changed",
                "by `eve`, before by `ann`",
            ),
            (
                |a| a.publisher = None,
                "publisher-changed",
                "no named publisher",
            ),
            (
                |a| a.provenance = None,
                "provenance-lost",
                "no provenance any more",
            ),
            (
                |a| a.provenance = Some(BUILD.replace("/a@", "/b@")),
                "provenance-changed",
                "https://host.test/b@",
            ),
            (
                |a| a.signature = Some("corp.test:SHA256:one".into()),
                "signer-changed",
                "corp.test",
            ),
            (|a| a.signature = None, "signature-lost", "not signed"),
            (
                |a| a.version = "1.0.0".into(),
                "other-bytes",
                "never do that",
            ),
        ];
        for (edit, code, words) in table {
            let found = after(edit);
            assert_eq!(codes(&found), [code]);
            assert!(found[0].1.contains(words), "{found:?}");
        }
    }

    #[test]
    fn a_package_that_moves_in_the_tree_is_still_the_same_package() {
        let found = after(|new| {
            new.path = "node_modules/other/node_modules/zod".to_owned();
            new.provenance = None;
            new.publisher = Some("eve".to_owned());
        });
        assert_eq!(codes(&found), ["publisher-changed", "provenance-lost"]);
        // Nothing is known of a package that is new.
        let found = after(|new| {
            new.name = "new".to_owned();
            new.provenance = None;
            new.publisher = Some("eve".to_owned());
        });
        assert_eq!(found, []);
        // But for what it asks for, and how young it is.
        let found = after(|new| {
            new.name = "new".to_owned();
            new.install_script = true;
            new.published = Some("2026-11-20T00:00:00Z".to_owned());
        });
        assert_eq!(codes(&found), ["too-young", "install-script"]);
    }

    #[test]
    fn what_was_locked_before_is_not_too_young() {
        let mut young = artifact("zod", "1.0.0");
        young.published = Some("2026-11-20T11:59:00Z".to_owned());
        let (old, new) = (server(vec![young.clone()]), server(vec![young]));
        assert_eq!(of_artifacts(&old, &new, now_at(), 3 * DAY), []);
        // A date that is yet to come makes nothing old.
        let found = after(|new| new.published = Some("2030-01-01T00:00:00Z".to_owned()));
        assert_eq!(codes(&found), ["too-young"]);
    }

    #[test]
    fn an_older_version_is_a_step_back() {
        let at = |version: &str| LockedServer {
            version: Some(version.to_owned()),
            ..server(Vec::new())
        };
        for (before, now, stops) in [
            ("1.10.0", "1.9.9", true),
            ("1.0.0", "1.0.0-rc.1", true),
            ("1.9.9", "1.10.0", false),
            ("1.0.0-rc.1", "1.0.0", false),
            ("1.0.0", "1.0.0", false),
        ] {
            let found = of_artifacts(&at(before), &at(now), now_at(), DAY);
            let codes: Vec<_> = found.iter().map(|alarm| alarm.risk.code()).collect();
            let expected: &[&str] = if stops { &["older-version"] } else { &[] };
            assert_eq!(codes, expected, "{before} {now}");
        }
    }

    #[test]
    fn codes_are_the_words_of_the_command_line_and_numbers_differ() {
        let mut numbers = BTreeSet::new();
        for risk in Risk::value_variants() {
            assert_eq!(risk.to_possible_value().unwrap().get_name(), risk.code());
            assert!(numbers.insert(risk.status()));
            let row = format!("| `{}` | {} |", risk.code(), risk.status());
            assert!(REPORTS.contains(&row), "lockfile/REPORTS.md has no {row}");
        }
    }

    #[test]
    fn versions_have_the_order_of_their_registry() {
        for (older, newer) in [
            ("1.9.0", "1.10.0"),
            ("1.0.0-rc.1", "1.0.0"),
            ("1.0.0-rc.2", "1.0.0-rc.10"),
            ("1.0.0-1", "1.0.0-alpha"),
        ] {
            assert!(is_older(older, newer), "{older} {newer}");
            assert!(!is_older(newer, older), "{newer} {older}");
        }
        for (older, newer) in [
            ("1.9", "1.10b1"),
            ("1.10b1", "1.10"),
            ("1.10", "1.10.post1"),
            ("2026.1", "1!1.0"),
        ] {
            assert!(is_older_python(older, newer), "{older} {newer}");
            assert!(!is_older_python(newer, older), "{newer} {older}");
        }
    }
}
