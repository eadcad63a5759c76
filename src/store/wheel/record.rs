//! A wheel's RECORD: every file of it with digest and size. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::rule::WheelRule;
use crate::lockfile::Digest;

/// What was found in a wheel, or what its RECORD says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) sha256: Digest,
    pub(super) size: u64,
}

/// Files that can't hold their own digest.
const UNRECORDED: [&str; 3] = ["RECORD", "RECORD.jws", "RECORD.p7s"];

/// Holds what was found against RECORD: every file is listed with its digest, and nothing else is.
pub(super) fn judge(
    dist_info: &str,
    record: &[u8],
    files: &BTreeMap<String, Found>,
) -> Result<(), WheelRule> {
    let lines = parse(record)?;
    let is_unrecorded = |name: &str| {
        name.strip_prefix(dist_info)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|rest| UNRECORDED.contains(&rest))
    };
    let mut listed = BTreeMap::new();
    for line in lines {
        if listed.insert(line.path.clone(), ()).is_some() {
            return Err(malformed("a file is listed twice"));
        }
        if is_unrecorded(&line.path) {
            continue;
        }
        let found = files
            .get(&line.path)
            .ok_or_else(|| WheelRule::Absent(line.path.clone()))?;
        let sha256 = line
            .hash
            .strip_prefix("sha256=")
            .and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok())
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .map(Digest::from_bytes)
            .ok_or_else(|| WheelRule::NoHash(line.path.clone()))?;
        let size_agrees = line.size.is_empty() || line.size.parse() == Ok(found.size);
        if sha256 != found.sha256 || !size_agrees {
            return Err(WheelRule::Changed(line.path));
        }
    }
    let unlisted = files
        .keys()
        .find(|name| !listed.contains_key(*name) && !is_unrecorded(name));
    match unlisted {
        Some(name) => Err(WheelRule::Unlisted(name.clone())),
        None => Ok(()),
    }
}

struct Line {
    path: String,
    hash: String,
    size: String,
}

const fn malformed(reason: &'static str) -> WheelRule {
    WheelRule::Malformed {
        file: "RECORD",
        reason,
    }
}

/// CSV as Python's `csv` module writes it: three fields, quoted where they hold a comma or quote.
fn parse(bytes: &[u8]) -> Result<Vec<Line>, WheelRule> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut fields = fields(line)?.into_iter();
            match (fields.next(), fields.next(), fields.next(), fields.next()) {
                (Some(path), Some(hash), Some(size), None) => Ok(Line { path, hash, size }),
                _ => Err(malformed("a line has not three fields")),
            }
        })
        .collect()
}

fn fields(line: &str) -> Result<Vec<String>, WheelRule> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let mut field = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted;
            loop {
                let end = rest
                    .find('"')
                    .ok_or(malformed("a quoted field does not end"))?;
                field.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                match rest.strip_prefix('"') {
                    Some(after) => {
                        field.push('"');
                        rest = after;
                    }
                    None => break,
                }
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            field.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        fields.push(field);
        if rest.is_empty() {
            return Ok(fields);
        }
        rest = rest
            .strip_prefix(',')
            .ok_or(malformed("something follows a quoted field"))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> BTreeMap<String, Found> {
        names
            .iter()
            .map(|name| {
                let found = Found {
                    sha256: Digest::of(name.as_bytes()),
                    size: name.len() as u64,
                };
                ((*name).to_owned(), found)
            })
            .collect()
    }

    fn line(name: &str) -> String {
        let digest = URL_SAFE_NO_PAD.encode(Digest::of(name.as_bytes()).as_bytes());
        format!("{name},sha256={digest},{}\r\n", name.len())
    }

    const OWN: &str = "x-1.dist-info/RECORD";

    fn judged(record: &str, found: &[&str]) -> Result<(), WheelRule> {
        judge("x-1.dist-info", record.as_bytes(), &files(found))
    }

    #[test]
    fn what_is_listed_and_there_passes() {
        let record = format!("{}{}{OWN},,\n", line("a.py"), line("b/c.py"));
        judged(
            &record,
            &["a.py", "b/c.py", OWN, "x-1.dist-info/RECORD.jws"],
        )
        .unwrap();
        let digest = URL_SAFE_NO_PAD.encode(Digest::of(b"a,\"b").as_bytes());
        judged(&format!("\"a,\"\"b\",sha256={digest},\n"), &["a,\"b"]).unwrap();
    }

    #[test]
    fn every_difference_is_refused() {
        let a = line("a.py");
        let absent = || WheelRule::Absent("a.py".into());
        assert_eq!(judged(&a, &[]), Err(absent()));
        assert_eq!(
            judged("", &["a.py"]),
            Err(WheelRule::Unlisted("a.py".into()))
        );
        assert_eq!(
            judged("", &["y-1.dist-info/RECORD"]),
            Err(WheelRule::Unlisted("y-1.dist-info/RECORD".into()))
        );
        let changed = Err(WheelRule::Changed("a.py".into()));
        assert_eq!(judged(&a.replace(",4", ",5"), &["a.py"]), changed);
        let other = line("b.py").replace("b.py", "a.py");
        assert_eq!(judged(&other, &["a.py"]), changed);
        for hash in ["", "md5=abc", "sha256=", "sha256=abc", "sha1=abc"] {
            let result = judged(&format!("a.py,{hash},\n"), &["a.py"]);
            assert_eq!(result, Err(WheelRule::NoHash("a.py".into())), "{hash}");
        }
        for record in [
            format!("{a}{a}"),
            "a.py\n".into(),
            "\"a\n".into(),
            "\"a\"b,,\n".into(),
            "a,b,c,d\n".into(),
        ] {
            let result = judged(&record, &["a.py"]);
            assert!(
                matches!(result, Err(WheelRule::Malformed { .. })),
                "{record}: {result:?}"
            );
        }
    }
}
