//! What programs ask for by habit and live without, and what no observation ever proposes: data.

use std::path::{Path, PathBuf};

use super::outside::Outside;
use crate::sensitive::PLACES;

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

/// Why a path is asked for by habit, if it is.
pub(super) fn habit(path: &Path) -> Option<&'static str> {
    let found = HABITS.iter().find(|(folder, _)| path.starts_with(folder));
    found.map(|(_, why)| *why)
}

/// What is never proposed, with links resolved, too: a home or a folder of keys may be one, and a
/// link that somebody made may lead there.
pub(super) struct Forbidden {
    own: Vec<PathBuf>,
    homes: Vec<PathBuf>,
    private: Vec<(PathBuf, &'static str)>,
    /// Of what would be written.
    obeyed: Vec<(PathBuf, &'static str)>,
}

impl Forbidden {
    /// `own` are pinfold's own folders.
    pub(super) fn of(home: Option<&Path>, own: &[PathBuf], outside: &impl Outside) -> Self {
        let both = |path: PathBuf| {
            let real = outside.real(&path);
            std::iter::once(real.clone())
                .filter(|real| *real != path)
                .chain([path.clone()])
                .collect::<Vec<_>>()
        };
        let places = |may_be_read: bool| {
            PLACES
                .iter()
                .filter(|place| place.may_be_proposed == may_be_read)
                .filter_map(|place| Some((place.of(home)?, place.holds)))
                .flat_map(|(place, what)| both(place).into_iter().map(move |place| (place, what)))
                .collect()
        };
        Self {
            own: own.iter().cloned().flat_map(both).collect(),
            homes: home
                .map(Path::to_owned)
                .into_iter()
                .flat_map(both)
                .collect(),
            private: places(false),
            obeyed: places(true),
        }
    }

    /// Why a path must not be proposed, if it must not: neither by its name nor by where it leads.
    pub(super) fn why(&self, path: &Path, write: bool, outside: &impl Outside) -> Option<String> {
        self.why_of(path, write).or_else(|| {
            let real = outside.real(path);
            self.why_of(&real, write).filter(|_| real != path)
        })
    }

    fn why_of(&self, path: &Path, write: bool) -> Option<String> {
        let meets = |other: &Path| path.starts_with(other) || other.starts_with(path);
        if self.own.iter().any(|own| meets(own)) {
            return Some("pinfold's own files are there".to_owned());
        }
        if self.homes.iter().any(|home| home.starts_with(path)) {
            return Some("it is your whole home, or holds it".to_owned());
        }
        if WHOLE.iter().any(|whole| path == Path::new(whole)) {
            return Some("it is a folder of the whole machine".to_owned());
        }
        let obeyed = self.obeyed.iter().filter(|_| write);
        let (place, what) = self
            .private
            .iter()
            .chain(obeyed)
            .find(|(place, _)| meets(place))?;
        Some(if path.starts_with(place) {
            format!("it holds {what}")
        } else {
            format!("it holds {} ({what})", place.display())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::outside::Kind;
    use super::*;

    /// A machine with nothing but these links.
    struct Links(Vec<(&'static str, &'static str)>);

    impl Outside for Links {
        fn kind(&self, _: &Path) -> Option<Kind> {
            None
        }

        fn may(&self, _: &Path, _: bool) -> bool {
            false
        }

        fn is_program(&self, _: &Path) -> bool {
            false
        }

        fn real(&self, path: &Path) -> PathBuf {
            let found = self.0.iter().find_map(|(link, target)| {
                let below = path.strip_prefix(link).ok()?;
                Some(Path::new(target).join(below).components().collect())
            });
            found.unwrap_or_else(|| path.to_owned())
        }
    }

    #[test]
    fn a_link_is_no_way_to_what_is_forbidden() {
        let links = [
            ("/srv/link", "/home/me/.ssh"),
            ("/home/me/.gnupg", "/data/keys"),
            ("/home/me", "/var/home/me"),
        ];
        let why = |path: &str, links: &[(&'static str, &'static str)]| {
            let machine = Links(links.to_vec());
            let own = [PathBuf::from("/home/me/.local/share/pinfold")];
            Forbidden::of(Some(Path::new("/home/me")), &own, &machine)
                .why(Path::new(path), false, &machine)
                .is_some()
        };
        for path in [
            "/srv/link",
            "/srv/link/id_rsa",
            "/data/keys",
            "/data",
            "/var/home/me",
            "/var/home/me/.ssh/id_rsa",
            "/var/home/me/.local/share/pinfold/store",
        ] {
            assert!(why(path, &links), "{path}");
            // The control.
            assert!(!why(path, &[]), "{path}");
        }
        assert!(!why("/var/home/me/documents", &links));
    }

    #[test]
    fn what_holds_keys_and_what_is_too_much_is_forbidden() {
        let home = Path::new("/home/me");
        let own = [PathBuf::from("/home/me/.local/share/pinfold")];
        let machine = Links(Vec::new());
        let all = Forbidden::of(Some(home), &own, &machine);
        let may = |path: &str, write| all.why(Path::new(path), write, &machine).is_none();
        let is_forbidden = |path: &str| !may(path, false);
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
        for path in [
            "/home/me/.local/bin/git",
            "/home/me/.gitconfig",
            "/home/me/.zshenv",
            "/etc/cron.d/x",
        ] {
            // The control: they may be read.
            assert!(!may(path, true) && may(path, false), "{path}");
        }
        let all = Forbidden::of(None, &[], &machine);
        assert!(all.why(Path::new("/home/me"), true, &machine).is_none());
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
