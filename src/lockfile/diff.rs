//! What is different between two locks, typed and in one line each. Pure.
//!
//! `update` and `review` show these; whether a change is acceptable is not decided here.

mod platforms;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::platforms::PlatformPart;
use super::types::{
    Artifact, Build, Confinement, Digest, Interpreter, Lock, LockedServer, ServerName, ToolName,
};

/// One difference, and the server it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub server: ServerName,
    pub kind: ChangeKind,
}

/// What is different. `old` and `new` are the values before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    ServerAdded,
    ServerRemoved,
    SourceChanged {
        old: String,
        new: String,
    },
    VersionChanged {
        old: Option<String>,
        new: Option<String>,
    },
    PlatformChanged {
        old: String,
        new: String,
    },
    /// Another platform that the lock covers now.
    PlatformAdded(String),
    /// One that it no longer covers.
    PlatformRemoved(String),
    /// Entry point, tree or interpreter on another platform.
    PlatformPartChanged {
        platform: String,
        old: Box<PlatformPart>,
        new: Box<PlatformPart>,
    },
    InterpreterChanged {
        old: Option<Box<Interpreter>>,
        new: Option<Box<Interpreter>>,
    },
    EntryPointChanged {
        old: String,
        new: String,
    },
    TreeChanged {
        old: Digest,
        new: Digest,
    },
    /// Other install scripts are run, or they may reach something else.
    BuildChanged {
        old: Option<Build>,
        new: Option<Build>,
    },
    ArtifactAdded(Box<Artifact>),
    ArtifactRemoved(Box<Artifact>),
    /// Another package, version, address, content, size or time at the same path.
    ArtifactChanged {
        old: Box<Artifact>,
        new: Box<Artifact>,
    },
    /// The artifact asks for a script at install and didn't before (or wasn't there before).
    InstallScriptAdded(Box<Artifact>),
    PublisherChanged {
        path: String,
        old: Option<String>,
        new: Option<String>,
    },
    SignatureChanged {
        path: String,
        old: Option<String>,
        new: Option<String>,
    },
    ProvenanceChanged {
        path: String,
        old: Option<String>,
        new: Option<String>,
    },
    ProtocolChanged {
        old: String,
        new: String,
    },
    InstructionsChanged {
        old: Option<Digest>,
        new: Option<Digest>,
    },
    ToolAdded(ToolName),
    ToolRemoved(ToolName),
    ToolChanged {
        tool: ToolName,
        old: Digest,
        new: Digest,
    },
    PolicyChanged {
        old: Digest,
        new: Digest,
    },
    /// The least that a kernel must enforce.
    EnforcementChanged {
        old: Confinement,
        new: Confinement,
    },
}

impl ChangeKind {
    /// A word for programs; it never changes its meaning.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ServerAdded => "server-added",
            Self::ServerRemoved => "server-removed",
            Self::SourceChanged { .. } => "source",
            Self::VersionChanged { .. } => "version",
            Self::PlatformChanged { .. } => "platform",
            Self::PlatformAdded(_) => "platform-added",
            Self::PlatformRemoved(_) => "platform-removed",
            Self::PlatformPartChanged { .. } => "platform-part",
            Self::InterpreterChanged { .. } => "interpreter",
            Self::EntryPointChanged { .. } => "entry-point",
            Self::TreeChanged { .. } => "tree",
            Self::BuildChanged { .. } => "build",
            Self::ArtifactAdded(_) => "artifact-added",
            Self::ArtifactRemoved(_) => "artifact-removed",
            Self::ArtifactChanged { .. } => "artifact-changed",
            Self::InstallScriptAdded(_) => "install-script",
            Self::PublisherChanged { .. } => "publisher",
            Self::SignatureChanged { .. } => "signature",
            Self::ProvenanceChanged { .. } => "provenance",
            Self::ProtocolChanged { .. } => "protocol",
            Self::InstructionsChanged { .. } => "instructions",
            Self::ToolAdded(_) => "tool-added",
            Self::ToolRemoved(_) => "tool-removed",
            Self::ToolChanged { .. } => "tool-changed",
            Self::PolicyChanged { .. } => "policy",
            Self::EnforcementChanged { .. } => "least-enforcement",
        }
    }

    /// The artifact as it is now, where one came or changed.
    pub fn new_artifact(&self) -> Option<&Artifact> {
        match self {
            Self::ArtifactAdded(new) | Self::ArtifactChanged { new, .. } => Some(new),
            _ => None,
        }
    }
}

/// Every difference, server by server in order of their names. `locked_at` alone is none.
pub fn differences(old: &Lock, new: &Lock) -> Vec<Change> {
    let names: BTreeSet<&ServerName> = old.servers.keys().chain(new.servers.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let kinds = match (old.servers.get(name), new.servers.get(name)) {
            (Some(old), Some(new)) => server_differences(old, new),
            (None, Some(new)) => added_server(new),
            _ => vec![ChangeKind::ServerRemoved],
        };
        changes.extend(kinds.into_iter().map(|kind| Change {
            server: name.clone(),
            kind,
        }));
    }
    changes
}

/// A new server is one line, and one more for each script it would like to run.
fn added_server(new: &LockedServer) -> Vec<ChangeKind> {
    let scripts = new
        .artifacts
        .iter()
        .filter(|artifact| artifact.install_script);
    std::iter::once(ChangeKind::ServerAdded)
        .chain(
            scripts
                .cloned()
                .map(Box::new)
                .map(ChangeKind::InstallScriptAdded),
        )
        .collect()
}

fn server_differences(old: &LockedServer, new: &LockedServer) -> Vec<ChangeKind> {
    let mut changes = Vec::new();
    let mut note = |differs: bool, kind: &dyn Fn() -> ChangeKind| {
        if differs {
            changes.push(kind());
        }
    };
    note(old.source != new.source, &|| ChangeKind::SourceChanged {
        old: old.source.clone(),
        new: new.source.clone(),
    });
    note(old.version != new.version, &|| ChangeKind::VersionChanged {
        old: old.version.clone(),
        new: new.version.clone(),
    });
    note(old.platform != new.platform, &|| {
        ChangeKind::PlatformChanged {
            old: old.platform.clone(),
            new: new.platform.clone(),
        }
    });
    note(old.interpreter != new.interpreter, &|| {
        ChangeKind::InterpreterChanged {
            old: old.interpreter.clone().map(Box::new),
            new: new.interpreter.clone().map(Box::new),
        }
    });
    note(old.entry_point != new.entry_point, &|| {
        ChangeKind::EntryPointChanged {
            old: old.entry_point.clone(),
            new: new.entry_point.clone(),
        }
    });
    note(old.tree != new.tree, &|| ChangeKind::TreeChanged {
        old: old.tree,
        new: new.tree,
    });
    if old.build != new.build {
        changes.push(ChangeKind::BuildChanged {
            old: old.build.clone(),
            new: new.build.clone(),
        });
    }
    changes.extend(artifact_differences(&old.artifacts, &new.artifacts));
    changes.extend(artifact_differences(
        runtime_artifacts(old),
        runtime_artifacts(new),
    ));
    platforms::differences(old, new, &mut changes);
    changes.extend(behaviour_differences(old, new));
    changes.extend(box_differences(&old.confinement, &new.confinement));
    changes
}

fn runtime_artifacts(server: &LockedServer) -> &[Artifact] {
    server
        .runtime_package()
        .map_or(&[], |package| &package.artifacts)
}

fn artifact_differences(old: &[Artifact], new: &[Artifact]) -> Vec<ChangeKind> {
    let by_path = |artifacts: &[Artifact]| -> BTreeMap<String, Artifact> {
        artifacts
            .iter()
            .map(|artifact| (artifact.path.clone(), artifact.clone()))
            .collect()
    };
    let (old, new) = (by_path(old), by_path(new));
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for path in paths {
        match (old.get(path), new.get(path)) {
            (Some(old), Some(new)) => changes.extend(artifact_change(old, new)),
            (Some(old), None) => changes.push(ChangeKind::ArtifactRemoved(Box::new(old.clone()))),
            (None, Some(new)) => {
                changes.push(ChangeKind::ArtifactAdded(Box::new(new.clone())));
                if new.install_script {
                    changes.push(ChangeKind::InstallScriptAdded(Box::new(new.clone())));
                }
            }
            (None, None) => {}
        }
    }
    changes
}

fn artifact_change(old: &Artifact, new: &Artifact) -> Vec<ChangeKind> {
    let mut changes = Vec::new();
    let content = |artifact: &Artifact| Artifact {
        install_script: false,
        publisher: None,
        signature: None,
        provenance: None,
        ..artifact.clone()
    };
    let changed = || ChangeKind::ArtifactChanged {
        old: Box::new(old.clone()),
        new: Box::new(new.clone()),
    };
    if content(old) != content(new) {
        changes.push(changed());
    }
    if new.install_script && !old.install_script {
        changes.push(ChangeKind::InstallScriptAdded(Box::new(new.clone())));
    }
    if !new.install_script && old.install_script && changes.is_empty() {
        changes.push(changed());
    }
    if old.publisher != new.publisher {
        changes.push(ChangeKind::PublisherChanged {
            path: new.path.clone(),
            old: old.publisher.clone(),
            new: new.publisher.clone(),
        });
    }
    // These are names of keys, so a new version has the same: another key is news.
    if old.signature != new.signature {
        changes.push(ChangeKind::SignatureChanged {
            path: new.path.clone(),
            old: old.signature.clone(),
            new: new.signature.clone(),
        });
    }
    if old.provenance != new.provenance {
        changes.push(ChangeKind::ProvenanceChanged {
            path: new.path.clone(),
            old: old.provenance.clone(),
            new: new.provenance.clone(),
        });
    }
    changes
}

fn behaviour_differences(old: &LockedServer, new: &LockedServer) -> Vec<ChangeKind> {
    let (old, new) = (&old.behaviour, &new.behaviour);
    let mut changes = Vec::new();
    if old.protocol != new.protocol {
        changes.push(ChangeKind::ProtocolChanged {
            old: old.protocol.clone(),
            new: new.protocol.clone(),
        });
    }
    if old.instructions != new.instructions {
        changes.push(ChangeKind::InstructionsChanged {
            old: old.instructions,
            new: new.instructions,
        });
    }
    let tools: BTreeSet<&ToolName> = old.tools.keys().chain(new.tools.keys()).collect();
    for tool in tools {
        match (old.tools.get(tool), new.tools.get(tool)) {
            (Some(before), Some(after)) if before != after => {
                changes.push(ChangeKind::ToolChanged {
                    tool: tool.clone(),
                    old: *before,
                    new: *after,
                });
            }
            (Some(_), None) => changes.push(ChangeKind::ToolRemoved(tool.clone())),
            (None, Some(_)) => changes.push(ChangeKind::ToolAdded(tool.clone())),
            _ => {}
        }
    }
    changes
}

fn box_differences(old: &Confinement, new: &Confinement) -> Vec<ChangeKind> {
    let mut changes = Vec::new();
    if old.policy != new.policy {
        changes.push(ChangeKind::PolicyChanged {
            old: old.policy,
            new: new.policy,
        });
    }
    if old.landlock_abi != new.landlock_abi || old.layers != new.layers {
        changes.push(ChangeKind::EnforcementChanged {
            old: old.clone(),
            new: new.clone(),
        });
    }
    changes
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.server, self.kind)
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerAdded => write!(f, "server added"),
            Self::ServerRemoved => write!(f, "server removed"),
            Self::SourceChanged { old, new } => write!(f, "source `{old}` -> `{new}`"),
            Self::VersionChanged { old, new } => {
                write!(
                    f,
                    "version {} -> {}",
                    or_none(old.as_ref()),
                    or_none(new.as_ref())
                )
            }
            Self::PlatformChanged { old, new } => write!(f, "platform {old} -> {new}"),
            Self::PlatformAdded(platform) => write!(f, "platform added: {platform}"),
            Self::PlatformRemoved(platform) => write!(
                f,
                "platform removed: {platform}; `pinfold lock` on such a machine adds it again"
            ),
            Self::PlatformPartChanged { platform, old, new } => {
                platforms::sentence(f, platform, old, new)
            }
            Self::InterpreterChanged { old, new } => {
                write!(
                    f,
                    "interpreter {} -> {}",
                    program(old.as_deref()),
                    program(new.as_deref())
                )
            }
            Self::EntryPointChanged { old, new } => write!(f, "entry point `{old}` -> `{new}`"),
            Self::TreeChanged { old, new } => {
                write!(f, "tree {} -> {}", short(old), short(new))
            }
            Self::BuildChanged { old, new } => write!(
                f,
                "install scripts that are run: {} -> {}",
                built(old.as_ref()),
                built(new.as_ref())
            ),
            Self::ArtifactAdded(new) => write!(f, "artifact added: {}", identity(new)),
            Self::ArtifactRemoved(old) => write!(f, "artifact removed: {}", identity(old)),
            Self::ArtifactChanged { old, new } => artifact_sentence(f, old, new),
            Self::InstallScriptAdded(new) => {
                write!(
                    f,
                    "new install script (it is run only if `build` names the package): {}",
                    identity(new)
                )
            }
            Self::PublisherChanged { path, old, new } => write!(
                f,
                "publisher {} -> {}: `{path}`",
                or_absent(old.as_ref()),
                or_absent(new.as_ref())
            ),
            Self::SignatureChanged { path, old, new } => write!(
                f,
                "registry signature {} -> {}: `{path}`",
                or_absent(old.as_ref()),
                or_absent(new.as_ref())
            ),
            Self::ProvenanceChanged { path, old, new } => write!(
                f,
                "provenance {} -> {}: `{path}`",
                or_absent(old.as_ref()),
                or_absent(new.as_ref())
            ),
            Self::ProtocolChanged { old, new } => write!(f, "protocol {old} -> {new}"),
            Self::InstructionsChanged { old, new } => {
                write!(f, "instructions {}", presence(old.is_some(), new.is_some()))
            }
            Self::ToolAdded(tool) => write!(f, "tool added: `{tool}`"),
            Self::ToolRemoved(tool) => write!(f, "tool removed: `{tool}`"),
            Self::ToolChanged { tool, old, new } => {
                write!(
                    f,
                    "tool definition changed: `{tool}` {} -> {}",
                    short(old),
                    short(new)
                )
            }
            Self::PolicyChanged { old, new } => {
                write!(f, "sandbox policy {} -> {}", short(old), short(new))
            }
            Self::EnforcementChanged { old, new } => write!(
                f,
                "least enforcement Landlock ABI {} with {} -> Landlock ABI {} with {}",
                old.landlock_abi,
                layers(old),
                new.landlock_abi,
                layers(new)
            ),
        }
    }
}

fn artifact_sentence(f: &mut fmt::Formatter<'_>, old: &Artifact, new: &Artifact) -> fmt::Result {
    let (before, after) = (identity(old), identity(new));
    if before != after {
        write!(
            f,
            "artifact changed: {before} -> {}@{}",
            new.name, new.version
        )
    } else if old.sha256 != new.sha256 {
        // The same version with other bytes: a registry must never do this.
        write!(
            f,
            "artifact content changed under the same version: {after} {} -> {}",
            short(&old.sha256),
            short(&new.sha256)
        )
    } else {
        write!(f, "artifact record changed: {after}")
    }
}

fn identity(artifact: &Artifact) -> String {
    format!(
        "{}@{} at `{}`",
        artifact.name, artifact.version, artifact.path
    )
}

fn program(interpreter: Option<&Interpreter>) -> String {
    interpreter.map_or_else(
        || "none".to_owned(),
        |program| {
            let version = program.version.as_deref().unwrap_or("of unknown version");
            format!("`{}` {version} ({})", program.path, short(&program.sha256))
        },
    )
}

fn built(build: Option<&Build>) -> String {
    build.map_or_else(|| "none".to_owned(), Build::to_string)
}

/// Enough of a digest to tell two apart in a review.
fn short(digest: &Digest) -> String {
    format!("sha256:{}…", digest.hex().get(..12).unwrap_or_default())
}

fn layers(confinement: &Confinement) -> String {
    match confinement.layers.as_slice() {
        [] => "no layer".to_owned(),
        names => names.join("+"),
    }
}

fn presence(before: bool, after: bool) -> &'static str {
    match (before, after) {
        (false, true) => "added",
        (true, false) => "removed",
        _ => "changed",
    }
}

fn or_none(value: Option<&String>) -> &str {
    value.map_or("none", String::as_str)
}

fn or_absent(value: Option<&String>) -> &str {
    value.map_or("absent", String::as_str)
}

#[cfg(test)]
mod tests;
