//! What Landlock this kernel offers; the `landlock` crate keeps that to itself.

use std::ptr;

const CREATE_RULESET_VERSION: u32 = 1 << 0;
const CREATE_RULESET_ERRATA: u32 = 1 << 1;

/// The kernel's Landlock ABI, or `None` when Landlock is not built in or not enabled at boot
/// (landlock_create_ruleset(2), `LANDLOCK_CREATE_RULESET_VERSION`).
pub fn landlock_abi() -> Option<u32> {
    query(CREATE_RULESET_VERSION)
}

/// Bit mask of the errata that this kernel has fixed; `None` when it can't tell
/// (`LANDLOCK_CREATE_RULESET_ERRATA`).
pub fn landlock_errata() -> Option<u32> {
    query(CREATE_RULESET_ERRATA)
}

fn query(flag: u32) -> Option<u32> {
    // SAFETY: with a null attribute, size 0 and a query flag the call only returns a number.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            ptr::null::<libc::c_void>(),
            0usize,
            flag,
        )
    };
    u32::try_from(answer).ok()
}
