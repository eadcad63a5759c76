//! The built-in profiles: commented data in `profiles/`, embedded here.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::PolicyError;
use crate::config::EgressRule;

/// The profiles that a manifest can name.
pub const PROFILES: &[&str] = &["offline", "files-ro", "files-rw", "web", "browser"];

/// What the server's code runs on; decides which runtime part is added to the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Node,
    Python,
    /// A compiled program, or an interpreter without a part of its own.
    Native,
}

impl Runtime {
    /// The runtime for the lock's interpreter kind.
    pub fn of_interpreter(kind: Option<&str>) -> Self {
        match kind {
            Some("node") => Self::Node,
            Some("python") => Self::Python,
            _ => Self::Native,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python",
            Self::Native => "native",
        }
    }
}

/// One file of `profiles/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub summary: String,
    #[serde(default)]
    network: NetworkText,
    /// Whether its processes may talk to each other by UNIX sockets, where these can be nobody
    /// else's.
    #[serde(default)]
    pub own_sockets: bool,
    /// What this profile can't limit, in words for a person.
    #[serde(default)]
    pub limitations: Vec<String>,
    /// Folders whose shared objects may load further shared libraries.
    #[serde(default)]
    pub libraries_of: Vec<String>,
    /// Names of libraries that programs load while they run (dlopen(3)), which no file announces.
    #[serde(default)]
    pub loads: Vec<String>,
    #[serde(default)]
    pub read: Vec<PathText>,
    #[serde(default)]
    pub write: Vec<PathText>,
    /// Folders whose programs may be executed; no profile of a server has any.
    #[serde(default)]
    pub execute: Vec<PathText>,
    /// Folders in which what is written may be executed; no profile of a server has any.
    #[serde(default)]
    pub write_execute: Vec<PathText>,
    #[serde(default)]
    pub device: Vec<PathText>,
    /// Folders whose entries may be seen, but not read.
    #[serde(default)]
    pub list: Vec<PathText>,
    #[serde(default)]
    pub limits: LimitsText,
    #[serde(default)]
    pub own_root: OwnRootText,
    #[serde(default)]
    pub files: FilesText,
}

/// A path template and who needs it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathText {
    pub path: String,
    pub why: String,
    pub unless: Option<Unless>,
}

/// When a path is not granted although it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unless {
    /// Egress is by name: then the box has a file of its own there.
    Names,
}

/// Limits as written, for example `"8GiB"`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsText {
    pub memory: Option<String>,
    pub open_files: Option<u64>,
    pub file_size: Option<String>,
    pub processes: Option<u64>,
    pub disk: Option<String>,
    /// At one time.
    pub connections: Option<u64>,
}

/// Sizes as written of the memory file systems of a root of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnRootText {
    /// `/dev/shm`
    pub shared_memory: Option<String>,
    /// `/tmp`
    pub temporary: Option<String>,
}

/// What a profile says of the manifest's `files`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesText {
    #[serde(default)]
    pub read: Demand,
    #[serde(default)]
    pub write: Demand,
}

/// Whether a manifest with this profile may, must or must not have a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    #[default]
    Allowed,
    /// At least one entry.
    Required,
    Refused,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum NetworkText {
    Off(Off),
    /// As `egress` in a manifest.
    Egress(Vec<String>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Off {
    Off,
}

impl Default for NetworkText {
    fn default() -> Self {
        Self::Off(Off::Off)
    }
}

impl Profile {
    /// What every server gets.
    pub fn base() -> Result<Self, PolicyError> {
        parse(
            "profiles/base.toml",
            include_str!("../../profiles/base.toml"),
        )
    }

    /// A profile that a manifest can name.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn named(name: &str) -> Result<Self, PolicyError> {
        match name {
            "offline" => parse(
                "profiles/offline.toml",
                include_str!("../../profiles/offline.toml"),
            ),
            "files-ro" => parse(
                "profiles/files-ro.toml",
                include_str!("../../profiles/files-ro.toml"),
            ),
            "files-rw" => parse(
                "profiles/files-rw.toml",
                include_str!("../../profiles/files-rw.toml"),
            ),
            "web" => parse("profiles/web.toml", include_str!("../../profiles/web.toml")),
            "browser" => parse(
                "profiles/browser.toml",
                include_str!("../../profiles/browser.toml"),
            ),
            _ => Err(PolicyError::UnknownProfile {
                name: name.to_owned(),
            }),
        }
    }

    /// npm, while it resolves a closure; no manifest can name it.
    pub fn resolver() -> Result<Self, PolicyError> {
        parse(
            "profiles/resolver.toml",
            include_str!("../../profiles/resolver.toml"),
        )
    }

    /// Install scripts, while a server is locked; no manifest can name it.
    pub fn build() -> Result<Self, PolicyError> {
        parse(
            "profiles/build.toml",
            include_str!("../../profiles/build.toml"),
        )
    }

    /// The part for a runtime.
    pub fn runtime(runtime: Runtime) -> Result<Self, PolicyError> {
        match runtime {
            Runtime::Node => parse(
                "profiles/runtime-node.toml",
                include_str!("../../profiles/runtime-node.toml"),
            ),
            Runtime::Python => parse(
                "profiles/runtime-python.toml",
                include_str!("../../profiles/runtime-python.toml"),
            ),
            Runtime::Native => parse(
                "profiles/runtime-native.toml",
                include_str!("../../profiles/runtime-native.toml"),
            ),
        }
    }

    /// What a manifest without `egress` lets it reach; `None` is no network at all.
    ///
    /// # Errors
    /// Only when the embedded data is wrong.
    pub fn egress(&self) -> Result<Option<BTreeSet<EgressRule>>, PolicyError> {
        let NetworkText::Egress(entries) = &self.network else {
            return Ok(None);
        };
        let rules: Result<BTreeSet<EgressRule>, _> =
            entries.iter().map(|entry| entry.parse()).collect();
        rules.map(Some).map_err(|error| PolicyError::BuiltIn {
            file: "profiles/web.toml or another",
            message: format!("`network`: {error}"),
        })
    }
}

fn parse(file: &'static str, text: &str) -> Result<Profile, PolicyError> {
    toml::from_str(text).map_err(|error| PolicyError::BuiltIn {
        file,
        message: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_valid_and_says_why() {
        let mut profiles = vec![Profile::base().unwrap()];
        profiles.extend(PROFILES.iter().map(|name| Profile::named(name).unwrap()));
        for runtime in [Runtime::Node, Runtime::Python, Runtime::Native] {
            profiles.push(Profile::runtime(runtime).unwrap());
        }
        for profile in &profiles {
            assert!(profile.execute.is_empty() && profile.write_execute.is_empty());
        }
        profiles.extend([Profile::resolver().unwrap(), Profile::build().unwrap()]);
        for profile in profiles {
            assert!(!profile.summary.is_empty());
            for path in profile
                .read
                .iter()
                .chain(&profile.write)
                .chain(&profile.device)
                .chain(&profile.list)
                .chain(&profile.execute)
                .chain(&profile.write_execute)
            {
                assert!(
                    path.path.starts_with('/') || path.path.starts_with('{'),
                    "{}",
                    path.path
                );
                assert!(!path.why.is_empty(), "{}", path.path);
            }
        }
    }

    #[test]
    fn a_profile_with_network_limits_its_connections() {
        for name in PROFILES {
            let profile = Profile::named(name).unwrap();
            let has_network = ["web", "browser"].contains(name);
            assert_eq!(profile.egress().unwrap().is_some(), has_network, "{name}");
            assert_eq!(profile.limits.connections.is_some(), has_network, "{name}");
        }
    }

    /// They say so of themselves; a file for each is easier to read than one that includes another.
    #[test]
    fn files_rw_has_what_files_ro_has_and_browser_what_web_has() {
        for (smaller, larger) in [("files-ro", "files-rw"), ("web", "browser")] {
            let larger = Profile::named(larger).unwrap();
            for path in Profile::named(smaller).unwrap().read {
                assert!(
                    larger.read.iter().any(|own| own.path == path.path),
                    "{}",
                    path.path
                );
            }
        }
    }

    #[test]
    fn an_unknown_profile_is_refused_with_the_known_ones() {
        let message = Profile::named("everything").unwrap_err().to_string();
        assert!(
            message.contains("everything") && message.contains("offline"),
            "{message}"
        );
    }
}
