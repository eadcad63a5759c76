//! Keys out of the bytes that a terminal sends. Pure.

/// A key, or several at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Key {
    Character(char),
    /// With its letter in lower case.
    Control(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    /// Nothing that anybody here knows.
    Other,
}

/// Longest sequence of a known key; more is no key.
const MAX_SEQUENCE: usize = 32;

/// Takes the first key out of `typed`; `None` when there is none, or not all of it yet. With
/// `is_all` nothing follows: an escape is then the key of that name.
pub(super) fn next_key(typed: &mut Vec<u8>, is_all: bool) -> Option<Key> {
    let (key, length) = match typed.first()? {
        0x1b => sequence(typed, is_all)?,
        b'\r' | b'\n' => (Key::Enter, 1),
        0x7f | 0x08 => (Key::Backspace, 1),
        byte @ 1..=26 => (Key::Control(char::from(byte - 1 + b'a')), 1),
        byte if *byte < 0x20 => (Key::Other, 1),
        _ => character(typed, is_all)?,
    };
    typed.drain(..length);
    Some(key)
}

/// What begins with an escape: `CSI … FINAL`, `SS3 FINAL` (ECMA-48, xterm's ctlseqs), or Alt with a key.
fn sequence(typed: &[u8], is_all: bool) -> Option<(Key, usize)> {
    match typed.get(1) {
        None => is_all.then_some((Key::Escape, 1)),
        Some(b'[') => control_sequence(typed, is_all),
        Some(b'O') => match typed.get(2) {
            Some(last) => Some((by_letter(*last), 3)),
            None => is_all.then_some((Key::Other, 2)),
        },
        // Twice the key of that name.
        Some(0x1b) => Some((Key::Escape, 1)),
        Some(_) => Some((Key::Other, 2)),
    }
}

fn control_sequence(typed: &[u8], is_all: bool) -> Option<(Key, usize)> {
    let inner = typed.get(2..)?;
    let Some(at) = inner.iter().position(|byte| (0x40..=0x7e).contains(byte)) else {
        let is_broken = is_all || inner.len() > MAX_SEQUENCE;
        return is_broken.then_some((Key::Other, typed.len()));
    };
    let key = match (&inner[..at], inner[at]) {
        ([], letter) => by_letter(letter),
        (b"1" | b"7", b'~') => Key::Home,
        (b"4" | b"8", b'~') => Key::End,
        (b"5", b'~') => Key::PageUp,
        (b"6", b'~') => Key::PageDown,
        _ => Key::Other,
    };
    Some((key, 2 + at + 1))
}

fn by_letter(letter: u8) -> Key {
    match letter {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'M' => Key::Enter,
        _ => Key::Other,
    }
}

fn character(typed: &[u8], is_all: bool) -> Option<(Key, usize)> {
    let head = &typed[..typed.len().min(4)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or("")
        }
        Err(error) => {
            return match error.error_len() {
                Some(length) => Some((Key::Other, length)),
                // The rest of it is on its way.
                None => is_all.then_some((Key::Other, head.len())),
            };
        }
    };
    let character = text.chars().next()?;
    Some((Key::Character(character), character.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut typed = bytes.to_vec();
        let mut keys = Vec::new();
        while let Some(key) = next_key(&mut typed, true) {
            keys.push(key);
        }
        assert!(typed.is_empty());
        keys
    }

    #[test]
    fn keys_of_terminals() {
        use Key::*;
        assert_eq!(
            keys("aß日 \r\u{3}\u{7f}".as_bytes()),
            [
                Character('a'),
                Character('ß'),
                Character('日'),
                Character(' '),
                Enter,
                Control('c'),
                Backspace
            ]
        );
        assert_eq!(
            keys(b"\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1b[4~"),
            [Up, Down, PageUp, PageDown, Home, End]
        );
        assert_eq!(keys(b"\x1b\x1b"), [Escape, Escape]);
        // Alt and x, a key with modifiers, a byte that is no text.
        assert_eq!(
            keys(b"\x1bx\x1b[1;5A\xffa"),
            [Other, Other, Other, Character('a')]
        );
    }

    #[test]
    fn half_a_key_waits_for_its_rest() {
        for half in [&b"\x1b"[..], b"\x1b[", b"\x1b[5", b"\x1bO", b"\xe6\x97"] {
            let mut typed = half.to_vec();
            assert_eq!(next_key(&mut typed, false), None, "{half:?}");
            assert_eq!(typed, half);
            assert!(next_key(&mut typed, true).is_some());
        }
    }

    #[test]
    fn whatever_is_sent_every_byte_is_taken() {
        let mut seed = 7_u32;
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..12)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let byte = seed.to_be_bytes()[0];
                    if byte < 60 {
                        b"\x1b[O~5A"[usize::from(byte) % 6]
                    } else {
                        byte
                    }
                })
                .collect();
            keys(&bytes);
        }
    }
}
