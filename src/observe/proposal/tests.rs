//! What is proposed of what was refused.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::observed::{HostSeen, Seen, Wish};
use super::super::outside::Kind;
use super::*;

/// A machine with these files; those that end with a slash are folders, with `*` programs, with `!`
/// not the user's.
struct Machine(Vec<&'static str>);

impl Machine {
    fn find(&self, path: &Path) -> Option<&str> {
        let path = path.to_str()?;
        self.0
            .iter()
            .copied()
            .find(|entry| entry.trim_end_matches(['/', '*', '!']) == path)
    }
}

impl Outside for Machine {
    fn kind(&self, path: &Path) -> Option<Kind> {
        let is_folder = self.find(path)?.ends_with('/');
        Some(if is_folder { Kind::Folder } else { Kind::File })
    }

    fn may(&self, path: &Path, _: bool) -> bool {
        self.find(path).is_some_and(|entry| !entry.ends_with('!'))
    }

    fn is_program(&self, path: &Path) -> bool {
        self.find(path).is_some_and(|entry| entry.ends_with('*'))
    }

    fn real(&self, path: &Path) -> std::path::PathBuf {
        path.to_owned()
    }
}

fn machine() -> Machine {
    Machine(vec![
        "/srv/",
        "/srv/data/",
        "/srv/data/a.txt",
        "/srv/data/b.txt",
        "/srv/data/c.txt",
        "/srv/data/sub/",
        "/home/me/",
        "/home/me/.ssh/",
        "/home/me/.ssh/id_rsa",
        "/home/me/notes.txt",
        "/usr/bin/git*",
        "/usr/bin/",
        "/etc/app.conf",
        "/root.txt!",
        "/store/tree/",
        "/store/tree/index.js",
        "/etc/ld.so.preload",
        "/granted/",
    ])
}

fn situation() -> Situation {
    Situation {
        profile: "offline".to_owned(),
        home: Some("/home/me".into()),
        own: vec!["/store/own".into()],
        code: vec!["/store/tree".into()],
        readable: vec!["/store/tree".into(), "/granted".into()],
        writable: vec!["/state/home".into()],
        programs: vec!["/usr/local/bin".into(), "/usr/bin".into()],
        ..Situation::default()
    }
}

fn denied(entries: &[(&str, &[Wish], &str)]) -> Observed {
    let seen = |wishes: &[Wish], moment: &str| Seen {
        wishes: wishes.iter().copied().collect(),
        during: BTreeSet::from([moment.to_owned()]),
        errors: BTreeSet::new(),
        times: 1,
    };
    Observed {
        denied: entries
            .iter()
            .map(|(path, wishes, moment)| ((*path).to_owned(), seen(wishes, moment)))
            .collect(),
        ..Observed::of_policy("p")
    }
}

fn lines(observed: &Observed, situation: &Situation) -> Vec<(&'static str, String)> {
    propose(observed, situation, &machine())
        .lines
        .into_iter()
        .map(|line| (line.key, line.value))
        .collect()
}

#[test]
fn a_folder_that_it_was_told_of_is_proposed_and_nothing_else() {
    let mut told = situation();
    told.named = vec!["/srv/data".into()];
    let start: &[(&str, &[Wish], &str)] = &[
        ("/srv", &[Wish::Walk], "start"),
        ("/srv/data", &[Wish::Look], "start"),
    ];
    assert_eq!(
        lines(&denied(start), &told),
        [("files.read", "/srv/data".to_owned())]
    );
    let read: &[(&str, &[Wish], &str)] = &[("/srv/data/a.txt", &[Wish::Read], "read_file")];
    assert_eq!(
        lines(&denied(read), &told),
        [("files.read", "/srv/data".to_owned())]
    );
    let write: &[(&str, &[Wish], &str)] = &[
        ("/srv/data/a.txt", &[Wish::Read], "read_file"),
        ("/srv/data/sub/new/x.txt", &[Wish::Make], "write_file"),
    ];
    assert_eq!(
        lines(&denied(write), &told),
        [("files.write", "/srv/data".to_owned())]
    );
    // The control: of one that was told of nothing, the file.
    assert_eq!(
        lines(&denied(read), &situation()),
        [("files.read", "/srv/data/a.txt".to_owned())]
    );
}

#[test]
fn several_files_of_a_folder_are_the_folder() {
    let read = &[Wish::Read][..];
    let three = [
        ("/srv/data/a.txt", read, "x"),
        ("/srv/data/b.txt", read, "x"),
        ("/srv/data/c.txt", read, "x"),
    ];
    assert_eq!(
        lines(&denied(&three), &situation()),
        [("files.read", "/srv/data".to_owned())]
    );
    assert_eq!(lines(&denied(&three[..2]), &situation()).len(), 2);
}

#[test]
fn what_is_not_there_is_granted_or_is_a_habit_is_not_spoken_of() {
    let proposal = propose(
        &denied(&[
            ("/srv/missing", &[Wish::Read], "x"),
            ("/etc/ld.so.preload", &[Wish::Read], "start"),
            ("/granted/missing", &[Wish::Read], "x"),
            ("/state/home/new", &[Wish::Make], "x"),
            ("/srv", &[Wish::Walk], "start"),
            ("/srv/data", &[Wish::Walk], "start"),
            ("/srv/data/a.txt", &[Wish::Read], "start"),
        ]),
        &situation(),
        &machine(),
    );
    assert_eq!(proposal.lines.len(), 1);
    assert_eq!(proposal.habits, 1);
    assert_eq!(proposal.not_proposed, []);
}

#[test]
fn dangerous_things_are_listed_apart() {
    let proposal = propose(
        &denied(&[
            ("/home/me", &[Wish::List], "x"),
            ("/home/me/.ssh/id_rsa", &[Wish::Read], "x"),
            ("/root.txt", &[Wish::Read], "x"),
            ("/store/tree/index.js", &[Wish::Write], "x"),
            ("/etc/app.conf", &[Wish::Look], "start"),
        ]),
        &situation(),
        &machine(),
    );
    assert_eq!(proposal.lines, []);
    let what: BTreeMap<&str, &str> = proposal
        .not_proposed
        .iter()
        .map(|not| (not.what.as_str(), not.why.as_str()))
        .collect();
    assert_eq!(what.len(), 5, "{what:?}");
    assert!(what["/home/me"].contains("home"));
    assert!(what["/home/me/.ssh/id_rsa"].contains("keys"));
    assert!(what["/root.txt"].contains("yourself"));
    assert!(what["/store/tree/index.js"].contains("code"));
    assert!(what["/etc/app.conf"].contains("looked for"));
    // The control: for the sake of a call a look is enough.
    let look = denied(&[("/etc/app.conf", &[Wish::Look], "stat_file")]);
    assert_eq!(lines(&look, &situation()).len(), 1);
}

#[test]
fn the_home_is_not_proposed_although_it_was_told_of_it() {
    let mut told = situation();
    told.named = vec!["/home/me".into()];
    let read = denied(&[("/home/me/notes.txt", &[Wish::Read], "x")]);
    assert_eq!(
        lines(&read, &told),
        [("files.read", "/home/me/notes.txt".to_owned())]
    );
}

#[test]
fn programs_are_proposed_by_name() {
    for wish in [Wish::Execute, Wish::Look] {
        let run = denied(&[("/usr/bin/git", &[wish], "git_log")]);
        assert_eq!(
            lines(&run, &situation()),
            [("exec", "git".to_owned())],
            "{wish:?}"
        );
    }
}

#[test]
fn writing_needs_another_profile_than_reading() {
    let mut reader = situation();
    reader.profile = "files-ro".to_owned();
    let write = denied(&[("/srv/data/a.txt", &[Wish::Write], "x")]);
    let keys: Vec<&str> = lines(&write, &reader).iter().map(|line| line.0).collect();
    assert_eq!(keys, ["files.write", "profile"]);
}

#[test]
fn hosts_are_proposed_by_name_and_addresses_are_not() {
    let refused = HostSeen {
        refused: 1,
        ..HostSeen::default()
    };
    let mut observed = Observed::of_policy("p");
    for host in [
        "a.example",
        "b.example:8443",
        "169.254.169.254:80",
        "[::1]:80",
        "metadata.google.internal",
        "metadata.goog:80",
    ] {
        observed.hosts.insert(host.to_owned(), refused.clone());
    }
    let allowed = HostSeen {
        allowed: 1,
        ..HostSeen::default()
    };
    observed.hosts.insert("c.example:443".to_owned(), allowed);
    observed.sockets.insert("IPv4".to_owned(), Seen::default());
    let proposal = propose(&observed, &situation(), &machine());
    let values: Vec<&str> = proposal.lines.iter().map(|line| &*line.value).collect();
    assert_eq!(values, ["a.example:443", "b.example:8443"]);
    assert!(proposal.lines[0].note.is_some() && proposal.lines[1].note.is_none());
    assert_eq!(proposal.not_proposed.len(), 5);
    // Where clouds keep credentials is not even worth a hint how to grant it.
    for (host, says) in [
        ("169.254.169.254:80", "credentials of the machine"),
        ("metadata.google.internal", "credentials of the machine"),
        ("metadata.goog:80", "credentials of the machine"),
        ("[::1]:80", "`egress` takes it, too"),
    ] {
        let found = proposal.not_proposed.iter().find(|row| row.what == host);
        assert!(found.unwrap().why.contains(says), "{found:?}");
    }
}
