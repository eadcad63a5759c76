//! Capabilities out of every set, and the bits that would bring them back locked.
//!
//! For an ordinary user the sets are empty already and the bounding set can't be
//! changed; what counts there is no_new_privs. For root this is what makes uid 0
//! an ordinary user.

use caps::{CapSet, Capability};

use super::SandboxError;
use crate::sys;

pub(super) fn drop_all() -> Result<(), SandboxError> {
    let fail = |error: caps::errors::CapsError| SandboxError::Capabilities(error.to_string());
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(fail)? {
        sys::lock_secure_bits()
            .map_err(|error| SandboxError::Capabilities(format!("securebits: {error}")))?;
        // Newer kernels know capabilities that the crate doesn't: ask the kernel for all of them.
        for number in 0..64 {
            if !sys::drop_from_bounding_set(number)
                .map_err(|error| SandboxError::Capabilities(format!("bounding set: {error}")))?
            {
                break;
            }
        }
    }
    caps::clear(None, CapSet::Ambient).map_err(fail)?;
    caps::clear(None, CapSet::Effective).map_err(fail)?;
    caps::clear(None, CapSet::Permitted).map_err(fail)?;
    caps::clear(None, CapSet::Inheritable).map_err(fail)
}
