//! A server is asked what it is and which tools it has, for the lock.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::timeout;

use super::service::keep_draining;
use super::session::{LAST_BREATH, end};
use super::{LaunchError, Running};
use crate::lockfile::ServerName;
use crate::relay::{
    Grants, Introspection, LineSink, Redaction, RelayError, StderrTail, introspect,
};

/// After which a server that is asked for its tools is given up.
const LEARNING_TIME: Duration = Duration::from_secs(60);

/// Asks a running server what it is and which tools it has, as a client that has all
/// capabilities of which `grants` let the server make use; then ends it.
///
/// `secrets` are names and values that it was given and that nobody else gets to see.
///
/// # Errors
/// When it doesn't answer as an MCP server; the message holds its last words. When a definition
/// holds a secret.
pub async fn learn(
    running: Running,
    name: &ServerName,
    grants: &Grants,
    secrets: Vec<(String, String)>,
    log: impl LineSink + Send + 'static,
) -> Result<Introspection, LaunchError> {
    let Running {
        mut monitor,
        stdin,
        stdout,
        stderr,
        egress: _egress,
        secret_folder: _secret_folder,
        trees: _trees,
        ..
    } = running;
    let tail = StderrTail::default();
    let redaction = Redaction::new(secrets);
    let draining = keep_draining(stderr, log, tail.clone(), redaction.clone());
    let learned = introspect(stdin, stdout, grants, LEARNING_TIME).await;
    end(&mut monitor).await?;
    let _ = timeout(LAST_BREATH, draining).await;
    let learned = learned.map_err(|source| LaunchError::Learn {
        last_words: last_words(&tail) + lacking(&source),
        source: without_secrets(source, &redaction),
    })?;
    match place_of_secret(&learned, &redaction) {
        None => Ok(learned),
        Some(place) => Err(LaunchError::SecretSaid {
            name: name.clone(),
            place,
        }),
    }
}

/// The server's own words in an error, cleaned.
fn without_secrets(error: RelayError, redaction: &Redaction) -> RelayError {
    match error {
        RelayError::Refused {
            step,
            code,
            message,
        } => RelayError::Refused {
            step,
            code,
            message: redaction.of_text(&message).into_owned(),
        },
        RelayError::BadAnswer { step, reason } => RelayError::BadAnswer {
            step,
            reason: redaction.of_text(&reason).into_owned(),
        },
        other => other,
    }
}

/// Where what is kept of a server, and shown, holds a secret.
fn place_of_secret(learned: &Introspection, redaction: &Redaction) -> Option<String> {
    let holds = |text: &str| matches!(redaction.of_text(text), Cow::Owned(_));
    let said = |text: &Option<String>| text.as_deref().is_some_and(holds);
    if said(&learned.instructions) {
        return Some("its instructions".to_owned());
    }
    if said(&learned.server_name) || said(&learned.server_version) {
        return Some("its name or version".to_owned());
    }
    let tool = learned
        .tools
        .iter()
        .position(|tool| holds(&tool.name) || holds(&String::from_utf8_lossy(&tool.canonical)))?;
    Some(format!("the definition of its tool number {}", tool + 1))
}

/// What helps a server that ended instead of answering, most of the time.
fn lacking(error: &RelayError) -> &'static str {
    match error {
        RelayError::Closed { .. } => {
            "\nWhat it may lack is granted in the manifest, or by options of `pinfold add`: files and folders (--read, --write), programs (--exec), hosts (--egress), variables (--env)"
        }
        _ => "",
    }
}

fn last_words(tail: &StderrTail) -> String {
    let lines = tail.lines();
    if lines.is_empty() {
        return "it wrote nothing to standard error".to_owned();
    }
    format!(
        "the last lines of its standard error:\n  {}",
        lines.join("\n  ")
    )
}
