//! Python packages: uv chooses in the box, the index's own word is compared, wheels are had and
//! laid out, modules compiled.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Context as _;

use super::super::context::Context;
use super::super::output;
use super::download::{Wanted, download, known_digest};
use super::{Asked, Bytes, Published, warn_of_mirrors};
use crate::config::{Source, normalized_pypi_name};
use crate::fetch::Client;
use crate::launch::{Launcher, SandboxedPython, SandboxedUv};
use crate::lockfile::{Artifact, Digest, LockedServer};
use crate::resolve::interpreter::find_program;
use crate::resolve::pypi::launcher::{choose, console_scripts, launcher, script_launcher};
use crate::resolve::pypi::vouching::vouched;
use crate::resolve::pypi::{self, PypiRequest, PypiSettings, PythonFacts, WheelName};
use crate::store::{
    Bounds, Integrity, SITE_PACKAGES, ScriptKind, Staging, Store, TreeBuilder, UnpackedWheel,
};

/// What runs Python servers: the launchers' first line.
const PYTHON: &str = "python3";

pub(super) async fn get(asked: &Asked<'_>, source: &Source) -> anyhow::Result<Bytes> {
    let Source::Pypi {
        name,
        extras,
        specifiers,
        ..
    } = source
    else {
        anyhow::bail!("`{source}` is no Python package");
    };
    let Asked {
        context, staging, ..
    } = *asked;
    let settings = pypi_settings(context)?;
    let python = Python::find(context, asked.launcher, staging).await?;
    let client = Client::new(&settings.fetch_settings())?;
    let request = PypiRequest {
        name: name.clone(),
        extras: extras.clone(),
        specifiers: specifiers.clone(),
        exact: source.exact_pypi_version().map(str::to_owned),
        release_age: asked.settings.release_age,
        now: SystemTime::now(),
    };
    let runner = SandboxedUv::find(
        asked.launcher,
        staging,
        python.path.clone(),
        context.search_path(),
    )?;
    let spinner = output::spinner("resolving");
    let resolution = pypi::resolve(&request, &settings, &python.facts, &client, &runner).await?;
    spinner.finish_and_clear();
    for warning in &resolution.warnings {
        output::warning(warning);
    }
    let mut artifacts = Vec::with_capacity(resolution.wheels.len());
    let mut wanted = Vec::with_capacity(resolution.wheels.len());
    for wheel in &resolution.wheels {
        let sha256 = Digest::from_hex(&wheel.sha256)?;
        let integrity = Integrity::of_sha256(sha256);
        wanted.push(Wanted {
            label: wheel.file.clone(),
            authorization: settings.index.authorization_for(&wheel.download_url),
            url: wheel.download_url.clone(),
            integrity: Some(integrity),
            sha256: Some(known_digest(asked.lock, &integrity.to_string()).unwrap_or(sha256)),
        });
        artifacts.push(Artifact {
            name: wheel.name.clone(),
            version: wheel.version.clone(),
            path: format!("{SITE_PACKAGES}/{}", dist_info(&wheel.file)?),
            url: wheel.url.clone(),
            integrity: integrity.to_string(),
            sha256,
            size: 0,
            published: wheel.published.clone(),
            install_script: false,
            publisher: None,
            signature: None,
            provenance: None,
        });
    }
    let fetch_settings = settings.fetch_settings();
    // An attestation is about the published digest, which the download is held against.
    let (stored, vouched) = tokio::try_join!(
        download(&context.store, staging, &fetch_settings, &wanted),
        async { Ok(vouched(&resolution.wheels, &settings, &client).await?) },
    )?;
    let names = resolution.wheels.iter().map(|wheel| wheel.name.as_str());
    let place = "elsewhere than at your index, and they can't be had there";
    warn_of_mirrors(names, &vouched, place);
    for ((artifact, stored), vouched) in artifacts.iter_mut().zip(stored).zip(vouched) {
        artifact.size = stored.size;
        artifact.provenance = vouched.provenance;
    }
    artifacts.sort_by(|a, b| a.path.cmp(&b.path));
    let (tree, programs) = tree(&context.store, staging, &artifacts, name, &python).await?;
    let names: Vec<&str> = programs.iter().map(|(name, _)| name.as_str()).collect();
    let chosen = choose(name, &names)?.to_owned();
    let entry_point = programs
        .into_iter()
        .find(|(name, _)| *name == chosen)
        .map(|(_, path)| path)
        .context("the chosen program is gone")?;
    Ok(Bytes {
        version: Some(resolution.version),
        entry_point,
        tree,
        artifacts,
    })
}

pub(super) async fn rebuild(
    context: &Context,
    launcher: &Launcher<'_>,
    staging: &Staging,
    locked: &LockedServer,
    name: &str,
) -> anyhow::Result<Digest> {
    download_locked(context, staging, locked).await?;
    let python = match launcher
        .interpreter_path(locked)
        .filter(|path| path.exists())
    {
        Some(path) => Python::at(path, launcher, staging).await?,
        None => Python::find(context, launcher, staging).await?,
    };
    let (tree, _) = tree(&context.store, staging, &locked.artifacts, name, &python).await?;
    if tree != locked.tree
        && let Some(interpreter) = &locked.interpreter
        && launcher.file_digests().digest_of(&python.path)? != interpreter.sha256
    {
        output::warning(&format!(
            "modules are compiled by the interpreter, and {} is not the one that was locked ({} {}): `pinfold lock` agrees to the new one",
            python.path.display(),
            interpreter.path,
            interpreter.version.as_deref().unwrap_or("unknown"),
        ));
    }
    Ok(tree)
}

/// The wheels of a lock, in the store: for whichever platform they are.
pub(super) async fn download_locked(
    context: &Context,
    staging: &Staging,
    locked: &LockedServer,
) -> anyhow::Result<()> {
    let settings = pypi_settings(context)?;
    let wanted = locked
        .artifacts
        .iter()
        .map(|artifact| {
            let url = settings.index.absolute(&artifact.url)?;
            Ok(Wanted {
                label: format!("{} {}", artifact.name, artifact.version),
                authorization: settings.index.authorization_for(&url),
                url,
                integrity: Some(Integrity::parse_sha256(&artifact.integrity)?),
                sha256: Some(artifact.sha256),
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    download(&context.store, staging, &settings.fetch_settings(), &wanted).await?;
    Ok(())
}

/// What the index says of locked wheels now, in their order.
pub(super) async fn published(
    context: &Context,
    artifacts: &[Artifact],
) -> anyhow::Result<Vec<Published>> {
    let settings = pypi_settings(context)?;
    let client = Client::new(&settings.fetch_settings())?;
    let mut found = Vec::with_capacity(artifacts.len());
    for artifact in artifacts {
        let file = artifact.url.rsplit('/').next().unwrap_or_default();
        let now = pypi::published_file(&settings, &client, &artifact.name, file).await?;
        found.push(match now {
            None => Published::Gone,
            Some(now) if now.sha256.as_deref() != Some(artifact.sha256.hex().as_str()) => {
                Published::Changed(match now.sha256 {
                    Some(sha256) => format!("sha256:{sha256}"),
                    None => "no sha256".to_owned(),
                })
            }
            Some(now) => now.yanked.map_or(Published::Same, Published::Yanked),
        });
    }
    Ok(found)
}

/// The interpreter that packages are for.
struct Python<'a> {
    path: PathBuf,
    facts: PythonFacts,
    in_box: SandboxedPython<'a>,
}

impl<'a> Python<'a> {
    async fn find(
        context: &Context,
        launcher: &'a Launcher<'a>,
        staging: &'a Staging,
    ) -> anyhow::Result<Self> {
        let path = find_program(PYTHON, context.search_path())?;
        Self::at(path, launcher, staging).await
    }

    async fn at(
        path: PathBuf,
        launcher: &'a Launcher<'a>,
        staging: &'a Staging,
    ) -> anyhow::Result<Self> {
        let in_box = SandboxedPython::new(launcher, staging, path.clone());
        Ok(Self {
            facts: in_box.facts().await?,
            path,
            in_box,
        })
    }
}

/// The settings of pip and uv, with a warning for each that is not followed.
pub(in crate::cli) fn pypi_settings(context: &Context) -> anyhow::Result<PypiSettings> {
    let settings = PypiSettings::load(
        &|name| context.environment.get(name).map(OsStr::to_owned),
        context.paths.home.as_deref(),
    )?;
    for warning in &settings.warnings {
        output::warning(warning);
    }
    Ok(settings)
}

/// `NAME-VERSION.dist-info`, from the name of a wheel's file.
fn dist_info(file: &str) -> anyhow::Result<String> {
    let mut parts = file.splitn(3, '-');
    match (WheelName::parse(file), parts.next(), parts.next()) {
        (Some(_), Some(name), Some(version)) => Ok(format!("{name}-{version}.dist-info")),
        _ => anyhow::bail!("`{file}` is not the name of a wheel"),
    }
}

/// Lays out wheels that are in the store. Returns the tree's digest, and the programs of the package
/// `server`: names, and their paths in the tree.
async fn tree(
    store: &Store,
    staging: &Staging,
    artifacts: &[Artifact],
    server: &str,
    python: &Python<'_>,
) -> anyhow::Result<(Digest, Vec<(String, String)>)> {
    let bar = output::bar(artifacts.len() as u64, "unpacking");
    let mut tree = staging.tree()?;
    let mut programs = Vec::new();
    for artifact in artifacts {
        let label = format!("{} {}", artifact.name, artifact.version);
        let file = store.verify_artifact(&artifact.sha256, artifact.size)?;
        let dist_info = artifact.path.rsplit('/').next().unwrap_or_default();
        let unpacked = tree
            .unpack_wheel(&file, dist_info, &Bounds::default())
            .map_err(|error| error.called(&label))?;
        for path in &unpacked.path_files {
            tracing::info!("{label}: {path} is not executed when Python starts");
        }
        if normalized_pypi_name(&artifact.name) == normalized_pypi_name(server) {
            programs = make_programs(&mut tree, &label, &unpacked)?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let spinner = output::spinner("compiling");
    python.in_box.compile(&mut tree, &python.facts).await?;
    spinner.finish_and_clear();
    Ok((tree.finish()?, programs))
}

/// Makes the launchers of the server's own package; its programs and where they are.
fn make_programs(
    tree: &mut TreeBuilder,
    label: &str,
    unpacked: &UnpackedWheel,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut programs = Vec::new();
    let scripts = match &unpacked.entry_points {
        Some(text) => console_scripts(label, text)?,
        None => Vec::new(),
    };
    for script in scripts {
        let path = format!("bin/{}", script.name);
        tree.write_file(&path, true, launcher(&script).as_bytes())?;
        programs.push((script.name, path));
    }
    for script in &unpacked.scripts {
        let Some(name) = script.path.strip_prefix("scripts/") else {
            continue;
        };
        match script.kind {
            ScriptKind::Native => programs.push((name.to_owned(), script.path.clone())),
            ScriptKind::Python => {
                if let Some(text) = script_launcher(&script.path) {
                    let path = format!("bin/{name}");
                    tree.write_file(&path, true, text.as_bytes())?;
                    programs.push((name.to_owned(), path));
                }
            }
            ScriptKind::Other => {}
        }
    }
    Ok(programs)
}
