//! Whether npm or uv failed for want of space, which they say in words of their own.

use std::path::Path;

/// Bytes with which neither can even keep what a registry says of one package.
const LITTLE: u64 = 64 << 10;
/// What they say of `ENOSPC` and `EDQUOT`, uv in the words of Rust and npm in those of libuv.
const SAID: [&str; 4] = [
    "No space left on device",
    "no space left on device",
    "Disk quota exceeded",
    "disk quota exceeded",
];

/// Bytes that the user may still write there; `None` where nobody says.
pub(super) fn free(folder: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(folder).ok()?;
    Some(found.blocks_available() * found.fragment_size())
}

/// Whether one failed for want of space: it says so, or there is less than it needs for anything at
/// all.
pub(super) fn is_about_full_disk(stderr: &[u8], free: Option<u64>) -> bool {
    let text = String::from_utf8_lossy(stderr);
    SAID.iter().any(|words| text.contains(words)) || free.is_some_and(|bytes| bytes < LITTLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_set_of_packages_that_does_not_exist() {
        let plenty = Some(1 << 30);
        for full in [
            &b"error: Failed to write to the cache\n  Caused by: No space left on device (os error 28)\n"[..],
            b"  Caused by: Disk quota exceeded (os error 122)",
            b"npm error code ENOSPC\nnpm error syscall write\nnpm error nospc ENOSPC: no space left on device, write",
            b"npm ERR! EDQUOT: disk quota exceeded, mkdir",
        ] {
            assert!(is_about_full_disk(full, plenty), "{}", full.escape_ascii());
        }
        assert!(is_about_full_disk(b"", Some(4096)));
        // The controls.
        let refusals = [
            &b"  x No solution found when resolving dependencies"[..],
            b"npm error code ETARGET\nnpm error notarget No matching version found",
        ];
        for refusal in refusals {
            assert!(!is_about_full_disk(refusal, plenty));
            assert!(!is_about_full_disk(refusal, None));
        }
        assert!(free(Path::new("/")).is_some());
        assert_eq!(free(Path::new("/no/such/folder")), None);
    }
}
