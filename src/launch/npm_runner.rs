//! npm, run in the box to resolve a closure: an empty home, the registry's ports, no scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::prepare::{Launcher, PROGRAMS, SpecInput};
use super::tool::run_tool;
use super::{LaunchError, StateFolder};
use crate::config::{EgressRule, EgressTier};
use crate::policy::{EffectivePolicy, Runtime};
use crate::resolve::interpreter::find_program;
use crate::resolve::npm::{NpmOutput, NpmRunner, NpmSettings};
use crate::sandbox::Refusal;
use crate::store::Staging;

/// A resolution over a slow network, retries included.
const PATIENCE: Duration = Duration::from_secs(300);
/// npm's messages; its answer is a file.
const MAX_MESSAGES: usize = 1 << 20;
/// As much of package-lock.json as is read; `resolve` refuses larger ones.
const MAX_PACKAGE_LOCK: u64 = (64 << 20) + 1;

/// Runs npm in the sandbox.
pub struct SandboxedNpm<'a> {
    launcher: &'a Launcher<'a>,
    staging: &'a Staging,
    node: PathBuf,
    /// npm's own folder, which holds its command-line program.
    npm: PathBuf,
    program: PathBuf,
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
            node,
            npm,
            program,
            rules,
        })
    }

    async fn run_in_box(
        &self,
        arguments: &[String],
        files: &[(&str, Vec<u8>)],
    ) -> Result<NpmOutput, LaunchError> {
        let state = StateFolder::create(self.staging.folder().join("npm"))?;
        let work = state.home().join("work");
        let lock_path = work.join("package-lock.json");
        lay_out(&work, files).map_err(|source| LaunchError::State {
            path: work.clone(),
            source,
        })?;
        let mut words = vec![
            "node".to_owned(),
            self.program.to_string_lossy().into_owned(),
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
        let run = async |tier| {
            let policy =
                EffectivePolicy::for_resolver(Runtime::Node, self.rules.clone(), tier, &[])?;
            let launch = self.launcher.launch(SpecInput {
                policy: &policy,
                confinement: &policy.confinement(),
                tree: self.npm.clone(),
                state: &state,
                interpreter: Some(self.node.clone()),
                runtime: None,
                modules: Vec::new(),
                programs: vec![self.node.clone()],
                program: self.node.clone(),
                arguments: words.clone(),
                environment: environment.clone(),
                working_directory: work.clone(),
            })?;
            run_tool(self.launcher, launch, PATIENCE, MAX_MESSAGES).await
        };
        let output = match run(EgressTier::Names).await {
            // Nothing was executed. npm is no server: it runs once, with nothing of the user's.
            Err(LaunchError::Machine(Refusal::NoEgressByName { reason })) => {
                tracing::info!("{reason}, so npm is held to the ports of its registries alone");
                run(EgressTier::Ports).await?
            }
            result => result?,
        };
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
