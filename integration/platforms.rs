//! A lock holds elsewhere: in another home, where the interpreter lies in another place, and for
//! another platform, simulated by locks in which the platforms have changed places.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::archives::bundles::bundle;
use crate::support::index::{Index, Wheel, with_uv};
use crate::support::{
    Client, Home, HttpsFolder, Package, Ran, Registry, fixture, refused, say, skip,
};

/// This machine's platform and another one, in the words of a lock and of npm.
fn platforms() -> [(&'static str, &'static str); 2] {
    let mut both = [("linux-x86_64", "x64"), ("linux-aarch64", "arm64")];
    if cfg!(target_arch = "aarch64") {
        both.reverse();
    }
    both
}

fn lock(home: &Home) -> Value {
    serde_json::from_slice(&fs::read(home.lock()).unwrap()).unwrap()
}

/// Edits the entry of a server in the lock.
fn edit(home: &Home, name: &str, change: impl FnOnce(&mut Value)) {
    let mut whole = lock(home);
    change(&mut whole["servers"][name]);
    fs::write(home.lock(), whole.to_string()).unwrap();
}

fn put(home: &Home, manifest: &str) {
    let folder = home.manifest().parent().unwrap().to_owned();
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(home.manifest(), manifest).unwrap();
}

fn fine(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran
}

/// The other platform comes to the front, as if the lock had been made there.
fn swap(entry: &mut Value, other: &str) {
    let part = entry["platforms"][other].take();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let path = |artifact: &Value| artifact["path"].as_str().unwrap().to_owned();
    let front = list(&entry["artifacts"]);
    let own = list(&part["artifacts"]);
    let replaced: BTreeSet<String> = own
        .iter()
        .map(path)
        .chain(
            list(&part["without"])
                .iter()
                .map(|it| it.as_str().unwrap().to_owned()),
        )
        .collect();
    let mut all: Vec<Value> = front
        .iter()
        .filter(|it| !replaced.contains(&path(it)))
        .cloned()
        .collect();
    all.extend(own);
    all.sort_by_key(path);
    let paths: BTreeSet<String> = front.iter().map(path).collect();
    let without: Vec<String> = all
        .iter()
        .map(path)
        .filter(|it| !paths.contains(it))
        .collect();
    let differing: Vec<&Value> = front.iter().filter(|it| !all.contains(it)).collect();
    let here = entry["platform"].as_str().unwrap().to_owned();
    let mut parts = serde_json::Map::new();
    parts.insert(
        here,
        json!({
            "interpreter": entry["interpreter"],
            "entry_point": entry["entry_point"],
            "tree": entry["tree"],
            "without": without,
            "artifacts": differing,
        }),
    );
    if part["interpreter"] != "unknown" {
        entry["interpreter"] = part["interpreter"].clone();
    }
    entry["platform"] = json!(other);
    entry["entry_point"] = part["entry_point"].clone();
    entry["tree"] = part["tree"].clone();
    entry["artifacts"] = json!(all);
    entry["platforms"] = json!(parts);
}

/// A server with an optional package for each platform, of which it says which one is there.
fn native(version: &str) -> [Package; 3] {
    let part = |cpu: &str| {
        Package::new(&format!("native-{cpu}"), version)
            .with("os", json!(["linux"]))
            .with("cpu", json!([cpu]))
            .with("main", json!("index.js"))
            .file(
                "index.js",
                format!("module.exports = '{cpu} {version}';\n").as_bytes(),
            )
    };
    let either = "(() => { try { return require('native-x64') } catch { return require('native-arm64') } })()";
    let server = Package::speaking("native", version, either).with(
        "optionalDependencies",
        json!({"native-x64": version, "native-arm64": version}),
    );
    [server, part("x64"), part("arm64")]
}

#[test]
fn a_lock_of_one_home_runs_in_another() {
    let test = "platforms::a_lock_of_one_home_runs_in_another";
    let (one, two) = (Home::new(), Home::new());
    let Some(https) = HttpsFolder::new(test, &one) else {
        return;
    };
    let shell = fs::read(fs::canonicalize("/bin/sh").unwrap()).unwrap();
    let registry = Registry::new([
        Package::server("from-npm", "1.0.0"),
        Package::new("shell-runtime", "1.0.0")
            .with("bin", json!({"sh": "bin/sh"}))
            .file("bin/sh", &shell),
    ]);
    let index = Index::new([Wheel::server("wheel").offered()]);
    let pinfold = |home: &Home, arguments: &[&str]| {
        let mut command = registry.pinfold(home, arguments.iter().copied());
        https.believe(&mut command);
        index.choose(&mut command);
        with_uv(&mut command).map(|()| Ran::of(&mut command))
    };
    let bytes = bundle(&one, "'from a bundle'", |_| {});
    let remote = https.publish("remote.mcpb", &bytes);
    put(
        &one,
        &format!(
            "[servers.npm]\nsource = \"npm:from-npm\"\ntools.allow = [\"say\"]\n\
             [servers.pypi]\nsource = \"pypi:wheel\"\ntools.allow = [\"say\"]\n\
             [servers.https]\nsource = \"{remote}\"\ntools.allow = [\"say\"]\n\
             [servers.bundle]\nsource = \"path:local.mcpb\"\ntools.allow = [\"say\"]\n\
             [servers.shell]\nsource = \"path:server.sh\"\nruntime = \"npm:shell-runtime@1\"\ntools.allow = [\"say\"]\n"
        ),
    );
    let beside = |home: &Home, name: &str| home.manifest().with_file_name(name);
    fs::write(beside(&one, "local.mcpb"), &bytes).unwrap();
    fs::copy(fixture("server.sh"), beside(&one, "server.sh")).unwrap();
    let ran = match pinfold(&one, &["lock"]) {
        Ok(ran) => ran,
        Err(reason) => return skip(test, &reason),
    };
    fine(ran);

    put(&two, &fs::read_to_string(one.manifest()).unwrap());
    for name in ["pinfold.lock", "local.mcpb", "server.sh"] {
        fs::copy(beside(&one, name), beside(&two, name)).unwrap();
    }
    // What is missing is said, server by server.
    let ran = two.run(["verify"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    for (name, code) in [
        ("npm", "artifact"),
        ("pypi", "artifact"),
        ("https", "artifact"),
        ("bundle", "tree"),
        ("shell", "tree"),
    ] {
        assert!(
            ran.stdout.contains(&format!("{name}: {code}: ")),
            "{name}: {ran:#?}"
        );
        refused(&two, name, &["is not in the store", "pinfold fetch"]);
    }
    fine(pinfold(&two, &["fetch"]).unwrap());
    fine(two.run(["verify"]));
    assert_eq!(fs::read(two.lock()).unwrap(), fs::read(one.lock()).unwrap());
    for (name, expected) in [
        ("npm", "from-npm@1.0.0"),
        ("https", "from a bundle"),
        ("bundle", "from a bundle"),
        ("shell", "from the shell"),
    ] {
        assert_eq!(say(&mut two.client(name)), expected, "{name}");
    }
    let answers = [&one, &two].map(|home| say(&mut home.client("pypi")));
    assert_eq!(answers[0], answers[1]);
    // Nothing is left to be agreed to.
    fine(pinfold(&two, &["lock"]).unwrap());
    assert_eq!(fs::read(two.lock()).unwrap(), fs::read(one.lock()).unwrap());
}

/// A program that this machine has nowhere else: what follows the sections is not read.
fn unique(program: &Path, place: &Path, mark: &str) {
    let mut bytes = fs::read(program).unwrap();
    bytes.extend_from_slice(mark.as_bytes());
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, bytes).unwrap();
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
}

fn on_path(home: &Home, arguments: &[&str], folder: &Path) -> std::process::Command {
    let mut command = home.pinfold(arguments.iter().copied());
    command.env("PATH", folder);
    command
}

#[test]
fn a_node_that_lies_elsewhere_is_the_same_one() {
    let home = Home::new();
    let path = std::env::var_os("PATH").unwrap();
    let node: PathBuf = std::env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|file| file.is_file())
        .unwrap();
    let node = node.canonicalize().unwrap();
    let [first, second, empty] = ["first", "second", "empty"].map(|name| home.user().join(name));
    unique(&node, &first.join("node"), "of this test");
    fs::create_dir(&empty).unwrap();
    let server = home.user().join("server");
    fs::create_dir(&server).unwrap();
    fs::copy(fixture("server.js"), server.join("server.js")).unwrap();
    fs::write(
        server.join("answer.js"),
        "module.exports = () => process.execPath;\n",
    )
    .unwrap();
    fs::write(server.join("package.json"), r#"{"bin": "server.js"}"#).unwrap();
    let source = format!("path:{}", server.display());
    fine(Ran::of(&mut on_path(
        &home,
        &["add", "server", &source, "--allow-all"],
        &first,
    )));
    let runs = |folder: &Path| {
        say(&mut Client::start(&mut on_path(
            &home,
            &["run", "server"],
            folder,
        )))
    };
    assert_eq!(runs(&empty), first.join("node").to_str().unwrap());

    fs::rename(&first, &second).unwrap();
    assert_eq!(runs(&second), second.join("node").to_str().unwrap());
    fine(Ran::of(&mut on_path(&home, &["verify"], &second)));
    let gone = |folder: &Path| {
        let ran = Ran::of(&mut on_path(&home, &["verify"], folder));
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        let ran = Ran::of(&mut on_path(&home, &["run", "server"], folder));
        assert_eq!(ran.code, Some(125), "{ran:#?}");
        assert!(
            ran.stderr.contains("is not the one that was locked"),
            "{ran:#?}"
        );
    };
    gone(&empty);
    // Another one of the same name, in the same place.
    unique(&node, &second.join("node"), "of nobody");
    gone(&second);
}

/// What else it would read beside itself is not known, and clients choose the search path.
#[test]
fn other_interpreters_are_not_taken_from_the_search_path() {
    let home = Home::new();
    let shell = fs::canonicalize("/bin/sh").unwrap();
    let [first, second] = ["first", "second"].map(|name| home.user().join(name));
    unique(&shell, &first.join("sh"), "of this test");
    let script = home.user().join("server.sh");
    let text = fs::read_to_string(fixture("server.sh")).unwrap();
    let line = format!("#!{}", first.join("sh").display());
    fs::write(&script, text.replacen("#!/bin/sh", &line, 1)).unwrap();
    home.add_path("server", &script, &[]);
    assert_eq!(say(&mut home.client("server")), "from the shell");
    fs::rename(&first, &second).unwrap();
    let ran = Ran::of(&mut on_path(&home, &["run", "server"], &second));
    assert_eq!(ran.code, Some(125), "{ran:#?}");

    // The machine's own shell, copied: the machine's folders hold the same bytes.
    fs::create_dir(&first).unwrap();
    fs::copy(&shell, first.join("sh")).unwrap();
    home.succeed(["lock"]);
    assert_eq!(say(&mut home.client("server")), "from the shell");
    fs::remove_file(first.join("sh")).unwrap();
    assert_eq!(say(&mut home.client("server")), "from the shell");
    home.succeed(["verify"]);
}

#[test]
fn what_another_platform_needs_is_locked_and_fetched_here() {
    let [(here, own), (other, foreign)] = platforms();
    let home = Home::new();
    let registry = Registry::new(native("1.0.0"));
    assert_eq!(
        registry.add_and_ask(&home, "server", "npm:native"),
        format!("{own} 1.0.0")
    );
    let before = lock(&home);
    assert_eq!(before["servers"]["server"]["platforms"], json!({}));
    let not_there = registry.run(&home, ["fetch", "--platform", other]);
    assert_eq!(not_there.code, Some(2), "{not_there:#?}");
    assert!(not_there.stderr.contains("--platform"), "{not_there:#?}");
    assert_eq!(
        registry
            .run(&home, ["lock", "--platform", "plan9-mips"])
            .code,
        Some(2)
    );

    let ran = fine(registry.run(&home, ["lock", "--platform", other]));
    assert!(
        ran.stderr.contains(&format!("platform added: {other}")),
        "{ran:#?}"
    );
    let after = lock(&home)["servers"]["server"].clone();
    for key in [
        "platform",
        "tree",
        "artifacts",
        "interpreter",
        "behaviour",
        "box",
    ] {
        assert_eq!(after[key], before["servers"]["server"][key], "{key}");
    }
    let part = &after["platforms"][other];
    assert_eq!(part["interpreter"], "unknown");
    assert_eq!(
        part["without"],
        json!([format!("node_modules/native-{own}")])
    );
    assert_eq!(part["artifacts"][0]["name"], format!("native-{foreign}"));
    assert_eq!(part["artifacts"].as_array().unwrap().len(), 1);
    assert_ne!(part["tree"], after["tree"]);
    // It stays, whoever locks again, and asks for nothing.
    let bytes = fs::read(home.lock()).unwrap();
    let asked = registry.requests().len();
    fine(registry.run(&home, ["lock"]));
    assert_eq!(fs::read(home.lock()).unwrap(), bytes);
    assert_eq!(registry.requests().len(), asked);

    // What a lock names is not garbage; what is missing is had again, and not run.
    let tree = |home: &Home| {
        let digest = part["tree"].as_str().unwrap().trim_start_matches("sha256:");
        home.store().join("trees").join(digest)
    };
    home.succeed(["gc"]);
    assert!(tree(&home).is_dir());
    home.remove_store();
    fine(registry.run(&home, ["fetch", "--platform", other]));
    assert!(
        tree(&home)
            .join(format!("node_modules/native-{foreign}"))
            .is_dir()
    );
    assert!(
        !tree(&home)
            .join(format!("node_modules/native-{own}"))
            .exists()
    );
    let bill = home.succeed(["lock", "--sbom", "cyclonedx"]).stdout;
    assert!(bill.contains(&format!("native-{foreign}")), "{bill}");
    assert_eq!(registry.run(&home, ["verify", "--online"]).code, Some(1));
    fine(registry.run(&home, ["fetch"]));
    fine(registry.run(&home, ["verify", "--online"]));
    registry.unpublish(&format!("native-{foreign}"), "1.0.0");
    let ran = registry.run(&home, ["verify", "--online"]);
    assert!(ran.stdout.contains("unpublished"), "{ran:#?}");

    // An update moves both.
    native("1.1.0")
        .into_iter()
        .for_each(|package| registry.publish(package));
    fine(registry.run(&home, ["update", "--accept"]));
    let updated = lock(&home)["servers"]["server"].clone();
    assert_eq!(updated["version"], "1.1.0");
    assert_eq!(
        updated["platforms"][other]["artifacts"][0]["version"],
        "1.1.0"
    );
    assert_eq!(updated["platform"], here);

    // A tree that isn't what was locked is refused for them, too.
    home.remove_store();
    edit(&home, "server", |entry| {
        entry["platforms"][other]["tree"] = json!(format!("sha256:{}", "0".repeat(64)));
    });
    let ran = registry.run(&home, ["fetch", "--platform", other]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    fine(registry.run(&home, ["fetch"]));
}

#[test]
fn a_lock_made_elsewhere_runs_here_by_its_part() {
    let [(here, own), (other, _)] = platforms();
    let home = Home::new();
    let registry = Registry::new(native("1.0.0"));
    registry.add_and_ask(&home, "server", "npm:native");
    fine(registry.run(&home, ["lock", "--platform", other]));
    edit(&home, "server", |entry| swap(entry, other));
    let elsewhere = lock(&home);
    assert_eq!(elsewhere["servers"]["server"]["platform"], other);

    assert_eq!(say(&mut home.client("server")), format!("{own} 1.0.0"));
    home.succeed(["verify"]);
    home.remove_store();
    fine(registry.run(&home, ["fetch"]));
    assert_eq!(say(&mut home.client("server")), format!("{own} 1.0.0"));
    fine(registry.run(&home, ["lock"]));
    assert_eq!(lock(&home), elsewhere);

    // Nothing about a run says which platform it is.
    assert_eq!(
        home.run(["run", "server", "--platform", other]).code,
        Some(2)
    );

    // Files without what runs them: had, refused, and completed here.
    edit(&home, "server", |entry| {
        entry["platforms"][here]["interpreter"] = json!("unknown")
    });
    refused(
        &home,
        "server",
        &["not yet what runs them here", "pinfold lock server"],
    );
    let ran = home.run(["verify"]);
    assert!(ran.stdout.contains("server: platform: "), "{ran:#?}");
    fine(registry.run(&home, ["fetch"]));
    fine(registry.run(&home, ["lock"]));
    let mut completed = lock(&home);
    completed["servers"]["server"]["locked_at"] =
        elsewhere["servers"]["server"]["locked_at"].clone();
    assert_eq!(completed, elsewhere);

    // No part at all: refused, and added to the lock, whose front stays. The version stays, too.
    native("1.1.0")
        .into_iter()
        .for_each(|package| registry.publish(package));
    edit(&home, "server", |entry| entry["platforms"] = json!({}));
    refused(&home, "server", &[other, here, "pinfold lock server"]);
    assert_eq!(home.run(["verify"]).code, Some(1));
    let ran = registry.run(&home, ["fetch"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    fine(registry.run(&home, ["lock"]));
    assert_eq!(lock(&home)["servers"]["server"]["version"], "1.0.0");
    assert_eq!(lock(&home)["servers"]["server"]["platform"], other);
    assert_eq!(say(&mut home.client("server")), format!("{own} 1.0.0"));

    // A part that lies about its tree is refused like any other.
    edit(&home, "server", |entry| {
        entry["platforms"][here]["tree"] = entry["tree"].clone();
    });
    let ran = home.run(["run", "server"]);
    assert_eq!(ran.code, Some(125), "{ran:#?}");
}

/// What another machine agreed to holds here: the same version with other tools is drift.
#[test]
fn behaviour_is_agreed_once_for_all_platforms() {
    let [_, (other, _)] = platforms();
    let home = Home::new();
    let registry = Registry::new(native("1.0.0"));
    registry.add_and_ask(&home, "server", "npm:native");
    fine(registry.run(&home, ["lock", "--platform", other]));
    let agreed = json!(format!("sha256:{}", "1".repeat(64)));
    edit(&home, "server", |entry| {
        swap(entry, other);
        entry["platforms"] = json!({});
        entry["behaviour"]["tools"]["say"] = agreed.clone();
    });
    let ran = registry.run(&home, ["lock"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("pinfold review server"), "{ran:#?}");
    assert_eq!(
        lock(&home)["servers"]["server"]["behaviour"]["tools"]["say"],
        agreed
    );
}

#[test]
fn a_platform_that_is_added_gets_nothing_that_lost_its_signature() {
    let [_, (other, _)] = platforms();
    let home = Home::new();
    let shared = |version: &str| Package::new("shared", version).with("main", json!("index.js"));
    let [server, x64, arm64] = native("1.0.0");
    let server = server.with("dependencies", json!({"shared": "^1.0.0"}));
    let registry = Registry::new([server, x64, arm64, shared("1.0.0")]);
    registry.add_and_ask(&home, "server", "npm:native");
    registry.publish(shared("1.1.0"));
    let unsigned = fs::read(home.lock()).unwrap();
    edit(&home, "server", |entry| {
        let artifacts = entry["artifacts"].as_array_mut().unwrap();
        let shared = artifacts.iter_mut().find(|it| it["name"] == "shared");
        shared.unwrap()["signature"] = json!("npm:SHA256:one");
    });
    let signed = fs::read(home.lock()).unwrap();
    let ran = registry.run(&home, ["lock", "--platform", other]);
    assert!(
        ran.stderr.contains("shared@1.1.0 is not signed"),
        "{ran:#?}"
    );
    assert_eq!(fs::read(home.lock()).unwrap(), signed);

    // Where nothing is lost, it is said all the same that the platforms differ.
    fs::write(home.lock(), unsigned).unwrap();
    let ran = fine(registry.run(&home, ["lock", "--platform", other]));
    assert!(ran.stderr.contains(": shared@1.1.0; `"), "{ran:#?}");
}

#[test]
fn a_packaged_interpreter_is_known_on_every_platform() {
    let [(here, own), (other, foreign)] = platforms();
    let home = Home::new();
    let shell = fs::read(fs::canonicalize("/bin/sh").unwrap()).unwrap();
    let runtime = |cpu: &str| {
        Package::new(&format!("sh-linux-{cpu}"), "1.0.0")
            .with("bin", json!({"sh": "bin/sh"}))
            .with("os", json!(["linux"]))
            .with("cpu", json!([cpu]))
            .file("bin/sh", &shell)
    };
    let text = fs::read(fixture("server.sh")).unwrap();
    let published = Package::new("script", "1.0.0")
        .with("bin", json!("server.sh"))
        .file("server.sh", &text);
    let registry = Registry::new([runtime(own), runtime(foreign), published]);
    let script = fixture("server.sh");
    put(
        &home,
        &format!(
            "[servers.npm]\nsource = \"npm:script\"\nruntime = \"npm:sh-{{platform}}@1\"\ntools.allow = [\"say\"]\n\
             [servers.server]\nsource = \"path:{}\"\nruntime = \"npm:sh-{{platform}}@1\"\ntools.allow = [\"say\"]\n",
            script.display()
        ),
    );
    fine(registry.run(&home, ["lock", "--platform", other]));
    let entry = lock(&home)["servers"]["server"].clone();
    let path = |cpu: &str| json!(format!("node_modules/sh-linux-{cpu}/bin/sh"));
    assert_eq!(entry["interpreter"]["path"], path(own));
    assert_eq!(
        entry["platforms"][other]["interpreter"]["path"],
        path(foreign)
    );
    assert_eq!(entry["platforms"][other]["tree"], entry["tree"]);
    assert_eq!(say(&mut home.client("server")), "from the shell");
    edit(&home, "server", |entry| swap(entry, other));
    edit(&home, "npm", |entry| swap(entry, other));
    assert_eq!(say(&mut home.client("npm")), "from the shell");
    assert_eq!(
        lock(&home)["servers"]["server"]["platforms"][here]["interpreter"]["path"],
        path(own)
    );
    assert_eq!(say(&mut home.client("server")), "from the shell");
    home.remove_store();
    fine(registry.run(&home, ["fetch", "--platform", here, "--platform", other]));
    assert_eq!(say(&mut home.client("server")), "from the shell");
    fine(registry.run(&home, ["verify", "--online"]));
}

#[test]
fn python_servers_are_added_by_each_platform_itself() {
    let test = "platforms::python_servers_are_added_by_each_platform_itself";
    let [_, (other, _)] = platforms();
    let home = Home::new();
    let index = Index::new([Wheel::server("wheel").offered()]);
    let ran = match index.run(&home, ["add", "server", "pypi:wheel", "--allow-all"]) {
        Ok(ran) => ran,
        Err(reason) => return skip(test, &reason),
    };
    fine(ran);
    let ran = index.run(&home, ["lock", "--platform", other]).unwrap();
    assert!(matches!(ran.code, Some(1..)), "{ran:#?}");
    assert!(ran.stderr.contains("on such a machine"), "{ran:#?}");
    // As if it had been locked there.
    edit(&home, "server", |entry| entry["platform"] = json!(other));
    refused(&home, "server", &[other, "pinfold lock server"]);
    fine(index.run(&home, ["lock"]).unwrap());
    let entry = lock(&home)["servers"]["server"].clone();
    assert_eq!(entry["platform"], other);
    assert_eq!(entry["platforms"].as_object().unwrap().len(), 1);
    home.succeed(["verify"]);
    say(&mut home.client("server"));
    home.remove_store();
    let ran = fine(index.run(&home, ["fetch", "--platform", other]).unwrap());
    assert!(ran.stderr.contains("wheels fetched"), "{ran:#?}");
    fine(index.run(&home, ["fetch"]).unwrap());
    say(&mut home.client("server"));
}
