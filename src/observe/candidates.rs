//! From paths that were refused to those that might be granted: what isn't there, what is granted
//! already and what is asked for by habit falls away; what lies in a folder that the server was told
//! of becomes that folder; several files of a folder become the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::habits::{Forbidden, habit};
use super::observed::{BETWEEN, Observed, START, Seen, Wish};
use super::outside::{Kind, Outside};
use super::proposal::{NotProposed, Situation};

/// So many files of one folder are the folder.
const MANY: usize = 3;

/// A path that could be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub path: PathBuf,
    pub kind: Kind,
    pub write: bool,
    pub execute: bool,
    /// Whether more than a look was wanted, or a look for the sake of a call.
    is_wanted: bool,
    pub during: BTreeSet<String>,
    /// What was asked for, where that is not the path itself.
    pub asked: BTreeSet<String>,
}

/// What a path is held against.
struct Judge<'j, O> {
    situation: &'j Situation,
    outside: &'j O,
    forbidden: &'j Forbidden,
}

#[derive(Default)]
pub(super) struct Candidates {
    pub wanted: Vec<Candidate>,
    pub not_proposed: Vec<NotProposed>,
    /// Different paths that are asked for by habit.
    pub habits: u64,
}

pub(super) fn candidates(
    observed: &Observed,
    situation: &Situation,
    outside: &impl Outside,
) -> Candidates {
    let mut all = Candidates::default();
    let mut found: BTreeMap<PathBuf, Candidate> = BTreeMap::new();
    let forbidden = Forbidden::of(situation.home.as_deref(), &situation.own, outside);
    let judge = Judge {
        situation,
        outside,
        forbidden: &forbidden,
    };
    for (asked, seen) in &observed.denied {
        let Some(candidate) = candidate(Path::new(asked), seen, &judge, &mut all) else {
            continue;
        };
        match found.get_mut(&candidate.path) {
            Some(known) => known.join(candidate),
            None => drop(found.insert(candidate.path.clone(), candidate)),
        }
    }
    let found = as_folders(found, &judge);
    // Folders are looked at on the way to what is in them.
    let on_the_way = |path: &Path| {
        found
            .keys()
            .any(|other| other != path && other.starts_with(path))
    };
    let within = |candidate: &Candidate| {
        found.values().any(|other| {
            candidate.path != other.path
                && other.is_wanted
                && other.kind == Kind::Folder
                && candidate.path.starts_with(&other.path)
                && (other.write || !candidate.write)
        })
    };
    for candidate in found.values() {
        if within(candidate) {
            continue;
        }
        if candidate.is_wanted {
            all.wanted.push(candidate.clone());
        } else if !on_the_way(&candidate.path) {
            all.refuse(candidate, "it was only looked for, and not opened");
        }
    }
    all
}

impl Candidate {
    fn join(&mut self, other: Self) {
        self.write |= other.write;
        self.execute |= other.execute;
        self.is_wanted |= other.is_wanted;
        self.during.extend(other.during);
        self.asked.extend(other.asked);
    }
}

impl Candidates {
    pub(super) fn refuse(&mut self, candidate: &Candidate, why: &str) {
        self.not_proposed.push(NotProposed {
            what: candidate.path.display().to_string(),
            why: why.to_owned(),
            during: candidate.during.clone(),
        });
    }
}

fn candidate(
    asked: &Path,
    seen: &Seen,
    judge: &Judge<'_, impl Outside>,
    all: &mut Candidates,
) -> Option<Candidate> {
    let Judge {
        situation, outside, ..
    } = judge;
    let below = |folders: &[PathBuf]| folders.iter().any(|folder| asked.starts_with(folder));
    let write = seen.wishes.iter().any(|wish| wish.changes());
    if habit(asked).is_some() {
        all.habits += 1;
        return None;
    }
    // Of what is granted nothing is hidden; what isn't there isn't.
    if below(&situation.writable) || !write && below(&situation.readable) {
        return None;
    }
    let (path, kind) = match outside.kind(asked) {
        Some(kind) => (asked.to_owned(), kind),
        None if write => {
            let there = |path: &&Path| outside.kind(path).is_some();
            let folder = asked.ancestors().skip(1).find(there)?;
            (folder.to_owned(), outside.kind(folder)?)
        }
        None => return None,
    };
    let execute = seen.wishes.contains(&Wish::Execute)
        || situation
            .programs
            .iter()
            .any(|folder| path.parent() == Some(folder.as_path()))
            && outside.is_program(&path);
    let for_a_call = seen
        .during
        .iter()
        .any(|moment| moment != START && moment != BETWEEN);
    let looks = seen.wishes.contains(&Wish::Look);
    let mut candidate = Candidate {
        path: path.clone(),
        kind,
        write: write && !execute,
        execute,
        is_wanted: seen.wishes.iter().any(|wish| wish.is_about_content()) || looks && for_a_call,
        during: seen.during.clone(),
        asked: BTreeSet::new(),
    };
    if !execute && let Some((named, kind)) = named(&path, candidate.write, judge) {
        candidate.is_wanted |= looks;
        candidate.kind = kind;
        candidate.path = named;
    }
    if candidate.path != asked {
        candidate.asked.insert(asked.display().to_string());
    }
    // Of this nothing would be gained.
    let path = &candidate.path;
    if situation.code.iter().any(|code| path.starts_with(code)) {
        if write {
            all.refuse(
                &candidate,
                "it is the server's own code, which is never written",
            );
        }
        return None;
    }
    if !candidate.is_wanted {
        return Some(candidate);
    }
    if let Some(why) = judge.forbidden.why(path, candidate.write, *outside) {
        // What lies on the way to something else is not worth a word.
        if seen.wishes.iter().any(|wish| wish.is_about_content()) {
            all.refuse(&candidate, &why);
        }
        return None;
    }
    if candidate.kind == Kind::Other {
        all.refuse(&candidate, "it is no file and no folder");
        return None;
    }
    if !execute && !outside.may(path, write) {
        all.refuse(&candidate, "you may not do that yourself");
        return None;
    }
    Some(candidate)
}

/// The deepest place that the server was told of by its arguments or variables and that `path` is, or
/// lies in.
fn named(path: &Path, write: bool, judge: &Judge<'_, impl Outside>) -> Option<(PathBuf, Kind)> {
    let Judge {
        situation,
        outside,
        forbidden,
    } = judge;
    let within = situation
        .named
        .iter()
        .filter(|named| path.starts_with(named))
        .filter(|named| forbidden.why(named, write, *outside).is_none());
    let deepest = within.max_by_key(|named| named.components().count())?;
    Some((deepest.clone(), outside.kind(deepest)?))
}

fn as_folders(
    found: BTreeMap<PathBuf, Candidate>,
    judge: &Judge<'_, impl Outside>,
) -> BTreeMap<PathBuf, Candidate> {
    let is_file = |candidate: &Candidate| {
        candidate.kind == Kind::File && candidate.is_wanted && !candidate.execute
    };
    let mut counts: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for candidate in found.values().filter(|candidate| is_file(candidate)) {
        if let Some(folder) = candidate.path.parent() {
            *counts.entry(folder.to_owned()).or_default() += 1;
        }
    }
    let mut folders: BTreeMap<PathBuf, Candidate> = BTreeMap::new();
    for (path, mut candidate) in found {
        let folder = path.parent().unwrap_or(&path).to_owned();
        let many = counts.get(&folder).is_some_and(|count| *count >= MANY)
            && is_file(&candidate)
            && judge
                .forbidden
                .why(&folder, candidate.write, judge.outside)
                .is_none();
        if many {
            candidate.asked.insert(path.display().to_string());
            candidate.path = folder;
            candidate.kind = Kind::Folder;
        }
        match folders.get_mut(&candidate.path) {
            Some(known) => known.join(candidate),
            None => drop(folders.insert(candidate.path.clone(), candidate)),
        }
    }
    folders
}
