//! The mini client against scripted servers.

use std::collections::VecDeque;

use tokio::io::{AsyncBufReadExt as _, BufReader, duplex, split};

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// What a scripted server does when it gets a line.
enum Does {
    /// Expects this method; says these lines, `ID` standing for the request's id.
    Says(&'static str, Vec<String>),
    /// Expects this method and closes.
    Closes(&'static str),
}

fn says(method: &'static str, lines: &[&str]) -> Does {
    Does::Says(
        method,
        lines.iter().map(|line| (*line).to_owned()).collect(),
    )
}

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":ID,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"},"instructions":"be kind"}}"#;
const NO_METHOD: &str =
    r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32601,"message":"no\nsuch method"}}"#;

fn initialize() -> Does {
    says("initialize", &[INITIALIZED])
}

/// Runs the client against the script; also what the server received.
async fn run(script: Vec<Does>) -> (Result<Introspection, RelayError>, Vec<serde_json::Value>) {
    let (near, far) = duplex(1 << 16);
    let (near_in, near_out) = split(near);
    let (far_in, mut far_out) = split(far);
    let server = async move {
        let mut script = VecDeque::from(script);
        let mut received: Vec<serde_json::Value> = Vec::new();
        let mut lines = BufReader::new(far_in).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let message: serde_json::Value = serde_json::from_str(&line).unwrap();
            received.push(message.clone());
            let Some(method) = message["method"].as_str() else {
                continue;
            };
            if message.get("id").is_none() {
                continue;
            }
            match script.pop_front() {
                Some(Does::Says(expected, lines)) => {
                    assert_eq!(method, expected);
                    for line in lines {
                        let line = line.replace("ID", &message["id"].to_string()) + "\n";
                        if far_out.write_all(line.as_bytes()).await.is_err() {
                            return received;
                        }
                    }
                }
                Some(Does::Closes(expected)) => {
                    assert_eq!(method, expected);
                    return received;
                }
                None => panic!("not in the script: {line}"),
            }
        }
        received
    };
    let client = async move { introspect(near_out, near_in, &Grants::default(), LIMIT).await };
    tokio::join!(client, server)
}

async fn fails(script: Vec<Does>) -> RelayError {
    run(script).await.0.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_server_is_asked_for_all_pages_of_its_tools() {
    let script = vec![
        says(
            "initialize",
            &[
                "Starting up …",
                r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#,
                r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#,
                r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#,
                r#"{"jsonrpc":"2.0","id":77,"result":{}}"#,
                INITIALIZED,
            ],
        ),
        says(
            "tools/list",
            &[
                r#"{"jsonrpc":"2.0","id":ID,"result":{"tools":[{"name":"b","description":"B","x":1e1},{"name":1}],"nextCursor":"c\u2028"}}"#,
            ],
        ),
        says(
            "tools/list",
            &[
                r#"{"jsonrpc":"2.0","id":ID,"result":{"tools":[{"name":"a","title":"A"},{"name":"b"}]}}"#,
            ],
        ),
    ];
    let (introspection, received) = run(script).await;
    let introspection = introspection.unwrap();
    assert_eq!(introspection.protocol, "2025-11-25");
    assert_eq!(introspection.server_name.as_deref(), Some("s"));
    assert_eq!(introspection.server_version.as_deref(), Some("1"));
    assert_eq!(introspection.instructions.as_deref(), Some("be kind"));
    assert_eq!(introspection.unusable, 2);
    let names: Vec<_> = introspection
        .tools
        .iter()
        .map(|tool| tool.name.as_str())
        .collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(
        introspection.tools[0].canonical,
        br#"{"description":"B","name":"b","x":10}"#
    );
    assert_eq!(introspection.tools[1].title.as_deref(), Some("A"));

    assert_eq!(received[0]["params"]["capabilities"], serde_json::json!({}));
    assert_eq!(received[0]["params"]["clientInfo"]["name"], "pinfold");
    assert_eq!(
        (&received[1]["id"], &received[1]["error"]["code"]),
        (&"r".into(), &(-32601).into())
    );
    assert_eq!(
        (&received[2]["id"], &received[2]["result"]),
        (&"p".into(), &serde_json::json!({}))
    );
    assert_eq!(received[3]["method"], "notifications/initialized");
    assert_eq!(received[4]["params"], serde_json::json!({}));
    assert_eq!(
        received[5]["params"],
        serde_json::json!({ "cursor": "c\u{2028}" })
    );
}

#[tokio::test(start_paused = true)]
async fn a_modern_server_is_asked_in_its_own_manner() {
    let script = vec![
        says("initialize", &[NO_METHOD]),
        says(
            "server/discover",
            &[
                r#"{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{},"instructions":"i","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"m","version":"2"}}}}"#,
            ],
        ),
        says(
            "tools/list",
            &[
                r#"{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","tools":[{"name":"a"}]}}"#,
            ],
        ),
    ];
    let (introspection, received) = run(script).await;
    let introspection = introspection.unwrap();
    assert_eq!(introspection.protocol, "2026-07-28");
    assert_eq!(introspection.server_name.as_deref(), Some("m"));
    assert_eq!(introspection.instructions.as_deref(), Some("i"));
    assert_eq!(introspection.tools.len(), 1);
    let meta = &received[2]["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/protocolVersion"],
        "2026-07-28"
    );
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        serde_json::json!({})
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_both_eras_is_refused() {
    let script = vec![
        says("initialize", &[NO_METHOD]),
        says("server/discover", &[NO_METHOD]),
    ];
    match fails(script).await {
        RelayError::Refused {
            step: Step::Initialize,
            code: -32601,
            message,
        } => {
            assert_eq!(message, "no\\x0asuch method");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_timeout_and_the_end_is_an_end() {
    let start = Instant::now();
    let error = fails(vec![initialize(), says("tools/list", &[])]).await;
    assert!(
        matches!(
            error,
            RelayError::Timeout {
                step: Step::ListTools,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(start.elapsed(), LIMIT);
    assert_eq!(
        error.to_string(),
        "the server did not answer `tools/list` within 10 s"
    );

    let error = fails(vec![Does::Closes("initialize")]).await;
    assert!(
        matches!(
            error,
            RelayError::Closed {
                step: Step::Initialize
            }
        ),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn bad_answers_are_told_apart() {
    let list = |result: &str| {
        let line = format!(r#"{{"jsonrpc":"2.0","id":ID,"result":{result}}}"#);
        vec![initialize(), Does::Says("tools/list", vec![line])]
    };
    let reason = async |script| match fails(script).await {
        RelayError::BadAnswer { reason, .. } => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(list("{}")).await, "it has no array `tools`");
    assert_eq!(
        reason(list(r#"{"tools":{}}"#)).await,
        "it has no array `tools`"
    );
    assert_eq!(
        reason(list(r#"{"tools":[],"nextCursor":1}"#)).await,
        "`nextCursor` is not a string"
    );
    assert_eq!(
        reason(list(r#"{"tools":[],"resultType":"input_required"}"#)).await,
        "it is not a complete result"
    );
    assert!(
        reason(list(r#"{"tools":[],"tools":[]}"#))
            .await
            .contains("twice")
    );
    assert!(
        reason(list(r#"{"tools":[{"name":"a","x":1e999}]}"#))
            .await
            .contains("canonical")
    );
    assert!(
        reason(list("[]"))
            .await
            .contains("`result` is not an object")
    );
    let many: Vec<_> = (0..=MAX_TOOLS)
        .map(|n| format!("{{\"name\":\"t{n}\"}}"))
        .collect();
    let many = format!("{{\"tools\":[{}]}}", many.join(","));
    assert_eq!(reason(list(&many)).await, "there are more than 10000 tools");

    let old = INITIALIZED.replace("2025-11-25", "1999-01-01");
    let script = vec![Does::Says("initialize", vec![old])];
    assert_eq!(
        reason(script).await,
        "protocol version `1999-01-01` is not known"
    );

    let page = r#"{"jsonrpc":"2.0","id":ID,"result":{"tools":[],"nextCursor":"again"}}"#;
    let mut script = vec![initialize()];
    script.extend((0..MAX_PAGES).map(|_| says("tools/list", &[page])));
    assert_eq!(reason(script).await, "there are more than 100 pages");
}

#[tokio::test(start_paused = true)]
async fn an_over_long_answer_is_a_bad_answer() {
    let long = format!(
        r#"{{"result":{{"x":"{}"}},"jsonrpc":"2.0","id":ID}}"#,
        "x".repeat(DEFAULT_MAX_LINE)
    );
    let error = fails(vec![Does::Says("initialize", vec![long])]).await;
    assert!(matches!(error, RelayError::BadAnswer { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_too_much_is_cut_off() {
    let noise = format!(
        r#"{{"jsonrpc":"2.0","method":"x","params":{{"x":"{}"}}}}"#,
        "x".repeat(DEFAULT_MAX_LINE - 100)
    );
    let error = fails(vec![Does::Says("initialize", vec![noise; 8])]).await;
    assert!(error.to_string().contains("67108864 bytes"), "{error}");
}
