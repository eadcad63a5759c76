//! A server of the official Rust SDK. Speaks both eras.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, ListPromptsResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, Prompt, PromptArgument, PromptMessage, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, Role, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ErrorData, ServerHandler, ServiceExt as _};
use serde_json::{Value, json};

struct Server;

type Context = RequestContext<RoleServer>;

fn tool(name: &'static str, description: &'static str) -> Tool {
    let Value::Object(schema) = json!({
        "type": "object",
        "properties": {"message": {"type": "string"}, "number": {"type": "number"}},
        "required": ["message"],
    }) else {
        unreachable!("it is an object");
    };
    Tool::new(name, description, schema)
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .build();
        ServerConfig::new(capabilities).with_instructions("Say it twice.")
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![
            tool("echo", "Says what it was told"),
            tool("withheld", "Nobody allows this one"),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        if !["echo", "withheld"].contains(&request.name.as_ref()) {
            return Err(ErrorData::invalid_params("no such tool", None));
        }
        let told = Value::Object(request.arguments.unwrap_or_default()).to_string();
        Ok(CallToolResult::success(vec![ContentBlock::text(told)]).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let name = PromptArgument::new("name").with_required(true);
        let greeting = Prompt::new("greeting", Some("How to greet"), Some(vec![name]));
        Ok(ListPromptsResult::with_all_items(vec![greeting]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let name = request.arguments.and_then(|mut given| given.remove("name"));
        let name = name.as_ref().and_then(Value::as_str).unwrap_or("nobody");
        let text = format!("Greet {name}.");
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let note = Resource::new("note://one", "note");
        Ok(ListResourcesResult::with_all_items(vec![note]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let note = ResourceContents::text("a note", request.uri);
        Ok(ReadResourceResult::new(vec![note]).into())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let session = Server.serve(rmcp::transport::stdio()).await;
    session.expect("a session").waiting().await.expect("an end");
}
