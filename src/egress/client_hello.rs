//! The server name in the first bytes that a client sends on a connection: RFC 6066 section 3,
//! within the ClientHello of RFC 8446 section 4.1.2, within the records of its section 5.1.
//!
//! The name is what the client says. It doesn't tell which host is spoken with when the inner
//! ClientHello is encrypted (RFC 9849): then it is the name of the outer one.

use super::fields::Fields;
use crate::config::HostName;

/// So much is looked at, records with their headers.
pub const MAX_FIRST_BYTES: usize = 64 * 1024;
/// RFC 8446 section 5.1: the greatest fragment in one record.
const MAX_FRAGMENT_BYTES: usize = 1 << 14;
/// The types of records, change_cipher_spec to heartbeat (RFC 8446 section 5.1, RFC 6520 section 3).
const RECORD_FIRST: u8 = 20;
const RECORD_ALERT: u8 = 21;
const RECORD_HANDSHAKE: u8 = 22;
const RECORD_LAST: u8 = 24;
/// The upper byte of every version since SSL 3.0.
const VERSION_MAJOR: u8 = 3;
/// "MUST be ignored for all purposes" (RFC 8446 section 5.1): Go's servers take the first record of a
/// connection for TLS up to here.
const VERSION_MAJOR_IGNORED: u8 = 15;
const ALERT_WARNING: u8 = 1;
const MESSAGE_CLIENT_HELLO: u8 = 1;
/// Type and length, before the body of a handshake message.
const MESSAGE_HEADER_BYTES: usize = 4;
const EXTENSION_SERVER_NAME: u16 = 0;
const NAME_TYPE_HOST_NAME: u8 = 0;
const MAX_SESSION_BYTES: usize = 32;

/// What the first bytes of a connection are. Once it is anything but [`FirstBytes::NeedMore`],
/// more bytes don't change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstBytes {
    /// It may become a ClientHello.
    NeedMore,
    /// Another protocol.
    NotTls,
    /// A whole ClientHello; the name is missing when it has no server_name extension.
    Tls { server_name: Option<HostName> },
    /// It begins as TLS or as what servers take for it, and breaks the rules, can be read in two ways,
    /// or is too long.
    Unreadable,
}

/// Looks at all bytes that have come so far, the first [`MAX_FIRST_BYTES`] of them. The time
/// grows with their number.
pub fn look(bytes: &[u8]) -> FirstBytes {
    match bytes {
        [] | [RECORD_FIRST..=RECORD_LAST] => FirstBytes::NeedMore,
        [RECORD_HANDSHAKE, VERSION_MAJOR, ..] => {
            let seen = &bytes[..bytes.len().min(MAX_FIRST_BYTES)];
            match read_message(seen) {
                Message::Partial if seen.len() < MAX_FIRST_BYTES => FirstBytes::NeedMore,
                Message::Partial | Message::Unreadable => FirstBytes::Unreadable,
                Message::Whole(body) => read_client_hello(Fields(&body))
                    .map_or(FirstBytes::Unreadable, |server_name| FirstBytes::Tls {
                        server_name,
                    }),
            }
        }
        // No client begins so, but there are servers that pass over a warning, for example, and then
        // take a ClientHello.
        [RECORD_FIRST..=RECORD_LAST, VERSION_MAJOR, ..] => FirstBytes::Unreadable,
        [
            RECORD_ALERT | RECORD_HANDSHAKE,
            ..=VERSION_MAJOR_IGNORED,
            rest @ ..,
        ] => look_behind_another_version(rest),
        _ => FirstBytes::NotTls,
    }
}

/// Whether a record with a version that no client writes is one that a server would take all the
/// same: a ClientHello, or a warning before one. `rest` begins after the version's upper byte.
///
/// Other protocols begin with such bytes, too, with a length for example.
fn look_behind_another_version(rest: &[u8]) -> FirstBytes {
    let [_, upper, lower, kind, next @ ..] = rest else {
        return FirstBytes::NeedMore;
    };
    let length = usize::from(u16::from_be_bytes([*upper, *lower]));
    // Both are the same number.
    let is_one = *kind == MESSAGE_CLIENT_HELLO || *kind == ALERT_WARNING;
    if !is_one || length == 0 || length > MAX_FRAGMENT_BYTES {
        return FirstBytes::NotTls;
    }
    match next.first() {
        _ if length <= 2 => FirstBytes::Unreadable,
        None => FirstBytes::NeedMore,
        // The upper byte of the length of a ClientHello.
        Some(0) => FirstBytes::Unreadable,
        Some(_) => FirstBytes::NotTls,
    }
}

/// The first handshake message, out of its records.
enum Message {
    Partial,
    Unreadable,
    /// The body of a ClientHello.
    Whole(Vec<u8>),
}

fn read_message(bytes: &[u8]) -> Message {
    let mut rest = bytes;
    let mut message = Vec::new();
    while let Some(record_type) = rest.first() {
        let version = rest.get(1).copied().unwrap_or(VERSION_MAJOR);
        if *record_type != RECORD_HANDSHAKE || version != VERSION_MAJOR {
            return Message::Unreadable;
        }
        let [_, _, _, upper, lower, fragment @ ..] = rest else {
            return Message::Partial;
        };
        let length = usize::from(u16::from_be_bytes([*upper, *lower]));
        if length == 0 || length > MAX_FRAGMENT_BYTES {
            return Message::Unreadable;
        }
        let here = length.min(fragment.len());
        message.extend_from_slice(&fragment[..here]);
        let missing = length - here;

        if message
            .first()
            .is_some_and(|kind| *kind != MESSAGE_CLIENT_HELLO)
        {
            return Message::Unreadable;
        }
        if let [_, upper, middle, lower, ..] = message[..] {
            let body = u32::from_be_bytes([0, upper, middle, lower]) as usize;
            let whole = MESSAGE_HEADER_BYTES + body;
            // A second message in the same record can't be: the server speaks next.
            if whole > MAX_FIRST_BYTES || message.len() + missing > whole {
                return Message::Unreadable;
            }
            if message.len() == whole {
                return Message::Whole(message.split_off(MESSAGE_HEADER_BYTES));
            }
        }
        rest = &fragment[here..];
    }
    Message::Partial
}

/// The name in the body of a ClientHello; `None` when the body breaks the rules.
fn read_client_hello(mut body: Fields<'_>) -> Option<Option<HostName>> {
    let version = body.take(2)?;
    let _random = body.take(32)?;
    let session = body.short_field()?;
    let ciphers = body.long_field()?;
    let compressions = body.short_field()?;
    let fits = version[0] == VERSION_MAJOR
        && session.0.len() <= MAX_SESSION_BYTES
        && !ciphers.is_empty()
        && ciphers.0.len() % 2 == 0
        && !compressions.is_empty();
    if !fits {
        return None;
    }
    // Before TLS 1.3 there may be no extensions at all (RFC 5246 section 7.4.1.2).
    if body.is_empty() {
        return Some(None);
    }
    let mut extensions = body.long_field()?;
    if !body.is_empty() {
        return None;
    }
    let mut server_name = None;
    while !extensions.is_empty() {
        let extension = extensions.number()?;
        let data = extensions.long_field()?;
        if extension == EXTENSION_SERVER_NAME {
            let is_second = server_name.replace(read_server_name(data)?).is_some();
            if is_second {
                return None;
            }
        }
    }
    Some(server_name)
}

/// The one name of a server_name extension.
fn read_server_name(mut extension: Fields<'_>) -> Option<HostName> {
    let mut list = extension.long_field()?;
    let name_type = list.byte()?;
    let name = list.long_field()?;
    if name_type != NAME_TYPE_HOST_NAME || !list.is_empty() || !extension.is_empty() {
        return None;
    }
    // The dot at the end, which a `HostName` may be written with, is forbidden here.
    let text = std::str::from_utf8(name.0).ok()?;
    HostName::from_ascii(text)
        .ok()
        .filter(|_| !text.ends_with('.'))
}

#[cfg(test)]
mod tests;
