//! A launch that was refused still speaks MCP: every request is answered with one error
//! that says what is wrong, so that the client shows a reason and not a crash.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::codes::LAUNCH_REFUSED;
use super::errors::RelayError;
use super::framing::{Line, LineReader};
use super::message::{Kind, Message};
use super::reply::error_line;
use super::strict::{CanonicalLine, DEFAULT_MAX_LINE};

/// Time for the client to read the answer to `initialize` and to close.
const AFTER_INITIALIZE: Duration = Duration::from_secs(2);
/// Time for the client in all. A client that only probes with `server/discover` may still
/// send `initialize` after that.
const OVERALL: Duration = Duration::from_secs(30);

/// Answers every request with `message` until the client closes, 2 s after the first
/// `initialize` was answered, or 30 s in all. Notifications and lines that are not
/// messages are ignored.
pub async fn refuse(
    client_in: impl AsyncRead + Unpin,
    mut client_out: impl AsyncWrite + Unpin,
    message: &str,
) -> Result<(), RelayError> {
    let mut lines = LineReader::new(client_in, DEFAULT_MAX_LINE);
    let mut deadline = Instant::now() + OVERALL;
    let mut initialized = false;
    loop {
        let line = match timeout_at(deadline, lines.next()).await {
            Err(_) | Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(RelayError::ReadClient(error)),
            Ok(Ok(Some(Line::Whole(line)))) => line,
            Ok(Ok(Some(_))) => continue,
        };
        let Some((answer, is_initialize)) = answer(line, message) else {
            continue;
        };
        match timeout_at(deadline, write_line(&mut client_out, answer)).await {
            Err(_) => return Ok(()),
            Ok(Err(error)) => return Err(RelayError::WriteClient(error)),
            Ok(Ok(())) => {}
        }
        if is_initialize && !initialized {
            initialized = true;
            deadline = deadline.min(Instant::now() + AFTER_INITIALIZE);
        }
    }
}

async fn write_line(
    client_out: &mut (impl AsyncWrite + Unpin),
    mut line: Vec<u8>,
) -> io::Result<()> {
    line.push(b'\n');
    client_out.write_all(&line).await?;
    client_out.flush().await
}

/// The answer to `line` when it is a request, and whether that was `initialize`.
fn answer(line: &[u8], message: &str) -> Option<(Vec<u8>, bool)> {
    let line = CanonicalLine::read(line, DEFAULT_MAX_LINE).ok()?;
    match Message::read(&line) {
        Ok(Message {
            kind: Kind::Request { id, method },
            ..
        }) => Some((
            error_line(Some(&id), LAUNCH_REFUSED, message),
            method == "initialize",
        )),
        Ok(_) => None,
        Err(refused) => refused
            .request
            .map(|id| (error_line(Some(&id), LAUNCH_REFUSED, message), false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt as _, BufReader, duplex};

    const WHY: &str = "`everything` is not locked; run `pinfold lock everything`";

    #[tokio::test(start_paused = true)]
    async fn every_request_is_answered_with_the_reason() {
        let (client_end, relay_end) = duplex(4096);
        let (relay_in, relay_out) = tokio::io::split(relay_end);
        let (client_in, mut client_out) = tokio::io::split(client_end);
        let talk = async {
            let mut answers = BufReader::new(client_in).lines();
            client_out
                .write_all(
                    b"{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"server/discover\"}\nnoise\n\
                      {\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n\
                      {\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{}}\n\
                      {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":[]}\n",
                )
                .await
                .unwrap();
            let mut lines = Vec::new();
            for _ in 0..3 {
                lines.push(answers.next_line().await.unwrap().unwrap());
            }
            lines
        };
        let start = Instant::now();
        let (refused, lines) = tokio::join!(refuse(relay_in, relay_out, WHY), talk);
        refused.unwrap();
        assert_eq!(start.elapsed().as_secs(), 2);
        for (line, id) in lines.iter().zip(["\"p\"", "0", "1"]) {
            let expected = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-31125,\"message\":\"{WHY}\"}}}}"
            );
            assert_eq!(*line, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_client_closes_or_says_nothing() {
        let start = Instant::now();
        refuse(&b""[..], Vec::new(), WHY).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 0);

        let (_client_end, relay_end) = duplex(4096);
        let (relay_in, relay_out) = tokio::io::split(relay_end);
        refuse(relay_in, relay_out, WHY).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 30);
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_an_error() {
        let (client_end, relay_end) = duplex(64);
        drop(client_end);
        let line = &b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}\n"[..];
        let refused = refuse(line, relay_end, WHY).await;
        assert!(
            matches!(refused, Err(RelayError::WriteClient(_))),
            "{refused:?}"
        );
    }
}
