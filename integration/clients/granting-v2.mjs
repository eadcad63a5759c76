// The second generation of the official TypeScript client, with every capability, speaking
// 2026-07-28: questions come inside results and are answered with the next request.

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { answers, capabilities, driveGranting } from "./granting.mjs";
import { args, command, info } from "./session.mjs";

const client = new Client(info, {
  capabilities,
  versionNegotiation: { mode: { pin: "2026-07-28" } },
});
for (const [method, answer] of Object.entries(answers)) {
  client.setRequestHandler(method, answer);
}
const transport = new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" });

await driveGranting({
  connect: () => client.connect(transport),
  protocol: () => client.getNegotiatedProtocolVersion?.(),
  list: async () => (await client.listTools()).tools,
  call: (params) => client.callTool(params),
  close: () => client.close(),
});
