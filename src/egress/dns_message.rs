//! DNS queries of a boxed program, and the answers to them: RFC 1035 section 4, with the OPT
//! record of RFC 6891.
//!
//! A message is what one datagram holds, or what follows the length on a TCP connection.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::fields::Fields;
use crate::config::HostName;

/// RFC 1035 section 2.3.4: with the length bytes and the empty label at the end.
const MAX_NAME_BYTES: usize = 255;
const MAX_LABEL_BYTES: usize = 63;
/// What we take in one datagram, as told in an OPT record: DNS flag day 2020.
const UDP_PAYLOAD_BYTES: u16 = 1232;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TYPE_OPT: u16 = 41;
const CLASS_IN: u16 = 1;

/// The bits of the second word of the header.
const FLAG_RESPONSE: u16 = 0x8000;
const FLAG_RECURSION_DESIRED: u16 = 0x0100;
const FLAG_RECURSION_AVAILABLE: u16 = 0x0080;
const OPCODE: u16 = 0x7800;

const FORMAT_ERROR: u16 = 1;
const SERVER_FAILURE: u16 = 2;
const NAME_ERROR: u16 = 3;
const NOT_IMPLEMENTED: u16 = 4;
const REFUSED: u16 = 5;
/// The upper eight bits of BADVERS (16), which stand in the OPT record.
const BAD_VERSION_UPPER: u8 = 1;

/// One query: what is asked for, and what its answer has to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub id: u16,
    pub recursion_desired: bool,
    /// The name as sent, in any case: labels after their lengths, the empty one last.
    pub labels: Vec<u8>,
    /// The same as a host name; none when it is no host name, the root for example.
    pub name: Option<HostName>,
    pub kind: QuestionKind,
    /// 1 is the Internet; any other is refused by [`answer`].
    pub class: u16,
    /// The version of EDNS, when the query had an OPT record; [`answer`] knows only 0.
    pub edns_version: Option<u8>,
}

/// The type of the records asked for (RFC 1035 section 3.2.2, RFC 3596 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionKind {
    Address,
    Address6,
    Other(u16),
}

impl QuestionKind {
    fn from_number(number: u16) -> Self {
        match number {
            TYPE_A => Self::Address,
            TYPE_AAAA => Self::Address6,
            other => Self::Other(other),
        }
    }

    fn number(self) -> u16 {
        match self {
            Self::Address => TYPE_A,
            Self::Address6 => TYPE_AAAA,
            Self::Other(number) => number,
        }
    }
}

/// The header of a query that is answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryHeader {
    pub id: u16,
    /// As sent; the opcode and "recursion desired" of it are repeated.
    pub flags: u16,
}

/// Why a message is no question. [`error_answer`] tells whether an answer is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    #[error("the message is shorter than a DNS header")]
    Short,
    #[error("the message is a DNS answer, not a query")]
    NotAQuery,
    #[error("the DNS query is malformed")]
    Malformed(QueryHeader),
    #[error("the DNS message is no plain query (opcode 0)")]
    NotImplemented(QueryHeader),
}

/// What a question is answered with; times to live are in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Address(Ipv4Addr, u32),
    Address6(Ipv6Addr, u32),
    /// The name exists and has no record of this type.
    NoData,
    NoSuchName,
    Refused,
    ServerFailure,
}

/// Reads a message that holds one query with one question and nothing after it.
///
/// # Errors
/// On anything else: more or fewer questions, records of answers, a compressed name in the
/// question, lengths that don't fit, two OPT records, bytes left over.
pub fn read_question(message: &[u8]) -> Result<Question, DnsError> {
    let mut fields = Fields(message);
    let mut header = [0; 6];
    for number in &mut header {
        *number = fields.number().ok_or(DnsError::Short)?;
    }
    let [id, flags, questions, answers, authorities, additional] = header;
    let header = QueryHeader { id, flags };
    if flags & FLAG_RESPONSE != 0 {
        return Err(DnsError::NotAQuery);
    }
    if flags & OPCODE != 0 {
        return Err(DnsError::NotImplemented(header));
    }
    if (questions, answers, authorities) != (1, 0, 0) {
        return Err(DnsError::Malformed(header));
    }
    read_sections(header, fields, additional).ok_or(DnsError::Malformed(header))
}

/// What follows the header: the question, and so many additional records.
fn read_sections(header: QueryHeader, mut fields: Fields<'_>, additional: u16) -> Option<Question> {
    let (labels, name) = read_name(&mut fields)?;
    let kind = QuestionKind::from_number(fields.number()?);
    let class = fields.number()?;
    let mut edns_version = None;
    for _ in 0..additional {
        let is_root = skip_name(&mut fields)?;
        let record_type = fields.number()?;
        let _class = fields.number()?;
        let time_to_live = fields.take(4)?;
        fields.long_field()?;
        if record_type == TYPE_OPT {
            // RFC 6891 section 6.1: its version stands in what is the time to live elsewhere.
            let is_second = edns_version.replace(time_to_live[1]).is_some();
            if is_second || !is_root {
                return None;
            }
        }
    }
    fields.is_empty().then_some(Question {
        id: header.id,
        recursion_desired: header.flags & FLAG_RECURSION_DESIRED != 0,
        labels,
        name,
        kind,
        class,
        edns_version,
    })
}

/// The name of the question: as sent, and as a host name if it is one.
fn read_name(fields: &mut Fields<'_>) -> Option<(Vec<u8>, Option<HostName>)> {
    let mut labels = Vec::new();
    let mut parts = Vec::new();
    loop {
        // The two upper bits mark a pointer; they make the length greater than 63.
        let length = fields
            .byte()
            .filter(|byte| *byte as usize <= MAX_LABEL_BYTES)?;
        let label = fields.take(length.into())?;
        labels.push(length);
        labels.extend_from_slice(label);
        if labels.len() > MAX_NAME_BYTES {
            return None;
        }
        if label.is_empty() {
            break;
        }
        parts.push(label);
    }
    // A dot within a label is not a dot between two.
    let is_plain = parts.iter().all(|label| !label.contains(&b'.'));
    let name = String::from_utf8(parts.join(&b'.'))
        .ok()
        .filter(|_| is_plain)
        .and_then(|text| HostName::from_ascii(&text).ok());
    Some((labels, name))
}

/// Passes over the name of a record, where a pointer may end it and is not followed. Tells
/// whether it is the root.
fn skip_name(fields: &mut Fields<'_>) -> Option<bool> {
    let mut is_root = true;
    loop {
        match fields.byte()? {
            0 => return Some(is_root),
            length @ 1..=63 => fields.take(length.into())?,
            0xc0..=0xff => {
                fields.byte()?;
                return Some(false);
            }
            64..=0xbf => return None,
        };
        is_root = false;
    }
}

/// The answer to a question, 310 bytes at most, so that it fits in every datagram. An address of
/// the kind that was not asked for is told as [`Answer::NoData`].
pub fn answer(question: &Question, result: Answer) -> Vec<u8> {
    let is_known_version = question.edns_version.unwrap_or(0) == 0;
    let (code, record) = if !is_known_version {
        (0, None)
    } else if question.class != CLASS_IN {
        (REFUSED, None)
    } else {
        match (result, question.kind) {
            (Answer::Address(address, ttl), QuestionKind::Address) => {
                (0, Some((ttl, address.octets().to_vec())))
            }
            (Answer::Address6(address, ttl), QuestionKind::Address6) => {
                (0, Some((ttl, address.octets().to_vec())))
            }
            (Answer::Address(..) | Answer::Address6(..) | Answer::NoData, _) => (0, None),
            (Answer::NoSuchName, _) => (NAME_ERROR, None),
            (Answer::Refused, _) => (REFUSED, None),
            (Answer::ServerFailure, _) => (SERVER_FAILURE, None),
        }
    };
    let recursion_desired = if question.recursion_desired {
        FLAG_RECURSION_DESIRED
    } else {
        0
    };
    let counts = [
        1,
        u16::from(record.is_some()),
        0,
        u16::from(question.edns_version.is_some()),
    ];
    let mut message = header(question.id, recursion_desired | code, counts);
    message.extend_from_slice(&question.labels);
    push(&mut message, &[question.kind.number(), question.class]);
    if let Some((ttl, address)) = record {
        // RFC 1035 section 4.1.4: the name is the one that stands after the header, at 12.
        push(&mut message, &[0xc00c, question.kind.number(), CLASS_IN]);
        message.extend_from_slice(&ttl.to_be_bytes());
        let length = if address.len() == 4 { 4 } else { 16 };
        push(&mut message, &[length]);
        message.extend_from_slice(&address);
    }
    if question.edns_version.is_some() {
        let upper_code = if is_known_version {
            0
        } else {
            BAD_VERSION_UPPER
        };
        message.push(0);
        push(&mut message, &[TYPE_OPT, UDP_PAYLOAD_BYTES]);
        message.extend_from_slice(&[upper_code, 0, 0, 0, 0, 0]);
    }
    message
}

/// The answer to a message that is no question: a header alone. None when none is owed, since an
/// answer to an answer could go on for ever.
pub fn error_answer(error: &DnsError) -> Option<Vec<u8>> {
    let (query, code) = match error {
        DnsError::Short | DnsError::NotAQuery => return None,
        DnsError::Malformed(query) => (query, FORMAT_ERROR),
        DnsError::NotImplemented(query) => (query, NOT_IMPLEMENTED),
    };
    let repeated = query.flags & (OPCODE | FLAG_RECURSION_DESIRED);
    Some(header(query.id, repeated | code, [0; 4]))
}

/// The header of an answer; `counts` are those of the four sections.
fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut message = Vec::with_capacity(512);
    push(
        &mut message,
        &[id, FLAG_RESPONSE | FLAG_RECURSION_AVAILABLE | flags],
    );
    push(&mut message, &counts);
    message
}

fn push(message: &mut Vec<u8>, numbers: &[u16]) {
    for number in numbers {
        message.extend_from_slice(&number.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
