//! YAML, as a tree: the first document, aliases not followed.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::tree::{Member, Node, Value};

/// Deeper than any config.
const MAX_DEPTH: usize = 100;

const ALIAS: &str = "it is an alias of another value";
const ANCHOR: &str = "it has an anchor, so other values may depend on it";
const TAG: &str = "it has a tag";
const BLOCK: &str = "it is a block of text";
const LINES: &str = "it goes over several lines";

/// A collection that is being read.
enum Open {
    List(usize, Vec<Node>, Option<&'static str>),
    Map(
        usize,
        Vec<Member>,
        Option<(String, Range<usize>)>,
        Option<&'static str>,
    ),
}

/// The tree of `text`; an empty file is an empty map.
///
/// # Errors
/// Where, in bytes, and what is wrong.
pub(super) fn parse(text: &str) -> Result<Node, (usize, String)> {
    let offsets = Offsets::of(text);
    let mut open: Vec<Open> = Vec::new();
    let mut root: Option<Node> = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            (
                offsets.byte(error.marker().index()),
                error.info().to_owned(),
            )
        })?;
        let span = offsets.range(&span);
        let at = span.start;
        let refuse = |reason: &str| Err((at, reason.to_owned()));
        let finished = match event {
            Event::Scalar(text_of, style, anchor, tag) => {
                let value = scalar(&text_of, style, tag.is_some());
                let unusual = unusual(anchor, tag.is_some()).or_else(|| match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => Some(BLOCK),
                    _ if text[span.clone()].contains('\n') => Some(LINES),
                    _ => None,
                });
                Some(Node {
                    span,
                    value,
                    unusual,
                })
            }
            Event::Alias(_) => Some(Node {
                span,
                value: Value::Null,
                unusual: Some(ALIAS),
            }),
            Event::SequenceStart(anchor, tag) => {
                open.push(Open::List(at, Vec::new(), unusual(anchor, tag.is_some())));
                None
            }
            Event::MappingStart(anchor, tag) => {
                let unusual = unusual(anchor, tag.is_some());
                open.push(Open::Map(at, Vec::new(), None, unusual));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(closed) => Some(closed.into_node(span.end, text)),
                None => return refuse("a collection ends that did not begin"),
            },
            Event::DocumentStart(_) if root.is_some() => {
                return refuse("it holds several documents");
            }
            _ => None,
        };
        if open.len() > MAX_DEPTH {
            return refuse("it is nested too deeply");
        }
        let Some(node) = finished else { continue };
        match open.last_mut() {
            None => root = Some(node),
            Some(Open::List(_, entries, _)) => entries.push(node),
            Some(Open::Map(_, members, key, _)) => match key.take() {
                Some((key, key_span)) => members.push(Member {
                    key,
                    key_span,
                    value: node,
                }),
                None => match (node.as_word(), node.unusual) {
                    (Some(word), None) => *key = Some((word, node.span)),
                    _ => return Err((node.span.start, "this is an unusual key".to_owned())),
                },
            },
        }
    }
    Ok(match root {
        Some(root) if root.value != Value::Null => root,
        _ => Node::new(text.len()..text.len(), Value::Map(Vec::new())),
    })
}

impl Open {
    /// The end of a block collection is told where the next thing begins; what is before it are
    /// line breaks and comments.
    fn into_node(self, end: usize, text: &str) -> Node {
        let (start, last, value, unusual) = match self {
            Self::List(start, entries, unusual) => {
                let last = entries.last().map(|entry| entry.span.end);
                let start = match text[start..].starts_with('[') {
                    true => start,
                    false => first_dash(&entries, text).unwrap_or(start),
                };
                (start, last, Value::List(entries), unusual)
            }
            Self::Map(start, members, _, unusual) => {
                let last = members.last().map(|member| member.value.span.end);
                (start, last, Value::Map(members), unusual)
            }
        };
        let is_flow = text[start..].starts_with(['[', '{']);
        let end = match (is_flow, last) {
            (false, Some(last)) => last,
            _ => end,
        };
        Node {
            span: start..end.max(start),
            value,
            unusual,
        }
    }
}

/// Where a block list begins: one that is not indented is announced before its first dash, or after.
fn first_dash(entries: &[Node], text: &str) -> Option<usize> {
    let before = text[..entries.first()?.span.start].trim_end();
    before.ends_with('-').then(|| before.len() - 1)
}

fn unusual(anchor: usize, tag: bool) -> Option<&'static str> {
    match (anchor, tag) {
        (0, false) => None,
        (0, true) => Some(TAG),
        _ => Some(ANCHOR),
    }
}

/// The core schema of YAML 1.2: what is not quoted may be null, a truth value or a number.
fn scalar(text: &str, style: ScalarStyle, tagged: bool) -> Value {
    if style != ScalarStyle::Plain || tagged {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        number if is_number(number) => Value::Plain(number.to_owned()),
        other => Value::Text(other.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && (text.parse::<f64>().is_ok() || digits.starts_with("0x") || digits.starts_with("0o"))
}

/// From characters, which the parser counts, to bytes.
enum Offsets {
    Ascii(usize),
    Other(Vec<usize>),
}

impl Offsets {
    fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self::Ascii(text.len());
        }
        let starts = text.char_indices().map(|(at, _)| at);
        Self::Other(starts.chain([text.len()]).collect())
    }

    fn byte(&self, index: usize) -> usize {
        match self {
            Self::Ascii(length) => index.min(*length),
            Self::Other(starts) => starts[index.min(starts.len() - 1)],
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# ä\nname: x\nextensions:\n  time: # one\n    enabled: true\n    cmd: uvx\n    args:\n      - mcp-server-time\n      - \"--tz\"\n      # last\n    timeout: 300\n  b: {cmd: 'y', args: [a, 2]}\n";

    #[test]
    fn values_have_their_places() {
        for text in [TEXT.to_owned(), TEXT.replace('\n', "\r\n")] {
            let root = parse(&text).unwrap();
            let extensions = root.get("extensions").unwrap();
            let time = extensions.get("time").unwrap();
            let written = |node: &Node| text[node.span.clone()].to_owned();
            assert_eq!(written(time.get("cmd").unwrap()), "uvx");
            let args = time.get("args").unwrap();
            assert_eq!(written(&args.entries()[1]), "\"--tz\"");
            assert!(
                written(args).starts_with("- mcp-server-time"),
                "{:?}",
                written(args)
            );
            assert!(written(args).ends_with("\"--tz\""), "{:?}", written(args));
            assert_eq!(time.get("enabled").unwrap().as_bool(), Some(true));
            assert_eq!(
                time.get("timeout").unwrap().value,
                Value::Plain("300".into())
            );
            let b = extensions.get("b").unwrap();
            assert_eq!(written(b), "{cmd: 'y', args: [a, 2]}");
            assert_eq!(written(b.get("args").unwrap()), "[a, 2]");
            assert_eq!(&text[extensions.member("b").unwrap().key_span.clone()], "b");
        }
    }

    #[test]
    fn what_is_unusual_is_marked_or_refused() {
        let root = parse("a: &x 1\nb: *x\nc: |\n  text\nd: !t x\ne: no\n").unwrap();
        for key in ["a", "b", "c", "d"] {
            assert!(root.get(key).unwrap().unusual.is_some(), "{key}");
        }
        assert_eq!(root.get("e").unwrap().as_text(), Some("no"));
        assert!(parse("a: 1\n---\nb: 2\n").is_err());
        assert!(parse("[a]: 1\n").is_err());
        assert!(parse("a: [1\nb").is_err());
        assert!(parse(&"[".repeat(10_000)).is_err());
        assert_eq!(parse("# nothing\n").unwrap().members(), []);
    }
}
