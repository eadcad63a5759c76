//! A server reads and changes no file but its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::Ground;
use crate::support::Home;

#[test]
fn the_users_key_cannot_be_read_by_any_way() {
    let home = Home::new();
    let ssh = home.user().join(".ssh");
    fs::create_dir(&ssh).unwrap();
    fs::write(ssh.join("id_ed25519"), "PRIVATE KEY").unwrap();
    let mut ground = Ground::in_home(home, &[]);
    let key = json!({"folder": ssh, "key": ssh.join("id_ed25519")});
    for way in [
        "return open(key).read()",
        "return os.open(key, os.O_RDWR)",
        "return os.open('id_ed25519', os.O_RDONLY, dir_fd=os.open(folder, os.O_PATH))",
        "os.chdir(folder); return open('id_ed25519').read()",
        "return open('/proc/self/root' + key).read()",
        "return open('/proc/self/fd/%d' % os.open(key, os.O_PATH)).read()",
        "link = os.environ['HOME'] + '/key'; os.symlink(key, link); return open(link).read()",
        "copy = os.environ['HOME'] + '/hard'; os.link(key, copy); return open(copy).read()",
        // A child of the server is no freer than the server.
        "return checked(in_child(lambda: open(key).read()))",
    ] {
        ground.refused(way, key.clone());
    }
}

#[test]
fn the_home_cannot_be_listed() {
    let mut ground = Ground::new(&[]);
    let home = ground.home.user();
    for folder in [home.as_path(), home.parent().unwrap(), "/var/tmp".as_ref()] {
        ground.refused("return os.listdir(path)", json!({"path": folder}));
    }
    ground.refused(
        "return os.listdir('/proc/%d/root' % os.getppid())",
        json!({}),
    );
    ground.refused("return os.listdir('/')", json!({}));
    ground.refused("return os.listdir('/dev')", json!({}));
}

#[test]
fn its_own_code_cannot_be_written() {
    let mut ground = Ground::new(&[]);
    let tree = ground.home.only_tree();
    // Trees are read-only by mode, which their owner can change: it is not what counts.
    let code = "
        handle = os.open(tree, os.O_RDONLY)
        with contextlib.suppress(PermissionError): os.fchmod(handle, 0o755)
        os.close(os.open(tree + '/planted.py', os.O_CREAT | os.O_WRONLY))
        os.remove(tree + '/planted.py')";
    ground.refused(code, json!({"tree": tree}));
    let code = "
        path = tree + '/puppet.py'
        handle = os.open(path, os.O_RDONLY)
        with contextlib.suppress(PermissionError): os.fchmod(handle, 0o755)
        os.close(os.open(path, flags))";
    for flags in [libc::O_WRONLY, libc::O_RDWR | libc::O_APPEND] {
        ground.refused(code, json!({"tree": tree, "flags": flags}));
    }
    let code = "os.rename(tree + '/puppet.py', tree + '/other.py'); os.rename(tree + '/other.py', tree + '/puppet.py')";
    ground.refused(code, json!({"tree": tree}));
}

#[test]
fn manifest_lock_and_store_cannot_be_read_or_written() {
    let mut ground = Ground::new(&[]);
    for path in [ground.home.manifest(), ground.home.lock()] {
        ground.refused("open(path).read()", json!({"path": path}));
        ground.refused("open(path, 'a')", json!({"path": path}));
        ground.refused(
            "os.truncate(path, os.stat(path).st_size)",
            json!({"path": path}),
        );
        ground.refused(
            "os.rename(path, path + '.old'); os.rename(path + '.old', path)",
            json!({"path": path}),
        );
        ground.refused(
            "open(path + '.new', 'w'); os.remove(path + '.new')",
            json!({"path": path}),
        );
    }
    for path in [ground.home.store(), ground.home.state("puppet")] {
        ground.refused(
            "os.mkdir(path + '/planted'); os.rmdir(path + '/planted')",
            json!({"path": path}),
        );
        ground.refused("os.listdir(path)", json!({"path": path}));
    }
    // Its log is beside its HOME, not in it.
    let log = ground.home.state("puppet").join("stderr.log");
    ground.refused("open(path, 'a')", json!({"path": log}));
}

#[test]
fn a_file_of_the_user_cannot_be_changed_by_its_name() {
    let mut ground = Ground::new(&[]);
    let file = ground.home.user().join("decoy");
    fs::write(&file, "decoy").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let path = json!({"path": file});
    for way in [
        "os.chmod(path, 0o600)",
        "call('fchmodat2', -100, ctypes.c_char_p(path.encode()), 0o600, 0)",
        "os.chmod('/proc/self/fd/%d' % os.open(path, os.O_PATH), 0o600)",
        "os.utime(path)",
        "os.utime(path, (1, 1))",
        "os.chown(path, os.getuid(), os.getgid())",
        "os.setxattr(path, 'user.planted', b'x')",
        "os.truncate(path, 5)",
        "os.open(path, os.O_WRONLY | os.O_TRUNC)",
        "os.rename(path, path + '2'); os.rename(path + '2', path)",
        "os.link(path, path + '3'); os.remove(path + '3')",
        "os.symlink(path, path + '4'); os.remove(path + '4')",
        "os.mkfifo(path + '5'); os.remove(path + '5')",
        "os.remove(path); open(path, 'w').close()",
    ] {
        ground.refused(way, path.clone());
    }
}

/// What Landlock judges is the opening; what can be done with a file that is open for reading must
/// be no more than reading.
#[test]
fn a_file_that_is_open_for_reading_can_only_be_read() {
    let home = Home::new();
    let folder = home.user().join("granted");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("decoy");
    fs::write(&file, "decoy").unwrap();
    let mut ground = Ground::in_home(home, &["--read", folder.to_str().unwrap()]);
    let path = json!({"path": file});
    ground.allowed("return open(path).read()", path.clone());
    for way in [
        "os.fchmod(os.open(path, os.O_RDONLY), 0o600)",
        "os.fchown(os.open(path, os.O_RDONLY), os.getuid(), os.getgid())",
        "os.utime(os.open(path, os.O_RDONLY), (1, 1))",
    ] {
        ground.refused(way, path.clone());
    }
    // Whether these exist depends on the file system.
    for way in [
        "os.setxattr(os.open(path, os.O_RDONLY), 'user.planted', b'x')",
        // FS_IOC_SETFLAGS, FS_NODUMP_FL
        "import fcntl; fcntl.ioctl(os.open(path, os.O_RDONLY), 0x40086602, b'\\x40' + bytes(7))",
    ] {
        ground.refused_if_possible(
            "a_file_that_is_open_for_reading_can_only_be_read",
            way,
            path.clone(),
        );
    }
}

#[test]
fn its_own_folders_are_its_own() {
    let mut ground = Ground::new(&[]);
    for variable in ["HOME", "TMPDIR"] {
        ground.allowed_inside(
            "
            import tempfile
            with tempfile.TemporaryDirectory(dir=os.environ[variable]) as folder:
                with open(folder + '/a', 'w') as file:
                    file.write('x')
                os.rename(folder + '/a', folder + '/b')
                os.symlink('b', folder + '/c')
                return open(folder + '/c').read()",
            &json!({"variable": variable}),
        );
    }
}

#[test]
fn devices_cannot_be_opened_or_made() {
    let mut ground = Ground::new(&[]);
    ground.refused(
        "os.close(os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY))",
        json!({}),
    );
    let shared = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    ground.refused("return open(path).read()", json!({"path": shared.path()}));
    let node = "
        path = os.environ['HOME'] + '/node'
        os.mknod(path, 0o020600, os.makedev(1, 3)); os.remove(path)";
    ground.refused_if_possible("devices_cannot_be_opened_or_made", node, json!({}));
    for device in ["/dev/null", "/dev/zero", "/dev/urandom"] {
        ground.allowed(
            "os.close(os.open(path, os.O_RDONLY))",
            json!({"path": device}),
        );
    }
}
