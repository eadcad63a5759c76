//! Install scripts that the manifest names: run once, in a box, and what they made is pinned.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::installed::npm;
use crate::support::{Home, Package, Ran, Registry, refused, registry_is_reachable, skip};

/// A C program that answers for the server.
const PROGRAM: &[u8] = b"#include <stdio.h>\nint main(void) { puts(\"compiled\"); return 0; }\n";
/// Says what `made` in the native package says, or that there is nothing.
const ANSWER: &str = "(() => { try { return require('fs').readFileSync(require('path').join(__dirname, '../native/made'), 'utf8').trim(); } catch { return 'not built'; } })()";

/// A server and a package with these scripts and files.
fn registry(scripts: &Value, files: &[(&str, &[u8])]) -> Registry {
    let mut native = Package::new("native", "1.0.0")
        .with("scripts", scripts.clone())
        .with("hasInstallScript", json!(true));
    for (name, content) in files {
        native = native.file(name, content);
    }
    Registry::new([
        Package::speaking("server", "1.0.0", ANSWER).depends_on("native", "1"),
        Package::new("other", "1.0.0").file("file", b"as published"),
        native.depends_on("other", "1"),
    ])
}

fn with_install(script: &str) -> Registry {
    registry(&json!({"install": script}), &[])
}

fn add(registry: &Registry, home: &Home, more: &[&str]) -> Ran {
    let words = [&["add", "server", "npm:server", "--allow-all"], more].concat();
    registry.run(home, words)
}

fn built(registry: &Registry, home: &Home) -> Ran {
    add(registry, home, &["--build", "native"])
}

fn answer(home: &Home) -> String {
    let mut client = home.client("server");
    client.initialize();
    client.call_text("say", json!({}))
}

fn locked(home: &Home) -> Value {
    let lock: Value = serde_json::from_slice(&fs::read(home.lock()).unwrap()).unwrap();
    lock["servers"]["server"].clone()
}

fn made(home: &Home) -> PathBuf {
    home.only_tree().join("node_modules/native/made")
}

/// What npm itself makes of it, run bare: the proof that an attack works.
fn npm_install(registry: &Registry, home: &Home) -> (PathBuf, Ran) {
    let more = [
        "--foreground-scripts",
        "--dangerously-allow-all-scripts",
        "server",
    ];
    registry.npm_install(home, &more)
}

#[test]
fn a_program_is_compiled_pinned_and_had_again() {
    if !Path::new("/usr/bin/gcc").exists() {
        return skip("build_scripts", "there is no C compiler here");
    }
    let scripts = json!({
        "preinstall": "mkdir obj && echo $npm_lifecycle_event $npm_package_name >obj/events",
        "install": "cc -o program program.c && ./program >made",
        "postinstall": "echo $npm_lifecycle_event >>obj/events",
    });
    let registry = registry(&scripts, &[("program.c", PROGRAM)]);

    // Control: without `build` nothing is made, and the server says so.
    let home = Home::new();
    let ran = add(&registry, &home, &[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("native asks to run code at install; it was not run")
    );
    assert_eq!(answer(&home), "not built");
    assert_eq!(locked(&home)["build"], Value::Null);

    let home = Home::new();
    let ran = built(&registry, &home);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    for said in [
        "building native@1.0.0 in a box, `install`: cc -o program program.c && ./program >made",
        "the install scripts of native were run in a box without network",
    ] {
        assert!(ran.stderr.contains(said), "{ran:#?}");
    }
    assert!(!ran.stderr.contains("it was not run"), "{ran:#?}");
    assert_eq!(answer(&home), "compiled");
    let expected = json!({"packages": ["native"], "egress": []});
    assert_eq!(locked(&home)["build"], expected);
    let events = fs::read_to_string(home.only_tree().join("node_modules/native/obj/events"));
    assert_eq!(events.unwrap(), "preinstall native\npostinstall\n");

    // The same again from nothing: the lock's digest is met by building anew.
    home.remove_store();
    let ran = registry.run(&home, ["fetch"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("building native@1.0.0"), "{ran:#?}");
    assert_eq!(answer(&home), "compiled");
    assert_eq!(registry.run(&home, ["verify"]).code, Some(0));

    // A new version: its scripts are shown, and it is an update as any other.
    let next = Package::new("native", "1.0.1")
        .with("scripts", json!({"install": "echo newer >made"}))
        .with("hasInstallScript", json!(true))
        .depends_on("other", "1");
    registry.publish(next);
    let ran = registry.run(&home, ["update", "--accept"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("building native@1.0.1 in a box, `install`: echo newer >made")
    );
    assert!(
        ran.stdout
            .contains("built: the install scripts of native were run"),
        "{ran:#?}"
    );
    assert_eq!(answer(&home), "newer");
    let ran = registry.run(&home, ["update", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

#[test]
fn the_lock_holds_which_scripts_are_run() {
    let registry = with_install("echo made >made");
    let home = Home::new();
    assert_eq!(built(&registry, &home).code, Some(0));
    let manifest = fs::read_to_string(home.manifest()).unwrap();
    for (change, says) in [
        (("build = [\"native\"]", ""), "from native to none"),
        (
            (
                "build = [\"native\"]",
                "build = [\"native\"]\nbuild_egress = [\"a.test:443\"]",
            ),
            "from native to native (reaching a.test:443)",
        ),
    ] {
        let changed = manifest.replace(change.0, change.1);
        assert_ne!(changed, manifest);
        fs::write(home.manifest(), changed).unwrap();
        refused(&home, "server", &[says]);
        assert_eq!(home.run(["verify"]).code, Some(1));
        // Nothing is run that only one of both names.
        home.remove_store();
        let ran = registry.run(&home, ["fetch"]);
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        fs::write(home.manifest(), &manifest).unwrap();
        assert_eq!(registry.run(&home, ["fetch"]).code, Some(0));
        assert_eq!(answer(&home), "made");
    }
    let changed = manifest.replace("build = [\"native\"]", "");
    fs::write(home.manifest(), changed).unwrap();
    assert_eq!(registry.run(&home, ["lock"]).code, Some(0));
    assert_eq!(answer(&home), "not built");
    fs::write(home.manifest(), &manifest).unwrap();
    assert_eq!(registry.run(&home, ["lock"]).code, Some(0));
    assert_eq!(answer(&home), "made");
}

#[test]
fn only_packages_with_a_script_can_be_named() {
    let registry = with_install("echo made >made");
    let home = Home::new();
    for (name, says) in [
        (
            "unknown",
            "not a package of this server; it can name native",
        ),
        ("other", "other, which has no install script"),
    ] {
        let ran = add(&registry, &home, &["--build", name]);
        assert_ne!(ran.code, Some(0), "{ran:#?}");
        assert!(ran.stderr.contains(says), "{ran:#?}");
    }
    assert!(!home.lock().exists());
    assert_eq!(built(&registry, &home).code, Some(0));
}

/// What fails, fails in words, bounded and printable.
#[test]
fn a_failing_script_shows_its_last_words() {
    let script =
        "for i in $(seq 1 20000); do echo line $i; done; printf 'red \\033[31m\\n' >&2; exit 3";
    let ran = built(&with_install(script), &Home::new());
    assert_ne!(ran.code, Some(0));
    for said in [
        "`install` script of native@1.0.0",
        "exit code 3",
        "line 20000",
        "red ",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {ran:#?}");
    }
    assert!(!ran.stderr.contains('\u{1b}') && !ran.stderr.contains("line 19000\n"));
    assert!(ran.stderr.len() < 10_000, "{}", ran.stderr.len());
}

#[test]
fn what_it_makes_elsewhere_is_refused() {
    for (script, says) in [
        ("echo x >../other/file", "`node_modules/other/file` changed"),
        ("rm ../other/file", "`node_modules/other/file` is gone"),
        (
            "echo x >../server/new",
            "`node_modules/server/new` was added",
        ),
        ("echo x >../../new", "`new` was added"),
        (
            "cd .. && mv native gone && ln -s /etc native",
            "`node_modules/gone/package.json` was added",
        ),
        (
            "chmod +x ../server/answer.js; mkfifo ../pipe",
            "`node_modules/pipe` was added",
        ),
    ] {
        let registry = with_install(script);
        let home = Home::new();
        let ran = built(&registry, &home);
        assert_ne!(ran.code, Some(0), "{script}: {ran:#?}");
        let refused = ran.stderr.contains(says) && ran.stderr.contains("nothing was locked");
        // In the base tier pipes can't even be made.
        let failed = script.contains("mkfifo") && ran.stderr.contains("exit code");
        assert!(refused || failed, "{script}: {ran:#?}");
        assert!(!home.lock().exists());
    }
    // Control: npm lets it.
    let home = Home::new();
    let (folder, ran) = npm_install(&with_install("echo x >../other/file"), &home);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let file = folder.join("node_modules/other/file");
    assert_eq!(fs::read_to_string(file).unwrap(), "x\n");
}

#[test]
fn a_planted_link_is_refused() {
    for target in ["/etc/passwd", "../server/answer.js", "../../.."] {
        let script = format!("ln -s {target} made");
        let ran = built(&with_install(&script), &Home::new());
        assert_ne!(ran.code, Some(0), "{script}: {ran:#?}");
        let says = "what the install script of native made was refused";
        assert!(ran.stderr.contains(says), "{script}: {ran:#?}");
    }
    // Control: one that stays is taken.
    let home = Home::new();
    let ran = built(&with_install("echo inside >real && ln -s real made"), &home);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(made(&home).is_symlink());
    assert_eq!(answer(&home), "inside");
}

#[test]
fn the_users_files_and_the_network_are_out_of_reach() {
    let home = Home::new();
    let decoy = home.user().join("decoy");
    fs::write(&decoy, "SECRET").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            drop(connection);
        }
    });
    let script = format!(
        r#"cat '{decoy}' >made 2>/dev/null || echo hidden >made
        node -e 'require("net").connect({port}, "127.0.0.1", () => process.exit(7)).on("error", () => process.exit(0))'
        echo "node $?" >>made
        (echo x >'{written}') 2>/dev/null && echo written >>made || echo kept >>made"#,
        decoy = decoy.display(),
        written = home.user().join("written").display(),
    );
    // The same in another home for npm, with the same decoy.
    let registry = with_install(&script);
    let ran = built(&registry, &home);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(answer(&home), "hidden\nnode 0\nkept");
    assert!(!home.user().join("written").exists());
    // Control: bare, all of it works.
    let bare = Home::new();
    let (folder, ran) = npm_install(&registry, &bare);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let made = fs::read_to_string(folder.join("node_modules/native/made")).unwrap();
    assert_eq!(made, "SECRETnode 7\nwritten\n");
}

#[test]
fn what_never_ends_is_ended() {
    let registry = with_install("echo waiting; sleep 1000");
    let home = Home::new();
    fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
    let text = "[servers.server]\nsource = \"npm:server\"\nbuild = [\"native\"]\nbuild_timeout = \"3s\"\ntools.allow = [\"say\"]\n";
    fs::write(home.manifest(), text).unwrap();
    let ran = registry.run(&home, ["lock"]);
    assert_ne!(ran.code, Some(0), "{ran:#?}");
    for said in ["did not end within 3s", "`build_timeout`", "waiting"] {
        assert!(ran.stderr.contains(said), "{ran:#?}");
    }
}

#[test]
fn what_forks_for_ever_is_ended() {
    let registry = with_install("f() { sleep 100 & f; }; f");
    let ran = built(&registry, &Home::new());
    assert_ne!(ran.code, Some(0), "{ran:#?}");
    let said = ran.stderr.contains("was ended") || ran.stderr.contains("exit code");
    assert!(said, "{ran:#?}");
}

/// Something that isn't the same twice is told apart from other bytes of a registry.
#[test]
fn what_is_not_the_same_again_is_said_and_can_be_accepted() {
    let registry = with_install(
        "cat /proc/sys/kernel/random/uuid >made 2>/dev/null || od -An -N8 -tx1 /dev/urandom >made",
    );
    let home = Home::new();
    let ran = built(&registry, &home);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let first = locked(&home)["tree"].clone();
    // As long as it is there nothing is run again.
    for words in [["lock"], ["update"]] {
        let ran = registry.run(&home, words);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert!(!ran.stderr.contains("building"), "{ran:#?}");
    }
    home.remove_store();
    let ran = registry.run(&home, ["fetch"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr.contains("made other files than were locked"),
        "{ran:#?}"
    );
    let ran = registry.run(&home, ["lock"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("the lock will pin those"), "{ran:#?}");
    assert_ne!(locked(&home)["tree"], first);
    answer(&home);
}

const BINDING: &[u8] = br#"{"targets": [{"target_name": "native", "sources": ["native.c"]}]}"#;
const ADDON: &[u8] = br#"#include <node_api.h>
static napi_value answer(napi_env env, napi_callback_info info) {
  napi_value text;
  napi_create_string_utf8(env, "from an addon", NAPI_AUTO_LENGTH, &text);
  return text;
}
static napi_value init(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "answer", NAPI_AUTO_LENGTH, answer, NULL, &function);
  napi_set_named_property(env, exports, "answer", function);
  return exports;
}
NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
"#;

/// node-gyp, gcc, make and python3 of this machine, and Node's own headers.
#[test]
fn an_addon_is_compiled_by_node_gyp_and_loaded_in_the_box() {
    if let Err(reason) = compilers() {
        return skip("build_scripts", &reason);
    }
    let addon = Package::new("native", "1.0.0")
        .with("gypfile", json!(true))
        .with("hasInstallScript", json!(true))
        .with("scripts", json!({"install": "node-gyp rebuild"}))
        .file("binding.gyp", BINDING)
        .file("native.c", ADDON);
    let answer_of_addon = "require('../native/build/Release/native.node').answer()";
    let registry = Registry::new([
        Package::speaking("server", "1.0.0", answer_of_addon).depends_on("native", "1"),
        addon,
    ]);
    let home = Home::new();
    let ran = built(&registry, &home);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(answer(&home), "from an addon");
    // Nothing that names this machine is left, so another folder gives the same.
    let build = home.only_tree().join("node_modules/native/build");
    assert!(!build.join("Makefile").exists() && !build.join("config.gypi").exists());
    home.remove_store();
    let ran = registry.run(&home, ["fetch"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

/// A real one, from the real registry: 9 MB of C, compiled in the box.
#[test]
fn better_sqlite3_is_compiled_and_answers() {
    const NAME: &str = "better_sqlite3_is_compiled_and_answers";
    if let Err(reason) = compilers() {
        return skip(NAME, &reason);
    }
    if !registry_is_reachable() {
        return skip(NAME, "the npm registry can't be reached");
    }
    let answer_of_database =
        "new (require('better-sqlite3'))(':memory:').prepare('select 40 + 2').pluck().get()";
    let registry = Registry::new([
        Package::speaking("server", "1.0.0", answer_of_database)
            .depends_on("better-sqlite3", "12.4.1"),
        // What downloads compiled files is left out: `prebuild-install || node-gyp rebuild`.
        published("better-sqlite3", "12.4.1").with("dependencies", json!({"bindings": "1.5.0"})),
        published("bindings", "1.5.0"),
        published("file-uri-to-path", "1.0.0"),
    ]);
    // Control: without its script it is of no use.
    let home = Home::new();
    let ran = add(&registry, &home, &[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let mut client = home.client("server");
    client.initialize();
    let said = client.request("tools/call", json!({"name": "say", "arguments": {}}));
    assert_ne!(said["result"]["content"][0]["text"], "42", "{said}");
    drop(client);

    let home = Home::new();
    let ran = add(&registry, &home, &["--build", "better-sqlite3"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(answer(&home), "42");
}

/// A package of the real registry, as it is there.
fn published(name: &str, version: &str) -> Package {
    let place = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let output = npm()
            .args(words)
            .current_dir(place.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        output.stdout
    };
    let specifier = format!("{name}@{version}");
    let file = run(&["pack", "--silent", &specifier]);
    let file = place.path().join(String::from_utf8(file).unwrap().trim());
    let manifest = run(&["view", "--json", &specifier]);
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut package = Package::new(name, version);
    for key in ["dependencies", "scripts", "gypfile"] {
        if !manifest[key].is_null() {
            package = package.with(key, manifest[key].take());
        }
    }
    if package.manifest["scripts"]["install"].is_string() {
        package = package.with("hasInstallScript", json!(true));
    }
    package.tarball = Some(fs::read(file).unwrap());
    package
}

fn compilers() -> Result<(), String> {
    let node = fs::canonicalize("/usr/bin/node").map_err(|_| "no /usr/bin/node".to_owned())?;
    let headers = node
        .parent()
        .and_then(Path::parent)
        .map(|prefix| prefix.join("include/node/node_api.h"));
    if !headers.is_some_and(|headers| headers.exists()) {
        return Err("Node was installed without its headers".to_owned());
    }
    for program in ["gcc", "make", "python3", "g++"] {
        if !Path::new("/usr/bin").join(program).exists() {
            return Err(format!("there is no /usr/bin/{program}"));
        }
    }
    Ok(())
}

/// A package that `build` doesn't name runs nothing, also not by calling its program like one of the
/// machine's; what it adds can be used.
#[test]
fn programs_of_other_packages_do_not_take_the_place_of_the_machines() {
    let native = Package::new("native", "1.0.0")
        .with(
            "scripts",
            json!({"install": "echo machine | cat >made && helper >>made"}),
        )
        .with("hasInstallScript", json!(true))
        .depends_on("other", "1");
    let other = Package::new("other", "1.0.0")
        .with("bin", json!({"cat": "cat.sh", "helper": "helper.sh"}))
        .file("cat.sh", b"#!/bin/sh\necho other\n")
        .file("helper.sh", b"#!/bin/sh\necho helped\n");
    let registry = Registry::new([
        Package::speaking("server", "1.0.0", ANSWER).depends_on("native", "1"),
        native,
        other,
    ]);
    let home = Home::new();
    let ran = built(&registry, &home);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(
        fs::read_to_string(made(&home)).unwrap(),
        "machine\nhelped\n"
    );
    // Control: npm takes the package's.
    let home = Home::new();
    let (project, ran) = npm_install(&registry, &home);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let made = fs::read_to_string(project.join("node_modules/native/made"));
    assert_eq!(made.unwrap(), "other\nhelped\n");
}
