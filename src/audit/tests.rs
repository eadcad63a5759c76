//! What is found out about a log that was tampered with, and what an append makes of one that was
//! left behind in any state.
#![expect(
    clippy::disallowed_methods,
    reason = "tests change files as an attacker would"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::chain::Link;
use super::testing::{ROOMY, append, call, copy, durable, files, verified, who};
use super::{AuditLog, Filter, Follow, Limits, last_anchor, verify};

/// A log of several files, of which the oldest were removed.
fn rotated(folder: &Path) -> Limits {
    let limits = Limits {
        max_size: 1500,
        keep: Some(2),
    };
    append(folder, limits, 40);
    limits
}

fn write(path: &Path, lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path, text).unwrap();
}

fn seq(line: &str) -> u64 {
    Link::read(line.as_bytes()).unwrap().seq
}

#[test]
fn a_log_verifies_and_goes_on_over_rotation_and_removal() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    assert!(verified(&folder).ok(), "there is none yet");
    let limits = rotated(&folder);
    let found = verified(&folder);
    assert!(found.ok() && found.notes.is_empty(), "{found:?}");
    assert_eq!(found.files, 3);
    assert!(found.oldest.unwrap() > 1);
    assert_eq!(found.last, last_anchor(&folder).unwrap());
    // Another writer goes on where the first one was.
    append(&folder, limits, 1);
    let again = verified(&folder);
    assert!(again.ok(), "{again:?}");
    assert_eq!(again.last.unwrap().seq, found.last.unwrap().seq + 1);
    // An end that was kept elsewhere.
    assert!(verify(&folder, found.last.as_ref()).unwrap().ok());
    let mut other = found.last.unwrap();
    other.hash = crate::lockfile::Digest::of(b"other");
    assert!(!verify(&folder, Some(&other)).unwrap().ok());
    other.seq = 1;
    assert!(!verify(&folder, Some(&other)).unwrap().ok());
}

#[test]
fn two_writers_take_turns() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    let mut one = AuditLog::open(&folder, ROOMY).unwrap();
    let mut two = AuditLog::open(&folder, ROOMY).unwrap();
    for number in 1..20 {
        one.append(&who(), &call(number)).unwrap();
        two.append(&who(), &durable("no")).unwrap();
    }
    let found = verified(&folder);
    assert!(found.ok() && found.records == 38, "{found:?}");
}

#[test]
fn only_the_user_can_look_into_it_and_links_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    append(&folder, ROOMY, 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    let elsewhere = place.path().join("elsewhere");
    for name in ["audit.jsonl", "head", "lock"] {
        let _ = fs::remove_file(folder.join(name));
        std::os::unix::fs::symlink(&elsewhere, folder.join(name)).unwrap();
        assert!(AuditLog::open(&folder, ROOMY).is_err(), "{name}");
        fs::remove_file(folder.join(name)).unwrap();
    }
    assert!(!elsewhere.exists());
}

/// One change of one line: what the file's lines are then, or `None` where it can't be made there.
type Change = fn(&[String], usize) -> Option<Vec<String>>;

const CHANGES: [(&str, Change); 7] = [
    ("one letter", |lines, at| {
        let mut lines = lines.to_vec();
        lines[at] = lines[at]
            .replacen("echo", "ecko", 1)
            .replacen("retention", "retentiom", 1);
        Some(lines)
    }),
    ("the time", |lines, at| {
        let mut lines = lines.to_vec();
        lines[at] = lines[at].replacen("\"time\":\"2", "\"time\":\"1", 1);
        Some(lines)
    }),
    ("the link", |lines, at| {
        let mut lines = lines.to_vec();
        let at_link = lines[at].len() - 10;
        let letter = if &lines[at][at_link..=at_link] == "a" {
            "b"
        } else {
            "a"
        };
        lines[at].replace_range(at_link..=at_link, letter);
        Some(lines)
    }),
    ("a space behind it", |lines, at| {
        let mut lines = lines.to_vec();
        lines[at].push(' ');
        Some(lines)
    }),
    ("taken out", |lines, at| {
        let mut lines = lines.to_vec();
        lines.remove(at);
        Some(lines)
    }),
    ("cut in the middle", |lines, at| {
        let mut lines = lines.to_vec();
        let middle = lines[at].len() / 2;
        lines[at].truncate(middle);
        Some(lines)
    }),
    ("exchanged with the next", |lines, at| {
        let mut lines = lines.to_vec();
        (at + 1 < lines.len()).then(|| {
            lines.swap(at, at + 1);
            lines
        })
    }),
];

#[test]
fn every_change_of_every_line_is_found_and_named() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    rotated(&folder);
    assert!(verified(&folder).ok(), "the control");
    let mut tried = 0;
    for (path, lines) in files(&folder) {
        let name = path.file_name().unwrap().to_str().unwrap();
        for at in 0..lines.len() {
            for (what, change) in CHANGES {
                let Some(changed) = change(&lines, at) else {
                    continue;
                };
                assert_ne!(changed, lines, "{what}");
                write(&path, &changed);
                let found = verified(&folder);
                let number = seq(&lines[at]);
                let line = at as u64 + 1;
                let named = found.problems.iter().any(|problem| {
                    let is_here = problem.file == name && problem.line == Some(line);
                    is_here || problem.what.contains(&format!("number {number} "))
                });
                assert!(
                    named,
                    "{what}: {name}:{line} ({number}): {:#?}",
                    found.problems
                );
                tried += 1;
            }
        }
        write(&path, &lines);
        assert!(verified(&folder).ok());
    }
    assert!(tried > 60, "{tried}");
}

#[test]
fn every_cut_of_the_end_is_found() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    rotated(&folder);
    let all = files(&folder);
    let (current, lines) = all.last().unwrap();
    // Whole lines, one after the other, then whole files.
    for kept in (0..lines.len()).rev() {
        write(current, &lines[..kept]);
        let found = verified(&folder);
        let (first, last) = (seq(&lines[kept]), seq(lines.last().unwrap()));
        let said = if first == last {
            format!("number {last} is missing at the end")
        } else {
            format!("numbers {first} to {last} are missing at the end")
        };
        let named = found.problems.iter().any(|problem| problem.what == said);
        assert!(named, "{said}: {:?}", found.problems);
    }
    for (path, _) in all.iter().rev() {
        fs::remove_file(path).unwrap();
        assert!(!verified(&folder).ok(), "{}", path.display());
    }
    // The head alone can't be taken away either; all together can, but for who kept the end.
    write(current, lines);
    fs::remove_file(folder.join("head")).unwrap();
    assert!(!verified(&folder).ok());
}

#[test]
fn an_append_does_not_make_a_cut_or_a_change_look_right() {
    for change in [
        "cut",
        "changed",
        "longer",
        "shorter",
        "all cut",
        "no head",
        "head of before",
    ] {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("audit");
        append(&folder, ROOMY, 4);
        let head = fs::read(folder.join("head")).unwrap();
        append(&folder, ROOMY, 2);
        let (path, mut lines) = files(&folder).remove(0);
        match change {
            "cut" => drop(lines.pop()),
            "changed" => lines[5] = lines[5].replace("echo", "ecko"),
            "longer" => lines[5] = lines[5].replace("echo", "echo echo echo"),
            "shorter" => lines[5] = lines[5].replace("echo", "e"),
            "all cut" => lines.clear(),
            "no head" => fs::remove_file(folder.join("head")).unwrap(),
            // More records behind it than a kill leaves.
            _ => fs::write(folder.join("head"), head).unwrap(),
        }
        write(&path, &lines);
        append(&folder, ROOMY, 3);
        let found = verified(&folder);
        assert!(!found.ok(), "{change}");
        // And it stays so.
        append(&folder, ROOMY, 3);
        assert!(!verified(&folder).ok(), "{change}");
    }
}

/// After a power loss the files may end anywhere: each state is mended by the next append, nothing
/// complete is lost, and what is gone is said.
#[test]
fn a_power_loss_at_any_byte() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    append(&folder, ROOMY, 5);
    let whole = fs::read(folder.join("audit.jsonl")).unwrap();
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', &whole)
        .map(|at| at + 1)
        .collect();
    for file in ["audit.jsonl", "head"] {
        let bytes = fs::read(folder.join(file)).unwrap();
        let from = if file == "head" {
            0
        } else {
            ends[ends.len() - 3]
        };
        for cut in from..=bytes.len() {
            let copied = place.path().join("copied");
            copy(&folder, &copied);
            fs::write(copied.join(file), &bytes[..cut]).unwrap();
            append(&copied, ROOMY, 1);
            check_mended(&copied, file, cut, &ends);
            fs::remove_dir_all(&copied).unwrap();
        }
        // The length may have been written before the bytes: zeros.
        for cut in from..bytes.len() {
            let copied = place.path().join("copied");
            copy(&folder, &copied);
            let mut zeros = bytes.clone();
            zeros[cut..].fill(0);
            fs::write(copied.join(file), &zeros).unwrap();
            append(&copied, ROOMY, 1);
            let found = verified(&copied);
            assert_eq!(
                found.last.map(|last| last.seq >= 6),
                Some(true),
                "{file} {cut}"
            );
            if file == "audit.jsonl" {
                assert!(!found.ok(), "{cut}: its last record is gone");
            }
            fs::remove_dir_all(&copied).unwrap();
        }
    }
}

fn check_mended(folder: &Path, file: &str, cut: usize, ends: &[usize]) {
    let found = verified(folder);
    let text = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    let is_there = |seq: usize| text.contains(&format!("{{\"seq\":{seq},"));
    if file == "head" {
        assert!((1..=5).all(is_there), "{cut}");
        // One slot is enough, and of the two the first is overwritten by even numbers.
        assert_eq!(found.ok(), cut >= 256, "{cut}: {found:?}");
        return;
    }
    let kept = ends.iter().filter(|end| **end <= cut).count();
    assert!((1..=kept).all(is_there), "{cut}");
    assert_eq!(found.ok(), kept == 5, "{cut}: {found:?}");
    let torn = cut > ends[kept - 1];
    assert_eq!(
        found.notes.iter().any(|note| note.what.contains("torn")),
        torn,
        "{cut}"
    );
    if kept < 5 {
        let named = found
            .problems
            .iter()
            .any(|problem| problem.what.contains("missing"));
        assert!(named, "{cut}: {:?}", found.problems);
    }
}

/// SIGKILL can't take back what write(2) has taken, but it can come between two steps.
#[test]
fn a_kill_between_two_steps() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    append(&folder, ROOMY, 3);
    let head = fs::read(folder.join("head")).unwrap();
    append(&folder, ROOMY, 1);
    let path = folder.join("audit.jsonl");
    let whole = fs::read(&path).unwrap();
    let start = memchr::memrchr(b'\n', &whole[..whole.len() - 1]).unwrap() + 1;
    // Before the head was written, and at any byte of the record.
    for cut in start..=whole.len() {
        let copied = place.path().join("copied");
        copy(&folder, &copied);
        fs::write(copied.join("head"), &head).unwrap();
        fs::write(copied.join("audit.jsonl"), &whole[..cut]).unwrap();
        let before = verified(&copied);
        assert!(before.ok(), "{cut}: {before:?}");
        append(&copied, ROOMY, 1);
        let found = verified(&copied);
        assert!(found.ok(), "{cut}: {found:?}");
        let torn = cut > start && cut < whole.len();
        assert_eq!(found.notes.is_empty(), !torn, "{cut}");
        let kept = fs::read_dir(&copied).unwrap().find_map(|entry| {
            let path = entry.unwrap().path();
            path.to_str()?
                .contains("torn-")
                .then(|| fs::read(path).unwrap())
        });
        assert_eq!(kept.as_deref(), torn.then(|| &whole[start..cut]), "{cut}");
        fs::remove_dir_all(&copied).unwrap();
    }
}

/// The same in the very file, as it is after a kill: only what is behind the head is looked at.
#[test]
fn bytes_behind_the_last_record() {
    use std::io::Write as _;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    for (number, bytes) in [&b"{\"seq\":"[..], b"\0\0\0", b"\n\n", b"{}\n{\"s"]
        .iter()
        .enumerate()
    {
        append(&folder, ROOMY, 3);
        let path = folder.join("audit.jsonl");
        let mut file = fs::File::options().append(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
        append(&folder, ROOMY, 1);
        let found = verified(&folder);
        assert!(found.ok(), "{found:?}");
        // Each is a file, and a record.
        assert_eq!(found.notes.len(), 2 * (number + 1), "{found:?}");
    }
}

/// Chained as they should be, but behind the head: as many as the head has announced, or one, may be
/// of a killed writer, more can't be.
#[test]
fn records_that_somebody_put_behind_the_head_are_found() {
    use super::chain::Anchor;
    use super::folder::Folder;
    use super::head::HeadFile;
    for (announced, forged, is_fine) in [
        (0, 1, true),
        (0, 2, false),
        (0, 3, false),
        (3, 3, true),
        (3, 4, false),
    ] {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("audit");
        append(&folder, ROOMY, 3);
        if announced > 0 {
            let folder = Folder::new(&folder);
            let file = folder.open(&folder.head(), true).unwrap();
            let mut head = HeadFile::of(&file).unwrap().head().unwrap();
            head.batch = announced;
            head.write(&file, &folder).unwrap();
        }
        let mut before: Anchor = verified(&folder).last.unwrap();
        let path = folder.join("audit.jsonl");
        let mut text = fs::read(&path).unwrap();
        for _ in 0..forged {
            let mut line = Vec::new();
            let time = "2999-01-01T00:00:00.000000Z";
            call(9).write(&who(), &before, time, &mut line).unwrap();
            before = Anchor {
                seq: before.seq + 1,
                hash: crate::lockfile::Digest::of(&line[..line.len() - 1]),
            };
            text.extend(line);
        }
        fs::write(&path, text).unwrap();
        // Before and after the next append, and for good.
        for _ in 0..3 {
            let found = verified(&folder);
            assert_eq!(found.ok(), is_fine, "{forged}: {found:?}");
            if !is_fine {
                let what = format!("numbers 4 to {} are behind", 3 + forged);
                assert!(found.problems[0].what.contains(&what), "{found:?}");
            }
            append(&folder, ROOMY, 1);
        }
    }
}

#[test]
fn numbers_that_are_too_high_are_none() {
    let zeros = "0".repeat(64);
    for number in [u64::MAX, u64::MAX - 1, 1 << 62] {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("audit");
        append(&folder, ROOMY, 3);
        let path = folder.join("audit.jsonl");
        let mut text = fs::read_to_string(&path).unwrap();
        text += &format!("{{\"seq\":{number},\"prev\":\"{zeros}\"}}\n");
        fs::write(&path, text).unwrap();
        assert!(!verified(&folder).ok(), "{number}");
        append(&folder, ROOMY, 2);
        let found = verified(&folder);
        // Set aside like anything else that is no record.
        assert_eq!(found.last.unwrap().seq, 6, "{number}: {found:?}");
        let said = found.notes.iter().any(|note| note.what.contains("torn"));
        assert!(said, "{number}: {found:?}");
    }
}

#[test]
fn a_kill_in_the_middle_of_a_rotation() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    let limits = Limits {
        max_size: 1500,
        keep: Some(1),
    };
    append(&folder, limits, 5);
    for _ in 0..3 {
        let all = files(&folder);
        let first = seq(&all.last().unwrap().1[0]);
        let name = format!("audit-{first:08}.jsonl");
        fs::rename(folder.join("audit.jsonl"), folder.join(name)).unwrap();
        let found = verified(&folder);
        assert!(found.ok(), "{found:?}");
        append(&folder, limits, 5);
        let found = verified(&folder);
        assert!(found.ok(), "{found:?}");
    }
    append(&folder, limits, 20);
    assert!(files(&folder).len() <= 2);
    assert!(verified(&folder).ok());
}

#[test]
fn records_are_shown_once_and_as_they_are_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    let limits = Limits {
        max_size: 1500,
        keep: Some(50),
    };
    let mut follow = Follow::new(&folder, Filter::default());
    let mut seen = Vec::new();
    let mut poll = || follow.poll(|shown| seen.push(shown.record["seq"].as_u64().unwrap()));
    poll().unwrap();
    for _ in 0..4 {
        append(&folder, limits, 7);
        poll().unwrap();
        poll().unwrap();
    }
    assert_eq!(seen, (1..=28).collect::<Vec<_>>());
    let count = |filter: Filter| {
        let mut lines = BTreeSet::new();
        Follow::new(&folder, filter)
            .poll(|shown| assert!(lines.insert(shown.raw)))
            .unwrap();
        lines.len()
    };
    let mut log = AuditLog::open(&folder, limits).unwrap();
    log.append(&who(), &durable("no")).unwrap();
    let with = |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        count(filter)
    };
    assert_eq!(count(Filter::default()), 29);
    assert_eq!(with(|filter| filter.kind = Some("call".into())), 28);
    assert_eq!(with(|filter| filter.server = Some("other".into())), 0);
    assert_eq!(with(|filter| filter.denied = true), 1);
    assert_eq!(with(|filter| filter.since = Some("2999".into())), 0);
    assert_eq!(with(|filter| filter.since = Some("2001".into())), 29);
}

#[test]
fn hosts_that_a_server_names_tell_no_secret() {
    use super::record::{Arguments, Decision, Record};
    for (value, told) in [("Zq8-Value", false), ("another", true)] {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("audit");
        let log = super::AuditLog::open(&folder, ROOMY).unwrap();
        let recorder = super::Recorder::new(log, "everything", None, Arguments::Digest);
        recorder.redact(crate::relay::Redaction::new([(
            "T".to_owned(),
            value.to_owned(),
        )]));
        recorder.egress(Record::Egress {
            decision: Decision::Deny,
            host: "zq8-value.evil.example".to_owned(),
            port: None,
            reason: Some("zq8-value.evil.example is not listed".to_owned()),
            sent: 0,
            received: 0,
            duration_ms: 0,
        });
        let text = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
        assert_eq!(text.contains("zq8-value"), told, "{text}");
        assert_eq!(text.contains("[redacted: T].evil"), !told, "{text}");
    }
}

#[test]
fn a_record_that_is_too_long_is_refused_and_breaks_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("audit");
    let change = |servers: usize| super::Record::PolicyChange {
        command: "lock",
        servers: (0..servers).map(|n| format!("{n:064}")).collect(),
        manifest: "/m/pinfold.toml".to_owned(),
        manifest_digest: None,
        lock_before: None,
        lock_after: "sha256:00".to_owned(),
    };
    append(&folder, ROOMY, 1);
    let mut log = AuditLog::open(&folder, ROOMY).unwrap();
    // As many as a manifest of somebody else's may name.
    let error = log.append(&who(), &change(20_000)).unwrap_err();
    assert!(error.to_string().contains("longer than any"), "{error}");
    // The control, and the log goes on.
    log.append(&who(), &change(10_000)).unwrap();
    append(&folder, ROOMY, 1);
    let found = verified(&folder);
    assert!(found.ok() && found.records == 3, "{found:?}");
}
