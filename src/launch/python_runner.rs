//! Python, run in the box at lock time: what it is, and modules compiled by it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::npm_runner::lay_out;
use super::prepare::{Launcher, PROGRAMS, SpecInput, private};
use super::tool::{ToolOutput, run_tool};
use super::{LaunchError, StateFolder};
use crate::policy::{EffectivePolicy, Runtime};
use crate::resolve::pypi::{FACTS_PROGRAM, PythonFacts};
use crate::store::{Staging, TreeBuilder};

/// Thousands of modules on a slow machine.
const COMPILE_TIME: Duration = Duration::from_secs(600);
const FACTS_TIME: Duration = Duration::from_secs(30);
const MAX_MESSAGES: usize = 64 << 10;
const MAX_SHOWN: usize = 300;

/// Compiles the files that are listed in a file, relative to a tree, to `OUT/PATHc`.
///
/// The bytes depend on the sources, their order and the interpreter alone: the names in them are
/// relative (the loader puts the real ones in), hashing is not random, nothing is collected in
/// between, and one process does it all. Up to 3.10 the order of a set with None in it followed
/// addresses; modules with such a constant are left out there.
const COMPILE_PROGRAM: &str = r#"
import sys
sys.path[:] = [path for path in sys.path if path]
import gc, importlib.util, marshal, os
gc.disable()
tree, out, prefix = sys.argv[1], sys.argv[2], sys.argv[3]
paths = open(sys.argv[4], encoding="utf-8").read().split("\0")
os.chdir(tree)
code_type = type(compile("", "", "exec"))
plain = (str, bytes, int, float, complex)

def stable(value):
    if isinstance(value, code_type):
        return all(stable(constant) for constant in value.co_consts)
    if isinstance(value, tuple):
        return all(stable(item) for item in value)
    if isinstance(value, frozenset):
        return sys.version_info >= (3, 11) or all(isinstance(item, plain) for item in value)
    return True

for path in paths:
    with open(path, "rb") as file:
        source = file.read()
    try:
        code = compile(source, path[len(prefix):], "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, UnicodeError):
        continue
    if not stable(code):
        continue
    data = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
    data += importlib.util.source_hash(source) + marshal.dumps(code)
    place = os.path.join(out, path + "c")
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "xb") as file:
        file.write(data)
"#;

/// A Python of this machine, in the box, without network.
pub struct SandboxedPython<'a> {
    launcher: &'a Launcher<'a>,
    staging: &'a Staging,
    python: PathBuf,
}

impl<'a> SandboxedPython<'a> {
    pub fn new(launcher: &'a Launcher<'a>, staging: &'a Staging, python: PathBuf) -> Self {
        Self {
            launcher,
            staging,
            python,
        }
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// When it is no CPython of this kind of machine, or says nothing.
    pub async fn facts(&self) -> Result<PythonFacts, LaunchError> {
        let state = StateFolder::create(self.staging.folder().join("python"))?;
        let words = ["-I", "-S", "-B", "-c", FACTS_PROGRAM].map(str::to_owned);
        let output = self
            .run(&state, state.home(), state.home(), &words, FACTS_TIME)
            .await?;
        let refuse = |reason: String| LaunchError::Program {
            program: self.python.display().to_string(),
            reason,
        };
        let facts: PythonFacts = serde_json::from_slice(&output.stdout)
            .map_err(|error| refuse(format!("{error}; {}", shown(&output.stderr))))?;
        if facts.implementation != "cpython" || facts.major != 3 {
            return Err(refuse(
                "pinfold installs packages for CPython 3 alone".to_owned(),
            ));
        }
        if facts.machine != std::env::consts::ARCH {
            return Err(refuse(format!("it was built for {}", facts.machine)));
        }
        Ok(facts)
    }

    /// Compiles the modules of a tree in the making and takes the result in. Returns how many.
    ///
    /// # Errors
    /// When the box or the disk fails. A module that can't be compiled is left out: it is read as
    /// source, as it would be anyway.
    pub async fn compile(
        &self,
        tree: &mut TreeBuilder,
        facts: &PythonFacts,
    ) -> Result<usize, LaunchError> {
        let sources = tree.python_sources();
        if sources.is_empty() || facts.cache_tag.is_empty() {
            return Ok(0);
        }
        let state = StateFolder::create(self.staging.folder().join("compile"))?;
        let work = state.home().join("work");
        let failed = |source| LaunchError::State {
            path: state.home(),
            source,
        };
        let listing = sources.join("\0").into_bytes();
        lay_out(&work, &[("sources", listing)]).map_err(failed)?;
        let compiled = state.home().join("compiled");
        fs::create_dir(&compiled).map_err(failed)?;
        let folder = tree.folder().to_owned();
        let words = [
            // Not -I: that would make hashing random again.
            "-s".to_owned(),
            "-S".to_owned(),
            "-B".to_owned(),
            "-W".to_owned(),
            "ignore".to_owned(),
            "-c".to_owned(),
            COMPILE_PROGRAM.to_owned(),
            folder.to_string_lossy().into_owned(),
            compiled.to_string_lossy().into_owned(),
            format!("{}/", crate::store::SITE_PACKAGES),
            work.join("sources").to_string_lossy().into_owned(),
        ];
        let output = self.run(&state, folder, work, &words, COMPILE_TIME).await?;
        if output.code != Some(0) {
            return Err(LaunchError::Program {
                program: self.python.display().to_string(),
                reason: format!("it could not compile modules: {}", shown(&output.stderr)),
            });
        }
        Ok(tree.take_bytecode(&compiled, &facts.cache_tag)?)
    }

    async fn run(
        &self,
        state: &StateFolder,
        tree: PathBuf,
        working_directory: PathBuf,
        words: &[String],
        patience: Duration,
    ) -> Result<ToolOutput, LaunchError> {
        let mut policy = EffectivePolicy::ungranted(Runtime::Python)?;
        policy.layers = self.launcher.helpers;
        let mut arguments = vec!["python3".to_owned()];
        arguments.extend_from_slice(words);
        let home = state.home().to_string_lossy().into_owned();
        let temporary = state.temporary().to_string_lossy().into_owned();
        let launch = self.launcher.launch(SpecInput {
            policy: &policy,
            confinement: &policy.confinement(),
            tree,
            state,
            interpreter: Some(self.python.clone()),
            runtime: None,
            modules: Vec::new(),
            programs: vec![self.python.clone()],
            program: self.python.clone(),
            arguments,
            environment: private(BTreeMap::from([
                ("HOME".to_owned(), home),
                ("TMPDIR".to_owned(), temporary),
                ("PATH".to_owned(), PROGRAMS.to_owned()),
                ("LANG".to_owned(), "C.UTF-8".to_owned()),
                ("PYTHONHASHSEED".to_owned(), "0".to_owned()),
            ])),
            working_directory,
        })?;
        run_tool(self.launcher, launch, patience, MAX_MESSAGES).await
    }
}

/// The end of a program's messages, for an error.
fn shown(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or("it said nothing")
        .chars()
        .filter(|letter| !letter.is_control())
        .take(MAX_SHOWN)
        .collect()
}
