//! What uv wrote: a pylock.toml (PEP 751) with every package of the closure and the wheels of it
//! that may be used. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::PypiError;
use super::version::Version;
use super::wheel_name::WheelName;
use crate::config::normalized_pypi_name;

/// A closure of thousands is no server.
const MAX_PACKAGES: usize = 5_000;

/// One package of the closure.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// Normalised.
    pub name: String,
    pub version: Version,
    /// sha256 in hexadecimal by name of file.
    pub wheels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawLock {
    lock_version: String,
    #[serde(default)]
    packages: Vec<RawPackage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawPackage {
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    wheels: Vec<RawWheel>,
    #[serde(default)]
    vcs: Option<toml::Value>,
    #[serde(default)]
    directory: Option<toml::Value>,
    #[serde(default)]
    archive: Option<toml::Value>,
}

#[derive(Deserialize)]
struct RawWheel {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

/// Reads the file; every package must come from the index, with wheels and their digests.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Package>, PypiError> {
    let refuse = |reason: String| PypiError::Pylock { reason };
    let text = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".to_owned()))?;
    let lock: RawLock = toml::from_str(text).map_err(|error| refuse(error.message().to_owned()))?;
    if lock.lock_version.split('.').next() != Some("1") {
        return Err(refuse("its lock-version is not 1".to_owned()));
    }
    if lock.packages.len() > MAX_PACKAGES {
        return Err(refuse(format!("it has more than {MAX_PACKAGES} packages")));
    }
    let mut packages: Vec<Package> = Vec::new();
    for raw in lock.packages {
        let package = read(raw)?;
        if packages.iter().any(|earlier| earlier.name == package.name) {
            return Err(refuse(format!("{} is in it twice", package.name)));
        }
        packages.push(package);
    }
    Ok(packages)
}

fn read(raw: RawPackage) -> Result<Package, PypiError> {
    let name: String = raw.name.chars().take(128).collect();
    let refuse = |reason: &str| PypiError::Pylock {
        reason: format!("{name}: {reason}"),
    };
    if raw.vcs.is_some() || raw.directory.is_some() || raw.archive.is_some() {
        return Err(refuse("it comes from an address and not from the index"));
    }
    let version: Version = raw
        .version
        .as_deref()
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| refuse("it has no version"))?;
    if raw.wheels.is_empty() {
        return Err(PypiError::SourceOnly {
            name,
            version: version.to_string(),
        });
    }
    let mut wheels = BTreeMap::new();
    for wheel in &raw.wheels {
        let file = wheel
            .name
            .as_deref()
            .or_else(|| {
                let path = wheel.url.as_deref()?.split(['?', '#']).next()?;
                path.rsplit('/').next()
            })
            .map(super::index::percent_decoded)
            .ok_or_else(|| refuse("a wheel has no name"))?;
        let parsed =
            WheelName::parse(&file).ok_or_else(|| refuse("a wheel's name is malformed"))?;
        if parsed.name != normalized_pypi_name(&name) || parsed.version != version {
            return Err(refuse("a wheel is of another package or version"));
        }
        let sha256 = wheel
            .hashes
            .get("sha256")
            .ok_or_else(|| PypiError::NoHash { file: file.clone() })?;
        wheels.insert(file, sha256.to_ascii_lowercase());
    }
    Ok(Package {
        name: normalized_pypi_name(&name),
        version,
        wheels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.11.2"

[[packages]]
name = "annotated-types"
version = "0.8.0"
marker = "sys_platform != 'emscripten'"
wheels = [{ url = "https://files.example/packages/99/annotated_types-0.8.0-py3-none-any.whl", upload-time = 2026-07-23T20:16:12Z, hashes = { sha256 = "F072" } }]
"#;

    #[test]
    fn packages_and_their_wheels_are_read() {
        let packages = parse(ONE.as_bytes()).unwrap();
        let [package] = packages.as_slice() else {
            panic!("{packages:?}");
        };
        assert_eq!(package.name, "annotated-types");
        assert_eq!(package.version.to_string(), "0.8.0");
        let wheels: Vec<_> = package.wheels.iter().collect();
        assert_eq!(wheels[0].0, "annotated_types-0.8.0-py3-none-any.whl");
        assert_eq!(wheels[0].1, "f072");
    }

    #[test]
    fn what_is_not_a_wheel_of_the_index_is_refused() {
        let cases = [
            ("lock-version = \"1.0\"", "lock-version = \"2.0\""),
            (
                "version = \"0.8.0\"",
                "vcs = { type = \"git\" }\nversion = \"0.8.0\"",
            ),
            (
                "version = \"0.8.0\"",
                "directory = { path = \"x\" }\nversion = \"0.8.0\"",
            ),
            (
                "version = \"0.8.0\"",
                "archive = { url = \"x\" }\nversion = \"0.8.0\"",
            ),
            ("version = \"0.8.0\"", ""),
            ("types-0.8.0-py3", "types-0.9.0-py3"),
            ("annotated_types-0.8", "other-0.8"),
            ("sha256 =", "md5 ="),
            (".whl\"", ".zip\""),
            ("wheels =", "other ="),
            ("[[packages]]", "[[packages]"),
        ];
        for (from, to) in cases {
            let text = ONE.replace(from, to);
            assert_ne!(text, ONE);
            assert!(parse(text.as_bytes()).is_err(), "{to}");
        }
        let twice = format!("{ONE}{}", &ONE[ONE.find("[[").unwrap()..]);
        assert!(parse(twice.as_bytes()).is_err());
    }
}
