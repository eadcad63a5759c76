//! Rights that are added to an entry of the manifest, whose other text stays as it is.

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value, value};

use super::quoted::quoted;
use super::{ConfigError, not_toml, parse};
use crate::lockfile::ServerName;

/// What is to be added to one server's entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// Takes the place of the present one.
    pub profile: Option<String>,
    /// Absolute paths.
    pub read: Vec<String>,
    pub write: Vec<String>,
    pub exec: Vec<String>,
    /// Entries of `egress`.
    pub egress: Vec<String>,
    /// What stands for a missing `egress`, and has to stay when there is one.
    pub egress_before: Vec<String>,
}

/// `text` with the rights in the entry of `name`; everything else unchanged.
///
/// # Errors
/// When there is no such entry, or it is written in a way in which this can't be added.
pub fn grant(text: &str, name: &ServerName, new: &Additions) -> Result<String, ConfigError> {
    let by_hand = || ConfigError::EditByHand { name: name.clone() };
    let mut document: DocumentMut = text.parse().map_err(not_toml)?;
    let server = document
        .get_mut("servers")
        .and_then(Item::as_table_like_mut)
        .and_then(|servers| servers.get_mut(name.as_str()))
        .and_then(Item::as_table_like_mut)
        .ok_or_else(|| ConfigError::NoSuchServer { name: name.clone() })?;
    if let Some(profile) = &new.profile {
        match server.get_mut("profile").and_then(Item::as_value_mut) {
            Some(present) => {
                let decor = present.decor().clone();
                *present = Value::from(profile);
                *present.decor_mut() = decor;
            }
            None => drop(server.insert("profile", value(profile))),
        }
    }
    if !new.egress.is_empty() {
        if server.get("egress").is_none() {
            extend(server, "egress", &new.egress_before).ok_or_else(by_hand)?;
        }
        extend(server, "egress", &new.egress).ok_or_else(by_hand)?;
    }
    extend(server, "exec", &new.exec).ok_or_else(by_hand)?;
    if !new.read.is_empty() || !new.write.is_empty() {
        if server.get("files").is_none() {
            server.insert("files", Item::Table(Table::new()));
        }
        let files = server
            .get_mut("files")
            .and_then(Item::as_table_like_mut)
            .ok_or_else(by_hand)?;
        extend(files, "read", &new.read).ok_or_else(by_hand)?;
        extend(files, "write", &new.write).ok_or_else(by_hand)?;
    }
    let mut result = document.to_string();
    if text.contains("\r\n") && !text.replace("\r\n", "").contains('\n') {
        result = result.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    if is_only_more(text, &result, name) {
        Ok(result)
    } else {
        Err(by_hand())
    }
}

/// `None` where the key holds something else than a list.
fn extend(table: &mut dyn TableLike, key: &str, entries: &[String]) -> Option<()> {
    if entries.is_empty() {
        return Some(());
    }
    if table.get(key).is_none() {
        table.insert(key, value(Array::new()));
    }
    let list = table.get_mut(key)?.as_array_mut()?;
    for entry in entries {
        let is_there = list.iter().any(|known| known.as_str() == Some(entry));
        if !is_there {
            push(list, entry);
        }
    }
    Some(())
}

/// As the entries before it: on a line of its own, if they are.
fn push(list: &mut Array, entry: &str) {
    let prefix = list
        .iter()
        .last()
        .and_then(|last| last.decor().prefix()?.as_str().map(str::to_owned))
        .filter(|prefix| prefix.contains('\n'))
        // Without the comment of the entry before it.
        .map(|prefix| {
            let indent = prefix.rsplit('\n').next().unwrap_or_default();
            format!("\n{indent}")
        });
    match prefix {
        Some(prefix) => list.push_formatted(quoted(entry).decorated(prefix, "")),
        None => list.push(quoted(entry)),
    }
}

/// Whether nothing but this server's entry differs.
fn is_only_more(before: &str, after: &str, name: &ServerName) -> bool {
    let others = |text: &str| {
        let mut all = parse(text).ok()?;
        super::take_server(&mut all, name)?;
        Some(all)
    };
    others(before).is_some() && others(before) == others(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn additions() -> Additions {
        Additions {
            read: vec!["/srv/data".into()],
            exec: vec!["git".into()],
            ..Additions::default()
        }
    }

    fn granted(text: &str, new: &Additions) -> Result<String, ConfigError> {
        grant(text, &"one".parse().unwrap(), new)
    }

    #[test]
    fn what_a_person_wrote_stays() {
        let text = "# top\n[servers.one] # here\nsource = \"path:/x\"\n  exec = ['a', 'b'] # two\n\n[servers.one.files]\nread = [\n    \"/a\", # first\n    \"/b\",\n]\n# apart\n\n[servers.one.tools]\nallow = []\n\n[servers.two]\nsource = \"path:/y\"\n";
        let after = granted(text, &additions()).unwrap();
        let expected = text
            .replace("['a', 'b']", "['a', 'b', \"git\"]")
            .replace("    \"/b\",\n", "    \"/b\",\n    \"/srv/data\",\n");
        assert_eq!(after, expected);
        // What is there already is not added.
        assert_eq!(granted(&after, &additions()).unwrap(), after);
    }

    #[test]
    fn missing_lists_are_made_inside_of_the_entry() {
        let text = "[servers.one]\nsource = \"path:/x\"\n\n[servers.one.tools]\nallow = []\n\n[servers.two]\nsource = \"path:/y\"\n";
        let new = Additions {
            profile: Some("web".into()),
            egress: vec!["a.example:443".into()],
            egress_before: vec!["b.example:443".into()],
            ..additions()
        };
        let after = granted(text, &new).unwrap();
        let parsed = parse(&after).unwrap();
        let one = &parsed["servers"]["one"];
        assert_eq!(one["profile"].as_str(), Some("web"));
        assert_eq!(one["egress"].as_array().map(Vec::len), Some(2));
        assert_eq!(one["files"]["read"][0].as_str(), Some("/srv/data"));
        assert_eq!(one["exec"][0].as_str(), Some("git"));
        assert!(after.starts_with("[servers.one]\nsource = \"path:/x\"\n"));
        assert!(after.ends_with("[servers.two]\nsource = \"path:/y\"\n"));
    }

    #[test]
    fn inline_tables_and_windows_line_ends_are_kept() {
        let text = "[servers]\r\none = { source = \"path:/x\", files = { read = [\"/a\"] }, tools = { allow = [] } }\r\n";
        let after = granted(text, &additions()).unwrap();
        assert!(after.contains("read = [\"/a\", \"/srv/data\"]"), "{after}");
        assert!(after.ends_with("}\r\n") && !after.replace("\r\n", "").contains('\n'));
        let text = "[servers.one]\r\nsource = \"path:/x\"\r\n";
        let after = granted(text, &additions()).unwrap();
        assert!(!after.replace("\r\n", "").contains('\n'), "{after:?}");
    }

    #[test]
    fn what_is_no_list_and_who_is_not_there_is_refused() {
        let text = "[servers.one]\nsource = \"path:/x\"\nexec = \"a\"\n";
        assert!(matches!(
            granted(text, &additions()),
            Err(ConfigError::EditByHand { .. })
        ));
        assert!(matches!(
            granted("[servers.two]\n", &additions()),
            Err(ConfigError::NoSuchServer { .. })
        ));
        // The control.
        assert!(granted(&text.replace("\"a\"", "[]"), &additions()).is_ok());
    }
}
