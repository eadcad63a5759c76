//! The root of its own, mount by mount: nothing else is there, and nothing may more than it must.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Ground, tier, walls};
use crate::support::{Client, Home, Tier, fixture, with_mounts};

/// A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
#[derive(Debug)]
struct Mount {
    place: PathBuf,
    flags: BTreeSet<String>,
    /// Peer groups: whom a mount made here would reach, or the other way round.
    peers: Vec<String>,
    kind: String,
    options: BTreeMap<String, String>,
}

fn mounts(pid: u32) -> Vec<Mount> {
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    let line = |line: &str| {
        let (mount, source) = line.split_once(" - ").unwrap();
        let (mount, source) = (words(mount), words(source));
        let options = source[2].split(',').map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            (name.to_owned(), value.to_owned())
        });
        Mount {
            place: PathBuf::from(&mount[4]),
            flags: mount[5].split(',').map(str::to_owned).collect(),
            peers: mount[6..].to_vec(),
            kind: source[0].clone(),
            options: options.collect(),
        }
    };
    let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    text.lines().map(line).collect()
}

#[test]
fn each_mount_allows_only_what_it_must() {
    if tier() == Tier::Base {
        return;
    }
    let home = Home::new();
    let [read, write] = ["read", "write"].map(|name| home.user().join(name));
    for folder in [&read, &write] {
        fs::create_dir(folder).unwrap();
    }
    let grants = [
        "--read",
        read.to_str().unwrap(),
        "--write",
        write.to_str().unwrap(),
    ];
    let mut ground = Ground::in_home(home, &grants);
    let own = ground.allowed_inside(
        "return [os.path.realpath(os.environ[name]) for name in ('HOME', 'TMPDIR')]",
        &json!({}),
    );
    let own: Vec<PathBuf> = serde_json::from_value(own).unwrap();
    let found = mounts(walls::Boxed::of(&ground.boxed).server);

    let places: Vec<&PathBuf> = found.iter().map(|mount| &mount.place).collect();
    let distinct: BTreeSet<_> = places.iter().collect();
    // The old root would lie below the new one, at the same place.
    assert_eq!(places.len(), distinct.len(), "{places:?}");
    let with_place = |place: &str| {
        let place = PathBuf::from(place);
        let mut there = found.iter().filter(move |mount| mount.place == place);
        there.next().unwrap_or_else(|| panic!("{found:#?}"))
    };
    let mut writable: BTreeSet<PathBuf> = own.into_iter().collect();
    writable.extend([write.clone(), "/tmp".into(), "/dev/shm".into()]);
    let writable = |mount: &Mount| writable.contains(&mount.place);
    assert!(found.iter().any(|mount| mount.place == write));
    assert!(found.iter().any(|mount| mount.place == read));
    for mount in &found {
        let has = |flag| mount.flags.contains(flag);
        assert!(has("nosuid"), "{mount:?}");
        let device = mount.place.starts_with("/dev") && mount.place != Path::new("/dev/shm");
        assert_eq!(has("nodev"), !device, "{mount:?}");
        assert_eq!(has("ro"), !writable(mount), "{mount:?}");
        if writable(mount) {
            assert!(has("noexec"), "{mount:?}");
        }
        assert_eq!(mount.peers, [""; 0], "{mount:?}");
    }
    // Of /tmp and /dev/shm: what the profile `offline` gives.
    for (place, kind, bounds) in [
        ("/", "tmpfs", ["4096k", "8192"]),
        ("/tmp", "tmpfs", ["262144k", "65536"]),
        ("/dev/shm", "tmpfs", ["65536k", "65536"]),
        ("/proc", "proc", ["", ""]),
    ] {
        let mount = with_place(place);
        assert_eq!(mount.kind, kind, "{mount:?}");
        for (option, expected) in ["size", "nr_inodes"].into_iter().zip(bounds) {
            if kind == "tmpfs" {
                let value = mount.options.get(option);
                let value = value.unwrap_or_else(|| panic!("no {option}: {mount:?}"));
                assert!(expected.is_empty() || value == expected, "{mount:?}");
            }
        }
    }
    assert!(with_place("/proc").flags.contains("noexec"));
}

/// A folder is granted with what is mounted in it, and that is bound like the folder itself.
#[test]
fn a_mount_below_a_grant_allows_no_more() {
    const TEST: &str = "a_mount_below_a_grant_allows_no_more";
    if tier() == Tier::Base {
        return;
    }
    let home = Home::new();
    let granted = home.user().join("granted");
    let below = granted.join("below");
    fs::create_dir_all(&below).unwrap();
    let grant = ["--read", granted.to_str().unwrap()];
    home.add_path("puppet", &fixture("puppet.py"), &grant);
    // Shared mounts are what most machines have: what is mounted in one is mounted in all.
    let mount = format!(
        "mount --make-rshared /\nmount -t tmpfs none {}",
        below.display()
    );
    let Some(shell) = with_mounts(TEST, &mount) else {
        return;
    };
    let pinfold = home.pinfold(["run", "puppet"]);
    let mut client = Client::start(&mut home.behind(&shell, &pinfold));
    client.initialize();
    let found = |pid| {
        let found = mounts(pid).into_iter().find(|mount| mount.place == below);
        found.unwrap_or_else(|| panic!("{below:?} is no mount"))
    };
    let [outside, inside] = [client.child.id(), walls::Boxed::of(&client).server].map(found);
    for flag in ["ro", "nosuid", "nodev"] {
        assert!(!outside.flags.contains(flag), "control: {outside:?}");
        assert!(inside.flags.contains(flag), "{inside:?}");
    }
    assert!(
        outside.peers[0].starts_with("shared:"),
        "control: {outside:?}"
    );
    assert_eq!(inside.peers, [""; 0], "{inside:?}");
}
