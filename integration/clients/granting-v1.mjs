// The first generation of the official TypeScript client, with every capability.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";

import { answers, capabilities, driveGranting } from "./granting.mjs";
import { args, command, info } from "./session.mjs";

const tasks = { requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } };
const client = new Client(info, {
  capabilities: { ...capabilities, tasks, experimental: { "claude/channel": {} } },
});
client.setRequestHandler(CreateMessageRequestSchema, answers["sampling/createMessage"]);
client.setRequestHandler(ElicitRequestSchema, answers["elicitation/create"]);
client.setRequestHandler(ListRootsRequestSchema, answers["roots/list"]);
const transport = new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" });

await driveGranting({
  connect: () => client.connect(transport),
  protocol: () => null,
  list: async () => (await client.listTools()).tools,
  call: (params) => client.request({ method: "tools/call", params }, CallToolResultSchema),
  close: () => client.close(),
});
