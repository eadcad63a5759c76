//! A small MCP client that learns what a server is and which tools it has, and nothing
//! else. It calls no tool, answers no question, and reads as strictly as the relay. It declares
//! what is granted to the server, because some offer tools to such clients only.
//!
//! It speaks `initialize` first; a server that refuses it is asked in the stateless manner
//! of 2026-07-28 (`server/discover`).

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::capabilities::all_granted;
use super::codes;
use super::definition::ToolDefinition;
use super::errors::{RelayError, Step};
use super::event::kept;
use super::framing::{Line, LineReader};
use super::grants::Grants;
use super::json::{Object, Value};
use super::look::Era;
use super::message::{Answer, Id, Kind, Message};
use super::recover::{answered_id, answered_id_at_end};
use super::reply::{
    MODERN_VERSION, client_info, empty_result_line, error_line, list_params, modern_meta,
};
use super::strict::{CanonicalLine, DEFAULT_MAX_LINE};

/// The revision that is asked for, and those that are accepted as answer.
const ASKED_VERSION: &str = "2025-11-25";
const KNOWN_VERSIONS: [&str; 5] = [
    "2024-10-07",
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    ASKED_VERSION,
];

const MAX_PAGES: usize = 100;
const MAX_TOOLS: usize = 10_000;
/// Most bytes of all lines together.
const MAX_RECEIVED: usize = 64 * 1024 * 1024;

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection {
    /// The protocol revision that was agreed on.
    pub protocol: String,
    pub server_name: Option<String>,
    pub server_version: Option<String>,
    /// Text that clients hand to the model.
    pub instructions: Option<String>,
    /// In the server's order; of two tools with one name, the first.
    pub tools: Vec<ToolDefinition>,
    /// Elements of the tool list that are no usable definition, and repeated names.
    pub unusable: usize,
}

/// Asks the server for everything in [`Introspection`], within `limit`, as a client that has
/// all capabilities of which `grants` let the server make use. The server's input is closed at
/// the end.
pub async fn introspect(
    server_in: impl AsyncWrite + Unpin,
    server_out: impl AsyncRead + Unpin,
    grants: &Grants,
    limit: Duration,
) -> Result<Introspection, RelayError> {
    let mut server = Server {
        capabilities: all_granted(grants, Era::Session),
        stateless: all_granted(grants, Era::Stateless),
        lines: LineReader::new(server_out, DEFAULT_MAX_LINE),
        writer: server_in,
        last_id: 0,
        received: 0,
        limit,
        deadline: Instant::now() + limit,
    };
    let (mut introspection, meta) = match server.initialize().await {
        Ok(introspection) => (introspection, None),
        Err(refused @ RelayError::Refused { .. }) => {
            match server.discover().await {
                Ok(introspection) => (introspection, Some(modern_meta(&server.stateless))),
                // A server that knows neither is best described by its first answer.
                Err(RelayError::Refused { .. }) => return Err(refused),
                Err(error) => return Err(error),
            }
        }
        Err(error) => return Err(error),
    };
    server
        .list_tools(&mut introspection, meta.as_deref())
        .await?;
    Ok(introspection)
}

/// The server at the other end, and what is left of the limits.
struct Server<R, W> {
    lines: LineReader<R>,
    writer: W,
    /// What is declared, as JSON.
    capabilities: String,
    /// The same in the manner of 2026-07-28.
    stateless: String,
    last_id: i64,
    received: usize,
    limit: Duration,
    deadline: Instant,
}

/// What one line meant for the request that waits.
enum Heard {
    Answer(CanonicalLine),
    /// Send this line and go on waiting.
    Reply(Vec<u8>),
    Nothing,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Server<R, W> {
    async fn initialize(&mut self) -> Result<Introspection, RelayError> {
        let step = Step::Initialize;
        let params = format!(
            "{{\"protocolVersion\":\"{ASKED_VERSION}\",\"capabilities\":{},\"clientInfo\":{}}}",
            self.capabilities,
            client_info()
        );
        let answer = self.ask(step, &params).await?;
        let result = result_of(step, &answer)?;
        let protocol = text(result, "protocolVersion").unwrap_or_default();
        if !KNOWN_VERSIONS.contains(&protocol.as_str()) {
            let reason = format!("protocol version `{}` is not known", kept(&protocol));
            return Err(RelayError::BadAnswer { step, reason });
        }
        let info = result.find("serverInfo").and_then(Value::as_object);
        let introspection = introspection(protocol, result, info);
        let line = b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
        self.send(step, line.to_vec()).await?;
        Ok(introspection)
    }

    async fn discover(&mut self) -> Result<Introspection, RelayError> {
        let step = Step::Discover;
        let params = format!("{{\"_meta\":{}}}", modern_meta(&self.stateless));
        let answer = self.ask(step, &params).await?;
        let result = result_of(step, &answer)?;
        let versions = result.find("supportedVersions").and_then(Value::as_array);
        let speaks = versions.is_some_and(|mut versions| {
            versions.any(|version| version.as_text().as_deref() == Some(MODERN_VERSION))
        });
        if !speaks {
            let reason = format!("it does not support {MODERN_VERSION}");
            return Err(RelayError::BadAnswer { step, reason });
        }
        let info = result
            .find("_meta")
            .and_then(Value::as_object)
            .and_then(|meta| meta.find("io.modelcontextprotocol/serverInfo"))
            .or_else(|| result.find("serverInfo"))
            .and_then(Value::as_object);
        Ok(introspection(MODERN_VERSION.to_owned(), result, info))
    }

    async fn list_tools(
        &mut self,
        introspection: &mut Introspection,
        meta: Option<&str>,
    ) -> Result<(), RelayError> {
        let step = Step::ListTools;
        let bad = |reason: String| RelayError::BadAnswer { step, reason };
        let mut names = BTreeSet::new();
        let mut cursor: Option<Vec<u8>> = None;
        for _ in 0..MAX_PAGES {
            let answer = self
                .ask(step, &list_params(meta, cursor.as_deref()))
                .await?;
            let result = result_of(step, &answer)?;
            let tools = result
                .find("tools")
                .and_then(Value::as_array)
                .ok_or_else(|| bad("it has no array `tools`".to_owned()))?;
            for tool in tools {
                let definition = ToolDefinition::read(tool)
                    .map_err(|error| bad(format!("a definition has no canonical form: {error}")))?;
                match definition {
                    Some(definition) if names.insert(definition.name.clone()) => {
                        introspection.tools.push(definition);
                    }
                    _ => introspection.unusable += 1,
                }
                if introspection.tools.len() + introspection.unusable > MAX_TOOLS {
                    return Err(bad(format!("there are more than {MAX_TOOLS} tools")));
                }
            }
            cursor = match result.find("nextCursor") {
                None => return Ok(()),
                Some(next) if next.as_text().is_some() => Some(next.raw().to_vec()),
                Some(_) => return Err(bad("`nextCursor` is not a string".to_owned())),
            };
        }
        Err(bad(format!("there are more than {MAX_PAGES} pages")))
    }

    /// Sends a request and waits for its answer. What else comes is answered or ignored.
    async fn ask(&mut self, step: Step, params: &str) -> Result<CanonicalLine, RelayError> {
        self.last_id += 1;
        let id = Id::Number(self.last_id);
        let id_text = self.last_id;
        let request = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id_text},\"method\":\"{step}\",\"params\":{params}}}"
        );
        self.send(step, request.into_bytes()).await?;
        loop {
            let timeout = RelayError::Timeout {
                step,
                limit: self.limit,
            };
            let line = match timeout_at(self.deadline, self.lines.next()).await {
                Err(_) => return Err(timeout),
                Ok(Err(error)) => return Err(RelayError::ReadServer(error)),
                Ok(Ok(None)) => return Err(RelayError::Closed { step }),
                Ok(Ok(Some(line))) => line,
            };
            let heard = match line {
                Line::Whole(line) => {
                    self.received += line.len();
                    hear(step, &id, line)?
                }
                Line::TooLong { head, tail } => {
                    self.received += DEFAULT_MAX_LINE;
                    if answered_id(head).or_else(|| answered_id_at_end(tail)) == Some(id.clone()) {
                        let reason = format!("it is longer than {DEFAULT_MAX_LINE} bytes");
                        return Err(RelayError::BadAnswer { step, reason });
                    }
                    Heard::Nothing
                }
                Line::Incomplete { .. } => return Err(RelayError::Closed { step }),
            };
            if self.received > MAX_RECEIVED {
                let reason = format!("the server sent more than {MAX_RECEIVED} bytes");
                return Err(RelayError::BadAnswer { step, reason });
            }
            match heard {
                Heard::Answer(answer) => return Ok(answer),
                Heard::Reply(line) => self.send(step, line).await?,
                Heard::Nothing => {}
            }
        }
    }

    async fn send(&mut self, step: Step, mut line: Vec<u8>) -> Result<(), RelayError> {
        line.push(b'\n');
        let written = async {
            self.writer.write_all(&line).await?;
            self.writer.flush().await
        };
        match timeout_at(self.deadline, written).await {
            Err(_) => Err(RelayError::Timeout {
                step,
                limit: self.limit,
            }),
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(RelayError::Closed { step })
            }
            Ok(Err(source)) => Err(RelayError::WriteServer { step, source }),
            Ok(Ok(())) => Ok(()),
        }
    }
}

/// Reads one line of the server while `waiting` waits for its answer.
fn hear(step: Step, waiting: &Id, line: &[u8]) -> Result<Heard, RelayError> {
    let refused = |line: &[u8], refusal: &dyn std::fmt::Display| {
        if answered_id(line).as_ref() == Some(waiting) {
            return Err(RelayError::BadAnswer {
                step,
                reason: refusal.to_string(),
            });
        }
        Ok(Heard::Nothing)
    };
    let canonical = match CanonicalLine::read(line, DEFAULT_MAX_LINE) {
        Ok(canonical) => canonical,
        Err(refusal) => return refused(line, &refusal),
    };
    let heard = match Message::read(&canonical) {
        Err(not_a_message) => return refused(canonical.as_bytes(), &not_a_message.refusal),
        Ok(message) => match message.kind {
            Kind::Request { id, method } if method == "ping" => {
                Heard::Reply(empty_result_line(&id))
            }
            Kind::Request { id, .. } => Heard::Reply(error_line(
                Some(&id),
                codes::METHOD_NOT_FOUND,
                "Method not found",
            )),
            Kind::Response {
                id: Some(id),
                answer,
            } if id == *waiting => match answer {
                Answer::Result(_) => return Ok(Heard::Answer(canonical)),
                Answer::Error { code, error } => {
                    let message = kept(&text(error, "message").unwrap_or_default());
                    return Err(RelayError::Refused {
                        step,
                        code,
                        message,
                    });
                }
            },
            Kind::Response { .. } | Kind::Notification { .. } => Heard::Nothing,
        },
    };
    Ok(heard)
}

/// The result, unless it is a request for input or a task in the place of one.
fn result_of(step: Step, answer: &CanonicalLine) -> Result<Object<'_>, RelayError> {
    let bad = |reason: &str| RelayError::BadAnswer {
        step,
        reason: reason.to_owned(),
    };
    let result = answer
        .root()
        .find("result")
        .and_then(Value::as_object)
        .ok_or_else(|| bad("it has no result"))?;
    match result.find("resultType").map(Value::as_text) {
        None => Ok(result),
        Some(Some(kind)) if kind == "complete" => Ok(result),
        Some(_) => Err(bad("it is not a complete result")),
    }
}

fn introspection(
    protocol: String,
    result: Object<'_>,
    server_info: Option<Object<'_>>,
) -> Introspection {
    Introspection {
        protocol,
        server_name: server_info.and_then(|info| text(info, "name")),
        server_version: server_info.and_then(|info| text(info, "version")),
        instructions: text(result, "instructions"),
        tools: Vec::new(),
        unusable: 0,
    }
}

fn text(object: Object<'_>, key: &str) -> Option<String> {
    object
        .find(key)?
        .as_text()
        .map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests;
