//! The model: a book of what was asked and answered, and what may never pass, whatever two
//! sides say. It judges only what leaves a relay, by the readings of other parsers.

use std::collections::{HashMap, HashSet};

use pinfold::relay::{Event, Session};

use super::checks::{
    CLIENT_CAPABILITIES, asks_for_nothing, calls_nothing_unlisted, is_pinned, passed_on,
    promises_nothing, shows_nothing_unlisted, shows_only_pinned, state_alone, tells_no_capability,
};
use super::readings::Tree;
use super::{From, LISTED, Rules, Sent, policy};

/// What every session keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Property {
    /// No call of an unlisted tool reaches the server.
    NoUnlistedCall,
    /// No unlisted tool is shown to the client.
    NoUnlistedShown,
    /// A definition that is not the pinned one is neither shown nor called.
    Pinned,
    /// Nothing asks the client for anything but an answer to `ping`; no right of the client's
    /// is told to the server.
    NoPower,
    /// Each request gets at most one answer, and nothing else gets one.
    OneAnswer,
    /// What passes is one line in the one form, and means what was said.
    OneReading,
    /// What a person is told can't play with a terminal.
    SafeEvents,
}

/// A property that was broken, and how.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) property: Property,
    pub(crate) how: String,
}

/// What leaves a relay after one line.
#[derive(Default)]
pub(crate) struct Left {
    pub(crate) to_server: Option<Vec<u8>>,
    pub(crate) to_client: Option<Vec<u8>>,
    /// A request of the relay's own, for the server.
    pub(crate) own_request: Option<Vec<u8>>,
    pub(crate) events: Vec<Event>,
}

/// What the model watches: a session, or a weakened one, to see that the model sees it.
pub(crate) trait Relay {
    fn judge(&mut self, sent: &Sent) -> Left;
}

impl Relay for Session {
    fn judge(&mut self, sent: &Sent) -> Left {
        let outcome = match sent.from {
            From::Client => self.from_client(&sent.line),
            From::Server => self.from_server(&sent.line),
        };
        Left {
            to_server: outcome.to_server,
            to_client: outcome.to_client,
            own_request: outcome.own_request,
            events: outcome.events,
        }
    }
}

/// How much came through, so that a test can tell that something did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passed {
    pub(crate) calls: usize,
    pub(crate) listings: usize,
    pub(crate) answers: usize,
    pub(crate) lines: usize,
}

/// Notifications of a server that may reach the client.
const NOTIFICATIONS: [&str; 8] = [
    "notifications/progress",
    "notifications/message",
    "notifications/cancelled",
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/subscriptions/acknowledged",
];

/// The book of one session.
#[derive(Default)]
struct Book {
    /// Ids of the client's that may still be answered.
    unanswered: HashSet<String>,
    /// Of these, what the server was asked.
    asked: HashMap<String, Asked>,
    /// Ids of the server's pings that the client has not answered.
    pings: HashSet<String>,
    rules: Rules,
    /// States that the server gave, for the client to send back.
    states: HashSet<String>,
    /// Tools whose definition was not the pinned one when the server last showed them.
    differing: HashSet<String>,
    passed: Passed,
}

/// What the server was asked.
#[derive(Clone, Default)]
struct Asked {
    method: String,
    /// A list from its start, not from a page on.
    from_start: bool,
}

/// Lets `relay`, which enforces `rules`, judge `lines` one after the other.
pub(crate) fn watch(
    relay: &mut impl Relay,
    rules: Rules,
    lines: &[Sent],
) -> Result<Passed, Broken> {
    let mut book = Book {
        rules,
        ..Book::default()
    };
    for sent in lines {
        let left = relay.judge(sent);
        let said = Tree::read(&sent.line);
        let step = match sent.from {
            From::Client => book.client_said(said.as_ref(), &left),
            From::Server => book.server_said(said.as_ref(), &left),
        };
        let step = step.and_then(|()| book.relay_asks(left.own_request.as_deref()));
        step.map_err(|broken| Broken {
            how: format!("{}\n  after {sent:?}\n  of {lines:#?}", broken.how),
            ..broken
        })?;
        for event in &left.events {
            let text = event.to_string();
            keep(
                !text.contains(char::is_control),
                Property::SafeEvents,
                || text,
            )?;
        }
    }
    Ok(book.passed)
}

/// As [`watch`], over a new session.
pub(crate) fn watch_session(rules: Rules, lines: &[Sent]) -> Result<Passed, Broken> {
    watch(&mut Session::new(policy(rules)), rules, lines)
}

pub(crate) fn keep(
    holds: bool,
    property: Property,
    how: impl FnOnce() -> String,
) -> Result<(), Broken> {
    if holds {
        return Ok(());
    }
    let how = how();
    Err(Broken { property, how })
}

/// An id as a key: a number and a text that looks like it are two.
fn key(id: &Tree) -> String {
    id.canonical()
}

impl Book {
    fn client_said(&mut self, said: Option<&Tree>, left: &Left) -> Result<(), Broken> {
        // A request that can be answered: with one id and one method for a strict reader.
        let request = said.filter(|said| said.get("method").and_then(Tree::text).is_some());
        if let Some(id) = request.and_then(|said| said.get("id")) {
            self.unanswered.insert(key(id));
        }
        if let Some(line) = &left.to_server {
            let message = passed_on(line)?;
            let unchanged = [said, Some(&message)].map(|tree| {
                tree.cloned().map(|tree| {
                    tree.without(&["params", "_meta", CLIENT_CAPABILITIES])
                        .without(&["params", "capabilities"])
                })
            });
            keep(unchanged[0] == unchanged[1], Property::OneReading, || {
                format!("the meaning changed: {}", message.canonical())
            })?;
            self.reaches_server(&message)?;
        }
        if let Some(line) = &left.to_client {
            let message = passed_on(line)?;
            // A call of a tool that is not as pinned has a result that says so.
            let withheld = message
                .get("result")
                .and_then(|result| result.get("isError"));
            let withheld = self.rules.pinned && withheld == Some(&Tree::Bool(true));
            let refused = message.get("error").is_some() || withheld;
            keep(refused, Property::OneAnswer, || {
                format!("the relay answers {}", message.canonical())
            })?;
            self.answered(&message, true)?;
        }
        Ok(())
    }

    fn server_said(&mut self, said: Option<&Tree>, left: &Left) -> Result<(), Broken> {
        if let Some(said) = said {
            self.note_definitions(said, left);
        }
        if let Some(line) = &left.to_client {
            let message = passed_on(line)?;
            self.reaches_client(said, &message)?;
        }
        if let Some(line) = &left.to_server {
            let message = passed_on(line)?;
            let own = said.and_then(|said| said.get("id"));
            let answers = message.get("error").is_some() && message.get("method").is_none();
            keep(
                answers && message.get("id") == own,
                Property::OneAnswer,
                || format!("the relay answers the server {}", message.canonical()),
            )?;
        }
        Ok(())
    }

    /// The relay sends the server a request of its own, whose answer is for itself.
    fn relay_asks(&self, line: Option<&[u8]>) -> Result<(), Broken> {
        let Some(line) = line else {
            return Ok(());
        };
        let message = passed_on(line)?;
        let lists = message.get("method").and_then(Tree::text) == Some("tools/list");
        let id = message.get("id").map(key).unwrap_or_default();
        let own = !self.unanswered.contains(&id) && !self.asked.contains_key(&id);
        keep(
            lists && own && self.rules.pinned,
            Property::OneAnswer,
            || format!("the relay asks {}", message.canonical()),
        )
    }

    /// What the server shows of a listed tool, where there is no doubt that the relay looks.
    fn note_definitions(&mut self, said: &Tree, left: &Left) {
        let page = said.get("result").and_then(|result| result.get("tools"));
        let Some(Tree::Array(tools)) = page else {
            return;
        };
        let asked = said.get("id").and_then(|id| self.asked.get(&key(id)));
        let listing = asked.filter(|asked| asked.method == "tools/list" && asked.from_start);
        let passed = left.to_client.as_deref().and_then(Tree::read);
        let passed = passed.is_some_and(|line| line.get("result").is_some());
        for name in LISTED {
            let is_it = |tool: &&Tree| tool.get("name").and_then(Tree::text) == Some(name);
            let shown: Vec<_> = tools.iter().filter(is_it).collect();
            // Wherever it is shown, it may be looked at anew.
            if !shown.is_empty() {
                self.differing.remove(name);
            }
            if let ([tool], true, true) = (shown.as_slice(), listing.is_some(), passed)
                && self.rules.pinned
                && !is_pinned(tool)
            {
                self.differing.insert(name.to_owned());
            }
        }
    }

    /// A line of the client's reaches the server.
    fn reaches_server(&mut self, message: &Tree) -> Result<(), Broken> {
        self.passed.lines += 1;
        calls_nothing_unlisted(message)?;
        tells_no_capability(message, &self.states)?;
        let Some(id) = message.get("id") else {
            return Ok(());
        };
        match message.get("method").and_then(Tree::text) {
            Some(method) => {
                let params = message.get("params");
                if method == "tools/call" {
                    self.passed.calls += 1;
                    let name = params.and_then(|params| params.get("name"));
                    let name = name.and_then(Tree::text).unwrap_or_default();
                    let differs = self.differing.contains(name);
                    keep(!differs, Property::Pinned, || message.canonical())?;
                }
                let cursor = params.and_then(|params| params.get("cursor"));
                let asked = Asked {
                    method: method.to_owned(),
                    from_start: cursor.is_none(),
                };
                let before = self.asked.insert(key(id), asked);
                keep(before.is_none(), Property::OneAnswer, || {
                    format!("the id {} is in use", key(id))
                })
            }
            None => keep(self.pings.remove(&key(id)), Property::OneAnswer, || {
                format!("the server waits for no answer {}", key(id))
            }),
        }
    }

    /// A line of the server's reaches the client.
    fn reaches_client(&mut self, said: Option<&Tree>, message: &Tree) -> Result<(), Broken> {
        self.passed.lines += 1;
        let methods = message.readings("method");
        let Some(method) = methods.first() else {
            let asked = self.answered(message, false)?;
            return self.judge_answer(&asked.method, said, message);
        };
        let method = method.text().unwrap_or_default();
        match message.readings("id").first() {
            Some(id) => {
                let new = method == "ping" && self.pings.insert(key(id));
                keep(new, Property::NoPower, || format!("a request: {method}"))
            }
            None => keep(NOTIFICATIONS.contains(&method), Property::NoPower, || {
                format!("a notification: {method}")
            }),
        }
    }

    /// An answer reaches the client; the method that the server was asked, empty when it was
    /// not asked. `by_relay`: the request must not have reached the server.
    fn answered(&mut self, message: &Tree, by_relay: bool) -> Result<Asked, Broken> {
        let ids = message.readings("id");
        let Some(id) = ids.first() else {
            return keep(by_relay, Property::OneAnswer, || {
                "an answer without id".to_owned()
            })
            .map(|()| Asked::default());
        };
        let asked = self.asked.remove(&key(id));
        let waiting = self.unanswered.remove(&key(id)) && asked.is_some() != by_relay;
        keep(waiting, Property::OneAnswer, || {
            format!("nobody waits for {}", message.canonical())
        })?;
        self.passed.answers += 1;
        Ok(asked.unwrap_or_default())
    }

    fn judge_answer(
        &mut self,
        asked: &str,
        said: Option<&Tree>,
        message: &Tree,
    ) -> Result<(), Broken> {
        for error in message.readings("error") {
            for code in error.readings("code") {
                let opens_a_page = *code == Tree::Number("-32042".to_owned());
                keep(!opens_a_page, Property::NoPower, || message.canonical())?;
            }
        }
        for result in message.readings("result") {
            asks_for_nothing(result)?;
            self.states.extend(state_alone(result).map(Tree::canonical));
            match asked {
                "tools/list" => {
                    self.passed.listings += 1;
                    shows_nothing_unlisted(result)?;
                    if self.rules.pinned {
                        shows_only_pinned(result)?;
                    }
                }
                "initialize" | "server/discover" => {
                    promises_nothing(result)?;
                    let silent = !self.rules.pinned || result.readings("instructions").is_empty();
                    keep(silent, Property::Pinned, || result.canonical())?;
                }
                _ => keep(said == Some(message), Property::OneReading, || {
                    format!("the meaning changed: {}", message.canonical())
                })?,
            }
        }
        Ok(())
    }
}
