//! The client that `observe` is itself, for calls that are named on its command line.

use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, duplex, split,
};
use tokio::time::timeout;

use super::super::exit::Exit;
use super::super::{output, stderr};
use crate::launch::{self, Service, SessionEnd, Stop};

/// Between the client and the relay, in bytes.
const BUFFER: usize = 64 << 10;
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Of an answer, in characters.
const SHOWN: usize = 300;
/// Offered by the client; the server may choose an older one.
const VERSION: &str = "2025-11-25";

/// A call as it was named.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    tool: String,
    arguments: Value,
}

/// What became of a call.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub tool: String,
    pub is_error: bool,
    /// The beginning of the answer, safe to show.
    pub text: String,
}

impl Call {
    /// `TOOL`, or `TOOL {ARGUMENTS}`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (tool, arguments) = match text.trim().split_once(char::is_whitespace) {
            Some((tool, arguments)) => (tool, arguments.trim()),
            None => (text.trim(), "{}"),
        };
        let arguments: Value = serde_json::from_str(arguments)
            .map_err(|error| format!("the arguments of `--call '{text}'` are no JSON: {error}"))?;
        if tool.is_empty() || !arguments.is_object() {
            return Err(format!(
                "`--call '{text}'` is not a tool with an object of arguments, as in: --call 'read_file {{\"path\": \"/x\"}}'"
            ));
        }
        Ok(Self {
            tool: tool.to_owned(),
            arguments,
        })
    }
}

/// Makes the calls, one after the other, through the relay; then ends the session.
///
/// # Errors
/// When the session itself fails.
pub(super) async fn serve(
    service: Service,
    stop: impl Future<Output = Stop>,
    calls: &[Call],
) -> anyhow::Result<(Exit, Vec<Answered>)> {
    let (near, far) = duplex(BUFFER);
    let (from_client, to_client) = split(far);
    let client = async {
        let (reader, writer) = split(near);
        // Dropped with this, so that the session ends.
        talk(reader, writer, calls).await
    };
    let (ended, answers) =
        tokio::join!(launch::serve(service, from_client, to_client, stop), client);
    let end = ended?.end;
    if let SessionEnd::ServerEnded {
        code: 1..,
        reason,
        last_words,
    } = &end
    {
        stderr::note(&format!("pinfold: {reason}"));
        for line in last_words {
            stderr::note(&format!("  {line}"));
        }
    }
    if let SessionEnd::Quarantined { reason } = &end {
        stderr::note(&format!("pinfold: {reason}"));
    }
    Ok((super::exit_of(&end), answers))
}

async fn talk(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    calls: &[Call],
) -> Vec<Answered> {
    let mut client = Client {
        lines: BufReader::new(reader),
        writer,
        last: 0,
    };
    let hello = json!({
        "protocolVersion": VERSION,
        "capabilities": {},
        "clientInfo": { "name": "pinfold observe", "version": env!("CARGO_PKG_VERSION") },
    });
    let mut answers = Vec::new();
    if let Err(reason) = client.begin(hello).await {
        stderr::note(&format!("pinfold: {reason}"));
        return answers;
    }
    for call in calls {
        let params = json!({ "name": call.tool, "arguments": call.arguments });
        answers.push(match client.ask("tools/call", params).await {
            Ok(result) => Answered {
                tool: call.tool.clone(),
                is_error: result["isError"] == true,
                text: text_of(&result),
            },
            Err(reason) => Answered {
                tool: call.tool.clone(),
                is_error: true,
                text: output::foreign(&reason, SHOWN),
            },
        });
    }
    answers
}

struct Client<R, W> {
    lines: BufReader<R>,
    writer: W,
    last: u64,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Client<R, W> {
    async fn begin(&mut self, hello: Value) -> Result<(), String> {
        self.ask("initialize", hello).await?;
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.send(&ready).await?;
        self.ask("tools/list", json!({})).await.map(drop)
    }

    async fn send(&mut self, message: &Value) -> Result<(), String> {
        let line = format!("{message}\n");
        let written = self.writer.write_all(line.as_bytes()).await;
        written.map_err(|_| "the server has ended".to_owned())
    }

    /// The result of a request, or what is wrong with it.
    async fn ask(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.last += 1;
        let id = self.last;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.send(&request).await?;
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.lines.read_line(&mut line))
                .await
                .map_err(|_| format!("no answer to `{method}` within {} s", PATIENCE.as_secs()))?;
            if read.unwrap_or(0) == 0 {
                return Err(format!("the server ended before it answered `{method}`"));
            }
            let Ok(message) = serde_json::from_str::<Value>(&line) else {
                continue;
            };
            if message["id"] != json!(id) || message.get("method").is_some() {
                self.decline(&message).await?;
                continue;
            }
            if let Some(error) = message.get("error") {
                return Err(format!(
                    "{method}: {}",
                    error["message"].as_str().unwrap_or("an error")
                ));
            }
            return Ok(message["result"].clone());
        }
    }

    /// What a server asks of this client it does not have.
    async fn decline(&mut self, message: &Value) -> Result<(), String> {
        if message.get("method").is_none() || message.get("id").is_none() {
            return Ok(());
        }
        let error = json!({ "code": -32601, "message": "not offered" });
        let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
        self.send(&answer).await
    }
}

fn text_of(result: &Value) -> String {
    let texts = result["content"].as_array().into_iter().flatten();
    let texts: Vec<&str> = texts.filter_map(|part| part["text"].as_str()).collect();
    let text = match texts.is_empty() {
        true => result.to_string(),
        false => texts.join(" "),
    };
    // On one line: documents as text are mostly broken into many.
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    output::foreign(&lines.join(" "), SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_a_tool_and_an_object() {
        let call = Call::parse("read {\"path\": \"/a b\"}").unwrap();
        assert_eq!(call.tool, "read");
        assert_eq!(call.arguments, json!({ "path": "/a b" }));
        assert_eq!(Call::parse("list").unwrap().arguments, json!({}));
        for wrong in ["", "read [1]", "read {", "read 1"] {
            assert!(Call::parse(wrong).is_err(), "{wrong}");
        }
    }
}
