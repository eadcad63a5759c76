//! The rules between the rooms of the source tree, checked over its text. A rule that is broken
//! on purpose is named here, with the reason.

mod source;

use std::fs;

use crate::place::project;
use source::{File, files, forbid, has_word, in_room};

#[test]
fn the_sandbox_knows_no_policy_no_lock_and_no_runtime() {
    forbid(
        in_room("sandbox"),
        &[
            "crate::policy",
            "crate::lockfile",
            "crate::config",
            "crate::launch",
            "tokio",
            "async",
            "await",
        ],
    );
}

#[test]
fn policy_does_no_input_or_output_and_never_waits() {
    forbid(
        in_room("policy"),
        &[
            "std::fs",
            "std::net",
            "std::process",
            "std::io",
            "tokio",
            "async",
            "await",
            "nix",
            "crate::sys",
            "crate::launch",
        ],
    );
}

#[test]
fn control_groups_know_nothing_of_sessions() {
    forbid(
        in_room("cgroup"),
        &[
            "crate::policy",
            "crate::lockfile",
            "crate::config",
            "crate::launch",
            "crate::sandbox",
            "crate::daemon",
            "tokio",
            "async",
            "await",
        ],
    );
}

#[test]
fn what_control_groups_hold_and_where_they_are_is_read_without_them() {
    forbid(
        |file| ["cgroup/contents.rs", "cgroup/place.rs"].contains(&file.path.as_str()),
        &["std::fs", "std::process", "crate::sys", "nix", "rustix"],
    );
}

#[test]
fn what_the_relay_decides_is_pure() {
    // These move bytes; all others decide.
    const PUMPS: [&str; 7] = [
        "relay/client.rs",
        "relay/framing.rs",
        "relay/outbox.rs",
        "relay/pump.rs",
        "relay/refusal.rs",
        "relay/stderr.rs",
        "relay/stderr_log.rs",
    ];
    forbid(
        |file| file.room() == "relay" && !PUMPS.contains(&file.path.as_str()),
        &[
            "tokio",
            "async",
            "await",
            "std::fs",
            "std::net",
            "std::process",
            "Instant::now",
            "SystemTime",
        ],
    );
}

#[test]
fn the_relay_does_not_know_how_the_server_was_started() {
    forbid(
        in_room("relay"),
        &[
            "crate::launch",
            "crate::sandbox",
            "crate::config",
            "crate::policy",
            "crate::store",
            "crate::cli",
        ],
    );
}

#[test]
fn what_the_egress_decides_is_pure() {
    // These wait and move bytes; all others read or decide.
    const MOVERS: [&str; 8] = [
        "egress/accept.rs",
        "egress/connection.rs",
        "egress/copy.rs",
        "egress/dial.rs",
        "egress/dns.rs",
        "egress/mod.rs",
        "egress/session.rs",
        "egress/tunnel.rs",
    ];
    for path in MOVERS {
        assert!(project().join("src").join(path).exists(), "{path} is gone");
    }
    forbid(
        |file| file.room() == "egress" && !MOVERS.contains(&file.path.as_str()),
        &[
            "tokio",
            "async",
            "await",
            "rustix",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "ToSocketAddrs",
            "Instant",
        ],
    );
}

#[test]
fn the_egress_serves_sockets_and_knows_no_server() {
    forbid(
        in_room("egress"),
        &[
            "crate::launch",
            "crate::sandbox",
            "crate::relay",
            "crate::lockfile",
            "crate::store",
            "crate::fetch",
            "crate::resolve",
            "crate::cli",
            "crate::sys",
            "std::fs",
            "std::env",
            "std::process",
            "Command",
        ],
    );
}

#[test]
fn what_vouches_for_bytes_is_judged_without_asking_anybody() {
    forbid(
        in_room("provenance"),
        &[
            "crate::fetch",
            "crate::resolve",
            "crate::store",
            "crate::config",
            "crate::policy",
            "crate::launch",
            "crate::cli",
            "tokio",
            "async",
            "await",
            "std::net",
            "std::fs",
            "std::env",
            "std::process",
            "reqwest",
        ],
    );
    forbid(
        |file| file.path != "provenance/bundle.rs",
        &["sigstore_verify", "sigstore_trust_root"],
    );
}

#[test]
fn the_audit_log_knows_no_policy_and_starts_nothing() {
    forbid(
        in_room("audit"),
        &[
            "crate::launch",
            "crate::sandbox",
            "crate::config",
            "crate::policy",
            "crate::store",
            "crate::cli",
            "tokio",
            "async",
            "await",
            "std::net",
            "std::process",
            "std::env",
        ],
    );
    // What is judged about lines and ends is pure.
    forbid(
        |file| ["audit/chain.rs", "audit/repair.rs"].contains(&file.path.as_str()),
        &["std::fs::read", "OpenOptions", "SystemTime", "Instant"],
    );
}

#[test]
fn what_a_collector_is_told_is_made_of_the_log_alone() {
    forbid(
        in_room("otlp"),
        &[
            "crate::launch",
            "crate::sandbox",
            "crate::config",
            "crate::policy",
            "crate::relay",
            "crate::secrets",
            "crate::store",
            "crate::cli",
            "std::net",
            "std::process",
            "std::env",
        ],
    );
    // All but where it got to, and the sending.
    forbid(
        |file| {
            file.room() == "otlp"
                && !["otlp/position.rs", "otlp/send.rs"].contains(&file.path.as_str())
        },
        &[
            "tokio",
            "async",
            "await",
            "std::fs",
            "SystemTime",
            "Instant",
        ],
    );
    // No session has anything to do with it.
    forbid(
        |file| !["otlp", "cli"].contains(&file.room()) && file.path != "lib.rs",
        &["crate::otlp"],
    );
}

#[test]
fn secrets_know_nobody_who_could_tell() {
    forbid(
        in_room("secrets"),
        &[
            "crate::relay",
            "crate::sandbox",
            "crate::launch",
            "crate::policy",
            "crate::store",
            "crate::fetch",
            "crate::resolve",
            "crate::cli",
            "Serialize",
            "std::env::var",
            "std::env::var_os",
        ],
    );
    forbid(
        |file| file.path != "secrets/service.rs",
        &["secret_service", "zbus"],
    );
}

#[test]
fn the_daemon_starts_sessions_and_knows_no_server() {
    // No byte of a session and no decision about a server is its own.
    forbid(
        in_room("daemon"),
        &[
            "crate::launch",
            "crate::sandbox",
            "crate::policy",
            "crate::relay",
            "crate::egress",
            "crate::store",
            "crate::config",
            "crate::resolve",
            "crate::fetch",
            "crate::cli",
            "std::net",
            "TcpListener",
        ],
    );
    forbid(
        |file| file.path == "daemon/protocol.rs",
        &[
            "tokio",
            "async",
            "await",
            "std::fs",
            "std::env",
            "std::process",
            "nix",
            "rustix",
            "crate::sys",
        ],
    );
    forbid(
        |file| file.path != "daemon/notify.rs" && file.path != "daemon/socket.rs",
        &["sd_notify"],
    );
}

#[test]
fn who_watches_a_server_judges_without_looking() {
    forbid(
        in_room("observe"),
        &[
            "crate::launch",
            "crate::relay",
            "crate::policy",
            "crate::config",
            "crate::lockfile",
            "crate::store",
            "crate::cli",
            "tokio",
            "async",
            "await",
            "std::net::TcpStream",
            "std::process",
            "Command",
        ],
    );
    // One file watches, and one looks at the machine; the rest is told.
    const ACTING: [&str; 2] = ["observe/tracer.rs", "observe/outside.rs"];
    forbid(
        |file| file.room() == "observe" && !ACTING.contains(&file.path.as_str()),
        &["std::fs", "sys::ptrace", "std::env", "SystemTime"],
    );
    forbid(
        |file| file.path != "observe/tracer.rs" && !["sys", "attack"].contains(&file.room()),
        &["ptrace::seize", "sys::ptrace"],
    );
}

#[test]
fn what_is_sensitive_is_data() {
    forbid(
        in_room("sensitive"),
        &[
            "crate", "std::fs", "std::env", "std::io", "std::net", "tokio", "nix",
        ],
    );
}

#[test]
fn the_attacks_know_nothing_of_the_box() {
    forbid(
        in_room("attack"),
        &[
            "crate::sandbox",
            "crate::launch",
            "crate::policy",
            "crate::config",
            "crate::cli",
            "tokio",
            "async",
            "await",
        ],
    );
}

#[test]
fn only_output_prints() {
    const EXCEPTIONS: [(&str, &str); 6] = [
        ("cli/output.rs", "the rule itself"),
        ("cli/stderr.rs", "the log's writer"),
        ("cli/mod.rs", "clap's own help"),
        ("launch/stdio.rs", "standard output as the protocol's pipe"),
        (
            "sandbox/monitor.rs",
            "its parent may be gone, and has no other way to say so",
        ),
        ("sandbox/stub.rs", "closes what it inherited"),
    ];
    for (path, _) in EXCEPTIONS {
        assert!(
            project().join("src").join(path).exists(),
            "{path} is no exception any more"
        );
    }
    forbid(
        |file| !EXCEPTIONS.iter().any(|(path, _)| *path == file.path),
        &[
            "println!",
            "eprintln!",
            "print!",
            "eprint!",
            "dbg!",
            "io::stdout",
            "io::stderr",
            "stdout()",
            "stderr()",
        ],
    );
    forbid(
        |_| true,
        &["println!", "eprintln!", "print!", "eprint!", "dbg!"],
    );
}

/// A session's client may never read its standard error, and all that waits has one thread.
#[test]
fn a_session_says_nothing_that_waits() {
    const SESSIONS: [&str; 4] = [
        "cli/hand_over.rs",
        "cli/run.rs",
        "cli/session.rs",
        "cli/session_process.rs",
    ];
    for path in SESSIONS {
        assert!(project().join("src").join(path).exists(), "{path} is gone");
    }
    forbid(
        |file| SESSIONS.contains(&file.path.as_str()),
        &[
            "output::note",
            "output::error",
            "output::warning",
            "output::data",
            "output::ask",
            "output::yes",
        ],
    );
}

/// What a person is shown and what a key does is known without a terminal.
#[test]
fn what_is_asked_on_a_screen_is_pure() {
    const MODELS: [&str; 7] = [
        "cli/choosing/claims.rs",
        "cli/choosing/tool_list.rs",
        "cli/choosing/tool_list_view.rs",
        "cli/reviewing.rs",
        "cli/screen/keys.rs",
        "cli/screen/pager.rs",
        "cli/screen/text.rs",
    ];
    for path in MODELS {
        assert!(project().join("src").join(path).exists(), "{path} is gone");
    }
    forbid(
        |file| MODELS.contains(&file.path.as_str()),
        &[
            "std::fs",
            "std::io",
            "std::env",
            "nix",
            "rustix",
            "tokio",
            "output",
            "crate::sys",
        ],
    );
    // Everything else asks by way of them.
    forbid(
        |file| {
            let is_meant = ["cli/screen/terminal.rs", "cli/hidden_input.rs"];
            file.room() == "cli" && !is_meant.contains(&file.path.as_str())
        },
        &["/dev/tty", "tcsetattr"],
    );
}

#[test]
fn only_sys_is_unsafe() {
    forbid(
        |file| file.room() != "sys",
        &["unsafe", "unsafe_code = \"allow\"", "allow(unsafe_code)"],
    );
    let manifest = fs::read_to_string(project().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""));
}

#[test]
fn resolving_and_fetching_execute_nothing() {
    forbid(
        |file| ["resolve", "fetch"].contains(&file.room()),
        &[
            "std::process",
            "process::Command",
            "Command",
            "execve",
            "crate::launch",
            "crate::sandbox",
        ],
    );
}

#[test]
fn every_file_says_what_lives_in_it_and_is_not_long() {
    let mut broken = Vec::new();
    for file in files() {
        let lines = file.text.lines().count();
        if !file.text.starts_with("//!") {
            broken.push(format!("src/{} does not start with `//!`", file.path));
        }
        if lines > 600 {
            broken.push(format!("src/{} has {lines} lines", file.path));
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    let main = fs::read_to_string(project().join("src/main.rs")).unwrap();
    assert!(main.lines().count() <= 30);
}

#[test]
fn the_public_registries_are_the_only_hosts() {
    // Of packages, and of descriptions of servers.
    const KNOWN: [&str; 3] = [
        "registry.npmjs.org",
        "pypi.org",
        "registry.modelcontextprotocol.io",
    ];
    // In attestations these are names of kinds and issuers; nobody is asked there.
    const NAMES: [&str; 6] = [
        "slsa.dev",
        "in-toto.io",
        "docs.pypi.org",
        "github.com",
        "gitlab.com",
        "token.actions.githubusercontent.com",
    ];
    let mut broken = Vec::new();
    for file in files() {
        for (number, line) in file.code() {
            for scheme in ["https://", "http://"] {
                for (at, _) in line.match_indices(scheme) {
                    let rest = &line[at + scheme.len()..];
                    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c)));
                    let host = &rest[..end.unwrap_or(rest.len())];
                    let is_name = file.room() == "provenance" && NAMES.contains(&host)
                        // The name of the schema, in what `audit` prints.
                        || file.path == "cli/config_audit/sarif.rs" && host == "docs.oasis-open.org";
                    if host.contains('.') && !KNOWN.contains(&host) && !is_name {
                        broken.push(format!("src/{}:{number}: {host}", file.path));
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn nothing_is_left_to_do() {
    forbid(|_| true, &["todo!", "unimplemented!", "FIXME", "XXX"]);
}

#[test]
fn control_a_broken_rule_is_seen() {
    let broken = std::panic::catch_unwind(|| forbid(in_room("sys"), &["unsafe"]));
    assert!(broken.is_err());
    assert!(has_word("use std::fs;", "std::fs") && has_word("async fn x", "async"));
    assert!(!has_word("let asynchronous = 1;", "async") && !has_word("my_println!()", "println!"));
    let file = File {
        path: "a/b.rs".to_owned(),
        text: "one\n// two\n#[cfg(test)]\nmod tests {\nthree\n}\n".to_owned(),
        is_test: false,
    };
    assert_eq!(
        file.code().collect::<Vec<_>>(),
        [(1, "one"), (3, "#[cfg(test)]")]
    );
}
