//! An import that is killed, or whose disk is full: every config is the old one or the new one, its
//! original is there, no secret is left lying about, and the next import succeeds.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Desk, SECRET, snapshot};
use crate::secrets::holding;
use crate::support::{Ran, is_root, say, skip, with_mounts};

const IMPORT: [&str; 3] = ["import", "--yes", "--allow-all"];

type Configs = BTreeMap<PathBuf, Vec<u8>>;

fn desk() -> Desk {
    let desk = Desk::new();
    let notes = json!({"command": "npx", "args": ["@example/notes"], "env": {"API_KEY": SECRET}});
    let weather = json!({"command": "npx", "args": ["weather"]});
    for path in [
        ".cursor/mcp.json",
        ".gemini/settings.json",
        ".lmstudio/mcp.json",
    ] {
        let config =
            json!({"mcpServers": {"notes": notes, "weather": weather}, "more": "x".repeat(5_000)});
        desk.put(&format!("home/{path}"), &config.to_string());
    }
    desk
}

fn configs(desk: &Desk) -> Configs {
    let all = snapshot(&desk.home.user()).into_iter();
    let all = all.filter(|(path, _)| path.extension().is_some_and(|end| end == "json"));
    all.map(|(path, (bytes, _))| (path, bytes)).collect()
}

fn originals(desk: &Desk) -> PathBuf {
    desk.home.path().join("state/pinfold/client-configs")
}

/// Kills an import after this long; whether it was still running.
fn killed_after(desk: &Desk, moment: Duration) -> bool {
    let mut command = desk.command(&IMPORT);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(moment);
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// Each is whole, and what was rewritten can be put back.
#[track_caller]
fn are_whole(desk: &Desk, before: &Configs, after: &Configs, when: &str) {
    for (path, bytes) in &configs(desk) {
        let is_one = *bytes == before[path] || after.get(path) == Some(bytes);
        assert!(
            is_one,
            "{when}: {}: {}",
            path.display(),
            String::from_utf8_lossy(bytes)
        );
    }
    desk.succeed(&["restore"]);
    assert_eq!(configs(desk), *before, "{when}");
    // What can't be put back any more is not kept.
    assert_eq!(
        fs::read_dir(originals(desk)).map_or(0, Iterator::count),
        0,
        "{when}"
    );
}

/// At moments of an import that has everything to do, then of one that has only to write.
#[test]
fn killed_at_any_moment() {
    let desk = desk();
    let before = configs(&desk);
    let start = Instant::now();
    desk.succeed(&IMPORT);
    let whole = start.elapsed();
    let after = configs(&desk);
    assert_ne!(before, after);
    desk.succeed(&["restore"]);
    // The shortest: one may have been held up.
    let writing = (0..3).map(|_| {
        let start = Instant::now();
        desk.succeed(&IMPORT);
        let took = start.elapsed();
        desk.succeed(&["restore"]);
        took
    });
    let writing = writing.min().unwrap();

    let mut killed = 0;
    for round in 0..5_u32 {
        let desk = self::desk();
        let before = configs(&desk);
        let moment = whole * (2 * round + 1) / 10;
        let when = format!("killed after {moment:?} of {whole:?}");
        killed += u32::from(killed_after(&desk, moment));
        // Where the names lead is another home.
        are_whole(&desk, &before, &rewritten(&desk, &before), &when);
        let again = desk.run(&IMPORT);
        assert_eq!(again.code, Some(0), "{when}: {again:#?}");
        assert_eq!(configs(&desk), rewritten(&desk, &before), "{when}");
        assert_eq!(say(&mut desk.home.client("notes")), "@example/notes@2.0.0");
        is_nowhere_else(&desk, &when);
    }
    // Odd fractions, so that they come at every step.
    for round in 0..24_u32 {
        let moment = writing * (round * 7 % 24 + 1) / 24;
        let when = format!("killed after {moment:?} of {writing:?}");
        killed += u32::from(killed_after(&desk, moment));
        are_whole(&desk, &before, &after, &when);
    }
    assert!(killed > 5, "{killed}");
    desk.succeed(&IMPORT);
    assert_eq!(configs(&desk), after);
    is_nowhere_else(&desk, "in the end");
}

/// What a whole import makes of a desk's configs.
fn rewritten(desk: &Desk, before: &Configs) -> Configs {
    let program = env!("CARGO_BIN_EXE_pinfold");
    let change = |(path, bytes): (&PathBuf, &Vec<u8>)| {
        let mut config: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        for name in ["notes", "weather"] {
            config["mcpServers"][name]["command"] = program.into();
            config["mcpServers"][name]["args"] = json!(["run", name]);
        }
        config["mcpServers"]["notes"]["env"] = json!({});
        (path.clone(), config)
    };
    let wanted: BTreeMap<PathBuf, serde_json::Value> = before.iter().map(change).collect();
    // The spelling is its own; what it says is this.
    let there = configs(desk).into_iter();
    let same = |(path, bytes): &(PathBuf, Vec<u8>)| {
        serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|now| now == wanted[path])
    };
    there.filter(same).collect()
}

/// Neither in a file that was never finished, nor anywhere else.
#[track_caller]
fn is_nowhere_else(desk: &Desk, when: &str) {
    let kept = [
        originals(desk),
        desk.home.path().join("data/pinfold/secrets"),
    ];
    assert_eq!(
        holding(desk.home.path(), &[SECRET], &kept),
        Vec::<PathBuf>::new(),
        "{when}"
    );
    let left = holding(&originals(desk), &[SECRET], &[]);
    let is_original = |path: &&PathBuf| path.extension().is_some_and(|end| end == "original");
    assert_eq!(
        left.iter().filter(is_original).count(),
        left.len(),
        "{when}: {left:?}"
    );
}

/// Runs a script where `folder` is a disk of its own of this size; `None` has been said.
fn on_small_disk(test: &str, desk: &Desk, folder: &Path, size: &str, script: &str) -> Option<Ran> {
    let shown = folder.display();
    let kept = desk.home.path().join("kept");
    let kept = kept.display();
    let mount = format!(
        "cp -a {shown} {kept}\nmount -t tmpfs -o size={size},mode=700 none {shown}\ncp -a {kept}/. {shown}\nrm -r {kept}\ncd {shown}\n{script}"
    );
    let starter = with_mounts(test, &mount)?;
    let import = desk.command(&IMPORT);
    let mut command = Command::new(starter.get_program());
    command
        .env_clear()
        .envs(
            import
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .args(starter.get_args())
        .arg("true")
        .current_dir("/");
    command.env(
        "IMPORT",
        format!("{} {}", env!("CARGO_BIN_EXE_pinfold"), IMPORT.join(" ")),
    );
    Some(Ran::of(&mut command))
}

/// Servers are locked already, so only writing is left.
fn locked() -> (Desk, Configs) {
    let desk = desk();
    let before = configs(&desk);
    desk.succeed(&IMPORT);
    desk.succeed(&["restore"]);
    (desk, before)
}

#[test]
fn a_full_disk_where_the_config_is() {
    let (desk, before) = locked();
    let folder = desk.home.user().join(".cursor");
    // Its original stays, the new one has no room; then there is some.
    let script = "
cat /dev/zero > filler 2>/dev/null || true
$IMPORT 2> ../said && exit 3
cmp mcp.json ../.lmstudio/mcp.json.before || exit 4
[ \"$(ls -A)\" = \"filler
mcp.json\" ] || exit 5
rm filler
$IMPORT 2>> ../said || exit 6
grep -q '\"run\"' mcp.json || exit 7
";
    fs::copy(
        desk.home.user().join(".lmstudio/mcp.json"),
        desk.home.user().join(".lmstudio/mcp.json.before"),
    )
    .unwrap();
    let test = "client_configs::interrupted::a_full_disk_where_the_config_is";
    let Some(ran) = on_small_disk(test, &desk, &folder, "64k", script) else {
        return;
    };
    let said = fs::read_to_string(desk.home.user().join("said")).unwrap_or_default();
    assert_eq!(ran.code, Some(0), "{ran:#?} {said}");
    assert!(
        said.contains("No space left") && said.contains("is as it was"),
        "{said}"
    );
    // The others were written the first time, and go back; the one of the small disk is gone with it.
    let ran = desk.run(&["restore", "--force"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(configs(&desk), before);
}

#[test]
fn a_full_disk_where_the_originals_are() {
    let (desk, before) = locked();
    let folder = desk.home.path().join("state/pinfold/client-configs");
    let script = "
cat /dev/zero > filler 2>/dev/null || true
$IMPORT 2> ../said && exit 3
[ \"$(ls -A)\" = filler ] || exit 5
rm filler
";
    let test = "client_configs::interrupted::a_full_disk_where_the_originals_are";
    let Some(ran) = on_small_disk(test, &desk, &folder, "8k", script) else {
        return;
    };
    let said = fs::read_to_string(folder.parent().unwrap().join("said")).unwrap_or_default();
    assert_eq!(ran.code, Some(0), "{ran:#?} {said}");
    assert!(
        said.contains("could not be kept") && said.contains("nothing was changed"),
        "{said}"
    );
    assert_eq!(configs(&desk), before);
    // The control.
    desk.succeed(&IMPORT);
    assert_ne!(configs(&desk), before);
}

/// A folder in which files can be made and which can't be read, so that nothing in it could be
/// brought to the disk for certain.
#[test]
fn a_folder_that_cannot_be_read() {
    let test = "client_configs::interrupted::a_folder_that_cannot_be_read";
    if is_root() {
        return skip(test, "root reads every folder");
    }
    let (desk, before) = locked();
    let folder = desk.home.user().join(".cursor");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o311)).unwrap();
    let ran = desk.run(&IMPORT);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(
        ran.code != Some(0) && ran.stderr.contains("is as it was"),
        "{ran:#?}"
    );
    let path = folder.join("mcp.json");
    assert_eq!(fs::read(&path).unwrap(), before[&path]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    // The others went on, and so does this one now.
    let others = configs(&desk);
    assert_eq!(
        others
            .iter()
            .filter(|(path, bytes)| before[*path] != **bytes)
            .count(),
        2
    );
    desk.succeed(&IMPORT);
    assert_ne!(fs::read(&path).unwrap(), before[&path]);
    desk.succeed(&["restore"]);
    assert_eq!(configs(&desk), before);
}
