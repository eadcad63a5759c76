// What both generations of the TypeScript client have in common: the argument, the calls,
// and the one line of JSON that tells what came of them.
//
// node typescript-*.mjs PLAN COMMAND ARGUMENT…
// PLAN is {"calls": [[TOOL, ARGUMENTS], …], "prompts": [[NAME, ARGUMENTS], …], "resources":
// [URI, …]}, and where everything is slow "timeout", in milliseconds, in place of the client's own.
// The server gets this process's environment.

export const [plan, command, ...args] = [
  JSON.parse(process.argv[2]),
  ...process.argv.slice(3),
];

export const options = plan.timeout ? { timeout: plan.timeout } : undefined;

export const info = { name: "pinfold-integration", version: "1.0.0" };

const failure = (error) => ({ code: error.code ?? null, message: String(error.message ?? error) });

const attempt = async (action, text) => {
  try {
    const result = await action();
    return { text: text(result) ?? null, isError: result.isError ?? false };
  } catch (error) {
    return { error: failure(error) };
  }
};

// `connect` connects; `list` yields the tools; `call` sends `tools/call` as it is.
export async function drive({ client, connect, list, call, protocol, close, extra }) {
  const report = { connectError: null, protocol: null, tools: null, calls: [], prompts: [], resources: [] };
  try {
    await connect();
  } catch (error) {
    report.connectError = failure(error);
  }
  if (report.connectError === null) {
    report.protocol = protocol() ?? null;
    report.tools = (await list()).map((tool) => tool.name).sort();
    for (const [name, input] of plan.calls) {
      report.calls.push(await attempt(() => call({ name, arguments: input }), (result) => result.content[0].text));
    }
    for (const [name, input] of plan.prompts ?? []) {
      const listed = (await client.listPrompts()).prompts.map((prompt) => prompt.name).sort();
      const get = () => client.getPrompt({ name, arguments: input });
      report.prompts.push({ listed, got: await attempt(get, (result) => result.messages[0].content.text) });
    }
    for (const uri of plan.resources ?? []) {
      const listed = (await client.listResources()).resources.map((resource) => resource.uri).sort();
      const read = () => client.readResource({ uri });
      report.resources.push({ listed, got: await attempt(read, (result) => result.contents[0].text) });
    }
  }
  Object.assign(report, await extra?.());
  await close();
  console.log(JSON.stringify(report));
}
