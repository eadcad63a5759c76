//! Programs of this machine that a server runs on, and what they say of their version.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::prepare::{Launcher, PROGRAMS, SpecInput, private};
use super::start::Launch;
use super::tool::{ToolOutput, run_tool};
use super::{LaunchError, StateFolder};
use crate::lockfile::{Interpreter, RuntimePackage};
use crate::policy::{EffectivePolicy, Places, Runtime, decide_environment};
use crate::resolve::interpreter::{Program, find_program, kind as program_kind, shebang};
use crate::sandbox::{Plan, StepFailure};
use crate::store::{FileDigests, Staging};

/// A program that doesn't tell its version in this time has none.
const VERSION_TIME: Duration = Duration::from_secs(10);
const MAX_VERSION_BYTES: usize = 4 << 10;

/// Some hundred attacks, none of which takes long, on a machine that may be busy.
const ATTACK_TIME: Duration = Duration::from_secs(120);
const MAX_ATTACK_BYTES: usize = 256 << 10;

/// Finds an interpreter by name or path, and records what it is.
///
/// It is run once, in the box, without network, to ask for its version.
///
/// # Errors
/// When there is none, or it can't be read.
pub async fn find_interpreter(
    launcher: &Launcher<'_>,
    staging: &Staging,
    wanted: &str,
    search_path: &OsStr,
) -> Result<Interpreter, LaunchError> {
    let path = find_program(wanted, search_path).map_err(|error| LaunchError::Program {
        program: wanted.to_owned(),
        reason: error.to_string(),
    })?;
    let kind = program_kind(&path);
    let sha256 = launcher.file_digests().digest_of(&path)?;
    let version = interpreter_version(launcher, staging, &path, &kind, None).await?;
    Ok(Interpreter {
        kind,
        path: path.to_string_lossy().into_owned(),
        version,
        sha256,
        package: None,
    })
}

/// Records the interpreter at `path` of the tree of `package`. It is run once, as above.
///
/// # Errors
/// When it can't be read, or is no program.
pub async fn packaged_interpreter(
    launcher: &Launcher<'_>,
    staging: &Staging,
    path: String,
    package: RuntimePackage,
) -> Result<Interpreter, LaunchError> {
    let tree = launcher.store.tree(&package.tree);
    let mut interpreter = foreign_interpreter(launcher, path, package)?;
    let file = tree.join(&interpreter.path);
    interpreter.version =
        interpreter_version(launcher, staging, &file, &interpreter.kind, Some(tree)).await?;
    Ok(interpreter)
}

/// The same for another platform, where it can't be asked: its version is that of the package.
///
/// # Errors
/// As above.
pub fn foreign_interpreter(
    launcher: &Launcher<'_>,
    path: String,
    package: RuntimePackage,
) -> Result<Interpreter, LaunchError> {
    let file = launcher.store.tree(&package.tree).join(&path);
    let unusable = |reason: String| LaunchError::Program {
        program: package.source.clone(),
        reason,
    };
    match shebang(&file) {
        Ok(Program::Native) => {}
        Ok(Program::Script { .. }) => {
            return Err(unusable(format!(
                "`{path}` in it is a script, not an interpreter"
            )));
        }
        Err(error) => return Err(unusable(error.to_string())),
    }
    Ok(Interpreter {
        kind: program_kind(&file),
        sha256: FileDigests::hashed_now(&file)?,
        path,
        version: Some(package.version.clone()),
        package: Some(package),
    })
}

/// What `PROGRAM --version` prints first, without a leading `v` or name.
///
/// # Errors
/// When the box can't be built; a program that says nothing is fine.
async fn interpreter_version(
    launcher: &Launcher<'_>,
    staging: &Staging,
    path: &Path,
    kind: &str,
    tree: Option<PathBuf>,
) -> Result<Option<String>, LaunchError> {
    let runtime = Runtime::of_interpreter(Some(kind));
    if runtime == Runtime::Native {
        return Ok(None);
    }
    let state = StateFolder::create(staging.folder().join("version"))?;
    let mut policy = EffectivePolicy::ungranted(runtime)?;
    policy.layers = launcher.helpers;
    let launch = launcher.launch(SpecInput {
        policy: &policy,
        confinement: &policy.confinement(),
        tree: state.home(),
        state: &state,
        interpreter: Some(path.to_owned()),
        runtime: tree,
        modules: Vec::new(),
        programs: vec![path.to_owned()],
        program: path.to_owned(),
        arguments: vec![kind.to_owned(), "--version".to_owned()],
        environment: BTreeMap::from([("HOME".to_owned(), "/nonexistent".into())]),
        working_directory: state.home(),
    })?;
    let output = run_tool(launcher, launch, VERSION_TIME, MAX_VERSION_BYTES).await?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .find(|word| {
            word.trim_start_matches('v')
                .starts_with(|c: char| c.is_ascii_digit())
        })
        .map(|word| word.trim_start_matches('v').to_owned()))
}

/// The programs that the manifest's `exec` names, each resolved.
///
/// # Errors
/// When one is not on the search path.
pub(super) fn find_executables(
    names: &[String],
    search_path: &OsStr,
) -> Result<Vec<PathBuf>, LaunchError> {
    names
        .iter()
        .map(|name| {
            find_program(name, search_path).map_err(|error| LaunchError::Program {
                program: name.clone(),
                reason: error.to_string(),
            })
        })
        .collect()
}

/// Builds a box and runs the smallest real program in it, this one, which must then be able to
/// start and must see itself confined. Returns what is in force around it.
///
/// # Errors
/// The step that failed.
pub async fn try_box(
    launcher: &Launcher<'_>,
    staging: &Staging,
    policy: &EffectivePolicy,
) -> Result<Plan, LaunchError> {
    let state = StateFolder::create(staging.folder().join("box"))?;
    let launch = self_in_box(
        launcher,
        policy,
        &state,
        vec!["--version".to_owned()],
        BTreeMap::new(),
    )?;
    let output = run_tool(launcher, launch, VERSION_TIME, MAX_VERSION_BYTES).await?;
    if output.code == Some(0) && output.stdout.starts_with(b"pinfold ") {
        Ok(output.plan)
    } else {
        let message = format!(
            "a program did not run in the box (code {:?}): {}",
            output.code,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Err(LaunchError::Sandbox(StepFailure {
            step: "execute".to_owned(),
            message,
        }))
    }
}

/// Runs this very program in the box, with the environment that a server gets, and keeps what it
/// prints: for `doctor --attack`.
///
/// # Errors
/// When the box can't be built.
pub async fn attack_box(
    launcher: &Launcher<'_>,
    state: &StateFolder,
    policy: &EffectivePolicy,
    arguments: Vec<String>,
) -> Result<ToolOutput, LaunchError> {
    let places = Places {
        home: state.home(),
        temporary: state.temporary(),
        programs: PROGRAMS.to_owned(),
    };
    let decision = decide_environment(launcher.environment, &policy.environment, &places);
    let launch = self_in_box(launcher, policy, state, arguments, decision.variables)?;
    run_tool(launcher, launch, ATTACK_TIME, MAX_ATTACK_BYTES).await
}

/// A launch of this very program as if it were a server.
fn self_in_box(
    launcher: &Launcher<'_>,
    policy: &EffectivePolicy,
    state: &StateFolder,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
) -> Result<Launch, LaunchError> {
    let program = std::env::current_exe()?;
    launcher.launch(SpecInput {
        policy,
        confinement: &policy.confinement(),
        tree: state.home(),
        state,
        interpreter: None,
        runtime: None,
        modules: Vec::new(),
        programs: vec![program.clone()],
        program,
        arguments: [vec!["pinfold".to_owned()], arguments].concat(),
        environment: private(environment),
        working_directory: state.home(),
    })
}
