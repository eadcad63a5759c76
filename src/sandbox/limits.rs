//! Resource limits (setrlimit(2)): soft and hard alike, so that they can't be raised again.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{ResourceLimits, SandboxError};

pub(super) fn apply(limits: &ResourceLimits) -> Result<(), SandboxError> {
    // A core file would hold the server's secrets.
    lower("core files", Resource::RLIMIT_CORE, Some(0))?;
    lower("memory", Resource::RLIMIT_DATA, limits.memory)?;
    lower("open files", Resource::RLIMIT_NOFILE, limits.open_files)?;
    lower("file size", Resource::RLIMIT_FSIZE, limits.file_size)?;
    lower("processes", Resource::RLIMIT_NPROC, limits.processes)
}

/// Only ever lowers: the person who started us may have set a stricter limit.
fn lower(name: &'static str, resource: Resource, wanted: Option<u64>) -> Result<(), SandboxError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let fail = |errno: nix::Error| SandboxError::Limit {
        name,
        source: errno.into(),
    };
    let (_, hard) = getrlimit(resource).map_err(fail)?;
    let limit = wanted.min(hard);
    setrlimit(resource, limit, limit).map_err(fail)
}
