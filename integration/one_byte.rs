//! A tree that is not what was locked is not run; `verify` names what differs, `fetch` repairs it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::support::{Home, Package, Registry, refused, say};

/// A server of some forty files, added.
struct Agreed {
    home: Home,
    registry: Registry,
    tree: PathBuf,
}

const FOLDER: &str = "node_modules/victim";

fn agreed() -> Agreed {
    let mut victim = Package::server("victim", "1.0.0");
    for n in 0..40 {
        let text = format!("module.exports = {n};\n");
        victim = victim.file(&format!("lib/{}/{n}.js", n % 4), text.as_bytes());
    }
    let registry = Registry::new([victim]);
    let home = Home::new();
    registry.add_and_ask(&home, "server", "npm:victim");
    let tree = home.only_tree();
    Agreed {
        home,
        registry,
        tree,
    }
}

impl Agreed {
    /// Changes something, sees it refused and named, and repairs it without a network.
    fn refuses(&self, path: &str, says: &str, change: impl FnOnce(&Path)) {
        let full = self.tree.join(path);
        let folder = full.parent().unwrap();
        let mode = fs::metadata(folder).unwrap().permissions();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        change(&full);
        fs::set_permissions(folder, mode).unwrap();

        refused(&self.home, "server", &[path, says]);
        let verify = self.home.run(["verify"]);
        assert_eq!(verify.code, Some(1), "{verify:#?}");
        assert!(
            verify
                .stdout
                .contains(&format!("server: tree: `{path}` {says}")),
            "{verify:#?}"
        );
        let json = self.home.run(["verify", "server", "--json"]);
        assert_eq!(json.code, Some(1), "{json:#?}");
        let json: Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!(json["ok"], false, "{json}");
        let problem = &json["servers"][0]["problems"][0];
        assert_eq!(problem["code"], "tree", "{json}");
        assert!(
            problem["message"].as_str().unwrap().contains(path),
            "{json}"
        );

        let asked = self.registry.count("");
        let fetch = self.registry.run(&self.home, ["fetch"]);
        assert_eq!(fetch.code, Some(0), "{fetch:#?}");
        assert_eq!(self.registry.count(""), asked, "the artifacts were at hand");
        self.runs();
    }

    fn runs(&self) {
        assert_eq!(say(&mut self.home.client("server")), "victim@1.0.0");
        assert_eq!(self.home.run(["verify"]).code, Some(0));
    }
}

/// Another byte in the middle, the same size.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mode = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, mode).unwrap();
}

fn flip_keeping_times(path: &Path) {
    let before = fs::metadata(path).unwrap();
    flip(path);
    let mode = before.permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    let times = fs::FileTimes::new()
        .set_modified(before.modified().unwrap())
        .set_accessed(before.accessed().unwrap());
    file.set_times(times).unwrap();
    drop(file);
    fs::set_permissions(path, mode).unwrap();
    assert_eq!(
        fs::metadata(path).unwrap().modified().unwrap(),
        before.modified().unwrap()
    );
}

#[test]
fn one_byte_of_any_file() {
    let agreed = agreed();
    let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos() as usize;
    for round in 0..2 {
        // The path is in every message, so that a failure can be repeated.
        let n = (seed + 17 * round) % 40;
        let path = format!("{FOLDER}/lib/{}/{n}.js", n % 4);
        agreed.refuses(&path, "changed", flip);
        agreed.refuses(&path, "changed", flip_keeping_times);
    }
    agreed.refuses(
        &format!("{FOLDER}/server.js"),
        "changed",
        flip_keeping_times,
    );
    agreed.refuses(&format!("{FOLDER}/package.json"), "changed", |path| {
        // Another file of the same content but one byte, put in its place.
        let copy = path.with_extension("new");
        fs::copy(path, &copy).unwrap();
        flip(&copy);
        fs::rename(copy, path).unwrap();
    });
}

#[test]
fn a_file_more_or_less() {
    let agreed = agreed();
    agreed.refuses(&format!("{FOLDER}/lib/0/new.js"), "was added", |path| {
        fs::write(path, "module.exports = 'new'").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
    });
    agreed.refuses("node_modules/extra", "was added", |path| {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
    });
    agreed.refuses(&format!("{FOLDER}/lib/1/1.js"), "is gone", |path| {
        fs::remove_file(path).unwrap();
    });
}

#[test]
fn a_file_of_another_kind_or_mode() {
    let agreed = agreed();
    let twin = agreed.home.user().join("twin");
    agreed.refuses(
        &format!("{FOLDER}/lib/2/2.js"),
        "became a symbolic link",
        |path| {
            // The same content; it could be another one at any moment.
            fs::copy(path, &twin).unwrap();
            fs::remove_file(path).unwrap();
            symlink(&twin, path).unwrap();
        },
    );
    agreed.refuses(
        &format!("{FOLDER}/lib/3/3.js"),
        "became another kind of file",
        |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
        },
    );
    for mode in [0o444, 0o755] {
        agreed.refuses(
            &format!("{FOLDER}/answer.js"),
            "has other permissions",
            |path| {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            },
        );
    }
}

#[test]
fn control_the_changed_file_is_what_would_run() {
    let agreed = agreed();
    let answer = agreed.tree.join(FOLDER).join("answer.js");
    fs::set_permissions(&answer, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&answer, "module.exports = () => 'evil'").unwrap();
    let mut node = std::process::Command::new("node");
    node.arg(agreed.tree.join(FOLDER).join("server.js"));
    assert_eq!(say(&mut crate::support::Client::start(&mut node)), "evil");
    refused(&agreed.home, "server", &["answer.js"]);
}

#[test]
fn what_is_gone_from_the_store_comes_from_the_registry() {
    let agreed = agreed();
    let artifacts: Vec<PathBuf> = fs::read_dir(agreed.home.store().join("artifacts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(artifacts.len(), 1);
    flip(&artifacts[0]);
    let verify = agreed.home.run(["verify"]);
    assert_eq!(verify.code, Some(1), "{verify:#?}");
    assert!(
        verify.stdout.contains("server: artifact: victim@1.0.0"),
        "{verify:#?}"
    );
    agreed.registry.run(&agreed.home, ["fetch"]);
    agreed.runs();

    agreed.home.remove_store();
    refused(
        &agreed.home,
        "server",
        &["is not in the store; run `pinfold fetch`"],
    );
    let fetch = agreed.registry.run(&agreed.home, ["fetch"]);
    assert_eq!(fetch.code, Some(0), "{fetch:#?}");
    agreed.runs();
}
