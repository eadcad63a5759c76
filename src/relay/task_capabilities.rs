//! The capability `tasks` (2025-11-25) on its way: which requests may be made tasks, as far as
//! these are granted, and that they can be cancelled. Never `list`, which shows tasks of others.

use super::capabilities::Declared;
use super::catalogue::Right;
use super::grants::Grants;
use super::json::{Object, Value};

/// The client's, and what it says; `None` when nothing is left of it.
pub(super) fn granted_of_client(
    tasks: Object<'_>,
    grants: &Grants,
    declared: &mut Declared,
) -> Option<Vec<u8>> {
    let can = |category: &str, request: &str| has(tasks, category, request);
    declared.sampling_tasks = grants.has(Right::Sampling) && can("sampling", "createMessage");
    declared.elicitation_tasks = grants.has(Right::Elicitation) && can("elicitation", "create");
    let mut requests = Vec::new();
    if declared.sampling_tasks {
        requests.push(r#""sampling":{"createMessage":{}}"#);
    }
    if declared.elicitation_tasks {
        requests.push(r#""elicitation":{"create":{}}"#);
    }
    written(tasks, &requests)
}

/// The server's; `None` when it can't make tasks of calls.
pub(super) fn granted_of_server(tasks: Object<'_>) -> Option<Vec<u8>> {
    let calls = has(tasks, "tools", "call").then_some(r#""tools":{"call":{}}"#);
    written(tasks, calls.as_slice())
}

fn has(tasks: Object<'_>, category: &str, request: &str) -> bool {
    let requests = tasks.find("requests").and_then(Value::as_object);
    requests
        .and_then(|requests| requests.find(category)?.as_object())
        .and_then(|category| category.find(request)?.as_object())
        .is_some()
}

fn written(tasks: Object<'_>, requests: &[&str]) -> Option<Vec<u8>> {
    if requests.is_empty() {
        return None;
    }
    let cancel = tasks.find("cancel").and_then(Value::as_object);
    let cancel = cancel.map_or("", |_| r#""cancel":{},"#);
    Some(format!("{{{cancel}\"requests\":{{{}}}}}", requests.join(",")).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::grants::Elicitation;
    use crate::relay::strict::CanonicalLine;

    const ALL: &str = r#"{"list":{},"cancel":{"x":1},"x":{},"requests":{"sampling":{"createMessage":{"y":1},"x":{}},"elicitation":{"create":{}},"tools":{"call":{},"list":{}},"x":{"y":{}}}}"#;

    fn text(bytes: Option<Vec<u8>>) -> String {
        bytes.map_or_else(String::new, |bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn of_a_client_only_what_is_granted_is_left() {
        let sampling = r#""sampling":{"createMessage":{}}"#;
        let elicitation = r#""elicitation":{"create":{}}"#;
        let both = format!("{sampling},{elicitation}");
        for (may_sample, may_ask, left) in [
            (true, Elicitation::Form, both.as_str()),
            (true, Elicitation::Off, sampling),
            (false, Elicitation::Url, elicitation),
            (false, Elicitation::Off, ""),
        ] {
            let grants = Grants {
                sampling: may_sample,
                elicitation: may_ask,
                tasks: true,
                ..Grants::default()
            };
            let line = CanonicalLine::read(ALL.as_bytes(), 4096).unwrap();
            let mut declared = Declared::default();
            let granted = granted_of_client(line.root(), &grants, &mut declared);
            let expected = match left {
                "" => String::new(),
                left => format!("{{\"cancel\":{{}},\"requests\":{{{left}}}}}"),
            };
            assert_eq!(text(granted), expected);
            let says = (declared.sampling_tasks, declared.elicitation_tasks);
            assert_eq!(says, (may_sample, may_ask != Elicitation::Off));
        }
    }

    #[test]
    fn of_a_server_calls_and_cancelling_are_left() {
        for (announced, left) in [
            (ALL, r#"{"cancel":{},"requests":{"tools":{"call":{}}}}"#),
            (
                r#"{"requests":{"tools":{"call":{}}}}"#,
                r#"{"requests":{"tools":{"call":{}}}}"#,
            ),
            (r#"{"list":{},"cancel":{}}"#, ""),
            (r#"{"requests":{"tools":{"call":true}}}"#, ""),
            (r#"{"requests":{"tools":[]},"cancel":true}"#, ""),
            (r#"{"requests":{"Tools":{"call":{}}}}"#, ""),
            ("{}", ""),
        ] {
            let line = CanonicalLine::read(announced.as_bytes(), 4096).unwrap();
            assert_eq!(text(granted_of_server(line.root())), left, "{announced}");
        }
    }
}
