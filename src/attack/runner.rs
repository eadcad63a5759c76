//! Tries the attacks in turn, each in a process of its own that may die of it.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};

use super::{Attack, Attempt, Outcome, Targets, all};
use crate::sys::{self, Forked};

/// None waits for anybody, so this is for a machine that is very busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tries every attack on `targets` and says of each, as soon as it is known, what came of it.
///
/// This process must have one thread.
pub fn run(targets: &Targets, mut say: impl FnMut(Attempt)) {
    for attack in all() {
        let outcome = if attack.in_first_process {
            attempt(attack, targets)
        } else {
            in_child(attack, targets).unwrap_or_else(|error| {
                Outcome::Failed(format!("it could not be started: {error}"))
            })
        };
        say(Attempt {
            attack: attack.name.to_owned(),
            outcome,
        });
    }
}

fn attempt(attack: &Attack, targets: &Targets) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| (attack.attempt)(targets)))
        .map_or_else(|_| Outcome::Failed("it panicked".to_owned()), Outcome::of)
}

fn in_child(attack: &Attack, targets: &Targets) -> io::Result<Outcome> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    match sys::fork_single_threaded()? {
        Forked::Child => {
            drop(reader);
            let outcome = attempt(attack, targets);
            // When this fails the parent sees that nothing was said.
            let _ = serde_json::to_vec(&outcome)
                .map(|text| std::fs::File::from(writer).write_all(&text));
            sys::exit_without_cleanup(0)
        }
        Forked::Parent { child } => {
            drop(writer);
            let mut reader = std::fs::File::from(reader);
            let ended = ends_in_time(&reader)?;
            if !ended {
                kill(child, Signal::SIGKILL)?;
            }
            let mut text = Vec::new();
            if ended {
                reader.read_to_end(&mut text)?;
            }
            let status = wait_for(child)?;
            Ok(match (ended, status) {
                (false, _) => Outcome::TimedOut,
                (true, WaitStatus::Signaled(_, signal, _)) => Outcome::Killed(signal as i32),
                (true, _) => serde_json::from_slice(&text)
                    .unwrap_or_else(|_| Outcome::Failed("it ended and said nothing".to_owned())),
            })
        }
    }
}

/// Whether something is to be read, or the other end is closed, in time. What is written is
/// shorter than what a pipe writes at once (pipe(7)).
fn ends_in_time(reader: &std::fs::File) -> io::Result<bool> {
    let end = Instant::now() + PATIENCE;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, wait) {
            Ok(count) => return Ok(count > 0),
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn wait_for(child: Pid) -> io::Result<WaitStatus> {
    loop {
        match waitpid(child, None) {
            // One that has itself traced stops before it dies of a signal.
            Ok(WaitStatus::Stopped(..)) => kill(child, Signal::SIGKILL)?,
            Ok(status) => return Ok(status),
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
