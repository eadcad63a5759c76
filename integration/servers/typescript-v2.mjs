#!/usr/bin/env node
// A server of the second generation of the official TypeScript SDK. Speaks both eras.

import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

serveStdio(() => {
  const server = new McpServer({ name: "typescript-v2", version: "1.0.0" }, { instructions: "Say it twice." });
  const tool = (name, description) =>
    server.registerTool(
      name,
      { description, inputSchema: z.object({ message: z.string(), number: z.number().optional() }) },
      async (input) => ({ content: [{ type: "text", text: JSON.stringify(input) }] }),
    );
  tool("echo", "Says what it was told");
  tool("withheld", "Nobody allows this one");
  server.registerPrompt(
    "greeting",
    { description: "How to greet", argsSchema: z.object({ name: z.string() }) },
    ({ name }) => ({ messages: [{ role: "user", content: { type: "text", text: `Greet ${name}.` } }] }),
  );
  server.registerResource("note", "note://one", { mimeType: "text/plain" }, async (uri) => ({
    contents: [{ uri: uri.href, mimeType: "text/plain", text: "a note" }],
  }));
  return server;
});
