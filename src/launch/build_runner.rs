//! Install scripts, run in a box of their own: compilers to read, a copy of the tree to write, and no
//! network unless the manifest grants one.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::npm_runner::NpmPlaces;
use super::prepare::{Launcher, PROGRAMS, SpecInput, private};
use super::tool::{ToolOutput, run_tool};
use super::{LaunchError, StateFolder};
use crate::config::EgressRule;
use crate::lockfile::{Artifact, printable};
use crate::policy::{EffectivePolicy, Grant, Origin};
use crate::resolve::npm::scripts::{Script, programs_of};
use crate::sandbox::Access;
use crate::store::{Staging, Workshop};

/// Of each stream of a script; what comes later is dropped.
const MAX_MESSAGES: usize = 4 << 20;
/// What of it is shown when it fails.
const SHOWN_LINES: usize = 12;
const SHOWN_LETTERS: usize = 300;
/// As npm dates everything that it packs; compilers write it where they would write the time.
const SOURCE_DATE: &str = "499162500";
const SHELL: &str = "/bin/sh";

/// Runs the install scripts of one tree.
pub struct SandboxedBuild<'a> {
    launcher: &'a Launcher<'a>,
    state: StateFolder,
    tree: PathBuf,
    /// One folder for each package, with what its scripts find on their search path.
    programs: PathBuf,
    places: NpmPlaces,
    policy: EffectivePolicy,
    patience: Duration,
}

impl<'a> SandboxedBuild<'a> {
    /// Finds Node and npm on the user's search path, and makes the place to work in.
    ///
    /// # Errors
    /// When one of them is missing, or the disk fails.
    pub fn new(
        launcher: &'a Launcher<'a>,
        staging: &Staging,
        search_path: &OsStr,
        rules: BTreeSet<EgressRule>,
        patience: Duration,
    ) -> Result<Self, LaunchError> {
        let state = StateFolder::create(staging.folder().join("build"))?;
        let mut policy = EffectivePolicy::for_build(rules)?;
        policy.layers = launcher.helpers;
        // Beside the folders that scripts may write: what is in those they could replace.
        let programs = staging.folder().join("build/bin");
        create(&programs)?;
        policy.grants.push(Grant {
            path: programs.to_string_lossy().into_owned(),
            access: Access::Execute,
            why: "what node_modules/.bin holds, and npm's own programs".to_owned(),
            origin: Origin::Profile("build".to_owned()),
            resolved: None,
        });
        Ok(Self {
            launcher,
            tree: staging.folder().join("build/tree"),
            programs,
            state,
            places: NpmPlaces::find(search_path)?,
            policy,
            patience,
        })
    }

    /// Where the tree is to be unpacked.
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Runs scripts one after the other to their ends; `before` hears of each.
    ///
    /// # Errors
    /// When one fails, takes too long or too much; with its last words.
    pub async fn run(
        &self,
        workshop: &Workshop,
        artifacts: &[Artifact],
        scripts: &[Script],
        before: impl Fn(&Script),
    ) -> Result<(), LaunchError> {
        // All of it before anything runs: a script can leave anything in place of a file.
        let mut programs: BTreeMap<&str, PathBuf> = BTreeMap::new();
        for script in scripts {
            if !programs.contains_key(script.path.as_str()) {
                let place = self.programs.join(programs.len().to_string());
                self.make_programs(&place, workshop, artifacts, &script.path)?;
                programs.insert(&script.path, place);
            }
        }
        for script in scripts {
            before(script);
            let programs = &programs[script.path.as_str()];
            self.run_one(workshop, script, programs).await?;
        }
        Ok(())
    }

    async fn run_one(
        &self,
        workshop: &Workshop,
        script: &Script,
        programs: &Path,
    ) -> Result<(), LaunchError> {
        let launch = self.launcher.launch(SpecInput {
            policy: &self.policy,
            confinement: &self.policy.confinement(),
            tree: workshop.folder().to_owned(),
            state: &self.state,
            interpreter: Some(self.places.node.clone()),
            runtime: None,
            modules: Vec::new(),
            programs: vec![PathBuf::from(SHELL), self.places.node.clone()],
            program: PathBuf::from(SHELL),
            arguments: vec!["sh".to_owned(), "-c".to_owned(), script.command.clone()],
            environment: private(self.environment(workshop, script, programs)),
            working_directory: workshop.folder().join(&script.path),
        })?;
        let output = run_tool(self.launcher, launch, self.patience, MAX_MESSAGES).await?;
        self.judge(script, &output)
    }

    fn judge(&self, script: &Script, output: &ToolOutput) -> Result<(), LaunchError> {
        let reason = match (output.code, &output.exceeded) {
            (_, Some(exceeded)) => format!("was ended: {exceeded}"),
            (None, None) => format!(
                "did not end within {}; `build_timeout` in the manifest gives it more",
                humantime::format_duration(self.patience)
            ),
            (Some(0), None) => return Ok(()),
            (Some(code), None) => format!("failed with exit code {code}"),
        };
        let headers = match self.headers() {
            None => {
                "; Node's headers are not on this machine, so nothing that needs them can be compiled: install them with Node (include/node beside its bin), or grant `build_egress = [\"nodejs.org:443\"]`"
            }
            Some(_) => "",
        };
        Err(LaunchError::Build {
            package: printable(&script.package, 200),
            event: script.event,
            reason: format!("{reason}{headers}"),
            last_words: last_words(output),
        })
    }

    /// Node's headers, where it was installed with them: else node-gyp downloads some.
    fn headers(&self) -> Option<&Path> {
        let prefix = self.places.node.parent()?.parent()?;
        prefix
            .join("include/node/node.h")
            .is_file()
            .then_some(prefix)
    }

    /// What npm sets for scripts, as far as it is about this machine and this package.
    fn environment(
        &self,
        workshop: &Workshop,
        script: &Script,
        programs: &Path,
    ) -> BTreeMap<String, String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let tree = text(workshop.folder());
        let home = text(&self.state.home());
        // Names of folders that are different every time must not get into what is compiled.
        let flags = format!("-ffile-prefix-map={tree}=.");
        let mut variables = script.variables.clone();
        variables.extend(
            [
                ("CFLAGS", flags.clone()),
                ("CXXFLAGS", flags),
                ("HOME", home.clone()),
                ("INIT_CWD", tree.clone()),
                ("LANG", "C.UTF-8".to_owned()),
                ("NODE", text(&self.places.node)),
                ("PATH", format!("{}:{PROGRAMS}", text(programs))),
                ("SOURCE_DATE_EPOCH", SOURCE_DATE.to_owned()),
                ("TMPDIR", text(&self.state.temporary())),
                ("npm_command", "install".to_owned()),
                ("npm_config_cache", format!("{home}/cache")),
                ("npm_config_local_prefix", tree),
                ("npm_config_node_gyp", text(&self.places.node_gyp())),
                ("npm_config_update_notifier", "false".to_owned()),
                ("npm_config_user_agent", self.user_agent()),
                ("npm_execpath", text(&self.places.program)),
                ("npm_lifecycle_event", script.event.to_owned()),
                ("npm_lifecycle_script", script.command.clone()),
                ("npm_node_execpath", text(&self.places.node)),
                (
                    "npm_package_json",
                    text(&workshop.folder().join(&script.path).join("package.json")),
                ),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        if let Some(prefix) = self.headers() {
            variables.insert("npm_config_nodedir".to_owned(), text(prefix));
        }
        variables
    }

    /// Scripts recognise npm by it.
    fn user_agent(&self) -> String {
        format!(
            "npm/11.0.0 {} {}",
            std::env::consts::OS,
            std::env::consts::ARCH
        )
    }

    /// A folder with what `node_modules/.bin` holds for a package, and npm's own programs. Each is a
    /// small script: the files themselves need not be executable, and stay as they are.
    fn make_programs(
        &self,
        place: &Path,
        workshop: &Workshop,
        artifacts: &[Artifact],
        package: &str,
    ) -> Result<(), LaunchError> {
        create(place)?;
        let failed = |source| LaunchError::State {
            path: place.to_owned(),
            source,
        };
        symlink(&self.places.node, place.join("node")).map_err(failed)?;
        let mut programs = programs_of(workshop.folder(), package, artifacts)?;
        // A package whose own scripts nobody named can't put its program in the place of `sh`.
        programs.retain(|name, _| !is_of_the_machine(name));
        programs.remove("node");
        programs.extend([
            ("node-gyp".to_owned(), self.places.node_gyp()),
            ("npm".to_owned(), self.places.program.clone()),
            (
                "npx".to_owned(),
                self.places.program.with_file_name("npx-cli.js"),
            ),
        ]);
        for (name, file) in programs {
            wrap(&place.join(name), &file).map_err(failed)?;
        }
        Ok(())
    }
}

fn is_of_the_machine(name: &str) -> bool {
    std::env::split_paths(PROGRAMS).any(|folder| folder.join(name).exists())
}

fn create(folder: &Path) -> Result<(), LaunchError> {
    DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .map_err(|source| LaunchError::State {
            path: folder.to_owned(),
            source,
        })
}

/// Makes a script at `place` that runs `file` as its first line says.
fn wrap(place: &Path, file: &Path) -> io::Result<()> {
    let mut first = String::new();
    let opened = fs::File::open(file)?;
    // What isn't text is a program.
    let _ = io::BufReader::new(opened.take(256)).read_line(&mut first);
    let by_node = first.starts_with("#!") && first.contains("node");
    let quoted = format!("'{}'", file.to_string_lossy().replace('\'', "'\\''"));
    let text = match by_node {
        true => format!("#!/bin/sh\nexec node {quoted} \"$@\"\n"),
        false => format!("#!/bin/sh\nexec {quoted} \"$@\"\n"),
    };
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(place)?
        .write_all(text.as_bytes())
}

/// The end of what it said, on lines of their own, safe to print.
fn last_words(output: &ToolOutput) -> String {
    let tail = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(SHOWN_LINES))
            .map(|line| format!("\n  {}", printable(line, SHOWN_LETTERS)))
            .collect()
    };
    let lines = [tail(&output.stdout), tail(&output.stderr)].concat();
    match lines.is_empty() {
        true => "it said nothing".to_owned(),
        false => format!("its last words:{}", lines.concat()),
    }
}
