//! The signals that ask a command to stop.

use std::io;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Exit;

/// Listens from the moment it is made.
pub(super) struct StopSignals(Vec<(Signal, i32)>);

impl StopSignals {
    pub(super) fn listen() -> io::Result<Self> {
        [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        ]
        .into_iter()
        .map(|kind| Ok((signal(kind)?, kind.as_raw_value())))
        .collect::<io::Result<_>>()
        .map(Self)
    }

    /// The number of the first signal that arrives.
    pub(super) async fn first(&mut self) -> i32 {
        std::future::poll_fn(|context| {
            for (signal, number) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*number);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The exit code of a command that was stopped by `signal`.
pub(super) fn code(signal: i32) -> Exit {
    Exit::Server(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}
