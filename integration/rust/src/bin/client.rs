//! The client of the official Rust SDK.
//!
//! client PLAN COMMAND ARGUMENT…
//! PLAN is `{"mode": "legacy" | "auto", "calls": [[TOOL, ARGUMENTS], …], "prompts":
//! [[NAME, ARGUMENTS], …], "resources": [URI, …]}`. The server gets this process's environment.
//! Prints one line of JSON that tells what came of it.

use rmcp::model::{
    CallToolRequestParams, ErrorData, GetPromptRequestParams, ProtocolVersion,
    ReadResourceRequestParams,
};
use rmcp::service::ServiceError;
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn told<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a plan that the SDK can read")
}

/// `text` of a result at `place`, or the error.
fn outcome(result: Result<impl Serialize, ServiceError>, place: &str) -> Value {
    match result {
        Ok(result) => {
            let result = serde_json::to_value(result).expect("JSON");
            let is_error = result["isError"].as_bool().unwrap_or(false);
            json!({"text": result.pointer(place), "isError": is_error})
        }
        Err(ServiceError::McpError(ErrorData { code, message, .. })) => {
            json!({"error": {"code": code.0, "message": message}})
        }
        Err(error) => json!({"error": {"code": null, "message": error.to_string()}}),
    }
}

fn names<T: Serialize>(items: Vec<T>, key: &str) -> Value {
    let items = serde_json::to_value(items).expect("JSON");
    let items = items.as_array().expect("a list");
    let mut names: Vec<_> = items.iter().filter_map(|item| item[key].as_str()).collect();
    names.sort_unstable();
    json!(names)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut words = std::env::args().skip(1);
    let plan: Value = words.next().expect("a plan").parse().expect("JSON");
    let mut command = tokio::process::Command::new(words.next().expect("a command"));
    command.args(words);
    let transport = TokioChildProcess::new(command).expect("a server that starts");
    let lifecycle = match plan["mode"].as_str() {
        Some("legacy") => ClientLifecycleMode::Initialize,
        _ => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        },
    };
    let client = match ().serve_with_lifecycle(transport, lifecycle).await {
        Ok(client) => client,
        Err(error) => {
            let failure = json!({"code": null, "message": error.to_string()});
            println!("{}", json!({"connectError": failure, "protocol": null}));
            return;
        }
    };
    let about = client
        .peer_info()
        .map(|about| about.protocol_version.clone());
    let mut report = json!({"connectError": null, "protocol": about});
    let tools = client.list_all_tools().await.expect("a list of tools");
    report["tools"] = names(tools, "name");
    let mut calls = Vec::new();
    for call in plan["calls"].as_array().into_iter().flatten() {
        let call = json!({"name": call[0], "arguments": call[1]});
        let result = client.call_tool(told::<CallToolRequestParams>(call)).await;
        calls.push(outcome(result, "/content/0/text"));
    }
    report["calls"] = calls.into();
    let mut prompts = Vec::new();
    for prompt in plan["prompts"].as_array().into_iter().flatten() {
        let listed = client.list_all_prompts().await.expect("a list of prompts");
        let prompt = json!({"name": prompt[0], "arguments": prompt[1]});
        let result = client
            .get_prompt(told::<GetPromptRequestParams>(prompt))
            .await;
        let result = outcome(result, "/messages/0/content/text");
        prompts.push(json!({"listed": names(listed, "name"), "got": result}));
    }
    report["prompts"] = prompts.into();
    let mut resources = Vec::new();
    for uri in plan["resources"].as_array().into_iter().flatten() {
        let listed = client
            .list_all_resources()
            .await
            .expect("a list of resources");
        let request = told::<ReadResourceRequestParams>(json!({"uri": uri}));
        let result = outcome(client.read_resource(request).await, "/contents/0/text");
        resources.push(json!({"listed": names(listed, "uri"), "got": result}));
    }
    report["resources"] = resources.into();
    client.cancel().await.expect("an end");
    println!("{report}");
}
