//! The bytes of the file: a header and records of 64 bytes each, numbers in little endian, each with
//! the CRC-32 of what is before it at its end. Pure but for the boot's id.
//!
//! | header | bytes | record | bytes |
//! |---|---:|---|---:|
//! | `pinfold-budget-1` | 16 | key of a bucket | 16 |
//! | boot id | 16 | when it is full again, or 0 | 8 |
//! | when the file was made | 8 | key of a call | 16 |
//! | what is not in it counts as spent then, or 2^64-1 | 8 | until when it is refused, or 0 | 8 |
//! | zeros | 12 | zeros | 12 |
//! | CRC-32 | 4 | CRC-32 | 4 |
//!
//! Times are nanoseconds of CLOCK_MONOTONIC.

use std::io;
use std::time::Duration;

use crate::relay::{SpendingKey, Spent};

/// Of the header and of each record: a part of a page, so that none lies in two.
pub(super) const LENGTH: usize = 64;
pub(super) const SIZE: u64 = LENGTH as u64;
const MAGIC: &[u8; 16] = b"pinfold-budget-1";
/// A record that speaks of a later time than this from now was not written by us: no window is longer
/// than a day.
const LATEST: Duration = Duration::from_secs(25 * 60 * 60);
const NEVER: u64 = u64::MAX;

type Bytes = [u8; LENGTH];

/// Random, and another one after each start of the machine (random(4)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Boot(pub(super) [u8; 16]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) boot: Boot,
    /// Tells a file from the one that was in its place before.
    made: Duration,
    pub(super) unknown_at: Option<Duration>,
}

impl Boot {
    pub(super) fn current() -> io::Result<Self> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Self::parse(&text).ok_or_else(|| io::Error::other("the boot has no id"))
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().replace('-', "");
        let number = u128::from_str_radix(&digits, 16).ok();
        let number = number.filter(|_| digits.len() == 32)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl Header {
    pub(super) fn new(boot: Boot, made: Duration, unknown_at: Option<Duration>) -> Self {
        // As it will be read.
        let whole = |time: Duration| Duration::from_nanos(nanoseconds(time));
        Self {
            boot,
            made: whole(made),
            unknown_at: unknown_at.map(whole),
        }
    }

    pub(super) fn bytes(&self) -> Bytes {
        let unknown_at = self.unknown_at.map_or(NEVER, nanoseconds);
        sealed(&[
            MAGIC,
            &self.boot.0,
            &nanoseconds(self.made).to_le_bytes(),
            &unknown_at.to_le_bytes(),
        ])
    }

    /// `None` when it is not one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let content = opened(bytes)?;
        let (magic, rest) = content.split_first_chunk()?;
        let (boot, rest) = rest.split_first_chunk()?;
        let (made, rest) = number(rest)?;
        let (unknown_at, rest) = number(rest)?;
        let unknown_at = (unknown_at != NEVER).then(|| Duration::from_nanos(unknown_at));
        let header = Self {
            boot: Boot(*boot),
            made: Duration::from_nanos(made),
            unknown_at,
        };
        let sound = magic == MAGIC && is_zero(rest) && (*boot != [0; 16]);
        sound.then_some(header)
    }
}

pub(super) fn record(spent: &Spent) -> Bytes {
    let part = |part: Option<(SpendingKey, Duration)>| {
        part.map_or(([0; 16], 0), |(key, time)| (key, nanoseconds(time)))
    };
    let (bucket, full_at) = part(spent.bucket);
    let (call, until) = part(spent.call);
    sealed(&[&bucket, &full_at.to_le_bytes(), &call, &until.to_le_bytes()])
}

/// `None` when it is not one.
pub(super) fn read_record(bytes: &[u8], now: Duration) -> Option<Spent> {
    let content = opened(bytes)?;
    let part = |content: &'_ [u8]| -> Option<Option<(SpendingKey, Duration)>> {
        let (key, rest) = content.split_first_chunk::<16>()?;
        let (time, _) = number(rest)?;
        let time = Duration::from_nanos(time);
        match (time.is_zero(), is_zero(key)) {
            (true, true) => Some(None),
            (false, _) if time <= now + LATEST => Some(Some((*key, time))),
            _ => None,
        }
    };
    let bucket = part(content.get(..24)?)?;
    let call = part(content.get(24..48)?)?;
    let is_one = bucket.is_some() || call.is_some();
    (is_one && is_zero(content.get(48..)?)).then_some(Spent { bucket, call })
}

fn sealed(parts: &[&[u8]]) -> Bytes {
    let mut bytes = [0; LENGTH];
    let mut at = 0;
    for part in parts {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    let (content, sum) = bytes.split_at_mut(LENGTH - 4);
    sum.copy_from_slice(&checksum(content).to_le_bytes());
    bytes
}

/// What is before the checksum, if that is right.
fn opened(bytes: &[u8]) -> Option<&[u8]> {
    let (content, sum) = bytes.split_last_chunk::<4>()?;
    (bytes.len() == LENGTH && checksum(content).to_le_bytes() == *sum).then_some(content)
}

/// As in gzip (RFC 1952, section 8).
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER - 1)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn what_is_written_is_read() {
        for unknown_at in [None, Some(NOW)] {
            let header = Header::new(Boot([7; 16]), NOW, unknown_at);
            assert_eq!(Header::read(&header.bytes()), Some(header));
        }
        let bucket = Some(([1; 16], Duration::from_nanos(5)));
        let call = Some(([2; 16], NOW + LATEST));
        for (bucket, call) in [(bucket, None), (None, call), (bucket, call)] {
            let spent = Spent { bucket, call };
            assert_eq!(read_record(&record(&spent), NOW), Some(spent));
        }
    }

    #[test]
    fn nothing_else_is_read() {
        let bucket = Some(([1; 16], NOW));
        let record = record(&Spent { bucket, call: None });
        let header = Header::new(Boot([7; 16]), NOW, None).bytes();
        assert_eq!(Header::read(&record), None);
        assert_eq!(read_record(&header[..60], NOW), None);
        for at in 0..LENGTH {
            for bit in 0..8 {
                let (mut header, mut record) = (header, record);
                header[at] ^= 1 << bit;
                record[at] ^= 1 << bit;
                assert_eq!(Header::read(&header), None, "{at}.{bit}");
                assert_eq!(read_record(&record, NOW), None, "{at}.{bit}");
            }
        }
        assert_eq!(read_record(&sealed(&[]), NOW), None, "it says nothing");
        assert_eq!(Header::read(&[0; 64]), None);
        let far = Some(([1; 16], NOW + LATEST + Duration::from_nanos(1)));
        let far = super::record(&Spent {
            bucket: far,
            call: None,
        });
        assert_eq!(read_record(&far, NOW), None, "no window is so long");
    }

    #[test]
    fn a_boot_has_an_id() {
        let boot = Boot::parse("01020304-0506-0708-090a-0b0c0d0e0f10\n").unwrap();
        assert_eq!(
            boot.0,
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
        );
        for text in [
            "",
            "1",
            "0102030405060708090a0b0c0d0e0f1",
            "x1020304-0506-0708-090a-0b0c0d0e0f10",
        ] {
            assert_eq!(Boot::parse(text), None, "{text}");
        }
        assert_eq!(Boot::current().unwrap(), Boot::current().unwrap());
    }
}
