//! What the tests install once per machine, below the target folder.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use nix::fcntl::{Flock, FlockArg};

pub(crate) fn once(
    cell: &Mutex<Option<Result<PathBuf, String>>>,
    make: impl FnOnce() -> Result<PathBuf, String>,
) -> Result<PathBuf, String> {
    cell.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .get_or_insert_with(make)
        .clone()
}

/// The folder `name`, filled by `fill` if it is not there yet. Two programs at once are fine:
/// one waits for the other. A fill that was killed is done anew.
pub(crate) fn installed(
    name: &str,
    fill: impl Fn(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let places = places();
    if let Some(ready) = places
        .iter()
        .map(|place| place.join(name))
        .find(|folder| is_ready(folder))
    {
        return Ok(ready);
    }
    let mut reason = "no folder to install to".to_owned();
    for place in places {
        let lock = match lock(&place, name) {
            Ok(lock) => lock,
            Err(failed) => {
                reason = failed;
                continue;
            }
        };
        let folder = place.join(name);
        if is_ready(&folder) {
            return Ok(folder);
        }
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).map_err(|error| error.to_string())?;
        match fill(&folder) {
            Ok(()) => {
                fs::write(folder.join(READY), "").map_err(|error| error.to_string())?;
                drop(lock);
                return Ok(folder);
            }
            Err(failed) => {
                reason = failed;
                let _ = fs::remove_dir_all(&folder);
            }
        }
    }
    Err(reason)
}

const READY: &str = ".installed";

fn is_ready(folder: &Path) -> bool {
    folder.join(READY).exists()
}

/// The target folder, and for a user who may not write there a folder of their own.
fn places() -> Vec<PathBuf> {
    let user = nix::unistd::geteuid();
    let own = std::env::temp_dir().join(format!("pinfold-integration-{user}"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let shared = target.map(|target| target.join("integration"));
    shared
        .into_iter()
        .chain((!own.exists() || is_own_folder(&own)).then_some(own))
        .collect()
}

fn is_own_folder(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|is| is.is_dir() && is.uid() == nix::unistd::geteuid().as_raw())
}

fn lock(place: &Path, name: &str) -> Result<Flock<File>, String> {
    let made = DirBuilder::new().mode(0o755).create(place);
    // Somebody else could have made the one with the name that anybody can guess.
    if !is_own_folder(place) {
        return Err(format!(
            "{} is no folder of this user: {made:?}",
            place.display()
        ));
    }
    let file =
        File::create(place.join(format!("{name}.lock"))).map_err(|error| error.to_string())?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error.to_string())
}

pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = stderr.lines().rev().take(3).collect();
    Err(format!("{} {}", output.status, last.join(" | ")))
}

pub(crate) fn short_digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes)[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// npm, which keeps what it downloads below the target folder and nothing in the user's own cache.
pub(crate) fn npm() -> Command {
    let mut npm = Command::new("npm");
    let mine = |place: &PathBuf| {
        let _ = DirBuilder::new().mode(0o755).create(place);
        is_own_folder(place)
    };
    if let Some(place) = places().into_iter().find(mine) {
        npm.env("npm_config_cache", place.join("npm-cache"));
    }
    npm
}

/// Installs what the package.json in `folder` asks for; no package's script runs.
pub(crate) fn npm_install(folder: &Path) -> Result<(), String> {
    run(npm()
        .args(["install", "--ignore-scripts", "--no-package-lock"])
        .args(["--no-audit", "--no-fund"])
        .current_dir(folder))
}
