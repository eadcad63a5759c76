//! Examples made whole, and changed at one key.

use toml_edit::{DocumentMut, Item, TableLike, Value};

/// A manifest of an example: as it is when it has a header, else as lines of one server.
pub(super) fn whole(example: &str) -> String {
    let document: DocumentMut = example.parse().unwrap_or_else(|error| {
        panic!("an example is not TOML: {error}\n{example}");
    });
    if ["settings", "servers"]
        .iter()
        .any(|key| document.contains_key(key))
    {
        return example.to_owned();
    }
    let missing = |key: &str, line: &str| match document.contains_key(key) {
        true => String::new(),
        false => format!("{line}\n"),
    };
    format!(
        "[servers.example]\n{}{}{example}",
        missing("source", "source = \"npm:zod\""),
        missing("tools", "tools.allow = []"),
    )
}

/// `text` with another value at `path`, in TOML. `None` when the way there is not in it.
pub(super) fn with(text: &str, path: &str, value: &str) -> Option<String> {
    let value: Value = value.parse().unwrap();
    change(text, path, |table, key| {
        table.insert(key, Item::Value(value));
    })
}

/// `text` without what is at `path`.
pub(super) fn without(text: &str, path: &str) -> Option<String> {
    change(text, path, |table, key| {
        table.remove(key);
    })
}

fn change(text: &str, path: &str, edit: impl FnOnce(&mut dyn TableLike, &str)) -> Option<String> {
    let mut document: DocumentMut = text.parse().unwrap();
    let (above, last) = path.rsplit_once('.').unwrap_or(("", path));
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for word in above.split('.').filter(|word| !word.is_empty()) {
        let key = named(table, word)?;
        table = table.get_mut(&key)?.as_table_like_mut()?;
    }
    let key = named(table, last)?;
    edit(table, &key);
    Some(document.to_string())
}

/// The key that a word of a path means: a word in capitals is the first that is there.
fn named(table: &dyn TableLike, word: &str) -> Option<String> {
    if !is_free(word) {
        return table.contains_key(word).then(|| word.to_owned());
    }
    table.iter().next().map(|(key, _)| key.to_owned())
}

pub(super) fn is_free(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_uppercase())
}
