//! One session's records. Whatever a hostile server or client does, there is a bounded number of
//! them for everything but calls that are passed on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::error::AuditError;
use super::log::{AuditLog, MAX_BATCH};
use super::record::{Arguments, Client, Decision, EgressTotal, Record, Start, Sync, Who};
use crate::relay::{Approval, CallDecision, CallLog, CallOutcome, CallRecord, Event, Redaction};

/// Refused calls of a session that are recorded one by one.
const MAX_REFUSED: u64 = 1000;
/// Events of one kind.
const MAX_EVENTS: u64 = 100;
/// Connections, made and refused.
const MAX_EGRESS: u64 = 500;
/// Hosts whose totals are recorded at the end.
const MAX_HOSTS: usize = 100;
/// Calls whose answer is waited for; more than a session can have under way.
const MAX_OPEN: usize = 8192;

/// How a session ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    pub how: &'static str,
    pub code: Option<i32>,
    pub reason: Option<String>,
    /// Bytes; `None` is unknown.
    pub peak_memory: Option<u64>,
    pub processor_ms: u64,
    pub egress: Vec<EgressTotal>,
}

/// The hand with which the parts of one session write its records.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<SessionLog>>);

#[derive(Debug)]
struct SessionLog {
    log: AuditLog,
    who: Who,
    arguments: Arguments,
    redaction: Redaction,
    started: Instant,
    /// The number of the last call, passed on or not.
    last_call: u64,
    calls: u64,
    denied: u64,
    errors: u64,
    /// Calls that are passed on and not answered.
    open: HashMap<u64, (Arc<str>, Instant)>,
    /// Their tools, as they are written. They are on the list, so they are few.
    tools: BTreeSet<Arc<str>>,
    /// Records that are written with the next one, in their order.
    waiting: Vec<Record>,
    /// Calls whose record could not be written, and that nobody has asked about yet.
    unwritten: HashMap<u64, String>,
    told: BTreeMap<&'static str, u64>,
    unrecorded: BTreeMap<&'static str, u64>,
    /// Since when, and what, could not be written.
    gap: Option<Gap>,
    /// Whether its start was recorded and its end was not.
    is_under_way: bool,
}

#[derive(Debug)]
struct Gap {
    reason: String,
    calls_refused: u64,
    records_lost: u64,
}

/// A name that nobody else has.
fn new_id() -> String {
    // The standard library's hasher keys differ at every call.
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}", random() ^ random().rotate_left(17))
}

impl Recorder {
    /// For a session of `server`. `id` where it has a name already.
    pub fn new(log: AuditLog, server: &str, id: Option<String>, arguments: Arguments) -> Self {
        Self(Arc::new(Mutex::new(SessionLog {
            log,
            who: Who {
                session: Some(id.unwrap_or_else(new_id)),
                server: Some(server.to_owned()),
            },
            arguments,
            redaction: Redaction::default(),
            started: Instant::now(),
            last_call: 0,
            calls: 0,
            denied: 0,
            errors: 0,
            open: HashMap::new(),
            tools: BTreeSet::new(),
            waiting: Vec::new(),
            unwritten: HashMap::new(),
            told: BTreeMap::new(),
            unrecorded: BTreeMap::new(),
            gap: None,
            is_under_way: false,
        })))
    }

    fn log(&self) -> MutexGuard<'_, SessionLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of the session.
    pub fn id(&self) -> String {
        self.log().who.session.clone().unwrap_or_default()
    }

    /// What is taken out of all text from now on.
    pub fn redact(&self, redaction: Redaction) {
        self.log().redaction = redaction;
    }

    /// The box stands, and nothing of the server has run.
    ///
    /// # Errors
    /// When it can't be recorded; the server must not be executed then.
    pub fn start(&self, start: Start) -> Result<(), AuditError> {
        let mut log = self.log();
        log.put(Record::SessionStart(Box::new(start)))?;
        log.is_under_way = true;
        Ok(())
    }

    /// Nobody has spoken to the server so far; now this client may.
    ///
    /// # Errors
    /// When it can't be recorded; the client must not be served then.
    pub fn taken(&self, client: &Client) -> Result<(), AuditError> {
        self.log().put(Record::SessionTaken {
            client: client.clone(),
        })
    }

    /// The launch was refused.
    pub fn refuse(&self, reason: &str) {
        let mut log = self.log();
        let reason = log.clean(reason);
        log.keep(Record::SessionRefused { reason });
    }

    /// What the relay has noticed.
    pub fn event(&self, event: &Event) {
        let Some(what) = name_of(event) else { return };
        let mut log = self.log();
        if log.is_told(what, MAX_EVENTS) {
            let text = log.clean(&event.to_string());
            log.keep(Record::Event { what, text });
        }
    }

    /// An alarm has tripped; each session ends with its first.
    pub fn alarm(&self, alarm: &'static str, what: &str, quarantined: bool) {
        let mut log = self.log();
        let what = log.clean(what);
        log.keep(Record::Alarm {
            alarm,
            what,
            quarantined,
        });
    }

    /// A connection, or a look-up, of the server's.
    pub fn egress(&self, mut record: Record) {
        let mut log = self.log();
        if log.is_told("egress", MAX_EGRESS) {
            if let Record::Egress { host, reason, .. } = &mut record {
                *host = log.clean_hosts(host);
                *reason = reason.as_deref().map(|reason| log.clean_hosts(reason));
            }
            log.keep(record);
        }
    }

    /// Every process of the session is gone.
    pub fn end(&self, ended: Ended) {
        self.log().end(ended);
    }
}

impl SessionLog {
    /// Writes a record, behind those that wait; each of these has its own fate.
    fn put(&mut self, record: Record) -> Result<(), AuditError> {
        self.write_waiting();
        self.append(&[record])
    }

    fn append(&mut self, records: &[Record]) -> Result<(), AuditError> {
        if let Some(gap) = &self.gap {
            let resumed = Record::Resumed {
                reason: gap.reason.clone(),
                calls_refused: gap.calls_refused,
                records_lost: gap.records_lost,
            };
            self.log.append(&self.who, &resumed)?;
            self.gap = None;
        }
        let records: Vec<&Record> = records.iter().collect();
        self.log.append_all(&self.who, &records).map(drop)
    }

    /// Has a record written with the next ones, which [`CallLog::settle`] does at the latest.
    fn wait(&mut self, record: Record) {
        self.waiting.push(record);
        if self.waiting.len() == MAX_BATCH {
            self.write_waiting();
        }
    }

    fn write_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return;
        }
        let Err(error) = self.append(&waiting) else {
            return;
        };
        // One of them may have been at fault, or there is room for some of them.
        let is_busy = matches!(error, AuditError::Busy { .. });
        if waiting.len() == 1 || is_busy {
            for record in &waiting {
                self.not_written(record, &error);
            }
            return;
        }
        for record in waiting {
            if let Err(error) = self.append(std::slice::from_ref(&record)) {
                self.not_written(&record, &error);
            }
        }
    }

    fn not_written(&mut self, record: &Record, error: &AuditError) {
        match record {
            Record::Call {
                call,
                decision: Decision::Allow,
                ..
            } => {
                self.gap(error).calls_refused += 1;
                self.calls -= 1;
                self.open.remove(call);
                self.unwritten.insert(*call, error.to_string());
            }
            _ => self.gap(error).records_lost += 1,
        }
    }

    fn gap(&mut self, error: &AuditError) -> &mut Gap {
        self.gap.get_or_insert_with(|| {
            tracing::warn!("the audit log can't be written: {error}");
            Gap {
                reason: error.to_string(),
                calls_refused: 0,
                records_lost: 0,
            }
        })
    }

    /// Of something that has happened already.
    fn keep(&mut self, record: Record) {
        if !self.waiting.is_empty() && record.sync() != Sync::Now {
            self.wait(record);
        } else if let Err(error) = self.put(record) {
            self.gap(&error).records_lost += 1;
        }
    }

    /// Whether one more of this kind is recorded; else it is counted.
    fn is_told(&mut self, what: &'static str, most: u64) -> bool {
        let told = self.told.entry(what).or_default();
        if *told < most {
            *told += 1;
            return true;
        }
        *self.unrecorded.entry(what).or_default() += 1;
        false
    }

    fn clean(&self, text: &str) -> String {
        let clean = self.redaction.of_text(text);
        crate::lockfile::printable(&clean, 2000)
    }

    /// The server chooses which hosts it names.
    fn clean_hosts(&self, text: &str) -> String {
        let clean = self.redaction.of_hosts(text);
        crate::lockfile::printable(&clean, 2000)
    }

    fn tool(&mut self, name: &str) -> Arc<str> {
        let name = self.clean(name);
        if let Some(known) = self.tools.get(name.as_str()) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.tools.insert(Arc::clone(&name));
        name
    }

    fn call(&self, number: u64, call: &CallRecord<'_>) -> Record {
        Record::Call {
            call: number,
            tool: self.clean(call.tool),
            decision: match call.decision {
                CallDecision::Allow => Decision::Allow,
                CallDecision::Deny => Decision::Deny,
                CallDecision::Ask => Decision::Ask,
            },
            reason: call.reason.as_deref().map(|reason| self.clean(reason)),
            arguments: call.arguments.to_string(),
            not_canonical: !call.is_canonical,
            arguments_bytes: call.bytes,
            redacted: call.redacted.clone(),
            approved: call.approval != Approval::None,
            approved_by: (call.approval == Approval::Terminal).then_some("terminal"),
            trace: call.trace.map(str::to_owned),
        }
    }

    fn end_call(&mut self, number: u64, outcome: &'static str, bytes: usize) {
        let Some((tool, begun)) = self.open.remove(&number) else {
            return;
        };
        let duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.wait(Record::CallEnd {
            call: number,
            tool: tool.to_string(),
            outcome,
            duration_us,
            bytes,
        });
    }

    fn end(&mut self, ended: Ended) {
        self.is_under_way = false;
        let mut open: Vec<u64> = self.open.keys().copied().collect();
        open.sort_unstable();
        for number in open {
            self.end_call(number, "none", 0);
        }
        let Ended {
            how,
            code,
            reason,
            peak_memory,
            processor_ms,
            mut egress,
        } = ended;
        if egress.len() > MAX_HOSTS {
            let others = egress.split_off(MAX_HOSTS);
            egress.push(others.iter().fold(
                EgressTotal {
                    host: None,
                    allowed: 0,
                    refused: 0,
                    sent: 0,
                    received: 0,
                },
                |all, one| EgressTotal {
                    host: None,
                    allowed: all.allowed + one.allowed,
                    refused: all.refused + one.refused,
                    sent: all.sent + one.sent,
                    received: all.received + one.received,
                },
            ));
        }
        for total in &mut egress {
            total.host = total.host.as_deref().map(|host| self.clean_hosts(host));
        }
        let record = Record::SessionEnd {
            how,
            code,
            reason: reason.map(|reason| self.clean_hosts(&reason)),
            peak_memory,
            processor_ms,
            duration_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            calls: self.calls,
            denied: self.denied,
            errors: self.errors,
            unrecorded: std::mem::take(&mut self.unrecorded),
            egress,
        };
        self.keep(record);
    }
}

/// A launch that fails or is given up when its box stands already has nobody else to record its end.
impl Drop for SessionLog {
    fn drop(&mut self) {
        if self.is_under_way {
            self.end(Ended {
                how: "given_up",
                reason: Some("the session was let go before it had ended".to_owned()),
                ..Ended::default()
            });
        }
    }
}

impl CallLog for Recorder {
    fn begin(&mut self, call: &CallRecord<'_>) -> u64 {
        let mut log = self.log();
        log.last_call += 1;
        let number = log.last_call;
        let record = log.call(number, call);
        log.calls += 1;
        if log.open.len() < MAX_OPEN {
            let tool = log.tool(call.tool);
            log.open.insert(number, (tool, Instant::now()));
        }
        log.wait(record);
        number
    }

    fn confirm(&mut self, call: u64) -> Result<(), String> {
        let mut log = self.log();
        log.write_waiting();
        match log.unwritten.remove(&call) {
            None => Ok(()),
            Some(error) => Err(format!(
                "it can't be recorded in the audit log, and no call is passed on unrecorded: {error}; once that file can be written again (is the disk full?), calls pass again"
            )),
        }
    }

    fn settle(&mut self) {
        self.log().write_waiting();
    }

    fn refused(&mut self, call: &CallRecord<'_>) {
        let mut log = self.log();
        log.last_call += 1;
        log.denied += u64::from(call.decision == CallDecision::Deny);
        if log.is_told("call", MAX_REFUSED) {
            let number = log.last_call;
            let record = log.call(number, call);
            log.keep(record);
        }
    }

    fn end(&mut self, call: u64, outcome: CallOutcome, bytes: usize) {
        let mut log = self.log();
        let word = match outcome {
            CallOutcome::Ok => "ok",
            CallOutcome::Error => "error",
            CallOutcome::ToolError => "tool_error",
            CallOutcome::Refused => "refused",
            CallOutcome::Input => "input",
            CallOutcome::None => "none",
        };
        let is_error = !matches!(
            outcome,
            CallOutcome::Ok | CallOutcome::Input | CallOutcome::None
        );
        log.errors += u64::from(is_error);
        log.end_call(call, word, bytes);
    }

    fn wants_arguments(&self) -> bool {
        self.log().arguments == Arguments::Redacted
    }
}

/// The word for an event in a record; `None`: a record of a call says it, or it is no news.
fn name_of(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Denied { .. }
        | Event::CallWithheld { .. }
        | Event::CallRefused { .. }
        | Event::ApprovalAsked { .. }
        | Event::CallHeld { .. }
        | Event::ToolsShown { .. } => return None,
        Event::RequestRefused { method, .. } if method == "tools/call" => return None,
        Event::RequestRefused { .. } => "request_refused",
        Event::DroppedFromClient { .. } => "dropped_from_client",
        Event::DroppedFromServer { .. } => "dropped_from_server",
        Event::RefusedLine { .. } => "line_refused",
        Event::ServerRequestRefused { .. } => "server_request_refused",
        Event::AnswerReplaced { .. } => "answer_replaced",
        Event::ToolsHidden { .. } => "tools_hidden",
        Event::Hidden { .. } => "hidden",
        Event::RootsReduced { .. } => "roots_reduced",
        Event::DefinitionDiffers { .. } => "definition_differs",
        Event::InstructionsWithheld { .. } => "instructions_withheld",
        Event::LookFailed { .. } => "look_failed",
        Event::IncompleteLine { .. } => "incomplete_line",
        Event::ReplyToServerDropped => "reply_dropped",
    })
}

/// Whether an event of this name is a refusal.
pub(super) fn is_refusal(what: &str) -> bool {
    matches!(
        what,
        "request_refused"
            | "dropped_from_client"
            | "dropped_from_server"
            | "line_refused"
            | "server_request_refused"
            | "answer_replaced"
            | "definition_differs"
            | "instructions_withheld"
    )
}
