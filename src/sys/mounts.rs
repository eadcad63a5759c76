//! Mount attributes of a whole mount tree at once (mount_setattr(2), Linux 5.12).

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Adds attributes to a mount and keeps those that it has.
///
/// `attributes` are `MOUNT_ATTR_*` of mount_setattr(2). With `recursive` all mounts below it get
/// them too.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` in the user namespace of the mount.
pub fn add_mount_attributes(
    mount: BorrowedFd<'_>,
    attributes: u64,
    recursive: bool,
) -> io::Result<()> {
    let change = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let whole_tree = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a NUL-terminated literal, and `change` is a mount_attr that lives across the call, with its size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | whole_tree,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
