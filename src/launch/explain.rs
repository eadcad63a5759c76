//! What a launch would allow now, with the reason of each right. Nothing of the server is executed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::bundle::asks_client_for;
use super::prepare::{Launcher, programs, runtime_tree, short_name};
use super::programs::try_box;
use super::read_set::{Expansion, ReadSet, Reason, read_set};
use super::secret_values::Fetching;
use super::{LaunchError, StateFolder, network};
use crate::config::Server;
use crate::lockfile::{BUNDLE_FOLDER, LockedServer, ServerName};
use crate::policy::{
    EffectivePolicy, Grant, LANDLOCK_FLOOR, Origin, Places, Runtime, decide_environment, narrowed,
    syscall_rules,
};
use crate::resolve::bundle::{Bundle, BundleDescription};
use crate::sandbox::{
    Access, Layer, Link, NamespaceSupport, Network, PathRule, Plan, Requirement, SCRATCH,
    ShortName, SyscallRules, Walls,
};
use crate::store::Staging;

/// Everything that decides about a launch.
pub struct Explanation {
    pub policy: EffectivePolicy,
    /// Sorted by path; links are resolved.
    pub rights: Vec<Right>,
    /// What is granted but not on this machine.
    pub absent: Vec<Grant>,
    /// Names of variables that the server would get now.
    pub variables: Vec<String>,
    /// Names of variables that are there now and that it would not get.
    pub withheld: Vec<String>,
    pub calls: SyscallRules,
    /// Calls that its box lets through and that its own list of system calls takes away.
    pub unlisted: BTreeSet<String>,
    /// What would be enforced; `None` when this machine can't enforce what is asked.
    pub plan: Option<Plan>,
    pub layers: Vec<LayerState>,
    /// What holds it away from files: first in the tier of this machine, then in the other one, where
    /// the policy lets it run there, too.
    pub walls: Vec<Walls>,
    /// What a bundle adds; `None` of other servers, and when its files can't be read.
    pub bundle: Option<BundleDescription>,
    /// Why it would not be started now.
    pub refusal: Option<LaunchError>,
}

/// A right to a file, or to a folder with everything in it.
pub struct Right {
    pub path: PathBuf,
    pub access: Access,
    pub source: RightSource,
}

/// Where a right to files comes from.
pub enum RightSource {
    Grant(Grant),
    /// The interpreter that is locked, or the server's own program.
    Server,
    /// The manifest's `exec`, by the place in the list.
    Exec(usize),
    /// The program that loads programs (ld.so(8)).
    Linker,
    /// A shared library of the programs.
    Library,
    /// A memory file system of the root of its own.
    Scratch,
    /// What is said of the network in files of the root of its own.
    Network,
    /// The server's code once more, in the root of its own.
    ShortName,
}

/// What a policy grants, as it is on this machine.
struct Rights {
    rights: Vec<Right>,
    absent: Vec<Grant>,
    /// On the way to granted paths.
    links: Vec<Link>,
}

/// A layer of the box on this machine.
pub struct LayerState {
    pub layer: Layer,
    pub in_force: bool,
    /// Why it is not, or what of it is.
    pub note: Option<String>,
}

impl Launcher<'_> {
    /// Explains `server` as manifest, lock and machine are now.
    ///
    /// # Errors
    /// When there is no policy to explain: an unknown profile, a granted path that is missing or
    /// can't be granted, a program that isn't there.
    pub async fn explain(
        &self,
        staging: &Staging,
        name: &ServerName,
        server: &Server,
        locked: &LockedServer,
    ) -> Result<Explanation, LaunchError> {
        let policy = self.policy(server, locked.interpreter.as_ref())?;
        self.learn_about_namespaces(staging, &policy).await?;
        let state = StateFolder::planned(self.paths.server_state(name));
        let refusal = self
            .prepare_fetching(name, server, locked, &state, Fetching::Never)
            .err();
        Ok(Explanation {
            refusal,
            ..self.explain_change(name, server, locked)?
        })
    }

    /// As [`Self::explain`], after it, for a manifest that is only thought of: whether it would be
    /// started is not asked.
    ///
    /// # Errors
    /// As above.
    pub fn explain_change(
        &self,
        name: &ServerName,
        server: &Server,
        locked: &LockedServer,
    ) -> Result<Explanation, LaunchError> {
        let policy = self.policy(server, locked.interpreter.as_ref())?;
        let state = StateFolder::planned(self.paths.server_state(name));
        let plan = self.plan(&policy, &locked.confinement);
        let own_root = plan.as_ref().is_ok_and(Plan::has_namespaces);
        let calls = syscall_rules(&policy.network(), own_root, policy.own_sockets)?;
        let (calls, unlisted) = match &policy.system_calls {
            Some(list) => {
                let names = calls.allow.iter().flat_map(|rule| &rule.calls);
                let unlisted = names.filter(|name| !list.contains(*name));
                let unlisted = unlisted.cloned().collect();
                (narrowed(calls, list), unlisted)
            }
            None => (calls, BTreeSet::new()),
        };
        let Rights {
            mut rights,
            absent,
            links,
        } = self.rights(locked, &policy, &state)?;
        let tree = self.store.tree(&locked.tree);
        let rule = |right: &Right| PathRule {
            path: right.path.clone(),
            access: right.access,
        };
        let rules: Vec<PathRule> = rights.iter().map(rule).collect();
        let short_name = short_name(&policy, &tree, &rules, &links);
        let walls = walls(
            &policy,
            plan.as_ref().ok(),
            rules,
            links,
            short_name.clone(),
        );
        if own_root {
            rights.extend(short_name.map(|short| Right {
                path: short.name,
                access: Access::Read,
                source: RightSource::ShortName,
            }));
            rights.extend(SCRATCH.map(|path| Right {
                path: path.into(),
                access: Access::Write,
                source: RightSource::Scratch,
            }));
        }
        if matches!(policy.network(), Network::Relayed(_)) {
            rights.extend(network::files().into_iter().map(|file| Right {
                path: file.path,
                access: Access::Read,
                source: RightSource::Network,
            }));
        }
        rights.sort_by(|a, b| (&a.path, a.access).cmp(&(&b.path, b.access)));
        let places = Places {
            home: state.home(),
            temporary: state.temporary(),
            programs: String::new(),
        };
        let decided = decide_environment(self.environment, &policy.environment, &places);
        let layers = self.layer_states(&policy, plan.as_ref().ok());
        let folder = tree.join(BUNDLE_FOLDER);
        let bundle = (locked.is_bundle())
            .then(|| Bundle::read(&folder).ok())
            .flatten()
            .map(|bundle| bundle.described(&policy.config));
        let mut withheld = decided.withheld;
        withheld.retain(|name| !asks_client_for(&policy, name));
        Ok(Explanation {
            rights,
            absent,
            variables: decided.variables.into_keys().collect(),
            withheld,
            bundle,
            calls,
            unlisted,
            plan: plan.ok(),
            layers,
            walls,
            refusal: None,
            policy,
        })
    }

    /// Whether this machine grants namespaces is only known by doing.
    async fn learn_about_namespaces(
        &self,
        staging: &Staging,
        policy: &EffectivePolicy,
    ) -> Result<(), LaunchError> {
        if policy.layers.namespaces == Requirement::Off {
            return Ok(());
        }
        let mut nothing = EffectivePolicy::ungranted(Runtime::Native)?;
        nothing.layers = policy.layers;
        match try_box(self, staging, &nothing).await {
            // A box that can't be built at all is what the plan reports.
            Ok(_) | Err(LaunchError::Machine(_) | LaunchError::Sandbox(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn rights(
        &self,
        locked: &LockedServer,
        policy: &EffectivePolicy,
        state: &StateFolder,
    ) -> Result<Rights, LaunchError> {
        let tree = self.store.tree(&locked.tree);
        let interpreter = self.interpreter_path(locked);
        let program = interpreter
            .clone()
            .unwrap_or_else(|| tree.join(&locked.entry_point));
        let programs = programs(&program, policy)?;
        let expansion = Expansion {
            tree,
            home: state.home(),
            temporary: state.temporary(),
            interpreter,
            runtime: runtime_tree(self.store, locked),
            modules: self.store.compiled_modules(&locked.tree),
        };
        let ReadSet {
            rules,
            absent,
            links,
        } = read_set(policy, &expansion, &programs);
        let mut rights: Vec<Right> = rules
            .into_iter()
            .map(|(PathRule { path, access }, reason)| Right {
                path,
                access,
                source: source_of(reason),
            })
            .collect();
        // Its own folders are made at its first start.
        let (own, absent): (Vec<&Grant>, Vec<&Grant>) = absent
            .into_iter()
            .partition(|grant| ["{home}", "{temporary}"].contains(&grant.path.as_str()));
        rights.extend(own.into_iter().filter_map(|grant| {
            Some(Right {
                path: expansion.expand(&grant.path)?,
                access: grant.access,
                source: RightSource::Grant(grant.clone()),
            })
        }));
        Ok(Rights {
            rights,
            absent: absent.into_iter().cloned().collect(),
            links,
        })
    }

    fn layer_states(&self, policy: &EffectivePolicy, plan: Option<&Plan>) -> Vec<LayerState> {
        Layer::ALL
            .into_iter()
            .map(|layer| {
                let in_force = plan.is_some_and(|plan| plan.layers.contains(&layer));
                let abi = plan.and_then(|plan| plan.landlock_abi);
                let note = match (in_force, layer) {
                    (true, Layer::Landlock) => abi.map(|abi| format!("ABI {abi}")),
                    (true, _) => None,
                    (false, layer) => Some(self.why_not(layer, policy)),
                };
                LayerState {
                    layer,
                    in_force,
                    note,
                }
            })
            .collect()
    }

    fn why_not(&self, layer: Layer, policy: &EffectivePolicy) -> String {
        let off = || "off in the manifest".to_owned();
        if layer == Layer::OwnNetwork && !policy.network().is_own() {
            return "egress is limited by ports alone (`egress_tier`)".to_owned();
        }
        if layer.is_namespace() {
            if policy.layers.namespaces == Requirement::Off {
                return off();
            }
            if let NamespaceSupport::Refused(reason) = self.namespaces() {
                return reason.clone();
            }
        }
        if layer == Layer::Landlock && policy.layers.landlock == Requirement::Off {
            return off();
        }
        "this machine can't enforce what is asked".to_owned()
    }
}

/// The tier of this machine comes first; where it can't start the server, the stronger one.
fn walls(
    policy: &EffectivePolicy,
    plan: Option<&Plan>,
    rules: Vec<PathRule>,
    links: Vec<Link>,
    short_name: Option<ShortName>,
) -> Vec<Walls> {
    let landlock = match (plan, policy.layers.landlock) {
        (Some(plan), _) => plan.landlock_abi,
        (None, Requirement::Off) => None,
        (None, _) => Some(LANDLOCK_FLOOR),
    };
    let files = match policy.network() {
        Network::Relayed(_) => network::files(),
        Network::Off | Network::Ports(_) => Vec::new(),
    };
    let files = files.into_iter().map(|file| file.path).collect();
    let base = Walls::of_base(rules.clone(), landlock);
    let full = Walls::of_full(rules, links, files, short_name, landlock);
    match (policy.layers.namespaces, policy.namespaces()) {
        (Requirement::Off, _) => vec![base],
        (_, Requirement::Required) => vec![full],
        _ if plan.is_some_and(|plan| !plan.has_namespaces()) => vec![base, full],
        _ => vec![full, base],
    }
}

fn source_of(reason: Reason<'_>) -> RightSource {
    match reason {
        Reason::Granted(grant) => RightSource::Grant(grant.clone()),
        Reason::Program(0) => RightSource::Server,
        Reason::Program(place) => RightSource::Exec(place - 1),
        Reason::Linker => RightSource::Linker,
        Reason::Library => RightSource::Library,
    }
}

impl Right {
    /// Who needs it, in words for a person.
    pub fn why(&self) -> &str {
        match &self.source {
            RightSource::Grant(grant) => &grant.why,
            RightSource::Server => "the server itself, or what it runs on",
            RightSource::Exec(_) => "a program that the manifest lets it run",
            RightSource::Linker => "what loads those programs",
            RightSource::Library => "a library of those programs, or of the server's own modules",
            RightSource::Scratch => "in memory, its own, gone when it ends",
            RightSource::Network => "its own, for a network of its own",
            RightSource::ShortName => "the server's own code once more: its short name",
        }
    }

    /// The part of the policy that it comes from.
    pub fn origin(&self) -> Option<&Origin> {
        match &self.source {
            RightSource::Grant(grant) => Some(&grant.origin),
            RightSource::Exec(_) => Some(&Origin::Manifest),
            RightSource::Server
            | RightSource::Linker
            | RightSource::Library
            | RightSource::Scratch
            | RightSource::Network
            | RightSource::ShortName => None,
        }
    }
}
