//! Locks on disk: read back as written.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::super::format;
use super::super::replace::replace_atomically;
use super::*;
use crate::lockfile::names_in;
use crate::lockfile::types::ServerName;

const NATIVE: &str = include_str!("../../../lockfile/examples/native.lock");

fn write(path: &Path, lock: &Lock) -> Result<bool, LockError> {
    super::write(path, lock, |bytes, mode| {
        replace_atomically(path, bytes, mode)
    })
}

fn native() -> Lock {
    format::parse(NATIVE.as_bytes(), Path::new("native.lock")).unwrap()
}

#[test]
fn a_lock_is_written_and_read_back() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().join("pinfold.lock");
    assert!(matches!(read(&path), Err(LockError::Missing { .. })));
    assert!(write(&path, &native()).unwrap());
    assert_eq!(read(&path).unwrap(), native());
    assert_eq!(fs::read_to_string(&path).unwrap(), NATIVE);
    assert_eq!(names_in(folder.path()), ["pinfold.lock"]);
}

#[test]
fn an_equal_lock_leaves_the_file_alone() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().join("pinfold.lock");
    write(&path, &native()).unwrap();
    let before = fs::metadata(&path).unwrap();
    assert!(!write(&path, &native()).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino());
    assert!(write(&path, &Lock::default()).unwrap());
    assert_eq!(read(&path).unwrap(), Lock::default());
}

#[test]
fn a_lock_that_could_not_be_read_back_is_not_written() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().join("pinfold.lock");
    write(&path, &native()).unwrap();
    let mut bad = native();
    let server = bad
        .servers
        .get_mut(&"clock".parse::<ServerName>().unwrap())
        .unwrap();
    server.entry_point = "../evil".to_owned();
    assert!(matches!(write(&path, &bad), Err(LockError::Invalid { .. })));
    assert_eq!(read(&path).unwrap(), native());
}

#[test]
fn a_lock_that_others_can_write_or_that_is_too_large_is_refused() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().join("pinfold.lock");
    write(&path, &native()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(
        read(&path),
        Err(LockError::Read(GuardedReadError::WritableByOthers { .. }))
    ));
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(read(&path).is_ok());
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(MAX_LOCK_BYTES + 1)
        .unwrap();
    assert!(matches!(
        read(&path),
        Err(LockError::Read(GuardedReadError::TooLarge { .. }))
    ));
}

#[test]
fn private_folders_are_private() {
    let folder = crate::lockfile::private_test_folder();
    let deep = folder.path().join("a/b");
    create_private_folder(&deep).unwrap();
    create_private_folder(&deep).unwrap();
    assert_eq!(fs::metadata(&deep).unwrap().mode() & 0o077, 0);
}
