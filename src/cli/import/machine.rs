//! The machine as it is, for plans.

use std::path::{Path, PathBuf};

use super::super::context::Context;
use super::super::own_program;
use super::super::sources::own_folders;
use super::plan::{Kind, Machine};

pub(super) struct Here<'c> {
    context: &'c Context,
}

impl<'c> Here<'c> {
    pub(super) fn new(context: &'c Context) -> Self {
        Self { context }
    }
}

impl Machine for Here<'_> {
    fn kind(&self, path: &Path) -> Kind {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Kind::Folder,
            Ok(metadata) if metadata.is_file() => Kind::File,
            _ => Kind::Nothing,
        }
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(self.context.search_path())
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|file| self.kind(file) == Kind::File)
    }

    fn home(&self) -> Option<&Path> {
        self.context.paths.home.as_deref()
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        path.canonicalize().ok()
    }

    fn own(&self, path: &Path) -> Option<String> {
        own_folders::refusal(self.context, path)
    }

    fn is_pinfold(&self, command: &str) -> bool {
        own_program::is_pinfold(command)
    }
}
