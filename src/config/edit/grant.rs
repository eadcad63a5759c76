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
    /// Entries of `system_calls`.
    pub system_calls: Vec<String>,
    /// Takes the place of the present `system_calls`.
    pub only_system_calls: Option<Vec<String>>,
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
    match &new.only_system_calls {
        Some(calls) => drop(server.insert("system_calls", value(in_lines(calls)))),
        None => extend(server, "system_calls", &new.system_calls).ok_or_else(by_hand)?,
    }
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

/// A long list, as a person would write it.
fn in_lines(entries: &[String]) -> Array {
    const WIDTH: usize = 88;
    const INDENT: &str = "\n    ";
    let mut list = Array::new();
    let mut column = WIDTH;
    for entry in entries {
        // With quotes, comma and space.
        let width = entry.chars().count() + 4;
        let prefix = match column + width > WIDTH {
            true => INDENT,
            false => " ",
        };
        column = if prefix == INDENT { 4 } else { column } + width;
        list.push_formatted(quoted(entry).decorated(prefix, ""));
    }
    if !entries.is_empty() {
        list.set_trailing_comma(true);
        list.set_trailing("\n");
    }
    list
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
    let Some(prefix) = prefix else {
        return list.push(quoted(entry));
    };
    // What is remarked behind the last entry is about that one.
    let has_comma = list.trailing_comma();
    let behind = match has_comma {
        true => list.trailing().as_str().map(str::to_owned),
        false => list.iter().last().and_then(|last| {
            let suffix = last.decor().suffix()?;
            suffix.as_str().map(str::to_owned)
        }),
    };
    let behind = behind.unwrap_or_default();
    let (remark, below) = behind.split_at(behind.find('\n').unwrap_or(0));
    let mut suffix = "";
    if has_comma {
        list.set_trailing(below);
    } else if let Some(last) = list.iter_mut().last() {
        last.decor_mut().set_suffix("");
        suffix = below;
    }
    list.push_formatted(quoted(entry).decorated(format!("{remark}{prefix}"), suffix));
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
    fn a_remark_behind_the_last_entry_stays_behind_it() {
        let of = |list: &str| {
            let text = format!("[servers.one]\nsource = \"path:/x\"\nexec = {list}\n");
            let after = granted(&text, &additions()).unwrap();
            let (_, after) = after.split_once("exec = ").unwrap();
            let (list, _) = after.split_once("\n\n").unwrap();
            list.to_owned()
        };
        for (list, expected) in [
            (
                "[\n  \"a\", # one\n  \"b\", # two\n]",
                "[\n  \"a\", # one\n  \"b\", # two\n  \"git\",\n]",
            ),
            (
                "[\n  \"a\",\n  \"b\" # two\n  # end\n]",
                "[\n  \"a\",\n  \"b\", # two\n  \"git\"\n  # end\n]",
            ),
            ("[\n  \"a\",\n  \"b\"]", "[\n  \"a\",\n  \"b\",\n  \"git\"]"),
            ("[\"a\", \"b\"]", "[\"a\", \"b\", \"git\"]"),
        ] {
            assert_eq!(of(list), expected);
        }
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
    fn a_list_of_system_calls_is_written_in_lines_and_takes_the_place_of_another() {
        let calls: Vec<String> = (0..30)
            .map(|number| format!("call_number_{number}"))
            .collect();
        let text = "[servers.one]\nsource = \"path:/x\"\nsystem_calls = [\"read\"] # strict\n\n[servers.one.tools]\nallow = []\n";
        for text in [
            text.to_owned(),
            text.replace("system_calls = [\"read\"] # strict\n", ""),
        ] {
            let new = Additions {
                only_system_calls: Some(calls.clone()),
                ..Additions::default()
            };
            let after = granted(&text, &new).unwrap();
            let parsed = parse(&after).unwrap();
            let list = parsed["servers"]["one"]["system_calls"].as_array().unwrap();
            let list: Vec<&str> = list.iter().filter_map(toml::Value::as_str).collect();
            assert_eq!(list, calls);
            assert!(after.lines().all(|line| line.len() <= 90), "{after}");
            assert!(
                after.ends_with("\n[servers.one.tools]\nallow = []\n"),
                "{after}"
            );
            // One more, as `observe` proposes it where there is a list.
            let new = Additions {
                system_calls: vec!["one_more".to_owned()],
                ..Additions::default()
            };
            let after = granted(&after, &new).unwrap();
            assert!(
                parse(&after).unwrap()["servers"]["one"]["system_calls"]
                    .as_array()
                    .unwrap()
                    .len()
                    == 31,
                "{after}"
            );
        }
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
