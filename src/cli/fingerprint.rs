//! What a session is made from, as one digest: two sessions with the same one were started from the
//! same, so that a server that runs already may be given to a client in place of a new one.
//!
//! The variables of the environment are not among it: a session process has those of its daemon,
//! which are the same as long as the daemon lives, and a server that takes more is never served by it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::context::{Agreed, Context};
use super::daemon::client_variable;
use crate::config::{ConfigValue, EnvValue, Server};
use crate::daemon::Wish;
use crate::launch::{Launcher, StateFolder};
use crate::lockfile::{Digest, LockedServer, ServerName};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(Digest);

impl Fingerprint {
    /// Of what was read, and of the interpreter's file, what is under the granted paths and the
    /// quarantine as they are now.
    pub(super) fn of(
        context: &Context,
        launcher: &Launcher<'_>,
        agreed: &Agreed,
        (name, server, locked): (&ServerName, &Server, &LockedServer),
    ) -> Self {
        let interpreter = launcher.interpreter_path(locked);
        let parts = [
            name.to_string(),
            agreed.manifest_digest.to_string(),
            agreed.lock_digest.to_string(),
            interpreter
                .as_deref()
                .map(|path| format!("{} {}", path.display(), stamp(path)))
                .unwrap_or_default(),
            granted(server),
            is_in_quarantine(context, name).to_string(),
        ];
        // None of the parts before the last has a line break of its own but the interpreter's path,
        // and that stands in the lock.
        Self(Digest::of(parts.join("\n").as_bytes()))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Of a session of this server that would be started now; `None` when it would be refused.
pub(super) fn of_now(context: &Context, name: &str) -> Option<String> {
    let agreed = context.agreed().ok()?;
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    let (name, server, locked) = context.server(name, &agreed.manifest, &agreed.lock).ok()?;
    if is_in_quarantine(context, &name) {
        return None;
    }
    let fingerprint = Fingerprint::of(context, &launcher, &agreed, (&name, server, locked));
    Some(fingerprint.to_string())
}

/// The servers that the manifest wants to be kept warm and that the daemon may serve.
pub(super) fn wishes(context: &Context) -> BTreeMap<String, Wish> {
    // Where that can't be read or isn't trusted, no session would be started either.
    let Ok(agreed) = context.agreed() else {
        return BTreeMap::new();
    };
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    let wanted = agreed.manifest.servers.iter().filter_map(|(name, server)| {
        let count = usize::from(server.warm);
        let locked = agreed.lock.servers.get(name)?;
        if count == 0 || reason_against(server).is_some() {
            return None;
        }
        let fingerprint = Fingerprint::of(context, &launcher, &agreed, (name, server, locked));
        let wish = Wish {
            count: match is_in_quarantine(context, name) {
                true => 0,
                false => count,
            },
            fingerprint: fingerprint.to_string(),
            state: context.paths.server_state(name),
        };
        Some((name.to_string(), wish))
    });
    wanted.collect()
}

/// Why a server can't be kept warm, whatever the manifest says.
pub(super) fn reason_against(server: &Server) -> Option<String> {
    if let Some(variable) = client_variable(server) {
        return Some(format!("it takes {variable} from its client"));
    }
    // Whether one has changed is known only by fetching it again, which may ask a person.
    let of_env = server.env.iter().find_map(|(name, value)| match value {
        EnvValue::Secret(_) => Some(name),
        EnvValue::Literal(_) | EnvValue::FromClient { .. } => None,
    });
    let of_config = server.config.iter().find_map(|(name, value)| match value {
        ConfigValue::Secret(_) => Some(name),
        _ => None,
    });
    let name = of_env.or(of_config)?;
    Some(format!(
        "{name} is a secret, which is fetched anew for each client"
    ))
}

fn is_in_quarantine(context: &Context, name: &ServerName) -> bool {
    let state = StateFolder::planned(context.paths.server_state(name));
    state.quarantine().look().is_some()
}

/// Which files and folders are granted. A box holds those that were there when it was built: a
/// folder that was moved away stays in it under its old name, in place of the one that is there now.
fn granted(server: &Server) -> String {
    let paths = server.files.read.iter().chain(&server.files.write);
    let which: Vec<String> = paths
        .map(|path| match fs::metadata(path) {
            Err(error) => error.kind().to_string(),
            Ok(found) => format!("{}:{}", found.dev(), found.ino()),
        })
        .collect();
    which.join(" ")
}

/// Which file it is, and in which state (stat(2)).
fn stamp(path: &Path) -> String {
    match fs::metadata(path) {
        Err(error) => error.kind().to_string(),
        Ok(found) => format!(
            "{} {} {} {}.{} {}.{}",
            found.dev(),
            found.ino(),
            found.size(),
            found.mtime(),
            found.mtime_nsec(),
            found.ctime(),
            found.ctime_nsec()
        ),
    }
}
