//! What can be wrong with a policy.

use std::path::PathBuf;

use super::PROFILES;

#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("there is no profile `{name}`; there are: {}", known())]
    UnknownProfile { name: String },
    #[error(
        "the profile `{profile}` needs at least one entry in `{key}`: name the files and folders, or choose the profile `offline`"
    )]
    MissingGrant { profile: String, key: &'static str },
    #[error(
        "the profile `{profile}` goes with no entry in `{key}`: remove them, or choose the profile `files-rw`"
    )]
    RefusedGrant { profile: String, key: &'static str },
    #[error(
        "the profile `{profile}` has no network, so it goes with no `{key}`: remove it, or choose `profile = \"web\"`"
    )]
    NoNetwork { profile: String, key: &'static str },
    #[error(
        "hosts are limited in a network namespace, and `layers.namespaces` is \"off\": remove that line, or accept `egress_tier = \"ports\"`, which limits ports but not hosts"
    )]
    NamesNeedNamespaces,
    #[error(
        "`{key}` can't be enforced with `egress_tier = \"ports\"`, where connections don't pass through pinfold: remove one of the two"
    )]
    NamesOnly { key: &'static str },
    #[error(
        "the alarm `refused-egress` hears of connections that pass through pinfold, and those of this server don't: take it out of `alarms.quarantine`, or choose `profile = \"web\"` with egress by name"
    )]
    DeafAlarm,
    #[error("the built-in file {file} is not valid, which is a bug of pinfold: {message}")]
    BuiltIn { file: &'static str, message: String },
    #[error(
        "`{}` can't be granted: it is the root folder or holds pinfold's own files, and a server that could write those could change its own rights",
        path.display()
    )]
    ForbiddenGrant { path: PathBuf },
    #[error(
        "`system_calls` can't name `{name}`: no box lets that call through, and the list only takes calls away; take it out"
    )]
    UnknownCall { name: String },
    #[error("the lock names the layer `{name}`, which this version of pinfold doesn't know")]
    UnknownLayer { name: String },
}

fn known() -> String {
    PROFILES.join(", ")
}
