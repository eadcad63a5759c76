//! `[servers.NAME.limits]`: how much a server may use.

use super::diagnostic::Code;
use super::manifest::Limits;
use super::raw::{Node, Walk};
use super::size::parse_size;

/// No kernel allows more processes or open files per process than this by default.
const MAX_COUNT: u64 = 1 << 22;
/// No kernel that we know is built for more processors (`NR_CPUS`).
const MAX_HUNDREDTHS: u64 = 8192 * 100;
/// Each connection costs us two descriptors and buffers.
const MAX_CONNECTIONS: u64 = 1 << 16;

pub(super) fn limits(walk: &mut Walk, node: &Node<'_>) -> Limits {
    let Some(table) = walk.table(node, "`limits`") else {
        return Limits::default();
    };
    walk.only_keys(
        table,
        &[
            "memory",
            "processes",
            "processor_time",
            "cpu",
            "disk",
            "open_files",
            "file_size",
            "connections",
            "egress",
        ],
        "`limits`",
    );
    let mut limit = |key: &str, kind: LimitKind| {
        table
            .get(key)
            .and_then(|node| limit(walk, node, &format!("`limits.{key}`"), kind))
    };
    Limits {
        memory: limit("memory", LimitKind::Bytes),
        processes: limit("processes", LimitKind::Count(MAX_COUNT)),
        processor_time: limit("processor_time", LimitKind::Time),
        cpu: limit("cpu", LimitKind::Processors),
        disk: limit("disk", LimitKind::Bytes),
        open_files: limit("open_files", LimitKind::Count(MAX_COUNT)),
        file_size: limit("file_size", LimitKind::Bytes),
        connections: limit("connections", LimitKind::Count(MAX_CONNECTIONS)),
        egress: limit("egress", LimitKind::Bytes),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LimitKind {
    /// A whole number, or a string such as `"1GiB"`.
    Bytes,
    /// A whole number up to this one.
    Count(u64),
    /// A time span such as `"10min"`; in milliseconds.
    Time,
    /// A number of processors such as `2` or `"1.5"`, or a share of one such as `"50%"`; in hundredths.
    Processors,
}

fn hundredths(text: &str) -> Result<u64, String> {
    let shape =
        || "it is not a share such as \"50%\" or a number of processors such as \"1.5\"".to_owned();
    let digits = |text: &str| -> Result<u64, String> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten().ok_or_else(shape)
    };
    let value = match text.strip_suffix('%') {
        Some(share) => digits(share)?,
        None => {
            let (whole, part) = text.split_once('.').unwrap_or((text, "00"));
            let part = match part.len() {
                1 => digits(part)? * 10,
                2 => digits(part)?,
                _ => return Err(shape()),
            };
            digits(whole)?.saturating_mul(100).saturating_add(part)
        }
    };
    at_most_all(value)
}

fn at_most_all(hundredths: u64) -> Result<u64, String> {
    match hundredths {
        0..=MAX_HUNDREDTHS => Ok(hundredths),
        _ => Err(format!("it is above {} processors", MAX_HUNDREDTHS / 100)),
    }
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    u64::try_from(span.as_millis()).map_err(|_| "it is too large".to_owned())
}

fn limit(walk: &mut Walk, node: &Node<'_>, what: &str, kind: LimitKind) -> Option<u64> {
    let value = match (node.get_ref().as_integer(), node.get_ref().as_str(), kind) {
        (Some(integer), _, LimitKind::Bytes | LimitKind::Count(_)) => {
            u64::from_str_radix(integer.as_str(), integer.radix())
                .map_err(|_| "it is negative or too large".to_owned())
        }
        (Some(integer), _, LimitKind::Processors) => {
            u64::from_str_radix(integer.as_str(), integer.radix())
                .map_err(|_| "it is negative or too large".to_owned())
                .and_then(|processors| at_most_all(processors.saturating_mul(100)))
        }
        (None, Some(text), LimitKind::Processors) => hundredths(text),
        (None, Some(text), LimitKind::Time) => milliseconds(text),
        (None, Some(text), LimitKind::Bytes) => parse_size(text).map_err(|e| e.to_string()),
        _ => {
            let expected = match kind {
                LimitKind::Bytes => "a number of bytes or a size such as \"512MiB\"",
                LimitKind::Count(_) => "a whole number",
                LimitKind::Processors => {
                    "a share of a processor such as \"50%\" or a number of them such as 2"
                }
                LimitKind::Time => "a time span such as \"10min\"",
            };
            walk.wrong_type(node, what, expected);
            return None;
        }
    };
    let problem = match value {
        Ok(0) => "with a limit of 0 nothing could run".to_owned(),
        Ok(value) => match kind {
            LimitKind::Count(most) if value > most => format!("it is above {most}"),
            _ => return Some(value),
        },
        Err(problem) => problem,
    };
    walk.report(
        Code::InvalidValue,
        node.span(),
        format!("{what} is not a limit: {problem}"),
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_numbers_of_processors_are_read() {
        for (text, value) in [
            ("50%", 50),
            ("1%", 1),
            ("250%", 250),
            ("2", 200),
            ("1.5", 150),
            ("0.25", 25),
            ("0%", 0),
        ] {
            assert_eq!(hundredths(text), Ok(value), "{text}");
        }
        for odd in [
            "",
            "%",
            ".5",
            "1.",
            "1.555",
            "-1",
            "+1",
            "1e3",
            "50 %",
            "0.5%",
            "99999",
            "half",
            "99999999999999999999",
        ] {
            assert!(hundredths(odd).is_err(), "{odd}");
        }
    }
}
