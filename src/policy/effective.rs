//! The effective policy: profile and manifest resolved, with the origin of every right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use super::calls::CallPolicy;
use super::grants::{Grant, Origin, OwnFolders, grants_of, manifest_grant, meet_demands};
use super::network::{
    egress_of, egress_of_build, egress_of_resolver, limitations_of, network_of, sockets_are_its_own,
};
use super::settings::settings;
use super::syscalls::own_list;
use super::{EgressPolicy, PolicyError, Profile, Runtime};
use crate::config::{
    self, Alarm, Alarms, ConfigValue, EgressRule, EgressTier, EnvValue, Layers, RuntimeRule,
    Server, Source,
};
use crate::lockfile::{Confinement, Digest, ToolName};
use crate::relay::{self, Reach};
use crate::sandbox::{Access, Layer, Network, Requirement, Requirements};

/// The oldest Landlock ABI that a server is started on (design: TCP rules, Linux 6.7).
pub const LANDLOCK_FLOOR: u32 = 4;

/// Everything one server may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectivePolicy {
    pub profile: String,
    pub runtime: Runtime,
    /// Whether it may run on an interpreter of the machine that isn't the one that was locked.
    pub tolerates_changed_interpreter: bool,
    /// `None` is no network.
    pub egress: Option<EgressPolicy>,
    /// Whether its processes may talk to each other by UNIX sockets.
    pub own_sockets: bool,
    pub grants: Vec<Grant>,
    /// Path templates of folders whose shared objects load further libraries.
    pub libraries_of: Vec<String>,
    /// Names of libraries that programs load while they run.
    pub loads: Vec<String>,
    /// Programs it may execute besides its interpreter.
    pub execute: Vec<String>,
    pub environment: BTreeMap<String, EnvValue>,
    pub arguments: Vec<String>,
    /// The file to run, where the manifest says it.
    pub program: Option<String>,
    /// Values of a bundle.
    pub config: BTreeMap<String, ConfigValue>,
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
    /// The only system calls that it may make, of those that its box lets through; `None` is all of
    /// them. With those that no list takes away.
    pub system_calls: Option<BTreeSet<String>>,
    /// What puts it into quarantine by itself.
    pub alarms: Alarms,
    /// What can't be limited yet, in words for a person.
    pub limitations: Vec<String>,
}

const CPU_NEEDS_A_GROUP: &str = "limits.cpu holds where the server has a control group: sessions of `pinfold daemon`, run by systemd (Delegate=yes) with the cpu controller";

/// Limits in bytes and counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    pub memory: Option<u64>,
    pub processes: Option<u64>,
    /// Of all processes together, in milliseconds.
    pub processor_time: Option<u64>,
    /// Of all processes together, in hundredths of a processor. Not in the digest where it is not
    /// set, so that locks from before it existed stay what they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u64>,
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
        let deaf = tier != Some(EgressTier::Names);
        if deaf && server.alarms.quarantine.contains(&Alarm::RefusedEgress) {
            return Err(PolicyError::DeafAlarm);
        }
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
        let system_calls = server.system_calls.as_ref().map(own_list).transpose()?;
        let own_sockets = profile.own_sockets && sockets_are_its_own(server, egress.as_ref());
        let limitations = egress.iter().flat_map(limitations_of);
        let limitations = limitations
            .chain(profile.limitations)
            .chain(settings.limits.cpu.map(|_| CPU_NEEDS_A_GROUP.to_owned()))
            .collect();
        Ok(Self {
            profile: server.profile.clone(),
            runtime,
            tolerates_changed_interpreter: server.runtime == RuntimeRule::Warn,
            egress,
            own_sockets,
            grants,
            libraries_of: [profile.libraries_of, part.libraries_of].concat(),
            loads: [profile.loads, part.loads].concat(),
            execute: server.exec.clone(),
            environment: server.env.clone(),
            arguments: server.args.clone(),
            program: server.program.clone(),
            config: server.config.clone(),
            tools: server.tools.allow.clone(),
            calls: CallPolicy::of(server),
            protocol: server.grants.clone(),
            limits: settings.limits,
            own_root: settings.own_root,
            origins: settings.origins,
            layers: server.layers,
            system_calls,
            alarms: server.alarms.clone(),
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
            own_sockets: false,
            grants,
            libraries_of: part.libraries_of,
            loads: part.loads,
            execute: Vec::new(),
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            program: None,
            config: BTreeMap::new(),
            tools: BTreeSet::new(),
            calls: CallPolicy::default(),
            protocol: relay::Grants::default(),
            limits: settings.limits,
            own_root: settings.own_root,
            origins: settings.origins,
            layers: Layers::default(),
            system_calls: None,
            alarms: Alarms::default(),
            limitations,
        })
    }

    /// The policy for install scripts: the machine's compilers, their own copy of the tree, and what
    /// `rules` say of the network, by name; without rules there is none.
    ///
    /// # Errors
    /// Only when the embedded data is wrong.
    pub fn for_build(rules: BTreeSet<EgressRule>) -> Result<Self, PolicyError> {
        let base = Profile::base()?;
        let profile = Profile::build()?;
        let part = Profile::runtime(Runtime::Node)?;
        let parts = [
            (&base, Origin::Base),
            (&profile, Origin::Profile("build".to_owned())),
            (&part, Origin::Runtime(Runtime::Node.name())),
        ];
        let settings = settings(&config::Limits::default(), &parts)?;
        let egress = match rules.is_empty() {
            true => None,
            false => Some(egress_of_build(rules, &settings)?),
        };
        let tier = egress.as_ref().map(|egress| egress.tier);
        let grants = parts
            .iter()
            .flat_map(|(part, origin)| grants_of(part, origin, tier))
            .collect();
        Ok(Self {
            profile: "build".to_owned(),
            egress,
            grants,
            libraries_of: part.libraries_of,
            loads: part.loads,
            limits: settings.limits,
            own_root: settings.own_root,
            origins: settings.origins,
            ..Self::ungranted(Runtime::Node)?
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
                    EnvValue::Secret(secret) => format!("secret {}", secret.document()),
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
        if let Some(program) = &self.program {
            document["program"] = program.as_str().into();
        }
        if !self.config.is_empty() {
            document["config"] = config_document(&self.config);
        }
        let calls = self.calls.document();
        if !calls.is_empty() {
            document["calls"] = calls.into();
        }
        if !self.alarms.quarantine.is_empty() {
            document["alarms"] = self.alarms_document();
        }
        if let Some(calls) = &self.system_calls {
            document["system_calls"] = serde_json::json!(calls);
        }
        if self.own_sockets {
            document["own_sockets"] = true.into();
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

    /// The alarms that are on, each with its threshold where it has one.
    pub fn alarms_document(&self) -> serde_json::Value {
        let alarms = self.alarms.quarantine.iter().map(|alarm| {
            let threshold = self.alarms.threshold(*alarm);
            let threshold = threshold.map(|rate| rate.to_string());
            (alarm.name().to_owned(), serde_json::json!(threshold))
        });
        serde_json::Value::Object(alarms.collect())
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

fn config_document(config: &BTreeMap<String, ConfigValue>) -> serde_json::Value {
    let value = |value: &ConfigValue| match value {
        ConfigValue::Text(text) => serde_json::json!(text),
        ConfigValue::List(entries) => serde_json::json!(entries),
        ConfigValue::FromClient { name } => serde_json::json!({ "from": name }),
        ConfigValue::Secret(secret) => secret.document(),
    };
    config
        .iter()
        .map(|(key, given)| (key.clone(), value(given)))
        .collect::<serde_json::Map<_, _>>()
        .into()
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
    let mut document = serde_json::json!({
        "sampling": grants.sampling,
        "elicitation": grants.elicitation.name(),
        "roots": grants.roots,
        "notifications": grants.notifications,
        "methods": grants.methods,
        "resources": reach_document(&grants.resources),
        "prompts": reach_document(&grants.prompts),
        "completion": grants.completion,
        "logging": grants.logging,
    });
    // Absent without the grant, as in locks made before there was one.
    if grants.tasks {
        document["tasks"] = true.into();
    }
    document
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
mod tests;
