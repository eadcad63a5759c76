//! The manifest as the rest of pinfold sees it: validated, defaults filled in.
//! The walk over the TOML tree is in `raw.rs`, the rules are in `validate.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::alarm_keys::Alarms;
use super::answer_keys::Redact;
use super::audit_keys::AuditSettings;
use super::build_keys::BuildRule;
use super::diagnostic::{Code, Diagnostic, Diagnostics};
use super::egress::{EgressRule, EgressTier};
use super::error::ConfigError;
use super::layers::Layers;
use super::paths::Paths;
use super::program_keys::ConfigValue;
use super::secret_keys::SecretUse;
use super::source::{Source, SourceError};
use super::validate::{self, Places};
use crate::lockfile::{Digest, GuardedReadError, ServerName, ToolName, read_guarded};
use crate::relay::Grants;
use crate::schema::Schema;

/// The largest manifest that is read: 4 MiB.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// A whole `pinfold.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub settings: Settings,
    pub servers: BTreeMap<ServerName, Server>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Younger versions are not resolved unless asked for exactly; zero turns this off.
    pub release_age: Duration,
    pub audit: AuditSettings,
}

impl Default for Settings {
    fn default() -> Self {
        // Most hijacked releases are found and withdrawn within three days.
        Self {
            release_age: Duration::from_secs(72 * 60 * 60),
            audit: AuditSettings::default(),
        }
    }
}

/// One `[servers.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub source: Source,
    /// `source` as written; this goes into the lock.
    pub source_text: String,
    /// The file to run, relative to the source's folder or archive, where that leaves it open.
    pub program: Option<String>,
    pub args: Vec<String>,
    /// Values for what a bundle asks of its user.
    pub config: BTreeMap<String, ConfigValue>,
    pub runtime: RuntimeRule,
    /// Whose install scripts are run when it is locked.
    pub build: BuildRule,
    /// Name of a profile; whether there is one of that name is for the policy to say.
    pub profile: String,
    pub env: BTreeMap<String, EnvValue>,
    /// Programs that the server may run besides its interpreter: bare names or absolute paths.
    pub exec: Vec<String>,
    pub files: Files,
    /// As written, each once; `None` leaves the profile's, and an empty list is no host at all.
    pub egress: Option<Vec<EgressRule>>,
    pub egress_tier: Option<EgressTier>,
    /// `tls_server_name`: whether the server name of a TLS handshake must be the one dialled.
    pub check_server_name: Option<bool>,
    pub tools: Tools,
    pub redact: Redact,
    /// Whether terminal escapes in its text are written out.
    pub neutralise: bool,
    /// What it may ask of the client, and the client of it, beyond tools.
    pub grants: Grants,
    pub limits: Limits,
    pub layers: Layers,
    /// The only ones it may make, of those that its box lets through; `None` is all of them.
    pub system_calls: Option<BTreeSet<String>>,
    /// So many processes of it the daemon keeps started before a client is there.
    pub warm: u8,
    pub alarms: Alarms,
}

/// What stands for the platform in the name of a runtime's package.
const PLATFORM: &str = "{platform}";

/// What a server's interpreter is, and what happens when it isn't the one that was locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RuntimeRule {
    /// A program of the machine; a changed one is refused.
    #[default]
    Refuse,
    /// A program of the machine; a changed one is used, and that is said.
    Warn,
    /// Had from a registry and pinned like the server's own code.
    Package {
        /// A package of npm, as written; this goes into the lock.
        text: String,
    },
}

impl RuntimeRule {
    /// The package of an interpreter, as written.
    pub fn package(&self) -> Option<&str> {
        match self {
            Self::Package { text } => Some(text),
            Self::Refuse | Self::Warn => None,
        }
    }

    /// The package of npm that `text` means on a platform, given as packages that exist once for
    /// each are named there, for example `linux-x64`: it takes the place of `{platform}`.
    ///
    /// # Errors
    /// When it is no source.
    pub fn source(text: &str, platform: &str) -> Result<Source, SourceError> {
        let text = text.replace(PLATFORM, platform);
        Source::parse(&text, Path::new("/"), None)
    }
}

/// Where the value of an environment variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    Literal(String),
    /// The value that the MCP client passed under `name`, if it passed one.
    FromClient {
        name: String,
    },
    /// A value that is nobody's to read but the server's.
    Secret(SecretUse),
}

/// Absolute paths without `..`; `~/` is expanded. They may not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub read: Vec<PathBuf>,
    pub write: Vec<PathBuf>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// The tools that the client may see and call, those of `ask` among them.
    pub allow: BTreeSet<ToolName>,
    /// The user is asked about each call of these.
    pub ask: BTreeSet<ToolName>,
    /// How often a tool may be called.
    pub limits: PerTool<Rate>,
    /// For so long a call of a tool with the same arguments is refused.
    pub repeat: PerTool<Duration>,
    /// What the arguments of a tool must be.
    pub rules: BTreeMap<ToolName, Schema>,
}

/// Something said of some tools by name and, as `*`, of each of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerTool<T> {
    pub named: BTreeMap<ToolName, T>,
    pub others: Option<T>,
}

/// So many calls in this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Never zero.
    pub calls: u32,
    /// Never zero.
    pub period: Duration,
}

impl<T> Default for PerTool<T> {
    fn default() -> Self {
        Self {
            named: BTreeMap::new(),
            others: None,
        }
    }
}

impl<T> PerTool<T> {
    /// What holds for this tool, and the key that says it.
    pub fn of<'a>(&'a self, tool: &'a ToolName) -> Option<(&'a T, &'a str)> {
        let named = self.named.get(tool).map(|what| (what, tool.as_str()));
        named.or_else(|| self.others.as_ref().map(|what| (what, "*")))
    }

    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.others.is_none()
    }

    /// With the keys as written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        let named = self.named.iter().map(|(tool, what)| (tool.as_str(), what));
        named.chain(self.others.iter().map(|what| ("*", what)))
    }
}

/// As in the manifest.
impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.period.as_secs() {
            1 => "s",
            60 => "min",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.calls)
    }
}

/// Upper bounds; `None` leaves the profile's. Never zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<u64>,
    pub processes: Option<u64>,
    /// Milliseconds.
    pub processor_time: Option<u64>,
    /// Hundredths of a processor.
    pub cpu: Option<u64>,
    /// Bytes.
    pub disk: Option<u64>,
    pub open_files: Option<u64>,
    /// Bytes.
    pub file_size: Option<u64>,
    /// Connections at one time.
    pub connections: Option<u64>,
    /// Bytes, both ways of all connections of a session.
    pub egress: Option<u64>,
}

impl Server {
    /// A server of this source that is granted nothing.
    pub fn ungranted(source: Source, source_text: String) -> Self {
        Self {
            source,
            source_text,
            program: None,
            args: Vec::new(),
            config: BTreeMap::new(),
            runtime: RuntimeRule::default(),
            build: BuildRule::default(),
            profile: validate::DEFAULT_PROFILE.to_owned(),
            env: BTreeMap::new(),
            exec: Vec::new(),
            files: Files::default(),
            egress: None,
            egress_tier: None,
            check_server_name: None,
            tools: Tools::default(),
            redact: Redact::default(),
            neutralise: false,
            grants: Grants::default(),
            limits: Limits::default(),
            layers: Layers::default(),
            system_calls: None,
            warm: 0,
            alarms: Alarms::default(),
        }
    }
}

impl Manifest {
    /// Parses and validates; on failure all mistakes are in the answer.
    ///
    /// `manifest_path` must be absolute: relative `path:` sources start at its folder.
    pub fn parse(
        text: &str,
        manifest_path: &Path,
        home: Option<&Path>,
    ) -> Result<Self, Diagnostics> {
        let (tree, syntax_errors) = DeTable::parse_recoverable(text);
        let folder = manifest_path.parent().unwrap_or_else(|| Path::new("/"));
        let (manifest, problems) = validate::manifest(tree.get_ref(), &Places { folder, home });
        let mut items: Vec<Diagnostic> = syntax_errors.iter().map(syntax_diagnostic).collect();
        if items.is_empty() {
            items = problems;
        } else {
            // After a syntax error the tree is a guess: no news from the same line, and
            // nothing about what is missing, for it may be what could not be read.
            let line_ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
            let line_of = |item: &Diagnostic| {
                line_ends.partition_point(|line_end| *line_end < item.span.start)
            };
            let spoilt: BTreeSet<usize> = items.iter().map(line_of).collect();
            items.extend(problems.into_iter().filter(|problem| {
                problem.code != Code::MissingKey && !spoilt.contains(&line_of(problem))
            }));
        }
        if items.is_empty() {
            Ok(manifest)
        } else {
            Err(Diagnostics::new(manifest_path, text, items))
        }
    }

    /// Reads the manifest that `paths` names. One that other users could have written is refused.
    pub fn load(paths: &Paths) -> Result<Self, ConfigError> {
        Self::load_with_digest(paths).map(|(manifest, _)| manifest)
    }

    /// As [`Manifest::load`], with the digest of the very bytes that were parsed, for [`super::Trust`].
    pub fn load_with_digest(paths: &Paths) -> Result<(Self, Digest), ConfigError> {
        let text = Self::load_text(paths)?;
        let manifest = Self::parse(&text, &paths.manifest, paths.home.as_deref())
            .map_err(ConfigError::Invalid)?;
        Ok((manifest, Digest::of(text.as_bytes())))
    }

    /// The text of the manifest, for edits; read with the same care and not judged yet.
    pub fn load_text(paths: &Paths) -> Result<String, ConfigError> {
        let bytes =
            read_guarded(&paths.manifest, MAX_MANIFEST_BYTES).map_err(|error| match error {
                GuardedReadError::Missing { path } => ConfigError::MissingManifest { path },
                other => ConfigError::Read(other),
            })?;
        String::from_utf8(bytes).map_err(|error| ConfigError::NotUtf8 {
            path: paths.manifest.clone(),
            offset: error.utf8_error().valid_up_to(),
        })
    }
}

fn syntax_diagnostic(error: &toml::de::Error) -> Diagnostic {
    Diagnostic {
        code: Code::Syntax,
        message: error.message().to_owned(),
        span: error.span().unwrap_or_default(),
        help: None,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
mod tests;
