//! A user's world full of decoys: what an attack is told of it, and what it did to it.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::snapshot::Snapshot;
use super::victim::Victim;
use crate::support::{Home, fixture};

/// Where pinfold keeps things, and their counterparts in a world without pinfold.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The server's `$HOME` and `$TMPDIR`.
    pub(super) own: PathBuf,
    pub(super) temporary: PathBuf,
    /// The server's code.
    pub(super) tree: PathBuf,
    pub(super) manifest: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) store: PathBuf,
    /// Holds `home`, `tmp` and `stderr.log` of the server.
    pub(super) state: PathBuf,
    /// The home of another server.
    pub(super) neighbour: PathBuf,
}

pub(super) struct World {
    root: PathBuf,
    pub(super) places: Places,
    pub(super) secrets: BTreeMap<&'static str, String>,
    victim: Option<Victim>,
    files: Snapshot,
}

/// What an attempt did.
#[derive(Debug, Default)]
pub(super) struct Traces {
    pub(super) told: Vec<&'static str>,
    pub(super) files: Vec<String>,
    pub(super) victim: Vec<String>,
    pub(super) log: Vec<String>,
}

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

/// What a flood may leave in the client's log.
const FLOOD: u64 = 1 << 20;

/// What an attack writes into the client's log.
const FORGED: &str = "forged by the server";

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Secrets for one world. The numbers have ten digits, so that no other number looks like them.
pub(super) fn secrets() -> BTreeMap<&'static str, String> {
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
    secrets.insert("oracle", format!("{:016b}", random() % (1 << 16)));
    secrets.insert("mounts", first_mount());
    secrets
}

/// The line of the root, in which numbers tell it apart from any other root.
fn first_mount() -> String {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let is_root = |line: &&str| line.split(' ').nth(4) == Some("/");
    mounts.lines().find(is_root).unwrap().to_owned()
}

impl Places {
    fn is_bare(&self) -> bool {
        self.tree.ends_with("pinfold/tree")
    }

    /// Of a world without pinfold.
    pub(super) fn bare(root: &Path) -> Self {
        let place = |name: &str| root.join("pinfold").join(name);
        Self {
            own: place("state/home"),
            temporary: place("state/tmp"),
            tree: place("tree"),
            manifest: place("pinfold.toml"),
            lock: place("pinfold.lock"),
            store: place("store"),
            state: place("state"),
            neighbour: place("neighbour/home"),
        }
    }

    /// Of the server `name` behind pinfold.
    pub(super) fn boxed(home: &Home, name: &str) -> Self {
        let state = home.state(name);
        Self {
            own: state.join("home"),
            temporary: state.join("tmp"),
            tree: home.only_tree(),
            manifest: home.manifest(),
            lock: home.lock(),
            store: home.store(),
            neighbour: home.state(&format!("neighbour-of-{name}")).join("home"),
            state,
        }
    }
}

impl World {
    /// Plants everything below `root`. What lies in `places` is the caller's.
    pub(super) fn new(
        root: PathBuf,
        places: Places,
        secrets: BTreeMap<&'static str, String>,
    ) -> Self {
        for folder in ["user", "readable", "writable", "victim"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let mut world = Self {
            root,
            places,
            secrets,
            victim: None,
            files: Snapshot::default(),
        };
        world.find_victim();
        world.plant();
        world
    }

    fn find_victim(&mut self) {
        // The old one removes what the kernel keeps of it.
        drop(self.victim.take());
        let folder = self.root.join("victim");
        empty(&folder);
        let name = format!("pinfold-escape-{:016x}", random());
        self.victim = Some(Victim::start(&folder, &name, &self.secrets));
    }

    fn victim(&mut self) -> &mut Victim {
        self.victim.as_mut().expect("there is always one")
    }

    /// `$HOME` of the user.
    pub(super) fn user(&self) -> PathBuf {
        self.root.join("user")
    }

    /// What a careless client has open when it starts a server: a file and a folder to read, and a
    /// file to append to.
    pub(super) fn leaked(&self) -> [PathBuf; 3] {
        ["inherited", ".ssh", "appended"].map(|name| self.user().join(name))
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("client.log")
    }

    /// Puts every decoy where it was. The folders that are granted stay the same folders.
    pub(super) fn plant(&mut self) {
        let user = self.user();
        for folder in [
            &user,
            &self.root.join("readable"),
            &self.root.join("writable"),
        ] {
            empty(folder);
        }
        let secret = |name: &str| self.secrets[name].as_str();
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
        for folder in ["readable", "writable"].map(|name| self.root.join(name)) {
            private(&folder.join("file"), "content");
            symlink(user.join("outside/file"), folder.join("link")).unwrap();
            symlink(user.join("outside"), folder.join("way")).unwrap();
        }
        if self.places.is_bare() {
            self.plant_places();
        }
        self.plant_neighbour();
        let _ = fs::remove_file(self.in_temporary_folder());
        private(&self.in_temporary_folder(), "");
        // Not every file system keeps attributes; the attacks on them say so.
        let (decoy, attribute) = (user.join("decoy"), self.secrets["xattr"].clone());
        self.victim().set_attribute(&decoy, &attribute);
        self.files = self.look();
    }

    /// What pinfold would have made.
    fn plant_places(&self) {
        let Places {
            own,
            temporary,
            tree,
            manifest,
            lock,
            store,
            state,
            ..
        } = &self.places;
        for folder in [tree, store, state] {
            let _ = fs::remove_dir_all(folder);
        }
        for folder in [own, temporary, tree, store, state] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::copy(fixture("puppet.py"), tree.join("puppet.py")).unwrap();
        for path in [manifest, lock] {
            let _ = fs::remove_file(path);
            private(path, &format!("# {}\n", self.secrets["manifest"]));
        }
        private(&state.join("stderr.log"), "");
    }

    /// The home of another server, with something in it.
    fn plant_neighbour(&self) {
        let _ = fs::remove_dir_all(&self.places.neighbour);
        fs::create_dir_all(&self.places.neighbour).unwrap();
        private(
            &self.places.neighbour.join("data"),
            &self.secrets["neighbour"],
        );
    }

    fn stray(&self) -> String {
        let name = self.root.to_string_lossy().replace('/', "-");
        format!("stray{name}")
    }

    /// Something of another program.
    fn in_temporary_folder(&self) -> PathBuf {
        Path::new("/tmp").join(&self.secrets["temporary-name"])
    }

    /// What the session that has just started made isn't an attack's doing.
    pub(super) fn settle(&mut self) {
        self.files = self.look();
    }

    /// Also of what an attack may leave where everybody can write.
    fn strays(&self) -> Vec<PathBuf> {
        ["/tmp", "/var/tmp", "/dev/shm"]
            .map(|folder| Path::new(folder).join(self.stray()))
            .to_vec()
    }

    fn look(&self) -> Snapshot {
        let mut roots = self.strays();
        roots.extend(["user", "readable", "victim"].map(|name| self.root.join(name)));
        let places = &self.places;
        roots.extend(
            [
                &places.tree,
                &places.manifest,
                &places.lock,
                &places.store,
                &places.state,
                &places.neighbour,
            ]
            .map(Clone::clone),
        );
        let mut excluded = vec![
            self.root.join("victim/busy"),
            places.own.clone(),
            places.temporary.clone(),
        ];
        excluded.extend(["stderr.log", "stderr.log.1"].map(|name| places.state.join(name)));
        Snapshot::take(&roots, &excluded)
    }

    /// A new log of the client, which already holds something.
    pub(super) fn new_log(&self) -> File {
        let _ = fs::remove_file(self.log());
        private(&self.log(), &format!("{}\n", self.secrets["log"]));
        let mut log = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.log())
            .unwrap();
        log.seek(SeekFrom::End(0)).unwrap();
        log
    }

    /// What every attack is told: names and numbers, no secrets.
    pub(super) fn arguments(&self) -> Value {
        let user = self.user();
        let places = &self.places;
        let mut arguments = json!({
            "user": user,
            "key": user.join(".ssh/id_ed25519"),
            "decoy": user.join("decoy"),
            "outside": user.join("outside"),
            "readable": self.root.join("readable"),
            "writable": self.root.join("writable"),
            "folder": self.root.join("victim"),
            "tree": places.tree,
            "manifest": places.manifest,
            "lock": places.lock,
            "store": places.store,
            "state": places.state,
            "neighbour": places.neighbour,
            "stray": self.stray(),
            "machine": fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim(),
            "native": self.root.with_file_name("native"),
            "own": places.own,
            "temporary": places.temporary,
            "forged": FORGED,
        });
        let things = &self.victim.as_ref().expect("there is always one").things;
        for (name, thing) in things {
            arguments[name] = thing.clone();
        }
        arguments
    }

    /// What has happened since the decoys were planted; `answer` is what the attack said.
    pub(super) fn traces(&mut self, answer: &str) -> Traces {
        let told = self
            .secrets
            .iter()
            .filter(|(_, secret)| answer.contains(secret.as_str()))
            .map(|(name, _)| *name)
            .collect();
        Traces {
            told,
            files: self.files.differences(&self.look()),
            victim: self.victim().harm(),
            log: self.log_damage(),
        }
    }

    fn log_damage(&self) -> Vec<String> {
        let mut damage = Vec::new();
        let mut text = Vec::new();
        if let Ok(log) = File::open(self.log()) {
            let length = log.metadata().unwrap().len();
            if length > FLOOD {
                damage.push(format!("the client's log has {length} bytes"));
            }
            log.take(FLOOD).read_to_end(&mut text).unwrap();
        }
        let text = String::from_utf8_lossy(&text);
        let mode = fs::metadata(self.log()).map(|log| log.mode() & 0o7777);
        if mode.is_ok_and(|mode| mode != 0o600) {
            damage.push("the client's log has another mode".to_owned());
        }
        let kept: u64 = ["stderr.log", "stderr.log.1"]
            .iter()
            .filter_map(|name| fs::metadata(self.places.state.join(name)).ok())
            .map(|metadata| metadata.len())
            .sum();
        if kept > 3 * FLOOD {
            damage.push(format!("pinfold's log has {kept} bytes"));
        }
        if !text.starts_with(&self.secrets["log"]) {
            damage.push("the client's log has lost what was in it".to_owned());
        }
        if text.contains(FORGED) {
            damage.push("the client's log has a forged line".to_owned());
        }
        damage
    }

    /// Makes good what an attempt did. The log is the caller's: somebody holds it open.
    pub(super) fn heal(&mut self, traces: &Traces) {
        if !traces.victim.is_empty() {
            self.find_victim();
        }
        if !(traces.files.is_empty() && traces.victim.is_empty()) {
            self.remove_strays();
            self.plant();
        }
    }

    fn remove_strays(&self) {
        for stray in self.strays() {
            let _ = fs::remove_file(&stray);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.in_temporary_folder());
        self.remove_strays();
    }
}

fn private(path: &Path, content: &str) {
    use std::io::Write;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.write_all(content.as_bytes()).unwrap();
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}
