//! Extra fields of a zip header (4.5): the zip64 sizes are read, second names refused, the rest left.

use super::central::{u16_at, u64_at};
use super::rule::ZipRule;

/// Zip64 extended information (4.5.3).
const ZIP64: u16 = 0x0001;
/// Info-ZIP Unicode path (4.6.9): a second name.
const UNICODE_PATH: u16 = 0x7075;
/// Strong encryption (4.5.12), and its certificates: names can be hidden behind them.
const ENCRYPTION: [u16; 4] = [0x0014, 0x0016, 0x0017, 0x9901];

/// The number that says "see the zip64 field".
const ELSEWHERE: u64 = u32::MAX as u64;

/// Sizes and place of a file, of which a zip64 field may hold those that are `0xffffffff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) size: u64,
    pub(super) compressed: u64,
    /// Only the central directory has one.
    pub(super) offset: Option<u64>,
}

/// Reads the extra field of a header and completes `sizes` with it.
pub(super) fn read(mut extra: &[u8], sizes: &mut Sizes) -> Result<(), ZipRule> {
    let mut zip64 = None;
    while !extra.is_empty() {
        if extra.len() < 4 {
            return Err(ZipRule::ExtraMalformed);
        }
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let data = extra.get(4..4 + length).ok_or(ZipRule::ExtraMalformed)?;
        extra = extra.get(4 + length..).unwrap_or_default();
        if id == UNICODE_PATH || ENCRYPTION.contains(&id) {
            return Err(ZipRule::ExtraName(id));
        }
        if id == ZIP64 && zip64.replace(data).is_some() {
            return Err(ZipRule::Zip64Field);
        }
    }
    let Sizes {
        size,
        compressed,
        offset,
    } = sizes;
    let mut wanted: Vec<&mut u64> = [Some(size), Some(compressed), offset.as_mut()]
        .into_iter()
        .flatten()
        .filter(|value| **value == ELSEWHERE)
        .collect();
    let data = zip64.unwrap_or_default();
    if data.len() != wanted.len() * 8 || (zip64.is_some() && wanted.is_empty()) {
        return Err(ZipRule::Zip64Field);
    }
    for (place, value) in wanted.iter_mut().enumerate() {
        **value = u64_at(data, place * 8);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(id: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap();
        [&id.to_le_bytes(), &length.to_le_bytes(), data].concat()
    }

    fn sizes(extra: &[u8], size: u64, compressed: u64) -> Result<(u64, u64), ZipRule> {
        let mut sizes = Sizes {
            size,
            compressed,
            offset: None,
        };
        read(extra, &mut sizes).map(|()| (sizes.size, sizes.compressed))
    }

    #[test]
    fn zip64_sizes_are_read_where_they_are_asked_for() {
        let two = [5_u64.to_le_bytes(), 3_u64.to_le_bytes()].concat();
        let time = field(0x5455, b"\x01....");
        assert_eq!(sizes(&[], 5, 3), Ok((5, 3)));
        assert_eq!(sizes(&time, 5, 3), Ok((5, 3)));
        let both = [time, field(1, &two)].concat();
        assert_eq!(sizes(&both, ELSEWHERE, ELSEWHERE), Ok((5, 3)));
        assert_eq!(sizes(&field(1, &two[..8]), ELSEWHERE, 3), Ok((5, 3)));
        // Not asked for, asked for and missing, too long, twice.
        for (extra, size) in [
            (field(1, &two), 5),
            (field(1, &[]), 5),
            (vec![], ELSEWHERE),
            (field(1, &two), ELSEWHERE),
            (
                [field(1, &two[..8]), field(1, &two[..8])].concat(),
                ELSEWHERE,
            ),
        ] {
            assert_eq!(sizes(&extra, size, 3), Err(ZipRule::Zip64Field));
        }
    }

    #[test]
    fn second_names_and_broken_fields_are_refused() {
        let path = field(UNICODE_PATH, b"\x01....other");
        assert_eq!(sizes(&path, 5, 3), Err(ZipRule::ExtraName(UNICODE_PATH)));
        let aes = field(0x9901, b"......");
        assert_eq!(sizes(&aes, 5, 3), Err(ZipRule::ExtraName(0x9901)));
        for broken in [&b"\x55"[..], b"\x55\x54\x05\0..."] {
            assert_eq!(sizes(broken, 5, 3), Err(ZipRule::ExtraMalformed));
        }
    }
}
