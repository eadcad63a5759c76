//! The files that people keep: comments, modes and links survive, and so does a full disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::{Home, Ran, fixture, say, skip};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

const MINE: &str = "# My servers. Don't touch the spacing.\n\n[settings]   # all of them\nrelease_age = '72h'\n\n# the end\n";

fn with_manifest(home: &Home) {
    fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
    fs::write(home.manifest(), MINE).unwrap();
}

#[test]
fn what_a_person_wrote_stays() {
    let home = Home::new();
    with_manifest(&home);
    home.add_path("one", &fixture("server.sh"), &[]);
    let first = fs::read_to_string(home.manifest()).unwrap();
    assert!(first.starts_with(MINE), "{first}");
    home.add_path("two", &fixture("server.sh"), &[]);
    let second = fs::read_to_string(home.manifest()).unwrap();
    assert!(second.starts_with(&first), "{second}");
    for name in ["one", "two"] {
        assert_eq!(say(&mut home.client(name)), "from the shell");
    }
}

#[test]
fn nobody_else_can_read_them() {
    let home = Home::new();
    let mut add = home.pinfold(["add", "one"]);
    add.arg(format!("path:{}", fixture("server.sh").display()))
        .arg("--allow-all");
    // The most careless of umasks.
    let mut careless = Command::new("sh");
    careless
        .args(["-c", "umask 000; exec \"$0\" \"$@\""])
        .arg(add.get_program())
        .args(add.get_args());
    home.environment(&mut careless);
    let ran = Ran::of(&mut careless);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    say(&mut home.client("one"));

    assert_eq!(mode(&home.manifest()), 0o600);
    assert_eq!(mode(&home.lock()) & 0o022, 0);
    for folder in [
        "config/pinfold",
        "data/pinfold",
        "data/pinfold/store",
        "state/pinfold",
    ] {
        assert_eq!(mode(&home.path().join(folder)), 0o700, "{folder}");
    }
    assert_eq!(mode(&home.state("one")), 0o700);
}

#[test]
fn a_link_stays_a_link() {
    let home = Home::new();
    let kept = home.user().join("dotfiles/servers.toml");
    fs::create_dir(kept.parent().unwrap()).unwrap();
    fs::write(&kept, MINE).unwrap();
    fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
    symlink("../../home/dotfiles/servers.toml", home.manifest()).unwrap();
    home.add_path("one", &fixture("server.sh"), &[]);
    assert!(home.manifest().is_symlink());
    let text = fs::read_to_string(&kept).unwrap();
    assert!(
        text.starts_with(MINE) && text.contains("[servers.one]"),
        "{text}"
    );
    assert_eq!(say(&mut home.client("one")), "from the shell");
}

#[test]
fn a_manifest_that_is_not_valid_is_left_alone() {
    let home = Home::new();
    with_manifest(&home);
    let broken = format!("{MINE}\n[servers.x]\nsource = 1\n");
    fs::write(home.manifest(), &broken).unwrap();
    let source = format!("path:{}", fixture("server.sh").display());
    let ran = home.run(["add", "one", &source, "--allow-all"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert_eq!(fs::read_to_string(home.manifest()).unwrap(), broken);
    assert!(!home.lock().exists());
}

/// Runs a script in a mount namespace; `None` where the kernel grants none.
fn in_namespace(home: &Home, script: &str) -> Option<Ran> {
    let user: &[&str] = if crate::support::is_root() {
        &[]
    } else {
        &["--user", "--map-root-user"]
    };
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(user).arg("--mount").arg("--");
        command
    };
    let try_out = ["sh", "-c", "mount -t tmpfs none /mnt"];
    if !unshare()
        .args(try_out)
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return None;
    }
    let mut command = unshare();
    command
        .args(["sh", "-euc", script])
        .arg(env!("CARGO_BIN_EXE_pinfold"));
    command.arg(fixture("server.sh"));
    home.environment(&mut command);
    Some(Ran::of(&mut command))
}

/// `folder` is on a small disk that is full; `add` fails with 4, and manifest and lock are as
/// they were. With the disk emptied it succeeds.
fn on_a_full_disk(test: &str, folder: &str) {
    let home = Home::new();
    with_manifest(&home);
    home.add_path("one", &fixture("server.sh"), &[]);
    let folder = home.path().join(folder);
    let config = home.manifest().parent().unwrap().to_owned();
    let script = format!(
        r#"
        cp -a '{folder}' '{folder}.copy'
        mount -t tmpfs -o size=1m,mode=700 none '{folder}'
        cp -a '{folder}.copy/.' '{folder}'
        cp '{config}/pinfold.toml' '{config}/pinfold.lock' "$HOME"
        cat /dev/zero > '{folder}/filler' 2> "$HOME/full" || true
        grep -q 'No space' "$HOME/full"
        code=0; "$0" add two "path:$1" --allow-all -- another || code=$?
        echo "code $code"
        cmp '{config}/pinfold.toml' "$HOME/pinfold.toml"
        cmp '{config}/pinfold.lock' "$HOME/pinfold.lock"
        rm '{folder}/filler'
        "$0" verify
        "$0" add two "path:$1" --allow-all -- another
        echo done
        "#,
        folder = folder.display(),
        config = config.display(),
    );
    let Some(ran) = in_namespace(&home, &script) else {
        return skip(test, "no mount namespace for this user");
    };
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stdout.contains("code 4\n") && ran.stdout.ends_with("done\n"),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("No space left on device"), "{ran:#?}");
}

#[test]
fn a_full_disk_below_the_manifest() {
    on_a_full_disk(
        "kept_files::a_full_disk_below_the_manifest",
        "config/pinfold",
    );
}

#[test]
fn a_full_disk_below_the_store() {
    on_a_full_disk("kept_files::a_full_disk_below_the_store", "data/pinfold");
}
