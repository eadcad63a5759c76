//! Versions and version specifiers of Python packages (PEP 440): as much as is needed to hold
//! what the index says against the interpreter and against what was chosen. Pure.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

const MAX_BYTES: usize = 256;

/// A version. Two spellings of one version are equal: `1.0`, `1.0.0` and `v1`.
#[derive(Clone, Debug)]
pub struct Version {
    text: String,
    epoch: u64,
    /// Without zeros at its end.
    release: Vec<u64>,
    /// How many numbers were written; `~=1.4.0` and `~=1.4` differ.
    written: usize,
    /// `a`, `b` or `rc`, and its number.
    pre: Option<(u8, u64)>,
    post: Option<u64>,
    dev: Option<u64>,
    local: Vec<Local>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Local {
    Text(String),
    Number(u64),
}

/// A text that is no version or no specifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPep440;

impl FromStr for Version {
    type Err = NotPep440;

    fn from_str(text: &str) -> Result<Self, NotPep440> {
        let text = text.trim();
        if text.len() > MAX_BYTES || !text.is_ascii() {
            return Err(NotPep440);
        }
        let lower = text.to_ascii_lowercase();
        let rest = lower.strip_prefix('v').unwrap_or(&lower);
        let (public, local) = match rest.split_once('+') {
            Some((public, local)) => (public, Some(local)),
            None => (rest, None),
        };
        let (epoch, public) = match public.split_once('!') {
            Some((epoch, rest)) => (number(epoch)?, rest),
            None => (0, public),
        };
        let mut reader = Reader { rest: public };
        let mut release = vec![reader.number().ok_or(NotPep440)?];
        while let Some(more) = reader.number_after_dot() {
            release.push(more);
        }
        let written = release.len();
        while release.last() == Some(&0) {
            release.pop();
        }
        let pre = reader.labelled(&[
            ("alpha", b'a'),
            ("beta", b'b'),
            ("preview", b'c'),
            ("pre", b'c'),
            ("rc", b'c'),
            ("a", b'a'),
            ("b", b'b'),
            ("c", b'c'),
        ]);
        let post = reader.post();
        let dev = reader.labelled(&[("dev", b'd')]).map(|(_, n)| n);
        if !reader.rest.is_empty() {
            return Err(NotPep440);
        }
        Ok(Self {
            text: text.to_owned(),
            epoch,
            release,
            written,
            pre,
            post,
            dev,
            local: local.map_or(Ok(Vec::new()), read_local)?,
        })
    }
}

impl Version {
    fn is_prerelease(&self) -> bool {
        self.pre.is_some() || self.dev.is_some()
    }

    /// The numbers, padded with zeros to `length`.
    fn padded(&self, length: usize) -> Vec<u64> {
        let mut numbers = self.release.clone();
        numbers.resize(length.max(numbers.len()), 0);
        numbers
    }

    /// Order of everything but the local part.
    fn compare_public(&self, other: &Self) -> Ordering {
        // A development release of nothing else comes before its alphas, a release after them.
        let pre = |version: &Self| match (version.pre, version.post, version.dev) {
            (None, None, Some(_)) => (0, 0, 0),
            (None, ..) => (2, 0, 0),
            (Some((letter, number)), ..) => (1, letter, number),
        };
        let post = |version: &Self| version.post.map_or(0, |n| n.saturating_add(1));
        let dev = |version: &Self| version.dev.unwrap_or(u64::MAX);
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| self.release.cmp(&other.release))
            .then_with(|| pre(self).cmp(&pre(other)))
            .then_with(|| post(self).cmp(&post(other)))
            .then_with(|| dev(self).cmp(&dev(other)))
    }

    fn same_release(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.release == other.release
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare_public(other)
            .then_with(|| self.local.cmp(&other.local))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether `version` meets a specifier set such as `>=3.10,<4`, prereleases included.
///
/// # Errors
/// When the set is not as PEP 440 has it.
pub(super) fn admits(specifiers: &str, version: &Version) -> Result<bool, NotPep440> {
    let mut all = true;
    for clause in specifiers
        .split(',')
        .map(str::trim)
        .filter(|c| !c.is_empty())
    {
        all &= clause_admits(clause, version)?;
    }
    Ok(all)
}

fn clause_admits(clause: &str, version: &Version) -> Result<bool, NotPep440> {
    let operator = ["~=", "==", "!=", "<=", ">=", "<", ">"]
        .into_iter()
        .find(|operator| clause.starts_with(operator))
        .ok_or(NotPep440)?;
    let text = clause[operator.len()..].trim();
    if let Some(prefix) = text.strip_suffix(".*") {
        let prefix: Version = prefix.parse()?;
        let inside = has_prefix(version, &prefix, prefix.written);
        return match operator {
            "==" => Ok(inside),
            "!=" => Ok(!inside),
            _ => Err(NotPep440),
        };
    }
    let wanted: Version = text.parse()?;
    let order = version.compare_public(&wanted);
    let same =
        order == Ordering::Equal && (wanted.local.is_empty() || wanted.local == version.local);
    Ok(match operator {
        "==" => same,
        "!=" => !same,
        "<=" => order.is_le(),
        ">=" => order.is_ge(),
        "<" => {
            order.is_lt()
                && (wanted.is_prerelease()
                    || !version.is_prerelease()
                    || !version.same_release(&wanted))
        }
        ">" => {
            order.is_gt()
                && (wanted.post.is_some()
                    || version.post.is_none()
                    || !version.same_release(&wanted))
        }
        _ if wanted.written < 2 => return Err(NotPep440),
        _ => order.is_ge() && has_prefix(version, &wanted, wanted.written - 1),
    })
}

/// Whether the first `length` numbers are the same.
fn has_prefix(version: &Version, prefix: &Version, length: usize) -> bool {
    version.epoch == prefix.epoch
        && version.padded(length)[..length] == prefix.padded(length)[..length]
}

fn number(text: &str) -> Result<u64, NotPep440> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotPep440);
    }
    text.parse().map_err(|_| NotPep440)
}

fn read_local(text: &str) -> Result<Vec<Local>, NotPep440> {
    text.split(['.', '-', '_'])
        .map(|part| match number(part) {
            Ok(number) => Ok(Local::Number(number)),
            Err(_) if !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Ok(Local::Text(part.to_owned()))
            }
            Err(refused) => Err(refused),
        })
        .collect()
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let value = digits.parse().ok()?;
        self.rest = rest;
        Some(value)
    }

    fn number_after_dot(&mut self) -> Option<u64> {
        let before = self.rest;
        self.rest = self.rest.strip_prefix('.')?;
        let value = self.number();
        if value.is_none() {
            self.rest = before;
        }
        value
    }

    fn separator(&mut self) {
        self.rest = self.rest.strip_prefix(['.', '-', '_']).unwrap_or(self.rest);
    }

    /// One of `labels`, separators around it, and a number, which is 0 when it is left out.
    fn labelled(&mut self, labels: &[(&str, u8)]) -> Option<(u8, u64)> {
        let before = self.rest;
        self.separator();
        for (label, letter) in labels {
            if let Some(rest) = self.rest.strip_prefix(label) {
                self.rest = rest;
                let after = self.rest;
                self.separator();
                let number = self.number().unwrap_or_else(|| {
                    self.rest = after;
                    0
                });
                return Some((*letter, number));
            }
        }
        self.rest = before;
        None
    }

    /// `.postN`, or the older `-N`.
    fn post(&mut self) -> Option<u64> {
        let labelled = self.labelled(&[("post", b'p'), ("rev", b'p'), ("r", b'p')]);
        if let Some((_, number)) = labelled {
            return Some(number);
        }
        let before = self.rest;
        self.rest = self.rest.strip_prefix('-')?;
        let value = self.number();
        if value.is_none() {
            self.rest = before;
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse()
            .unwrap_or_else(|_| panic!("{text} is a version"))
    }

    #[test]
    fn versions_have_the_order_of_the_specification() {
        // From PEP 440, "Summary of permitted suffixes and relative ordering".
        let ordered = [
            "1.dev0",
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1!0.1",
        ];
        for pair in ordered.windows(2) {
            assert!(version(pair[0]) <= version(pair[1]), "{pair:?}");
        }
        assert!(version("1.0+5") > version("1.0+abc.7"));
    }

    #[test]
    fn spellings_of_one_version_are_equal() {
        for (a, b) in [
            ("1.0", "1.0.0"),
            ("v1", "1"),
            ("1.0-alpha.1", "1.0a1"),
            ("1.0-1", "1.0.post1"),
            ("1.0C2", "1.0rc2"),
            ("1.0dev", "1.0.dev0"),
            ("1.0+ubuntu-1", "1.0+ubuntu.1"),
        ] {
            assert_eq!(version(a), version(b), "{a} {b}");
        }
        for text in [
            "", "x", "1.", "1.0x", "1..0", "1.0+", "1!", "!1", "1.0-", "1 0", "1.*",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn specifiers_admit_what_they_should() {
        for (specifiers, yes, no) in [
            (
                ">=3.10",
                &["3.10", "3.11.7", "3.10.0rc1+x"][..1],
                &["3.9.20"][..],
            ),
            (">=3.8,<4", &["3.11.2"], &["4.0", "3.7", "4.0rc1"]),
            ("~=3.9", &["3.9", "3.11"], &["4.0", "3.8"]),
            ("~=3.9.2", &["3.9.2", "3.9.9"], &["3.10", "3.9.1"]),
            ("!=3.9.*,>=3.8", &["3.8", "3.10"], &["3.9", "3.9.7"]),
            ("==3.11.*", &["3.11", "3.11.2"], &["3.12", "3.1"]),
            ("==1.0", &["1.0.0", "1.0+local"], &["1.0.1"]),
            ("==1.0+local", &["1.0+local"], &["1.0"]),
            (">1.7", &["1.7.1", "1.8"], &["1.7", "1.7.0.post1"]),
            ("<3.11", &["3.10"], &["3.11", "3.11rc1"]),
            ("", &["1"], &[]),
        ] {
            for text in yes {
                assert_eq!(
                    admits(specifiers, &version(text)),
                    Ok(true),
                    "{specifiers} {text}"
                );
            }
            for text in no {
                assert_eq!(
                    admits(specifiers, &version(text)),
                    Ok(false),
                    "{specifiers} {text}"
                );
            }
        }
        for bad in [">=x", "3.8", "=>3", "~=3", ">=3.*"] {
            assert_eq!(admits(bad, &version("3.11")), Err(NotPep440), "{bad}");
        }
    }
}
