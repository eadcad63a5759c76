//! What is taken out of the client's messages on their way: capabilities that are not granted,
//! subscriptions to what is not reached, roots outside of the granted folders.

use super::capabilities::{Declared, granted_of_client};
use super::catalogue::{
    CLIENT_CAPABILITIES_META, ClientRequest, LOG_LEVEL_META, PROTOCOL_VERSION_META, RETRY_PARAMS,
    TASK,
};
use super::edited::Edited;
use super::event::Event;
use super::json::{Object, Value};
use super::look::Era;
use super::message::Message;
use super::questions::target;
use super::session::{Asking, Session, Verdict};
use super::{reach, roots};

impl Session {
    /// What the answer to this request may ask.
    pub(super) fn asking(&self, request: ClientRequest, message: &Message<'_>) -> Asking {
        let Some(meta) = message.meta() else {
            return Asking::default();
        };
        if meta.find(PROTOCOL_VERSION_META).is_none() {
            return Asking::default();
        }
        let declared = match meta.find(CLIENT_CAPABILITIES_META) {
            Some(capabilities) => {
                granted_of_client(capabilities, &self.policy.grants, Era::Stateless).1
            }
            None => Declared::default(),
        };
        Asking {
            declared: Some(declared),
            target: target(request, message.params),
        }
    }

    /// An admitted request as the server sees it.
    pub(super) fn forward_request(
        &mut self,
        request: ClientRequest,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Verdict {
        if request == ClientRequest::Initialize {
            // One without capabilities declares none, whatever an earlier one did.
            self.declared = Declared::default();
        }
        let Some(params) = message.params else {
            return Verdict::Forward;
        };
        let grants = &self.policy.grants;
        let mut edited = Edited::new(params);
        if request == ClientRequest::Initialize
            && let Some(capabilities) = params.find("capabilities")
        {
            let (granted, declared) = granted_of_client(capabilities, grants, Era::Session);
            edited.set("capabilities", &granted);
            self.declared = declared;
        }
        if request == ClientRequest::Listen
            && let Some(wanted) = params.find("notifications").and_then(Value::as_object)
            && let Some(granted) = reach::granted_subscriptions(wanted, grants)
        {
            edited.set("notifications", &granted);
        }
        if matches!(request, ClientRequest::Task(_)) {
            // The official TypeScript SDK says with these, too, that the call is to be a task.
            edited.remove(TASK);
        }
        self.edit_responses(request, params, &mut edited, events);
        self.edit_meta(message, &mut edited);
        forward(message, edited)
    }

    pub(super) fn forward_notification(&self, message: &Message<'_>) -> Verdict {
        let Some(params) = message.params else {
            return Verdict::Forward;
        };
        let mut edited = Edited::new(params);
        self.edit_meta(message, &mut edited);
        forward(message, edited)
    }

    fn edit_meta(&self, message: &Message<'_>, params: &mut Edited<'_>) {
        let Some(meta) = message.meta() else { return };
        let grants = &self.policy.grants;
        let mut edited = Edited::new(meta);
        if let Some(capabilities) = meta.find(CLIENT_CAPABILITIES_META) {
            let granted = granted_of_client(capabilities, grants, Era::Stateless).0;
            edited.set(CLIENT_CAPABILITIES_META, &granted);
        }
        if !grants.logging {
            edited.remove(LOG_LEVEL_META);
        }
        if let Some(meta) = edited.changed() {
            params.set("_meta", &meta);
        }
    }

    /// Answers to questions inside a result: only to those, and with granted roots. Which of
    /// them lists roots is seen by its shape: no other answer has an array `roots`.
    fn edit_responses(
        &self,
        request: ClientRequest,
        params: Object<'_>,
        edited: &mut Edited<'_>,
        events: &mut Vec<Event>,
    ) {
        let [responses, state] = RETRY_PARAMS.map(|key| params.find(key));
        let (Some(responses), Some(target)) = (
            responses.and_then(Value::as_object),
            target(request, Some(params)),
        ) else {
            return;
        };
        let asked = self.questions.without_unasked(target, state, responses);
        if asked.is_some() {
            events.push(Event::DroppedFromClient {
                reason: "answers to questions that the server has not asked".to_owned(),
            });
        }
        let responses = asked.as_deref().map_or(responses, Object::of_canonical);
        let reduced = responses.map_values(|value| {
            let answer = value.as_object()?;
            let reduced = roots::reduce(answer, &self.policy.granted_paths)?;
            events.extend(reduced.event(answer));
            Some(reduced.object)
        });
        edited.set(RETRY_PARAMS[0], &reduced);
    }
}

fn forward(message: &Message<'_>, params: Edited<'_>) -> Verdict {
    match params.changed() {
        Some(params) => Verdict::ForwardInstead(message.root.with("params", &params)),
        None => Verdict::Forward,
    }
}
