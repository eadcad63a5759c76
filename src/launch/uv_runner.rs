//! uv, run in the box to resolve a closure: an empty home, the hosts of the index, no settings but
//! ours.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

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

/// Bytes with which uv can't even keep what an index says of one package.
const LITTLE: u64 = 64 << 10;

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

/// Bytes that the user may still write there; `None` where nobody says.
fn free(folder: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(folder).ok()?;
    Some(found.blocks_available() * found.fragment_size())
}

/// Whether uv failed for want of space: it says so (`ENOSPC`, `EDQUOT`), or there is less than it
/// needs for anything at all.
fn is_about_full_disk(stderr: &[u8], free: Option<u64>) -> bool {
    let said = ["No space left on device", "Disk quota exceeded"];
    let text = String::from_utf8_lossy(stderr);
    said.iter().any(|words| text.contains(words)) || free.is_some_and(|bytes| bytes < LITTLE)
}

impl UvRunner for SandboxedUv<'_> {
    async fn run(
        &self,
        question: &UvQuestion,
    ) -> Result<UvOutput, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.run_in_box(question).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_set_of_packages_that_does_not_exist() {
        let full = b"error: Failed to write to the cache\n  Caused by: No space left on device (os error 28)\n";
        let quota = b"  Caused by: Disk quota exceeded (os error 122)";
        let refusal = b"  x No solution found when resolving dependencies";
        let plenty = Some(1 << 30);
        assert!(is_about_full_disk(full, plenty));
        assert!(is_about_full_disk(quota, plenty));
        assert!(is_about_full_disk(b"", Some(4096)));
        // The controls.
        assert!(!is_about_full_disk(refusal, plenty));
        assert!(!is_about_full_disk(refusal, None));
        assert!(free(Path::new("/")).is_some());
        assert_eq!(free(Path::new("/no/such/folder")), None);
    }
}
