//! The central directory of a zip archive: what its last record and its list of files say.
//!
//! Only reading of fields and what can be judged from them alone; whether the
//! files' own headers agree is seen in `local`.

use std::io::{self, Read, Seek, SeekFrom};

use super::Fault;
use super::extra::{self, Sizes};
use super::rule::ZipRule;
use crate::store::bounds::Bounds;
use crate::store::error::Rule;
use crate::store::names;

/// End of central directory record without its comment (4.3.16).
const END_LENGTH: usize = 22;
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
/// Zip64 end of central directory locator (4.3.15), right before the end record.
const ZIP64_LOCATOR_LENGTH: u64 = 20;
const ZIP64_LOCATOR_SIGNATURE: &[u8] = b"PK\x06\x07";
const HEADER_SIGNATURE: &[u8] = b"PK\x01\x02";
/// Central directory file header without name, extra field and comment (4.3.12).
const HEADER_LENGTH: usize = 46;

/// General purpose bit 0, 5 and 6, 13: encrypted, patched, hidden names (4.4.4).
const ENCRYPTED: u16 = 1;
/// Bit 3: sizes and checksum follow the content.
pub(super) const DESCRIPTOR: u16 = 1 << 3;
/// Bit 11: the name is UTF-8.
const UTF8: u16 = 1 << 11;
/// Bits 1 and 2 only say how hard the compressor tried.
const ACCEPTED_FLAGS: u16 = 0b110 | DESCRIPTOR | UTF8;

pub(super) const STORED: u16 = 0;
pub(super) const DEFLATE: u16 = 8;

const KIND_MASK: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;
/// The attribute of a folder in MS-DOS, in the lower half of the attributes.
const DOS_FOLDER: u32 = 0x10;

/// One entry of the central directory, judged as far as it can be alone.
#[derive(Debug)]
pub(super) struct Listed {
    /// As written, with the slash that ends the name of a folder.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) compressed: u64,
    pub(super) size: u64,
    /// Where the file's own header begins.
    pub(super) offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File { executable: bool },
    Folder,
    Symlink,
}

/// Where the central directory lies and how many entries it says it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) start: u64,
    pub(super) length: u64,
    entries: u16,
}

/// Finds the last record of an archive that is `length` bytes long.
///
/// It has to be the only one that a reader could take for the last: its comment
/// ends with the file and holds no second one.
pub(super) fn end(file: &mut (impl Read + Seek), length: u64) -> Result<End, Fault> {
    let most = (END_LENGTH + usize::from(u16::MAX)) as u64;
    let tail_at = length.saturating_sub(most);
    file.seek(SeekFrom::Start(tail_at))?;
    let mut tail = Vec::new();
    file.by_ref().take(most).read_to_end(&mut tail)?;
    let found = memchr::memmem::rfind(&tail, END_SIGNATURE);
    let Some(record) = found.and_then(|at| tail.get(at..).map(|record| (at, record))) else {
        return Err(not_zip("it has no last record"));
    };
    let (at, record) = record;
    let (Some(fields), Some(comment)) = (record.get(..END_LENGTH), record.get(END_LENGTH..)) else {
        // A signature within what would be the last 21 bytes is in a comment.
        return Err(ZipRule::AmbiguousEnd.into());
    };
    if comment.len() != usize::from(u16_at(fields, 20)) {
        return Err(ZipRule::AmbiguousEnd.into());
    }
    if u16_at(fields, 4) != 0 || u16_at(fields, 6) != 0 || u16_at(fields, 8) != u16_at(fields, 10) {
        return Err(ZipRule::Split.into());
    }
    let end = End {
        start: u64::from(u32_at(fields, 16)),
        length: u64::from(u32_at(fields, 12)),
        entries: u16_at(fields, 10),
    };
    let at = tail_at + at as u64;
    if has_zip64_locator(file, at)? {
        return Err(ZipRule::Zip64Archive.into());
    }
    if end.start + end.length != at {
        return Err(ZipRule::DirectoryMisplaced.into());
    }
    Ok(end)
}

fn has_zip64_locator(file: &mut (impl Read + Seek), end: u64) -> io::Result<bool> {
    let Some(at) = end.checked_sub(ZIP64_LOCATOR_LENGTH) else {
        return Ok(false);
    };
    let mut signature = [0; 4];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut signature)?;
    Ok(signature == ZIP64_LOCATOR_SIGNATURE)
}

/// Reads all entries, in the order in which their contents lie in the file.
///
/// What they promise to unpack to is bounded here, before anything is unpacked.
pub(super) fn entries(
    file: &mut (impl Read + Seek),
    end: End,
    bounds: &Bounds,
) -> Result<Vec<Listed>, Fault> {
    if u64::from(end.entries) > bounds.max_entries {
        return Err(Rule::TooManyEntries(bounds.max_entries).into());
    }
    file.seek(SeekFrom::Start(end.start))?;
    let mut rest = io::BufReader::with_capacity(1 << 16, file.take(end.length));
    let mut listed = Vec::new();
    let mut bytes = 0_u64;
    let mut left = end.length;
    while left > 0 {
        let found = listed.len() as u64;
        if found == u64::from(end.entries) {
            let stated = end.entries;
            let found = found + 1;
            return Err(ZipRule::CountDisagrees { stated, found }.into());
        }
        let (entry, length) = entry(&mut rest, bounds)?;
        left = left.saturating_sub(length);
        bytes = bytes.saturating_add(entry.size);
        if bytes > bounds.max_bytes {
            let rule = Rule::TooManyBytes(bounds.max_bytes);
            return Err(Fault::of(entry.name.as_bytes(), rule));
        }
        listed.push(entry);
    }
    if listed.len() != usize::from(end.entries) {
        return Err(ZipRule::CountDisagrees {
            stated: end.entries,
            found: listed.len() as u64,
        }
        .into());
    }
    listed.sort_by_key(|entry| entry.offset);
    Ok(listed)
}

/// Reads one entry; returns its length in the directory with it.
fn entry(rest: &mut impl Read, bounds: &Bounds) -> Result<(Listed, u64), Fault> {
    let mut fields = [0; HEADER_LENGTH];
    rest.read_exact(&mut fields)?;
    if !fields.starts_with(HEADER_SIGNATURE) {
        return Err(ZipRule::DirectoryMisplaced.into());
    }
    let name_length = usize::from(u16_at(&fields, 28));
    let extra_length = usize::from(u16_at(&fields, 30));
    let comment_length = usize::from(u16_at(&fields, 32));
    if name_length > bounds.max_path {
        return Err(Rule::PathTooLong(bounds.max_path).into());
    }
    let mut name = vec![0; name_length];
    rest.read_exact(&mut name)?;
    let mut extra = vec![0; extra_length];
    rest.read_exact(&mut extra)?;
    let mut comment = vec![0; comment_length];
    rest.read_exact(&mut comment)?;

    let fault = |rule: Rule| Fault::of(&name, rule);
    let zip = |rule: ZipRule| Fault::of(&name, Rule::Zip(rule));
    let flags = u16_at(&fields, 8);
    let method = u16_at(&fields, 10);
    judge_flags(flags, method).map_err(zip)?;
    let text = judge_name(&name, flags, bounds).map_err(fault)?;
    if u16_at(&fields, 34) != 0 {
        return Err(zip(ZipRule::Split));
    }
    let mut sizes = Sizes {
        size: u64::from(u32_at(&fields, 24)),
        compressed: u64::from(u32_at(&fields, 20)),
        offset: Some(u64::from(u32_at(&fields, 42))),
    };
    extra::read(&extra, &mut sizes).map_err(zip)?;
    if method == STORED && sizes.size != sizes.compressed {
        return Err(zip(ZipRule::StoredSize));
    }
    if method == STORED && flags & DESCRIPTOR != 0 && sizes.size != 0 {
        return Err(zip(ZipRule::StoredWithDescriptor));
    }
    let kind = kind(text.ends_with('/'), u32_at(&fields, 38)).map_err(fault)?;
    if kind == Kind::Folder && sizes.size != 0 {
        return Err(fault(Rule::ContentOutsideFile));
    }
    let listed = Listed {
        kind,
        flags,
        method,
        crc: u32_at(&fields, 16),
        compressed: sizes.compressed,
        size: sizes.size,
        offset: sizes.offset.unwrap_or(0),
        name: text,
    };
    let length = HEADER_LENGTH + name_length + extra_length + comment_length;
    Ok((listed, length as u64))
}

pub(super) fn judge_flags(flags: u16, method: u16) -> Result<(), ZipRule> {
    if flags & ENCRYPTED != 0 {
        return Err(ZipRule::Encrypted);
    }
    if flags & !ACCEPTED_FLAGS != 0 {
        return Err(ZipRule::Flags(flags));
    }
    match method {
        STORED | DEFLATE => Ok(()),
        other => Err(ZipRule::Method(other)),
    }
}

/// A name has one spelling: nothing that one reader leaves out and another keeps.
fn judge_name(name: &[u8], flags: u16, bounds: &Bounds) -> Result<String, Rule> {
    let parsed = names::parse(name, bounds)?;
    if !name.is_ascii() && flags & UTF8 == 0 {
        return Err(Rule::Zip(ZipRule::UnmarkedName));
    }
    if name.contains(&b'\\') {
        return Err(Rule::Zip(ZipRule::Backslash));
    }
    let slash = if parsed.ends_in_slash { "/" } else { "" };
    let plain = format!("{}{slash}", parsed.path);
    if plain.as_bytes() == name && !parsed.path.is_empty() {
        Ok(plain)
    } else {
        Err(Rule::Zip(ZipRule::NotPlain))
    }
}

/// What an entry is, from the slash at its end and its attributes.
///
/// The upper half is a mode of Unix. Which system wrote it is not asked: writers
/// get that wrong, and a link is a link to whoever looks at the mode alone.
fn kind(ends_in_slash: bool, attributes: u32) -> Result<Kind, Rule> {
    let mode = attributes >> 16;
    match (mode & KIND_MASK, ends_in_slash) {
        (0 | FOLDER, true) => Ok(Kind::Folder),
        (0 | REGULAR, false) if attributes & DOS_FOLDER == 0 => Ok(Kind::File {
            executable: mode & 0o111 != 0,
        }),
        (SYMLINK, false) if attributes & DOS_FOLDER == 0 => Ok(Kind::Symlink),
        (0 | REGULAR | FOLDER | SYMLINK, _) => Err(Rule::Zip(ZipRule::KindDisagrees)),
        (0o010_000, _) => Err(Rule::Fifo),
        (0o140_000, _) => Err(Rule::Socket),
        _ => Err(Rule::Device),
    }
}

pub(super) fn not_zip(what: &'static str) -> Fault {
    Fault::Read(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// A little-endian number at a place that the caller knows to be there.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..) {
        Some([low, high, ..]) => u16::from_le_bytes([*low, *high]),
        _ => 0,
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
