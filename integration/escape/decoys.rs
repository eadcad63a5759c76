//! What is planted: secrets, and the files that hold them.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::places::Places;
use crate::support::fixture;

/// By what they are the secrets of.
pub(super) type Secrets = BTreeMap<&'static str, String>;

/// Secrets that are plain words.
const WORDS: &[&str] = &[
    "argument",
    "busy",
    "client",
    "descriptor",
    "fifo",
    "hidden-name",
    "key",
    "link",
    "log",
    "manifest",
    "memory",
    "neighbour",
    "open-file",
    "outside",
    "posix-queue",
    "posix-shm",
    "queue",
    "shm",
    "temporary-name",
    "user-key",
    "victims-environment",
    "xattr",
];

pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Secrets for one world. The numbers have ten digits, so that no other number looks like them.
pub(super) fn secrets() -> Secrets {
    let mut secrets: BTreeMap<_, _> = WORDS
        .iter()
        .map(|word| (*word, format!("{word}-{:016x}", random())))
        .collect();
    secrets.insert(
        "size",
        (5_000_000_000 + random() % 1_000_000_000).to_string(),
    );
    secrets.insert("time", (1_000_000_000 + random() % 500_000_000).to_string());
    secrets.insert("nice", format!("nice={}", 3 + random() % 7));
    secrets.insert("limit", format!("nofile={}", 600 + random() % 300));
    // Beginning like this, so that it is no other number either.
    secrets.insert("oracle", format!("1011{:012b}", random() % (1 << 12)));
    secrets.insert("mounts", first_mount());
    secrets
}

/// The line of the root, in which numbers tell it apart from any other root.
fn first_mount() -> String {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let is_root = |line: &&str| line.split(' ').nth(4) == Some("/");
    mounts.lines().find(is_root).unwrap().to_owned()
}

/// The user's files, and a folder to be granted for reading and one for writing.
pub(super) fn plant_user(root: &Path, secrets: &Secrets) {
    let user = root.join("user");
    let granted = ["readable", "writable"].map(|name| root.join(name));
    empty(&user);
    granted.iter().for_each(|folder| empty(folder));
    let secret = |name: &str| secrets[name].as_str();
    for folder in [".ssh", ".config/autostart", "outside", "empty", "oracle"] {
        fs::create_dir_all(user.join(folder)).unwrap();
    }
    private(&user.join(".ssh/id_ed25519"), secret("key"));
    private(&user.join(".ssh").join(secret("hidden-name")), "");
    private(&user.join(".bashrc"), "# decoy\n");
    private(&user.join("decoy"), "decoy");
    private(&user.join("outside/file"), secret("outside"));
    private(&user.join("inherited"), secret("descriptor"));
    private(&user.join("appended"), "");
    symlink(secret("link"), user.join("link")).unwrap();
    let sized = File::create(user.join("sized")).unwrap();
    sized.set_len(secret("size").parse().unwrap()).unwrap();
    let seconds = Duration::from_secs(secret("time").parse().unwrap());
    sized
        .set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + seconds))
        .unwrap();
    for (index, bit) in secret("oracle").char_indices() {
        if bit == '1' {
            private(&user.join("oracle").join(index.to_string()), "");
        }
    }
    for folder in granted {
        private(&folder.join("file"), "content");
        symlink(user.join("outside/file"), folder.join("link")).unwrap();
        symlink(user.join("outside"), folder.join("way")).unwrap();
    }
}

/// What pinfold would have made.
pub(super) fn plant_places(places: &Places, secrets: &Secrets) {
    let Places {
        own,
        temporary,
        tree,
        manifest,
        lock,
        store,
        state,
        ..
    } = places;
    for folder in [tree, store, state] {
        let _ = fs::remove_dir_all(folder);
    }
    for folder in [own, temporary, tree, store, state] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::copy(fixture("puppet.py"), tree.join("puppet.py")).unwrap();
    for path in [manifest, lock] {
        let _ = fs::remove_file(path);
        private(path, &format!("# {}\n", secrets["manifest"]));
    }
    private(&state.join("stderr.log"), "");
}

/// The home of another server, with something in it.
pub(super) fn plant_neighbour(places: &Places, secrets: &Secrets) {
    let _ = fs::remove_dir_all(&places.neighbour);
    fs::create_dir_all(&places.neighbour).unwrap();
    private(&places.neighbour.join("data"), &secrets["neighbour"]);
}

/// A file that only the user may read.
pub(super) fn private(path: &Path, content: &str) {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.write_all(content.as_bytes()).unwrap();
}

pub(super) fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}
