//! Pax extended headers: `LENGTH KEY=VALUE\n` records (POSIX.1-2017, pax, "Extended Header").
//!
//! Only the three keys that change what is unpacked where are kept; times,
//! owners, comments and attributes don't reach the tree anyway.

use super::error::Rule;

/// What one pax header says of the next entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

/// Reads a whole header. A key that counts and comes twice is refused, as readers differ on which holds.
pub(super) fn parse(mut data: &[u8]) -> Result<Pax, Rule> {
    let mut pax = Pax::default();
    while !data.is_empty() {
        let (key, value, rest) = record(data).ok_or(Rule::PaxMalformed)?;
        data = rest;
        let twice = match key {
            b"path" => pax.path.replace(value.to_vec()).is_some(),
            b"linkpath" => pax.link_path.replace(value.to_vec()).is_some(),
            b"size" => pax
                .size
                .replace(decimal(value).ok_or(Rule::PaxMalformed)?)
                .is_some(),
            key if key.starts_with(b"GNU.sparse.") => return Err(Rule::Sparse),
            _ => false,
        };
        if twice {
            return Err(Rule::NamedTwice);
        }
    }
    Ok(pax)
}

/// Refuses a global header that would name or measure files.
pub(super) fn judge_global(data: &[u8]) -> Result<(), Rule> {
    let pax = parse(data)?;
    match pax {
        Pax { path: Some(_), .. } => Err(Rule::GlobalName("path")),
        Pax {
            link_path: Some(_), ..
        } => Err(Rule::GlobalName("linkpath")),
        Pax { size: Some(_), .. } => Err(Rule::GlobalName("size")),
        Pax {
            path: None,
            link_path: None,
            size: None,
        } => Ok(()),
    }
}

/// The first record's key and value, and what follows it.
fn record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&data[..space])?).ok()?;
    let body = data.get(space + 1..length)?;
    let body = body.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((&body[..equals], &body[equals + 1..], &data[length..]))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_counts_and_ignores_the_rest() {
        let pax = parse(b"13 path=a/b\xff\n12 size=123\n21 comment=two\nlines\n").unwrap();
        assert_eq!(pax.path.as_deref(), Some(&b"a/b\xff"[..]));
        assert_eq!(pax.size, Some(123));
        assert_eq!(pax.link_path, None);
        assert_eq!(parse(b"").unwrap(), Pax::default());
    }

    #[test]
    fn refuses_what_can_be_read_in_two_ways() {
        assert_eq!(
            parse(b"9 path=a\n9 path=b\n").unwrap_err(),
            Rule::NamedTwice
        );
        for malformed in [
            &b"x"[..],
            b"9 path=ab\n",
            b"99 path=a\n",
            b"8 patha\n",
            b"0 =\n",
            b"9 size=-\n",
            b" 9 ",
        ] {
            assert_eq!(
                parse(malformed).unwrap_err(),
                Rule::PaxMalformed,
                "{malformed:?}"
            );
        }
        assert_eq!(parse(b"22 GNU.sparse.major=1\n").unwrap_err(), Rule::Sparse);
    }

    #[test]
    fn a_global_header_may_not_name_files() {
        assert_eq!(
            judge_global(b"9 path=a\n").unwrap_err(),
            Rule::GlobalName("path")
        );
        assert_eq!(
            judge_global(b"14 linkpath=a\n").unwrap_err(),
            Rule::GlobalName("linkpath")
        );
        assert_eq!(
            judge_global(b"9 size=1\n").unwrap_err(),
            Rule::GlobalName("size")
        );
        judge_global(b"14 comment=ab\n").unwrap();
    }
}
