//! The model: a book of what was asked and answered, and what may never pass, whatever two
//! sides say. It judges only what leaves a relay, by the readings of other parsers.

use std::collections::{HashMap, HashSet};

use pinfold::relay::{Event, Session};

use super::checks::{
    CLIENT_CAPABILITIES, calls_nothing_unlisted, is_pinned, passed_on, promises_nothing,
    sends_no_unknown_state, shows_nothing_unlisted, shows_only_pinned, state_alone,
};
use super::granted::{
    Granted, Retry, asks_only_granted, lists_only_granted_roots, may_be_asked, may_be_told,
    may_reach_server, opens_only_granted, tells_only_granted, without_context,
};
use super::readings::Tree;
use super::tasks::{ABOUT_TASKS, Of, Part, STATUS, TaskBook, without_wish};
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
    /// Nothing asks the client for anything but an answer to `ping` and what is granted; no
    /// other right of the client's is told to the server, no other answer reaches it.
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
    /// Questions to the client, as requests and inside of results and errors.
    pub(crate) requests: usize,
    pub(crate) inside: usize,
    pub(crate) pages: usize,
    /// Answers to them that reached the server.
    pub(crate) given: usize,
    /// Lines that only a name in the manifest lets through.
    pub(crate) named: usize,
    /// Tasks, and results of them.
    pub(crate) made: usize,
    pub(crate) fetched: usize,
}

/// The book of one session.
#[derive(Default)]
struct Book {
    /// Ids of the client's that may still be answered.
    unanswered: HashSet<String>,
    /// Of these, what the server was asked.
    asked: HashMap<String, Asked>,
    /// What the server asked by requests that the client has not answered.
    questions: HashMap<String, (String, Part)>,
    tasks: TaskBook,
    /// What the client said that it can, in `initialize`.
    declared: Option<Tree>,
    /// Questions inside of results, by what a retry has to be about.
    inside: HashMap<String, HashSet<String>>,
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
    /// What the client said with it that it can (2026-07-28).
    declared: Option<Tree>,
    /// What it is about.
    target: String,
    task: Part,
}

/// What a retry has to be about: the same method and name.
fn target(method: &str, params: Option<&Tree>) -> String {
    let key = if method == "resources/read" {
        "uri"
    } else {
        "name"
    };
    let name = params.and_then(|params| params.get(key));
    format!("{method} {}", name.map(Tree::canonical).unwrap_or_default())
}

/// With the state that belongs to it.
fn retry(target: &str, state: Option<&Tree>) -> String {
    format!(
        "{target} {}",
        state.map(Tree::canonical).unwrap_or_default()
    )
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
    Ok(Passed {
        made: book.tasks.made,
        fetched: book.tasks.fetched,
        ..book.passed
    })
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

/// What a client says that it can with a request of 2026-07-28.
fn declared_with(params: &Tree) -> Option<Tree> {
    let meta = params.get("_meta")?;
    meta.get("io.modelcontextprotocol/protocolVersion")?;
    let declared = meta.get(CLIENT_CAPABILITIES).cloned();
    Some(declared.unwrap_or(Tree::Null))
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
                tree.cloned().map(without_wish).map(|tree| {
                    tree.without(&["params", "_meta", CLIENT_CAPABILITIES])
                        .without(&["params", "capabilities"])
                        .without(&["params", "inputResponses"])
                        .without(&["result", "roots"])
                })
            });
            let same = unchanged[0] == unchanged[1]
                || self.is_no_list(said, &message)
                || self.is_no_task(said, &message);
            keep(same, Property::OneReading, || {
                format!("the meaning changed: {}", message.canonical())
            })?;
            self.reaches_server(said, &message)?;
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

    /// Whether an answer to `roots/list` without roots was replaced by an error.
    fn is_no_list(&self, said: Option<&Tree>, message: &Tree) -> bool {
        let roots = |answer: &Tree| Some(answer.get("result")?.get("roots")?.clone());
        let id = message.get("id").map(key).unwrap_or_default();
        self.questions
            .get(&id)
            .is_some_and(|(of, _)| of == "roots/list")
            && said.and_then(|said| said.get("id")) == message.get("id")
            && message.get("error").is_some()
            && !matches!(said.and_then(roots), Some(Tree::Array(_)))
    }

    /// Whether an answer about a task that is no proper one was replaced by an error.
    fn is_no_task(&self, said: Option<&Tree>, message: &Tree) -> bool {
        let id = message.get("id").map(key).unwrap_or_default();
        let about_a_task = |(_, task): &(String, Part)| *task != Part::None;
        self.questions.get(&id).is_some_and(about_a_task)
            && said.and_then(|said| said.get("id")) == message.get("id")
            && message.get("error").is_some()
    }

    fn server_said(&mut self, said: Option<&Tree>, left: &Left) -> Result<(), Broken> {
        if let Some(said) = said {
            self.note_definitions(said, left);
        }
        if let Some(line) = &left.to_client {
            let message = passed_on(line)?;
            self.reaches_client(said, &message)?;
            self.tasks.belongs_to_a_known_task(&message)?;
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
    fn reaches_server(&mut self, said: Option<&Tree>, message: &Tree) -> Result<(), Broken> {
        self.passed.lines += 1;
        calls_nothing_unlisted(message)?;
        tells_only_granted(message, self.rules.granted)?;
        sends_no_unknown_state(message, &self.states)?;
        let id = message.get("id");
        for method in message.readings("method") {
            let method = method.text().unwrap_or_default();
            let may = may_reach_server(method, id.is_some(), self.rules.granted);
            keep(may, Property::NoPower, || message.canonical())?;
            let without_a_grant = may_reach_server(method, id.is_some(), Granted::default());
            self.passed.named += usize::from(!without_a_grant);
            if id.is_none() && method == STATUS {
                let granted = self.rules.granted;
                self.tasks.status_passes(Of::Questions, message, granted)?;
            }
        }
        let Some(id) = id else {
            return Ok(());
        };
        let said = said.and_then(|said| said.get("params"));
        match message.get("method").and_then(Tree::text) {
            Some(method) => {
                let params = message.get("params");
                if method == "initialize" {
                    self.declared = said.and_then(|said| said.get("capabilities")).cloned();
                }
                self.brings_only_answers(said, params, method)?;
                if method == "tools/call" {
                    self.passed.calls += 1;
                    let name = params.and_then(|params| params.get("name"));
                    let name = name.and_then(Tree::text).unwrap_or_default();
                    let differs = self.differing.contains(name);
                    keep(!differs, Property::Pinned, || message.canonical())?;
                }
                let granted = self.rules.granted;
                let task = self
                    .tasks
                    .request_passes(Of::Calls, method, message, granted)?;
                let tool = self.tasks.tool(&task).unwrap_or_default();
                let differs = self.differing.contains(tool);
                keep(!differs, Property::Pinned, || message.canonical())?;
                let cursor = params.and_then(|params| params.get("cursor"));
                let asked = Asked {
                    method: method.to_owned(),
                    from_start: cursor.is_none(),
                    declared: said.and_then(declared_with),
                    target: target(method, params),
                    task,
                };
                let before = self.asked.insert(key(id), asked);
                keep(before.is_none(), Property::OneAnswer, || {
                    format!("the id {} is in use", key(id))
                })
            }
            None => {
                let question = self.questions.remove(&key(id));
                keep(question.is_some(), Property::OneAnswer, || {
                    format!("the server waits for no answer {}", key(id))
                })?;
                let (question, task) = question.unwrap_or_default();
                self.tasks.answer_passes(Of::Questions, &task, message)?;
                self.passed.given += usize::from(question != "ping");
                // What else is asked has no roots: it is the client's own words.
                if question != "roots/list" {
                    return Ok(());
                }
                let mut answers = message.readings("result").into_iter();
                answers.try_for_each(lists_only_granted_roots)
            }
        }
    }

    /// A retry has answers to what a result has asked, and to nothing else.
    fn brings_only_answers(
        &mut self,
        said: Option<&Tree>,
        params: Option<&Tree>,
        method: &str,
    ) -> Result<(), Broken> {
        let all = params.map(|params| params.readings("inputResponses"));
        let state = params.and_then(|params| params.get("requestState"));
        let asked = self.inside.get(&retry(&target(method, params), state));
        let said = said.and_then(|said| said.get("inputResponses"));
        for answers in all.unwrap_or_default() {
            for (name, answer) in answers.members() {
                let expected = asked.is_some_and(|asked| asked.contains(name));
                keep(expected, Property::NoPower, || answers.canonical())?;
                lists_only_granted_roots(answer)?;
                let without = |answer: &Tree| answer.clone().without(&["roots"]);
                let original = said.and_then(|said| said.get(name));
                let same = original.map(without) == Some(without(answer));
                keep(same, Property::OneReading, || answers.canonical())?;
                self.passed.given += 1;
            }
            let object = matches!(answers, Tree::Object(_));
            keep(object, Property::NoPower, || answers.canonical())?;
        }
        Ok(())
    }

    /// A line of the server's reaches the client.
    fn reaches_client(&mut self, said: Option<&Tree>, message: &Tree) -> Result<(), Broken> {
        self.passed.lines += 1;
        let methods = message.readings("method");
        let Some(method) = methods.first() else {
            let asked = self.answered(message, false)?;
            return self.judge_answer(&asked, said, message);
        };
        let method = method.text().unwrap_or_default();
        let same = said.cloned().map(without_context) == Some(without_context(message.clone()));
        keep(same, Property::OneReading, || message.canonical())?;
        let granted = self.rules.granted;
        match message.readings("id").first() {
            Some(id) => {
                let nothing = Tree::Null;
                let declared = self.declared.as_ref().unwrap_or(&nothing);
                let params = message.get("params");
                let about_a_task = granted.tasks && ABOUT_TASKS.contains(&method);
                let may = method == "ping"
                    || about_a_task
                    || may_be_asked(method, params, granted, declared);
                let task = self
                    .tasks
                    .request_passes(Of::Questions, method, message, granted)?;
                let question = (method.to_owned(), task);
                let new = self.questions.insert(key(id), question).is_none();
                self.passed.requests += usize::from(method != "ping");
                keep(new && may, Property::NoPower, || {
                    format!("a request: {}", message.canonical())
                })
            }
            None => {
                let without_a_grant = may_be_told(method, Granted::default());
                self.passed.named += usize::from(!without_a_grant);
                if method == STATUS {
                    self.tasks.status_passes(Of::Calls, message, granted)?;
                }
                keep(may_be_told(method, granted), Property::NoPower, || {
                    format!("a notification: {method}")
                })
            }
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
        asked: &Asked,
        said: Option<&Tree>,
        message: &Tree,
    ) -> Result<(), Broken> {
        let granted = self.rules.granted;
        for error in message.readings("error") {
            for code in error.readings("code") {
                if *code != Tree::Number("-32042".to_owned()) {
                    continue;
                }
                let nothing = Tree::Null;
                let declared = self.declared.as_ref().unwrap_or(&nothing);
                let may = opens_only_granted(error, asked.declared.is_some(), granted, declared);
                keep(may, Property::NoPower, || message.canonical())?;
                self.passed.pages += 1;
            }
        }
        let tool = self.tasks.tool(&asked.task).unwrap_or_default();
        let withheld = message.get("result").is_none() || !self.differing.contains(tool);
        keep(withheld, Property::Pinned, || message.canonical())?;
        self.tasks.answer_passes(Of::Calls, &asked.task, message)?;
        for result in message.readings("result") {
            let of = Retry {
                method: &asked.method,
                declared: asked.declared.as_ref(),
            };
            let wished = matches!(asked.task, Part::Wished(_));
            let is_task = wished && !result.readings("task").is_empty();
            let questions = match is_task {
                true => HashSet::new(),
                false => asks_only_granted(result, &of, granted)?,
            };
            self.passed.inside += questions.len();
            let state = state_alone(result);
            self.states.extend(state.map(Tree::canonical));
            let about = retry(&asked.target, state);
            self.inside.entry(about).or_default().extend(questions);
            match asked.method.as_str() {
                "tools/list" => {
                    self.passed.listings += 1;
                    shows_nothing_unlisted(result)?;
                    if self.rules.pinned {
                        shows_only_pinned(result)?;
                    }
                }
                "initialize" | "server/discover" => {
                    promises_nothing(result, &asked.method, granted)?;
                    let silent = !self.rules.pinned || result.readings("instructions").is_empty();
                    keep(silent, Property::Pinned, || result.canonical())?;
                }
                _ => {
                    let same = said.cloned().map(without_context)
                        == Some(without_context(message.clone()));
                    keep(same, Property::OneReading, || {
                        format!("the meaning changed: {}", message.canonical())
                    })?;
                }
            }
        }
        Ok(())
    }
}
