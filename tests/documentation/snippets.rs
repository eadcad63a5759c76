//! Excerpts of manifests and of clients' configs, read by pinfold's own readers.

use std::fs;
use std::path::Path;

use pinfold::config::Manifest;
use pinfold::config::clients::{Client, ClientFile, place_of};

use super::all;
use super::pages::{Config, Page, Place, READER, What};
use crate::place::{Place as Folder, project};

#[test]
fn every_excerpt_is_what_pinfold_reads() {
    let mut wrong = Vec::new();
    let mut read = 0;
    for page in all() {
        for part in &page.parts {
            let What::Config(config) = &part.what else {
                continue;
            };
            read += 1;
            if let Err(what) = check(&page, config) {
                wrong.push(format!("{}:{}: {what}", page.path, part.line));
            }
        }
    }
    assert!(read > 20, "{read} excerpts");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// # Errors
/// Why it is neither a manifest nor a config of the page's client.
pub(super) fn check(page: &Page, config: &Config) -> Result<(), String> {
    let path = match &config.place {
        Place::NotChecked(reason) if reason.len() > 10 => return Ok(()),
        Place::NotChecked(reason) => return Err(format!("`{reason}` is no reason")),
        Place::Written(path) | Place::Result(path) => Some(path.as_str()),
        Place::Nowhere => None,
    };
    if config.language == "python" {
        return path.map(drop).ok_or_else(|| "it is no file".to_owned());
    }
    let is_manifest = match path {
        Some(path) => path.ends_with("pinfold.toml"),
        None => config.language == "toml",
    };
    match is_manifest {
        true => manifest(&config.text),
        false => client(page, path, config),
    }
}

/// What an excerpt leaves out of each server is added first.
fn manifest(text: &str) -> Result<(), String> {
    let mut tree: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    if !["settings", "servers"]
        .iter()
        .any(|key| tree.contains_key(*key))
    {
        let server = toml::Table::from_iter([("example".to_owned(), tree.into())]);
        tree = toml::Table::from_iter([("servers".to_owned(), server.into())]);
    }
    let servers = tree.get_mut("servers").and_then(toml::Value::as_table_mut);
    for server in servers.into_iter().flatten() {
        let server = server.1.as_table_mut().ok_or("a server is no table")?;
        let source = || toml::Value::from("npm:any-server");
        server.entry("source").or_insert_with(source);
        if let Some(profile) = server.get("profile").and_then(toml::Value::as_str)
            && !project().join(format!("profiles/{profile}.toml")).exists()
        {
            return Err(format!("there is no profile `{profile}`"));
        }
        let tools = server
            .entry("tools")
            .or_insert_with(|| toml::Table::new().into());
        let tools = tools.as_table_mut().ok_or("`tools` is no table")?;
        if !["allow", "ask"].iter().any(|key| tools.contains_key(*key)) {
            tools.insert("allow".to_owned(), vec!["any_tool"].into());
        }
    }
    let home = Path::new(READER);
    let place = home.join(".config/pinfold/pinfold.toml");
    let parsed = Manifest::parse(&tree.to_string(), &place, Some(home));
    parsed.map(drop).map_err(|mistakes| mistakes.to_string())
}

fn client(page: &Page, path: Option<&str>, config: &Config) -> Result<(), String> {
    let folder = Folder::new();
    let home = folder.path().join("home");
    let below = match path {
        Some(path) => path.strip_prefix("~/").ok_or("its path begins with `~/`")?,
        None if config.language == "jsonc" => "mcp.json",
        None => &format!("mcp.{}", config.language),
    };
    let path = home.join(below);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, &config.text).unwrap();
    let place = place_of(&path, Some(&home));
    if below.contains('/') || below.starts_with('.') {
        let heading = page.text.lines().next().unwrap_or_default();
        let is_of_page = !page.path.starts_with("docs/clients/")
            || heading == format!("# {}", place.client.name());
        if place.client == Client::Other || !is_of_page {
            return Err(format!("`~/{below}` is a file of {}", place.client.name()));
        }
    }
    let file = ClientFile::read(&place).map_err(|error| error.to_string())?;
    match file.servers.is_empty() {
        true => Err("there is no server in it".to_owned()),
        false => Ok(()),
    }
}
