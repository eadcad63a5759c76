//! The words of which the generator makes lines: what is said, and what only looks like it.

pub(crate) const METHODS: &[&str] = &[
    "tools/call",
    "tools/list",
    "tools/call",
    "tools/list",
    "tools/call",
    "tools/list",
    "tools/call",
    "tools/list",
    "tools/call",
    "tools/list",
    "tools/call",
    "tools/list",
    "initialize",
    "server/discover",
    "ping",
    "prompts/get",
    "resources/list",
    "resources/read",
    "subscriptions/listen",
    "tasks/get",
    "sampling/createMessage",
    "tools/Call",
    "tools\\/call",
    "notifications/cancelled",
];

pub(crate) const CLIENT_NOTIFICATIONS: &[&str] = &[
    "notifications/cancelled",
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
    "tools/call",
];

pub(crate) const SERVER_NOTIFICATIONS: &[&str] = &[
    "notifications/message",
    "notifications/cancelled",
    "notifications/tools/list_changed",
    "notifications/progress",
    "notifications/tasks",
    "notifications/tasks/status",
    "notifications/elicitation/complete",
    "notifications/claude/channel",
    "sampling/createMessage",
];

pub(crate) const SERVER_REQUESTS: &[&str] = &[
    "ping",
    "ping",
    "roots/list",
    "sampling/createMessage",
    "elicitation/create",
    "tasks/get",
    "tools/call",
    "Ping",
];

pub(crate) const NAMES: &[&str] = &[
    r#""echo""#,
    r#""echo""#,
    r#""sum""#,
    r#""evil""#,
    r#""sum""#,
    r#""\u0065vil""#,
    r#""\u0065cho""#,
    r#""echo\u0000""#,
    r#""Echo""#,
    r#""echo ""#,
    r#""ech\u043e""#,
    r#"["echo"]"#,
    "1",
    "null",
];

pub(crate) const VALUES: &[&str] = &[
    "{}",
    "1",
    "null",
    "[]",
    r#""x""#,
    "1e400",
    "-0.0",
    "123456789012345678901234567890",
    r#"{"Path":1,"path":2}"#,
    r#""a\u2028b""#,
    r#"{"name":"evil","method":"tools/call"}"#,
    r#"[{"inputRequests":{}}]"#,
];

pub(crate) const CAPABILITIES: &[&str] = &[
    "{}",
    r#"{"sampling":{}}"#,
    r#"{"roots":{},"elicitation":{"url":{}}}"#,
    r#"{"tools":{},"experimental":{"claude/channel":{}}}"#,
    r#"{"tools":{},"tasks":{},"extensions":{"x":{}}}"#,
    "[]",
    "null",
];

pub(crate) const ODD_IDS: &[&str] = &[
    "null",
    "1.0",
    "1e0",
    "-0",
    "01",
    "true",
    "[1]",
    r#""""#,
    "9007199254740991",
    "9007199254740993",
];
