//! Reading `docs/manifest.md`: its keys with what is said of each, and its tables.

use std::collections::BTreeMap;

/// What the page says of one key.
#[derive(Debug)]
pub(super) struct Key {
    /// Such as `servers.NAME.limits.memory`; what is written in capitals is free.
    pub(super) path: String,
    /// Words such as `string` and `list`.
    pub(super) types: Vec<String>,
    pub(super) default: Default,
    pub(super) text: String,
    pub(super) example: String,
    /// What is refused, and what is said then.
    pub(super) refused: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Default {
    Required,
    /// What holds without the key, in TOML.
    Literal(String),
    OfTheProfile,
    Unset,
    /// The key's name is free, so there is nothing that could be missing.
    Free,
}

#[derive(Debug)]
pub(super) struct Page {
    pub(super) keys: Vec<Key>,
    /// Those that are not of a key.
    pub(super) examples: Vec<String>,
    /// Rows by the section they are in and the table's first word.
    tables: BTreeMap<(String, String), Vec<Vec<String>>>,
    pub(super) problems: Vec<String>,
}

impl Page {
    pub(super) fn read(text: &str) -> Self {
        let mut page = Self {
            keys: Vec::new(),
            examples: Vec::new(),
            tables: BTreeMap::new(),
            problems: Vec::new(),
        };
        let mut section = String::new();
        let mut table: Option<String> = None;
        // Headings stand at the beginning of lines, outside of blocks; comments in TOML would look alike.
        let mut lines = text.lines().peekable();
        let mut body: Vec<&str> = Vec::new();
        let mut key: Option<String> = None;
        let mut in_block = false;
        while let Some(line) = lines.next() {
            in_block ^= line.starts_with("```");
            let heading = (!in_block && line.starts_with('#')).then_some(line);
            if let Some(heading) = heading {
                page.finish(key.take(), &std::mem::take(&mut body));
                match heading.strip_prefix("### `") {
                    Some(name) => key = Some(name.trim_end_matches('`').to_owned()),
                    None => heading
                        .trim_start_matches(['#', ' '])
                        .clone_into(&mut section),
                }
                continue;
            }
            body.push(line);
            let cells = cells(line).filter(|_| !in_block);
            match (cells, &table) {
                (None, _) => table = None,
                (Some(cells), None) => {
                    let first = cells[0].clone();
                    page.tables
                        .insert((section.clone(), first.clone()), Vec::new());
                    table = Some(first);
                    // The line below the heads.
                    lines.next();
                }
                (Some(cells), Some(first)) => {
                    let place = (section.clone(), first.clone());
                    page.tables.entry(place).or_default().push(cells);
                }
            }
        }
        page.finish(key, &body);
        page
    }

    /// The rows of a table, of which there has to be one at least.
    pub(super) fn rows(&self, section: &str, first: &str) -> &[Vec<String>] {
        let rows = self.tables.get(&(section.to_owned(), first.to_owned()));
        let rows = rows.filter(|rows| !rows.is_empty());
        rows.unwrap_or_else(|| panic!("no table `{first}` in the section {section}"))
    }

    fn finish(&mut self, path: Option<String>, body: &[&str]) {
        let Some(path) = path else {
            self.examples.extend(
                blocks(body)
                    .into_iter()
                    .filter(|(kind, _)| kind == "toml")
                    .map(|(_, text)| text),
            );
            return;
        };
        match key(&path, body) {
            Ok(key) if self.keys.iter().any(|other| other.path == key.path) => {
                self.problems.push(format!("`{path}` is there twice"));
            }
            Ok(key) => self.keys.push(key),
            Err(problem) => self.problems.push(format!("`{path}`: {problem}")),
        }
    }
}

fn key(path: &str, body: &[&str]) -> Result<Key, String> {
    let mut lines = body.iter().filter(|line| !line.is_empty());
    let head = lines.next().copied().unwrap_or_default();
    let (types, default) = head
        .split_once(" · ")
        .ok_or("it has no line with its type and its default")?;
    let types = types.replace(" or ", ", ");
    let default = match default {
        "required" => Default::Required,
        "no default" => Default::Free,
        "default none" => Default::Unset,
        "default of the profile" => Default::OfTheProfile,
        literal => {
            let code = literal
                .strip_prefix("default `")
                .and_then(|rest| rest.strip_suffix('`'));
            Default::Literal(code.ok_or("its default can't be read")?.to_owned())
        }
    };
    let mut blocks = blocks(body).into_iter();
    let example = match blocks.next() {
        Some((kind, example)) if kind == "toml" => example,
        _ => return Err("it has no example".to_owned()),
    };
    let mut refused = Vec::new();
    while let Some((kind, text)) = blocks.next() {
        let said = blocks.next();
        match (kind.as_str(), said) {
            ("toml refused", Some((kind, said))) if kind == "text" => refused.push((text, said)),
            _ => return Err(format!("a block `{kind}` out of its order")),
        }
    }
    Ok(Key {
        path: path.to_owned(),
        types: types.split(", ").map(str::to_owned).collect(),
        default,
        text: body.join("\n"),
        example,
        refused,
    })
}

/// The blocks of code, each with what stands behind its opening.
fn blocks(body: &[&str]) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in body {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => open = Some((kind.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// The cells of a row.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(
        inner
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect(),
    )
}

/// What stands between backticks.
pub(super) fn codes(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}
