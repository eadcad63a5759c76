//! `[servers.NAME.grants]`: what a server may ask of the client, and which of its resources and
//! prompts the client reaches.

use std::collections::BTreeSet;

use toml::de::DeTable;

use super::diagnostic::Code;
use super::raw::{Node, Walk};
use crate::relay::{Elicitation, Grants, Pattern, Reach, refused_method, refused_notification};

const KEYS: [&str; 10] = [
    "sampling",
    "elicitation",
    "roots",
    "tasks",
    "notifications",
    "methods",
    "resources",
    "prompts",
    "completion",
    "logging",
];

/// Each is tried on every name and URI.
const MAX_PATTERNS: usize = 256;

pub(super) fn grants(walk: &mut Walk, node: &Node<'_>) -> Grants {
    let mut grants = Grants::default();
    let Some(table) = walk.table(node, "`grants`") else {
        return grants;
    };
    walk.only_keys(table, &KEYS, "`grants`");
    for (key, value) in [
        ("sampling", &mut grants.sampling),
        ("roots", &mut grants.roots),
        ("tasks", &mut grants.tasks),
        ("completion", &mut grants.completion),
        ("logging", &mut grants.logging),
    ] {
        if let Some(node) = table.get(key)
            && let Some(chosen) = walk.boolean(node, &format!("`grants.{key}`"))
        {
            *value = chosen;
        }
    }
    if let Some(node) = table.get("elicitation") {
        grants.elicitation = elicitation(walk, node);
    }
    grants.notifications = names(walk, table, "notifications", refused_notification);
    grants.methods = names(walk, table, "methods", refused_method);
    grants.resources = reach(walk, table, "resources");
    grants.prompts = reach(walk, table, "prompts");
    grants
}

fn elicitation(walk: &mut Walk, node: &Node<'_>) -> Elicitation {
    match walk.string(node, "`grants.elicitation`").as_deref() {
        Some("form") => Elicitation::Form,
        Some("url") => Elicitation::Url,
        None => Elicitation::Off,
        Some(_) => {
            walk.report_with_help(
                Code::InvalidValue,
                node.span(),
                "`grants.elicitation` is \"form\" or \"url\"",
                Some("\"url\" holds \"form\"; leave the key out for neither".to_owned()),
            );
            Elicitation::Off
        }
    }
}

/// Exact names, each once and none that something else decides about.
fn names(
    walk: &mut Walk,
    table: &DeTable<'_>,
    key: &str,
    refused: fn(&str) -> Option<String>,
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (text, span) in walk.strings(table.get(key), &format!("`grants.{key}`")) {
        if let Some(reason) = refused(&text) {
            walk.report(
                Code::InvalidValue,
                span,
                format!("`{text}` can't be granted in `grants.{key}`: {reason}"),
            );
        } else if !names.insert(text.clone()) {
            walk.report(Code::Duplicate, span, format!("`{text}` is listed twice"));
        }
    }
    names
}

/// All, none, or a list of patterns; an empty list is none.
fn reach(walk: &mut Walk, table: &DeTable<'_>, key: &str) -> Reach {
    let Some(node) = table.get(key) else {
        return Reach::All;
    };
    let what = format!("`grants.{key}`");
    match node.get_ref().as_bool() {
        Some(true) => return Reach::All,
        Some(false) => return Reach::Off,
        None if node.get_ref().is_array() => {}
        None => {
            walk.wrong_type(node, &what, "true, false or a list of patterns");
            return Reach::All;
        }
    }
    let mut patterns: Vec<Pattern> = Vec::new();
    for (text, span) in walk.strings(Some(node), &what) {
        match text.parse::<Pattern>() {
            Err(error) => walk.report(
                Code::InvalidValue,
                span,
                format!("`{text}` is not a pattern of {what}: {error}"),
            ),
            Ok(pattern) if patterns.contains(&pattern) => {
                walk.report(Code::Duplicate, span, format!("`{text}` is listed twice"));
            }
            Ok(pattern) => patterns.push(pattern),
        }
    }
    if patterns.len() > MAX_PATTERNS {
        walk.report(
            Code::InvalidValue,
            node.span(),
            format!("{what} has more than {MAX_PATTERNS} patterns"),
        );
    }
    if patterns.is_empty() {
        Reach::Off
    } else {
        Reach::Matching(patterns)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Manifest;

    fn parse(lines: &str) -> Result<Grants, Vec<(Code, usize, String)>> {
        let text = format!("[servers.s]\nsource = \"npm:x\"\ntools.allow = []\n{lines}\n");
        match Manifest::parse(&text, Path::new("/m/pinfold.toml"), None) {
            Ok(mut manifest) => Ok(manifest.servers.pop_first().unwrap().1.grants),
            Err(diagnostics) => Err(diagnostics
                .items()
                .iter()
                .map(|item| {
                    let column = diagnostics.position(item).1;
                    (item.code, column, item.message.clone())
                })
                .collect()),
        }
    }

    #[test]
    fn nothing_is_granted_and_everything_reached_by_default() {
        assert_eq!(parse("").unwrap(), Grants::default());
        assert_eq!(parse("grants = {}").unwrap(), Grants::default());
        let same = "grants = { sampling = false, roots = false, tasks = false, notifications = [], methods = [], resources = true, prompts = true, completion = true, logging = true }";
        assert_eq!(parse(same).unwrap(), Grants::default());
    }

    #[test]
    fn every_key_is_read() {
        let pattern = |text: &str| text.parse::<Pattern>().unwrap();
        let grants = parse(
            r#"[servers.s.grants]
sampling = true
elicitation = "url"
roots = true
tasks = true
notifications = ["notifications/x"]
methods = ["vendor/x", "skills/list"]
resources = ["file:///docs/*", "demo://a"]
prompts = ["greet*"]
completion = false
logging = false"#,
        )
        .unwrap();
        assert_eq!(
            grants,
            Grants {
                sampling: true,
                elicitation: Elicitation::Url,
                roots: true,
                tasks: true,
                notifications: ["notifications/x".to_owned()].into(),
                methods: ["vendor/x".to_owned(), "skills/list".to_owned()].into(),
                resources: Reach::Matching(vec![pattern("file:///docs/*"), pattern("demo://a")]),
                prompts: Reach::Matching(vec![pattern("greet*")]),
                completion: false,
                logging: false,
            }
        );
        assert_eq!(
            parse("grants.elicitation = \"form\"").unwrap().elicitation,
            Elicitation::Form
        );
        for none in ["false", "[]"] {
            let grants = parse(&format!(
                "grants.resources = {none}\ngrants.prompts = {none}"
            ));
            let grants = grants.unwrap();
            assert_eq!((grants.resources, grants.prompts), (Reach::Off, Reach::Off));
        }
    }

    #[test]
    fn each_mistake_is_reported_in_its_place() {
        for (line, code, column, says) in [
            ("grants = true", Code::WrongType, 10, "must be a table"),
            (
                "grants.sample = true",
                Code::UnknownKey,
                8,
                "unknown key `sample`",
            ),
            (
                "grants.sampling = \"yes\"",
                Code::WrongType,
                19,
                "true or false",
            ),
            ("grants.roots = 1", Code::WrongType, 16, "true or false"),
            ("grants.tasks = []", Code::WrongType, 16, "true or false"),
            ("grants.elicitation = true", Code::WrongType, 22, "a string"),
            (
                "grants.elicitation = \"none\"",
                Code::InvalidValue,
                22,
                "\"form\" or \"url\"",
            ),
            (
                "grants.methods = \"x\"",
                Code::WrongType,
                18,
                "a list of strings",
            ),
            (
                "grants.methods = [\"tasks/get\"]",
                Code::InvalidValue,
                19,
                "`grants.tasks` decides",
            ),
            (
                "grants.methods = [\"x\", \"x\"]",
                Code::Duplicate,
                24,
                "listed twice",
            ),
            (
                "grants.methods = [\"*\"]",
                Code::InvalidValue,
                19,
                "1 to 128",
            ),
            (
                "grants.methods = [\"sampling/createMessage\"]",
                Code::InvalidValue,
                19,
                "`grants.sampling` decides",
            ),
            (
                "grants.notifications = [\"notifications/message\"]",
                Code::InvalidValue,
                25,
                "`grants.logging` decides",
            ),
            (
                "grants.notifications = [\"notifications/tasks/status\"]",
                Code::InvalidValue,
                25,
                "`grants.tasks` decides",
            ),
            (
                "grants.resources = \"*\"",
                Code::WrongType,
                20,
                "a list of patterns",
            ),
            (
                "grants.resources = [\"\"]",
                Code::InvalidValue,
                21,
                "it is empty",
            ),
            (
                "grants.resources = [1]",
                Code::WrongType,
                21,
                "must be a string",
            ),
            (
                "grants.prompts = [\"a\", \"a\"]",
                Code::Duplicate,
                24,
                "listed twice",
            ),
        ] {
            let mistakes = parse(line).unwrap_err();
            let [(found, place, message)] = mistakes.as_slice() else {
                panic!("{line}: {mistakes:?}");
            };
            assert_eq!((*found, *place), (code, column), "{line}: {message}");
            assert!(message.contains(says), "{line}: {message}");
        }
        let many: Vec<String> = (0..257).map(|number| format!("p{number}")).collect();
        let mistakes = parse(&format!("grants.prompts = {many:?}")).unwrap_err();
        assert!(mistakes[0].2.contains("more than 256"), "{mistakes:?}");
    }
}
