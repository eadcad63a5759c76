//! Files that a server needs: its own, and a few devices.

use serde_json::json;

use super::Ground;

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
fn harmless_devices_can_be_opened() {
    let mut ground = Ground::new(&[]);
    for device in ["/dev/null", "/dev/zero", "/dev/urandom"] {
        ground.allowed(
            "os.close(os.open(path, os.O_RDONLY))",
            json!({"path": device}),
        );
    }
}
