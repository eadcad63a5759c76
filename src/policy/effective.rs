//! The effective policy: profile and manifest resolved, with the origin of every right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{PolicyError, Profile, Runtime};
use crate::config::{self, EnvValue, Layers, Server, Source, parse_size};
use crate::lockfile::{Confinement, Digest, ToolName};
use crate::sandbox::{Access, Layer, Network, Requirement, Requirements};

/// The oldest Landlock ABI that a server is started on (design: TCP rules, Linux 6.7).
const LANDLOCK_FLOOR: u32 = 4;

/// Everything one server may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectivePolicy {
    pub profile: String,
    pub runtime: Runtime,
    pub network: Network,
    pub grants: Vec<Grant>,
    /// Path templates of folders whose shared objects load further libraries.
    pub libraries_of: Vec<String>,
    /// Programs it may execute besides its interpreter.
    pub execute: Vec<String>,
    pub environment: BTreeMap<String, EnvValue>,
    pub arguments: Vec<String>,
    pub tools: BTreeSet<ToolName>,
    pub limits: Limits,
    pub layers: Layers,
    /// What can't be limited yet, in words for a person.
    pub limitations: Vec<String>,
}

/// One right to files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// An absolute path, perhaps with `{tree}`, `{home}`, `{temporary}`, `{prefix}` or `{name}` in it.
    pub path: String,
    pub access: Access,
    pub why: String,
    pub origin: Origin,
    /// Of a path that the manifest grants: what it is with links resolved. It is pinned, too: a
    /// server that may write somewhere above could put a link in its place.
    pub resolved: Option<PathBuf>,
}

/// pinfold's own files and folders, which no manifest may grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnFolders {
    /// Neither to read nor to write: store, state and logs of other servers, the user's manifest.
    pub private: Vec<PathBuf>,
    /// Not to write: a manifest that lies in a repository, and the program itself.
    pub protected: Vec<PathBuf>,
}

/// Where a right comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Base,
    Profile(String),
    Runtime(&'static str),
    Manifest,
}

/// Limits in bytes and counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    pub memory: Option<u64>,
    pub processes: Option<u64>,
    pub open_files: Option<u64>,
    pub file_size: Option<u64>,
}

impl EffectivePolicy {
    /// Resolves a server of the manifest.
    ///
    /// # Errors
    /// When the profile is unknown or a granted folder can't be granted.
    pub fn resolve(
        server: &Server,
        runtime: Runtime,
        own: &OwnFolders,
    ) -> Result<Self, PolicyError> {
        let base = Profile::base()?;
        let profile = Profile::named(&server.profile)?;
        let part = Profile::runtime(runtime)?;
        let mut grants = grants_of(&base, &Origin::Base);
        grants.extend(grants_of(
            &profile,
            &Origin::Profile(server.profile.clone()),
        ));
        grants.extend(grants_of(&part, &Origin::Runtime(runtime.name())));
        for (paths, access) in [
            (&server.files.read, Access::Read),
            (&server.files.write, Access::Write),
        ] {
            for path in paths {
                grants.push(manifest_grant(path, access, own)?);
            }
        }
        Ok(Self {
            profile: server.profile.clone(),
            runtime,
            network: profile.network(),
            grants,
            libraries_of: part.libraries_of,
            execute: server.exec.clone(),
            environment: server.env.clone(),
            arguments: server.args.clone(),
            tools: server.tools.allow.clone(),
            limits: limits(&server.limits, &base)?,
            layers: server.layers,
            limitations: profile.limitations,
        })
    }

    /// The policy for a program that is granted nothing, for example to ask for its version.
    ///
    /// # Errors
    /// Only when the embedded data is wrong.
    pub fn ungranted(runtime: Runtime) -> Result<Self, PolicyError> {
        let source = Source::Path {
            written: String::new(),
            file: PathBuf::new(),
        };
        let server = Server::ungranted(source, String::new());
        Self::resolve(&server, runtime, &OwnFolders::default())
    }

    /// The policy for npm while it resolves: TCP to `ports` only, and `certificates` readable.
    ///
    /// # Errors
    /// Only when the embedded data is wrong.
    pub fn for_resolver(ports: &[u16], certificates: &[PathBuf]) -> Result<Self, PolicyError> {
        let base = Profile::base()?;
        let profile = Profile::resolver()?;
        let part = Profile::runtime(Runtime::Node)?;
        let origin = Origin::Profile("resolver".to_owned());
        let mut grants = grants_of(&base, &Origin::Base);
        grants.extend(grants_of(&profile, &origin));
        grants.extend(grants_of(&part, &Origin::Runtime(Runtime::Node.name())));
        grants.extend(certificates.iter().map(|path| Grant {
            path: path.to_string_lossy().into_owned(),
            access: Access::Read,
            why: "certificate authorities of the user's npm settings".to_owned(),
            origin: origin.clone(),
            resolved: None,
        }));
        let Network::Ports(mut all_ports) = profile.network() else {
            return Err(PolicyError::BuiltIn {
                file: "profiles/resolver.toml",
                message: "the resolver needs a network".to_owned(),
            });
        };
        all_ports.extend(ports);
        Ok(Self {
            profile: "resolver".to_owned(),
            runtime: Runtime::Node,
            network: Network::Ports(all_ports),
            grants,
            libraries_of: part.libraries_of,
            execute: Vec::new(),
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            tools: BTreeSet::new(),
            limits: limits(&config::Limits::default(), &base)?,
            layers: Layers::default(),
            limitations: profile.limitations,
        })
    }

    /// The digest that the lock pins: over what the policy says, not over what the paths are on
    /// this machine.
    pub fn digest(&self) -> Digest {
        let grants: BTreeSet<(&str, Access, Option<&PathBuf>)> = self
            .grants
            .iter()
            .map(|grant| (grant.path.as_str(), grant.access, grant.resolved.as_ref()))
            .collect();
        let environment: BTreeMap<&str, String> = self
            .environment
            .iter()
            .map(|(name, value)| {
                let text = match value {
                    EnvValue::Literal(text) => format!("value {text}"),
                    EnvValue::FromClient { name } => format!("from {name}"),
                };
                (name.as_str(), text)
            })
            .collect();
        let tools: Vec<&str> = self.tools.iter().map(ToolName::as_str).collect();
        let document = serde_json::json!({
            "profile": self.profile,
            "runtime": self.runtime.name(),
            "network": self.network,
            "grants": grants,
            "libraries_of": self.libraries_of,
            "execute": self.execute,
            "environment": environment,
            "arguments": self.arguments,
            "tools": tools,
            "limits": self.limits,
            "layers": [name(self.layers.namespaces), name(self.layers.landlock)],
        });
        // serde_json keeps the keys of a Value sorted, so this text is deterministic.
        Digest::of(document.to_string().as_bytes())
    }

    /// The part of the policy that the lock records.
    pub fn confinement(&self) -> Confinement {
        let least = |layer: &Layer| match layer {
            Layer::Landlock => self.layers.landlock == Requirement::Required,
            Layer::OwnNetwork => {
                self.layers.namespaces == Requirement::Required && self.network == Network::Off
            }
            layer => !layer.is_namespace() || self.layers.namespaces == Requirement::Required,
        };
        let mut layers: Vec<String> = Layer::ALL
            .iter()
            .filter(|layer| least(layer))
            .map(|layer| layer.name().to_owned())
            .collect();
        layers.sort();
        Confinement {
            policy: self.digest(),
            landlock_abi: if least(&Layer::Landlock) {
                LANDLOCK_FLOOR
            } else {
                0
            },
            layers,
        }
    }

    /// What a launch must ask of the kernel: the policy's wishes, and never less than the lock's
    /// least enforcement.
    ///
    /// # Errors
    /// When the lock names a layer that this version doesn't know.
    pub fn requirements(&self, confinement: &Confinement) -> Result<Requirements, PolicyError> {
        let mut requirements = Requirements {
            landlock_abi: confinement.landlock_abi.max(LANDLOCK_FLOOR),
            landlock: self.layers.landlock,
            namespaces: self.layers.namespaces,
            network: self.network != Network::Off,
        };
        for name in &confinement.layers {
            let layer: Layer = name
                .parse()
                .map_err(|()| PolicyError::UnknownLayer { name: name.clone() })?;
            if layer == Layer::Landlock {
                requirements.landlock = Requirement::Required;
            } else if layer.is_namespace() {
                requirements.namespaces = Requirement::Required;
            }
        }
        Ok(requirements)
    }
}

fn name(requirement: Requirement) -> &'static str {
    match requirement {
        Requirement::Off => "off",
        Requirement::Preferred => "preferred",
        Requirement::Required => "required",
    }
}

fn grants_of(profile: &Profile, origin: &Origin) -> Vec<Grant> {
    [
        (&profile.read, Access::Read),
        (&profile.write, Access::Write),
        (&profile.device, Access::Device),
    ]
    .into_iter()
    .flat_map(|(paths, access)| paths.iter().map(move |path| (path, access)))
    .map(|(path, access)| Grant {
        path: path.path.clone(),
        access,
        why: path.why.clone(),
        origin: origin.clone(),
        resolved: None,
    })
    .collect()
}

/// Judges a path that a manifest grants, as written and again with links resolved.
///
/// Landlock can't take a right away below a folder that has it, so a grant must not hold pinfold's
/// own files.
///
/// # Errors
/// [`PolicyError::ForbiddenGrant`].
pub fn check_grant(path: &Path, access: Access, own: &OwnFolders) -> Result<(), PolicyError> {
    let meets = |own: &PathBuf| own.starts_with(path) || path.starts_with(own);
    let forbidden = path == Path::new("/")
        || own.private.iter().any(meets)
        || (access == Access::Write && own.protected.iter().any(meets));
    if forbidden {
        Err(PolicyError::ForbiddenGrant {
            path: path.to_owned(),
        })
    } else {
        Ok(())
    }
}

fn manifest_grant(path: &Path, access: Access, own: &OwnFolders) -> Result<Grant, PolicyError> {
    check_grant(path, access, own)?;
    Ok(Grant {
        path: path.to_string_lossy().into_owned(),
        access,
        why: "granted in the manifest".to_owned(),
        origin: Origin::Manifest,
        resolved: None,
    })
}

fn limits(server: &config::Limits, base: &Profile) -> Result<Limits, PolicyError> {
    let size = |text: &Option<String>| {
        text.as_deref()
            .map(parse_size)
            .transpose()
            .map_err(|error| PolicyError::BuiltIn {
                file: "profiles/base.toml",
                message: error.to_string(),
            })
    };
    Ok(Limits {
        memory: server.memory.or(size(&base.limits.memory)?),
        processes: server.processes.or(base.limits.processes),
        open_files: server.open_files.or(base.limits.open_files),
        file_size: server.file_size.or(size(&base.limits.file_size)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> OwnFolders {
        OwnFolders {
            private: vec![
                "/home/me/.config/pinfold".into(),
                "/home/me/.local/share/pinfold".into(),
            ],
            protected: vec!["/src/repository/pinfold.toml".into()],
        }
    }

    #[test]
    fn grants_that_reach_our_own_files_are_refused() {
        let refused = [
            ("/", Access::Read),
            ("/home", Access::Read),
            ("/home/me", Access::Read),
            ("/home/me/.config/pinfold", Access::Read),
            ("/home/me/.local/share/pinfold/store", Access::Write),
            ("/src/repository", Access::Write),
        ];
        for (path, access) in refused {
            assert!(
                check_grant(Path::new(path), access, &own()).is_err(),
                "{path} {access:?}"
            );
        }
        let fine = [
            ("/home/me/documents", Access::Write),
            ("/home/me/.config/pinfolding", Access::Write),
            ("/src/repository", Access::Read),
            ("/src/other", Access::Write),
        ];
        for (path, access) in fine {
            assert!(
                check_grant(Path::new(path), access, &own()).is_ok(),
                "{path} {access:?}"
            );
        }
    }

    #[test]
    fn every_setting_is_part_of_the_digest() {
        let resolve = |change: &dyn Fn(&mut Server)| {
            let source = Source::Path {
                written: String::new(),
                file: PathBuf::new(),
            };
            let mut server = Server::ungranted(source, String::new());
            change(&mut server);
            EffectivePolicy::resolve(&server, Runtime::Node, &OwnFolders::default())
                .unwrap()
                .digest()
        };
        let changes: [&dyn Fn(&mut Server); 10] = [
            &|_| {},
            &|server| server.profile = "web".into(),
            &|server| server.args = vec!["--all".into()],
            &|server| server.exec = vec!["git".into()],
            &|server| server.files.read = vec!["/srv".into()],
            &|server| server.files.write = vec!["/srv".into()],
            &|server| server.limits.memory = Some(1),
            &|server| server.layers.namespaces = Requirement::Off,
            &|server| server.layers.landlock = Requirement::Preferred,
            &|server| {
                server.tools.allow = ["echo".parse().unwrap()].into();
            },
        ];
        let digests: BTreeSet<Digest> = changes.iter().map(|change| resolve(*change)).collect();
        assert_eq!(digests.len(), changes.len());
    }
}
