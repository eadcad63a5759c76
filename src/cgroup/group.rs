//! One control group: a folder of the kernel's, read, written, emptied and removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::contents::{self, Controller, Counts, Setting, flat_keyed};
use super::error::GroupError;
use crate::sys::PidFd;

/// Between two attempts to remove a group whose processes are not all gone yet.
const PAUSE: Duration = Duration::from_millis(5);
/// How often those that are left are killed one by one.
const ROUNDS: usize = 100;
/// We make three levels; deeper ones would be somebody else's.
const DEEPEST: usize = 4;

/// A control group. Nothing happens to it when this value goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    path: PathBuf,
}

impl Group {
    /// That of an existing folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes one.
    ///
    /// # Errors
    /// What mkdir(2) reports; `EEXIST` too.
    pub fn make(path: impl Into<PathBuf>) -> Result<Self, GroupError> {
        let path = path.into();
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self { path }),
            Err(source) => Err(GroupError {
                action: "make the control group",
                path,
                source,
            }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text of one of its files; `None` when there is no such file.
    pub fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path.join(file)).ok()
    }

    /// # Errors
    /// What open(2) or write(2) report; no file is ever made.
    pub fn write(&self, file: &str, text: &str) -> Result<(), GroupError> {
        self.open(file)
            .and_then(|mut open| open.write_all(text.as_bytes()))
            .map_err(|source| GroupError {
                action: "write to",
                path: self.path.join(file),
                source,
            })
    }

    fn open(&self, file: &str) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .truncate(false)
            .open(self.path.join(file))
    }

    /// Which controllers it was given.
    pub fn controllers(&self) -> Vec<Controller> {
        contents::controllers(&self.read("cgroup.controllers").unwrap_or_default())
    }

    /// Gives its groups the controllers that it has. No process may be in it itself.
    ///
    /// # Errors
    /// `EBUSY` where there is one.
    pub fn pass_controllers_on(&self) -> Result<(), GroupError> {
        for controller in self.controllers() {
            self.write("cgroup.subtree_control", &format!("+{controller}"))?;
        }
        Ok(())
    }

    pub(super) fn apply(&self, settings: &[Setting]) -> Result<(), GroupError> {
        for setting in settings {
            match self.write(setting.file, &setting.text) {
                Err(error)
                    if setting.may_be_missing && error.source.kind() == io::ErrorKind::NotFound => {
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// The numbers of the processes in it, not of those in groups below it. One of another pid
    /// namespace is 0.
    pub fn processes(&self) -> Vec<i32> {
        let text = self.read("cgroup.procs").unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Moves a process, with all its threads, into it. What it has started stays where it is.
    ///
    /// # Errors
    /// `ESRCH` when it is gone; `EACCES` where it may not be moved.
    pub fn place(&self, process: Pid) -> Result<(), GroupError> {
        self.write("cgroup.procs", &process.to_string())
    }

    /// Whoever writes `0` to it is in this group.
    ///
    /// # Errors
    /// What open(2) reports.
    pub fn entrance(&self) -> Result<OwnedFd, GroupError> {
        let file = "cgroup.procs";
        self.open(file)
            .map(OwnedFd::from)
            .map_err(|source| GroupError {
                action: "open",
                path: self.path.join(file),
                source,
            })
    }

    /// Whether a process is in it or below it.
    pub fn is_populated(&self) -> bool {
        let events = self.read("cgroup.events").unwrap_or_default();
        flat_keyed(&events, "populated") == Some(1)
    }

    pub fn counts(&self) -> Counts {
        Counts::read(|file| self.read(file))
    }

    /// Kills every process in it and below it (SIGKILL). Best effort: whoever must know looks at
    /// [`Self::is_populated`].
    pub fn kill(&self) {
        // Linux 5.14. It can't be outrun by a process that forks.
        if self.write("cgroup.kill", "1").is_err() {
            self.kill_one_by_one();
        }
    }

    /// As [`Self::kill`], for older kernels.
    pub fn kill_one_by_one(&self) {
        // What is frozen starts nobody, and can be killed (Linux 5.2).
        let _ = self.write("cgroup.freeze", "1");
        for _ in 0..ROUNDS {
            let mut groups = vec![self.clone()];
            groups.extend(self.all_below(0));
            for group in groups {
                for process in group.processes() {
                    group.kill_process(process);
                }
            }
            if !self.is_populated() {
                break;
            }
            thread::sleep(PAUSE);
        }
        let _ = self.write("cgroup.freeze", "0");
    }

    /// A number may have become another process's meanwhile, so it is looked for once more when it
    /// can't change any more.
    fn kill_process(&self, process: i32) {
        let us = nix::unistd::getpid().as_raw();
        if process <= 0 || process == us {
            return;
        }
        if let Ok(descriptor) = PidFd::open(Pid::from_raw(process))
            && self.processes().contains(&process)
        {
            let _ = descriptor.send(Signal::SIGKILL);
        }
    }

    /// The groups directly below it.
    pub fn below(&self) -> Vec<Self> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| Self::at(entry.path()))
            .collect()
    }

    fn all_below(&self, depth: usize) -> Vec<Self> {
        if depth == DEEPEST {
            return Vec::new();
        }
        let mut found = Vec::new();
        for group in self.below() {
            found.extend(group.all_below(depth + 1));
            found.push(group);
        }
        found
    }

    /// Removes it and what is below it, if no process is in them any more.
    ///
    /// # Errors
    /// `EBUSY` while there is one.
    pub fn remove(&self) -> io::Result<()> {
        // The deepest come first.
        for group in self.all_below(0) {
            gone(fs::remove_dir(group.path()))?;
        }
        gone(fs::remove_dir(&self.path))
    }

    /// Kills whoever is in it and removes it, for at most `patience`.
    ///
    /// # Errors
    /// `EBUSY` when a process did not end in that time.
    pub fn end(&self, patience: Duration) -> io::Result<()> {
        let until = Instant::now() + patience;
        loop {
            if self.is_populated() {
                self.kill();
            }
            match self.remove() {
                Err(error)
                    if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < until =>
                {
                    thread::sleep(PAUSE);
                }
                result => return result,
            }
        }
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
