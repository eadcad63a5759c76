//! Manifest, lock and bytes: what can't be read, understood or matched is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Launch;
use crate::support::is_root;

/// Writes another content into a file, and back.
fn with_content(launch: &Launch, path: &Path, content: &[u8], says: &[&str]) {
    let original = fs::read(path).unwrap();
    fs::write(path, content).unwrap();
    launch.refused(says);
    fs::write(path, original).unwrap();
}

fn with_edit(launch: &Launch, path: &Path, edit: impl Fn(&str) -> String, says: &[&str]) {
    let text = fs::read_to_string(path).unwrap();
    let edited = edit(&text);
    assert_ne!(edited, text, "the edit changes nothing");
    with_content(launch, path, edited.as_bytes(), says);
}

fn with_mode(launch: &Launch, path: &Path, mode: u32, says: &[&str]) {
    let original = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    launch.refused(says);
    fs::set_permissions(path, original).unwrap();
}

/// A file whose mode lets nobody read it. Root reads it anyway, unless it gives that up.
fn unreadable(launch: &Launch, path: &Path, says: &[&str]) {
    let original = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    if is_root() {
        let mut starter = Command::new("setpriv");
        starter.args(["--inh-caps=-all", "--bounding-set=-all"]);
        launch.refused_with(&mut launch.behind(&starter, &["run", "puppet"]), says);
        fs::set_permissions(path, original).unwrap();
        launch.works_with(&mut launch.behind(&starter, &["run", "puppet"]));
    } else {
        launch.refused(says);
        fs::set_permissions(path, original).unwrap();
    }
}

/// Something else in the file's place.
fn replaced(launch: &Launch, path: &Path) {
    let aside = path.with_extension("aside");
    fs::rename(path, &aside).unwrap();
    launch.refused(&["pinfold"]);
    fs::create_dir(path).unwrap();
    launch.refused(&["not a regular file"]);
    fs::remove_dir(path).unwrap();
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    launch.refused(&["not a regular file"]);
    fs::remove_file(path).unwrap();
    std::os::unix::fs::symlink(path, path).unwrap();
    launch.refused(&["could not be read"]);
    fs::remove_file(path).unwrap();
    fs::rename(&aside, path).unwrap();
}

#[test]
fn a_manifest_that_is_not_in_order() {
    let launch = Launch::new();
    let manifest = launch.home.manifest();
    let at = "pinfold.toml";
    with_content(&launch, &manifest, b"[servers.puppet\n", &[at]);
    with_content(&launch, &manifest, b"", &["no server `puppet`"]);
    with_content(&launch, &manifest, b"\xff\xfe", &["UTF-8"]);
    with_edit(
        &launch,
        &manifest,
        |text| format!("{text}\nunknown = 1\n"),
        &["unknown"],
    );
    with_edit(
        &launch,
        &manifest,
        |text| format!("surprise = 1\n{text}"),
        &["surprise"],
    );
    with_edit(
        &launch,
        &manifest,
        |text| {
            text.replace(
                "[servers.puppet]",
                "[servers.puppet]\nallow_everything = true",
            )
        },
        &["allow_everything"],
    );
    for mode in [0o664, 0o646, 0o666] {
        with_mode(&launch, &manifest, mode, &["chmod go-w"]);
    }
    let folder = manifest.parent().unwrap().to_owned();
    with_mode(&launch, &folder, 0o770, &["chmod go-w"]);
    unreadable(&launch, &manifest, &["could not be read"]);
    replaced(&launch, &manifest);
    launch.works();
}

#[test]
fn a_lock_that_is_not_in_order() {
    let launch = Launch::new();
    let lock = launch.home.lock();
    with_content(&launch, &lock, b"", &["pinfold lock"]);
    with_content(&launch, &lock, b"{}", &["pinfold lock"]);
    with_content(&launch, &lock, b"\xff", &["UTF-8"]);
    with_edit(
        &launch,
        &lock,
        |text| text[..text.len() / 2].to_owned(),
        &["damaged"],
    );
    with_edit(
        &launch,
        &lock,
        |text| text.replacen("\"lockfile_version\": 1", "\"lockfile_version\": 2", 1),
        &["lockfile_version 2", "upgrade"],
    );
    with_edit(
        &launch,
        &lock,
        |text| text.replacen('{', "{\n  \"surprise\": true,", 1),
        &["surprise"],
    );
    // A key twice: which one counts would be up to the reader.
    with_edit(
        &launch,
        &lock,
        |text| text.replacen('{', "{\n  \"lockfile_version\": 1,", 1),
        &["lockfile_version"],
    );
    with_mode(&launch, &lock, 0o664, &["chmod go-w"]);
    unreadable(&launch, &lock, &["could not be read"]);
    replaced(&launch, &lock);
    launch.works();
}

/// The text of one field of the locked server, as it stands in the lock.
fn field(lock: &Path, pointer: &str) -> String {
    let lock: Value = serde_json::from_str(&fs::read_to_string(lock).unwrap()).unwrap();
    lock.pointer(&format!("/servers/puppet{pointer}"))
        .unwrap_or_else(|| panic!("no {pointer} in {lock:#}"))
        .as_str()
        .unwrap()
        .to_owned()
}

/// The same digest with its last digit changed.
fn other_digest(digest: &str) -> String {
    let last = if digest.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &digest[..digest.len() - 1])
}

#[test]
fn a_lock_and_a_manifest_that_do_not_agree() {
    let launch = Launch::new();
    let (lock, manifest) = (launch.home.lock(), launch.home.manifest());
    for (pointer, says) in [
        ("/tree", "not in the store"),
        ("/interpreter/sha256", "not the one that was locked"),
        ("/box/policy", "is not what was locked"),
    ] {
        let digest = field(&lock, pointer);
        with_edit(
            &launch,
            &lock,
            |text| text.replace(&digest, &other_digest(&digest)),
            &[says],
        );
    }
    with_edit(
        &launch,
        &manifest,
        |text| text.replace("PUPPET_MARKER", "OTHER_ARGUMENT"),
        &["pinfold lock puppet"],
    );
    with_edit(
        &launch,
        &manifest,
        |text| text.replace("path:", "path:/elsewhere"),
        &["changed in the manifest"],
    );
    with_edit(
        &launch,
        &manifest,
        |text| text.replace("[servers.puppet]", "[servers.puppet]\nexec = [\"sh\"]"),
        &["pinfold lock puppet"],
    );
    launch.works();
}

#[test]
fn bytes_that_are_not_those_of_the_lock() {
    let launch = Launch::new();
    let tree = launch.home.only_tree();
    let code = tree.join("puppet.py");
    let writable = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let (file_mode, folder_mode) = (
        fs::metadata(&code).unwrap().permissions().mode(),
        fs::metadata(&tree).unwrap().permissions().mode(),
    );

    // The same length and time, so that only the content differs.
    let original = fs::read(&code).unwrap();
    let modified = fs::metadata(&code).unwrap().modified().unwrap();
    let mut changed = original.clone();
    let position = original.iter().rposition(|byte| *byte == b'm').unwrap();
    changed[position] = b'M';
    let put = |content: &[u8]| {
        writable(&code, 0o644);
        fs::write(&code, content).unwrap();
        let file = fs::File::options().write(true).open(&code).unwrap();
        file.set_modified(modified).unwrap();
        writable(&code, file_mode);
    };
    put(&changed);
    launch.refused(&["not what was locked", "pinfold verify puppet"]);
    put(&original);
    launch.works();

    // One file more, one file less, another mode.
    writable(&tree, 0o755);
    fs::write(tree.join("sitecustomize.py"), "").unwrap();
    writable(&tree, folder_mode);
    launch.refused(&["not what was locked"]);
    writable(&tree, 0o755);
    fs::remove_file(tree.join("sitecustomize.py")).unwrap();
    fs::rename(&code, tree.join("aside")).unwrap();
    writable(&tree, folder_mode);
    launch.refused(&["not what was locked"]);
    writable(&tree, 0o755);
    fs::rename(tree.join("aside"), &code).unwrap();
    writable(&tree, folder_mode);
    launch.works();
    writable(&code, 0o644);
    launch.refused(&["not what was locked"]);
    writable(&code, file_mode);
    launch.works();
}
