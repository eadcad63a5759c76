//! What may pass with the grants of a session: what a server asks of its client, in each place
//! where it can ask, and what a client tells its server of itself. Said of the lines alone, and
//! without anything of the relay's.

use std::collections::HashSet;

use super::checks::{CLIENT_CAPABILITIES, asks_for_nothing};
use super::model::{Broken, Property, keep};
use super::readings::Tree;
use super::tasks::{
    ABOUT_TASKS, RELATED_TASK, STATUS, is_granted_capability, may_be_asked_as_task, without_wish,
};

/// The folder that the manifest grants.
pub(crate) const FOLDER: &str = "/projects";
/// A notification and a method that only a name in the manifest lets through.
pub(crate) const NOTIFICATION: &str = "notifications/claude/channel";
pub(crate) const METHOD: &str = "skills/list";

/// How the user may be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Elicitation {
    #[default]
    Never,
    Form,
    Url,
}

/// What the manifest grants. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) sampling: bool,
    pub(crate) elicitation: Elicitation,
    /// Roots, of which those in [`FOLDER`] are told.
    pub(crate) roots: bool,
    /// Tasks of 2025-11-25.
    pub(crate) tasks: bool,
    /// [`NOTIFICATION`].
    pub(crate) notification: bool,
    /// [`METHOD`].
    pub(crate) method: bool,
}

impl Granted {
    /// How many there are of [`Self::drawn`].
    pub(crate) const DRAWN: usize = 96;

    pub(crate) const EVERYTHING: Self = Self {
        sampling: true,
        elicitation: Elicitation::Url,
        roots: true,
        tasks: true,
        notification: true,
        method: true,
    };

    /// Each combination has a number.
    pub(crate) fn drawn(number: usize) -> Self {
        let bit = |at: usize| (number >> at) & 1 == 1;
        Self {
            sampling: bit(0),
            roots: bit(1),
            notification: bit(2),
            method: bit(3),
            tasks: (number / 48) % 2 == 1,
            elicitation: match (number / 16) % 3 {
                0 => Elicitation::Never,
                1 => Elicitation::Form,
                _ => Elicitation::Url,
            },
        }
    }
}

/// Requests of the client that may reach the server without a grant (2024-11-05 to 2026-07-28).
const METHODS: [&str; 15] = [
    "initialize",
    "server/discover",
    "ping",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "subscriptions/listen",
];
const CLIENT_NOTIFICATIONS: [&str; 3] = [
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
];
const SERVER_NOTIFICATIONS: [&str; 8] = [
    "notifications/progress",
    "notifications/message",
    "notifications/cancelled",
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/subscriptions/acknowledged",
];
/// Requests whose results may ask (MRTR, 2026-07-28).
const MAY_ASK: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

pub(crate) fn may_reach_server(method: &str, is_request: bool, granted: Granted) -> bool {
    if is_request {
        return METHODS.contains(&method)
            || (granted.method && method == METHOD)
            || (granted.tasks && ABOUT_TASKS.contains(&method));
    }
    CLIENT_NOTIFICATIONS.contains(&method)
        || (granted.tasks && method == STATUS)
        || (granted.roots && method == "notifications/roots/list_changed")
}

pub(crate) fn may_be_told(method: &str, granted: Granted) -> bool {
    SERVER_NOTIFICATIONS.contains(&method)
        || (granted.tasks && method == STATUS)
        || (granted.notification && method == NOTIFICATION)
        || (granted.elicitation == Elicitation::Url
            && method == "notifications/elicitation/complete")
}

/// What the client is asked: granted, and of those things that it has declared.
pub(crate) fn may_be_asked(
    method: &str,
    params: Option<&Tree>,
    granted: Granted,
    declared: &Tree,
) -> bool {
    let all = |key: &str| {
        params
            .map(|params| params.readings(key))
            .unwrap_or_default()
    };
    let capability = |name: &str| {
        let found = declared.get(name);
        found.filter(|found| matches!(found, Tree::Object(_)))
    };
    if !may_be_asked_as_task(method, params, granted, declared) {
        return false;
    }
    match method {
        "roots/list" => granted.roots && capability("roots").is_some(),
        "sampling/createMessage" => {
            let Some(sampling) = capability("sampling") else {
                return false;
            };
            let none = Tree::Text("none".to_owned());
            let tools = !all("tools").is_empty() || !all("toolChoice").is_empty();
            granted.sampling
                && all("includeContext").iter().all(|value| **value == none)
                && (!tools || sampling.get("tools").is_some())
        }
        "elicitation/create" => {
            let Some(elicitation) = capability("elicitation") else {
                return false;
            };
            let form = elicitation.get("form").is_some() || elicitation.members().is_empty();
            let modes: Vec<_> = all("mode").into_iter().map(Tree::text).collect();
            match modes.as_slice() {
                [] | [Some("form")] => granted.elicitation >= Elicitation::Form && form,
                [Some("url")] => {
                    granted.elicitation == Elicitation::Url
                        && elicitation.get("url").is_some()
                        && params.is_some_and(names_a_page)
                }
                _ => false,
            }
        }
        _ => false,
    }
}

fn names_a_page(question: &Tree) -> bool {
    let addresses = question.readings("url");
    let is_page = |url: &Tree| {
        let url = url.text().unwrap_or_default().to_ascii_lowercase();
        url.starts_with("https://") || url.starts_with("http://")
    };
    addresses.len() == 1 && addresses.into_iter().all(is_page)
}

/// What the client declared in a 2026-07-28 request, and what that request was.
pub(crate) struct Retry<'a> {
    pub(crate) method: &'a str,
    pub(crate) declared: Option<&'a Tree>,
}

/// A result asks only what is granted; the names of its questions.
pub(crate) fn asks_only_granted(
    result: &Tree,
    asked: &Retry<'_>,
    granted: Granted,
) -> Result<HashSet<String>, Broken> {
    let requests = result.readings("inputRequests");
    if requests.is_empty() {
        return asks_for_nothing(result).map(|()| HashSet::new());
    }
    let kind = result.get("resultType").and_then(Tree::text);
    let place = requests.len() == 1
        && matches!(requests[0], Tree::Object(_))
        && kind == Some("input_required")
        && result.readings("task").is_empty()
        && MAY_ASK.contains(&asked.method);
    let questions = requests[0].members();
    let fine = place
        && asked.declared.is_some_and(|declared| {
            questions.iter().all(|(_, question)| {
                let methods = question.readings("method");
                let method = methods.first().and_then(|method| method.text());
                let params = question.readings("params");
                methods.len() == 1
                    && params.len() < 2
                    && params
                        .iter()
                        .all(|params| params.readings("task").is_empty())
                    && method.is_some_and(|method| {
                        may_be_asked(method, params.first().copied(), granted, declared)
                    })
            })
        });
    keep(fine, Property::NoPower, || result.canonical())?;
    Ok(questions.iter().map(|(name, _)| name.clone()).collect())
}

/// An error with the code -32042 has pages opened, before 2026-07-28.
pub(crate) fn opens_only_granted(
    error: &Tree,
    stateless: bool,
    granted: Granted,
    declared: &Tree,
) -> bool {
    let elicitation = declared.get("elicitation");
    let can = elicitation.is_some_and(|elicitation| elicitation.get("url").is_some());
    let data = error.readings("data");
    let lists = data.iter().flat_map(|data| data.readings("elicitations"));
    let pages = lists.flat_map(|list| match list {
        Tree::Array(pages) => pages.iter().collect(),
        _ => vec![list],
    });
    let is_page = |page: &Tree| {
        page.readings("mode") == [&Tree::Text("url".to_owned())] && names_a_page(page)
    };
    granted.elicitation == Elicitation::Url && can && !stateless && pages.into_iter().all(is_page)
}

/// The server is told only of what is granted that the client can.
pub(crate) fn tells_only_granted(message: &Tree, granted: Granted) -> Result<(), Broken> {
    let initialize = message.get("method").and_then(Tree::text) == Some("initialize");
    for params in message.readings("params") {
        let in_meta = params.readings("_meta").into_iter();
        let told = in_meta.flat_map(|meta| meta.readings(CLIENT_CAPABILITIES));
        let own = params.readings("capabilities");
        for capabilities in told.chain(own.into_iter().filter(|_| initialize)) {
            let in_initialize = params.get("capabilities") == Some(capabilities);
            let fine = matches!(capabilities, Tree::Object(_))
                && (in_initialize || capabilities.readings("tasks").is_empty())
                && capabilities
                    .members()
                    .iter()
                    .all(|(name, inner)| is_granted(name, inner, granted));
            keep(fine, Property::NoPower, || message.canonical())?;
        }
    }
    Ok(())
}

fn is_granted(capability: &str, inner: &Tree, granted: Granted) -> bool {
    let page = granted.elicitation == Elicitation::Url;
    if capability == "tasks" {
        return is_granted_capability(inner, granted);
    }
    let (granted, inside): (_, &[&str]) = match capability {
        "sampling" => (granted.sampling, &["tools"]),
        "roots" => (granted.roots, &["listChanged"]),
        "elicitation" if page => (true, &["form", "url"]),
        "elicitation" => (granted.elicitation == Elicitation::Form, &["form"]),
        _ => (false, &[]),
    };
    let mut names = inner.members().iter().map(|(name, _)| name.as_str());
    granted && names.all(|name| inside.contains(&name))
}

/// The client's roots in an answer: only those in the granted folder, and nothing more of them
/// than a name.
pub(crate) fn lists_only_granted_roots(answer: &Tree) -> Result<(), Broken> {
    for roots in answer.readings("roots") {
        let Tree::Array(roots) = roots else { continue };
        let fine = roots.iter().all(is_in_folder);
        keep(fine, Property::NoPower, || answer.canonical())?;
    }
    Ok(())
}

fn is_in_folder(root: &Tree) -> bool {
    let known = |(name, _): &(String, Tree)| ["uri", "name"].contains(&name.as_str());
    let uri = root.get("uri").and_then(Tree::text).unwrap_or_default();
    let path = uri.strip_prefix("file://").map(decoded);
    let inside = path.is_some_and(|path| {
        let rest = path.strip_prefix(FOLDER);
        let below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        below && path.split('/').all(|part| part != "..")
    });
    inside && root.members().iter().all(known)
}

/// RFC 3986 §2.1.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A question without what is taken out of it on its way: the context of other servers, and
/// a task that it says to belong to.
pub(crate) fn without_context(message: Tree) -> Tree {
    let inside = message
        .get("result")
        .and_then(|result| result.get("inputRequests"));
    let names: Vec<String> = inside
        .map(|inside| inside.members().iter().map(|(name, _)| name.clone()))
        .into_iter()
        .flatten()
        .collect();
    names
        .iter()
        .map(|name| vec!["result", "inputRequests", name, "params", "includeContext"])
        .chain([
            vec!["params", "includeContext"],
            vec!["params", "_meta", RELATED_TASK],
            vec!["result", "_meta", RELATED_TASK],
        ])
        .fold(without_wish(message), |message, path| {
            message.without(&path)
        })
}
