//! Sizes as people write them: `1073741824`, `512MiB`, `1 GiB`, `10MB`.

/// Binary and decimal units, in bytes. `K`, `M` and `G` alone are ambiguous and not here.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

/// Why a size was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("a size is a whole number and a unit, such as `512MiB`, `1GiB` or `10MB`")]
    Shape,
    #[error("the unit is not one of B, kB, KiB, MB, MiB, GB, GiB, TB, TiB")]
    Unit,
    #[error("the size doesn't fit into 64 bits")]
    TooLarge,
}

/// Bytes of a size such as `512MiB`. Without a unit the number is bytes; no fractions, no sign.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() || unit.starts_with(['.', ',', '_']) {
        return Err(SizeError::Shape);
    }
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let factor = match unit {
        "" => 1,
        named => {
            UNITS
                .iter()
                .find(|(name, _)| *name == named)
                .ok_or(SizeError::Unit)?
                .1
        }
    };
    let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
    number.checked_mul(factor).ok_or(SizeError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("1B", 1),
            ("1kB", 1000),
            ("2KiB", 2048),
            ("10MB", 10_000_000),
            ("512MiB", 512 << 20),
            ("1 GiB", 1 << 30),
            ("3TiB", 3 << 40),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "MiB", "-1", "+1", "1.5GiB", "1_000", " 1", "1,0"] {
            assert_eq!(parse_size(text), Err(SizeError::Shape), "{text}");
        }
        for text in [
            "1G", "1M", "1gib", "1GIB", "1  GiB", "1GiB ", "0x10", "1e9", "1\0",
        ] {
            assert_eq!(parse_size(text), Err(SizeError::Unit), "{text}");
        }
        for text in ["18446744073709551616", "16777216TiB"] {
            assert_eq!(parse_size(text), Err(SizeError::TooLarge), "{text}");
        }
        assert_eq!(parse_size("18446744073709551615"), Ok(u64::MAX));
    }
}
