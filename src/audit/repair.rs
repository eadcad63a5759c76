//! What an append does when the log is not as the last append left it: its writer was killed
//! between two steps, the power failed, or somebody changed a file. Never fatal, always reported.

use std::fs::File;
use std::io;

use super::chain::{Anchor, Link};
use super::head::Head;
use super::lines::Lines;

/// What a look through a file of records has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    pub(super) first: Option<Link>,
    /// The last line that is a record.
    pub(super) last: Option<Link>,
    /// The record with the number that the head has.
    pub(super) at_head: Option<Link>,
    /// Where the last record ends. What is behind it is none.
    pub(super) end: u64,
}

/// What is to be done. `before` is what the next record hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) before: Anchor,
    pub(super) missing: Option<(u64, u64)>,
    pub(super) altered: Option<u64>,
    /// Numbers of records that none of our writers can have left there.
    pub(super) foreign: Option<(u64, u64)>,
    pub(super) head_lost: bool,
}

/// Records behind the one that `head` has, which no kill of a writer explains. The head is written
/// after each append under the same lock, so a kill leaves those of one append at the most, and how
/// many these are the head has said before; a slot that was torn is that of the same append. After a
/// power loss there may be any number: only records are forced onto the disk, never the head.
pub(super) fn foreign(head: &Head, last: u64, boot: u64) -> Option<(u64, u64)> {
    let is_too_far = last > head.last.seq.saturating_add(head.batch.max(1));
    (is_too_far && head.boot == boot).then_some((head.last.seq + 1, last))
}

/// Looks through `file` from `from` to `to`.
pub(super) fn scan(file: File, from: u64, to: u64, head: Option<&Head>) -> io::Result<Scanned> {
    let mut scanned = Scanned {
        end: from,
        ..Scanned::default()
    };
    let mut lines = Lines::between(file, from, to)?;
    while let Some(line) = lines.next()? {
        let Some(link) = line.link() else {
            continue;
        };
        scanned.first.get_or_insert(link);
        if head.is_some_and(|head| head.last.seq == link.seq) {
            scanned.at_head = Some(link);
        }
        scanned.last = Some(link);
        scanned.end = line.end;
    }
    Ok(scanned)
}

/// Compares what the head says with what is there. Pure.
///
/// The next record always hangs on what the head knows, not on what was found in its place, so
/// that no append makes a change of the last record look right.
pub(super) fn judge(head: Option<&Head>, found: &Scanned, any_files: bool, boot: u64) -> Judged {
    let fine = |before| Judged {
        before,
        missing: None,
        altered: None,
        foreign: None,
        head_lost: false,
    };
    let last = found.last.map(|link| link.anchor());
    match (head, last) {
        (None, last) => Judged {
            head_lost: any_files,
            ..fine(last.unwrap_or(Anchor::NONE))
        },
        (Some(head), None) => Judged {
            missing: (head.last.seq >= head.oldest).then_some((head.oldest, head.last.seq)),
            ..fine(head.last)
        },
        (Some(head), Some(last)) if last.seq < head.last.seq => Judged {
            missing: Some((last.seq + 1, head.last.seq)),
            ..fine(head.last)
        },
        (Some(head), Some(last)) if last.seq == head.last.seq => Judged {
            altered: (last.hash != head.last.hash).then_some(last.seq),
            ..fine(head.last)
        },
        // The records behind it were written by somebody who could not write the head any more.
        (Some(head), Some(last)) => {
            let hangs = match found.at_head {
                Some(link) => link.hash == head.last.hash,
                None => found.first.is_some_and(|first| first.follows(&head.last)),
            };
            Judged {
                altered: (!hangs).then_some(head.last.seq),
                foreign: foreign(head, last.seq, boot),
                ..fine(last)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::Digest;

    fn anchor(seq: u64) -> Anchor {
        Anchor {
            seq,
            hash: Digest::of(&seq.to_le_bytes()),
        }
    }

    fn link(seq: u64) -> Link {
        Link {
            seq,
            prev: anchor(seq - 1).hash,
            hash: anchor(seq).hash,
        }
    }

    fn head(seq: u64) -> Head {
        Head {
            last: anchor(seq),
            oldest: 1,
            inode: 1,
            end: 1,
            boot: 1,
            batch: 0,
            second: false,
        }
    }

    fn found(first: u64, last: u64, at_head: Option<u64>) -> Scanned {
        Scanned {
            first: Some(link(first)),
            last: Some(link(last)),
            at_head: at_head.map(link),
            end: 0,
        }
    }

    #[test]
    fn every_difference_between_head_and_file_is_told_apart() {
        let said = |head: Option<Head>, found: Scanned| {
            // After a start of the machine.
            let judged = judge(head.as_ref(), &found, true, 2);
            assert_eq!(judged.foreign, None);
            let before = judged.before.seq;
            (before, judged.missing, judged.altered, judged.head_lost)
        };
        assert_eq!(
            said(Some(head(3)), found(1, 3, Some(3))),
            (3, None, None, false)
        );
        // killed before the head was written; a power loss took the newest heads
        assert_eq!(
            said(Some(head(3)), found(1, 4, Some(3))),
            (4, None, None, false)
        );
        assert_eq!(
            said(Some(head(3)), found(1, 9, Some(3))),
            (9, None, None, false)
        );
        assert_eq!(
            said(Some(head(3)), found(4, 9, None)),
            (9, None, None, false)
        );
        // the end is gone
        assert_eq!(
            said(Some(head(3)), found(1, 1, None)),
            (3, Some((2, 3)), None, false)
        );
        assert_eq!(
            said(Some(head(3)), Scanned::default()),
            (3, Some((1, 3)), None, false)
        );
        // no head
        assert_eq!(said(None, found(1, 3, None)), (3, None, None, true));
        assert_eq!(
            judge(None, &Scanned::default(), false, 1),
            judge(
                Some(&Head {
                    last: Anchor::NONE,
                    ..head(1)
                }),
                &Scanned::default(),
                false,
                1
            )
        );
        // another record in its place
        let other = Link {
            hash: Digest::of(b"other"),
            ..link(3)
        };
        let scanned = Scanned {
            last: Some(other),
            at_head: Some(other),
            ..found(1, 3, None)
        };
        assert_eq!(said(Some(head(3)), scanned), (3, None, Some(3), false));
        let scanned = Scanned {
            at_head: Some(other),
            ..found(1, 4, None)
        };
        assert_eq!(said(Some(head(3)), scanned), (4, None, Some(3), false));
        assert_eq!(
            said(Some(head(3)), found(5, 9, None)),
            (9, None, Some(3), false)
        );
    }

    #[test]
    fn a_kill_leaves_the_records_of_one_append_beyond_the_head() {
        for (batch, last, foreign) in [
            (0, 3, None),
            (0, 4, None),
            (0, 5, Some((4, 5))),
            (0, 9, Some((4, 9))),
            (2, 5, None),
            (2, 6, Some((4, 6))),
        ] {
            let found = found(1, last, Some(3));
            let head = Head { batch, ..head(3) };
            assert_eq!(judge(Some(&head), &found, true, 1).foreign, foreign);
            assert_eq!(judge(Some(&head), &found, true, 2).foreign, None);
        }
    }
}
