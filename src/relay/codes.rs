//! The JSON-RPC error codes that the relay writes or looks for, in one table.
//!
//! JSON-RPC 2.0 reserves −32768..−32000; the 2026-07-28 revision of MCP asks
//! implementations to put codes of their own outside that range, so ours start at −31001.
//! What the messages say is not decided here.

/// The line is not JSON that has exactly one reading (JSON-RPC 2.0 §5.1).
pub const PARSE_ERROR: i64 = -32700;
/// The line is JSON, but not one JSON-RPC message (JSON-RPC 2.0 §5.1).
pub const INVALID_REQUEST: i64 = -32600;
/// The method is not known, or not granted to the side that asked (JSON-RPC 2.0 §5.1).
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The tool is not on the list, or a parameter is not acceptable (MCP, server/tools, "Error handling").
pub const INVALID_PARAMS: i64 = -32602;
/// The server's answer does not have the shape that its request calls for.
pub const INTERNAL_ERROR: i64 = -32603;
/// The resource is not there, or not reached (MCP before 2026-07-28; since then −32602).
pub const RESOURCE_NOT_FOUND: i64 = -32002;

/// Ours: the server asked for a right that its manifest entry does not grant.
pub const NOT_GRANTED: i64 = -31001;
/// Ours: the server's answer was refused by the relay, so the request has no result.
pub const ANSWER_REFUSED: i64 = -31002;
/// Ours: too many requests are waiting for an answer.
pub const TOO_MANY_OUTSTANDING: i64 = -31003;
/// Ours: the launch itself was refused; 125 is also the exit code.
pub const LAUNCH_REFUSED: i64 = -31125;

/// Not ours, looked for: a server asks for URL elicitation by way of an error (MCP 2025-11-25).
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
