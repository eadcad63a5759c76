//! The only room that talks to a person: arguments, one file for each command, output, exit codes.

mod add;
mod approve;
mod args;
mod argv;
mod auditing;
mod behaviour;
mod calls;
mod choosing;
mod config_audit;
mod context;
mod daemon;
mod daemon_choice;
mod definitions;
mod difference;
mod doctor;
mod doctor_attack;
mod doctor_daemon;
mod exit;
mod explain;
mod explain_bundle;
mod explain_text;
mod fetch;
mod file_difference;
mod fingerprint;
mod gc;
mod generate;
mod hand_over;
mod held_calls;
mod hidden_input;
mod import;
mod launchers;
mod lock;
mod locking;
mod log;
mod log_export;
mod observe;
mod output;
mod own_program;
mod platforms;
mod proposal;
mod protocol;
mod ps;
mod quarantine;
mod remove;
mod restore;
mod review;
mod reviewing;
mod run;
mod sbom;
mod screen;
mod secret;
mod secret_users;
mod server_json;
mod session;
mod session_process;
mod signals;
mod sources;
mod stderr;
mod stop;
mod summary;
mod tools;
mod tools_edit;
mod trust;
mod try_source;
mod ungranted;
mod update;
mod verify;
mod verify_online;
mod why;

use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
pub use doctor_attack::attacker;
use exit::{Exit, exit_for};
pub use session_process::{VERB as SESSION_VERB, session};

/// Reads the arguments and runs the command.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; clap knows which stream they belong to.
            let printed = error.print().and_then(|()| io::stdout().flush());
            return match (error.use_stderr(), printed) {
                (true, _) => Exit::Usage,
                (false, Err(failed)) if failed.kind() != io::ErrorKind::BrokenPipe => {
                    output::not_whole(&failed);
                    Exit::Environment
                }
                (false, _) => Exit::Success,
            }
            .into();
        }
    };
    log_to_stderr();
    let is_session = matches!(arguments.command, Command::Run(_) | Command::Observe(_));
    if is_session {
        stderr::tell_panics();
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&anyhow::Error::new(error).context("could not start"));
            return Exit::Environment.into();
        }
    };
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(dispatch(arguments))));
    let exit = match ended {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            if is_session {
                stderr::error(&error);
            } else {
                output::error(&error);
            }
            exit_for(&error)
        }
        // The panic's own message has been printed.
        Err(_) => Exit::Internal,
    };
    // What was printed into a file is not whole: nobody may take it for the answer.
    let exit = match (exit, output::lost()) {
        (Exit::Success | Exit::Drift, Some(error)) => {
            output::not_whole(error);
            Exit::Environment
        }
        (exit, _) => exit,
    };
    // A read of the client's terminal or file may still be waiting in a thread.
    runtime.shutdown_background();
    stderr::finish();
    exit.into()
}

/// One thread for everything that waits.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

async fn dispatch(arguments: Arguments) -> anyhow::Result<Exit> {
    let manifest = arguments.manifest.as_deref();
    match arguments.command {
        Command::Try(arguments) => try_source::run(&arguments).await,
        Command::Add(arguments) => add::run(manifest, *arguments).await,
        Command::Import(arguments) => import::run(manifest, *arguments).await,
        Command::Audit(arguments) => config_audit::run(manifest, &arguments),
        Command::Restore(arguments) => restore::run(manifest, &arguments),
        Command::Remove(arguments) => remove::run(manifest, &arguments),
        Command::Lock(arguments) => match arguments.sbom {
            Some(format) => sbom::run(manifest, &arguments, format),
            None => lock::run(manifest, &arguments).await,
        },
        Command::Update(arguments) => update::run(manifest, &arguments).await,
        Command::Fetch(arguments) => fetch::run(manifest, &arguments).await,
        Command::Run(arguments) => run::run(manifest, arguments).await,
        Command::Verify(arguments) => verify::run(manifest, &arguments).await,
        Command::Tools(arguments) => tools::run(manifest, &arguments),
        Command::Review(arguments) => review::run(manifest, &arguments).await,
        Command::Explain(arguments) => explain::run(manifest, &arguments).await,
        Command::Observe(arguments) => observe::run(manifest, &arguments).await,
        Command::Log(arguments) => log::run(manifest, &arguments).await,
        Command::Secret(arguments) => secret::run(manifest, &arguments),
        Command::Gc(arguments) => gc::run(manifest, &arguments),
        Command::Trust(arguments) => trust::run(&arguments.path),
        Command::Doctor(arguments) if arguments.attack => {
            doctor_attack::run(manifest, arguments.json).await
        }
        Command::Doctor(arguments) => doctor::run(manifest, arguments.json).await,
        Command::Daemon => daemon::run(manifest).await,
        Command::Ps(arguments) => ps::run(manifest, &arguments).await,
        Command::Approve(arguments) => approve::run(manifest, &arguments).await,
        Command::Stop(arguments) => stop::run(manifest, &arguments).await,
        Command::Quarantine(arguments) => quarantine::impose(manifest, &arguments),
        Command::Release(arguments) => quarantine::release(manifest, &arguments),
        Command::Generate(arguments) => generate::run(&arguments.what),
    }
}

/// `PINFOLD_LOG=debug` shows more; never on standard output, which is the protocol in `run`.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PINFOLD_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr::start)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .try_init();
}
