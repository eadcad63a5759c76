//! Which configs are there. Looks at names only; the files are read elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::places::{Base, Client, PLACES, Place, Scope};
use super::shape::{Dialect, Shape};
use crate::config::Environment;

/// Files that one `*` may stand for.
const MAX_MATCHES: usize = 200;

/// A config that exists, or was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPlace {
    pub client: Client,
    pub scope: Scope,
    /// Absolute.
    pub path: PathBuf,
    pub dialect: Dialect,
    /// For the project's own files: its folder, out of which no link may lead.
    pub(super) project: Option<PathBuf>,
    /// None: whichever is found in it.
    pub(super) shapes: Option<&'static [Shape]>,
}

impl FoundPlace {
    /// Whether its client looks for servers there; some files have only settings about them.
    pub fn may_have_servers(&self) -> bool {
        self.shapes.is_none_or(|shapes| !shapes.is_empty())
    }
}

/// Every config of a client that exists for this user, and in `project`, in the table's order,
/// each file once. What can't be looked at is found, too: reading it says why.
pub fn find_client_files(
    environment: &Environment,
    home: Option<&Path>,
    project: Option<&Path>,
) -> Vec<FoundPlace> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for place in PLACES {
        for base in bases(place.base, environment, home, project) {
            for path in matches(&base, place.path) {
                if exists(&path) && seen.insert(path.clone()) {
                    let project = (place.scope == Scope::Project).then(|| base.clone());
                    found.push(at(place, path, project));
                }
            }
        }
    }
    found
}

/// The place that a named file is of, told by its last components; `path` is absolute. What may be
/// the user's or a project's is the user's only in `home`.
pub fn place_of(path: &Path, home: Option<&Path>) -> FoundPlace {
    let text = path.to_string_lossy();
    let is_of = |place: &&Place| {
        let mut pattern = place.path.rsplit('/');
        let mut names = text.rsplit('/');
        !GENERIC.contains(&place.path)
            && pattern.all(|part| names.next().is_some_and(|name| fits(part, name)))
    };
    let is_of_user = |place: &Place| home.is_some_and(|home| home.join(place.path) == path);
    // The longest path says most.
    let known = PLACES.iter().filter(is_of).max_by_key(|place| {
        let fits = match place.scope {
            Scope::Project => !is_of_user(place),
            Scope::User | Scope::Managed => is_of_user(place),
        };
        (place.path.split('/').count(), fits)
    });
    match known {
        Some(place) => at(place, path.to_owned(), None),
        None => FoundPlace {
            client: Client::Other,
            scope: Scope::User,
            path: path.to_owned(),
            dialect: dialect_of(path),
            project: None,
            shapes: None,
        },
    }
}

/// Names that say nothing without their folder.
const GENERIC: [&str; 2] = ["config.toml", "settings.json"];

fn dialect_of(path: &Path) -> Dialect {
    match path.extension().and_then(|end| end.to_str()) {
        Some("toml") => Dialect::Toml,
        Some("yaml" | "yml") => Dialect::Yaml,
        _ => Dialect::Jsonc,
    }
}

fn at(place: &Place, path: PathBuf, project: Option<PathBuf>) -> FoundPlace {
    FoundPlace {
        client: place.client,
        scope: place.scope,
        path,
        dialect: place.dialect,
        project,
        shapes: Some(place.shapes),
    }
}

fn bases(
    base: Base,
    environment: &Environment,
    home: Option<&Path>,
    project: Option<&Path>,
) -> Vec<PathBuf> {
    let variable = |name: &str| {
        environment
            .get(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = || home.map(Path::to_owned);
    match base {
        Base::Home => home().into_iter().collect(),
        Base::Config => {
            let default = home().map(|home| home.join(".config"));
            variable("XDG_CONFIG_HOME")
                .into_iter()
                .chain(default)
                .collect()
        }
        Base::Variable(name) => variable(name).into_iter().collect(),
        Base::Project => project.map(Path::to_owned).into_iter().collect(),
        Base::Root => vec![PathBuf::from("/")],
    }
}

/// A broken link exists, too: it is reported.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_dir())
}

/// The paths that a row stands for; without a `*` the one it names.
fn matches(base: &Path, path: &str) -> Vec<PathBuf> {
    let mut found = vec![base.to_owned()];
    for part in path.split('/') {
        found = match part.contains('*') {
            false => found.into_iter().map(|folder| folder.join(part)).collect(),
            true => found
                .iter()
                .flat_map(|folder| listed(folder, part))
                .collect(),
        };
    }
    found
}

fn listed(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| fits(pattern, name))
        .take(MAX_MATCHES)
        .collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_once_in_every_place() {
        let folder = tempfile::tempdir().unwrap();
        let (home, project) = (folder.path().join("home"), folder.path().join("work"));
        let put = |path: PathBuf| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        };
        for path in [
            ".claude.json",
            ".config/Claude/claude_desktop_config.json",
            ".config/Code/User/profiles/a1/mcp.json",
            ".continue/mcpServers/x.yaml",
            "codex/config.toml",
        ] {
            put(home.join(path));
        }
        put(project.join(".mcp.json"));
        fs::create_dir_all(project.join(".vscode/mcp.json")).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let environment = Environment::from_pairs([
            ("XDG_CONFIG_HOME", text(&home.join(".config"))),
            ("CODEX_HOME", text(&home.join("codex"))),
        ]);
        let found = find_client_files(&environment, Some(&home), Some(&project));
        let clients: Vec<Client> = found.iter().map(|place| place.client).collect();
        assert_eq!(
            clients,
            [
                Client::ClaudeDesktop,
                Client::ClaudeCode,
                Client::ClaudeCode,
                Client::VsCode,
                Client::Codex,
                Client::Continue,
            ]
        );
        assert_eq!(found[2].scope, Scope::Project);
        assert_eq!(
            find_client_files(&Environment::default(), None, None).len(),
            0
        );
    }

    #[test]
    fn named_files_are_told_by_their_place() {
        for (path, client, dialect) in [
            ("/h/.claude.json", Client::ClaudeCode, Dialect::Json),
            ("/h/x/.mcp.json", Client::ClaudeCode, Dialect::Json),
            ("/h/.cursor/mcp.json", Client::Cursor, Dialect::Jsonc),
            ("/h/.vscode/mcp.json", Client::VsCode, Dialect::Jsonc),
            ("/h/.codex/config.toml", Client::Codex, Dialect::Toml),
            ("/h/.config/goose/config.yaml", Client::Goose, Dialect::Yaml),
            ("/h/.gemini/settings.json", Client::Gemini, Dialect::Jsonc),
            ("/h/.config/zed/settings.json", Client::Zed, Dialect::Jsonc),
            ("/h/.lmstudio/mcp.json", Client::LmStudio, Dialect::Json),
            ("/h/opencode.jsonc", Client::OpenCode, Dialect::Jsonc),
            ("/h/any/config.toml", Client::Other, Dialect::Toml),
            ("/h/mcp.json", Client::Other, Dialect::Jsonc),
            ("/h/x.yml", Client::Other, Dialect::Yaml),
        ] {
            let place = place_of(Path::new(path), None);
            assert_eq!((place.client, place.dialect), (client, dialect), "{path}");
        }
    }

    #[test]
    fn what_is_below_home_is_the_users() {
        let home = Some(Path::new("/h"));
        for (path, scope) in [
            ("/h/.cursor/mcp.json", Scope::User),
            ("/h/work/.cursor/mcp.json", Scope::Project),
            ("/h/.codeium/windsurf/mcp_config.json", Scope::User),
        ] {
            assert_eq!(place_of(Path::new(path), home).scope, scope, "{path}");
        }
    }

    #[test]
    fn every_client_has_a_row_and_every_row_is_found_by_its_name() {
        let clients: BTreeSet<Client> = PLACES.iter().map(|place| place.client).collect();
        assert_eq!(clients.len(), 13);
        for place in PLACES.iter().filter(|place| !GENERIC.contains(&place.path)) {
            let path = Path::new("/any").join(place.path.replace('*', "x"));
            assert_eq!(place_of(&path, None).client, place.client, "{}", place.path);
        }
    }
}
