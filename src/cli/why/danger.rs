//! What is dangerous about a right that somebody is about to grant, in words for a person. Pure.

use std::path::Path;

use crate::config::{EgressHost, EgressRule};
use crate::policy::{Kind, kind};
use crate::sandbox::FileUse;
use crate::sensitive::{Base, Harm, PLACES, Place, is_metadata};

/// Programs that do whatever is written to them.
const INTERPRETERS: [&str; 14] = [
    "sh", "bash", "dash", "zsh", "fish", "env", "perl", "ruby", "node", "busybox", "awk", "find",
    "xargs", "sudo",
];

pub(super) fn of_path(path: &Path, wanted: FileUse, home: Option<&Path>) -> Option<String> {
    if wanted == FileUse::Execute {
        let name = path.file_name()?.to_str()?;
        let is_python = name.strip_prefix("python").is_some_and(|rest| {
            rest.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        });
        return (is_python || INTERPRETERS.contains(&name)).then(|| {
            format!("`{name}` runs whatever the server gives it; the pinned code is then not all that runs, though still in the box")
        });
    }
    let home = home.filter(|home| *home != Path::new("/"));
    if home.is_some_and(|home| home.starts_with(path)) {
        return Some(
            "this is your whole home: keys, mail, browser sessions, everything".to_owned(),
        );
    }
    if let Some(place) = sensitive(path, wanted, home) {
        let shown = match place.base {
            Base::Home => format!("~/{}", place.path),
            Base::Machine => place.path.to_owned(),
        };
        let holds = place.holds;
        return Some(match (place.harm, place.base) {
            (Harm::Read, Base::Home) => {
                format!("{shown} holds {holds}: who reads that can act as you")
            }
            (Harm::Read, Base::Machine) => {
                format!("{shown} holds {holds}: who reads that can act as the machine")
            }
            (Harm::Written, _) => format!(
                "{shown} holds {holds}: what is written there is run or obeyed by other programs, outside of the box"
            ),
        });
    }
    if let Some(process) = process_of(path) {
        return Some(format!(
            "/proc/{process} shows a process: its variables, and the tokens among them, its memory and its files"
        ));
    }
    let system = [
        "/etc", "/usr", "/var", "/proc", "/sys", "/dev", "/run", "/boot", "/root", "/lib",
    ];
    let found = system
        .iter()
        .find(|own| path.starts_with(own) && !is_temporary(path))?;
    let is_home = home.is_some_and(|home| path.starts_with(home));
    (!is_home && (wanted == FileUse::Write || path == Path::new(found)))
        .then(|| format!("{found} belongs to the system, not to one server"))
}

/// The first place that this meets. A folder that only holds one of the machine's is the machine's,
/// which is what there is to say of it.
fn sensitive(path: &Path, wanted: FileUse, home: Option<&Path>) -> Option<&'static Place> {
    PLACES
        .iter()
        .filter(|place| place.harm == Harm::Read || wanted == FileUse::Write)
        .find(|place| {
            let holds = |other: &Path| place.base == Base::Home && other.starts_with(path);
            let known = place.of(home);
            known.is_some_and(|known| path.starts_with(&known) || holds(&known))
        })
}

/// Whose folder of proc(5) this is, or is in.
fn process_of(path: &Path) -> Option<&str> {
    let mut parts = path.strip_prefix("/proc").ok()?.components();
    let process = parts.next()?.as_os_str().to_str()?;
    process
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(process)
}

fn is_temporary(path: &Path) -> bool {
    path.starts_with("/var/tmp")
}

pub(super) fn of_host(rule: &EgressRule) -> Option<String> {
    let metadata = "there clouds answer with the credentials of the machine: who reaches it can act as the machine";
    match &rule.host {
        EgressHost::Name(name) => is_metadata(name.as_str()).then(|| metadata.to_owned()),
        EgressHost::Localhost => {
            Some("services of your own machine often trust whoever reaches them".to_owned())
        }
        EgressHost::Network(network) if is_metadata(&network.addr().to_string()) => {
            Some(metadata.to_owned())
        }
        EgressHost::Network(network) => match kind(network.addr()) {
            Kind::Public => None,
            Kind::LinkLocal => Some(metadata.to_owned()),
            Kind::Loopback | Kind::Unspecified => {
                Some("services of your own machine often trust whoever reaches them".to_owned())
            }
            other => Some(format!(
                "this address is {other}; services there often trust whoever reaches them"
            )),
        },
        EgressHost::Subdomains(_) | EgressHost::AnyName => None,
    }
}

/// Of a key of `grants`.
pub(super) fn of_grant(method: &str) -> Option<String> {
    let text = match method {
        "sampling/createMessage" => {
            "the server then has your client's model answer what it likes, at your cost"
        }
        "elicitation/create" => "the server then asks you for input, in words of its own",
        "notifications/claude/channel" => {
            "the server then writes text straight into the session of the model"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dangerous_is_said_and_the_rest_is_not() {
        use FileUse::{Execute, Read, Write};
        let home = Path::new("/home/me");
        for (path, wanted, says) in [
            (
                "/home/me/.ssh/id_ed25519",
                Read,
                "~/.ssh holds keys: who reads that can act as you",
            ),
            ("/home/me/.config", Read, "~/.config/gcloud"),
            ("/home/me", Read, "your whole home"),
            ("/home", Read, "your whole home"),
            ("/home/me/.bashrc", Write, "outside of the box"),
            ("/home/me/.zprofile", Write, "outside of the box"),
            ("/home/me/.claude.json", Write, "tokens of an MCP client"),
            ("/home/me/.pgpass", Read, "passwords"),
            ("/etc/shadow", Read, "act as the machine"),
            ("/proc/1/environ", Read, "/proc/1 shows a process"),
            ("/proc/4711", Read, "tokens among them"),
            ("/etc/cron.d/x", Write, "what the machine runs"),
            ("/etc/app", Write, "belongs to the system"),
            ("/etc", Read, "belongs to the system"),
            ("/usr/bin/bash", Execute, "runs whatever"),
            ("/usr/bin/python3.11", Execute, "runs whatever"),
        ] {
            let found = of_path(Path::new(path), wanted, Some(home)).unwrap_or_default();
            assert!(found.contains(says), "{path}: {found}");
        }
        for (path, wanted) in [
            ("/home/me/documents", Write),
            ("/home/me/.sshx", Read),
            ("/home/me/.bashrc", Read),
            ("/etc/cron.d/x", Read),
            ("/etc/mime.types", Read),
            ("/proc/self/environ", Read),
            ("/proc/cpuinfo", Read),
            ("/var/tmp/x", Write),
            ("/usr/bin/git", Execute),
            ("/usr/bin/pythonic", Execute),
        ] {
            assert_eq!(of_path(Path::new(path), wanted, Some(home)), None, "{path}");
        }
        for (host, says) in [
            ("169.254.169.254:80", "credentials"),
            ("metadata.google.internal:80", "credentials"),
            ("[fd00:ec2::254]:80", "credentials"),
            ("100.100.100.200:80", "credentials"),
            ("[fd00::1]:80", "private"),
            ("127.0.0.1:5432", "own machine"),
            ("localhost:5432", "own machine"),
            ("192.168.1.1:80", "private"),
        ] {
            let found = of_host(&host.parse().unwrap()).unwrap_or_default();
            assert!(found.contains(says), "{host}: {found}");
        }
        for host in ["api.example.com:443", "8.8.8.8:53"] {
            assert_eq!(of_host(&host.parse().unwrap()), None, "{host}");
        }
    }
}
