// The second generation of the official TypeScript client. PLAN also has `mode`: `legacy`
// says `initialize`, `auto` asks `server/discover` first, in a process started for that only.

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { args, command, drive, info, options, plan } from "./session.mjs";

const client = new Client(info, {
  capabilities: {},
  versionNegotiation: { mode: plan.mode },
});
const transport = new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" });

await drive({
  client,
  connect: () => client.connect(transport, options),
  protocol: () => client.getNegotiatedProtocolVersion?.(),
  list: async () => (await client.listTools()).tools,
  call: (params) => client.request({ method: "tools/call", params }, options),
  close: () => client.close(),
});
