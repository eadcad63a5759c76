//! The effective policy: profile and manifest resolved, with the origin of every right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use super::calls::CallPolicy;
use super::grants::{Grant, Origin, OwnFolders, grants_of, manifest_grant, meet_demands};
use super::network::{egress_of, egress_of_resolver, limitations_of, network_of};
use super::settings::settings;
use super::{EgressPolicy, PolicyError, Profile, Runtime};
use crate::config::{self, EgressRule, EgressTier, EnvValue, Layers, RuntimeRule, Server, Source};
use crate::lockfile::{Confinement, Digest, ToolName};
use crate::relay::{self, Reach};
use crate::sandbox::{Access, Layer, Network, Requirement, Requirements};

/// The oldest Landlock ABI that a server is started on (design: TCP rules, Linux 6.7).
const LANDLOCK_FLOOR: u32 = 4;

/// Everything one server may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectivePolicy {
    pub profile: String,
    pub runtime: Runtime,
    /// Whether it may run on an interpreter of the machine that isn't the one that was locked.
    pub tolerates_changed_interpreter: bool,
    /// `None` is no network.
    pub egress: Option<EgressPolicy>,
    pub grants: Vec<Grant>,
    /// Path templates of folders whose shared objects load further libraries.
    pub libraries_of: Vec<String>,
    /// Names of libraries that programs load while they run.
    pub loads: Vec<String>,
    /// Programs it may execute besides its interpreter.
    pub execute: Vec<String>,
    pub environment: BTreeMap<String, EnvValue>,
    pub arguments: Vec<String>,
    pub tools: BTreeSet<ToolName>,
    pub calls: CallPolicy,
    /// What it may ask of the client, and the client of it, beyond tools.
    pub protocol: relay::Grants,
    pub limits: Limits,
    pub own_root: OwnRoot,
    /// Where the values of `limits` and `own_root` come from, by their names; those of `egress` are
    /// called `connections` and, for its bytes, `egress`.
    pub origins: BTreeMap<&'static str, Origin>,
    pub layers: Layers,
    /// What can't be limited yet, in words for a person.
    pub limitations: Vec<String>,
}

/// Limits in bytes and counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    pub memory: Option<u64>,
    pub processes: Option<u64>,
    /// Of all processes together, in milliseconds.
    pub processor_time: Option<u64>,
    /// What it keeps in its own folders, in bytes.
    pub disk: Option<u64>,
    pub open_files: Option<u64>,
    pub file_size: Option<u64>,
}

/// Sizes, in bytes, of the memory file systems of a root of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OwnRoot {
    /// `/dev/shm`
    pub shared_memory: u64,
    /// `/tmp`
    pub temporary: u64,
}

impl EffectivePolicy {
    /// Resolves a server of the manifest.
    ///
    /// # Errors
    /// When the profile is unknown, doesn't go with what the manifest grants, or a granted folder
    /// can't be granted.
    pub fn resolve(
        server: &Server,
        runtime: Runtime,
        own: &OwnFolders,
    ) -> Result<Self, PolicyError> {
        let base = Profile::base()?;
        let profile = Profile::named(&server.profile)?;
        let part = Profile::runtime(runtime)?;
        meet_demands(server, &profile)?;
        let parts = [
            (&base, Origin::Base),
            (&profile, Origin::Profile(server.profile.clone())),
            (&part, Origin::Runtime(runtime.name())),
        ];
        let settings = settings(&server.limits, &parts)?;
        let egress = egress_of(server, &profile, &settings)?;
        let tier = egress.as_ref().map(|egress| egress.tier);
        let mut grants: Vec<Grant> = parts
            .iter()
            .flat_map(|(part, origin)| grants_of(part, origin, tier))
            .collect();
        for (paths, access) in [
            (&server.files.read, Access::Read),
            (&server.files.write, Access::Write),
        ] {
            for path in paths {
                grants.push(manifest_grant(path, access, own)?);
            }
        }
        let limitations = egress.iter().flat_map(limitations_of);
        let limitations = limitations.chain(profile.limitations).collect();
        Ok(Self {
            profile: server.profile.clone(),
            runtime,
            tolerates_changed_interpreter: server.runtime == RuntimeRule::Warn,
            egress,
            grants,
            libraries_of: [profile.libraries_of, part.libraries_of].concat(),
            loads: [profile.loads, part.loads].concat(),
            execute: server.exec.clone(),
            environment: server.env.clone(),
            arguments: server.args.clone(),
            tools: server.tools.allow.clone(),
            calls: CallPolicy::of(server),
            protocol: server.grants.clone(),
            limits: settings.limits,
            own_root: settings.own_root,
            origins: settings.origins,
            layers: server.layers,
            limitations,
        })
    }

    /// The policy for a program that is granted nothing, for example to ask for its version.
    ///
    /// # Errors
    /// Only when the embedded data is wrong.
    pub fn ungranted(runtime: Runtime) -> Result<Self, PolicyError> {
        Self::resolve(&nothing(), runtime, &OwnFolders::default())
    }

    /// The policy of a server with the profile `web` that is granted nothing else.
    ///
    /// # Errors
    /// Only when the embedded data is wrong.
    pub fn web(runtime: Runtime) -> Result<Self, PolicyError> {
        let server = Server {
            profile: "web".to_owned(),
            ..nothing()
        };
        Self::resolve(&server, runtime, &OwnFolders::default())
    }

    /// The policy for npm or uv while it resolves: it runs on `runtime`, reaches what `rules` say, held as `tier` says, and
    /// may read `certificates`.
    ///
    /// # Errors
    /// Only when the embedded data is wrong.
    pub fn for_resolver(
        runtime: Runtime,
        rules: BTreeSet<EgressRule>,
        tier: EgressTier,
        certificates: &[PathBuf],
    ) -> Result<Self, PolicyError> {
        let base = Profile::base()?;
        let profile = Profile::resolver()?;
        let part = Profile::runtime(runtime)?;
        let origin = Origin::Profile("resolver".to_owned());
        let parts = [
            (&base, Origin::Base),
            (&profile, origin.clone()),
            (&part, Origin::Runtime(runtime.name())),
        ];
        let settings = settings(&config::Limits::default(), &parts)?;
        let egress = egress_of_resolver(rules, tier, &settings)?;
        let mut grants: Vec<Grant> = parts
            .iter()
            .flat_map(|(part, origin)| grants_of(part, origin, Some(tier)))
            .collect();
        grants.extend(certificates.iter().map(|path| Grant {
            path: path.to_string_lossy().into_owned(),
            access: Access::Read,
            why: "certificate authorities of the user's settings".to_owned(),
            origin: origin.clone(),
            resolved: None,
        }));
        let limitations = limitations_of(&egress);
        let limitations = limitations.into_iter().chain(profile.limitations).collect();
        Ok(Self {
            profile: "resolver".to_owned(),
            runtime,
            tolerates_changed_interpreter: false,
            egress: Some(egress),
            grants,
            libraries_of: part.libraries_of,
            loads: part.loads,
            execute: Vec::new(),
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            tools: BTreeSet::new(),
            calls: CallPolicy::default(),
            protocol: relay::Grants::default(),
            limits: settings.limits,
            own_root: settings.own_root,
            origins: settings.origins,
            layers: Layers::default(),
            limitations,
        })
    }

    /// The folders and files that the manifest grants, as written and with links resolved: what
    /// the client's roots are held to.
    pub fn granted_paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for grant in &self.grants {
            if grant.origin == Origin::Manifest {
                paths.push(PathBuf::from(&grant.path));
                paths.extend(grant.resolved.clone());
            }
        }
        paths.dedup();
        paths
    }

    /// What the sandbox lets through.
    pub fn network(&self) -> Network {
        network_of(self.egress.as_ref())
    }

    /// How much the namespaces matter: without them there is no egress by name.
    pub fn namespaces(&self) -> Requirement {
        match self.network() {
            Network::Relayed(_) => Requirement::Required,
            Network::Off | Network::Ports(_) => self.layers.namespaces,
        }
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
        let mut document = serde_json::json!({
            "profile": self.profile,
            "runtime": self.runtime.name(),
            "network": self.egress.as_ref().map_or_else(|| "off".into(), egress_document),
            "grants": grants,
            "libraries_of": self.libraries_of,
            "loads": self.loads,
            "execute": self.execute,
            "environment": environment,
            "arguments": self.arguments,
            "tools": tools,
            "limits": self.limits,
            "own_root": self.own_root,
            "layers": [self.layers.namespaces.name(), self.layers.landlock.name()],
        });
        // What a manifest doesn't say leaves no trace, so that locks stay valid.
        let calls = self.calls.document();
        if !calls.is_empty() {
            document["calls"] = calls.into();
        }
        if self.tolerates_changed_interpreter {
            document["changed_interpreter"] = "warn".into();
        }
        // Absent where nothing differs from what every server gets, as in locks made before.
        if self.protocol != relay::Grants::default() {
            document["protocol"] = protocol_document(&self.protocol);
        }
        // serde_json keeps the keys of a Value sorted, so this text is deterministic.
        Digest::of(document.to_string().as_bytes())
    }

    /// The part of the policy that the lock records.
    pub fn confinement(&self) -> Confinement {
        let namespaces = self.namespaces() == Requirement::Required;
        let least = |layer: &Layer| match layer {
            Layer::Landlock => self.layers.landlock == Requirement::Required,
            Layer::OwnNetwork => namespaces && self.network().is_own(),
            layer => namespaces || !layer.is_namespace(),
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
            namespaces: self.namespaces(),
            network: self.network(),
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

/// A server that is nowhere and may do nothing.
fn nothing() -> Server {
    let source = Source::Path {
        written: String::new(),
        file: PathBuf::new(),
    };
    Server::ungranted(source, String::new())
}

fn egress_document(egress: &EgressPolicy) -> serde_json::Value {
    let rules: Vec<String> = egress.rules.iter().map(ToString::to_string).collect();
    serde_json::json!({
        "rules": rules,
        "tier": egress.tier.name(),
        "check_server_name": egress.check_server_name,
        "connections": egress.connections,
        "bytes": egress.bytes,
        "trusts_names": egress.trusts_names,
    })
}

fn protocol_document(grants: &relay::Grants) -> serde_json::Value {
    serde_json::json!({
        "sampling": grants.sampling,
        "elicitation": grants.elicitation.name(),
        "roots": grants.roots,
        "notifications": grants.notifications,
        "methods": grants.methods,
        "resources": reach_document(&grants.resources),
        "prompts": reach_document(&grants.prompts),
        "completion": grants.completion,
        "logging": grants.logging,
    })
}

fn reach_document(reach: &Reach) -> serde_json::Value {
    match reach {
        Reach::All => true.into(),
        Reach::Off => false.into(),
        Reach::Matching(patterns) => {
            let patterns: BTreeSet<String> = patterns.iter().map(ToString::to_string).collect();
            serde_json::json!(patterns)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Elicitation;
    use crate::schema::Schema;

    fn server(change: impl FnOnce(&mut Server)) -> Server {
        let mut server = nothing();
        change(&mut server);
        server
    }

    fn resolve(server: &Server) -> Result<EffectivePolicy, PolicyError> {
        EffectivePolicy::resolve(server, Runtime::Node, &OwnFolders::default())
    }

    #[test]
    fn a_profile_over_files_holds_the_manifest_to_its_name() {
        let (read, write) = (vec![PathBuf::from("/srv/a")], vec![PathBuf::from("/srv/b")]);
        // (profile, read, write, what is said, or nothing)
        let table: [(&str, &[PathBuf], &[PathBuf], &str); 10] = [
            ("files-ro", &[], &[], "`files.read`: name"),
            ("files-ro", &read, &[], ""),
            ("files-ro", &read, &write, "no entry in `files.write`"),
            ("files-rw", &[], &[], "`files.write`: name"),
            ("files-rw", &read, &[], "`files.write`: name"),
            ("files-rw", &[], &write, ""),
            ("files-rw", &read, &write, ""),
            ("offline", &read, &write, ""),
            ("web", &read, &write, ""),
            ("browser", &[], &[], ""),
        ];
        for (profile, read, write, says) in table {
            let result = resolve(&server(|server| {
                server.profile = profile.into();
                server.files.read = read.to_vec();
                server.files.write = write.to_vec();
            }));
            let said = result.err().map(|error| error.to_string());
            assert_eq!(said.is_some(), !says.is_empty(), "{profile} {said:?}");
            assert!(said.unwrap_or_default().contains(says), "{profile}");
        }
    }

    #[test]
    fn the_manifest_is_stronger_than_the_profile_and_that_than_the_base() {
        let policy = resolve(&server(|server| {
            server.profile = "browser".into();
            server.limits.memory = Some(5);
        }))
        .unwrap();
        assert_eq!(policy.limits.memory, Some(5));
        assert_eq!(policy.origins["memory"], Origin::Manifest);
        assert_eq!(policy.limits.open_files, Some(4096));
        assert_eq!(policy.origins["open_files"], Origin::Base);
        assert_eq!(policy.own_root.shared_memory, 1 << 30);
        assert_eq!(
            policy.origins["shared_memory"],
            Origin::Profile("browser".into())
        );
        assert_eq!(policy.limits.processor_time, None);
        assert!(!policy.origins.contains_key("processor_time"));
        let offline = resolve(&server(|_| {})).unwrap();
        assert_eq!(offline.own_root.shared_memory, 64 << 20);
    }

    fn matching(patterns: &[&str]) -> Reach {
        Reach::Matching(patterns.iter().map(|text| text.parse().unwrap()).collect())
    }

    /// The lock of a server that has no `grants` is as it was before there were any.
    #[test]
    fn a_server_without_grants_keeps_the_digest_that_it_had() {
        let document = |change: &dyn Fn(&mut Server)| resolve(&server(change)).unwrap();
        let before = document(&|_| {});
        assert_eq!(before.protocol, relay::Grants::default());
        let mut with = before.clone();
        with.protocol.roots = true;
        assert_ne!(before.digest(), with.digest());
        with.protocol = relay::Grants::default();
        assert_eq!(before.digest(), with.digest());
    }

    #[test]
    fn every_setting_is_part_of_the_digest() {
        let digest = |change: &dyn Fn(&mut Server)| resolve(&server(change)).unwrap().digest();
        let web = |server: &mut Server| server.profile = "web".into();
        let rules = |entries: &[&str]| -> Vec<EgressRule> {
            entries.iter().map(|entry| entry.parse().unwrap()).collect()
        };
        let rate = |calls| config::Rate {
            calls,
            period: std::time::Duration::from_secs(1),
        };
        let echo = || "echo".parse().unwrap();
        let allowed = |server: &mut Server| {
            server.tools.allow = [echo()].into();
        };
        let changes: [&dyn Fn(&mut Server); 39] = [
            &|_| {},
            &web,
            &|server| {
                web(server);
                server.egress = Some(Vec::new());
            },
            &|server| {
                web(server);
                server.egress = Some(rules(&["a.test:443"]));
            },
            &|server| {
                web(server);
                server.egress = Some(rules(&["b.test:443"]));
            },
            &|server| {
                web(server);
                server.egress = Some(rules(&["a.test:80"]));
            },
            &|server| {
                web(server);
                server.egress_tier = Some(EgressTier::Ports);
            },
            &|server| {
                web(server);
                server.check_server_name = Some(false);
            },
            &|server| {
                web(server);
                server.limits.connections = Some(1);
            },
            &|server| {
                web(server);
                server.limits.egress = Some(1);
            },
            &|server| server.args = vec!["--all".into()],
            &|server| server.exec = vec!["git".into()],
            &|server| server.files.read = vec!["/srv".into()],
            &|server| server.files.write = vec!["/srv".into()],
            &|server| server.limits.memory = Some(1),
            &|server| server.layers.namespaces = Requirement::Off,
            &|server| server.layers.landlock = Requirement::Preferred,
            &allowed,
            &|server| {
                allowed(server);
                server.tools.ask = [echo()].into();
            },
            &|server| {
                allowed(server);
                server.tools.limits.others = Some(rate(1));
            },
            &|server| {
                allowed(server);
                server.tools.limits.others = Some(rate(2));
            },
            &|server| {
                allowed(server);
                server.tools.limits.named = [(echo(), rate(1))].into();
            },
            &|server| {
                allowed(server);
                server.tools.repeat.others = Some(rate(1).period);
            },
            &|server| {
                allowed(server);
                let rule = Schema(vec![crate::schema::Keyword::Never]);
                server.tools.rules = [(echo(), rule)].into();
            },
            &|server| server.redact = config::Redact::None,
            &|server| server.redact = config::Redact::All,
            &|server| server.redact = config::Redact::Named(["A".to_owned()].into()),
            &|server| server.neutralise = true,
            &|server| server.grants.sampling = true,
            &|server| server.grants.elicitation = Elicitation::Form,
            &|server| server.grants.elicitation = Elicitation::Url,
            &|server| server.grants.roots = true,
            &|server| server.grants.notifications = ["notifications/x".to_owned()].into(),
            &|server| server.grants.methods = ["x/y".to_owned()].into(),
            &|server| server.grants.resources = Reach::Off,
            &|server| server.grants.resources = matching(&["a", "b"]),
            &|server| server.grants.prompts = Reach::Off,
            &|server| server.grants.completion = false,
            &|server| server.grants.logging = false,
        ];
        let digests: BTreeSet<Digest> = changes.iter().map(|change| digest(*change)).collect();
        assert_eq!(digests.len(), changes.len());
        // The order in which hosts are written, and saying what holds anyway, change nothing.
        let same = |change: &dyn Fn(&mut Server), other: &dyn Fn(&mut Server)| {
            assert_eq!(digest(change), digest(other));
        };
        same(
            &|server| server.grants.resources = matching(&["a", "b"]),
            &|server| server.grants.resources = matching(&["b", "a"]),
        );
        same(&web, &|server| {
            web(server);
            server.egress = Some(rules(&["*:443", "*:80"]));
            server.egress_tier = Some(EgressTier::Names);
            server.check_server_name = Some(true);
            server.limits.connections = Some(256);
        });
    }
}
