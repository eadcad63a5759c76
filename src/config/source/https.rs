//! `https://HOST/PATH#sha256=HEX`: one file, pinned by the digest that the user has of it.

use super::{Source, SourceError};
use crate::config::HostName;
use crate::lockfile::Digest;

const MAX_ADDRESS_BYTES: usize = 2048;
const FRAGMENT: &str = "sha256=";

/// What a file is called whose address names none, or one that makes no good file name.
const UNNAMED: &str = "download";

/// `rest` is what follows `https:`.
pub(super) fn parse(rest: &str) -> Result<Source, SourceError> {
    let refuse = |reason| SourceError::Https {
        address: format!("https:{rest}"),
        reason,
    };
    let below = rest
        .strip_prefix("//")
        .ok_or_else(|| refuse("write `https://HOST/PATH#sha256=HEX`"))?;
    if below.len() > MAX_ADDRESS_BYTES {
        return Err(refuse("it is longer than 2048 bytes"));
    }
    // What is left out here is what readers of addresses repair, each in its own way.
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte);
    if !below.bytes().all(allowed) {
        return Err(refuse("write special characters as `%` and two digits"));
    }
    let (place, fragment) = below.split_once('#').ok_or_else(|| {
        refuse(
            "nothing says which bytes are meant: add `#sha256=` and what `sha256sum FILE` prints",
        )
    })?;
    let sha256 = fragment
        .strip_prefix(FRAGMENT)
        .and_then(|hex| Digest::from_hex(hex).ok())
        .ok_or_else(|| {
            refuse(
                "after `#` comes `sha256=` and 64 hexadecimal digits in lower case, nothing else",
            )
        })?;
    let (authority, path) = place
        .split_once('/')
        .ok_or_else(|| refuse("it names no file on that host"))?;
    if authority.contains('@') {
        return Err(refuse("a user or password in it would be in the lock, too"));
    }
    check_authority(authority).map_err(refuse)?;
    let path = path.split('?').next().unwrap_or_default();
    if path.split('/').any(|part| part == "." || part == "..") {
        return Err(refuse("`.` and `..` in it are read in several ways"));
    }
    Ok(Source::Https {
        address: format!("https://{place}"),
        sha256,
        file_name: file_name(path),
    })
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    if let Some(address) = authority.strip_prefix('[') {
        let (address, port) = address.split_once(']').ok_or("its host is no address")?;
        let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
        let has_port = port.strip_prefix(':').is_some_and(is_port);
        return match is_address && (port.is_empty() || has_port) {
            true => Ok(()),
            false => Err("its host or port is malformed"),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_host = host.parse::<std::net::Ipv4Addr>().is_ok() || HostName::parse(host).is_ok();
    match is_host && port.is_none_or(is_port) {
        true => Ok(()),
        false => Err("its host or port is malformed"),
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0) && text.bytes().all(|b| b.is_ascii_digit())
}

/// The last part of a path, when it is a plain name.
fn file_name(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte);
    let fits = (1..=128).contains(&name.len()) && !name.starts_with(['.', '-']);
    match fits && name.bytes().all(plain) {
        true => name.to_owned(),
        false => UNNAMED.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(place: &str) -> Result<Source, SourceError> {
        parse(&format!("{place}#sha256={}", "ab".repeat(32)))
    }

    #[test]
    fn an_address_and_a_digest() {
        for (place, name) in [
            ("//a.test/server", "server"),
            (
                "//a.test:8443/v1/server-1.0_x.tar.gz?raw=1&x=/y",
                "server-1.0_x.tar.gz",
            ),
            ("//127.0.0.1/x.mcpb", "x.mcpb"),
            ("//[::1]:444/x.mcpb", "x.mcpb"),
            ("//a.test/", UNNAMED),
            ("//a.test/get?file=x", "get"),
            ("//a.test/%41", UNNAMED),
            ("//a.test/.hidden", UNNAMED),
        ] {
            let Source::Https {
                address,
                sha256,
                file_name,
            } = address(place).unwrap()
            else {
                panic!("{place}");
            };
            assert_eq!(address, format!("https:{place}"));
            assert_eq!(sha256.hex(), "ab".repeat(32));
            assert_eq!(file_name, name, "{place}");
        }
    }

    #[test]
    fn anything_that_pins_nothing_or_reads_in_two_ways_is_refused() {
        for place in [
            "a.test/x",
            "//a.test",
            "///x",
            "//user:secret@a.test/x",
            "//user@a.test/x",
            "//a.test:0/x",
            "//a.test:99999/x",
            "//a.test:/x",
            "//a.test:+1/x",
            "//a..test/x",
            "//a.test/a b",
            "//a.test\\@b.test/x",
            "//a.test/ü",
            "//a.test/a/../x",
            "//[::1/x",
            "//[::1]x/x",
            &format!("//a.test/{}", "x".repeat(2048)),
        ] {
            assert!(
                matches!(address(place), Err(SourceError::Https { .. })),
                "{place}"
            );
        }
        let digest = "ab".repeat(32);
        for text in [
            "//a.test/x".to_owned(),
            "//a.test/x#".to_owned(),
            format!("//a.test/x#{digest}"),
            format!("//a.test/x#sha256:{digest}"),
            format!("//a.test/x#sha256={}", &digest[..63]),
            format!("//a.test/x#sha256={digest}0"),
            format!("//a.test/x#sha256={}", digest.to_uppercase()),
            format!("//a.test/x#sha256={digest}&sha256={digest}"),
            format!("//a.test/x#y#sha256={digest}"),
            format!("//a.test/x#sha512={digest}"),
        ] {
            assert!(
                matches!(parse(&text), Err(SourceError::Https { .. })),
                "{text}"
            );
        }
    }
}
