// Lets clients of the HTTP transport of the revision 2026-07-28 talk to a server of the stdio
// transport: one process of the server for all of them, since nothing has a session. Each line
// of the server is passed on byte for byte; the bridge says nothing of its own but what HTTP
// needs: a status, a media type, and `notifications/cancelled` where a client hangs up, which
// is how that transport cancels.
//
// node bridge-modern.mjs COMMAND ARGUMENT…
// Prints the address on one line and serves until its input ends.

import { spawn } from "node:child_process";
import { createServer } from "node:http";

const [command, ...args] = process.argv.slice(2);
const server = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });

// Streamable HTTP, 2026-07-28: errors of the protocol have a status. The one of -32602 is meant
// for a request without its `_meta` alone, which nothing in the answer tells, so it is looked
// for in the request.
const STATUS = { "-32700": 400, "-32600": 400, "-32601": 404, "-32020": 400, "-32021": 400, "-32022": 400 };
const NEEDED = ["io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities"];
const status = (request, answer) => {
  const whole = NEEDED.every((key) => request.params?._meta?.[key] !== undefined);
  if (answer.error?.code === -32602) return whole ? 200 : 400;
  return STATUS[answer.error?.code] ?? 200;
};

// Requests that wait for their answer, the oldest first.
const open = new Map();

const stream = ({ response }, line) => {
  if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(`data: ${line}\n\n`);
};

// The request that a message which answers none belongs to: by what it names, or else the
// newest one, for nothing on stdio tells.
const related = ({ params }) => {
  const named = open.get(params?._meta?.["io.modelcontextprotocol/subscriptionId"]) ?? open.get(params?.requestId);
  const token = params?.progressToken;
  const all = [...open.values()];
  return named ?? all.findLast(({ request }) => request.params?._meta?.progressToken === token) ?? all.at(-1);
};

// Split at line feeds alone: readline splits at more.
let rest = "";
server.stdout.setEncoding("utf8").on("data", (chunk) => {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop();
  for (const line of lines) receive(line);
});

const receive = (line) => {
  const message = JSON.parse(line);
  const asked = message.method === undefined ? open.get(message.id) : undefined;
  if (asked === undefined) {
    const one = related(message);
    return one && stream(one, line);
  }
  open.delete(message.id);
  if (asked.response.headersSent) return asked.response.end(`data: ${line}\n\n`);
  asked.response.writeHead(status(asked.request, message), { "content-type": "application/json" }).end(line);
};

const http = createServer(async (request, response) => {
  if (request.method !== "POST") return response.writeHead(405).end();
  const chunks = await request.toArray();
  const body = Buffer.concat(chunks).toString();
  const message = JSON.parse(body);
  if (message.id === undefined) {
    server.stdin.write(`${body}\n`);
    return response.writeHead(202).end();
  }
  // Two clients could choose the same id at once; the suite doesn't.
  if (open.has(message.id)) return response.writeHead(500).end();
  open.set(message.id, { request: message, response });
  response.on("close", () => {
    if (open.get(message.id)?.response !== response) return;
    open.delete(message.id);
    const params = { requestId: message.id };
    server.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params })}\n`);
  });
  server.stdin.write(`${body}\n`);
});
http.listen(0, "127.0.0.1", () => console.log(`http://localhost:${http.address().port}/mcp`));

server.on("exit", () => process.exit(0));
process.stdin.resume().on("end", () => server.stdin.end());
