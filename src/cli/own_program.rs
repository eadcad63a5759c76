//! Where this program's file is, for entries of clients that start it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::exit::UsageError;
use super::import::base_name;

/// Absolute, because the search path of a client is short. A link of the search path that is called
/// `pinfold` is preferred to the file that it leads to: some package managers (Nix, Homebrew, Stow)
/// put the version into that one's path, and an entry with it would start nothing after an upgrade.
pub(super) fn lasting_path(search_path: &OsStr) -> Result<String, UsageError> {
    let program = std::env::current_exe().unwrap_or_default();
    let chosen = link_to(&program, search_path).unwrap_or_else(|| program.clone());
    let text = chosen.to_str().filter(|_| program.is_file());
    text.map(str::to_owned).ok_or_else(|| {
        UsageError(format!(
            "this program's file `{}` is gone or its path is not UTF-8, so no client could start it; install pinfold anew",
            program.display()
        ))
    })
}

fn link_to(program: &Path, search_path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(search_path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("pinfold"))
        .find(|link| link.canonicalize().is_ok_and(|file| file == program))
}

/// Whether a command of a config is pinfold: by its name, or because it is this file, whatever it
/// is called (`pinfold-x86_64-linux`, say).
pub(super) fn is_pinfold(command: &str) -> bool {
    base_name(command) == "pinfold"
        || Path::new(command).is_absolute()
            && std::env::current_exe()
                .is_ok_and(|own| Path::new(command).canonicalize().is_ok_and(|it| it == own))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_of_the_search_path_is_preferred_if_it_leads_here() {
        let folder = tempfile::tempdir().unwrap();
        let own = std::env::current_exe().unwrap();
        let path = |of: &Path| std::env::join_paths([Path::new("relative"), of]).unwrap();
        let none = lasting_path(&path(folder.path())).unwrap();
        assert_eq!(none, own.to_str().unwrap());

        let link = folder.path().join("pinfold");
        symlink(&own, &link).unwrap();
        let found = lasting_path(&path(folder.path())).unwrap();
        assert_eq!(found, link.to_str().unwrap());

        std::fs::remove_file(&link).unwrap();
        symlink("/bin/sh", &link).unwrap();
        assert_eq!(lasting_path(&path(folder.path())).unwrap(), none);
    }

    #[test]
    fn this_file_is_pinfold_whatever_it_is_called() {
        let own = std::env::current_exe().unwrap();
        assert_ne!(own.file_name().unwrap(), "pinfold");
        assert!(is_pinfold(own.to_str().unwrap()));
        assert!(is_pinfold("pinfold"));
        assert!(is_pinfold("/nowhere/pinfold"));
        assert!(!is_pinfold("/bin/sh"));
        assert!(!is_pinfold("npx"));
    }
}
