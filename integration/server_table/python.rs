//! Servers of the Python package index.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::pair::{Pair, Row};
use crate::support::Home;
use crate::support::installed::run;
use crate::support::page::Page;

pub(super) fn time() -> Result<Row, String> {
    let arguments = ["--local-timezone", "UTC"];
    let mut pair = Pair::pypi(Home::new(), "mcp-server-time", &[], &arguments)?;
    let now = pair
        .boxed
        .call_text("get_current_time", json!({"timezone": "Asia/Tokyo"}));
    let now: Value = serde_json::from_str(&now).unwrap();
    assert!(
        now["datetime"].as_str().unwrap().ends_with("+09:00"),
        "{now}"
    );
    let arguments = json!({"time": "12:30", "source_timezone": "Europe/Berlin", "target_timezone": "Asia/Tokyo"});
    let converted = pair.agree("convert_time", arguments);
    let converted: Value = serde_json::from_str(&converted).unwrap();
    let difference = converted["time_difference"].as_str().unwrap();
    Ok(pair.row(
        "a time in another zone",
        format!("Berlin to Tokyo {difference}"),
    ))
}

pub(super) fn git() -> Result<Row, String> {
    // Not in /tmp: in a root of its own a server has another one.
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = folder.path().canonicalize().unwrap();
    plant(&path).map_err(|reason| format!("no git repository can be made: {reason}"))?;
    let path = path.to_str().unwrap();
    let options = ["--exec", "git", "--read", path];
    let mut pair = Pair::pypi(
        Home::new(),
        "mcp-server-git",
        &options,
        &["--repository", path],
    )?;
    let log = pair.agree("git_log", json!({"repo_path": path}));
    assert!(log.contains("the first stray"), "{log}");
    Ok(pair.row("log of a repository", "the first stray"))
}

fn plant(folder: &Path) -> Result<(), String> {
    let git = |words: &[&str]| {
        run(Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
            .arg("-C")
            .arg(folder)
            .args(words))
    };
    git(&["init", "--quiet"])?;
    std::fs::write(folder.join("stray"), "a dog\n").unwrap();
    git(&["add", "stray"])?;
    git(&["commit", "--quiet", "--message", "the first stray"])
}

/// It refuses loopback by itself unless it is told otherwise.
pub(super) fn fetch() -> Result<Row, String> {
    let page = Page::new("text/plain", "Hello from loopback");
    let host = page.host();
    let options = ["--egress", host.as_str()];
    let arguments = ["--ignore-robots-txt", "--allow-private-ips"];
    let mut pair = Pair::pypi(Home::new(), "mcp-server-fetch", &options, &arguments)?;
    let text = pair.agree("fetch", json!({"url": format!("http://{host}/")}));
    assert!(text.contains("Hello from loopback"), "{text}");
    // Control: the box holds it to that host.
    let other = Page::new("text/plain", "elsewhere");
    let arguments = json!({"url": format!("http://{}/", other.host())});
    let text = pair.bare.call_text("fetch", arguments.clone());
    assert!(text.contains("elsewhere"), "{text}");
    let refused = pair.boxed.call_text("fetch", arguments);
    assert!(!refused.contains("elsewhere"), "{refused}");
    Ok(pair.row("a loopback page", "its text; not of another host"))
}

/// Seconds since the epoch.
const NEW_YEAR_2026: u64 = 1_767_225_600;

/// It has not been released since 2025 and doesn't start with the `mcp` of today, bare or not. An
/// older day's packages are had by the release age.
pub(super) fn sqlite() -> Result<Row, String> {
    let home = Home::new();
    let folder = home.manifest().parent().unwrap().to_owned();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    let age = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() - NEW_YEAR_2026;
    let settings = format!("[settings]\nrelease_age = \"{}h\"\n", age / 3600);
    std::fs::write(home.manifest(), settings).unwrap();
    let database = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = database.path().canonicalize().unwrap();
    let file = path.join("test.db");
    let arguments = ["--db-path", file.to_str().unwrap()];
    let options = ["--write", path.to_str().unwrap()];
    let mut pair = Pair::pypi(home, "mcp-server-sqlite", &options, &arguments)?;
    for (tool, query) in [
        ("create_table", "CREATE TABLE strays (name TEXT)"),
        ("write_query", "INSERT INTO strays VALUES ('Rex')"),
    ] {
        let answer = pair.boxed.call(tool, json!({"query": query}));
        assert_ne!(answer["result"]["isError"], true, "{answer}");
    }
    // The same file: the one has made what the other sees.
    let rows = pair.agree("read_query", json!({"query": "SELECT name FROM strays"}));
    assert!(rows.contains("Rex"), "{rows}");
    Ok(pair.row("a row inserted and selected", rows))
}
