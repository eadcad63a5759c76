//! The command line, as a table; help, completions and man pages come from it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::config_audit::{Format, Severity};
use super::daemon_choice::DaemonChoice;
use super::update::Risk;
use super::{sbom, why};
use crate::resolve::npm::Platform;
use crate::secrets::StoreKind;

/// Runs MCP servers pinned to the byte and penned by the kernel.
///
/// Put `pinfold run NAME` into mcp.json where `npx -y some-server` was.
#[derive(Debug, Parser)]
#[command(
    name = "pinfold",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub(super) struct Arguments {
    /// Use this manifest; the lock lies beside it
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) manifest: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Take a quick look at a server: resolve, verify, start in the box, list its tools, keep nothing
    Try(Try),
    /// Add a server to the manifest, lock it, and choose its tools
    Add(Box<Add>),
    /// Take servers out of the manifest and the lock
    Remove(Remove),
    /// Take over the servers of your MCP clients' configs: lock each, and let its client start it
    /// through pinfold
    Import(Box<Import>),
    /// Put configs back as they were before `import`, byte for byte
    Restore(Restore),
    /// Show what is wrong in the configs of your MCP clients: floating versions, secrets in plain
    /// text, servers outside of pinfold and more; changes nothing
    Audit(Audit),
    /// Bring the lock in line with the manifest
    Lock(Lock),
    /// Move to newer versions, as a review: show everything that would change, and ask
    Update(Update),
    /// Get everything that the lock names into the store, and repair what is damaged
    Fetch(Fetch),
    /// Start a server and relay its allowed tools; the command for mcp.json
    Run(Run),
    /// Check manifest, lock and store against each other; every byte is hashed
    Verify(Verify),
    /// List a server's tools and which of them are allowed
    Tools(Tools),
    /// Show what changed in a server's tool definitions and instructions, and accept it
    Review(Review),
    /// Show what a server may do, where each right comes from, and which layers hold it
    Explain(Explain),
    /// Run a server as it is, watch what it uses and what it is refused, and propose what its manifest
    /// lacks
    Observe(Observe),
    /// Show the audit log: sessions, calls, refusals, connections, changes of what may run
    Log(Log),
    /// Keep the values that servers get and nobody else: set, list, remove
    Secret(Secret),
    /// Stop a server: end every session of it at once, and let none start until it is released
    Quarantine(Quarantine),
    /// Let a server that was put into quarantine start again
    Release(Release),
    /// Remove from the store what no lock names and no session runs
    Gc(Gc),
    /// Trust a manifest that is not your own, in its present content
    Trust(Trust),
    /// Show what this kernel can enforce and what to do about what is missing
    Doctor(Doctor),
    /// Supervise all servers of this user; `pinfold run` then only hands over to it
    Daemon,
    /// List the sessions that run now
    Ps(Ps),
    /// End sessions
    Stop(Stop),
    /// List the calls that wait for your approval in sessions of the daemon, or decide about one
    Approve(Approve),
    /// Print a completion script or write the man pages, for packaging
    #[command(hide = true)]
    Generate(Generate),
}

/// One of those that locks can be made for.
fn platform() -> clap::builder::PossibleValuesParser {
    Platform::names().into()
}

/// A place for secrets.
fn store_kind() -> impl clap::builder::TypedValueParser<Value = StoreKind> {
    use clap::builder::TypedValueParser as _;
    let kinds = [StoreKind::Files, StoreKind::SecretService];
    clap::builder::PossibleValuesParser::new(kinds.map(StoreKind::name)).map(move |name| {
        let found = kinds.into_iter().find(|kind| kind.name() == name);
        found.unwrap_or(StoreKind::Files)
    })
}

#[derive(Debug, Args)]
pub(super) struct Try {
    /// Where the server comes from: npm:NAME[@RANGE], pypi:NAME[SPECIFIERS],
    /// https://HOST/PATH#sha256=HEX or path:FILE-OR-FOLDER
    pub(super) source: String,
    /// The file of an archive or folder to run, when there are several
    #[arg(long, value_name = "PATH")]
    pub(super) program: Option<String>,
    /// A value that a bundle (.mcpb) asks for; the same key again makes a list
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) config: Vec<String>,
    /// The same, taken from this command's environment: for secrets
    #[arg(long, value_name = "KEY=NAME")]
    pub(super) config_from: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Arguments for the server, after `--`
    #[arg(last = true)]
    pub(super) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// What to call it: a-z 0-9 . _ -
    pub(super) name: String,
    /// Where it comes from: npm:NAME[@RANGE], pypi:NAME[SPECIFIERS], https://HOST/PATH#sha256=HEX or
    /// path:FILE-OR-FOLDER; or server.json:FILE or registry:NAMESPACE/NAME[@VERSION] (of the MCP
    /// registry), which are made into one of these and shown
    pub(super) source: String,
    /// Allow this tool; may be given many times [default: you are asked on the terminal]
    #[arg(long, value_name = "TOOL", conflicts_with = "allow_all")]
    pub(super) allow: Vec<String>,
    /// Allow every tool that it offers now
    #[arg(long)]
    pub(super) allow_all: bool,
    /// What it runs on: npm:PACKAGE[@RANGE] holds the interpreter, which is pinned too; `warn`
    /// tolerates that the machine's changes [default: refuse]
    #[arg(long)]
    pub(super) runtime: Option<String>,
    /// Run the install script of this package of its closure, once, in a box without network; may be
    /// given many times
    #[arg(long, value_name = "PACKAGE")]
    pub(super) build: Vec<String>,
    /// Let those scripts reach this host at this port; may be given many times
    #[arg(long, value_name = "HOST:PORT", requires = "build")]
    pub(super) build_egress: Vec<String>,
    /// The profile: offline, files-ro, files-rw, web or browser [default: web with --egress, else
    /// offline]
    #[arg(long)]
    pub(super) profile: Option<String>,
    /// Let it reach this host at this port, and no other; may be given many times. `*.HOST` is
    /// every name below
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) egress: Vec<String>,
    /// Set a variable: KEY=VALUE, or KEY to pass it on from the client
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub(super) env: Vec<String>,
    /// Set a variable to the secret that `pinfold secret set NAME` keeps
    #[arg(long, value_name = "KEY=NAME")]
    pub(super) secret: Vec<String>,
    /// Let it read this file or folder
    #[arg(long, value_name = "PATH")]
    pub(super) read: Vec<PathBuf>,
    /// Let it read and write this folder
    #[arg(long, value_name = "PATH")]
    pub(super) write: Vec<PathBuf>,
    /// Let it run this program, for example git
    #[arg(long, value_name = "PROGRAM")]
    pub(super) exec: Vec<String>,
    /// The file of an archive or folder to run, when there are several
    #[arg(long, value_name = "PATH")]
    pub(super) program: Option<String>,
    /// A value that a server.json asks for; the same key again repeats the argument
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// Of a server.json, the package of this kind [default: the first that can be used]
    #[arg(long, value_name = "KIND", value_parser = ["npm", "pypi", "mcpb"])]
    pub(super) package: Option<String>,
    /// A value that a bundle (.mcpb) asks for; the same key again makes a list
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) config: Vec<String>,
    /// The same, taken from the client's environment at each start: for secrets
    #[arg(long, value_name = "KEY=NAME")]
    pub(super) config_from: Vec<String>,
    /// Arguments for the server, after `--`
    #[arg(last = true)]
    pub(super) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// Only these configs [default: those of every known client, of this user and the present
    /// folder]
    pub(super) files: Vec<PathBuf>,
    /// Change nothing; show what would become of each server, and each file as a diff
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Don't ask whether to begin
    #[arg(long)]
    pub(super) yes: bool,
    /// Allow every tool that each server offers now
    #[arg(long)]
    pub(super) allow_all: bool,
    /// Allow this tool of this server, which is called as in the table; may be given many times
    #[arg(long, value_name = "SERVER:TOOL", conflicts_with = "allow_all")]
    pub(super) allow: Vec<String>,
    /// Let this server reach this host at this port, and no other; may be given many times
    #[arg(long, value_name = "SERVER:HOST:PORT")]
    pub(super) egress: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// Only these configs [default: all that were rewritten]
    pub(super) files: Vec<PathBuf>,
    /// Only list what could be put back
    #[arg(long)]
    pub(super) list: bool,
    /// Put back what was changed since, too; the change is lost
    #[arg(long, conflicts_with = "list")]
    pub(super) force: bool,
    /// Put nothing back; remove the originals that are kept, which hold the secrets that were in
    /// them
    #[arg(long, conflicts_with_all = ["list", "force"])]
    pub(super) forget: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Only these configs [default: those of every known client, of this user and the present
    /// folder]
    pub(super) files: Vec<PathBuf>,
    /// How to print what is found
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    /// End with code 1 if something is found that is this bad, or worse
    #[arg(long, value_name = "SEVERITY", default_value = "warning")]
    pub(super) fail_on: Severity,
}

#[derive(Debug, Args)]
pub(super) struct Lock {
    /// Only these servers
    pub(super) names: Vec<String>,
    /// Cover this platform, too, for example linux-aarch64; may be given many times. What is
    /// covered once is kept [always: this machine's]
    #[arg(long, value_name = "PLATFORM", value_parser = platform(), conflicts_with = "sbom")]
    pub(super) platform: Vec<String>,
    /// Change nothing; print what is locked as a bill of materials
    #[arg(long, value_name = "FORMAT")]
    pub(super) sbom: Option<sbom::Format>,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// Only these servers
    pub(super) names: Vec<String>,
    /// Accept the new versions, unless something about them is alarming
    #[arg(long)]
    pub(super) accept: bool,
    /// Accept this alarm, too; may be given many times, or with commas
    #[arg(long, value_name = "CODE", value_delimiter = ',', requires = "accept")]
    pub(super) accept_risk: Vec<Risk>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Fetch {
    /// Only these servers
    pub(super) names: Vec<String>,
    /// Get what this platform needs, without running anything; may be given many times [default:
    /// this machine's]
    #[arg(long, value_name = "PLATFORM", value_parser = platform())]
    pub(super) platform: Vec<String>,
}

#[derive(Debug, Args)]
#[command(override_usage = "pinfold run NAME\n       pinfold run -- npx -y PACKAGE [ARGUMENTS]")]
pub(super) struct Run {
    /// The server's name in the manifest
    #[arg(required_unless_present = "argv", conflicts_with = "argv")]
    pub(super) name: Option<String>,
    /// Whether the daemon serves it: `require`, `auto` (if one is there) or `never` [default:
    /// the variable PINFOLD_DAEMON, else auto]
    #[arg(long, value_name = "WHEN")]
    pub(super) daemon: Option<DaemonChoice>,
    /// The command that was in mcp.json before, after `--`; it is looked up in the lock
    #[arg(last = true)]
    pub(super) argv: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Only these servers
    pub(super) names: Vec<String>,
    /// Ask the registry, too, whether it still publishes the same bytes
    #[arg(long)]
    pub(super) online: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Tools {
    /// The server's name in the manifest
    pub(super) name: String,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Choose on the terminal which of them the client may use
    #[arg(long, conflicts_with_all = ["allow", "withhold", "json"])]
    pub(super) choose: bool,
    /// Let the client use this tool; may be given many times
    #[arg(long, value_name = "TOOL", conflicts_with = "json")]
    pub(super) allow: Vec<String>,
    /// Let the client no longer use this tool; may be given many times
    #[arg(long, value_name = "TOOL", conflicts_with = "json")]
    pub(super) withhold: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Review {
    /// The server's name in the manifest
    pub(super) name: String,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Accept what changed in this tool; may be given many times
    #[arg(long, value_name = "TOOL")]
    pub(super) accept: Vec<String>,
    /// Accept every change, also of the instructions
    #[arg(long, conflicts_with_all = ["accept", "accept_instructions"])]
    pub(super) accept_all: bool,
    /// Accept the server's instructions as they are now
    #[arg(long)]
    pub(super) accept_instructions: bool,
}

#[derive(Debug, Args)]
#[command(after_help = why::help())]
pub(super) struct Explain {
    /// The server's name in the manifest
    pub(super) name: String,
    /// Answer this question only; may be given many times
    #[arg(long, value_name = "QUESTION")]
    pub(super) why: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "pinfold observe NAME\n       pinfold observe NAME --call 'TOOL {ARGUMENTS}'\n       pinfold observe NAME --report [--system-calls] [--json]\n       pinfold observe NAME --apply [--system-calls] [--yes]"
)]
pub(super) struct Observe {
    /// The server's name in the manifest
    pub(super) name: String,
    /// Make this call instead of serving a client: the tool, then its arguments as JSON; may be given
    /// many times
    #[arg(long, value_name = "CALL", conflicts_with_all = ["report", "apply"])]
    pub(super) call: Vec<String>,
    /// Start nothing; print what was observed up to now
    #[arg(long)]
    pub(super) report: bool,
    /// Start nothing; write what is proposed into the manifest, once you have seen the difference and
    /// said yes
    #[arg(long, conflicts_with = "report")]
    pub(super) apply: bool,
    /// Don't ask
    #[arg(long, requires = "apply")]
    pub(super) yes: bool,
    /// With --report or --apply: limit the server to the system calls that it was seen to make, and to
    /// those that do the same; run it through all that it is for first
    #[arg(long, conflicts_with_all = ["call", "anew"])]
    pub(super) system_calls: bool,
    /// Forget what was observed before
    #[arg(long, conflicts_with_all = ["report", "apply"])]
    pub(super) anew: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Log {
    #[command(subcommand)]
    pub(super) what: Option<LogCommand>,
    /// Go on with what comes, until it is interrupted
    #[arg(long)]
    pub(super) follow: bool,
    /// Only records of this server
    #[arg(long, value_name = "NAME")]
    pub(super) server: Option<String>,
    /// Only records of this kind, for example call, call_end, egress, event, session_start,
    /// session_refused, session_end or policy_change
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Option<String>,
    /// Only what came after this: a time in UTC such as 2026-07-28T09:00:00Z, or a time span such
    /// as 2h, which ends now
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Only what was refused
    #[arg(long)]
    pub(super) denied: bool,
    /// Print the lines as they are in the log
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum LogCommand {
    /// Prove that no line of the log was changed, taken out, moved or cut off
    Verify(LogVerify),
    /// Print the log's last record as NUMBER:SHA256, to be kept elsewhere and given to `verify`
    Head,
    /// Send what was recorded since the last time to an OpenTelemetry collector (OTLP over HTTP)
    Export(LogExport),
}

#[derive(Debug, Args)]
pub(super) struct LogExport {
    /// Go on with what comes, until it is interrupted
    #[arg(long)]
    pub(super) follow: bool,
    /// The collector, for example http://localhost:4318; else OTEL_EXPORTER_OTLP_ENDPOINT and the other
    /// standard variables say it
    #[arg(long, value_name = "URL")]
    pub(super) endpoint: Option<String>,
    /// Send arguments of calls, too, where the log has them (`audit.arguments` in the manifest)
    #[arg(long)]
    pub(super) arguments: bool,
    /// How long to wait for a collector that can't be reached; with --follow for ever, if this is not
    /// given
    #[arg(long, value_name = "TIME")]
    pub(super) patience: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct LogVerify {
    /// A last record that was printed by `pinfold log head` earlier: it must still be there
    #[arg(long, value_name = "NUMBER:SHA256")]
    pub(super) head: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Secret {
    #[command(subcommand)]
    pub(super) action: SecretAction,
}

#[derive(Debug, Subcommand)]
pub(super) enum SecretAction {
    /// Keep a value, which is asked for on the terminal or read from standard input
    Set(SecretSet),
    /// Show which secrets there are, how old they are, and which servers use them; no value
    List {
        /// Ask for the password of a locked keyring first
        #[arg(long)]
        unlock: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget a secret: every server that uses it is put into quarantine
    Remove {
        /// What it is called
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct SecretSet {
    /// What to call it: a-z 0-9 . _ -
    pub(super) name: String,
    /// Where secrets are kept; decided with the first one [default: the desktop's Secret Service
    /// where there is one, else files]
    #[arg(long, value_name = "STORE", value_parser = store_kind())]
    pub(super) store: Option<StoreKind>,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Their names in the manifest
    #[arg(required = true, value_name = "NAME")]
    pub(super) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Quarantine {
    /// The server's name in the manifest
    pub(super) name: String,
    /// Why, for whoever finds it stopped
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Release {
    /// The server's name in the manifest
    pub(super) name: String,
}

#[derive(Debug, Args)]
pub(super) struct Gc {
    /// Only say what would go
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Trust {
    /// The manifest to trust
    pub(super) path: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Attack this machine, harmlessly, from inside of the box and without it, and show what held
    #[arg(long)]
    pub(super) attack: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Ps {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "pinfold stop NAME\n       pinfold stop NAME@CODE\n       pinfold stop --all"
)]
pub(super) struct Stop {
    /// A server, of which all sessions end, or one session as `pinfold ps` names it
    #[arg(
        value_name = "NAME",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub(super) target: Option<String>,
    /// Every session
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Approve {
    /// The call, as the list names it; you are asked once you have seen it
    #[arg(value_name = "CALL", required_if_eq("deny", "true"))]
    pub(super) call: Option<String>,
    /// Decline it, without a question
    #[arg(long)]
    pub(super) deny: bool,
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    #[command(subcommand)]
    pub(super) what: Generated,
}

#[derive(Debug, Subcommand)]
pub(super) enum Generated {
    /// Print the completion script for a shell
    Completions { shell: clap_complete::Shell },
    /// Write one man page for each command into a folder
    Man { folder: PathBuf },
}
