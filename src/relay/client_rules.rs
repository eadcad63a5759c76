//! The rules for what the client sends: which requests and notifications reach the server,
//! and what is taken out of them first.

use super::catalogue::{ClientRequest, is_client_notification};
use super::codes;
use super::event::{Event, kept};
use super::json::{Object, Value};
use super::look::Era;
use super::message::{Id, Message};
use super::pending::NotEntered;
use super::reply::{error_line, tool_error_line};
use super::session::{Asked, Session, Verdict};
use super::tool_list::Shown;
use crate::lockfile::ToolName;

/// Where a 2026-07-28 request carries what `initialize` said in older revisions.
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// What every 2026-07-28 request has.
const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// A request that the relay answers itself.
struct Refused {
    code: i64,
    message: String,
    event: Event,
}

impl Session {
    pub(super) fn client_request(
        &mut self,
        id: &Id,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Verdict {
        if self.is_in_use(id) {
            // Without id: the request that is under way must not be ended by this error.
            let reason = "its id is already in use by a request that is under way";
            events.push(request_refused(method, reason));
            let text = format!("Refused: {reason}");
            return Verdict::Answer(error_line(None, codes::INVALID_REQUEST, &text));
        }
        if let Some(answer) = self.withhold_call(id, method, message, events) {
            return Verdict::Answer(answer);
        }
        let admitted = self.admit(method, message).and_then(|asked| {
            self.asked_by_client
                .enter(id.clone(), asked)
                .map_err(|not_entered| {
                    let reason = match not_entered {
                        NotEntered::Duplicate => "its id is already in use",
                        NotEntered::Full => "too many requests are waiting for an answer",
                    };
                    Refused::other(codes::TOO_MANY_OUTSTANDING, method, reason)
                })
        });
        match admitted {
            Ok(()) => forward_without_rights(message, method == "initialize"),
            Err(refused) => {
                events.push(refused.event);
                Verdict::Answer(error_line(Some(id), refused.code, &refused.message))
            }
        }
    }

    /// Whether the server may see this request.
    fn admit(&self, method: &str, message: &Message<'_>) -> Result<Asked, Refused> {
        let Some(request) = ClientRequest::of(method) else {
            return Err(Refused {
                code: codes::METHOD_NOT_FOUND,
                message: format!("Method not found: {}", kept(method)),
                event: request_refused(method, "the method is unknown or not granted"),
            });
        };
        if let Some(params) = message.params {
            refuse_ungranted_params(method, params)?;
        }
        let shown = match request {
            ClientRequest::CallTool => {
                self.judge_call(message)?;
                Shown::default()
            }
            ClientRequest::ListTools => self.listings.before(message.params),
            _ => Shown::default(),
        };
        Ok(Asked { request, shown })
    }

    /// Whether the tool that is called is on the list, byte for byte.
    fn judge_call(&self, message: &Message<'_>) -> Result<(), Refused> {
        let Some(name) = message.param_text("name") else {
            let reason = "`params.name` is not a string";
            return Err(Refused::other(codes::INVALID_PARAMS, "tools/call", reason));
        };
        if self.policy.allow.contains(name.as_ref()) {
            return Ok(());
        }
        Err(Refused {
            code: codes::INVALID_PARAMS,
            message: format!("Unknown tool: {}", shown_tool_name(&name)),
            event: Event::Denied { tool: kept(&name) },
        })
    }

    /// The answer to a call of a tool on the list that is not as it was agreed.
    fn withhold_call(
        &mut self,
        id: &Id,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Option<Vec<u8>> {
        if !self.definitions.are_pinned() || !matches!(method, "tools/call" | "tools/list") {
            return None;
        }
        let stateless = message
            .meta()
            .is_some_and(|meta| meta.find(PROTOCOL_VERSION).is_some());
        self.looks.speaks(if stateless {
            Era::Stateless
        } else {
            Era::Session
        });
        if method == "tools/list" {
            return None;
        }
        let name = message.param_text("name")?;
        let tool = self.policy.allow.get(name.as_ref())?;
        if !self.definitions.has_seen(tool.as_str()) {
            self.looks.unlisted_call();
        }
        let trusting = self.looks.is_trusting(self.now);
        let drift = self.definitions.refuse_call(tool.as_str(), trusting)?;
        let text = format!(
            "pinfold did not pass this call of `{tool}` on: {drift}. The user can see what changed with `{}`.",
            self.definitions.review()
        );
        events.push(Event::CallWithheld {
            tool: tool.clone(),
            drift,
        });
        Some(tool_error_line(id, &text, stateless))
    }

    pub(super) fn client_notification(
        &mut self,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Verdict {
        if method == "notifications/cancelled" {
            // A request that the server never saw, or has answered, needs no cancelling.
            let id = message.params.and_then(|params| params.find("requestId"));
            let id = id.and_then(|id| Id::read(id).ok());
            return match id {
                Some(id) if self.asked_by_client.cancel(&id) => {
                    forward_without_rights(message, false)
                }
                _ => Verdict::Drop,
            };
        }
        if method == "notifications/initialized" {
            self.looks.speaks(Era::Session);
        }
        if is_client_notification(method) {
            return forward_without_rights(message, false);
        }
        events.push(match message.param_text("name") {
            Some(name) if method == "tools/call" => Event::Denied { tool: kept(&name) },
            _ => Event::DroppedFromClient {
                reason: format!("notification `{}` is unknown or not granted", kept(method)),
            },
        });
        Verdict::Drop
    }

    pub(super) fn client_response(&mut self, id: Option<&Id>, events: &mut Vec<Event>) -> Verdict {
        match id {
            Some(id) if self.asked_by_server.take(id).is_some() => Verdict::Forward,
            _ => {
                let reason = match id {
                    Some(id) => format!("the server waits for no answer with id {id}"),
                    None => "an answer without id".to_owned(),
                };
                events.push(Event::DroppedFromClient { reason });
                Verdict::Drop
            }
        }
    }
}

impl Refused {
    fn other(code: i64, method: &str, reason: &str) -> Self {
        Self {
            code,
            message: format!("Refused: {reason}"),
            event: request_refused(method, reason),
        }
    }
}

fn request_refused(method: &str, reason: &str) -> Event {
    Event::RequestRefused {
        method: kept(method),
        reason: reason.to_owned(),
    }
}

/// Parameters that only make sense with rights that are not granted: a task, or answers
/// to questions that the relay never lets a server ask.
fn refuse_ungranted_params(method: &str, params: Object<'_>) -> Result<(), Refused> {
    for (key, reason) in [
        ("task", "tasks are not granted to this server"),
        (
            "inputResponses",
            "requests for input are not granted to this server",
        ),
        (
            "requestState",
            "requests for input are not granted to this server",
        ),
    ] {
        if params.find(key).is_some() {
            return Err(Refused::other(codes::INVALID_PARAMS, method, reason));
        }
    }
    Ok(())
}

/// Forwards the message without the client's capabilities. Each capability that a client
/// can declare (roots, sampling, elicitation, tasks, experimental, extensions) is a right of
/// the server to ask for something, and none is granted; a server that sees none does not ask.
fn forward_without_rights(message: &Message<'_>, initialize: bool) -> Verdict {
    let Some(params) = message.params else {
        return Verdict::Forward;
    };
    let declares = |value: Option<Value<'_>>| value.is_some_and(|value| value.raw() != b"{}");
    let mut rewritten = None;
    if initialize && declares(params.find("capabilities")) {
        rewritten = Some(params.with("capabilities", b"{}"));
    }
    if let Some(meta) = message.meta()
        && declares(meta.find(CLIENT_CAPABILITIES))
    {
        let meta = meta.with(CLIENT_CAPABILITIES, b"{}");
        let so_far = rewritten.as_deref().map_or(params, Object::of_canonical);
        rewritten = Some(so_far.with("_meta", &meta));
    }
    match rewritten {
        Some(params) => Verdict::ForwardInstead(message.root.with("params", &params)),
        None => Verdict::Forward,
    }
}

/// A tool's name for an error message: as it is when it is a proper name.
fn shown_tool_name(name: &str) -> String {
    if name.parse::<ToolName>().is_ok() {
        name.to_owned()
    } else {
        kept(name)
    }
}
