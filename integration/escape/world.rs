//! A user's world full of decoys: what an attack is told of it, and what it did to it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::decoys::{Secrets, empty, plant_neighbour, plant_places, plant_user, private, random};
use super::places::Places;
use super::snapshot::Snapshot;
use super::victim::Victim;

pub(super) struct World {
    root: PathBuf,
    pub(super) places: Places,
    pub(super) secrets: Secrets,
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

/// What a flood may leave in the client's log.
const FLOOD: u64 = 1 << 20;

/// Seconds within which the monitor looks at what a session uses.
const NOTICED_WITHIN: f64 = 2.0;

/// What an attack writes into the client's log.
const FORGED: &str = "forged by the server";

impl World {
    /// Plants everything below `root`. What lies in `places` is the caller's.
    pub(super) fn new(root: PathBuf, places: Places, secrets: Secrets) -> Self {
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
        plant_user(&self.root, &self.secrets);
        if self.places.is_bare() {
            plant_places(&self.places, &self.secrets);
        }
        plant_neighbour(&self.places, &self.secrets);
        let _ = fs::remove_file(self.in_temporary_folder());
        private(&self.in_temporary_folder(), "");
        // Not every file system keeps attributes; the attacks on them say so.
        let (decoy, attribute) = (self.user().join("decoy"), self.secrets["xattr"].clone());
        self.victim().set_attribute(&decoy, &attribute);
        self.files = self.look();
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
            "machine": setting("/proc/sys/kernel/hostname"),
            "watchers": setting("/proc/sys/fs/inotify/max_user_instances").parse::<u64>().unwrap(),
            "native": self.root.with_file_name("native"),
            "own": places.own,
            "temporary": places.temporary,
            "forged": FORGED,
            "hold": if places.is_bare() { 0.0 } else { NOTICED_WITHIN },
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
        let harmed = !self.victim().unharmed;
        if harmed {
            self.find_victim();
        }
        if harmed || !traces.files.is_empty() {
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

fn setting(path: &str) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}
