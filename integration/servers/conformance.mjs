#!/usr/bin/env node
// The server that the official conformance suite expects to find (`conformance list`): its
// tools, resources and prompts by their names, over stdio. Depends on nothing.

import { createInterface } from "node:readline";

// One red pixel, and a WAV file with no sound.
const IMAGE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const SOUND = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

const text = (words) => ({ type: "text", text: words });
const image = { type: "image", data: IMAGE, mimeType: "image/png" };
const embedded = (uri, mimeType, words) => ({ type: "resource", resource: { uri, mimeType, text: words } });
const content = (...blocks) => ({ content: blocks });
const rest = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const log = (data) => send({ method: "notifications/message", params: { level: "info", data } });

const waiting = new Map();
let asked = 0;
const ask = (method, params) => {
  const id = asked++;
  send({ id, method, params });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
};

class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// ---- forms ------------------------------------------------------------------------------

const choices = (...names) => names.map((name) => ({ const: name, title: `Choice ${name}` }));
const forms = {
  // The values that the suite wants to see.
  defaults: {
    name: { type: "string", default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true },
  },
  enums: {
    untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
    titledSingle: { type: "string", oneOf: choices("value1", "value2", "value3") },
    legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["One", "Two", "Three"] },
    untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
    titledMulti: { type: "array", items: { anyOf: choices("value1", "value2", "value3") } },
  },
};
const elicit = async (message, properties, required = []) => {
  const requestedSchema = { type: "object", properties, required };
  const answer = await ask("elicitation/create", { message, requestedSchema });
  return content(text(`The user said ${answer.action}: ${JSON.stringify(answer.content ?? {})}`));
};

// ---- tools ------------------------------------------------------------------------------

const nothing = { type: "object", properties: {} };
const oneText = (name) => ({ type: "object", properties: { [name]: { type: "string" } }, required: [name] });
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

const tools = {
  test_simple_text: [nothing, () => content(text("Plain words."))],
  test_image_content: [nothing, () => content(image)],
  test_audio_content: [nothing, () => content({ type: "audio", data: SOUND, mimeType: "audio/wav" })],
  test_embedded_resource: [
    nothing,
    () => content(embedded("test://embedded-resource", "text/plain", "Words inside of a result.")),
  ],
  test_multiple_content_types: [
    nothing,
    () =>
      content(
        text("Several kinds:"),
        image,
        embedded("test://mixed-content-resource", "application/json", '{"kinds":3}'),
      ),
  ],
  test_tool_with_logging: [
    nothing,
    async () => {
      for (const step of ["started", "working", "done"]) {
        log(`Tool: ${step}`);
        await rest(50);
      }
      return content(text("Logged three times."));
    },
  ],
  test_tool_with_progress: [
    nothing,
    async (_, meta) => {
      for (const progress of [0, 50, 100]) {
        const params = { progressToken: meta?.progressToken ?? 0, progress, total: 100 };
        send({ method: "notifications/progress", params });
        await rest(50);
      }
      return content(text("Went all the way."));
    },
  ],
  test_error_handling: [nothing, () => ({ ...content(text("This tool always fails.")), isError: true })],
  test_reconnection: [nothing, () => content(text("Here still."))],
  test_sampling: [
    oneText("prompt"),
    async ({ prompt }) => {
      const messages = [{ role: "user", content: text(prompt) }];
      const answer = await ask("sampling/createMessage", { messages, maxTokens: 100 });
      return content(text(`The model said: ${answer.content.text}`));
    },
  ],
  test_elicitation: [
    oneText("message"),
    ({ message }) => elicit(message, { response: { type: "string" } }, ["response"]),
  ],
  test_elicitation_sep1034_defaults: [nothing, () => elicit("Is this right?", forms.defaults)],
  test_elicitation_sep1330_enums: [nothing, () => elicit("Which?", forms.enums)],
  json_schema_2020_12_tool: [dialect, (input) => content(text(JSON.stringify(input)))],
};

// ---- resources and prompts --------------------------------------------------------------

const resources = {
  "test://static-text": { name: "static-text", mimeType: "text/plain", text: "Words that stay." },
  "test://static-binary": { name: "static-binary", mimeType: "image/png", blob: IMAGE },
  "test://watched-resource": { name: "watched-resource", mimeType: "text/plain", text: "Watched words." },
};
const templates = [
  { uriTemplate: "test://template/{id}/data", name: "template", mimeType: "application/json" },
];

const user = (block) => ({ role: "user", content: block });
const prompts = {
  test_simple_prompt: [[], () => [user(text("A plain prompt."))]],
  test_prompt_with_arguments: [
    ["arg1", "arg2"],
    ({ arg1, arg2 }) => [user(text(`First '${arg1}', then '${arg2}'.`))],
  ],
  test_prompt_with_embedded_resource: [
    ["resourceUri"],
    ({ resourceUri }) => [user(embedded(resourceUri, "text/plain", "Words inside of a prompt.")), user(text("Read it."))],
  ],
  test_prompt_with_image: [[], () => [user(image), user(text("Look at it."))]],
};

// ---- methods ----------------------------------------------------------------------------

const find = (table, name, code) => {
  if (!Object.hasOwn(table, name)) throw new Refusal(code, `Not found: ${name}`);
  return table[name];
};

const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: {
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      prompts: { listChanged: true },
      logging: {},
      completions: {},
    },
    serverInfo: { name: "conformance", version: "1.0.0" },
  }),
  ping: () => ({}),
  "logging/setLevel": () => ({}),
  "completion/complete": () => ({ completion: { values: [], total: 0, hasMore: false } }),
  "tools/list": () => ({
    tools: Object.entries(tools).map(([name, [inputSchema]]) => ({ name, description: `Tool ${name}`, inputSchema })),
  }),
  "tools/call": ({ name, arguments: input, _meta }) => find(tools, name, -32602)[1](input ?? {}, _meta),
  "resources/list": () => ({
    resources: Object.entries(resources).map(([uri, { name, mimeType }]) => ({ uri, name, mimeType })),
  }),
  "resources/templates/list": () => ({ resourceTemplates: templates }),
  "resources/read": ({ uri }) => {
    const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
    if (id !== undefined) {
      return { contents: [{ uri, mimeType: "application/json", text: JSON.stringify({ id }) }] };
    }
    const { name, ...found } = find(resources, uri, -32002);
    return { contents: [{ uri, ...found }] };
  },
  "resources/subscribe": () => ({}),
  "resources/unsubscribe": () => ({}),
  "prompts/list": () => ({
    prompts: Object.entries(prompts).map(([name, [names]]) => ({
      name,
      description: `Prompt ${name}`,
      arguments: names.map((argument) => ({ name: argument, required: true })),
    })),
  }),
  "prompts/get": ({ name, arguments: input }) => ({ messages: find(prompts, name, -32602)[1](input ?? {}) }),
};

const answer = async ({ id, method, params }) => {
  try {
    send({ id, result: await find(methods, method, -32601)(params ?? {}) });
  } catch (error) {
    send({ id, error: { code: error.code ?? -32603, message: error.message } });
  }
};

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.method === undefined) {
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error) reject(new Refusal(message.error.code, message.error.message));
    else resolve(message.result);
  } else if (message.id !== undefined) {
    answer(message);
  }
}
process.exit(0);
