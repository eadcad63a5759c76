//! Where a locked interpreter is on this machine: its digest is the pin, its path is where to look
//! first.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::elf::names_folders;
use super::prepare::{Launcher, PROGRAMS};
use crate::lockfile::{Interpreter, LockedServer};
use crate::store::FileDigests;

impl Launcher<'_> {
    /// The program that runs a server, wherever it is; `None` when its entry point runs itself.
    pub fn interpreter_path(&self, locked: &LockedServer) -> Option<PathBuf> {
        self.interpreter_path_by(locked, &mut self.file_digests())
    }

    /// The same, with the cache of digests in hand.
    pub(super) fn interpreter_path_by(
        &self,
        locked: &LockedServer,
        digests: &mut FileDigests,
    ) -> Option<PathBuf> {
        let interpreter = locked.interpreter.as_ref()?;
        Some(match &interpreter.package {
            Some(package) => self.store.tree(&package.tree).join(&interpreter.path),
            None => self.machine_interpreter(interpreter, digests),
        })
    }

    /// The program at the locked path, if that is the locked one; else a program with the same
    /// bytes elsewhere on this machine; else the locked path, where another one or none is.
    fn machine_interpreter(&self, interpreter: &Interpreter, digests: &mut FileDigests) -> PathBuf {
        let mut is_locked = |path: &Path| {
            digests
                .digest_of(path)
                .is_ok_and(|digest| digest == interpreter.sha256)
        };
        let recorded = PathBuf::from(&interpreter.path);
        if is_locked(&recorded) {
            return recorded;
        }
        self.candidates(interpreter)
            .into_iter()
            .find(|path| is_locked(path))
            .unwrap_or(recorded)
    }

    /// Programs that are called like it, links resolved.
    ///
    /// Node looks for nothing of its own beside itself, unless it was built to load libraries from
    /// there, so that its bytes say everything and the user's search path is good enough. Python takes its standard library from beside itself, and
    /// of others nothing is known: these are looked for where only the machine's owner puts
    /// programs, because a client chooses the search path.
    fn candidates(&self, interpreter: &Interpreter) -> Vec<PathBuf> {
        let trusted: Vec<PathBuf> = std::env::split_paths(PROGRAMS).collect();
        let mut folders = trusted.clone();
        let mut names: Vec<OsString> = Vec::new();
        names.extend(Path::new(&interpreter.path).file_name().map(OsString::from));
        match interpreter.kind.as_str() {
            "node" => {
                names.extend(["node", "nodejs"].map(OsString::from));
                let path = self.environment.get("PATH").unwrap_or_default();
                let path = std::env::split_paths(path);
                folders.extend(path.filter(|folder| folder.is_absolute()));
            }
            "python" => names.extend(["python3", "python"].map(OsString::from)),
            _ => {}
        }
        let mut found = Vec::new();
        for (folder, name) in folders
            .iter()
            .flat_map(|folder| names.iter().map(move |name| (folder, name)))
        {
            let Ok(path) = folder.join(name).canonicalize() else {
                continue;
            };
            if !trusted.contains(folder) && names_folders(&path) {
                continue;
            }
            let is_program = path
                .metadata()
                .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
            if is_program && !found.contains(&path) {
                found.push(path);
            }
        }
        found
    }
}
