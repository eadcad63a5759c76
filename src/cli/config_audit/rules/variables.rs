//! Variables that change what a program runs, or whom it believes.

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use crate::config::env_names::refused_variable;

/// Those that pinfold refuses because it sets them itself, or that only change memory checks.
const HARMLESS: &[&str] = &["HOME", "TMPDIR", "PATH", "PWD", "NODE_COMPILE_CACHE"];

/// Options of Node.js that load no code.
const NODE_LOADS: &[&str] = &[
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "--inspect",
    "--inspect-brk",
    "--env-file",
    "--openssl-config",
    "--security-revert",
];

/// Variables that switch the check of certificates off, with the values that do.
const UNVERIFIED: &[(&str, &[&str])] = &[
    ("NODE_TLS_REJECT_UNAUTHORIZED", &["0"]),
    ("PYTHONHTTPSVERIFY", &["0"]),
    ("GIT_SSL_NO_VERIFY", &["1", "true"]),
    ("NPM_CONFIG_STRICT_SSL", &["false"]),
    ("npm_config_strict_ssl", &["false"]),
    ("UV_INSECURE_HOST", &[]),
    ("PIP_TRUSTED_HOST", &[]),
];

pub(super) fn rule(entry: &Entry<'_>, _: &dyn Machine, found: &mut Vec<Finding>) {
    for variable in &entry.server.env {
        let name = variable.name.as_str();
        let value = variable.value.as_str();
        let unverified = UNVERIFIED
            .iter()
            .any(|(one, values)| *one == name && (values.is_empty() || values.contains(&value)));
        if unverified && !value.is_empty() {
            let message = format!("`{name}` switches the check of certificates off");
            found.push(about(
                entry,
                Rule::TlsNotVerified,
                variable.at,
                name,
                message,
            ));
        }
        let is_harmless = HARMLESS.contains(&name)
            || name.starts_with("MALLOC_")
            || value.is_empty()
            || (name == "NODE_OPTIONS" && !loads_code(value));
        if let Some(reason) = refused_variable(name).filter(|_| !is_harmless) {
            let message = format!("`{name}`: {reason}");
            found.push(about(
                entry,
                Rule::DangerousVariable,
                variable.at,
                name,
                message,
            ));
        }
    }
}

fn loads_code(options: &str) -> bool {
    options.split_whitespace().any(|word| {
        let option = word.split('=').next().unwrap_or_default();
        NODE_LOADS.contains(&option)
    })
}
