#!/usr/bin/env node
// The server that the official conformance suite expects to find for the revision 2026-07-28
// (`conformance list --spec-version 2026-07-28`), of the second generation of the official
// TypeScript SDK: what it must answer to a protocol mistake is the SDK's own answer.

import { randomBytes } from "node:crypto";

import {
  McpServer,
  ResourceNotFoundError,
  ResourceTemplate,
  UnsupportedProtocolVersionError,
  acceptedContent,
  completable,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  inputResponse,
} from "@modelcontextprotocol/server";
import { StdioServerTransport, serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const REVISION = "2026-07-28";
// One red pixel, and a WAV file with no sound.
const IMAGE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const SOUND = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

const text = (words) => ({ type: "text", text: words });
const image = { type: "image", data: IMAGE, mimeType: "image/png" };
const embedded = (uri, mimeType, words) => ({ type: "resource", resource: { uri, mimeType, text: words } });
const content = (...blocks) => ({ content: blocks });
const user = (block) => ({ role: "user", content: block });
const rest = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Echoed state is believed only with this process's own seal.
const state = createRequestStateCodec({ key: randomBytes(32) });

// ---- questions --------------------------------------------------------------------------

const form = (message, name, type = "string") =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: "object", properties: { [name]: { type } }, required: [name] },
  });
const sampling = (words, maxTokens) =>
  inputRequired.createMessage({ messages: [user(text(words))], maxTokens });

const questions = {
  name: () => form("What is your name?", "name"),
  color: () => form("What is your favorite color?", "color"),
  confirm: () => form("Please confirm", "ok", "boolean"),
  capital: () => sampling("What is the capital of France?", 100),
  greeting: () => sampling("Say a greeting", 50),
  roots: () => inputRequired.listRoots(),
};

/** Asks `inputRequests` until each has an answer, then says what `answered` makes of them. */
const asking = (inputRequests, answered, sealed = false) => async (context) => {
  const given = context.mcpReq.inputResponses ?? {};
  const missing = Object.keys(inputRequests).some((key) => inputResponse(given, key).kind === "missing");
  if (!missing) return answered(given, context);
  return inputRequired({ inputRequests, ...(sealed && { requestState: await state.mint({ round: 1 }) }) });
};

const multiRound = async (context) => {
  const given = context.mcpReq.inputResponses ?? {};
  const { round = 0, name } = context.mcpReq.requestState() ?? {};
  if (round === 1 && acceptedContent(given, "step1")) {
    const requestState = await state.mint({ round: 2, name: acceptedContent(given, "step1").name });
    return inputRequired({ inputRequests: { step2: questions.color() }, requestState });
  }
  if (round === 2 && acceptedContent(given, "step2")) {
    return content(text(`${name} likes ${acceptedContent(given, "step2").color}.`));
  }
  return inputRequired({ inputRequests: { step1: questions.name() }, requestState: await state.mint({ round: 1 }) });
};

/** Asks only what the client of this request says it can be asked. */
const withinCapabilities = (context) => {
  const can = context.mcpReq.envelope?.["io.modelcontextprotocol/clientCapabilities"] ?? {};
  const inputRequests = {
    ...(can.elicitation && { name: questions.name() }),
    ...(can.sampling && { greeting: questions.greeting() }),
  };
  return Object.keys(inputRequests).length > 0 ? inputRequired({ inputRequests }) : content(text("Nobody to ask."));
};

// ---- tools ------------------------------------------------------------------------------

const dialect = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

const progress = async (context, steps) => {
  const progressToken = context.mcpReq._meta?.progressToken ?? 0;
  for (const step of steps) {
    await context.mcpReq.notify({
      method: "notifications/progress",
      params: { progressToken, progress: step, total: 100 },
    });
    await rest(50);
  }
};

const tools = (server) => ({
  test_simple_text: () => content(text("Plain words.")),
  test_image_content: () => content(image),
  test_audio_content: () => content({ type: "audio", data: SOUND, mimeType: "audio/wav" }),
  test_embedded_resource: () =>
    content(embedded("test://embedded-resource", "text/plain", "Words inside of a result.")),
  test_multiple_content_types: () =>
    content(
      text("Several kinds:"),
      image,
      embedded("test://mixed-content-resource", "application/json", '{"kinds":3}'),
    ),
  test_error_handling: () => ({ ...content(text("This tool always fails.")), isError: true }),
  test_tool_with_progress: async (context) => {
    await progress(context, [0, 50, 100]);
    return content(text("Went all the way."));
  },
  test_logging_tool: async (context) => {
    await context.mcpReq.log("info", "Only for those who asked for it.");
    return content(text("Logged."));
  },
  test_streaming_elicitation: async (context) => {
    await progress(context, [50]);
    return inputRequired({ inputRequests: { name: questions.name() } });
  },
  test_missing_capability: asking({ capital: questions.capital() }, () => content(text("Asked."))),
  test_trigger_tool_change: () => {
    server.sendToolListChanged();
    return content(text("The tools changed."));
  },
  test_trigger_prompt_change: () => {
    server.sendPromptListChanged();
    return content(text("The prompts changed."));
  },
  test_input_required_result_elicitation: asking({ user_name: questions.name() }, (given) =>
    content(text(`Hello, ${acceptedContent(given, "user_name")?.name}!`)),
  ),
  test_input_required_result_sampling: asking({ capital_question: questions.capital() }, (given) =>
    content(text(JSON.stringify(given.capital_question.content))),
  ),
  test_input_required_result_list_roots: asking({ client_roots: questions.roots() }, (given) =>
    content(text(JSON.stringify(given.client_roots.roots))),
  ),
  test_input_required_result_request_state: asking(
    { confirm: questions.confirm() },
    (_, context) => content(text(context.mcpReq.requestState()?.round === 1 ? "state-ok" : "no state")),
    true,
  ),
  test_input_required_result_multiple_inputs: asking(
    { user_name: questions.name(), greeting: questions.greeting(), client_roots: questions.roots() },
    (given) => content(text(Object.keys(given).join())),
    true,
  ),
  test_input_required_result_multi_round: multiRound,
  test_input_required_result_tampered_state: asking(
    { confirm: questions.confirm() },
    () => content(text("The state is mine.")),
    true,
  ),
  test_input_required_result_capabilities: withinCapabilities,
});

// ---- resources and prompts --------------------------------------------------------------

const resources = {
  "test://static-text": ["static-text", "text/plain", { text: "Words that stay." }],
  "test://static-binary": ["static-binary", "image/png", { blob: IMAGE }],
};
const template = new ResourceTemplate("test://template/{id}/data", { list: undefined });

const words = (...names) => z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
const completed = { arg1: completable(z.string(), () => ["first"]), arg2: z.string() };
const prompts = {
  test_simple_prompt: [undefined, () => [user(text("A plain prompt."))]],
  test_prompt_with_arguments: [
    z.object(completed),
    ({ arg1, arg2 }) => [user(text(`First '${arg1}', then '${arg2}'.`))],
  ],
  test_prompt_with_embedded_resource: [
    words("resourceUri"),
    ({ resourceUri }) => [
      user(embedded(resourceUri, "text/plain", "Words inside of a prompt.")),
      user(text("Read it.")),
    ],
  ],
  test_prompt_with_image: [undefined, () => [user(image), user(text("Look at it."))]],
};

// ---- the server -------------------------------------------------------------------------

const capabilities = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  prompts: { listChanged: true },
  logging: {},
  completions: {},
};

const make = () => {
  const server = new McpServer(
    { name: "conformance-modern", version: "1.0.0" },
    { capabilities, requestState: { verify: state.verify } },
  );
  for (const [name, call] of Object.entries(tools(server))) {
    server.registerTool(name, { description: `Tool ${name}` }, call);
  }
  server.registerTool(
    "json_schema_2020_12_tool",
    { description: "Tool json_schema_2020_12_tool", inputSchema: fromJsonSchema(dialect) },
    (input) => content(text(JSON.stringify(input))),
  );
  for (const [uri, [name, mimeType, body]] of Object.entries(resources)) {
    server.registerResource(name, uri, { mimeType }, () => ({ contents: [{ uri, mimeType, ...body }] }));
  }
  server.registerResource("template", template, { mimeType: "application/json" }, (uri, { id }) => {
    if (id === undefined) throw new ResourceNotFoundError(uri.href);
    return { contents: [{ uri: uri.href, mimeType: "application/json", text: JSON.stringify({ id }) }] };
  });
  for (const [name, [argsSchema, messages]] of Object.entries(prompts)) {
    const description = `Prompt ${name}`;
    const schema = argsSchema && { argsSchema };
    server.registerPrompt(name, { description, ...schema }, (input) => ({ messages: messages(input) }));
  }
  server.registerPrompt(
    "test_input_required_result_prompt",
    { description: "Prompt test_input_required_result_prompt" },
    asking({ user_context: form("What context should the prompt use?", "context") }, (given) => ({
      messages: [user(text(`In this context: ${acceptedContent(given, "user_context")?.context}`))],
    })),
  );
  return server;
};

// The SDK (2.4.0) looks at the revision of the first request only; each one has to be looked at.
const transport = new StdioServerTransport();
serveStdio(make, { legacy: "reject", transport });
const answer = transport.onmessage;
transport.onmessage = (message) => {
  const requested = message.params?._meta?.["io.modelcontextprotocol/protocolVersion"];
  if (message.id === undefined || requested === undefined || requested === REVISION) return answer(message);
  const { code, message: words, data } = new UnsupportedProtocolVersionError({ supported: [REVISION], requested });
  transport.send({ jsonrpc: "2.0", id: message.id, error: { code, message: words, data } });
};
