//! `--why "read PATH"`, `write` and `execute`: judged by the box's own rules for files.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::answer::{Finding, Ground, Word};
use crate::cli::explain::Explained;
use crate::launch::{PROGRAMS, RightSource};
use crate::policy::Origin;
use crate::resolve::interpreter::find_program;
use crate::sandbox::{FileUse, Obstacle, PathRule, Reached, SCRATCH, Walls};

/// A script's first line is read as far as the kernel does (`BINPRM_BUF_SIZE`, linux/binfmts.h).
const FIRST_LINE: usize = 256;

pub(super) fn word(wanted: FileUse) -> &'static str {
    match wanted {
        FileUse::Read => "read",
        FileUse::Write => "write",
        FileUse::Execute => "execute",
    }
}

/// A program by its name, looked up as the manifest's `exec` is.
pub(super) fn judge_program(name: &str, explained: &Explained<'_>) -> Finding {
    match find_program(name, PROGRAMS.as_ref()) {
        Ok(path) => judge(FileUse::Execute, &path, explained),
        Err(_) => Finding::new(
            Word::No,
            format!("execute {name}"),
            format!("there is no program of this name in {PROGRAMS}, where servers look"),
            Ground::Machine,
        ),
    }
}

pub(super) fn judge(wanted: FileUse, path: &Path, explained: &Explained<'_>) -> Finding {
    let mut tiers = explained.found.walls.iter();
    let Some(own) = tiers.next() else {
        return Finding::new(
            Word::No,
            about(wanted, path),
            "nothing is known",
            Ground::Pinfold,
        );
    };
    let mut finding = judge_in(own, wanted, path, explained);
    for other in tiers {
        let there = judge_in(other, wanted, path, explained);
        if there.word != finding.word {
            let tier = if other.has_own_root() {
                "where it has a root of its own (full tier)"
            } else {
                "where the machine grants no namespaces (base tier)"
            };
            let text = format!("{tier} it is {}: {}", there.word.name(), there.reason);
            finding.notes.push(text);
        }
    }
    finding
}

fn about(wanted: FileUse, path: &Path) -> String {
    format!("{} {}", word(wanted), path.display())
}

fn judge_in(walls: &Walls, wanted: FileUse, path: &Path, explained: &Explained<'_>) -> Finding {
    let reached = walls.judge(path, wanted);
    let about = about(wanted, path);
    let Some(obstacle) = reached.obstacle else {
        if let Some(blocked) = blocked_interpreter(walls, wanted, &reached.path) {
            let reason = format!(
                "it is a script, and what runs it, {}, may not be executed",
                blocked.display()
            );
            return Finding::new(Word::No, about, reason, Ground::Part(Origin::Base));
        }
        let (reason, ground) = granted_by(reached.rule.as_ref(), explained);
        let finding = Finding::new(Word::Yes, about, reason, ground);
        return with_notes(finding, walls, path, &reached);
    };
    let (reason, ground) = match obstacle {
        Obstacle::NotInRoot => (
            "nothing grants it, so the root of its own has nothing of this name",
            Ground::Part(Origin::Base),
        ),
        Obstacle::NotGranted if wanted != FileUse::Read && is_reached(walls, path) => (
            "it may be read, and nothing grants more",
            Ground::Part(Origin::Base),
        ),
        Obstacle::NotGranted => ("nothing grants it", Ground::Part(Origin::Base)),
        Obstacle::ReadOnly => ("it is mounted read-only", Ground::Part(Origin::Base)),
        Obstacle::NoExecution => (
            "what may be written is not executed",
            Ground::Part(Origin::Base),
        ),
        Obstacle::OwnMemory => (
            "the server has memory of its own there, in which your file is not",
            Ground::Part(Origin::Base),
        ),
        Obstacle::Mode => (
            "it is granted, but its owner and mode (or a folder's on the way) keep you out",
            Ground::Machine,
        ),
        Obstacle::Links => ("its links lead nowhere", Ground::Machine),
        Obstacle::NoFolder => ("something on the way to it is no folder", Ground::Machine),
    };
    let finding = Finding::new(Word::No, about, reason, ground);
    with_notes(finding, walls, path, &reached)
}

fn is_reached(walls: &Walls, path: &Path) -> bool {
    walls.judge(path, FileUse::Read).obstacle.is_none()
}

/// The program of a script's first line (execve(2)), when it is one that may not be executed.
fn blocked_interpreter(walls: &Walls, wanted: FileUse, path: &Path) -> Option<PathBuf> {
    let interpreter = (wanted == FileUse::Execute).then(|| interpreter(path))??;
    let reached = walls.judge(&interpreter, FileUse::Execute);
    reached.obstacle.is_some().then_some(interpreter)
}

/// What a script's first line names.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    // To open a pipe would be to wait for who writes to it.
    let file = path.is_file().then(|| File::open(path).ok())??;
    file.take(FIRST_LINE as u64).read_to_end(&mut head).ok()?;
    let line = head
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let mut words = line.split(|byte| byte.is_ascii_whitespace());
    let word = words.find(|word| !word.is_empty())?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(word)))
}

fn granted_by(rule: Option<&PathRule>, explained: &Explained<'_>) -> (String, Ground) {
    let right = rule.and_then(|rule| {
        let mut rights = explained.found.rights.iter();
        rights.find(|right| right.path == rule.path && right.access == rule.access)
    });
    let Some(right) = right else {
        return (
            "in memory of its own".to_owned(),
            Ground::Part(Origin::Base),
        );
    };
    if let Some(key) = explained.key_of(right) {
        let reason = format!("{} is granted", right.path.display());
        return (reason, Ground::Manifest(key));
    }
    let ground = match (&right.source, right.origin()) {
        (_, Some(origin)) => Ground::Part(origin.clone()),
        (RightSource::Server | RightSource::Linker | RightSource::Library, None) => Ground::Server,
        _ => Ground::Part(Origin::Base),
    };
    (format!("{}: {}", right.path.display(), right.why()), ground)
}

fn with_notes(finding: Finding, walls: &Walls, path: &Path, reached: &Reached) -> Finding {
    let mut finding = finding;
    if reached.path != path {
        let leads = format!("it leads to {}", reached.path.display());
        finding = finding.note(leads);
    }
    let in_memory = walls.has_own_root()
        && SCRATCH.iter().any(|own| reached.path.starts_with(own))
        && reached
            .rule
            .as_ref()
            .is_some_and(|rule| SCRATCH.iter().any(|own| rule.path == Path::new(own)));
    if in_memory && finding.word == Word::Yes {
        return finding.note("that is memory of its own, not your machine's folder");
    }
    let is_gone = !reached.path.exists() && !reached.is_there;
    let holds = match finding.word {
        Word::No => "there is no such file now; one that is made there could not be used either",
        _ => "there is no such file now; the answer is about one that is made there",
    };
    finding.note_if(is_gone, holds)
}
