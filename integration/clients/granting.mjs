// What the clients that have every capability have in common. PLAN is
// {"roots": [...], "calls": [[TOOL, ARGUMENTS], …]}; the report also says what the client was asked.

import { drive, plan } from "./session.mjs";

export const capabilities = {
  sampling: { tools: {}, context: {} },
  elicitation: { form: {}, url: {} },
  roots: { listChanged: true },
};

export const asked = [];

// Answers to the three questions, as a user and a model would.
export const answers = {
  "sampling/createMessage": ({ params }) => {
    asked.push({ method: "sampling/createMessage", includeContext: params.includeContext ?? null });
    const content = { type: "text", text: "sampled by the client" };
    return { model: "none", role: "assistant", content };
  },
  "elicitation/create": ({ params }) => {
    asked.push({ method: "elicitation/create", mode: params.mode ?? "form" });
    return params.mode === "url"
      ? { action: "accept" }
      : { action: "accept", content: { name: "Ada Lovelace" } };
  },
  "roots/list": () => {
    asked.push({ method: "roots/list" });
    return { roots: plan.roots };
  },
};

export const driveGranting = (client) =>
  drive({
    ...client,
    connect: async () => {
      await client.connect();
      // Servers of the first generation add tools when they know what their client can.
      await new Promise((resolve) => setTimeout(resolve, 700));
    },
    extra: async () => ({ asked, ...(await client.extra?.()) }),
  });
