//! The grants beyond tools in words and as JSON: `explain`, `add` and `lock` show them.

use serde_json::{Value, json};

use crate::relay::{Elicitation, Grants, Reach};

/// One key of `grants`.
pub(super) struct Entry {
    pub key: &'static str,
    pub value: Value,
    /// What it means, where it differs from what every server gets.
    pub words: Option<String>,
}

pub(super) fn entries(grants: &Grants) -> Vec<Entry> {
    let may = |key, granted: bool, words: &str| Entry {
        key,
        value: granted.into(),
        words: granted.then(|| words.to_owned()),
    };
    let without = |key, kept: bool, words: &str| Entry {
        key,
        value: kept.into(),
        words: (!kept).then(|| words.to_owned()),
    };
    vec![
        may(
            "sampling",
            grants.sampling,
            "may have the client's model answer (sampling)",
        ),
        Entry {
            key: "elicitation",
            value: match grants.elicitation {
                Elicitation::Off => Value::Null,
                granted => granted.name().into(),
            },
            words: match grants.elicitation {
                Elicitation::Off => None,
                Elicitation::Form => Some("may ask the user in forms (elicitation)".to_owned()),
                Elicitation::Url => Some(
                    "may ask the user in forms and have web pages opened (elicitation)".to_owned(),
                ),
            },
        },
        may(
            "roots",
            grants.roots,
            "may ask for the client's folders, as far as they are granted (roots)",
        ),
        may(
            "tasks",
            grants.tasks,
            "calls of its tools, and what it may ask, may be tasks whose result is fetched later (tasks)",
        ),
        Entry {
            key: "notifications",
            value: json!(grants.notifications),
            words: listed("may send", grants.notifications.iter()),
        },
        Entry {
            key: "methods",
            value: json!(grants.methods),
            words: listed("may be asked for", grants.methods.iter()),
        },
        reach("resources", &grants.resources),
        reach("prompts", &grants.prompts),
        without("completion", grants.completion, "no completion"),
        without("logging", grants.logging, "no log messages to the client"),
    ]
}

fn listed<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<&str> = names.map(String::as_str).collect();
    (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
}

fn reach(key: &'static str, reach: &Reach) -> Entry {
    let (value, words) = match reach {
        Reach::All => (true.into(), None),
        Reach::Off => (false.into(), Some(format!("no {key}"))),
        Reach::Matching(patterns) => {
            let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            let words = format!("{key} that match {} only", patterns.join(", "));
            (json!(patterns), Some(words))
        }
    };
    Entry { key, value, words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_said_and_everything_is_in_the_json() {
        let words = |grants: &Grants| -> Vec<String> {
            entries(grants)
                .into_iter()
                .filter_map(|entry| entry.words)
                .collect()
        };
        assert_eq!(words(&Grants::default()), Vec::<String>::new());
        assert_eq!(entries(&Grants::default()).len(), 10);
        let grants = Grants {
            sampling: true,
            elicitation: Elicitation::Url,
            roots: true,
            tasks: true,
            notifications: ["notifications/x".to_owned()].into(),
            methods: ["a/b".to_owned(), "c/d".to_owned()].into(),
            resources: Reach::Matching(vec!["demo://*".parse().unwrap()]),
            prompts: Reach::Off,
            completion: false,
            logging: false,
        };
        let said = words(&grants);
        assert_eq!(said.len(), 10, "{said:?}");
        assert_eq!(said[4], "may send notifications/x");
        assert_eq!(said[5], "may be asked for a/b, c/d");
        assert_eq!(said[6], "resources that match demo://* only");
        assert_eq!(said[7], "no prompts");
        let values: Vec<Value> = entries(&grants)
            .into_iter()
            .map(|entry| entry.value)
            .collect();
        assert_eq!(
            Value::Array(values),
            json!([
                true,
                "url",
                true,
                true,
                ["notifications/x"],
                ["a/b", "c/d"],
                ["demo://*"],
                false,
                false,
                false
            ])
        );
    }
}
