//! Python packages: one name and its version specifiers in, the exact wheels of the whole closure
//! out.
//!
//! uv chooses the versions, in the sandbox, from wheels alone, so that no code of a package runs.
//! Its answer is then held against the index's own pages: digest, platform, age and withdrawal of
//! every wheel. Downloading and unpacking belong to `fetch` and `store`.

mod choose;
mod error;
mod html;
mod index;
pub mod launcher;
mod pip_conf;
mod pylock;
mod settings;
mod simple;
mod tags;
mod version;
pub mod vouching;
mod wheel_name;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, SystemTime};

use crate::config::normalized_pypi_name;
use crate::fetch::{Client, Url, for_each_concurrent};

pub use error::PypiError;
pub use index::Index;
pub use settings::PypiSettings;
pub use tags::{FACTS_PROGRAM, PythonFacts, Tags};
pub use version::Version;
pub use wheel_name::WheelName;

use choose::{AgeRule, Choice};

/// Pages of the index at once; fewer than files.
const PAGES_AT_ONCE: usize = 8;
/// Name of the file with the certificates in the folder where uv runs.
pub const CERTIFICATES_FILE: &str = "certificates.pem";
/// What uv writes.
pub const ANSWER_FILE: &str = "pylock.toml";
const REQUIREMENTS_FILE: &str = "requirements.in";
/// As much of uv's messages as is shown.
const MAX_OUTPUT: usize = 2_000;

/// What to resolve.
#[derive(Clone, Debug)]
pub struct PypiRequest {
    /// As written in the source.
    pub name: String,
    pub extras: Vec<String>,
    /// `>=1.2,<2`
    pub specifiers: Option<String>,
    /// The version, when `specifiers` admit one only.
    pub exact: Option<String>,
    /// Versions younger than this are not used, except the package itself when it is asked for
    /// by exact version. Zero switches the rule off.
    pub release_age: Duration,
    pub now: SystemTime,
}

/// The closure of one package for one interpreter.
#[derive(Clone, Debug)]
pub struct PypiResolution {
    /// The version of the requested package.
    pub version: String,
    /// Everything to download, in order of name.
    pub wheels: Vec<ResolvedWheel>,
    /// For the user to read.
    pub warnings: Vec<String>,
}

/// One wheel of the closure.
#[derive(Clone, Debug)]
pub struct ResolvedWheel {
    /// Normalised (PEP 503).
    pub name: String,
    pub version: String,
    /// The file's name.
    pub file: String,
    /// Relative to the index when below it, else absolute. For the lock; [`Index::absolute`] is
    /// the way back.
    pub url: String,
    pub download_url: Url,
    /// As published, 64 hexadecimal digits.
    pub sha256: String,
    /// RFC 3339 in UTC with seconds; `None` when the index doesn't say.
    pub published: Option<String>,
    /// Where its attestations are (PEP 740); `None` where the index offers none.
    pub attestations: Option<OfferedAttestations>,
}

/// Attestations that the index says there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedAttestations {
    /// At the index or the public one; `None` at any other host, which is not asked.
    pub url: Option<Url>,
    /// The address is not of the index itself, so it passes on what it was told.
    pub passed_on: bool,
}

/// What the index says of a file now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedFile {
    /// 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// Withdrawn by its authors, and why.
    pub yanked: Option<String>,
}

/// Runs uv where it can do no harm: an empty home, the given hosts and nothing else.
pub trait UvRunner {
    /// Runs `uv ARGUMENTS --python INTERPRETER` in an empty folder that holds the files and nothing
    /// else, and reads back [`ANSWER_FILE`].
    fn run(
        &self,
        question: &UvQuestion,
    ) -> impl Future<Output = Result<UvOutput, Box<dyn std::error::Error + Send + Sync>>>;
}

/// What uv is asked.
#[derive(Clone, Debug)]
pub struct UvQuestion {
    pub arguments: Vec<String>,
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// Some with credentials.
    pub environment: BTreeMap<String, String>,
    /// Host and port of all that it may reach.
    pub endpoints: Vec<(String, u16)>,
}

/// What a run of uv left behind.
#[derive(Clone, Debug, Default)]
pub struct UvOutput {
    /// Whether it exited with 0.
    pub success: bool,
    pub stderr: Vec<u8>,
    pub answer: Option<Vec<u8>>,
}

/// Resolves the whole closure, or says why not. Nothing is downloaded but pages.
pub async fn resolve<R: UvRunner>(
    request: &PypiRequest,
    settings: &PypiSettings,
    python: &PythonFacts,
    client: &Client,
    runner: &R,
) -> Result<PypiResolution, PypiError> {
    let name = normalized_pypi_name(&request.name);
    let page = simple::fetch(client, &settings.index, &name).await?;
    let rule = AgeRule::new(request);
    first_look(&page, &name, &rule, settings)?;
    let question = question(request, &rule, settings, &page)?;
    let output = runner.run(&question).await;
    let output = output.map_err(|source| PypiError::RunUv { source })?;
    let Some(answer) = output.answer.filter(|_| output.success) else {
        let (requirement, said) = (requirement(request), readable(&output.stderr, settings));
        return Err(match is_about_network(&said) {
            true => PypiError::Unreachable {
                requirement,
                output: said,
            },
            false => PypiError::Unresolved {
                requirement,
                hint: rule.hint(),
                output: said,
            },
        });
    };
    let packages = pylock::parse(&answer)?;
    let root = packages
        .iter()
        .find(|package| package.name == name)
        .ok_or_else(|| PypiError::Pylock {
            reason: format!("it does not hold {name}"),
        })?;
    let version = asked_version(request, &root.version)?;

    let choice = Choice::new(python, &settings.index, &rule)?;
    let mut chosen = Vec::with_capacity(packages.len());
    let (page, choice_of) = (&page, &choice);
    for_each_concurrent(
        &packages,
        PAGES_AT_ONCE,
        |package| async move {
            if package.name == page_name(request) {
                return choice_of.wheel(package, page);
            }
            let page = simple::fetch(client, &settings.index, &package.name).await?;
            choice_of.wheel(package, &page)
        },
        |wheel| {
            chosen.push(wheel);
            Ok(())
        },
    )
    .await?;
    let mut wheels = Vec::new();
    let mut warnings = Vec::new();
    for (wheel, warning) in chosen {
        wheels.push(wheel);
        warnings.extend(warning);
    }
    wheels.sort_by(|a: &ResolvedWheel, b| a.name.cmp(&b.name));
    Ok(PypiResolution {
        version,
        wheels,
        warnings,
    })
}

/// A file as the index offers it now; `None` when it no longer does.
///
/// # Errors
/// When the index can't be asked.
pub async fn published_file(
    settings: &PypiSettings,
    client: &Client,
    name: &str,
    file: &str,
) -> Result<Option<PublishedFile>, PypiError> {
    let page = match simple::fetch(client, &settings.index, name).await {
        Err(PypiError::NoSuchPackage { .. }) => return Ok(None),
        page => page?,
    };
    let file = index::percent_decoded(file);
    Ok(page
        .files
        .into_iter()
        .find(|offered| offered.name == file)
        .map(|offered| PublishedFile {
            sha256: offered.sha256,
            yanked: offered.yanked,
        }))
}

fn page_name(request: &PypiRequest) -> String {
    normalized_pypi_name(&request.name)
}

/// What the page alone shows to be hopeless, in words of its own.
fn first_look(
    page: &simple::Project,
    name: &str,
    rule: &AgeRule,
    settings: &PypiSettings,
) -> Result<(), PypiError> {
    choose::judge_status(page, name)?;
    let wheels = || page.files.iter().filter(|file| file.name.ends_with(".whl"));
    if !page.files.is_empty() && wheels().next().is_none() {
        return Err(PypiError::NoWheels {
            name: name.to_owned(),
        });
    }
    if rule.is_active() && !page.files.is_empty() && wheels().all(|file| file.published.is_none()) {
        return Err(PypiError::NoPublishTime {
            name: name.to_owned(),
            index: settings.index.host(),
        });
    }
    Ok(())
}

/// `name[extra]>=1`, as in a requirements file.
fn requirement(request: &PypiRequest) -> String {
    let mut text = request.name.clone();
    if !request.extras.is_empty() {
        text += &format!("[{}]", request.extras.join(","));
    }
    text + request.specifiers.as_deref().unwrap_or_default()
}

fn question(
    request: &PypiRequest,
    rule: &AgeRule,
    settings: &PypiSettings,
    page: &simple::Project,
) -> Result<UvQuestion, PypiError> {
    let mut arguments: Vec<String> = [
        "pip",
        "compile",
        "--quiet",
        "--no-config",
        "--no-progress",
        "--no-header",
        "--generate-hashes",
        "--only-binary=:all:",
        "--no-sources",
        "--no-python-downloads",
        "--keyring-provider=disabled",
        "--color=never",
        "--format=pylock.toml",
    ]
    .map(str::to_owned)
    .into();
    arguments.extend(rule.arguments(&normalized_pypi_name(&request.name)));
    arguments.push(format!("--output-file={ANSWER_FILE}"));
    arguments.push(REQUIREMENTS_FILE.to_owned());
    let requirements = format!("{}\n", requirement(request)).into_bytes();
    let mut files = vec![(REQUIREMENTS_FILE, requirements)];
    files.extend(
        settings
            .certificates_for_sandbox()?
            .map(|pem| (CERTIFICATES_FILE, pem)),
    );
    Ok(UvQuestion {
        arguments,
        files,
        environment: settings.environment_for_sandbox(),
        endpoints: settings.endpoints(page.files.iter().map(|file| &file.url)),
    })
}

fn asked_version(request: &PypiRequest, found: &Version) -> Result<String, PypiError> {
    let asked = request.exact.as_deref().unwrap_or_default();
    // `==1.0` takes `1.0+local` too (PEP 440).
    if asked.is_empty() || version::admits(&format!("=={asked}"), found) == Ok(true) {
        return Ok(found.to_string());
    }
    Err(PypiError::OtherVersion {
        name: request.name.clone(),
        asked: asked.to_owned(),
        found: found.to_string(),
    })
}

/// Whether uv failed for want of an answer, as opposed to one that leaves nothing to choose.
fn is_about_network(said: &str) -> bool {
    let unanswered = [
        "Request failed after",
        "Failed to fetch",
        "error sending request",
    ];
    !said.contains("No solution found") && unanswered.iter().any(|words| said.contains(words))
}

/// The end of uv's messages without control characters and without what may be a password.
fn readable(stderr: &[u8], settings: &PypiSettings) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut text: String = text
        .chars()
        .filter(|letter| !letter.is_control() || *letter == '\n')
        .collect();
    let written = settings.index.with_secrets();
    if written != settings.index.url.as_str() {
        text = text.replace(written.trim_end_matches('/'), settings.index.url.as_str());
        if let Some((secrets, _)) = written
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('@'))
        {
            for secret in std::iter::once(secrets).chain(secrets.split(':').skip(1)) {
                for spelling in [secret.to_owned(), index::percent_decoded(secret)] {
                    if !spelling.is_empty() {
                        text = text.replace(&spelling, "****");
                    }
                }
            }
        }
    }
    let text = text.trim();
    let start = text.len().saturating_sub(MAX_OUTPUT);
    let start = (start..text.len()).find(|at| text.is_char_boundary(*at));
    text[start.unwrap_or(0)..].to_owned()
}

#[cfg(test)]
mod tests;
