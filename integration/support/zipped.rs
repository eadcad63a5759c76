//! Zip archives as Python's own library writes them.

use std::fs;
use std::process::Command;

use super::Home;

/// Of these files: name, mode, content. A mode with a kind, such as 0o120777, is kept whole.
pub(crate) fn zipped(home: &Home, files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let folder = tempfile::tempdir_in(home.path()).unwrap();
    let mut script = String::from(
        "import sys, zipfile\nwith zipfile.ZipFile('out.zip', 'w', zipfile.ZIP_DEFLATED) as out:\n",
    );
    for (place, (name, mode, content)) in files.iter().enumerate() {
        fs::write(folder.path().join(place.to_string()), content).unwrap();
        script += &format!(
            "    info = zipfile.ZipInfo({name:?}); info.external_attr = {mode} << 16; info.create_system = 3; info.compress_type = zipfile.ZIP_DEFLATED\n    out.writestr(info, open('{place}', 'rb').read())\n"
        );
    }
    let output = Command::new("python3")
        .args(["-c", &script])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::read(folder.path().join("out.zip")).unwrap()
}
