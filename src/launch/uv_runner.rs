//! uv, run in the box to resolve a closure: an empty home, the hosts of the index, no settings but
//! ours.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;

use super::full_disk::{free, is_about_full_disk};
use super::npm_runner::{lay_out, read_bounded};
use super::prepare::{Launcher, PROGRAMS};
use super::tool::{Resolver, run_resolver};
use super::{LaunchError, StateFolder};
use crate::config::EgressRule;
use crate::policy::Runtime;
use crate::resolve::ResolveError;
use crate::resolve::interpreter::find_program;
use crate::resolve::pypi::{ANSWER_FILE, CERTIFICATES_FILE, UvOutput, UvQuestion, UvRunner};
use crate::store::Staging;

/// Why uv was not found, what it is for and how to get it.
pub fn without_uv(error: &ResolveError) -> String {
    let found = match error {
        ResolveError::OnlyScripts { .. } => error.to_string(),
        _ => "it is not on PATH".to_owned(),
    };
    format!(
        "{found}. It chooses the versions of Python packages, once, when a server is locked; \
         `pipx install uv` gets it (on Debian and Ubuntu after `apt install pipx`; no other Python \
         packages are needed), and `~/.local/bin` must be on PATH"
    )
}

/// Runs uv in the sandbox.
pub struct SandboxedUv<'a> {
    launcher: &'a Launcher<'a>,
    staging: &'a Staging,
    uv: PathBuf,
    /// What the packages are for; uv asks it.
    python: PathBuf,
}

impl<'a> SandboxedUv<'a> {
    /// Finds uv on the user's search path.
    ///
    /// # Errors
    /// When it is missing.
    pub fn find(
        launcher: &'a Launcher<'a>,
        staging: &'a Staging,
        python: PathBuf,
        search_path: &OsStr,
    ) -> Result<Self, LaunchError> {
        let uv = find_program("uv", search_path).map_err(|error| LaunchError::Program {
            program: "uv".to_owned(),
            reason: without_uv(&error),
        })?;
        Ok(Self {
            launcher,
            staging,
            uv,
            python,
        })
    }

    async fn run_in_box(&self, question: &UvQuestion) -> Result<UvOutput, LaunchError> {
        let rules: BTreeSet<EgressRule> = question
            .endpoints
            .iter()
            .map(|(host, port)| EgressRule::of_endpoint(host, *port))
            .collect::<Result<_, _>>()
            .map_err(|error| LaunchError::Program {
                program: "uv".to_owned(),
                reason: format!("an index or proxy of its settings can't be reached: {error}"),
            })?;
        let state = StateFolder::create(self.staging.folder().join("uv"))?;
        let work = state.home().join("work");
        lay_out(&work, &question.files).map_err(|source| LaunchError::State {
            path: work.clone(),
            source,
        })?;
        let mut words = vec!["uv".to_owned()];
        words.extend_from_slice(&question.arguments);
        words.push(format!("--python={}", self.python.display()));
        let home = state.home().to_string_lossy().into_owned();
        let mut environment = BTreeMap::from([
            ("HOME".to_owned(), home.clone()),
            ("PATH".to_owned(), PROGRAMS.to_owned()),
            (
                "TMPDIR".to_owned(),
                state.temporary().to_string_lossy().into_owned(),
            ),
            ("UV_CACHE_DIR".to_owned(), format!("{home}/cache")),
            ("UV_HTTP_RETRIES".to_owned(), "2".to_owned()),
            // A thread each; the box has a limit on them.
            ("UV_CONCURRENT_DOWNLOADS".to_owned(), "16".to_owned()),
        ]);
        if question
            .files
            .iter()
            .any(|(name, _)| *name == CERTIFICATES_FILE)
        {
            let path = work.join(CERTIFICATES_FILE);
            environment.insert(
                "SSL_CERT_FILE".to_owned(),
                path.to_string_lossy().into_owned(),
            );
        }
        environment.extend(question.environment.clone());
        let resolver = Resolver {
            name: "uv",
            runtime: Runtime::Python,
            rules: &rules,
            tree: state.home(),
            state: &state,
            interpreter: self.python.clone(),
            programs: vec![self.uv.clone(), self.python.clone()],
            program: self.uv.clone(),
            arguments: words,
            environment,
            working_directory: work.clone(),
        };
        let output = run_resolver(self.launcher, &resolver).await?;
        if output.code != Some(0) && is_about_full_disk(&output.stderr, free(&work)) {
            return Err(LaunchError::FullDisk {
                program: "uv",
                path: self.staging.folder().to_owned(),
            });
        }
        let path = work.join(ANSWER_FILE);
        let answer = read_bounded(&path).map_err(|source| LaunchError::State { path, source })?;
        Ok(UvOutput {
            success: output.code == Some(0),
            stderr: output.stderr,
            answer,
        })
    }
}

impl UvRunner for SandboxedUv<'_> {
    async fn run(
        &self,
        question: &UvQuestion,
    ) -> Result<UvOutput, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.run_in_box(question).await?)
    }
}
