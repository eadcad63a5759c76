//! Capabilities on their way: what a client declares is reduced to what its server may ask for,
//! what a server announces to what its client may use. A side that sees no capability does not
//! ask; one that asks all the same is refused elsewhere.

use super::catalogue::{CLIENT_CAPABILITIES, Right, SERVER_CAPABILITIES, subcapabilities};
use super::grants::Grants;
use super::json::{Object, Value};
use super::look::Era;
use super::task_capabilities;

/// What a client has declared of what is granted: what its server may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) sampling: bool,
    /// Sampling with tools of the server's own.
    pub(super) sampling_tools: bool,
    pub(super) form: bool,
    pub(super) url: bool,
    pub(super) roots: bool,
    /// Being asked to sample, or to ask the user, as a task (2025-11-25).
    pub(super) sampling_tasks: bool,
    pub(super) elicitation_tasks: bool,
}

/// A client with everything that a server could be granted to make use of.
const EVERYTHING: &[u8] =
    br#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"tasks":{"cancel":{},"requests":{"sampling":{"createMessage":{}},"elicitation":{"create":{}}}}}"#;

/// As JSON: what the server sees of a client that declares everything.
pub(super) fn all_granted(grants: &Grants, era: Era) -> String {
    let (granted, _) = granted_of_object(Object::of_canonical(EVERYTHING), grants, era);
    String::from_utf8(granted).unwrap_or_default()
}

/// The client's capabilities as the server sees them, and what they say. What is not an object
/// declares nothing.
pub(super) fn granted_of_client(
    capabilities: Value<'_>,
    grants: &Grants,
    era: Era,
) -> (Vec<u8>, Declared) {
    match capabilities.as_object() {
        Some(capabilities) => granted_of_object(capabilities, grants, era),
        None => (b"{}".to_vec(), Declared::default()),
    }
}

fn granted_of_object(capabilities: Object<'_>, grants: &Grants, era: Era) -> (Vec<u8>, Declared) {
    let mut declared = Declared::default();
    let mut output = b"{".to_vec();
    for member in capabilities.members() {
        let known = CLIENT_CAPABILITIES
            .iter()
            .find(|(name, _)| member.raw_key == name.as_bytes());
        let granted = known
            .filter(|(_, right)| grants.has(*right) && is_of(era, *right))
            .and_then(|(name, right)| Some((name, *right, member.value.as_object()?)));
        let Some((name, right, inner)) = granted else {
            continue;
        };
        let Some(value) = capability(right, inner, grants, &mut declared) else {
            continue;
        };
        if output.len() > 1 {
            output.push(b',');
        }
        output.extend_from_slice(format!("\"{name}\":").as_bytes());
        output.extend_from_slice(&value);
    }
    output.push(b'}');
    (output, declared)
}

/// One granted capability without what is not granted in it; `None` when nothing is left.
fn capability(
    right: Right,
    inner: Object<'_>,
    grants: &Grants,
    declared: &mut Declared,
) -> Option<Vec<u8>> {
    if right == Right::Tasks {
        return task_capabilities::granted_of_client(inner, grants, declared);
    }
    let has = |key: &str| inner.find(key).is_some();
    let mut known = subcapabilities(right).to_vec();
    match right {
        Right::Sampling => {
            declared.sampling = true;
            declared.sampling_tools = has("tools");
        }
        Right::Roots => declared.roots = true,
        _ => {
            // Nothing in it means forms only: 2025-06-18 had nothing else.
            let form = has("form") || inner.members().next().is_none();
            let url = has("url") && grants.has(Right::UrlElicitation);
            if !url {
                known.retain(|key| *key != "url");
            }
            if !form && !url {
                return None;
            }
            declared.form = form;
            declared.url = url;
        }
    }
    Some(inner.retain(|member| known.iter().any(|key| member.raw_key == key.as_bytes())))
}

/// Tasks are a capability of 2025-11-25 only. What has their name later is an extension.
fn is_of(era: Era, right: Right) -> bool {
    right != Right::Tasks || era == Era::Session
}

/// The capabilities in the answer to `initialize` or `server/discover` without those that
/// promise what does not pass; `None` when nothing has to go.
pub(super) fn granted_of_server(result: Object<'_>, grants: &Grants, era: Era) -> Option<Vec<u8>> {
    let announced = result.find("capabilities")?.as_object()?;
    let tasks = announced.find("tasks").and_then(Value::as_object);
    let tasks = tasks.and_then(task_capabilities::granted_of_server);
    let mut granted = announced.retain(|member| {
        SERVER_CAPABILITIES.iter().any(|(name, taken_with)| {
            member.raw_key == name.as_bytes()
                && taken_with.is_none_or(|right| {
                    let is_left = right != Right::Tasks || tasks.is_some();
                    grants.has(right) && is_of(era, right) && is_left
                })
        })
    });
    if let Some(tasks) = tasks {
        granted = Object::of_canonical(&granted).with("tasks", &tasks);
    }
    (granted != announced.raw()).then(|| result.with("capabilities", &granted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::grants::{Elicitation, Reach};
    use crate::relay::strict::CanonicalLine;

    fn client(capabilities: &str, grants: &Grants) -> (String, Declared) {
        let line = format!("{{\"c\":{capabilities}}}");
        let line = CanonicalLine::read(line.as_bytes(), 4096).unwrap();
        let (granted, declared) =
            granted_of_client(line.root().find("c").unwrap(), grants, Era::Session);
        (String::from_utf8(granted).unwrap(), declared)
    }

    const ALL: &str = r#"{"experimental":{"x":{}},"roots":{"listChanged":true,"x":1},"sampling":{"context":{},"tools":{"a":1},"x":{}},"elicitation":{"form":{"b":2},"url":{},"x":{}},"tasks":{"list":{}},"extensions":{"io.modelcontextprotocol/ui":{}},"Roots":{},"vendor":{}}"#;

    #[test]
    fn each_capability_needs_its_grant() {
        assert_eq!(
            client(ALL, &Grants::default()),
            ("{}".to_owned(), Declared::default())
        );
        let roots = Grants {
            roots: true,
            ..Grants::default()
        };
        let (granted, declared) = client(ALL, &roots);
        assert_eq!(granted, r#"{"roots":{"listChanged":true}}"#);
        assert!(declared.roots && !declared.sampling && !declared.form && !declared.url);
        let sampling = Grants {
            sampling: true,
            ..Grants::default()
        };
        let (granted, declared) = client(ALL, &sampling);
        assert_eq!(granted, r#"{"sampling":{"tools":{"a":1}}}"#);
        assert!(declared.sampling && declared.sampling_tools && !declared.roots);
        let (granted, declared) = client(r#"{"sampling":{"context":{}}}"#, &sampling);
        assert_eq!(granted, r#"{"sampling":{}}"#);
        assert!(declared.sampling && !declared.sampling_tools);
        let all = Grants {
            sampling: true,
            elicitation: Elicitation::Url,
            roots: true,
            ..Grants::default()
        };
        let (granted, declared) = client(ALL, &all);
        assert_eq!(
            granted,
            r#"{"roots":{"listChanged":true},"sampling":{"tools":{"a":1}},"elicitation":{"form":{"b":2},"url":{}}}"#
        );
        let everything = String::from_utf8_lossy(EVERYTHING).into_owned();
        assert_eq!(all_granted(&Grants::default(), Era::Session), "{}");
        let tasks = Grants {
            tasks: true,
            ..all.clone()
        };
        assert_eq!(all_granted(&tasks, Era::Session), everything);
        let (before, _) = everything.split_once(",\"tasks\"").unwrap();
        let before = format!("{before}}}");
        assert_eq!(all_granted(&all, Era::Session), before);
        assert_eq!(all_granted(&tasks, Era::Stateless), before);
        let everything = Declared {
            sampling: true,
            sampling_tools: true,
            form: true,
            url: true,
            roots: true,
            sampling_tasks: false,
            elicitation_tasks: false,
        };
        assert_eq!(declared, everything);
        for nothing in [
            "{}",
            "[]",
            "null",
            "true",
            r#"{"roots":true,"sampling":[]}"#,
        ] {
            let expected = ("{}".to_owned(), Declared::default());
            assert_eq!(client(nothing, &all), expected, "{nothing}");
        }
    }

    #[test]
    fn elicitation_is_reduced_to_what_both_sides_have() {
        // (declared, with "form", with "url"): the empty text is no capability at all.
        for (declared, form, url) in [
            (r#"{}"#, "{}", "{}"),
            (r#"{"form":{}}"#, r#"{"form":{}}"#, r#"{"form":{}}"#),
            (r#"{"url":{}}"#, "", r#"{"url":{}}"#),
            (
                r#"{"form":{},"url":{}}"#,
                r#"{"form":{}}"#,
                r#"{"form":{},"url":{}}"#,
            ),
            (r#"{"Url":{}}"#, "", ""),
        ] {
            for (elicitation, expected) in [
                (Elicitation::Off, ""),
                (Elicitation::Form, form),
                (Elicitation::Url, url),
            ] {
                let grants = Grants {
                    elicitation,
                    ..Grants::default()
                };
                let given = format!("{{\"elicitation\":{declared}}}");
                let (granted, says) = client(&given, &grants);
                let expected = match expected {
                    "" => "{}".to_owned(),
                    inner => format!("{{\"elicitation\":{inner}}}"),
                };
                assert_eq!(granted, expected, "{declared} {elicitation:?}");
                assert_eq!(says.url, granted.contains("url"), "{declared}");
                let forms = expected.contains("form") || expected.ends_with(":{}}");
                assert_eq!(says.form, forms, "{declared} {elicitation:?}");
            }
        }
    }

    #[test]
    fn a_server_announces_what_passes_only() {
        let announced = r#"{"capabilities":{"tools":{},"resources":{"subscribe":true},"prompts":{},"logging":{},"completions":{},"tasks":{},"experimental":{},"extensions":{}}}"#;
        let line = CanonicalLine::read(announced.as_bytes(), 4096).unwrap();
        let seen = |grants: &Grants| {
            String::from_utf8(granted_of_server(line.root(), grants, Era::Session).unwrap())
                .unwrap()
        };
        assert_eq!(
            seen(&Grants::default()),
            r#"{"capabilities":{"tools":{},"resources":{"subscribe":true},"prompts":{},"logging":{},"completions":{}}}"#
        );
        let off = Grants {
            resources: Reach::Off,
            prompts: Reach::Off,
            completion: false,
            logging: false,
            ..Grants::default()
        };
        assert_eq!(seen(&off), r#"{"capabilities":{"tools":{}}}"#);
        // Tasks: calls and cancelling, in 2025-11-25 only.
        let tasks = Grants { tasks: true, ..off };
        assert_eq!(seen(&tasks), r#"{"capabilities":{"tools":{}}}"#);
        let announced = r#"{"capabilities":{"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}},"tools":{}}}"#;
        let line = CanonicalLine::read(announced.as_bytes(), 4096).unwrap();
        let seen = |era| {
            let seen = granted_of_server(line.root(), &tasks, era).unwrap();
            String::from_utf8(seen).unwrap()
        };
        assert_eq!(seen(Era::Session), announced.replace(r#""list":{},"#, ""));
        assert_eq!(seen(Era::Stateless), r#"{"capabilities":{"tools":{}}}"#);
    }
}
