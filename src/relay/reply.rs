//! What the relay itself writes: lines in the place of one of the two sides, and the parameters of
//! its own requests.

use super::message::Id;
use super::strict::write_string;

/// The stateless revision.
pub(super) const MODERN_VERSION: &str = "2026-07-28";

/// A JSON-RPC error response, without newline. Without `id` when the request's id is not
/// certain: MCP asks to omit it, `null` fails the schemas of the SDKs.
pub fn error_line(id: Option<&Id>, code: i64, message: &str) -> Vec<u8> {
    let mut line = start(id);
    line.extend_from_slice(format!(",\"error\":{{\"code\":{code},\"message\":").as_bytes());
    write_string(&mut line, message);
    line.extend_from_slice(b"}}");
    line
}

/// A JSON-RPC response with an empty result, without newline: the answer to `ping`.
pub fn empty_result_line(id: &Id) -> Vec<u8> {
    let mut line = start(Some(id));
    line.extend_from_slice(b",\"result\":{}}");
    line
}

/// The result of a `tools/call` that went wrong, without newline: text that a model and a
/// person can read. `stateless`: as 2026-07-28 wants it.
pub(super) fn tool_error_line(id: &Id, text: &str, stateless: bool) -> Vec<u8> {
    let mut line = start(Some(id));
    line.extend_from_slice(b",\"result\":{");
    if stateless {
        line.extend_from_slice(b"\"resultType\":\"complete\",");
    }
    line.extend_from_slice(b"\"content\":[{\"type\":\"text\",\"text\":");
    write_string(&mut line, text);
    line.extend_from_slice(b"}],\"isError\":true}}");
    line
}

fn start(id: Option<&Id>) -> Vec<u8> {
    let mut line = b"{\"jsonrpc\":\"2.0\"".to_vec();
    if let Some(id) = id {
        line.extend_from_slice(b",\"id\":");
        id.write(&mut line);
    }
    line
}

/// Parameters of a `tools/list`; `cursor` is canonical JSON.
pub(super) fn list_params(meta: Option<&str>, cursor: Option<&[u8]>) -> String {
    let meta = meta.map(|meta| format!("\"_meta\":{meta}"));
    let cursor = cursor.map(|cursor| format!("\"cursor\":{}", String::from_utf8_lossy(cursor)));
    let members: Vec<_> = meta.into_iter().chain(cursor).collect();
    format!("{{{}}}", members.join(","))
}

/// The `_meta` that every request of the stateless revision has, with these capabilities (JSON).
pub(super) fn modern_meta(capabilities: &str) -> String {
    format!(
        "{{\"io.modelcontextprotocol/protocolVersion\":\"{MODERN_VERSION}\",\
         \"io.modelcontextprotocol/clientCapabilities\":{capabilities},\
         \"io.modelcontextprotocol/clientInfo\":{}}}",
        client_info()
    )
}

pub(super) fn client_info() -> String {
    let mut version = Vec::new();
    write_string(&mut version, env!("CARGO_PKG_VERSION"));
    format!(
        "{{\"name\":\"pinfold\",\"version\":{}}}",
        String::from_utf8_lossy(&version)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_carry_the_id_when_there_is_one() {
        assert_eq!(
            error_line(Some(&Id::Text("a\n".into())), -1, "no \"x\"\u{2028}"),
            br#"{"jsonrpc":"2.0","id":"a\n","error":{"code":-1,"message":"no \"x\"\u2028"}}"#
        );
        assert_eq!(
            error_line(None, -1, "no"),
            br#"{"jsonrpc":"2.0","error":{"code":-1,"message":"no"}}"#
        );
        assert_eq!(
            empty_result_line(&Id::Number(0)),
            br#"{"jsonrpc":"2.0","id":0,"result":{}}"#
        );
    }
}
