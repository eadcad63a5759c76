//! What npm is asked: its arguments, and the files that it finds in its folder. Pure, except
//! that certificates are read.

use serde_json::{Map, Value, json};

use super::name::Wanted;
use super::packument::Published;
use super::{AgeRule, NpmRequest, NpmSettings, Platform};
use crate::resolve::ResolveError;

const SETTINGS_FILE: &str = "settings.npmrc";
const CERTIFICATES_FILE: &str = "certificates.pem";

/// One run of npm.
pub(super) struct Question {
    pub(super) arguments: Vec<String>,
    pub(super) files: Vec<(&'static str, Vec<u8>)>,
}

impl Question {
    /// `young` is the requested version itself, when it is younger than `rule` lets npm see.
    ///
    /// npm has no way to exempt one package from `--before` that versions 9 to 11 share. But it
    /// keeps what a package-lock.json already holds. So the young version goes there, and npm
    /// adds the dependencies, for which `--before` stays in force.
    pub(super) fn new(
        request: &NpmRequest,
        wanted: &Wanted,
        rule: &AgeRule,
        settings: &NpmSettings,
        young: Option<Published>,
    ) -> Result<Self, ResolveError> {
        let package = request.name.as_str();
        let manifest = json!({
            "name": "pinfold-closure",
            "version": "0.0.0",
            "private": true,
            "dependencies": { package: wanted.as_str() },
        });
        let mut files = vec![("package.json", manifest.to_string().into_bytes())];
        if let Some(published) = young {
            let lock = lock_with(package, wanted.as_str(), &published)?;
            files.push(("package-lock.json", lock.to_string().into_bytes()));
        }
        let certificates = settings.certificates_for_sandbox()?;
        // npm takes a relative `cafile` from the folder that it runs in.
        let path = certificates.is_some().then_some(CERTIFICATES_FILE);
        files.push((SETTINGS_FILE, settings.npmrc_for_sandbox(path).into_bytes()));
        if let Some(pem) = certificates {
            files.push((CERTIFICATES_FILE, pem));
        }
        Ok(Self {
            arguments: arguments(rule, settings, &request.platform),
            files,
        })
    }
}

fn arguments(rule: &AgeRule, settings: &NpmSettings, platform: &Platform) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "install",
        "--package-lock-only",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--no-progress",
        "--loglevel=error",
        "--logs-max=0",
        "--lockfile-version=3",
        "--omit-lockfile-registry-resolved=false",
        // npm's own pauses are 10 and 60 seconds: too long to look at an unreachable registry.
        "--fetch-retries=2",
        "--fetch-retry-mintimeout=500",
        "--fetch-retry-maxtimeout=5000",
    ]
    .map(str::to_owned)
    .into();
    arguments.push(format!("--userconfig=./{SETTINGS_FILE}"));
    arguments.push(format!(
        "--fetch-timeout={}",
        settings.fetch_timeout().as_millis()
    ));
    // A file that is not there: the machine's npmrc is already in ours.
    arguments.push("--globalconfig=./none.npmrc".to_owned());
    if *platform != Platform::current() {
        // Its lock has the optional packages of every platform, and these say for which they are
        // judged. npm before 10.2 doesn't know them and doesn't need them.
        for (key, value) in [
            ("os", platform.os),
            ("cpu", platform.cpu),
            ("libc", platform.libc),
        ] {
            arguments.push(format!("--{key}={value}"));
        }
    }
    if let Some(not_after) = rule.not_after {
        arguments.push(format!(
            "--before={}",
            humantime::format_rfc3339_millis(not_after)
        ));
    }
    arguments
}

/// A package-lock.json that holds `package` and none of its dependencies.
fn lock_with(package: &str, version: &str, published: &Published) -> Result<Value, ResolveError> {
    let refuse = |error: serde_json::Error| ResolveError::Packument {
        package: package.to_owned(),
        reason: error.to_string(),
    };
    let mut manifest: Map<String, Value> =
        serde_json::from_str(published.manifest.get()).map_err(refuse)?;
    // The registry repeats optional dependencies among the others; in a lock they are apart.
    let optional = manifest
        .get("optionalDependencies")
        .and_then(Value::as_object)
        .cloned();
    if let (Some(optional), Some(all)) = (
        optional,
        manifest
            .get_mut("dependencies")
            .and_then(Value::as_object_mut),
    ) {
        all.retain(|name, _| !optional.contains_key(name));
    }
    const KEPT: [&str; 10] = [
        "dependencies",
        "optionalDependencies",
        "peerDependencies",
        "peerDependenciesMeta",
        "bundleDependencies",
        "bin",
        "engines",
        "os",
        "cpu",
        "libc",
    ];
    // A single program may be written without its name; npm's own locks always have the name.
    if let Some(file @ Value::String(_)) = manifest.get("bin").cloned() {
        let unscoped = package.rsplit('/').next().unwrap_or(package);
        manifest.insert("bin".to_owned(), json!({ unscoped: file }));
    }
    let mut entry = Map::new();
    for key in KEPT {
        if let Some(value) = manifest.remove(key) {
            entry.insert(key.to_owned(), value);
        }
    }
    entry.insert("version".to_owned(), version.into());
    entry.insert("resolved".to_owned(), published.tarball.as_str().into());
    if let Some(integrity) = &published.integrity {
        entry.insert("integrity".to_owned(), integrity.as_str().into());
    }
    if published.install_script {
        entry.insert("hasInstallScript".to_owned(), true.into());
    }
    let mut packages = Map::new();
    packages.insert(
        String::new(),
        json!({
            "name": "pinfold-closure",
            "version": "0.0.0",
            "dependencies": { package: version },
        }),
    );
    packages.insert(format!("node_modules/{package}"), entry.into());
    Ok(json!({
        "name": "pinfold-closure",
        "version": "0.0.0",
        "lockfileVersion": 3,
        "requires": true,
        "packages": packages,
    }))
}
