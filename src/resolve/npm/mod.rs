//! npm packages: one name and range in, the exact artifacts of the whole closure out.
//!
//! npm itself chooses the versions, in the sandbox and without running any script. Its answer
//! is then held against the registry's own documents: digest, source and age of every package.
//! Downloading and unpacking belong to `fetch` and `store`.

mod credentials;
pub mod entry;
mod failure;
pub mod integrity;
pub mod name;
mod now;
mod npmrc;
pub mod package_lock;
pub mod packument;
pub mod platform;
mod question;
pub mod registry;
pub mod scripts;
pub mod settings;
mod verify;
pub mod vouching;
mod waiting;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::{Duration, SystemTime};

use crate::fetch::{Client, Url, for_each_concurrent};
use crate::provenance::RegistrySignature;
use crate::resolve::ResolveError;

pub use name::Wanted;
pub use now::{PublishedNow, published_now};
pub use platform::Platform;
pub use registry::Registry;
pub use settings::NpmSettings;
pub use waiting::{Waiting, waiting};

/// Longest address, digest or path that is accepted from npm or a registry.
const MAX_TEXT: usize = 4096;
/// Documents about packages are large; fewer at once than tarballs.
const DOCUMENTS_AT_ONCE: usize = 8;

/// What to resolve.
#[derive(Clone, Debug)]
pub struct NpmRequest {
    /// `zod` or `@scope/name`
    pub name: String,
    /// A version, a range or a tag; `None` is the tag `latest`.
    pub range: Option<String>,
    /// Versions younger than this are not used, except the package itself when it is asked for
    /// by exact version. Zero switches the rule off.
    pub release_age: Duration,
    pub now: SystemTime,
    /// What the packages are for.
    pub platform: Platform,
}

/// The closure of one package on one platform.
#[derive(Clone, Debug)]
pub struct NpmResolution {
    /// The version of the requested package.
    pub version: String,
    /// Everything to download, in order of path.
    pub packages: Vec<ResolvedPackage>,
    /// Where the requested package is in the tree: `node_modules/NAME`.
    pub root_path: String,
}

/// One tarball of the closure.
#[derive(Clone, Debug)]
pub struct ResolvedPackage {
    /// As the registry knows it; for an alias not the name in the path.
    pub name: String,
    pub version: String,
    /// `node_modules/…`
    pub path: String,
    /// Relative to the package's registry when below it, else absolute. For the lock;
    /// [`Registry::absolute`] is the way back.
    pub url: String,
    pub download_url: Url,
    /// `sha512-BASE64`
    pub integrity: String,
    /// RFC 3339 in UTC with seconds; `None` when the registry doesn't say.
    pub published: Option<String>,
    /// Whether the package asks for a script at install.
    pub install_script: bool,
    /// Who published it; `None` when the registry doesn't say.
    pub publisher: Option<String>,
    pub signatures: Vec<RegistrySignature>,
    /// Attestations that its registry offers.
    pub attestations: Option<OfferedAttestations>,
    /// Why its authors advise against this version.
    pub deprecated: Option<String>,
}

/// Where attestations are to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedAttestations {
    /// At the registry; `None` when they are at another host, where nobody is asked.
    pub url: Option<Url>,
    /// The document about the package says that there is provenance.
    pub provenance: bool,
    /// The document names another host than the registry that served it, so the registry passes
    /// on what it was told, and may not have them.
    pub passed_on: bool,
}

/// How far resolving is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NpmProgress {
    /// npm is choosing versions.
    Choosing,
    /// The registry's documents are being compared.
    Checking { done: usize, total: usize },
}

/// Runs npm where it can do no harm: an empty home, the registry's hosts
/// ([`NpmSettings::endpoints`]) and nothing else.
pub trait NpmRunner {
    /// Runs `npm ARGUMENTS` in an empty folder that holds `files` (some with credentials) and
    /// nothing else, and reads back `package-lock.json`.
    fn run(
        &self,
        arguments: &[String],
        files: &[(&str, Vec<u8>)],
    ) -> impl Future<Output = Result<NpmOutput, Box<dyn std::error::Error + Send + Sync>>>;
}

/// What a run of npm left behind.
#[derive(Clone, Debug, Default)]
pub struct NpmOutput {
    /// Whether it exited with 0.
    pub success: bool,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub package_lock: Option<Vec<u8>>,
}

/// Which versions are too young.
#[derive(Clone, Debug)]
struct AgeRule {
    release_age: Duration,
    /// The youngest time of publication that is accepted; `None` switches the rule off.
    not_after: Option<SystemTime>,
    /// Asked for by exact version: name and version.
    exempt: Option<(String, String)>,
}

/// Resolves the whole closure, or says why not. Nothing is downloaded but documents.
pub async fn resolve<R: NpmRunner>(
    request: &NpmRequest,
    settings: &NpmSettings,
    client: &Client,
    runner: &R,
    progress: &dyn Fn(NpmProgress),
) -> Result<NpmResolution, ResolveError> {
    if !name::is_package_name(&request.name) {
        return Err(ResolveError::InvalidName {
            name: request.name.chars().take(220).collect(),
        });
    }
    let wanted = Wanted::parse(request.range.as_deref())?;
    let rule = AgeRule::new(request, &wanted);

    progress(NpmProgress::Choosing);
    let young = young_exact_version(request, &wanted, &rule, settings, client).await?;
    let question = question::Question::new(request, &wanted, &rule, settings, young)?;
    let package_lock = ask(&question, request, &wanted, &rule, settings, runner).await?;

    let packages = package_lock::parse(&package_lock)?;
    let mut packages = package_lock::for_platform(packages, &request.platform)?;
    // Those inside the tarball of another one are pinned with it.
    packages.retain(|package| !package.in_bundle);
    let root_path = format!("node_modules/{}", request.name);
    let version = requested_version(&packages, request, &wanted, &root_path)?;
    let packages = check_all(&packages, &rule, settings, client, progress).await?;
    Ok(NpmResolution {
        version,
        packages,
        root_path,
    })
}

/// Runs npm; its package-lock.json.
async fn ask<R: NpmRunner>(
    question: &question::Question,
    request: &NpmRequest,
    wanted: &Wanted,
    rule: &AgeRule,
    settings: &NpmSettings,
    runner: &R,
) -> Result<Vec<u8>, ResolveError> {
    let failed = |source| ResolveError::RunNpm { source };
    let mut output = runner
        .run(&question.arguments, &question.files)
        .await
        .map_err(failed)?;
    if !output.success
        && request.platform != Platform::current()
        && failure::is_about_platform(&output.stderr)
    {
        // npm judges packages that are needed by the machine that it runs on, whatever it is told.
        // Whether they are for the platform that is asked about, `for_platform` says.
        let forced = [question.arguments.as_slice(), &["--force".to_owned()]].concat();
        output = runner.run(&forced, &question.files).await.map_err(failed)?;
    }
    if !output.success {
        return Err(failure::explain(
            &output.stderr,
            &request.name,
            &format!("{}@{}", request.name, wanted.as_str()),
            &settings.registry_for(&request.name).host(),
            rule.not_after.map(|_| rule.release_age),
        ));
    }
    output.package_lock.ok_or(ResolveError::NoPackageLock)
}

impl AgeRule {
    fn new(request: &NpmRequest, wanted: &Wanted) -> Self {
        let active = !request.release_age.is_zero();
        Self {
            release_age: request.release_age,
            not_after: active.then(|| {
                request
                    .now
                    .checked_sub(request.release_age)
                    .unwrap_or(SystemTime::UNIX_EPOCH)
            }),
            exempt: match wanted {
                Wanted::Exactly(version) => Some((request.name.clone(), version.clone())),
                Wanted::Newest(_) => None,
            },
        }
    }

    fn exempts(&self, name: &str, version: &str) -> bool {
        self.not_after.is_none()
            || self
                .exempt
                .as_ref()
                .is_some_and(|(n, v)| n == name && v == version)
    }
}

/// The requested version as published, when it was asked for exactly and npm's `--before`
/// would not let it through.
async fn young_exact_version(
    request: &NpmRequest,
    wanted: &Wanted,
    rule: &AgeRule,
    settings: &NpmSettings,
    client: &Client,
) -> Result<Option<packument::Published>, ResolveError> {
    let (Wanted::Exactly(version), Some(not_after)) = (wanted, rule.not_after) else {
        return Ok(None);
    };
    let registry = settings.registry_for(&request.name);
    let versions = BTreeSet::from([version.clone()]);
    let mut document = packument::fetch(client, registry, &request.name, &versions).await?;
    let Some(published) = document.versions.remove(version) else {
        return Err(ResolveError::NoMatchingVersion {
            specifier: format!("{}@{version}", request.name),
            release_age: None,
        });
    };
    Ok(published
        .published
        .is_some_and(|time| time > not_after)
        .then_some(published))
}

/// The version that npm chose for the requested package.
fn requested_version(
    packages: &[package_lock::Package],
    request: &NpmRequest,
    wanted: &Wanted,
    root_path: &str,
) -> Result<String, ResolveError> {
    let root = packages.iter().find(|package| package.path == root_path);
    let Some(root) = root.filter(|root| root.name == request.name) else {
        let reason = format!("it does not hold {root_path}");
        return Err(ResolveError::PackageLock { reason });
    };
    match wanted {
        // Build metadata is no part of a version's identity, and npm drops it.
        Wanted::Exactly(asked) if asked.split('+').next() != root.version.split('+').next() => {
            Err(ResolveError::OtherVersion {
                name: request.name.clone(),
                asked: asked.clone(),
                found: root.version.clone(),
            })
        }
        _ => Ok(root.version.clone()),
    }
}

/// Holds every package against the registry's document about it.
async fn check_all(
    packages: &[package_lock::Package],
    rule: &AgeRule,
    settings: &NpmSettings,
    client: &Client,
    progress: &dyn Fn(NpmProgress),
) -> Result<Vec<ResolvedPackage>, ResolveError> {
    let mut by_name: BTreeMap<&str, Vec<&package_lock::Package>> = BTreeMap::new();
    for package in packages {
        by_name.entry(&package.name).or_default().push(package);
    }
    let total = by_name.len();
    let mut done = 0;
    let mut resolved: Vec<ResolvedPackage> = Vec::with_capacity(packages.len());
    progress(NpmProgress::Checking { done, total });
    for_each_concurrent(
        by_name,
        DOCUMENTS_AT_ONCE,
        |(name, packages)| async move {
            let registry = settings.registry_for(name);
            let versions = packages
                .iter()
                .map(|package| package.version.clone())
                .collect();
            let document = packument::fetch(client, registry, name, &versions).await?;
            let mut checked = Vec::with_capacity(packages.len());
            for package in packages {
                let published = document.versions.get(&package.version);
                let published = published.ok_or_else(|| ResolveError::NotPublished {
                    name: package.name.clone(),
                    version: package.version.clone(),
                })?;
                checked.push(verify::package(package, published, registry, rule)?);
            }
            Ok::<_, ResolveError>(checked)
        },
        |checked| {
            resolved.extend(checked);
            done += 1;
            progress(NpmProgress::Checking { done, total });
            Ok(())
        },
    )
    .await?;
    resolved.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(resolved)
}
