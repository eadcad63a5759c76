//! The strict view of one canonical line as one JSON-RPC 2.0 message of MCP.
//!
//! Which methods and tools are allowed is decided in `filter`; here only what a message is.

use std::borrow::Cow;
use std::fmt;

use super::confusion::{ROUTED_IN_ERRORS, refuse_confusing_key, refuse_confusing_keys};
use super::errors::Refusal;
use super::json::{Object, Value};
use super::strict::{CanonicalLine, write_string};
use crate::lockfile::printable;

/// Longest string id, in bytes.
const MAX_ID_BYTES: usize = 1024;
/// Largest magnitude of a number id: what a double holds exactly.
const MAX_ID_NUMBER: i64 = (1 << 53) - 1;

/// A request id. A number and a string that look alike are two ids: the TypeScript SDK
/// reads an answer's `"1"` as `1`, so such an answer must find no request here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    Number(i64),
    Text(String),
}

/// One message, borrowed from its canonical line.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub kind: Kind<'a>,
    /// The whole message.
    pub root: Object<'a>,
    /// `params` of a request or notification.
    pub params: Option<Object<'a>>,
}

#[derive(Clone, Debug)]
pub enum Kind<'a> {
    Request {
        id: Id,
        method: Cow<'a, str>,
    },
    Notification {
        method: Cow<'a, str>,
    },
    /// The id is absent only when the answer is an error.
    Response {
        id: Option<Id>,
        answer: Answer<'a>,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    Result(Object<'a>),
    Error { code: i64, error: Object<'a> },
}

/// A line that is not a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAMessage {
    pub refusal: Refusal,
    /// The id of a request whose id is certain although the message is refused.
    pub request: Option<Id>,
}

impl Id {
    pub fn read(value: Value<'_>) -> Result<Self, Refusal> {
        if let Some(number) = value.as_integer() {
            if (-MAX_ID_NUMBER..=MAX_ID_NUMBER).contains(&number) {
                return Ok(Self::Number(number));
            }
            return Err(Refusal::BadId);
        }
        match value.as_text() {
            Some(text) if text.len() <= MAX_ID_BYTES => Ok(Self::Text(text.into_owned())),
            Some(_) => Err(Refusal::LongId {
                limit: MAX_ID_BYTES,
            }),
            None => Err(Refusal::BadId),
        }
    }

    /// Appends the id as canonical JSON.
    pub fn write(&self, output: &mut Vec<u8>) {
        match self {
            Self::Number(number) => output.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => write_string(output, text),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "\"{}\"", printable(text, 64)),
        }
    }
}

impl<'a> Message<'a> {
    pub fn read(line: &'a CanonicalLine) -> Result<Self, NotAMessage> {
        let root = line.root();
        // A root that can be read in two ways has no certain id.
        let parts = Parts::of(root).map_err(|refusal| NotAMessage {
            refusal,
            request: None,
        })?;
        parts.message(root).map_err(|refusal| NotAMessage {
            refusal,
            request: parts.request_id(),
        })
    }

    /// `params._meta`, when it is an object.
    pub fn meta(&self) -> Option<Object<'a>> {
        self.params?.find("_meta")?.as_object()
    }

    /// The text of `params.KEY`.
    pub fn param_text(&self, key: &str) -> Option<Cow<'a, str>> {
        self.params?.find(key)?.as_text()
    }
}

/// The members of the root that say what a message is.
#[derive(Default)]
struct Parts<'a> {
    jsonrpc: Option<Value<'a>>,
    id: Option<Value<'a>>,
    method: Option<Value<'a>>,
    params: Option<Value<'a>>,
    result: Option<Value<'a>>,
    error: Option<Value<'a>>,
}

impl<'a> Parts<'a> {
    fn of(root: Object<'a>) -> Result<Self, Refusal> {
        let mut parts = Self::default();
        for member in root.members() {
            refuse_confusing_key(member.raw_key, &[])?;
            let part = match member.raw_key {
                b"jsonrpc" => &mut parts.jsonrpc,
                b"id" => &mut parts.id,
                b"method" => &mut parts.method,
                b"params" => &mut parts.params,
                b"result" => &mut parts.result,
                b"error" => &mut parts.error,
                _ => continue,
            };
            *part = Some(member.value);
        }
        Ok(parts)
    }

    fn request_id(&self) -> Option<Id> {
        self.method?.as_text()?;
        if self.result.is_some() || self.error.is_some() {
            return None;
        }
        Id::read(self.id?).ok()
    }

    fn message(&self, root: Object<'a>) -> Result<Message<'a>, Refusal> {
        if self.jsonrpc.map(Value::raw) != Some(b"\"2.0\"") {
            return Err(Refusal::Version);
        }
        let id = self.id.map(Id::read).transpose()?;
        let answer = match (self.result, self.error) {
            (Some(_), Some(_)) => return Err(Refusal::ResultAndError),
            (Some(result), None) => Some(read_result(result)?),
            (None, Some(error)) => Some(read_error(error)?),
            (None, None) => None,
        };
        let params = self.params.map(read_params).transpose()?;
        let kind = match (self.method, answer, id) {
            (Some(_), Some(_), _) => return Err(Refusal::RequestAndResponse),
            (None, None, _) => return Err(Refusal::NotAMessage),
            (None, Some(Answer::Result(_)), None) => return Err(Refusal::ResultWithoutId),
            (None, Some(answer), id) => Kind::Response { id, answer },
            (Some(method), None, id) => {
                let method = method.as_text().ok_or(Refusal::BadMethod)?;
                match id {
                    Some(id) => Kind::Request { id, method },
                    None => Kind::Notification { method },
                }
            }
        };
        Ok(Message { kind, root, params })
    }
}

fn read_params(params: Value<'_>) -> Result<Object<'_>, Refusal> {
    let params = params.as_object().ok_or(Refusal::BadParams)?;
    refuse_confusing(params)?;
    Ok(params)
}

fn read_result(result: Value<'_>) -> Result<Answer<'_>, Refusal> {
    let result = result.as_object().ok_or(Refusal::BadResult)?;
    refuse_confusing(result)?;
    Ok(Answer::Result(result))
}

fn read_error(error: Value<'_>) -> Result<Answer<'_>, Refusal> {
    let error = error.as_object().ok_or(Refusal::BadError)?;
    refuse_confusing_keys(error, &ROUTED_IN_ERRORS)?;
    let code = error
        .find("code")
        .and_then(Value::as_integer)
        .ok_or(Refusal::BadError)?;
    error
        .find("message")
        .and_then(Value::as_text)
        .ok_or(Refusal::BadError)?;
    Ok(Answer::Error { code, error })
}

/// Of an object and of its `_meta`.
fn refuse_confusing(object: Object<'_>) -> Result<(), Refusal> {
    for member in object.members() {
        refuse_confusing_key(member.raw_key, &[])?;
        if member.raw_key == b"_meta"
            && let Some(meta) = member.value.as_object()
        {
            refuse_confusing_keys(meta, &[])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> NotAMessage {
        let line = CanonicalLine::read(text.as_bytes(), 1 << 20).unwrap();
        Message::read(&line)
            .err()
            .unwrap_or_else(|| panic!("accepted: {text}"))
    }

    fn accepted(text: &str) -> String {
        let line = CanonicalLine::read(text.as_bytes(), 1 << 20).unwrap();
        let message = Message::read(&line).unwrap();
        match message.kind {
            Kind::Request { id, method } => format!("request {id} {method}"),
            Kind::Notification { method } => format!("notification {method}"),
            Kind::Response {
                id,
                answer: Answer::Result(_),
            } => format!("result {}", id.unwrap()),
            Kind::Response {
                id: Some(id),
                answer: Answer::Error { code, .. },
            } => {
                format!("error {id} {code}")
            }
            Kind::Response {
                id: None,
                answer: Answer::Error { code, .. },
            } => {
                format!("error {code}")
            }
        }
    }

    #[test]
    fn the_kinds_are_told_apart() {
        for (text, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#,
                "request 0 ping",
            ),
            (
                r#"{"id":"a\nb","method":"m\u0065","jsonrpc":"2.0"}"#,
                "request \"a\\x0ab\" me",
            ),
            (
                r#"{"jsonrpc":"2.0","method":"n","params":{}}"#,
                "notification n",
            ),
            (r#"{"result":{},"jsonrpc":"2.0","id":-5}"#, "result -5"),
            (
                r#"{"jsonrpc":"2.0","id":9007199254740991,"result":{}}"#,
                "result 9007199254740991",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}"#,
                "error 1 -1",
            ),
            (
                r#"{"jsonrpc":"2.0","error":{"code":-1,"message":""}}"#,
                "error -1",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"m","x":{"Method":1}}"#,
                "request 1 m",
            ),
        ] {
            assert_eq!(accepted(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_one_message_is_refused() {
        for (text, expected) in [
            (r#"{"id":1,"method":"m"}"#, Refusal::Version),
            (r#"{"jsonrpc":2.0,"id":1,"method":"m"}"#, Refusal::Version),
            (r#"{"jsonrpc":"2.0"}"#, Refusal::NotAMessage),
            (r#"{"jsonrpc":"2.0","id":1}"#, Refusal::NotAMessage),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"m","result":{}}"#,
                Refusal::RequestAndResponse,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#,
                Refusal::ResultAndError,
            ),
            (r#"{"jsonrpc":"2.0","result":{}}"#, Refusal::ResultWithoutId),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Refusal::BadMethod),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[]}"#,
                Refusal::BadParams,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#,
                Refusal::BadParams,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":[]}"#,
                Refusal::BadResult,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#,
                Refusal::BadError,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042e0,"message":""}}"#,
                Refusal::BadError,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"error":"x"}"#, Refusal::BadError),
        ] {
            assert_eq!(refusal(text).refusal, expected, "{text}");
        }
    }

    #[test]
    fn ids_are_strings_or_plain_integers() {
        for id in [
            "null",
            "1.5",
            "1.0",
            "1e2",
            "-0",
            "9007199254740992",
            "-9007199254740992",
            "123456789012345678901234567890",
            "true",
            "[]",
            "{}",
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
            assert_eq!(
                refusal(&text),
                NotAMessage {
                    refusal: Refusal::BadId,
                    request: None
                }
            );
        }
        let id = |length| {
            format!(
                r#"{{"jsonrpc":"2.0","id":"{}","method":"m"}}"#,
                "x".repeat(length)
            )
        };
        assert_eq!(
            refusal(&id(MAX_ID_BYTES + 1)).refusal,
            Refusal::LongId {
                limit: MAX_ID_BYTES
            }
        );
        assert!(accepted(&id(MAX_ID_BYTES)).starts_with("request"));
    }

    #[test]
    fn confusing_keys_are_refused_at_every_routing_level() {
        let routed = |routed| Refusal::ConfusingKey { routed };
        for (text, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"m","Method":"x"}"#,
                routed("method"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"Name":"x"}}"#,
                routed("name"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"Task":1}}}"#,
                routed("task"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"toolſ":[]}}"#,
                routed("tools"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"ID":1}}}"#,
                routed("id"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","DATA":1}}"#,
                routed("data"),
            ),
        ] {
            assert_eq!(refusal(text).refusal, expected, "{text}");
        }
        // Arguments and structured content are the tool's own.
        accepted(
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"arguments":{"Name":1,"name":2}}}"#,
        );
        accepted(r#"{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"ID":1,"id":2}}}"#);
    }

    #[test]
    fn the_id_of_a_refused_request_is_given_only_when_it_is_certain() {
        for (text, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"m","params":1}"#,
                Some(Id::Number(7)),
            ),
            (r#"{"id":7,"method":"m"}"#, Some(Id::Number(7))),
            (r#"{"jsonrpc":"2.0","id":7,"method":"m","ID":8}"#, None),
            (r#"{"jsonrpc":"2.0","id":7,"method":"m","result":{}}"#, None),
            (r#"{"jsonrpc":"2.0","id":7,"result":1}"#, None),
            (r#"{"jsonrpc":"2.0","id":7,"method":1}"#, None),
        ] {
            assert_eq!(refusal(text).request, expected, "{text}");
        }
    }
}
