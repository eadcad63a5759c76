//! Calls that the user decides about: what is held, until when, and what the user is asked. Pure.
//!
//! The question goes to the client, never to the server, and nothing that the server sends can be
//! the answer. In the revisions with `initialize` the call is held and the relay asks by a request
//! of its own; in 2026-07-28 the call is answered with the question, and the client makes it again
//! with the answer. Where somebody outside can decide too (`outside.rs`), a call whose client can't
//! ask is held as well, in either manner.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use super::json::{Object, Value};
use super::message::Id;
use super::session::Asked;
use super::strict::write_string;
use crate::lockfile::{Digest, ToolName, printable};

/// The user's time to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Most calls that wait at once, of each kind.
const MAX_WAITING: usize = 32;
/// Most bytes of the calls that are held.
const MAX_HELD_BYTES: usize = 32 * 1024 * 1024;
/// Longest arguments that are shown, in characters.
const MAX_SHOWN: usize = 4000;
/// The only question of its kind in an answer.
const QUESTION: &str = "pinfold-approval";

/// The calls of one session that wait for the user.
#[derive(Debug)]
pub(super) struct Approvals {
    /// Whether the client said in `initialize` that it can ask its user.
    pub(super) client_can_ask: bool,
    /// Whether somebody outside of the session can decide, too.
    pub(super) has_decider: bool,
    prefix: String,
    ids: u64,
    held: Vec<Held>,
    /// Asked in the place of a result, oldest first.
    asked: VecDeque<AskedInResult>,
}

/// A call that is held.
#[derive(Debug)]
pub(super) struct Held {
    /// Among the held calls of this session; never used twice.
    pub(super) number: u64,
    /// The id of the question, if the client was asked.
    pub(super) question: Option<Id>,
    /// The call's.
    pub(super) id: Id,
    pub(super) tool: ToolName,
    pub(super) asked: Asked,
    /// For the server.
    pub(super) line: Vec<u8>,
    /// Whether it was made in the manner of 2026-07-28.
    pub(super) stateless: bool,
    pub(super) until: Instant,
}

/// A call that is to be held.
pub(super) struct ToHold<'a> {
    pub(super) id: &'a Id,
    pub(super) tool: &'a ToolName,
    pub(super) asked: Asked,
    /// For the server.
    pub(super) line: Vec<u8>,
    pub(super) stateless: bool,
}

#[derive(Debug)]
struct AskedInResult {
    state: String,
    call: Digest,
    until: Instant,
}

/// What a user answered, or that there was no proper answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Accepted,
    Declined,
    Cancelled,
    Unclear,
}

/// What a call made again with an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    Decided(Decision),
    /// The question is not known, or not any more.
    Unknown,
    /// It was asked about another call.
    OtherCall,
}

/// Too many calls wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Approvals {
    pub(super) fn new() -> Self {
        Self {
            client_can_ask: false,
            has_decider: false,
            prefix: format!("pinfold-ask-{:016x}-", random()),
            ids: 0,
            held: Vec::new(),
            asked: VecDeque::new(),
        }
    }

    /// Holds a call about which the client will be asked; its question's id.
    pub(super) fn hold_asking(&mut self, to_hold: ToHold<'_>, now: Instant) -> Result<Id, TooMany> {
        let question = Id::Text(format!("{}{}", self.prefix, self.ids + 1));
        self.keep(to_hold, Some(question.clone()), now)?;
        Ok(question)
    }

    /// Holds a call about which only somebody outside is asked.
    pub(super) fn hold(&mut self, to_hold: ToHold<'_>, now: Instant) -> Result<(), TooMany> {
        self.keep(to_hold, None, now)
    }

    fn keep(
        &mut self,
        to_hold: ToHold<'_>,
        question: Option<Id>,
        now: Instant,
    ) -> Result<(), TooMany> {
        let ToHold {
            id,
            tool,
            asked,
            line,
            stateless,
        } = to_hold;
        let bytes: usize = self.held.iter().map(|held| held.line.len()).sum();
        if self.held.len() == MAX_WAITING || bytes + line.len() > MAX_HELD_BYTES {
            return Err(TooMany);
        }
        self.ids += 1;
        self.held.push(Held {
            number: self.ids,
            question,
            id: id.clone(),
            tool: tool.clone(),
            asked,
            line,
            stateless,
            until: now + PATIENCE,
        });
        Ok(())
    }

    /// All that are held, in the order in which they came.
    pub(super) fn held(&self) -> &[Held] {
        &self.held
    }

    /// The held call of this number; it is decided once.
    pub(super) fn take_number(&mut self, number: u64) -> Option<Held> {
        let place = self.held.iter().position(|held| held.number == number)?;
        Some(self.held.remove(place))
    }

    /// Whether a call with this id is held.
    pub(super) fn holds(&self, id: &Id) -> bool {
        self.held.iter().any(|held| held.id == *id)
    }

    /// The call whose question has this id; it is answered once.
    pub(super) fn take(&mut self, question: &Id) -> Option<Held> {
        let place = self
            .held
            .iter()
            .position(|held| held.question.as_ref() == Some(question))?;
        Some(self.held.remove(place))
    }

    /// The client cancels a call that is held.
    pub(super) fn cancel(&mut self, id: &Id) -> Option<Held> {
        let place = self.held.iter().position(|held| held.id == *id)?;
        Some(self.held.remove(place))
    }

    /// When the next question has waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.until).min()
    }

    /// A call that has waited long enough.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Held> {
        let place = self.held.iter().position(|held| held.until <= now)?;
        Some(self.held.remove(place))
    }

    /// Forgets all; the ids of the calls.
    pub(super) fn clear(&mut self) -> Vec<Id> {
        self.held.drain(..).map(|held| held.id).collect()
    }

    /// Notes that a question goes out in the place of a result; its `requestState`.
    pub(super) fn ask_in_result(&mut self, call: Digest, now: Instant) -> Result<String, TooMany> {
        self.asked.retain(|asked| asked.until > now);
        if self.asked.len() == MAX_WAITING {
            return Err(TooMany);
        }
        let state = format!("pinfold-{:016x}{:016x}", random(), random());
        self.asked.push_back(AskedInResult {
            state: state.clone(),
            call,
            until: now + PATIENCE,
        });
        Ok(state)
    }

    /// A call is made again with this `requestState`. A state is good for one answer.
    pub(super) fn retry(
        &mut self,
        state: &str,
        call: &Digest,
        responses: Option<Value<'_>>,
        now: Instant,
    ) -> Retry {
        self.asked.retain(|asked| asked.until > now);
        let place = self.asked.iter().position(|asked| asked.state == state);
        let Some(asked) = place.and_then(|place| self.asked.remove(place)) else {
            return Retry::Unknown;
        };
        if asked.call != *call {
            return Retry::OtherCall;
        }
        let response = responses
            .and_then(Value::as_object)
            .and_then(|responses| responses.find(QUESTION))
            .and_then(Value::as_object);
        Retry::Decided(response.map_or(Decision::Unclear, decision))
    }
}

/// What the result of an elicitation says.
pub(super) fn decision(result: Object<'_>) -> Decision {
    match result.find("action").and_then(Value::as_text).as_deref() {
        Some("accept") => Decision::Accepted,
        Some("decline") => Decision::Declined,
        Some("cancel") => Decision::Cancelled,
        _ => Decision::Unclear,
    }
}

/// Whether these capabilities of a client hold elicitation by a form.
pub(super) fn can_ask(capabilities: Option<Value<'_>>) -> bool {
    let elicitation = capabilities
        .and_then(Value::as_object)
        .and_then(|capabilities| capabilities.find("elicitation"))
        .and_then(Value::as_object);
    // Before there were two kinds, an empty object meant the form, and still does.
    elicitation.is_some_and(|kinds| kinds.raw() == b"{}" || kinds.find("form").is_some())
}

/// The parameters of the question, as JSON.
fn question(tool: &ToolName, arguments: Value<'_>) -> Vec<u8> {
    let text = String::from_utf8_lossy(arguments.raw());
    let length = text.chars().count();
    let mut message = format!(
        "pinfold: the tool `{tool}` is to be called with {}",
        printable(&text, MAX_SHOWN)
    );
    if let Some(more) = length.checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        message.push_str(&format!(" ({more} characters more, which are not shown)"));
    }
    message.push_str(". Accept to let it happen.");
    let mut params = b"{\"message\":".to_vec();
    write_string(&mut params, &message);
    params.extend_from_slice(b",\"requestedSchema\":{\"type\":\"object\",\"properties\":{}}}");
    params
}

/// The question as a request of the relay to the client.
pub(super) fn question_request(id: &Id, tool: &ToolName, arguments: Value<'_>) -> Vec<u8> {
    let mut line = b"{\"jsonrpc\":\"2.0\",\"id\":".to_vec();
    id.write(&mut line);
    line.extend_from_slice(b",\"method\":\"elicitation/create\",\"params\":");
    line.extend_from_slice(&question(tool, arguments));
    line.push(b'}');
    line
}

/// The question in the place of the result of the call `id`.
pub(super) fn question_result(
    id: &Id,
    state: &str,
    tool: &ToolName,
    arguments: Value<'_>,
) -> Vec<u8> {
    let mut line = b"{\"jsonrpc\":\"2.0\",\"id\":".to_vec();
    id.write(&mut line);
    line.extend_from_slice(b",\"result\":{\"resultType\":\"input_required\",\"inputRequests\":{");
    write_string(&mut line, QUESTION);
    line.extend_from_slice(b":{\"method\":\"elicitation/create\",\"params\":");
    line.extend_from_slice(&question(tool, arguments));
    line.extend_from_slice(b"}},\"requestState\":");
    write_string(&mut line, state);
    line.extend_from_slice(b"}}");
    line
}

/// That a question needs no answer any more.
pub(super) fn question_cancelled(id: &Id) -> Vec<u8> {
    let mut line =
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":"
            .to_vec();
    id.write(&mut line);
    line.extend_from_slice(b"}}");
    line
}

/// Nobody can guess it: the standard library's hasher keys differ at every call.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
