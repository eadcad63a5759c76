//! Running a program in the box to its end, its output kept: npm, and `--version`.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::LaunchError;
use super::prepare::Launcher;
use super::spawn::Running;
use super::start::Launch;
use crate::sandbox::{Exceeded, Plan};

/// What a tool left behind.
#[derive(Clone, Debug)]
pub struct ToolOutput {
    /// `None` when it was ended because it took too long.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// The limit for which it was ended.
    pub exceeded: Option<Exceeded>,
    /// What was in force around it.
    pub plan: Plan,
}

/// Runs a program of this machine with an empty standard input. Of each stream the first `max_bytes` are kept; the
/// rest is read and dropped, so that the tool can't block on a full pipe.
pub(super) async fn run_tool(
    launcher: &Launcher<'_>,
    launch: Launch,
    patience: Duration,
    max_bytes: usize,
) -> Result<ToolOutput, LaunchError> {
    let started = launcher.start_unchecked(launch).await?;
    let Running {
        mut monitor,
        stdin,
        stdout: mut out,
        stderr: mut err,
        egress: _egress,
        ..
    } = started.running;
    drop(stdin);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let finished = tokio::time::timeout(patience, async {
        tokio::join!(
            collect(&mut out, &mut stdout, max_bytes),
            collect(&mut err, &mut stderr, max_bytes)
        )
    })
    .await
    .is_ok();
    if !finished {
        monitor.kill();
    }
    let report = monitor.ended().await?;
    Ok(ToolOutput {
        code: finished.then_some(report.code),
        stdout,
        stderr,
        exceeded: report.exceeded,
        plan: started.plan,
    })
}

async fn collect(stream: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>, max_bytes: usize) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let room = max_bytes.saturating_sub(into.len());
        into.extend_from_slice(&buffer[..count.min(room)]);
    }
}
