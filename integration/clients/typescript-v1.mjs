// The first generation of the official TypeScript client.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";

import { args, command, drive, info, options } from "./session.mjs";

const client = new Client(info, { capabilities: {} });
const transport = new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" });
let negotiated;
transport.setProtocolVersion = (version) => {
  negotiated = version;
};

await drive({
  client,
  connect: () => client.connect(transport, options),
  protocol: () => negotiated,
  list: async () => (await client.listTools()).tools,
  call: (params) => client.request({ method: "tools/call", params }, CallToolResultSchema, options),
  close: () => client.close(),
});
