//! Secrets that a command of the user's prints: run outside of the sandbox, as the user, bounded in
//! time and output. What it prints is seen by nobody else.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{AccessFlags, Pid, access};
use zeroize::Zeroizing;

use super::value::without_line_break;
use super::{MAX_SECRET_BYTES, Secret, SecretError};
use crate::config::Environment;

/// Where bare names are looked for, and all that the command finds in its own `PATH`.
const PROGRAMS: &str = "/usr/local/bin:/usr/bin:/bin";
/// Between two looks at whether it has ended.
const TICK: Duration = Duration::from_millis(25);
/// For one that was killed.
const DYING_TIME: Duration = Duration::from_secs(1);
/// Of standard error, for the log.
const MAX_WORDS: usize = 4 << 10;

/// Runs a command and takes what it prints for a secret.
///
/// It gets pinfold's environment with a `PATH` of ours, `/dev/null` as input, and a process group of
/// its own. It and its group are killed when it isn't done before `deadline`; what left the group, but
/// for the command itself, is not followed.
///
/// # Errors
/// When it can't be started, fails, is late, or prints what is no secret. The output is in none.
pub(super) fn run(
    words: &[String],
    environment: &Environment,
    deadline: Instant,
) -> Result<Secret, SecretError> {
    let program = words.first().map(String::as_str).unwrap_or_default();
    let fail = |reason: String| SecretError::Command {
        program: program.to_owned(),
        reason,
    };
    let path = find(program)?;
    let mut child = Command::new(path)
        .arg0(program)
        .args(words.iter().skip(1))
        .env_clear()
        .envs(environment.iter().filter(|(name, _)| *name != "PATH"))
        .env("PATH", PROGRAMS)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| fail(format!("could not be started: {error}")))?;
    let mut words_of_its_own = Zeroizing::new(Vec::new());
    let outcome = watch(&mut child, &mut words_of_its_own, deadline);
    if outcome.is_err() {
        // It is not reaped yet, so its number can't be somebody else's. By its own number, too: it
        // may have left the group.
        let _ = killpg(pid_of(&child), Signal::SIGKILL);
        let _ = kill(pid_of(&child), Signal::SIGKILL);
    }
    let reaped = reap(child);
    let output = match outcome {
        Ok(output) => output,
        Err(Failure(reason)) => {
            tell(program, &words_of_its_own);
            return Err(fail(reason));
        }
    };
    match reaped {
        Ok(status) if status.success() => {}
        Ok(status) => {
            tell(program, &words_of_its_own);
            return Err(fail(format!("failed ({status})")));
        }
        Err(error) => return Err(fail(format!("could not be waited for: {error}"))),
    }
    Secret::new(without_line_break(output)).map_err(|error| match error {
        SecretError::Unusable {
            reason: "it is empty",
        } => fail("printed nothing".to_owned()),
        SecretError::Unusable { reason } => fail(format!("printed what can't be used: {reason}")),
        other => other,
    })
}

/// Takes its end. One that the kernel doesn't let die in time (in a system call on a dead disk, for
/// example) is left to a thread, so that nobody waits for it.
fn reap(mut child: Child) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + DYING_TIME;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            break;
        }
        std::thread::sleep(TICK);
    }
    // Without the thread it stays a zombie until we end.
    let _ = std::thread::Builder::new()
        .name("reaper".to_owned())
        .spawn(move || child.wait());
    Err(io::ErrorKind::TimedOut.into())
}

struct Failure(String);

/// Reads until standard output ends and the command with it. It is left as a zombie.
fn watch(
    child: &mut Child,
    words: &mut Vec<u8>,
    deadline: Instant,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |error: io::Error| Failure(format!("could not be read: {error}"));
    let pid = pid_of(child);
    let mut stdout = child.stdout.take();
    let mut stderr = child.stderr.take();
    // With room for all of it, so that it is not copied around while it grows.
    let mut output = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 4096));
    let mut buffer = Zeroizing::new([0; 4096]);
    loop {
        let ended = ended(pid).map_err(|errno| failed(errno.into()))?;
        match (&stdout, ended) {
            (None, Some(_)) => return Ok(output),
            // Whoever still holds its output has nothing to add to a failure.
            (Some(_), Some(false)) => return Ok(output),
            _ => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure(match ended {
                Some(_) => "left a process behind that keeps its output open".to_owned(),
                None => "was not done in time".to_owned(),
            }));
        }
        let descriptors = [
            stdout.as_ref().map(AsFd::as_fd),
            stderr.as_ref().map(AsFd::as_fd),
        ];
        let mut polled: Vec<PollFd<'_>> = descriptors
            .into_iter()
            .flatten()
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        let timeout = PollTimeout::try_from(left.min(TICK)).unwrap_or(PollTimeout::ZERO);
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        let mut ready = polled
            .iter()
            .map(|one| one.any().unwrap_or_default())
            .collect::<Vec<bool>>()
            .into_iter();
        if let Some(pipe) = &mut stdout
            && ready.next() == Some(true)
        {
            let count = pipe.read(&mut *buffer).map_err(failed)?;
            output.extend_from_slice(buffer.get(..count).unwrap_or_default());
            if output.len() > MAX_SECRET_BYTES + 2 {
                return Err(Failure("printed more than 64 KiB".to_owned()));
            }
            if count == 0 {
                stdout = None;
            }
        }
        if let Some(pipe) = &mut stderr
            && ready.next() == Some(true)
        {
            let count = pipe.read(&mut *buffer).map_err(failed)?;
            let room = MAX_WORDS.saturating_sub(words.len()).min(count);
            words.extend_from_slice(buffer.get(..room).unwrap_or_default());
            if count == 0 {
                stderr = None;
            }
        }
    }
}

/// Whether it has ended, and if so, well.
fn ended(pid: Pid) -> Result<Option<bool>, Errno> {
    // WNOWAIT: its number stays taken, so that its group can still be killed.
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    Ok(match waitid(Id::Pid(pid), flags)? {
        WaitStatus::StillAlive => None,
        WaitStatus::Exited(_, code) => Some(code == 0),
        _ => Some(false),
    })
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

/// What a failed command said, for a person who asks for it.
fn tell(program: &str, words: &[u8]) {
    for line in String::from_utf8_lossy(words).lines().take(20) {
        let line = crate::lockfile::printable(line, 400);
        tracing::info!("{program}: {line}");
    }
}

fn find(program: &str) -> Result<PathBuf, SecretError> {
    if program.starts_with('/') {
        return Ok(PathBuf::from(program));
    }
    std::env::split_paths(OsStr::new(PROGRAMS))
        .map(|folder| folder.join(program))
        .find(|path| is_program(path))
        .ok_or_else(|| SecretError::NoProgram {
            program: program.to_owned(),
        })
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> Result<Secret, SecretError> {
        let words = ["sh", "-c", script].map(str::to_owned);
        let environment = Environment::from_pairs([("PATH", "/nowhere"), ("MARK", "here")]);
        run(&words, &environment, Instant::now() + patience)
    }

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_secs(3);

    #[test]
    fn what_it_prints_is_the_secret() {
        for (script, printed) in [
            ("echo value", "value"),
            ("printf 'two\\nlines\\n\\n'", "two\nlines\n"),
            (
                "echo noise >&2; echo $MARK-$PATH",
                "here-/usr/local/bin:/usr/bin:/bin",
            ),
            ("read x; echo end-$x", "end-"),
            // A daemon that it leaves behind, as gpg does, without its output.
            ("sleep 5 >/dev/null 2>&1 & echo value", "value"),
            // One that keeps standard error.
            ("sleep 1 >/dev/null & echo value", "value"),
        ] {
            assert_eq!(shell(script, LONG).unwrap().text(), printed, "{script}");
        }
        let most = format!("head -c {MAX_SECRET_BYTES} /dev/zero | tr '\\0' a; echo");
        assert_eq!(shell(&most, LONG).unwrap().bytes().len(), MAX_SECRET_BYTES);
    }

    #[test]
    fn what_goes_wrong_is_said_without_the_output() {
        for (script, patience, says) in [
            ("echo planted; exit 3", LONG, "failed (exit status: 3)"),
            ("echo planted; kill -9 $$", LONG, "failed (signal: 9"),
            // The failure counts although somebody holds the pipe.
            ("sleep 2 & exit 1", LONG, "failed"),
            ("true", LONG, "printed nothing"),
            ("echo", LONG, "printed nothing"),
            ("printf 'planted\\0'", LONG, "NUL"),
            ("printf 'planted\\377'", LONG, "UTF-8"),
            ("yes planted", LONG, "more than 64 KiB"),
            ("sleep 30", SHORT, "not done in time"),
            (
                "echo planted; exec >&-; sleep 30",
                SHORT,
                "not done in time",
            ),
            (
                "echo planted; sleep 30 & exit 0",
                SHORT,
                "keeps its output open",
            ),
        ] {
            let error = shell(script, patience).unwrap_err().to_string();
            assert!(
                error.contains(says) && error.contains("`sh`"),
                "{script}: {error}"
            );
            assert!(!error.contains("planted"), "{error}");
        }
    }

    #[test]
    fn the_whole_group_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let script = format!("sleep 77 & echo $! > {}; wait", path.display());
        shell(&script, SHORT).unwrap_err();
        let pid: i32 = std::fs::read_to_string(path)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let gone = |pid| match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Err(_) => true,
            Ok(stat) => stat.contains(") Z "),
        };
        let deadline = Instant::now() + LONG;
        while !gone(pid) {
            assert!(Instant::now() < deadline, "it lives on");
            std::thread::sleep(TICK);
        }
    }

    #[test]
    fn leaving_the_group_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("left");
        let script = format!(
            "exec python3 -c \"
import os, time
os.setpgid(0, os.getpgid(os.getppid()))
open('{}', 'w').write('%d %d' % (os.getpid(), os.getpgid(0)))
time.sleep(600)
\"",
            path.display()
        );
        let begun = Instant::now();
        // Python needs a moment to begin.
        let patience = Duration::from_secs(5);
        let error = shell(&script, patience).unwrap_err().to_string();
        assert!(error.contains("not done in time"), "{error}");
        assert!(begun.elapsed() < LONG, "it was waited for");
        let text = std::fs::read_to_string(path).unwrap();
        let (pid, group) = text.split_once(' ').unwrap();
        // The control: it had left, so its group's end was not its own.
        assert_ne!(pid, group);
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "it lives on");
    }

    #[test]
    fn programs_are_found_where_the_machines_owner_puts_them() {
        assert!(find("sh").unwrap().starts_with("/"));
        assert_eq!(find("/opt/x").unwrap(), Path::new("/opt/x"));
        let error = find("no-such-program-here").unwrap_err();
        assert!(error.to_string().contains("absolute path"), "{error}");
        let words = ["/no/such".to_owned()];
        let error = run(&words, &Environment::default(), Instant::now() + LONG).unwrap_err();
        assert!(
            error.to_string().contains("could not be started"),
            "{error}"
        );
    }
}
