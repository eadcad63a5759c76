//! What a bundle (.mcpb) adds to a launch: its arguments, its variables, and where the values in
//! them come from.

use serde_json::{Value, json};

use super::explain::Explained;
use super::output;
use crate::policy::{VariableSource, variable_sources};
use crate::resolve::bundle::{BundleDescription, ValueOrigin};

const MAX_TEXT: usize = 400;

/// Names and where each is from, for a person.
pub(super) fn rows(explained: &Explained<'_>, bundle: &BundleDescription) -> Vec<(String, String)> {
    let shown = |text: &str| output::foreign(text, MAX_TEXT);
    let mut rows = vec![(
        shown(&format!("{} {}", bundle.name, bundle.version)),
        "its manifest.json, pinned with the tree".to_owned(),
    )];
    if !bundle.arguments.is_empty() {
        rows.push(("arguments".to_owned(), shown(&bundle.arguments.join(" "))));
    }
    for (name, text) in &bundle.environment {
        let mut text = format!("`{}`", shown(text));
        if is_overruled(explained, name) {
            text.push_str("; overruled by the environment above");
        }
        rows.push((shown(name), text));
    }
    for (key, value) in &bundle.values {
        let line = explained.lines.get(&format!("config.{key}"));
        let line = line.map_or_else(
            || "the manifest".to_owned(),
            |line| format!("manifest, line {line}"),
        );
        let texts = |texts: &[String]| match value.sensitive {
            true => "a secret".to_owned(),
            false => shown(&texts.join(" ")),
        };
        let text = match &value.origin {
            ValueOrigin::Manifest(given) => format!("{} ({line})", texts(given)),
            ValueOrigin::Client(name) => format!("from the client's {} ({line})", shown(name)),
            ValueOrigin::Secret(source) => format!("{} ({line})", shown(source)),
            ValueOrigin::Bundle(given) => format!("{} (the bundle's default)", texts(given)),
            ValueOrigin::Nothing if value.required => "missing, and required".to_owned(),
            ValueOrigin::Nothing => "none".to_owned(),
        };
        rows.push((format!("config.{}", shown(key)), text));
    }
    rows
}

pub(super) fn document(explained: &Explained<'_>, bundle: &BundleDescription) -> Value {
    let variables: Vec<Value> = bundle
        .environment
        .iter()
        .map(|(name, text)| json!({ "name": name, "value": text, "overruled": is_overruled(explained, name) }))
        .collect();
    let values: Vec<Value> = bundle
        .values
        .iter()
        .map(|(key, value)| {
            let (from, texts, client) = match &value.origin {
                ValueOrigin::Manifest(texts) => ("manifest", Some(texts), None),
                ValueOrigin::Client(name) => ("client", None, Some(name)),
                ValueOrigin::Secret(_) => ("secret", None, None),
                ValueOrigin::Bundle(texts) => ("bundle", Some(texts), None),
                ValueOrigin::Nothing => ("nothing", None, None),
            };
            json!({
                "key": key,
                "required": value.required,
                "sensitive": value.sensitive,
                "value_from": from,
                "values": texts.filter(|_| !value.sensitive),
                "client_name": client,
                "line": explained.lines.get(&format!("config.{key}")),
            })
        })
        .collect();
    json!({
        "name": bundle.name,
        "version": bundle.version,
        "arguments": bundle.arguments,
        "environment": variables,
        "values": values,
    })
}

/// Whether manifest or pinfold give the variable another value.
fn is_overruled(explained: &Explained<'_>, name: &str) -> bool {
    let sources = variable_sources(&explained.server.env);
    !matches!(sources.get(name), None | Some(VariableSource::Passed))
}
