//! Signals caught for a while, and what was done at them before put back afterwards. (What tokio
//! listens to stays caught until the process ends.)

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{pipe2, read, write};

/// The reading and the writing end. Never closed: a handler that still runs in another thread may
/// be about to write.
static PIPE: OnceLock<(OwnedFd, OwnedFd)> = OnceLock::new();

/// As long as it lives the signals end nothing and are told by [`CaughtSignals::next`]. Two at one
/// time would take them from each other.
pub struct CaughtSignals {
    reader: &'static OwnedFd,
    before: Vec<(Signal, SigAction)>,
}

/// Tells by the pipe that a signal came; async-signal-safe (signal-safety(7)).
extern "C" fn tell(number: c_int) {
    let errno = Errno::last_raw();
    if let (Some((_, writer)), Ok(number)) = (PIPE.get(), u8::try_from(number)) {
        // A full pipe has told enough.
        let _ = write(writer, &[number]);
    }
    Errno::set_raw(errno);
}

impl CaughtSignals {
    /// Those of `signals` that are ignored (as by nohup(1)) stay so.
    ///
    /// # Errors
    /// What pipe2(2) and sigaction(2) report.
    pub fn catch(signals: &[Signal]) -> io::Result<Self> {
        let (reader, _) = match PIPE.get() {
            Some(pipe) => pipe,
            None => {
                let pipe = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
                PIPE.get_or_init(|| pipe)
            }
        };
        let mut caught = Self {
            reader,
            before: Vec::new(),
        };
        while caught.next()?.is_some() {}
        let action = SigAction::new(
            SigHandler::Handler(tell),
            SaFlags::SA_RESTART,
            SigSet::empty(),
        );
        for &signal in signals {
            // SAFETY: `tell` makes only calls that are async-signal-safe, and shares nothing but an atomic with the program.
            let before = unsafe { sigaction(signal, &action) }?;
            caught.before.push((signal, before));
            if matches!(before.handler(), SigHandler::SigIgn) {
                put_back(signal, &before)?;
                caught.before.pop();
            }
        }
        Ok(caught)
    }

    /// The next signal that came, without waiting for one.
    ///
    /// # Errors
    /// What read(2) reports.
    pub fn next(&self) -> io::Result<Option<Signal>> {
        let mut number = [0];
        match read(self.as_fd(), &mut number) {
            Ok(0) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Ok(_) => Ok(Signal::try_from(c_int::from(number[0])).ok()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Readable when a signal came.
impl AsFd for CaughtSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for CaughtSignals {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            let _ = put_back(*signal, before);
        }
    }
}

fn put_back(signal: Signal, before: &SigAction) -> io::Result<()> {
    // SAFETY: `before` is what sigaction(2) reported of this process, so its handler is one that was installed and stays valid.
    unsafe { sigaction(signal, before) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;

    #[test]
    fn a_signal_is_told_once_and_what_was_before_comes_back() {
        // Nothing else of these tests uses it, and its default is to be ignored.
        let signal = Signal::SIGURG;
        let caught = CaughtSignals::catch(&[signal]).unwrap();
        assert_eq!(caught.next().unwrap(), None);
        raise(signal).unwrap();
        assert_eq!(caught.next().unwrap(), Some(signal));
        assert_eq!(caught.next().unwrap(), None);
        drop(caught);
        let again = CaughtSignals::catch(&[]).unwrap();
        raise(signal).unwrap();
        assert_eq!(again.next().unwrap(), None);
    }
}
