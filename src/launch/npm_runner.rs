//! npm, run in the box to resolve a closure: an empty home, the registry's ports, no scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::full_disk::{free, is_about_full_disk};
use super::prepare::{Launcher, PROGRAMS};
use super::tool::{Resolver, run_resolver};
use super::{LaunchError, StateFolder};
use crate::config::EgressRule;
use crate::policy::Runtime;
use crate::resolve::interpreter::find_program;
use crate::resolve::npm::{NpmOutput, NpmRunner, NpmSettings};
use crate::store::Staging;

/// As much of package-lock.json as is read; `resolve` refuses larger ones.
const MAX_PACKAGE_LOCK: u64 = (64 << 20) + 1;

/// Node and npm on this machine.
pub(super) struct NpmPlaces {
    pub(super) node: PathBuf,
    /// npm's own folder, which holds its command-line program.
    npm: PathBuf,
    pub(super) program: PathBuf,
}

impl NpmPlaces {
    /// # Errors
    /// When one of them is not on the search path.
    pub(super) fn find(search_path: &OsStr) -> Result<Self, LaunchError> {
        let node = find_program("node", search_path).map_err(|error| missing("node", &error))?;
        let program = std::env::split_paths(search_path)
            .filter_map(|folder| fs::canonicalize(folder.join("npm")).ok())
            .find(|path| path.extension().is_some_and(|extension| extension == "js"))
            .ok_or_else(|| missing("npm", &"it is not on PATH; install Node.js with npm"))?;
        // …/npm/bin/npm-cli.js
        let npm = program
            .parent()
            .and_then(Path::parent)
            .map(Path::to_owned)
            .ok_or_else(|| missing("npm", &"its folder could not be found"))?;
        Ok(Self { node, npm, program })
    }

    /// The one that npm brings along; Debian has it beside npm.
    pub(super) fn node_gyp(&self) -> PathBuf {
        const INSIDE: &str = "node-gyp/bin/node-gyp.js";
        let own = self.npm.join("node_modules").join(INSIDE);
        let beside = self.npm.parent().map(|folder| folder.join(INSIDE));
        match beside.filter(|beside| !own.is_file() && beside.is_file()) {
            Some(beside) => beside,
            None => own,
        }
    }
}

/// Runs npm in the sandbox.
pub struct SandboxedNpm<'a> {
    launcher: &'a Launcher<'a>,
    staging: &'a Staging,
    places: NpmPlaces,
    /// The user's registries and proxies.
    rules: BTreeSet<EgressRule>,
}

impl<'a> SandboxedNpm<'a> {
    /// Finds Node and npm on the user's search path.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn find(
        launcher: &'a Launcher<'a>,
        staging: &'a Staging,
        settings: &NpmSettings,
        search_path: &OsStr,
    ) -> Result<Self, LaunchError> {
        let places = NpmPlaces::find(search_path)?;
        let rules: Result<BTreeSet<EgressRule>, _> = settings
            .endpoints()
            .iter()
            .map(|(host, port)| EgressRule::of_endpoint(host, *port))
            .collect();
        let rules = rules.map_err(|error| {
            missing(
                "npm",
                &format!("a registry or proxy of its settings can't be reached: {error}"),
            )
        })?;
        Ok(Self {
            launcher,
            staging,
            places,
            rules,
        })
    }

    async fn run_in_box(
        &self,
        arguments: &[String],
        files: &[(&str, Vec<u8>)],
    ) -> Result<NpmOutput, LaunchError> {
        // A new one each time: a runtime and other platforms are asked for in the same staging.
        let state = (1..)
            .map(|number| self.staging.folder().join(format!("npm-{number}")))
            .find(|folder| !folder.exists());
        let state = StateFolder::create(state.unwrap_or_default())?;
        let work = state.home().join("work");
        let lock_path = work.join("package-lock.json");
        lay_out(&work, files).map_err(|source| LaunchError::State {
            path: work.clone(),
            source,
        })?;
        let mut words = vec![
            "node".to_owned(),
            self.places.program.to_string_lossy().into_owned(),
        ];
        words.extend_from_slice(arguments);
        let home = state.home().to_string_lossy().into_owned();
        let temporary = state.temporary().to_string_lossy().into_owned();
        let environment = BTreeMap::from([
            ("HOME".to_owned(), home.clone()),
            ("PATH".to_owned(), PROGRAMS.to_owned()),
            ("TMPDIR".to_owned(), temporary),
            ("npm_config_cache".to_owned(), format!("{home}/cache")),
        ]);
        let resolver = Resolver {
            name: "npm",
            runtime: Runtime::Node,
            rules: &self.rules,
            tree: self.places.npm.clone(),
            state: &state,
            interpreter: self.places.node.clone(),
            programs: vec![self.places.node.clone()],
            program: self.places.node.clone(),
            arguments: words,
            environment,
            working_directory: work.clone(),
        };
        let output = run_resolver(self.launcher, &resolver).await?;
        if output.code != Some(0) && is_about_full_disk(&output.stderr, free(&work)) {
            return Err(LaunchError::FullDisk {
                program: "npm",
                path: self.staging.folder().to_owned(),
            });
        }
        let package_lock = read_bounded(&lock_path).map_err(|source| LaunchError::State {
            path: lock_path,
            source,
        })?;
        Ok(NpmOutput {
            success: output.code == Some(0),
            stdout: output.stdout,
            stderr: output.stderr,
            package_lock,
        })
    }
}

impl NpmRunner for SandboxedNpm<'_> {
    async fn run(
        &self,
        arguments: &[String],
        files: &[(&str, Vec<u8>)],
    ) -> Result<NpmOutput, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.run_in_box(arguments, files).await?)
    }
}

fn missing(program: &str, reason: &dyn std::fmt::Display) -> LaunchError {
    LaunchError::Program {
        program: program.to_owned(),
        reason: reason.to_string(),
    }
}

pub(super) fn lay_out(folder: &Path, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)?;
    for (name, content) in files {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join(name))?
            .write_all(content)?;
    }
    Ok(())
}

/// npm could have put anything there, a link too.
pub(super) fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK).bits())
        .open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(MAX_PACKAGE_LOCK).read_to_end(&mut content)?;
    Ok(Some(content))
}
