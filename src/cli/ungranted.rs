//! Files and folders that a new server is told of and will not see. Pure but for the question
//! whether a path is there.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::{ConfigValue, EnvValue, Server};

/// A path, and where the server is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ungranted {
    path: String,
    /// As in "is among its arguments".
    place: String,
    /// Whether `~` in its place would be the server's own home.
    can_be_its_own: bool,
}

/// Among the arguments (as in `--root=/srv/notes` too) all that is there. In variables and in what a
/// bundle asks for only what would be in the user's home: a shell writes it in the place of `~`.
pub(super) fn ungranted(
    server: &Server,
    home: Option<&Path>,
    is_there: impl Fn(&Path) -> bool,
) -> Vec<Ungranted> {
    let args = server.args.iter().map(|arg| match arg.split_once('=') {
        Some((option, value)) if option.starts_with('-') => value,
        _ => arg.as_str(),
    });
    let args = args
        .filter(|value| is_there(Path::new(value)))
        .map(|value| (value, "its arguments".to_owned(), false));
    let variables = server.env.iter().filter_map(|(name, value)| match value {
        EnvValue::Literal(value) => {
            Some((value.as_str(), format!("its variables (`{name}`)"), true))
        }
        EnvValue::FromClient { .. } | EnvValue::Secret(_) => None,
    });
    let config = server.config.iter().flat_map(|(key, value)| {
        let values = match value {
            ConfigValue::Text(value) => std::slice::from_ref(value),
            ConfigValue::List(values) => values.as_slice(),
            ConfigValue::FromClient { .. } | ConfigValue::Secret(_) => &[],
        };
        let place = format!("its settings (`config.{key}`)");
        values
            .iter()
            .map(move |value| (value.as_str(), place.clone(), false))
    });
    let of_home = variables.chain(config).filter(|(value, ..)| {
        home.is_some_and(|home| Path::new(value).starts_with(home) && Path::new(value) != home)
    });
    let mut said = BTreeSet::new();
    args.chain(of_home)
        .filter(|(value, ..)| Path::new(value).is_absolute() && !is_granted(server, value))
        .filter(|(value, ..)| said.insert(*value))
        .map(|(path, place, can_be_its_own)| Ungranted {
            path: path.to_owned(),
            place,
            can_be_its_own,
        })
        .collect()
}

fn is_granted(server: &Server, path: &str) -> bool {
    let files = &server.files;
    let mut granted = files.read.iter().chain(&files.write);
    granted.any(|grant| Path::new(path).starts_with(grant))
        || server.exec.iter().any(|program| program == path)
}

impl Ungranted {
    /// What it is, what it means, and what helps. `shown` makes text of others safe to show.
    pub(super) fn sentence(&self, shown: impl Fn(&str) -> String) -> String {
        let (path, place) = (shown(&self.path), shown(&self.place));
        let mut text = format!(
            "note: `{path}` is among {place} and not granted, so the server won't see it; `--read`, `--write` or `--exec {path}` grants it"
        );
        if self.can_be_its_own {
            text.push_str("; the server's own home is `~/` in quotes, which no shell expands");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(keys: &str) -> Vec<String> {
        let text = format!("[servers.it]\nsource = \"npm:it\"\ntools.allow = []\n{keys}");
        let home = Path::new("/home/ada");
        let manifest = crate::config::Manifest::parse(&text, Path::new("pinfold.toml"), Some(home));
        let server = manifest.unwrap().servers.into_values().next().unwrap();
        let found = ungranted(&server, Some(home), |path| {
            path.starts_with("/srv") || path.starts_with("/usr")
        });
        found.into_iter().map(|one| one.path).collect()
    }

    #[test]
    fn what_is_among_the_arguments_and_not_granted_is_found() {
        let args = "args = [\"/srv/notes\", \"--db=/srv/a.db\", \"/nowhere\", \"x\"]\n";
        let with = |more: &str| found(&format!("{args}{more}"));
        assert_eq!(with(""), ["/srv/notes", "/srv/a.db"]);
        assert_eq!(with("files.write = [\"/srv/notes\"]\n"), ["/srv/a.db"]);
        assert_eq!(with("files.read = [\"/srv\"]\n"), [""; 0]);
    }

    #[test]
    fn a_program_that_it_may_execute_is_granted() {
        let args = "args = [\"--browser\", \"/usr/lib/chromium/chromium\"]\n";
        assert_eq!(found(args), ["/usr/lib/chromium/chromium"]);
        let exec = "exec = [\"/usr/lib/chromium/chromium\"]\n";
        assert_eq!(found(&format!("{args}{exec}")), [""; 0]);
    }

    /// `--env FILE=~/memory.jsonl` is the user's home when it comes from a shell, and the server's
    /// when it is written in the manifest.
    #[test]
    fn a_variable_in_the_users_home_is_found() {
        let env = |value: &str| found(&format!("env = {{ FILE = \"{value}\" }}\n"));
        assert_eq!(env("/home/ada/memory.jsonl"), ["/home/ada/memory.jsonl"]);
        for fine in ["~/memory.jsonl", "/tmp", "/srv/x", "/home/ada", "text"] {
            assert_eq!(env(fine), [""; 0], "{fine}");
        }
        let granted = "env = { FILE = \"/home/ada/m\" }\nfiles.write = [\"/home/ada/m\"]\n";
        assert_eq!(found(granted), [""; 0]);
    }

    #[test]
    fn it_says_what_helps() {
        let said = |can_be_its_own| {
            let one = Ungranted {
                path: "/home/ada/m".to_owned(),
                place: "its variables (`FILE`)".to_owned(),
                can_be_its_own,
            };
            one.sentence(str::to_owned)
        };
        assert!(said(false).contains("`--exec /home/ada/m` grants it"));
        assert!(said(true).contains("in quotes"), "{}", said(true));
        assert!(!said(false).contains("in quotes"));
    }
}
