//! `docker run` and its relatives: images, mounts, rights.

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use crate::config::clients::Word;

const ENGINES: [&str; 4] = ["docker", "podman", "nerdctl", "finch"];

/// For what `import` mends elsewhere; it takes no containers over.
pub(super) const FIX: &str = "take it out, and give out anew what is secret; or if the server is also a package, `pinfold add NAME npm:PACKAGE` or `pypi:PACKAGE`: `pinfold import` takes no containers over";

/// Options of `run` without a value; every other one takes the word after it, if it has no `=`.
/// Source: docker-run(1), podman-run(1).
const SWITCHES: &[&str] = &[
    "-i",
    "-t",
    "-d",
    "-it",
    "-ti",
    "-id",
    "-P",
    "-q",
    "--interactive",
    "--tty",
    "--detach",
    "--rm",
    "--init",
    "--privileged",
    "--read-only",
    "--publish-all",
    "--quiet",
    "--no-healthcheck",
    "--oom-kill-disable",
    "--disable-content-trust",
    "--sig-proxy",
    "--replace",
    "--tls-verify",
];

/// Folders of the host that are the system, or all of somebody's files.
const HOST_FOLDERS: &[&str] = &[
    "/",
    "/etc",
    "/root",
    "/home",
    "/proc",
    "/sys",
    "/dev",
    "/var",
    "/var/lib",
    "/var/lib/docker",
    "/usr",
    "/boot",
    "/run",
    "~",
    "~/",
    "~/.ssh",
    "~/.aws",
    "~/.gnupg",
    "~/.config",
    "~/.kube",
];

const SOCKETS: &[&str] = &["docker.sock", "podman.sock", "containerd.sock", "crio.sock"];

/// An option of `run` with its value.
struct Opt<'w> {
    name: &'w str,
    value: &'w str,
    word: &'w Word,
}

/// Whether a program of this name starts containers.
pub(super) fn is_engine(program: &str) -> bool {
    ENGINES.contains(&program)
}

pub(super) fn rule(entry: &Entry<'_>, machine: &dyn Machine, found: &mut Vec<Finding>) {
    if !is_engine(entry.program()) {
        return;
    }
    let arguments = entry.arguments();
    let Some(start) = arguments.iter().position(|word| word.text == "run") else {
        return;
    };
    let (options, image) = read(&arguments[start + 1..]);
    let home = machine.home().and_then(|home| home.to_str());
    for option in &options {
        found.extend(judge(entry, option, home));
    }
    if let Some(image) = image.filter(|image| !image.text.contains("@sha256:")) {
        let message = format!("whatever image `{}` is then", image.text);
        found.push(about(
            entry,
            Rule::FloatingImage,
            image.at,
            &image.text,
            message,
        ));
    }
}

/// The options, and the image.
fn read<'w>(words: &[&'w Word]) -> (Vec<Opt<'w>>, Option<&'w Word>) {
    let mut options = Vec::new();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        if !text.starts_with('-') {
            return (options, Some(word));
        }
        let (name, value, place) = match text.split_once('=') {
            Some((name, value)) => (name, value, word),
            None if SWITCHES.contains(&text) => (text, "", word),
            // `-v/:/host`
            None if text.starts_with("-v") && text.len() > 2 => ("-v", &text[2..], word),
            None => match words.next() {
                Some(value) => (text, value.text.as_str(), value),
                None => (text, "", word),
            },
        };
        options.push(Opt {
            name,
            value,
            word: place,
        });
    }
    (options, None)
}

fn judge(entry: &Entry<'_>, option: &Opt<'_>, home: Option<&str>) -> Option<Finding> {
    let (name, value) = (option.name, option.value);
    let finding = |rule, message| Some(about(entry, rule, option.word.at, name, message));
    match name {
        "-v" | "--volume" | "--mount" => {
            let source = match name {
                "--mount" => value.split(',').find_map(|part| {
                    let (key, value) = part.split_once('=')?;
                    matches!(key, "source" | "src").then_some(value)
                })?,
                _ => value.split(':').next()?,
            };
            if SOCKETS.iter().any(|socket| source.ends_with(socket)) {
                return finding(
                    Rule::ContainerSocket,
                    format!("it is given the socket `{source}`"),
                );
            }
            is_host_folder(source, home).then(|| {
                about(
                    entry,
                    Rule::ContainerHostFiles,
                    option.word.at,
                    source,
                    format!("it is given `{source}` of this machine"),
                )
            })
        }
        "--privileged" if value != "false" => finding(
            Rule::ContainerPrivileged,
            "it is started with `--privileged`".to_owned(),
        ),
        "--cap-add" | "--security-opt"
            if [
                "ALL",
                "all",
                "SYS_ADMIN",
                "CAP_SYS_ADMIN",
                "SYS_PTRACE",
                "SYS_MODULE",
            ]
            .contains(&value)
                || value.ends_with("unconfined")
                || value == "label=disable"
                || value == "label:disable" =>
        {
            finding(
                Rule::ContainerPrivileged,
                format!("it is started with `{name} {value}`"),
            )
        }
        "--network" | "--net" | "--pid" | "--ipc" | "--userns" | "--uts" if value == "host" => {
            finding(
                Rule::ContainerHostNamespace,
                format!("it is started with `{name} {value}`"),
            )
        }
        _ => None,
    }
}

fn is_host_folder(source: &str, home: Option<&str>) -> bool {
    let home = home.unwrap_or("~");
    let mut source = source.to_owned();
    for placeholder in [
        "${userHome}",
        "${env:HOME}",
        "${HOME}",
        "{env:HOME}",
        "$HOME",
    ] {
        source = source.replace(placeholder, "~");
    }
    if let Some(below) = source.strip_prefix(home) {
        source = format!("~{below}");
    }
    let trimmed = match source.trim_end_matches(['/', '.']) {
        "" if source.starts_with('/') => "/",
        trimmed => trimmed,
    };
    HOST_FOLDERS.contains(&trimmed)
}
