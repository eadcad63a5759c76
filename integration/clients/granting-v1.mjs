// The first generation of the official TypeScript client, with every capability. PLAN may have
// "tasks": [[TOOL, ARGUMENTS, WHETHER THE CALL IS TO BE A TASK], …], which are called at once.

import { InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";

import { answers, capabilities, driveGranting } from "./granting.mjs";
import { args, command, info, plan } from "./session.mjs";

const tasks = {
  list: {},
  cancel: {},
  requests: { sampling: { createMessage: {} }, elicitation: { create: {} } },
};
const taskStore = new InMemoryTaskStore();
const client = new Client(info, {
  capabilities: { ...capabilities, tasks, experimental: { "claude/channel": {} } },
  taskStore,
});

// Answers at once, or makes a task of it, if it is to be one.
const answering = (method) => async (request, { taskStore }) => {
  const answer = answers[method](request);
  if (!request.params.task) {
    return answer;
  }
  const task = await taskStore.createTask({ ttl: request.params.task.ttl ?? null });
  await taskStore.storeTaskResult(task.taskId, "completed", answer);
  return { task };
};

const failure = ({ code, message }) => ({ error: { code: code ?? null, message } });

const calledAsTask = async ([name, input, asTask]) => {
  const params = { name, arguments: input };
  const told = [];
  try {
    if (!asTask) {
      return { text: (await client.callTool(params)).content[0].text };
    }
    const options = { task: { ttl: 60000 } };
    const stream = client.experimental.tasks.callToolStream(params, CallToolResultSchema, options);
    for await (const message of stream) {
      told.push(message.task?.status ?? message.type);
      if (message.type === "error") {
        return { told, ...failure(message.error) };
      }
      if (message.type === "result") {
        return { told, text: message.result.content[0].text };
      }
    }
  } catch (error) {
    return { told, ...failure(error) };
  }
};

const attempted = (action) => action.then((result) => ({ result }), failure);

client.setRequestHandler(CreateMessageRequestSchema, answering("sampling/createMessage"));
client.setRequestHandler(ElicitRequestSchema, answering("elicitation/create"));
client.setRequestHandler(ListRootsRequestSchema, answers["roots/list"]);
const transport = new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" });

await driveGranting({
  connect: () => client.connect(transport),
  protocol: () => null,
  list: async () => (await client.listTools()).tools,
  call: (params) => client.request({ method: "tools/call", params }, CallToolResultSchema),
  extra: async () =>
    plan.tasks && {
      tasks: await Promise.all(plan.tasks.map(calledAsTask)),
      listed: await attempted(client.experimental.tasks.listTasks()),
      foreign: await attempted(client.experimental.tasks.getTask("another")),
    },
  close: async () => {
    await client.close();
    // Its timers, one for the life of each task, would keep this process.
    taskStore.cleanup();
  },
});
