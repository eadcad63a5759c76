//! npm packages: npm chooses in the box, the registry's own word is compared, tarballs are had.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::time::SystemTime;

use super::super::context::Context;
use super::super::output;
use super::download::{Wanted, download, known_digest};
use super::npm_build::{built_before, built_tree};
use super::published::Published;
use super::{Asked, Bytes, warn_of_mirrors};
use crate::config::BuildRule;
use crate::fetch::{Client, Url};
use crate::launch::{Launcher, SandboxedNpm};
use crate::lockfile::{Artifact, Digest};
use crate::resolve::npm::entry::entry_point;
use crate::resolve::npm::vouching::vouched;
use crate::resolve::npm::{self, NpmProgress, NpmRequest, NpmSettings, Platform, Waiting};
use crate::store::{Bounds, Staging, Store, TreeBuilder};

/// Longest reason against a version that is shown, in characters.
const MAX_REASON: usize = 300;

pub(super) async fn get(
    asked: &Asked<'_>,
    name: &str,
    range: Option<&str>,
    platform: Platform,
    build: &BuildRule,
) -> anyhow::Result<Bytes> {
    let Asked {
        context, staging, ..
    } = *asked;
    let request = request(asked, name, range, platform);
    let npm_settings = npm_settings(context)?;
    let client = Client::new(&npm_settings.fetch_settings())?;
    let search_path = context.search_path();
    let runner = SandboxedNpm::find(asked.launcher, staging, &npm_settings, search_path)?;
    let spinner = output::spinner("resolving");
    let progress = |step| {
        if let NpmProgress::Checking { done, total } = step {
            spinner.set_message(format!("comparing with the registry: {done} of {total}"));
        }
    };
    let resolution = npm::resolve(&request, &npm_settings, &client, &runner, &progress).await?;
    spinner.finish_and_clear();
    for package in &resolution.packages {
        if let Some(reason) = &package.deprecated {
            output::warning(&format!(
                "{}@{}: its authors advise against it: {}",
                package.name,
                package.version,
                output::foreign(reason, MAX_REASON)
            ));
        }
    }
    let wanted = resolution
        .packages
        .iter()
        .map(|package| {
            wanted(
                &npm_settings,
                (&package.name, &package.version),
                package.download_url.clone(),
                &package.integrity,
                known_digest(asked.lock, &package.integrity),
            )
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let fetch_settings = npm_settings.fetch_settings();
    // What vouches for a package is about its published digest, which the download is held against.
    let (stored, vouched) = tokio::try_join!(
        download(&context.store, staging, &fetch_settings, &wanted),
        async {
            let vouched = vouched(&resolution.packages, &npm_settings, &client).await;
            Ok(vouched?)
        },
    )?;
    let names = resolution
        .packages
        .iter()
        .map(|package| package.name.as_str());
    warn_of_mirrors(names, &vouched, "that your registry does not mirror");
    let mut artifacts: Vec<Artifact> = resolution
        .packages
        .iter()
        .zip(stored)
        .zip(vouched)
        .map(|((package, stored), vouched)| Artifact {
            name: package.name.clone(),
            version: package.version.clone(),
            path: package.path.clone(),
            url: package.url.clone(),
            integrity: package.integrity.clone(),
            sha256: stored.sha256,
            size: stored.size,
            published: package.published.clone(),
            install_script: package.install_script,
            publisher: package.publisher.clone(),
            signature: vouched.signature,
            provenance: vouched.provenance,
        })
        .collect();
    artifacts.sort_by(|a, b| a.path.cmp(&b.path));
    let tree = match built_before(context, asked.lock, &artifacts, build) {
        Some(tree) => tree,
        None => npm_tree(context, asked.launcher, staging, &artifacts, build).await?,
    };
    let entry_point = entry_point(
        &context.store.tree(&tree),
        &resolution.root_path,
        &request.name,
    )?
    .path;
    Ok(Bytes {
        version: Some(resolution.version),
        entry_point,
        tree,
        artifacts,
    })
}

/// The version that is too young to be chosen, if there is one.
pub(super) async fn waiting(
    asked: &Asked<'_>,
    name: &str,
    range: Option<&str>,
) -> anyhow::Result<Option<Waiting>> {
    let request = request(asked, name, range, Platform::current());
    let settings = npm_settings(asked.context)?;
    let client = Client::new(&settings.fetch_settings())?;
    let search_path = asked.context.search_path();
    let runner = SandboxedNpm::find(asked.launcher, asked.staging, &settings, search_path)?;
    Ok(npm::waiting(&request, &settings, &client, &runner).await?)
}

fn request(asked: &Asked<'_>, name: &str, range: Option<&str>, platform: Platform) -> NpmRequest {
    NpmRequest {
        name: name.to_owned(),
        range: range.map(str::to_owned),
        release_age: asked.settings.release_age,
        now: SystemTime::now(),
        platform,
    }
}

pub(super) async fn rebuild(
    context: &Context,
    launcher: &Launcher<'_>,
    staging: &Staging,
    artifacts: &[Artifact],
    build: &BuildRule,
) -> anyhow::Result<Digest> {
    let settings = npm_settings(context)?;
    let wanted = artifacts
        .iter()
        .map(|artifact| {
            wanted(
                &settings,
                (&artifact.name, &artifact.version),
                settings
                    .registry_for(&artifact.name)
                    .absolute(&artifact.url)?,
                &artifact.integrity,
                Some(artifact.sha256),
            )
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    download(&context.store, staging, &settings.fetch_settings(), &wanted).await?;
    npm_tree(context, launcher, staging, artifacts, build).await
}

/// What the registry says of them now.
pub(super) async fn published(
    context: &Context,
    artifacts: &[Artifact],
) -> anyhow::Result<Vec<Published>> {
    let settings = npm_settings(context)?;
    let client = Client::new(&settings.fetch_settings())?;
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for artifact in artifacts {
        let versions = wanted.entry(artifact.name.clone()).or_default();
        versions.insert(artifact.version.clone());
    }
    let found = npm::published_now(&settings, &client, &wanted).await?;
    Ok(artifacts
        .iter()
        .map(|artifact| {
            let key = (artifact.name.clone(), artifact.version.clone());
            match found.get(&key) {
                None => Published::Gone,
                Some(now) if now.integrity.as_ref() != Some(&artifact.integrity) => {
                    let integrity = now.integrity.as_deref();
                    Published::Changed(integrity.unwrap_or("no sha512 digest").to_owned())
                }
                Some(now) => match &now.deprecated {
                    Some(reason) => Published::Deprecated(reason.clone()),
                    None => Published::Same,
                },
            }
        })
        .collect())
}

fn wanted(
    settings: &NpmSettings,
    (name, version): (&str, &str),
    url: Url,
    integrity: &str,
    sha256: Option<Digest>,
) -> anyhow::Result<Wanted> {
    Ok(Wanted {
        label: format!("{name}@{version}"),
        authorization: settings.authorization_for(&url)?,
        url,
        integrity: Some(integrity.parse()?),
        sha256,
    })
}

/// npm's settings of the user, with a warning for each that can't be honoured.
pub(in crate::cli) fn npm_settings(context: &Context) -> anyhow::Result<NpmSettings> {
    let settings = NpmSettings::load(
        &|name| context.environment.get(name).map(OsStr::to_owned),
        context.paths.home.as_deref(),
    )?;
    for warning in &settings.warnings {
        output::warning(warning);
    }
    Ok(settings)
}

/// Unpacks artifacts that are in the store into one tree, and runs the scripts that the manifest
/// names; returns its digest.
async fn npm_tree(
    context: &Context,
    launcher: &Launcher<'_>,
    staging: &Staging,
    artifacts: &[Artifact],
    build: &BuildRule,
) -> anyhow::Result<Digest> {
    if !build.packages.is_empty() {
        return built_tree(context, launcher, staging, artifacts, build).await;
    }
    let bar = output::bar(artifacts.len() as u64, "unpacking");
    let mut tree = staging.tree()?;
    for artifact in artifacts {
        unpack(&context.store, &mut tree, artifact)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(tree.finish()?)
}

/// Unpacks one artifact to its place in the tree.
pub(super) fn unpack(
    store: &Store,
    tree: &mut TreeBuilder,
    artifact: &Artifact,
) -> anyhow::Result<()> {
    let file = store.verify_artifact(&artifact.sha256, artifact.size)?;
    tree.unpack_tar_gz(&file, &artifact.path, &Bounds::default())
        .map_err(|error| error.called(&format!("{}@{}", artifact.name, artifact.version)))?;
    Ok(())
}
