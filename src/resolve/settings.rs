//! What the settings of npm and of pip and uv have in common.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::fetch::read_bounded;

/// The machine's own certificates, in the places that distributions use.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The environment, as a function so that tests can bring their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The machine's own certificates.
pub(super) fn system_bundle() -> Option<PathBuf> {
    SYSTEM_BUNDLES
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
}

/// The text of a file of at most `limit` bytes; `None` when there is none.
pub(super) fn read_if_there(path: &Path, limit: u64) -> io::Result<Option<String>> {
    match read_bounded(path, limit) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
