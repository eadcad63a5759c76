//! For the tests of this room: zip archives made byte by byte, each part as wrong as asked for.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// One file of an archive, as its own header and as the directory state it.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) local: Header,
    /// `None` leaves the file out of the directory.
    pub(super) central: Option<Header>,
    pub(super) attributes: u32,
    /// The bytes as they lie in the archive.
    pub(super) content: Vec<u8>,
    /// Follows the content: a data descriptor, or what looks like one.
    pub(super) after: Vec<u8>,
    /// Added to the place that the directory gives.
    pub(super) shift: i64,
}

#[derive(Clone)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) compressed: u32,
    pub(super) size: u32,
    pub(super) extra: Vec<u8>,
}

pub(super) const LINK: u32 = 0o120_777 << 16;
pub(super) const PROGRAM: u32 = 0o100_755 << 16;

pub(super) fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn short(n: usize) -> [u8; 2] {
    u16::try_from(n).unwrap().to_le_bytes()
}

fn long(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap().to_le_bytes()
}

impl Member {
    pub(super) fn stored(name: &str, content: &str) -> Self {
        Self::new(name, 0, content.as_bytes(), content.as_bytes().to_vec())
    }

    pub(super) fn deflated(name: &str, content: &str) -> Self {
        Self::new(name, 8, content.as_bytes(), deflated(content.as_bytes()))
    }

    fn new(name: &str, method: u16, plain: &[u8], content: Vec<u8>) -> Self {
        let header = Header {
            name: name.as_bytes().to_vec(),
            flags: if name.is_ascii() { 0 } else { 1 << 11 },
            method,
            crc: crc(plain),
            compressed: u32::try_from(content.len()).unwrap(),
            size: u32::try_from(plain.len()).unwrap(),
            extra: vec![],
        };
        Self {
            local: header.clone(),
            central: Some(header),
            attributes: match name.ends_with('/') {
                true => 0o040_755 << 16,
                false => 0o100_644 << 16,
            },
            content,
            after: vec![],
            shift: 0,
        }
    }

    pub(super) fn with(mut self, attributes: u32) -> Self {
        self.attributes = attributes;
        self
    }

    /// Changes both headers alike.
    pub(super) fn both(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.local);
        self.central.as_mut().map(change);
        self
    }

    pub(super) fn local(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.local);
        self
    }

    pub(super) fn central(mut self, change: impl Fn(&mut Header)) -> Self {
        self.central.as_mut().map(change);
        self
    }

    /// Leaves sizes and checksum to a data descriptor.
    pub(super) fn streamed(self, signature: &[u8]) -> Self {
        let stated = self.local.clone();
        let mut streamed = self.both(|header| header.flags |= 1 << 3).local(|header| {
            (header.crc, header.compressed, header.size) = (0, 0, 0);
        });
        let fields = [stated.crc, stated.compressed, stated.size].map(u32::to_le_bytes);
        streamed.after = [signature, &fields.concat()].concat();
        streamed
    }
}

/// An archive of these files.
pub(super) fn zip(members: &[Member]) -> Vec<u8> {
    with_comment(members, b"")
}

pub(super) fn with_comment(members: &[Member], comment: &[u8]) -> Vec<u8> {
    let (mut bytes, mut directory, mut count) = (Vec::new(), Vec::new(), 0);
    for member in members {
        if let Some(header) = &member.central {
            count += 1;
            let offset = i64::try_from(bytes.len()).unwrap() + member.shift;
            directory.extend_from_slice(b"PK\x01\x02\x14\x03\x14\0");
            fields(header, &mut directory);
            directory.extend_from_slice(&[0; 6]);
            directory.extend_from_slice(&member.attributes.to_le_bytes());
            directory.extend_from_slice(&u32::try_from(offset).unwrap().to_le_bytes());
            directory.extend_from_slice(&header.name);
            directory.extend_from_slice(&header.extra);
        }
        bytes.extend_from_slice(b"PK\x03\x04\x14\0");
        fields(&member.local, &mut bytes);
        bytes.extend_from_slice(&member.local.name);
        bytes.extend_from_slice(&member.local.extra);
        bytes.extend_from_slice(&member.content);
        bytes.extend_from_slice(&member.after);
    }
    let start = bytes.len();
    bytes.extend_from_slice(&directory);
    bytes.extend_from_slice(&end(count, directory.len(), start, comment));
    bytes
}

/// The last record of an archive.
pub(super) fn end(count: usize, length: usize, start: usize, comment: &[u8]) -> Vec<u8> {
    [
        &b"PK\x05\x06\0\0\0\0"[..],
        &short(count),
        &short(count),
        &long(length),
        &long(start),
        &short(comment.len()),
        comment,
    ]
    .concat()
}

/// The fields that both headers have, from the flags to the length of the extra field.
fn fields(header: &Header, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&header.flags.to_le_bytes());
    bytes.extend_from_slice(&header.method.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&header.crc.to_le_bytes());
    bytes.extend_from_slice(&header.compressed.to_le_bytes());
    bytes.extend_from_slice(&header.size.to_le_bytes());
    bytes.extend_from_slice(&short(header.name.len()));
    bytes.extend_from_slice(&short(header.extra.len()));
}
