//! `warm`: how many processes of a server the daemon keeps started.

use super::diagnostic::Code;
use super::raw::{Node, Walk};

/// Each has the memory of a whole server.
const MOST: u64 = 8;

/// 0 is off.
pub(super) fn warm(walk: &mut Walk, node: &Node<'_>) -> u8 {
    let Some(integer) = node.get_ref().as_integer() else {
        walk.wrong_type(node, "`warm`", "a whole number");
        return 0;
    };
    let number = u64::from_str_radix(integer.as_str(), integer.radix());
    match number.ok().filter(|number| *number <= MOST) {
        Some(number) => u8::try_from(number).unwrap_or_default(),
        None => {
            let message = format!("`warm` is a number from 0 (off) to {MOST}");
            walk.report(Code::InvalidValue, node.span(), message);
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Manifest;

    fn parse(line: &str) -> Result<u8, Vec<(Code, usize)>> {
        let text = format!("[servers.a]\nsource = 'path:a'\ntools.allow = []\n{line}\n");
        match Manifest::parse(&text, Path::new("/m/pinfold.toml"), None) {
            Ok(manifest) => Ok(manifest.servers.values().next().unwrap().warm),
            Err(found) => Err(found
                .items()
                .iter()
                .map(|item| (item.code, item.span.start))
                .collect()),
        }
    }

    #[test]
    fn a_small_number() {
        assert_eq!(parse(""), Ok(0));
        for number in 0..=8 {
            assert_eq!(parse(&format!("warm = {number}")), Ok(number));
        }
        assert_eq!(parse("warm = 0x2"), Ok(2));
        let value = "[servers.a]\nsource = 'path:a'\ntools.allow = []\nwarm = ".len();
        for (odd, code) in [
            ("9", Code::InvalidValue),
            ("-1", Code::InvalidValue),
            ("99999999999999999999", Code::InvalidValue),
            ("1.0", Code::WrongType),
            ("true", Code::WrongType),
            ("'2'", Code::WrongType),
            ("[1]", Code::WrongType),
        ] {
            let found = parse(&format!("warm = {odd}")).unwrap_err();
            assert_eq!(found, [(code, value)], "{odd}");
        }
    }
}
