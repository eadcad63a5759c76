#!/usr/bin/env node
// A server of the second generation that asks its client whatever a call names, and says what
// it was answered.

import { McpServer, inputRequired } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import * as z from "zod";

const requestedSchema = {
  type: "object",
  properties: { name: { type: "string" } },
  required: ["name"],
};
const message = { role: "user", content: { type: "text", text: "hello" } };
const questions = {
  form: () => inputRequired.elicit({ message: "Who are you?", requestedSchema }),
  url: () => inputRequired.elicitUrl({ message: "Open this", url: "https://a.test/" }),
  sampling: () =>
    inputRequired.createMessage({
      messages: [message],
      maxTokens: 10,
      includeContext: "allServers",
    }),
  roots: () => inputRequired.listRoots(),
};

serveStdio(() => {
  const server = new McpServer({ name: "asking", version: "1.0.0" }, { capabilities: { tools: {} } });
  const schema = { inputSchema: z.object({ what: z.array(z.string()) }) };
  server.registerTool("ask", schema, async ({ what }, context) => {
    const answers = context.mcpReq.inputResponses;
    if (answers === undefined) {
      const inputRequests = Object.fromEntries(what.map((one) => [one, questions[one]()]));
      return inputRequired({ inputRequests, requestState: "a state" });
    }
    return { content: [{ type: "text", text: JSON.stringify(answers) }] };
  });
  return server;
});
