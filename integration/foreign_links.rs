//! A repository with links in the places of its manifest and its lock: no command writes through
//! them, to a file of the user's.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use crate::support::Home;

const SERVER: &str = include_str!("fixtures/server.js");
/// What a shell would run, of every line that pinfold writes with it in quotes.
const NAME: &str = "$(touch taken).js";

/// A manifest for a file beside it, in a folder below the user's home.
fn repository(home: &Home) -> PathBuf {
    let folder = home.user().join("repository");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join(NAME), SERVER).unwrap();
    let manifest = format!("[servers.s]\nsource = \"path:{NAME}\"\ntools.allow = [\"say\"]\n");
    fs::write(folder.join("pinfold.toml"), manifest).unwrap();
    folder
}

#[test]
fn the_lock_of_a_repository_leads_nowhere_else() {
    let home = Home::new();
    let folder = repository(&home);
    let (manifest, lock) = (folder.join("pinfold.toml"), folder.join("pinfold.lock"));
    let aliases = home.user().join(".bash_aliases");
    symlink("../.bash_aliases", &lock).unwrap();
    let command = ["--manifest", manifest.to_str().unwrap(), "lock"];
    // Nothing of it is started before it was seen.
    let ran = home.run(command);
    assert!(
        ran.code == Some(2) && ran.stderr.contains("was not trusted"),
        "{ran:#?}"
    );
    assert!(
        !home.store().join("trees").is_dir()
            || fs::read_dir(home.store().join("trees"))
                .unwrap()
                .next()
                .is_none()
    );
    home.succeed(["trust", manifest.to_str().unwrap()]);
    let ran = home.run(command);
    assert!(
        ran.code == Some(4) && ran.stderr.contains("it is a link"),
        "{ran:#?}"
    );
    assert!(!aliases.exists(), "{ran:#?}");
    // The controls: without the link, and with one in the user's own folder.
    fs::remove_file(&lock).unwrap();
    assert_eq!(home.run(command).code, Some(0));
    let written = fs::read_to_string(&lock).unwrap();
    assert!(written.contains(&format!("\"path:{NAME}\"")), "{written}");
    let own = home.manifest();
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::copy(&manifest, &own).unwrap();
    fs::copy(folder.join(NAME), own.with_file_name(NAME)).unwrap();
    symlink(&aliases, home.lock()).unwrap();
    assert_eq!(home.run(["lock"]).code, Some(0));
    assert!(aliases.exists());

    // The manifest itself, where another command writes it.
    let elsewhere = home.user().join("elsewhere.toml");
    fs::rename(&manifest, &elsewhere).unwrap();
    symlink("../elsewhere.toml", &manifest).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    let command = ["--manifest", manifest.to_str().unwrap()];
    let tools = ["tools", "s", "--withhold", "say"];
    let ran = home.run(command.into_iter().chain(tools));
    assert!(
        ran.code != Some(0) && ran.stderr.contains("it is a link"),
        "{ran:#?}"
    );
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
}
