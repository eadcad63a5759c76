//! Which of a server's resources and prompts the client reaches: requests judged, lists and
//! subscriptions filtered. Where everything is reached nothing is looked at.

use super::catalogue::{ClientRequest, Right};
use super::codes;
use super::confusion::refuse_confusing_keys;
use super::event::kept;
use super::grants::Grants;
use super::json::{Object, Value};

/// Keys of a resource or prompt that are read here and are not routed anyway.
const ENTRY_KEYS: [&str; 1] = ["uriTemplate"];

/// A request about a resource or prompt that the client does not reach.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreached {
    pub(super) code: i64,
    pub(super) message: String,
}

impl Unreached {
    fn invalid(message: &str) -> Self {
        Self {
            code: codes::INVALID_PARAMS,
            message: format!("Refused: {message}"),
        }
    }
}

/// Judges what a request names. `modern`: the answer is to be one of 2026-07-28, where the code
/// of a missing resource is another one (SEP-2164).
pub(super) fn judge(
    request: ClientRequest,
    params: Option<Object<'_>>,
    grants: &Grants,
    modern: bool,
) -> Result<(), Unreached> {
    match request {
        ClientRequest::ReadResource | ClientRequest::Subscribe(_) => {
            judge_resource(params, grants, modern)
        }
        ClientRequest::GetPrompt => judge_prompt(params, grants),
        ClientRequest::Complete => judge_reference(params, grants, modern),
        _ => Ok(()),
    }
}

fn judge_resource(
    params: Option<Object<'_>>,
    grants: &Grants,
    modern: bool,
) -> Result<(), Unreached> {
    if grants.resources.is_all() {
        return Ok(());
    }
    let uri = params.and_then(|params| params.find("uri"));
    let Some(uri) = uri.and_then(Value::as_text) else {
        return Err(Unreached::invalid("`uri` is not a string"));
    };
    if grants.resources.has_uri(&uri) {
        return Ok(());
    }
    Err(Unreached {
        code: if modern {
            codes::INVALID_PARAMS
        } else {
            codes::RESOURCE_NOT_FOUND
        },
        message: format!("Resource not found: {}", kept(&uri)),
    })
}

fn judge_prompt(params: Option<Object<'_>>, grants: &Grants) -> Result<(), Unreached> {
    if grants.prompts.is_all() {
        return Ok(());
    }
    let name = params.and_then(|params| params.find("name"));
    let Some(name) = name.and_then(Value::as_text) else {
        return Err(Unreached::invalid("`name` is not a string"));
    };
    if grants.prompts.has_name(&name) {
        return Ok(());
    }
    Err(Unreached {
        code: codes::INVALID_PARAMS,
        message: format!("Unknown prompt: {}", kept(&name)),
    })
}

/// `ref` of `completion/complete`: a prompt by name, a resource by URI or template.
fn judge_reference(
    params: Option<Object<'_>>,
    grants: &Grants,
    modern: bool,
) -> Result<(), Unreached> {
    if grants.resources.is_all() && grants.prompts.is_all() {
        return Ok(());
    }
    let reference = params.and_then(|params| params.find("ref"));
    let reference = reference.and_then(Value::as_object);
    let readable =
        reference.filter(|reference| refuse_confusing_keys(*reference, &["type"]).is_ok());
    match readable.and_then(|reference| reference.find("type")?.as_text()) {
        Some(kind) if kind == "ref/prompt" => judge_prompt(readable, grants),
        Some(kind) if kind == "ref/resource" => judge_resource(readable, grants, modern),
        _ => Err(Unreached::invalid(
            "`ref` is neither a prompt nor a resource",
        )),
    }
}

/// A list without what is not reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filtered {
    /// The result to forward instead, if something was hidden.
    pub(super) result: Option<Vec<u8>>,
    pub(super) hidden: usize,
    /// The key of the list.
    pub(super) list: &'static str,
}

/// Filters the answer to one of the list requests, which may be one page of many. `None` when
/// there is nothing to filter by; an error holds the key that is not an array.
pub(super) fn filter(
    request: ClientRequest,
    result: Object<'_>,
    grants: &Grants,
) -> Option<Result<Filtered, &'static str>> {
    let (list, key, reach) = match request {
        ClientRequest::ListResources => ("resources", "uri", &grants.resources),
        ClientRequest::ListResourceTemplates => {
            ("resourceTemplates", "uriTemplate", &grants.resources)
        }
        ClientRequest::ListPrompts => ("prompts", "name", &grants.prompts),
        _ => return None,
    };
    if reach.is_all() {
        return None;
    }
    let Some(entries) = result.find(list).and_then(Value::as_array) else {
        return Some(Err(list));
    };
    let mut hidden = 0;
    let mut output = b"[".to_vec();
    for entry in entries {
        let readable = entry
            .as_object()
            .filter(|entry| refuse_confusing_keys(*entry, &ENTRY_KEYS).is_ok());
        let name = readable.and_then(|entry| entry.find(key)?.as_text());
        let reached = name.is_some_and(|name| match key {
            "name" => reach.has_name(&name),
            _ => reach.has_uri(&name),
        });
        if !reached {
            hidden += 1;
            continue;
        }
        if output.len() > 1 {
            output.push(b',');
        }
        output.extend_from_slice(entry.raw());
    }
    output.push(b']');
    Some(Ok(Filtered {
        result: (hidden > 0).then(|| result.with(list, &output)),
        hidden,
        list,
    }))
}

/// Whether a notification about one resource may reach the client.
pub(super) fn may_update(params: Option<Object<'_>>, grants: &Grants) -> bool {
    if grants.resources.is_all() {
        return true;
    }
    let uri = params.and_then(|params| params.find("uri"));
    uri.and_then(Value::as_text)
        .is_some_and(|uri| grants.resources.has_uri(&uri))
}

/// `params.notifications` of `subscriptions/listen` without what is not granted: a server
/// acknowledges what it was asked for, so the client sees what became of it.
pub(super) fn granted_subscriptions(notifications: Object<'_>, grants: &Grants) -> Option<Vec<u8>> {
    let known = notifications.retain(|member| match member.raw_key {
        b"toolsListChanged" => true,
        b"promptsListChanged" => grants.has(Right::Prompts),
        b"resourcesListChanged" | b"resourceSubscriptions" => grants.has(Right::Resources),
        _ => false,
    });
    let now = Object::of_canonical(&known);
    let mut output = known.clone();
    if !grants.resources.is_all()
        && let Some(asked) = now.find("resourceSubscriptions")
    {
        // What is no list names no resource.
        let uris = asked.as_array().into_iter().flatten();
        let reached: Vec<&[u8]> = uris
            .filter(|uri| {
                uri.as_text()
                    .is_some_and(|uri| grants.resources.has_uri(&uri))
            })
            .map(Value::raw)
            .collect();
        let list = [&b"["[..], &reached.join(&b','), b"]"].concat();
        output = now.with("resourceSubscriptions", &list);
    }
    (output != notifications.raw()).then_some(output)
}
