//! The three pins, judged; then the spec of the launch. Nothing is executed here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::bundle::{asks_client_for, bundle_launch};
use super::programs::find_executables;
use super::read_set::{Expansion, ReadSet, read_set, refuse_writable_programs, resolve_grants};
use super::secret_values::Fetching;
use super::start::{Launch, TreeCheck};
use super::{LaunchError, StateFolder, helper_box, network};
use crate::config::{Environment, Layers, Paths, Server};
use crate::lockfile::{Build, Confinement, Interpreter, LockedServer, ServerName};
use crate::policy::{
    EffectivePolicy, EnvironmentDecision, Grant, OwnFolders, Places, Runtime, decide_environment,
    syscall_rules,
};
use crate::relay::Redaction;
use crate::resolve::bundle::BundleInputs;
use crate::resolve::interpreter::{Program, shebang};
use crate::resolve::npm::Platform;
use crate::sandbox::{
    Access, Link, NamespaceSupport, Namespaces, Network, PathRule, Plan, PrivateText, Probe,
    Requirements, ResourceLimits, SandboxSpec, ShortName, compile, compile_list, plan,
};
use crate::store::{FileDigests, Store};

/// The search path of every server; ours, never the client's.
pub const PROGRAMS: &str = "/usr/local/bin:/usr/bin:/bin";

/// The platform that locks are made for and checked against, for example `linux-x86_64`.
pub fn here() -> String {
    Platform::current().name()
}

/// What every launch on this machine shares.
pub struct Launcher<'a> {
    pub paths: &'a Paths,
    pub store: &'a Store,
    pub environment: &'a Environment,
    pub probe: Probe,
    /// What is asked of this machine for programs that help to lock a server.
    pub(super) helpers: Layers,
    /// The control group of the session, in which each server gets one of its own.
    pub(super) group: Option<PathBuf>,
    /// What the last launch with namespaces has taught.
    namespaces: Mutex<NamespaceSupport>,
}

/// A launch that was found to be in order, but for the server's code: that is looked at while the
/// box is built.
#[must_use]
pub struct Prepared {
    pub launch: Launch,
    pub code: TreeCheck,
    pub policy: EffectivePolicy,
    /// Names, never values, of variables that the client passed in vain.
    pub withheld: Vec<String>,
    /// Names and values of variables that are taken out of what the server says.
    pub secrets: Vec<(String, String)>,
    /// What is not as it was locked and is tolerated.
    pub notice: Option<String>,
}

/// What a spec is made of.
pub(super) struct SpecInput<'a> {
    pub policy: &'a EffectivePolicy,
    pub confinement: &'a Confinement,
    pub tree: PathBuf,
    pub state: &'a StateFolder,
    pub interpreter: Option<PathBuf>,
    /// The tree that the interpreter comes from, when that is no program of the machine.
    pub runtime: Option<PathBuf>,
    /// Compiled modules of the tree.
    pub modules: Vec<PathBuf>,
    /// Everything that may be executed.
    pub programs: Vec<PathBuf>,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: BTreeMap<String, PrivateText>,
    pub working_directory: PathBuf,
}

impl<'a> Launcher<'a> {
    pub fn new(paths: &'a Paths, store: &'a Store, environment: &'a Environment) -> Self {
        Self {
            paths,
            store,
            environment,
            probe: Probe::current(),
            helpers: Layers::default(),
            group: None,
            namespaces: Mutex::default(),
        }
    }

    /// Lets a machine without Landlock lock a server whose manifest relies on a root of its own
    /// instead: interpreters and resolvers then get their box in the same way.
    #[must_use]
    pub fn for_server(mut self, server: &Server) -> Self {
        self.helpers = helper_box::layers_for(server.layers);
        self
    }

    /// The server that is launched gets a control group of its own in `session`, the folder of its
    /// session's; a launch that can't have it is refused.
    #[must_use]
    pub fn in_group(mut self, session: PathBuf) -> Self {
        self.group = Some(session);
        self
    }

    /// The cache of digests of interpreters.
    pub fn file_digests(&self) -> FileDigests {
        FileDigests::open(self.paths.data.join("interpreters.index"))
    }

    /// pinfold's own folders, which no server may be granted.
    pub fn own_folders(&self) -> OwnFolders {
        let mut own = OwnFolders {
            private: vec![self.paths.data.clone(), self.paths.state.clone()],
            protected: std::env::current_exe().into_iter().collect(),
        };
        own.private.extend(self.paths.runtime.clone());
        if self.paths.own_manifest {
            own.private
                .extend(self.paths.manifest.parent().map(Path::to_owned));
        } else {
            own.protected
                .extend([self.paths.manifest.clone(), self.paths.lock.clone()]);
        }
        // A link to one of them is the same folder.
        for folders in [&mut own.private, &mut own.protected] {
            let resolved: Vec<PathBuf> = folders
                .iter()
                .filter_map(|folder| std::fs::canonicalize(folder).ok())
                .collect();
            folders.extend(resolved);
        }
        own
    }

    /// The policy of a server as the manifest has it now.
    ///
    /// # Errors
    /// When the profile is unknown, or a granted path is missing or can't be granted.
    pub fn policy(
        &self,
        server: &Server,
        interpreter: Option<&Interpreter>,
    ) -> Result<EffectivePolicy, LaunchError> {
        let runtime = Runtime::of_interpreter(interpreter.map(|program| program.kind.as_str()));
        let own = self.own_folders();
        let mut policy = EffectivePolicy::resolve(server, runtime, &own)?;
        resolve_grants(&mut policy, &own)?;
        Ok(policy)
    }

    /// Judges bytes, box and machine, in that order of cheapness, and makes the spec.
    ///
    /// # Errors
    /// Whatever is not as it was locked; the server must not be started then.
    pub fn prepare(
        &self,
        name: &ServerName,
        server: &Server,
        locked: &LockedServer,
        state: &StateFolder,
    ) -> Result<Prepared, LaunchError> {
        self.prepare_fetching(name, server, locked, state, Fetching::Now)
    }

    /// As [`Self::prepare`], but where nothing will be started no secret is fetched.
    pub(super) fn prepare_fetching(
        &self,
        name: &ServerName,
        server: &Server,
        locked: &LockedServer,
        state: &StateFolder,
        fetching: Fetching,
    ) -> Result<Prepared, LaunchError> {
        let policy = self.policy(server, locked.interpreter.as_ref())?;
        agreed(name, server, locked, &policy)?;
        // Found once, so that what was judged is what runs.
        let mut digests = self.file_digests();
        let path = self.interpreter_path_by(locked, &mut digests);
        let changed = match (&locked.interpreter, &path) {
            (Some(interpreter), Some(path)) if interpreter.package.is_none() => {
                changed_interpreter(name, interpreter, path, &mut digests)?
            }
            // It is part of what is looked at with the code.
            _ => None,
        };
        let notice = match changed {
            Some(changed) if policy.tolerates_changed_interpreter => Some(changed.to_string()),
            Some(changed) => return Err(changed),
            None => None,
        };
        Ok(Prepared {
            notice,
            ..self.prepare_with(name, locked, state, policy, path, fetching)?
        })
    }

    /// The rest of [`Self::prepare`], for a server that is being locked at this moment.
    pub(crate) fn prepare_agreed(
        &self,
        name: &ServerName,
        locked: &LockedServer,
        state: &StateFolder,
        policy: EffectivePolicy,
    ) -> Result<Prepared, LaunchError> {
        let interpreter = self.interpreter_path(locked);
        self.prepare_with(name, locked, state, policy, interpreter, Fetching::Now)
    }

    fn prepare_with(
        &self,
        name: &ServerName,
        locked: &LockedServer,
        state: &StateFolder,
        policy: EffectivePolicy,
        interpreter: Option<PathBuf>,
        fetching: Fetching,
    ) -> Result<Prepared, LaunchError> {
        let tree = self.store.tree(&locked.tree);
        let code = TreeCheck::new(self.store, name, locked);
        let entry = tree.join(&locked.entry_point);
        if !entry.is_file() {
            // Most likely the tree is not what was locked, which says more.
            code.answer()?;
            return Err(LaunchError::EntryPoint {
                name: name.clone(),
                path: entry,
            });
        }
        let program = interpreter.clone().unwrap_or_else(|| entry.clone());
        let mut arguments = vec![program.to_string_lossy().into_owned()];
        let home = state.home();
        let user_home = self.paths.home.as_deref();
        let fetched = self.fetch_secrets(name, &policy, state, fetching)?;
        let inputs = BundleInputs {
            client: &|name| self.environment.get(name)?.to_str().map(str::to_owned),
            secret: &|key| fetched.of_config(key),
        };
        let bundle = bundle_launch(locked, &tree, &policy, inputs, &home, user_home)?;
        let own = match &bundle {
            Some(bundle) if bundle.interpreted => Some(bundle.run.options.clone()),
            _ => match shebang(&entry)? {
                Program::Script { arguments, .. } => Some(arguments),
                Program::Native => None,
            },
        };
        if let Some(own) = own {
            arguments.extend(own);
            if policy.runtime == Runtime::Node {
                // Else a module that the pinned code only tries to load (`ws` does) is looked for
                // in $HOME/.node_modules, where a server that was taken over once can leave it.
                arguments.push("--no-global-search-paths".to_owned());
            }
            arguments.push(entry.to_string_lossy().into_owned());
        }
        if let Some(bundle) = &bundle {
            arguments.extend(bundle.run.arguments.iter().cloned());
        }
        arguments.extend(policy.arguments.iter().cloned());
        let programs = programs(&program, &policy)?;
        refuse_writable_programs(&policy, &programs)?;
        let places = Places {
            home,
            temporary: state.temporary(),
            programs: PROGRAMS.to_owned(),
        };
        let EnvironmentDecision {
            mut variables,
            mut withheld,
        } = decide_environment(self.environment, &policy.environment, &places);
        let mut secrets = policy.calls.secrets(&policy.environment, &variables);
        if let Some(bundle) = &bundle {
            bundle.add_variables(&policy, &mut variables);
            withheld.retain(|name| !asks_client_for(&policy, name));
            secrets.extend(bundle.secrets(&policy));
        }
        secrets.extend(fetched.redacted(&policy));
        let mut environment = private(variables);
        for (name, given) in &fetched.variables {
            environment.insert(name.clone(), given.text().into());
        }
        let mut launch = self.launch(SpecInput {
            policy: &policy,
            confinement: &locked.confinement,
            tree: tree.clone(),
            state,
            interpreter,
            runtime: runtime_tree(self.store, locked),
            modules: self.store.compiled_modules(&locked.tree),
            programs,
            program,
            arguments,
            environment,
            working_directory: state.home(),
        })?;
        if let Some(namespaces) = &mut launch.spec.namespaces {
            let granted = &launch.spec.filesystem;
            namespaces.short_name = short_name(&policy, &tree, granted, &namespaces.links);
        }
        launch.secret_files = Some(fetched.files);
        launch.redaction = Redaction::new(secrets.iter().cloned());
        Ok(Prepared {
            launch,
            code,
            policy,
            withheld,
            secrets,
            notice: None,
        })
    }

    /// What this machine will enforce of a policy and its lock's confinement.
    ///
    /// # Errors
    /// When it can't enforce what is required.
    pub fn plan(
        &self,
        policy: &EffectivePolicy,
        confinement: &Confinement,
    ) -> Result<Plan, LaunchError> {
        self.plan_for(&policy.requirements(confinement)?)
    }

    pub(super) fn plan_for(&self, requirements: &Requirements) -> Result<Plan, LaunchError> {
        let probe = Probe {
            namespaces: self.namespaces(),
            ..self.probe.clone()
        };
        Ok(plan(requirements, &probe)?)
    }

    /// What is known of them.
    pub(super) fn namespaces(&self) -> NamespaceSupport {
        let learned = self.namespaces.lock();
        learned.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Later plans are made with this in mind.
    pub(super) fn learn_of_namespaces(&self, support: NamespaceSupport) {
        *self
            .namespaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = support;
    }

    pub(super) fn launch(&self, input: SpecInput<'_>) -> Result<Launch, LaunchError> {
        let policy = input.policy;
        let requirements = policy.requirements(input.confinement)?;
        let plan = self.plan_for(&requirements)?;
        let mut own_folders = vec![input.state.home(), input.state.temporary()];
        let writes_tree = |grant: &Grant| grant.access == Access::WriteExecute;
        if policy.grants.iter().any(writes_tree) {
            own_folders.push(input.tree.clone());
        }
        let expansion = Expansion {
            tree: input.tree,
            home: input.state.home(),
            temporary: input.state.temporary(),
            interpreter: input.interpreter,
            runtime: input.runtime,
            modules: input.modules,
        };
        let ReadSet { rules, links, .. } = read_set(policy, &expansion, &input.programs);
        let network = policy.network();
        let namespaces = plan.has_namespaces().then(|| Namespaces {
            links,
            short_name: None,
            files: match network {
                Network::Relayed(_) => network::files(),
                Network::Off | Network::Ports(_) => Vec::new(),
            },
            shared_memory: policy.own_root.shared_memory,
            temporary: policy.own_root.temporary,
        });
        let own_sockets = policy.own_sockets && namespaces.is_some();
        let filters = compile(&syscall_rules(&network, namespaces.is_some(), own_sockets)?)?;
        let own_list = policy.system_calls.as_ref().map(compile_list).transpose()?;
        let spec = SandboxSpec {
            program: input.program,
            arguments: input.arguments,
            environment: input.environment.into_iter().collect(),
            working_directory: input.working_directory,
            filesystem: rules.into_keys().collect(),
            network,
            own_sockets,
            namespaces,
            landlock_abi: plan.landlock_abi,
            limits: ResourceLimits {
                memory: policy.limits.memory,
                processes: policy.limits.processes,
                processor: policy.limits.processor_time,
                cpu: policy.limits.cpu,
                disk: policy.limits.disk,
                open_files: policy.limits.open_files,
                file_size: policy.limits.file_size,
            },
            own_folders,
            filters,
            own_list,
            observed: false,
        };
        Ok(Launch {
            spec,
            plan,
            requirements,
            egress: policy.egress.clone(),
            recorder: None,
            secret_files: None,
            alarms: policy.alarms.clone(),
            redaction: Redaction::default(),
            observer: None,
        })
    }
}

/// What the code of a server is called besides, where that makes it start faster.
pub(super) fn short_name(
    policy: &EffectivePolicy,
    tree: &Path,
    granted: &[PathRule],
    links: &[Link],
) -> Option<ShortName> {
    let short = ShortName::of_code(tree, granted, links)?;
    // Where the machine has something of this name, people who write it mean that.
    let is_free = std::fs::symlink_metadata(&short.name).is_err();
    (policy.runtime == Runtime::Node && is_free).then_some(short)
}

/// Values of variables, none of which is printed by accident.
pub(super) fn private(variables: BTreeMap<String, String>) -> BTreeMap<String, PrivateText> {
    variables
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect()
}

/// How the machine's interpreter differs from the one that was locked.
///
/// # Errors
/// When it can't be told, because it is missing for example.
fn changed_interpreter(
    name: &ServerName,
    interpreter: &Interpreter,
    path: &Path,
    digests: &mut FileDigests,
) -> Result<Option<LaunchError>, LaunchError> {
    let changed = |reason: String| LaunchError::InterpreterChanged {
        name: name.clone(),
        path: path.to_owned(),
        reason,
    };
    let found = digests
        .digest_of(path)
        .map_err(|error| changed(error.to_string()))?;
    if found == interpreter.sha256 {
        return Ok(None);
    }
    let version = interpreter.version.as_deref().unwrap_or("unknown");
    Ok(Some(changed(format!(
        "locked: version {version}, {}; found: {found}",
        interpreter.sha256
    ))))
}

pub(super) fn runtime_tree(store: &Store, locked: &LockedServer) -> Option<PathBuf> {
    let package = locked.runtime_package()?;
    Some(store.tree(&package.tree))
}

/// Everything that may be executed, `program` first.
pub(super) fn programs(
    program: &Path,
    policy: &EffectivePolicy,
) -> Result<Vec<PathBuf>, LaunchError> {
    let mut programs = vec![program.to_owned()];
    programs.extend(find_executables(&policy.execute, PROGRAMS.as_ref())?);
    Ok(programs)
}

/// Manifest and lock must say the same.
fn agreed(
    name: &ServerName,
    server: &Server,
    locked: &LockedServer,
    policy: &EffectivePolicy,
) -> Result<(), LaunchError> {
    let name = || name.clone();
    if locked.source != server.source_text {
        return Err(LaunchError::SourceChanged {
            name: name(),
            locked: locked.source.clone(),
            written: server.source_text.clone(),
        });
    }
    let runtime = locked
        .runtime_package()
        .map(|package| package.source.as_str());
    let written = server.runtime.package();
    if runtime != written {
        let shown = |runtime: Option<&str>| match runtime {
            Some(package) => format!("`{package}`"),
            None => "a program of the machine".to_owned(),
        };
        return Err(LaunchError::RuntimeChanged {
            name: name(),
            locked: shown(runtime),
            written: shown(written),
        });
    }
    let build = server.build.recorded();
    if locked.build != build {
        let shown = |build: &Option<Build>| match build {
            Some(build) => build.to_string(),
            None => "none".to_owned(),
        };
        return Err(LaunchError::BuildChanged {
            name: name(),
            locked: shown(&locked.build),
            written: shown(&build),
        });
    }
    if locked.platform != here() {
        // Were it known what runs it here, this platform would be in front.
        return Err(match locked.covers(&here()) {
            true => LaunchError::InterpreterUnknown {
                name: name(),
                here: here(),
            },
            false => LaunchError::OtherPlatform {
                name: name(),
                locked: locked.platform.clone(),
                here: here(),
            },
        });
    }
    if policy.digest() != locked.confinement.policy {
        return Err(LaunchError::PolicyChanged { name: name() });
    }
    Ok(())
}
