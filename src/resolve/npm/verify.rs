//! npm's answer against the registry's own word, package by package: digest, source, age. Pure.

use std::time::SystemTime;

use super::package_lock::Package;
use super::packument::Published;
use super::registry::Registry;
use super::settings::PUBLIC_REGISTRY;
use super::{AgeRule, MAX_TEXT, OfferedAttestations, ResolvedPackage, integrity};
use crate::fetch::{Url, leads_inside};
use crate::resolve::ResolveError;

/// Accepts one package of the closure.
pub(super) fn package(
    package: &Package,
    published: &Published,
    registry: &Registry,
    rule: &AgeRule,
) -> Result<ResolvedPackage, ResolveError> {
    let integrity = agreed_integrity(package, published)?;
    let (url, download_url) = source(package, published, registry)?;
    check_age(package, published.published, registry, rule)?;
    Ok(ResolvedPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        path: package.path.clone(),
        url,
        download_url,
        integrity,
        published: published
            .published
            .map(|time| humantime::format_rfc3339_seconds(time).to_string()),
        install_script: package.has_install_script || published.install_script,
        publisher: published.publisher.clone(),
        signatures: published.signatures.clone(),
        attestations: attestations(published, registry)
            .map_err(|reason| packument_error(package, reason))?,
        deprecated: published.deprecated.clone(),
    })
}

/// The published sha512, which the lock must not contradict.
fn agreed_integrity(package: &Package, published: &Published) -> Result<String, ResolveError> {
    let name = || package.name.clone();
    let version = || package.version.clone();
    let missing = || ResolveError::NoIntegrity {
        name: name(),
        version: version(),
    };
    let own = published
        .integrity
        .as_deref()
        .and_then(integrity::sha512)
        .ok_or_else(missing)?;
    match package.integrity.as_deref() {
        // npm leaves it out at times (npm/cli#6301); the registry's word is then the only one.
        None => Ok(own.to_owned()),
        Some(locked) if integrity::sha512(locked) == Some(own) => Ok(own.to_owned()),
        Some(locked) => Err(ResolveError::IntegrityMismatch {
            name: name(),
            version: version(),
            locked: locked.chars().take(200).collect(),
            published: own.to_owned(),
        }),
    }
}

/// Where the tarball is: as recorded in the lock, and as downloaded.
///
/// A registry that mirrors the public one often repeats the public addresses. npm then asks the
/// mirror instead (`replace-registry-host`), and so do we.
fn source(
    package: &Package,
    published: &Published,
    registry: &Registry,
) -> Result<(String, Url), ResolveError> {
    let refuse = |reason: &str| packument_error(package, reason);
    let tarball = Url::parse(&published.tarball).ok();
    let tarball = tarball
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.as_str().len() <= MAX_TEXT)
        .ok_or_else(|| refuse("its tarball has no usable address"))?;
    if !tarball.username().is_empty() || tarball.password().is_some() {
        return Err(refuse("the address of its tarball holds a password"));
    }
    if leads_inside(&tarball, &registry.url) {
        return Err(refuse(
            "its tarball is at an address of this machine or its network, where the registry is not",
        ));
    }
    if tarball.query().is_some() && tarball.host_str() != registry.url.host_str() {
        return Err(refuse(
            "the address of its tarball has a query, and is not the registry's own",
        ));
    }
    let relative = below(&tarball, registry);
    if let Some(resolved) = &package.resolved {
        let foreign = || ResolveError::ForeignSource {
            path: package.path.clone(),
            resolved: resolved
                .split(['?', '#'])
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
        let resolved = Url::parse(resolved).map_err(|_| foreign())?;
        let same =
            resolved == tarball || relative.is_some() && below(&resolved, registry) == relative;
        if !same {
            return Err(foreign());
        }
    }
    match relative {
        Some(relative) => {
            let download_url = registry.absolute(&relative)?;
            Ok((relative, download_url))
        }
        None => Ok((tarball.to_string(), tarball)),
    }
}

fn packument_error(package: &Package, reason: &str) -> ResolveError {
    ResolveError::Packument {
        package: package.name.clone(),
        reason: format!("version {}: {reason}", package.version),
    }
}

/// Where the attestations are: like tarballs, of a mirror at the mirror.
fn attestations(
    published: &Published,
    registry: &Registry,
) -> Result<Option<OfferedAttestations>, &'static str> {
    let Some(offered) = &published.attestations else {
        return Ok(None);
    };
    let refuse = "its attestations have no usable address";
    let url = Url::parse(&offered.url).map_err(|_| refuse)?;
    let usable = matches!(url.scheme(), "http" | "https")
        && url.as_str().len() <= MAX_TEXT
        && url.username().is_empty()
        && url.password().is_none();
    if !usable {
        return Err(refuse);
    }
    let relative = below(&url, registry);
    let at = relative.map(|relative| registry.absolute(&relative));
    Ok(Some(OfferedAttestations {
        url: at.transpose().map_err(|_| refuse)?,
        provenance: offered.provenance.is_some(),
        passed_on: registry.relative(&url).is_none(),
    }))
}

/// The part of `url` below `registry`, or below the public registry that it mirrors.
fn below(url: &Url, registry: &Registry) -> Option<String> {
    registry.relative(url).or_else(|| {
        let public = Url::parse(PUBLIC_REGISTRY).ok()?;
        Registry {
            url: public,
            authorization: None,
        }
        .relative(url)
    })
}

fn check_age(
    package: &Package,
    published: Option<SystemTime>,
    registry: &Registry,
    rule: &AgeRule,
) -> Result<(), ResolveError> {
    let Some(not_after) = rule.not_after else {
        return Ok(());
    };
    if rule.exempts(&package.name, &package.version) {
        return Ok(());
    }
    let (name, version) = (package.name.clone(), package.version.clone());
    match published {
        Some(time) if time <= not_after => Ok(()),
        Some(time) => Err(ResolveError::TooYoung {
            name,
            version,
            published: humantime::format_rfc3339_seconds(time).to_string(),
            release_age: rule.release_age,
        }),
        None => Err(ResolveError::NoPublishTime {
            name,
            version,
            registry: registry.host(),
        }),
    }
}
