//! What a service manager hands over, and what it is told (sd_listen_fds(3), sd_notify(3)).

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Daemon, pinfold, socket_path, unruly, wait_until};
use crate::support::{Ran, skip};

#[test]
fn it_is_told_of_everything() {
    let home = unruly();
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut command = pinfold(&home, ["daemon"]);
    command.env("NOTIFY_SOCKET", &path);
    command.env("WATCHDOG_USEC", "200000");
    let mut daemon = Daemon::start_anyhow(&home, command);
    // As a service manager does, it reads all the time.
    let (sender, told) = channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length) = socket.recv(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    let wait_for = |what: &str| {
        let mut all = String::new();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let text = told
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("no {what} in {all}"));
            if text.lines().any(|line| line.starts_with(what)) {
                return text;
            }
            all.push_str(&text);
        }
    };
    let ready = wait_for("READY=1");
    assert!(
        ready.contains("STATUS=manifest and lock are valid"),
        "{ready}"
    );
    wait_for("WATCHDOG=1");
    wait_for("WATCHDOG=1");
    daemon.signal(Signal::SIGHUP);
    assert!(wait_for("RELOADING=1").contains("MONOTONIC_USEC="));
    wait_for("READY=1");
    let mut client = daemon.client("unruly");
    client.initialize();
    wait_for("STATUS=sessions: 1");
    // No session process speaks to the service manager in its place.
    let session = daemon.sessions()[0]["session_pid"].as_i64().unwrap();
    let environment = fs::read(format!("/proc/{session}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("HOME=") && !environment.contains("NOTIFY_SOCKET"));
    daemon.signal(Signal::SIGTERM);
    wait_for("STOPPING=1");
    assert_eq!(daemon.code(), Some(0));
}

/// Whether somebody listens at a path (proc_net(5): flag __SO_ACCEPTCON). That its name is there says
/// less: bind(2) makes it, and until listen(2) whoever connects is refused. Connecting would start the
/// daemon.
fn listens(path: &std::path::Path) -> bool {
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    let path = path.to_str().unwrap();
    sockets.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.len() == 8 && fields[3] == "00010000" && fields[7] == path
    })
}

#[test]
fn its_socket_is_taken_over() {
    const TEST: &str = "daemon::service_manager::its_socket_is_taken_over";
    const ACTIVATE: &str = "systemd-socket-activate";
    if Command::new(ACTIVATE).arg("--version").output().is_err() {
        return skip(TEST, "there is no systemd-socket-activate");
    }
    let home = unruly();
    let path = socket_path(&home);
    let activated = |options: &[&str]| {
        use std::os::unix::fs::DirBuilderExt as _;
        let direct = pinfold(&home, ["daemon"]);
        let folder = path.parent().unwrap();
        let _ = fs::remove_dir_all(folder);
        fs::DirBuilder::new().mode(0o700).create(folder).unwrap();
        let mut starter = Command::new(ACTIVATE);
        for (name, value) in direct.get_envs() {
            if let Some(value) = value {
                // It hands on only what it is told to.
                starter
                    .arg("-E")
                    .arg(format!("{}={}", name.display(), value.display()));
            }
        }
        starter.args(options).arg("-l").arg(&path);
        let mut command = home.behind(&starter, &direct);
        command.env("XDG_RUNTIME_DIR", home.path().join("run"));
        command
    };
    let mut daemon = Daemon::start_anyhow(&home, activated(&["--seqpacket"]));
    wait_until("somebody listens", || listens(&path));
    // Nothing of pinfold runs before the first client comes.
    let mut client = daemon.client("unruly");
    client.initialize();
    assert_eq!(daemon.sessions().len(), 1);
    client.close();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.code(), Some(0));
    // Its name belongs to whoever made it.
    assert!(path.exists());

    // The control: a stream is not taken for it.
    let mut command = activated(&[]);
    let child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("somebody listens", || listens(&path));
    let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stream);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("SOCK_SEQPACKET"), "{stderr}");
    let _ = fs::remove_file(&path);
    let ran = Ran::of(&mut pinfold(&home, ["ps"]));
    assert!(ran.stderr.contains("no daemon listens"), "{ran:#?}");
}

/// The units of `packaging/systemd`, with the program where it is here.
#[test]
fn its_units_are_understood() {
    const TEST: &str = "daemon::service_manager::its_units_are_understood";
    let verify = |units: &[std::path::PathBuf], home: &crate::support::Home| {
        let mut command = Command::new("systemd-analyze");
        home.environment(&mut command);
        let runtime = home.path().join("run");
        let _ = fs::create_dir(&runtime);
        command
            .env("XDG_RUNTIME_DIR", runtime)
            .args(["--user", "--man=no", "verify"])
            .args(units);
        command.output()
    };
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        return skip(TEST, "there is no systemd-analyze");
    }
    let home = crate::support::Home::new();
    let packaged = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd");
    let write = |change: &dyn Fn(String) -> String| {
        [
            "pinfold.service",
            "pinfold.socket",
            "pinfold-export.service",
        ]
        .map(|name| {
            let text = fs::read_to_string(packaged.join(name)).unwrap();
            let text = text.replace("/usr/bin/pinfold", env!("CARGO_BIN_EXE_pinfold"));
            let path = home.path().join(name);
            fs::write(&path, change(text)).unwrap();
            path
        })
    };
    let output = verify(&write(&|text| text), &home).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
    // The control: a mistake would be seen.
    let broken = write(&|text| text.replace("KillMode=mixed", "KillMode=gently"));
    let output = verify(&broken, &home).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("gently"), "{said}");
}
