//! Files and folders, with everything below them.

use std::path::{Path, PathBuf};

/// What a path begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The user's home.
    Home,
    /// The machine: the path is absolute.
    Machine,
}

/// By what a server could do harm there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// By reading it: who does can act as the user, or as the machine.
    Read,
    /// By writing it: other programs run or obey it, outside of the box.
    Written,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub base: Base,
    pub path: &'static str,
    /// What is there, in words that follow on "it holds".
    pub holds: &'static str,
    /// What a person is warned of who grants it. What harms when read is warned of in any use.
    pub harm: Harm,
    /// Whether an observation may propose to read it. None proposes to write it.
    pub may_be_proposed: bool,
}

impl Place {
    /// Where that is for a user with this home; `None` where a home is needed and there is none.
    pub fn of(&self, home: Option<&Path>) -> Option<PathBuf> {
        match self.base {
            Base::Home => Some(home?.join(self.path)),
            Base::Machine => Some(PathBuf::from(self.path)),
        }
    }
}

/// Harms when read, and is never proposed.
const fn private(base: Base, path: &'static str, holds: &'static str) -> Place {
    Place {
        base,
        path,
        holds,
        harm: Harm::Read,
        may_be_proposed: false,
    }
}

/// Harms when written, and is not proposed to be read either: people keep tokens in it.
const fn obeyed_and_private(base: Base, path: &'static str, holds: &'static str) -> Place {
    Place {
        base,
        path,
        holds,
        harm: Harm::Written,
        may_be_proposed: false,
    }
}

/// Harms when written only.
const fn obeyed(base: Base, path: &'static str, holds: &'static str) -> Place {
    Place {
        base,
        path,
        holds,
        harm: Harm::Written,
        may_be_proposed: true,
    }
}

use Base::{Home, Machine};

/// All of them. The first row that fits says what is wrong.
pub const PLACES: &[Place] = &[
    private(Home, ".ssh", "keys"),
    private(Home, ".gnupg", "keys"),
    private(Home, ".aws", "credentials"),
    private(Home, ".azure", "credentials"),
    private(Home, ".kube", "credentials"),
    private(Home, ".docker", "credentials"),
    private(Home, ".config/gcloud", "credentials"),
    private(Home, ".config/gh", "credentials"),
    private(Home, ".config/hub", "credentials"),
    private(Home, ".config/op", "credentials"),
    private(Home, ".netrc", "passwords"),
    private(Home, ".pgpass", "passwords"),
    private(Home, ".my.cnf", "passwords"),
    private(Home, ".git-credentials", "passwords"),
    private(Home, ".npmrc", "tokens"),
    private(Home, ".yarnrc.yml", "tokens"),
    private(Home, ".pypirc", "tokens"),
    private(Home, ".cargo/credentials", "tokens"),
    private(Home, ".cargo/credentials.toml", "tokens"),
    private(Home, ".password-store", "passwords"),
    private(Home, ".local/share/keyrings", "passwords"),
    private(Home, ".mozilla", "the browser's sessions"),
    private(Home, ".config/google-chrome", "the browser's sessions"),
    private(Home, ".config/chromium", "the browser's sessions"),
    private(Home, ".config/BraveSoftware", "the browser's sessions"),
    private(Home, ".config/microsoft-edge", "the browser's sessions"),
    private(Home, ".thunderbird", "mail"),
    private(Home, ".bash_history", "what was typed, passwords with it"),
    private(Home, ".zsh_history", "what was typed, passwords with it"),
    private(Home, ".claude", "the settings and tokens of an MCP client"),
    private(
        Home,
        ".claude.json",
        "the settings and tokens of an MCP client",
    ),
    private(Home, ".codex", "the settings and tokens of an MCP client"),
    private(Home, ".cursor", "the settings and tokens of an MCP client"),
    private(
        Home,
        ".config/Claude",
        "the settings and tokens of an MCP client",
    ),
    obeyed_and_private(Home, ".bashrc", "what a shell runs"),
    obeyed_and_private(Home, ".bash_profile", "what a shell runs"),
    obeyed_and_private(Home, ".profile", "what a shell runs"),
    obeyed_and_private(Home, ".zshrc", "what a shell runs"),
    obeyed_and_private(Home, ".config/autostart", "what the desktop runs"),
    obeyed_and_private(Home, ".config/systemd", "what the user's services run"),
    obeyed(Home, ".zshenv", "what a shell runs"),
    obeyed(Home, ".zprofile", "what a shell runs"),
    obeyed(Home, ".bash_login", "what a shell runs"),
    obeyed(Home, ".bash_logout", "what a shell runs"),
    obeyed(Home, ".bash_aliases", "what a shell runs"),
    obeyed(Home, ".config/fish", "what a shell runs"),
    obeyed(Home, ".xprofile", "what the desktop runs"),
    obeyed(Home, ".local/share/applications", "what the desktop runs"),
    obeyed(Home, ".local/share/systemd", "what the user's services run"),
    obeyed(Home, ".local/bin", "programs that are found by name"),
    obeyed(Home, "bin", "programs that are found by name"),
    obeyed(Home, ".gitconfig", "what git runs"),
    obeyed(Home, ".config/git", "what git runs"),
    obeyed(Home, ".vscode", "what an editor runs"),
    private(Machine, "/etc/shadow", "passwords"),
    private(Machine, "/etc/gshadow", "passwords"),
    private(Machine, "/etc/ssh", "keys of this machine"),
    private(Machine, "/var/lib/docker", "all containers"),
    obeyed_and_private(Machine, "/etc/sudoers", "who may become root"),
    obeyed_and_private(Machine, "/etc/sudoers.d", "who may become root"),
    obeyed(Machine, "/var/spool/cron", "what the machine runs"),
    obeyed(Machine, "/etc/crontab", "what the machine runs"),
    obeyed(Machine, "/etc/cron.d", "what the machine runs"),
    obeyed(Machine, "/etc/systemd", "what the machine runs"),
    obeyed(Machine, "/etc/profile.d", "what a shell runs"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_there_once_and_where_its_base_says() {
        for (index, place) in PLACES.iter().enumerate() {
            let is_absolute = place.path.starts_with('/');
            assert_eq!(is_absolute, place.base == Machine, "{}", place.path);
            assert!(!place.path.ends_with('/') && !place.holds.is_empty());
            let again = PLACES[..index]
                .iter()
                .find(|other| other.path == place.path);
            assert!(again.is_none(), "{} is there twice", place.path);
            // What may not even be read harms nobody less by being proposed.
            assert!(place.harm == Harm::Written || !place.may_be_proposed);
        }
    }

    #[test]
    fn a_place_of_a_home_needs_one() {
        let of = |place: &Place, home| place.of(home);
        let ssh = PLACES.iter().find(|place| place.path == ".ssh").unwrap();
        assert_eq!(of(ssh, None), None);
        assert_eq!(
            of(ssh, Some(Path::new("/home/me"))),
            Some(PathBuf::from("/home/me/.ssh"))
        );
        let shadow = PLACES
            .iter()
            .find(|place| place.path == "/etc/shadow")
            .unwrap();
        assert_eq!(of(shadow, None), Some(PathBuf::from("/etc/shadow")));
    }
}
