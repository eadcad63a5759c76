//! The hostile lines of `tests/hostile_lines/`, read from their files; the README there says
//! what their keys mean.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::{From, Sent};

/// The revisions of MCP, by how a session opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2024-11-05 to 2025-11-25: `initialize`.
    Legacy,
    /// 2026-07-28: `server/discover`, and everything else in each request.
    Modern,
}

/// What has to become of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// To the other side, as these bytes.
    Forwarded(Vec<u8>),
    /// An error with this code and id (JSON) to the sender, nothing to the other side.
    Refused {
        code: i64,
        id: Option<String>,
    },
    /// The other side gets an error instead.
    Replaced {
        code: i64,
        id: Option<String>,
    },
    Dropped,
}

/// One line with what has to come of it.
pub(crate) struct HostileLine {
    /// File and number, for messages.
    pub(crate) place: String,
    pub(crate) tries: String,
    pub(crate) eras: Vec<Era>,
    waiting: Option<String>,
    before: Vec<Sent>,
    pub(crate) sent: Sent,
    pub(crate) verdict: Verdict,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Theme {
    line: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    tries: String,
    from: String,
    era: Option<String>,
    waiting: Option<String>,
    #[serde(default)]
    before: Vec<String>,
    line: String,
    verdict: String,
    r#as: Option<String>,
    code: Option<i64>,
    id: Option<String>,
}

/// All lines of all files below `folder`, in the order of their names.
pub(crate) fn read(folder: &Path) -> Vec<HostileLine> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let theme = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let parsed: Theme =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{theme}: {error}"));
        for (index, row) in parsed.line.into_iter().enumerate() {
            lines.push(row.checked(format!("{theme}, line {}", index + 1)));
        }
    }
    lines
}

impl Row {
    fn checked(self, place: String) -> HostileLine {
        let from = match self.from.as_str() {
            "client" => From::Client,
            "server" => From::Server,
            other => panic!("{place}: from {other}"),
        };
        let eras = match self.era.as_deref() {
            None => vec![Era::Legacy, Era::Modern],
            Some("legacy") => vec![Era::Legacy],
            Some("modern") => vec![Era::Modern],
            Some(other) => panic!("{place}: era {other}"),
        };
        let line = written_out(&self.line);
        let id = match self.id.as_deref() {
            Some("none") => None,
            Some(id) => Some(id.to_owned()),
            None => Some("1".to_owned()),
        };
        let code = || self.code.unwrap_or_else(|| panic!("{place}: no code"));
        let verdict = match self.verdict.as_str() {
            "forwarded" => Verdict::Forwarded(
                self.r#as
                    .as_deref()
                    .map_or_else(|| line.clone(), written_out),
            ),
            "refused" => Verdict::Refused { code: code(), id },
            "replaced" => Verdict::Replaced { code: code(), id },
            "dropped" => Verdict::Dropped,
            other => panic!("{place}: verdict {other}"),
        };
        HostileLine {
            before: self.before.iter().map(|line| sent_before(line)).collect(),
            sent: Sent { from, line },
            tries: self.tries,
            waiting: self.waiting,
            place,
            eras,
            verdict,
        }
    }
}

fn sent_before(line: &str) -> Sent {
    let (from, line) = line.split_once(": ").expect("`client: ` or `server: `");
    let from = match from {
        "client" => From::Client,
        "server" => From::Server,
        other => panic!("before: {other}"),
    };
    Sent {
        from,
        line: written_out(line),
    }
}

impl HostileLine {
    /// What is said before the line in a session of `era`.
    pub(crate) fn before(&self, era: Era) -> Vec<Sent> {
        let mut said = opening(era);
        if let Some(method) = &self.waiting {
            said.push(client(&request(1, method, era)));
        }
        said.extend(self.before.iter().cloned());
        said
    }
}

/// How a session of `era` begins.
pub(crate) fn opening(era: Era) -> Vec<Sent> {
    match era {
        Era::Legacy => vec![
            client(
                r#"{"jsonrpc":"2.0","id":"open","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"c","version":"1"}}}"#,
            ),
            server(
                r#"{"jsonrpc":"2.0","id":"open","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}}"#,
            ),
            client(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        ],
        Era::Modern => vec![
            client(&request("\"open\"", "server/discover", era)),
            server(
                r#"{"jsonrpc":"2.0","id":"open","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"session"}}"#,
            ),
        ],
    }
}

fn client(line: &str) -> Sent {
    let line = line.as_bytes().to_vec();
    Sent {
        from: From::Client,
        line,
    }
}

fn server(line: &str) -> Sent {
    let line = line.as_bytes().to_vec();
    Sent {
        from: From::Server,
        line,
    }
}

/// A well-formed request.
fn request(id: impl std::fmt::Display, method: &str, era: Era) -> String {
    let own = match method {
        "tools/call" => r#""name":"echo","arguments":{},"#,
        "prompts/get" => r#""name":"p","#,
        "resources/read" => r#""uri":"a:b","#,
        "initialize" => r#""protocolVersion":"2025-11-25","capabilities":{},"#,
        _ => "",
    };
    let meta = match era {
        Era::Legacy => "",
        Era::Modern => {
            r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#
        }
    };
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{own}"_meta":{{{meta}}}}}}}"#
    )
}

/// The bytes that `text` stands for: `⟨0d 0a⟩`, `⟨U+2028⟩` and `⟨3 × x⟩` written out.
pub(crate) fn written_out(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('⟨') {
        bytes.extend_from_slice(&rest.as_bytes()[..start]);
        let inside = &rest[start + '⟨'.len_utf8()..];
        let end = closing(inside).unwrap_or_else(|| panic!("no `⟩` in {text}"));
        bytes.extend(stands_for(&inside[..end]));
        rest = &inside[end + '⟩'.len_utf8()..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn closing(inside: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, character) in inside.char_indices() {
        match character {
            '⟨' => open += 1,
            '⟩' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

fn stands_for(inside: &str) -> Vec<u8> {
    if let Some((times, text)) = inside.split_once(" × ") {
        return written_out(text).repeat(times.parse().unwrap());
    }
    if let Some(number) = inside.strip_prefix("U+") {
        let number = u32::from_str_radix(number, 16).unwrap();
        return char::from_u32(number).unwrap().to_string().into_bytes();
    }
    let byte = |digits| u8::from_str_radix(digits, 16).unwrap();
    inside.split(' ').map(byte).collect()
}
