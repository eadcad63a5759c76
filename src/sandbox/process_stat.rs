//! The line of `/proc/PID/stat` (proc_pid_stat(5)), whatever the process calls itself.

use std::borrow::Cow;
use std::fs;

/// `pid (name) state ppid …`: what comes after the name. `None` when the process is gone.
///
/// The server chooses the name: it may hold `)`, and bytes that are not UTF-8.
pub(super) fn after_name(pid: i32) -> Option<String> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    behind_name(&stat).map(Cow::into_owned)
}

fn behind_name(stat: &[u8]) -> Option<Cow<'_, str>> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    Some(String::from_utf8_lossy(&stat[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_hides_what_follows_it() {
        for name in [&b"x"[..], b"a) b) (c", b"\xff\xfe", b"a\nb"] {
            let line = [b"7 (", name, b") S 1 7"].concat();
            assert_eq!(behind_name(&line).as_deref(), Some(" S 1 7"), "{name:?}");
        }
        assert_eq!(behind_name(b"7"), None);
    }
}
