//! What programs ask for by habit and live without, and what no observation ever proposes: data.

use std::path::Path;

/// Paths, with everything below them, that runtimes and libc look at and do without.
const HABITS: &[(&str, &str)] = &[
    (
        "/etc/ld.so.preload",
        "the dynamic linker looks for it at every start",
    ),
    (
        "/etc/ld.so.cache",
        "the dynamic linker, which then looks into the folders",
    ),
    (
        "/lib",
        "the dynamic linker tries folders that have nothing for this program",
    ),
    ("/lib64", "as /lib"),
    (
        "/usr/lib",
        "libraries and plugins that are tried; those that are needed are granted",
    ),
    ("/usr/lib64", "as /usr/lib"),
    ("/usr/local/lib", "as /usr/lib"),
    ("/usr/share/locale", "translations of messages"),
    ("/usr/share/locale-langpack", "as /usr/share/locale"),
    ("/usr/lib/locale", "setlocale(3)"),
    ("/usr/share/zoneinfo", "time zones"),
    ("/usr/share/terminfo", "colours and keys of terminals"),
    ("/etc/terminfo", "as /usr/share/terminfo"),
    ("/lib/terminfo", "as /usr/share/terminfo"),
    ("/etc/inputrc", "readline"),
    ("/etc/localtime", "local time"),
    ("/etc/timezone", "local time"),
    (
        "/etc/ssl",
        "settings and authorities of TLS libraries, which have their own",
    ),
    ("/etc/pki", "as /etc/ssl, on other distributions"),
    (
        "/etc/crypto-policies",
        "as /etc/ssl, on other distributions",
    ),
    ("/usr/share/ca-certificates", "as /etc/ssl"),
    ("/usr/local/share/ca-certificates", "as /etc/ssl"),
    ("/etc/nsswitch.conf", "where libc looks for users and hosts"),
    (
        "/etc/resolv.conf",
        "name servers: of the network, which is another matter",
    ),
    ("/etc/host.conf", "as /etc/resolv.conf"),
    ("/etc/hosts", "as /etc/resolv.conf"),
    ("/etc/gai.conf", "as /etc/resolv.conf"),
    ("/etc/services", "names of ports"),
    ("/etc/protocols", "names of protocols"),
    ("/etc/passwd", "the user's name"),
    ("/etc/group", "as /etc/passwd"),
    ("/etc/os-release", "which distribution this is"),
    ("/usr/lib/os-release", "as /etc/os-release"),
    ("/etc/debian_version", "as /etc/os-release"),
    ("/etc/lsb-release", "as /etc/os-release"),
    ("/etc/machine-id", "names this machine: for telemetry"),
    ("/var/lib/dbus/machine-id", "as /etc/machine-id"),
    (
        "/etc/mime.types",
        "file types by ending; every program has a list of its own",
    ),
    ("/etc/apache2/mime.types", "as /etc/mime.types"),
    ("/etc/python3", "settings of Debian's Python"),
    ("/etc/npmrc", "settings of npm"),
    ("/etc/gitconfig", "settings of git"),
    (
        "/usr/share/nodejs",
        "modules of Debian's Node; those that are needed are granted",
    ),
    (
        "/proc",
        "what processes and the machine are doing; what is harmless is granted",
    ),
    ("/sys", "processors, control groups, devices"),
    (
        "/dev",
        "terminals, randomness, shared memory; what is harmless is granted",
    ),
    ("/run", "sockets of services"),
    ("/var/run", "as /run"),
];

/// System calls that libraries try first, and have another way for.
const TRIED_CALLS: &[&str] = &[
    // glibc 2.34 and later; then clone.
    "clone3",
    // libuv; then epoll and threads.
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    // glibc and musl, for threads; they do without.
    "rseq",
    "set_robust_list",
    // Python and Go; then other ways to wait and to copy.
    "pidfd_open",
    "pidfd_send_signal",
    "copy_file_range",
    // glibc 2.39 and later; hardening that it does without.
    "mseal",
    "map_shadow_stack",
];

/// Whether a refused call is one that is only tried.
pub(super) fn is_tried(call: &str) -> bool {
    TRIED_CALLS.contains(&call)
}

/// Folders of the whole machine: what is below may be proposed, they themselves never are.
const WHOLE: &[&str] = &[
    "/",
    "/home",
    "/root",
    "/usr",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local",
    "/usr/local/bin",
    "/usr/share",
    "/bin",
    "/sbin",
    "/etc",
    "/var",
    "/var/lib",
    "/var/tmp",
    "/var/log",
    "/opt",
    "/srv",
    "/mnt",
    "/media",
    "/tmp",
    "/boot",
];

/// Below the user's home: keys, passwords, sessions, and what a shell will run later. A folder that
/// holds one of them is not proposed either.
const PRIVATE_OF_HOME: &[(&str, &str)] = &[
    (".ssh", "keys"),
    (".gnupg", "keys"),
    (".aws", "credentials"),
    (".azure", "credentials"),
    (".kube", "credentials"),
    (".docker", "credentials"),
    (".config/gcloud", "credentials"),
    (".config/gh", "credentials"),
    (".config/hub", "credentials"),
    (".config/op", "credentials"),
    (".netrc", "passwords"),
    (".pgpass", "passwords"),
    (".my.cnf", "passwords"),
    (".git-credentials", "passwords"),
    (".npmrc", "tokens"),
    (".yarnrc.yml", "tokens"),
    (".pypirc", "tokens"),
    (".cargo/credentials", "tokens"),
    (".cargo/credentials.toml", "tokens"),
    (".password-store", "passwords"),
    (".local/share/keyrings", "passwords"),
    (".config/google-chrome", "the browser's sessions"),
    (".config/chromium", "the browser's sessions"),
    (".mozilla", "the browser's sessions"),
    (".claude", "the settings and tokens of an MCP client"),
    (".claude.json", "the settings and tokens of an MCP client"),
    (".codex", "the settings and tokens of an MCP client"),
    (".cursor", "the settings and tokens of an MCP client"),
    (".bash_history", "what was typed"),
    (".zsh_history", "what was typed"),
    (".bashrc", "what a shell runs"),
    (".bash_profile", "what a shell runs"),
    (".profile", "what a shell runs"),
    (".zshrc", "what a shell runs"),
    (".config/autostart", "what the desktop runs"),
    (".config/systemd", "what the user's services run"),
];

/// The same, of the machine.
const PRIVATE: &[(&str, &str)] = &[
    ("/etc/shadow", "passwords"),
    ("/etc/gshadow", "passwords"),
    ("/etc/sudoers", "who may become root"),
    ("/etc/sudoers.d", "who may become root"),
    ("/etc/ssh", "keys of this machine"),
    ("/var/lib/docker", "all containers"),
];

/// Why a path is asked for by habit, if it is.
pub(super) fn habit(path: &Path) -> Option<&'static str> {
    let found = HABITS.iter().find(|(folder, _)| path.starts_with(folder));
    found.map(|(_, why)| *why)
}

/// Why a path must not be proposed, if it must not. `own` are pinfold's own folders.
pub(super) fn forbidden(
    path: &Path,
    home: Option<&Path>,
    own: &[std::path::PathBuf],
) -> Option<String> {
    let meets = |other: &Path| path.starts_with(other) || other.starts_with(path);
    if own.iter().any(|own| meets(own)) {
        return Some("pinfold's own files are there".to_owned());
    }
    if home.is_some_and(|home| home.starts_with(path)) {
        return Some("it is your whole home, or holds it".to_owned());
    }
    if WHOLE.iter().any(|whole| path == Path::new(whole)) {
        return Some("it is a folder of the whole machine".to_owned());
    }
    let private = PRIVATE
        .iter()
        .map(|(place, what)| (std::path::PathBuf::from(place), *what));
    let of_home = home.into_iter().flat_map(|home| {
        PRIVATE_OF_HOME
            .iter()
            .map(|(place, what)| (home.join(place), *what))
    });
    private
        .chain(of_home)
        .find(|(place, _)| meets(place))
        .map(|(place, what)| {
            if path.starts_with(&place) {
                format!("it holds {what}")
            } else {
                format!("it holds {} ({what})", place.display())
            }
        })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_holds_keys_and_what_is_too_much_is_forbidden() {
        let home = Path::new("/home/me");
        let own = [PathBuf::from("/home/me/.local/share/pinfold")];
        let is_forbidden = |path: &str| forbidden(Path::new(path), Some(home), &own).is_some();
        for path in [
            "/",
            "/home",
            "/home/me",
            "/etc",
            "/tmp",
            "/home/me/.ssh",
            "/home/me/.ssh/id_rsa",
            "/home/me/.config",
            "/home/me/.local/share/pinfold/store",
            "/home/me/.local",
            "/etc/shadow",
            "/etc/ssh/ssh_host_rsa_key",
        ] {
            assert!(is_forbidden(path), "{path}");
        }
        for path in [
            "/home/me/documents",
            "/srv/data",
            "/etc/app.conf",
            "/tmp/x",
            "/home/me/.sshx",
        ] {
            assert!(!is_forbidden(path), "{path}");
        }
        assert!(forbidden(Path::new("/home/me"), None, &[]).is_none());
    }

    #[test]
    fn habits_are_told_from_wishes() {
        assert!(habit(Path::new("/etc/ld.so.preload")).is_some());
        assert!(habit(Path::new("/sys/fs/cgroup/cpu.max")).is_some());
        assert!(habit(Path::new("/libs/x")).is_none());
        assert!(habit(Path::new("/etc/app.conf")).is_none());
        for (path, why) in HABITS {
            assert!(path.starts_with('/') && !path.ends_with('/') && !why.is_empty());
        }
    }
}
