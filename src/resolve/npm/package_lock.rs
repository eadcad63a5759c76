//! npm's package-lock.json, version 3, read strictly. It was written inside the sandbox from
//! what a registry said, so nothing in it is believed without a check: paths and sources here,
//! versions and digests in `verify`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::MAX_TEXT;
use super::name::{is_package_name, is_version};
use super::platform::Platform;
use crate::resolve::ResolveError;

const MAX_BYTES: usize = 64 * 1024 * 1024;
const MAX_PACKAGES: usize = 20_000;
/// `node_modules/a/node_modules/b…`; npm's own trees stay below ten.
const MAX_DEPTH: usize = 64;

/// One entry of the lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Where it is installed: a chain of `node_modules/NAME`.
    pub path: String,
    /// The name in the registry; for an alias not the one in the path.
    pub name: String,
    pub version: String,
    /// Where npm would download it; absent with `omit-lockfile-registry-resolved`.
    pub resolved: Option<String>,
    pub integrity: Option<String>,
    pub has_install_script: bool,
    pub os: Vec<String>,
    pub cpu: Vec<String>,
    pub libc: Vec<String>,
    pub optional: bool,
    /// Comes inside the tarball of a package above it, not as one of its own.
    pub in_bundle: bool,
    /// Program name to file.
    pub bin: BTreeMap<String, String>,
}

/// Reads and checks the whole file. Packages are in order of their path.
pub fn parse(bytes: &[u8]) -> Result<Vec<Package>, ResolveError> {
    let refuse = |reason: String| ResolveError::PackageLock { reason };
    if bytes.len() > MAX_BYTES {
        return Err(refuse(format!("it is larger than {MAX_BYTES} bytes")));
    }
    let file: RawFile = serde_json::from_slice(bytes).map_err(|error| refuse(error.to_string()))?;
    if file.lockfile_version != 3 {
        return Err(ResolveError::PackageLockVersion {
            found: file.lockfile_version,
        });
    }
    let mut packages = Vec::with_capacity(file.packages.0.len());
    for (path, raw) in file.packages.0 {
        // The empty path is the folder that npm ran in.
        if !path.is_empty() {
            packages.push(check(path, raw)?);
        }
    }
    for package in packages.iter().filter(|package| package.in_bundle) {
        if !is_below_another(&package.path, &packages) {
            return Err(refuse(format!(
                "{} is bundled, but in no package",
                package.path
            )));
        }
    }
    Ok(packages)
}

/// Drops what is not meant for `platform`. Only an optional package may be dropped; another
/// one that excludes this machine is an error.
pub fn for_platform(
    packages: Vec<Package>,
    platform: &Platform,
) -> Result<Vec<Package>, ResolveError> {
    let mut skipped: Vec<String> = Vec::new();
    for package in &packages {
        if platform.admits(&package.os, &package.cpu, &package.libc) {
            continue;
        }
        // What lies inside a skipped package goes with it, whether it says so or not.
        let goes_along = skipped.iter().any(|above| is_below(&package.path, above));
        if !package.optional && !goes_along {
            let lists = [&package.os, &package.cpu, &package.libc];
            let wanted: Vec<String> = lists.iter().map(|list| list.join("|")).collect();
            return Err(ResolveError::Platform {
                name: package.name.clone(),
                version: package.version.clone(),
                wanted: wanted.join(" ").trim().to_owned(),
                machine: platform.to_string(),
            });
        }
        skipped.push(package.path.clone());
    }
    let kept = packages
        .into_iter()
        .filter(|package| {
            !skipped
                .iter()
                .any(|other| package.path == *other || is_below(&package.path, other))
        })
        .collect();
    Ok(kept)
}

/// The name in the last `node_modules/NAME` of an install path, if the whole path is a chain
/// of them.
pub fn name_of_path(path: &str) -> Option<&str> {
    let mut rest = path;
    for _ in 0..MAX_DEPTH {
        rest = rest.strip_prefix("node_modules/")?;
        let slashes_in_name = usize::from(rest.starts_with('@'));
        let end = rest
            .match_indices('/')
            .nth(slashes_in_name)
            .map_or(rest.len(), |(at, _)| at);
        let name = &rest[..end];
        if !is_package_name(name) {
            return None;
        }
        if end == rest.len() {
            return Some(name);
        }
        rest = &rest[end + 1..];
    }
    None
}

fn check(path: String, raw: RawPackage) -> Result<Package, ResolveError> {
    let Some(folder_name) = name_of_path(&path).filter(|_| path.len() <= MAX_TEXT) else {
        return Err(ResolveError::InstallPath {
            path: path.chars().take(200).collect(),
        });
    };
    if raw.link {
        return Err(ResolveError::Link { path });
    }
    let name = raw.name.unwrap_or_else(|| folder_name.to_owned());
    let malformed = |what: &str| ResolveError::PackageLock {
        reason: format!("{path} has no valid {what}"),
    };
    if !is_package_name(&name) {
        return Err(malformed("name"));
    }
    let Some(version) = raw.version.filter(|version| is_version(version)) else {
        return Err(malformed("version"));
    };
    if let Some(resolved) = &raw.resolved
        && (raw.in_bundle || !is_web_address(resolved))
    {
        return Err(ResolveError::ForeignSource {
            path,
            resolved: shown_source(resolved),
        });
    }
    Ok(Package {
        name,
        version,
        resolved: raw.resolved,
        integrity: raw.integrity,
        has_install_script: raw.has_install_script,
        os: raw.os.0,
        cpu: raw.cpu.0,
        libc: raw.libc.0,
        optional: raw.optional || raw.dev_optional,
        in_bundle: raw.in_bundle,
        bin: raw.bin,
        path,
    })
}

/// The scheme and what follows of a foreign source, without anything that may be a credential.
fn shown_source(resolved: &str) -> String {
    let shown = resolved.split(['?', '#']).next().unwrap_or_default();
    let shown = match (shown.find("://"), shown.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}{}", &shown[..scheme + 3], &shown[at + 1..])
        }
        _ => shown.to_owned(),
    };
    shown.chars().take(200).collect()
}

fn is_web_address(resolved: &str) -> bool {
    resolved.len() <= MAX_TEXT
        && (resolved.starts_with("https://") || resolved.starts_with("http://"))
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.starts_with("/node_modules/"))
}

fn is_below_another(path: &str, packages: &[Package]) -> bool {
    packages
        .iter()
        .any(|other| !other.in_bundle && is_below(path, &other.path))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFile {
    lockfile_version: u64,
    packages: RawPackages,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawPackage {
    name: Option<String>,
    version: Option<String>,
    resolved: Option<String>,
    integrity: Option<String>,
    link: bool,
    has_install_script: bool,
    os: Words,
    cpu: Words,
    libc: Words,
    optional: bool,
    dev_optional: bool,
    in_bundle: bool,
    bin: BTreeMap<String, String>,
}

/// Packages by path, counted while reading, each path once.
struct RawPackages(BTreeMap<String, RawPackage>);

impl<'de> Deserialize<'de> for RawPackages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Packages;
        impl<'de> Visitor<'de> for Packages {
            type Value = RawPackages;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of packages")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawPackages, A::Error> {
                let mut packages = BTreeMap::new();
                while let Some((path, package)) = map.next_entry::<String, RawPackage>()? {
                    if packages.len() > MAX_PACKAGES {
                        return Err(de::Error::custom(format!(
                            "it has more than {MAX_PACKAGES} packages"
                        )));
                    }
                    if packages.insert(path, package).is_some() {
                        return Err(de::Error::custom("a package is there twice"));
                    }
                }
                Ok(RawPackages(packages))
            }
        }
        deserializer.deserialize_map(Packages)
    }
}

/// A list of words, or a single one without brackets.
#[derive(Default)]
struct Words(Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMore {
            One(String),
            More(Vec<String>),
        }
        Ok(Self(match OneOrMore::deserialize(deserializer)? {
            OneOrMore::One(word) => vec![word],
            OneOrMore::More(words) => words,
        }))
    }
}

#[cfg(test)]
#[path = "package_lock_tests.rs"]
mod tests;
