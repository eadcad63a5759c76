// What both generations of the TypeScript client have in common: the argument, the calls,
// and the one line of JSON that tells what came of them.
//
// node typescript-*.mjs PLAN COMMAND ARGUMENT…
// PLAN is {"calls": [[TOOL, ARGUMENTS], …]}. The server gets this process's environment.

export const [plan, command, ...args] = [
  JSON.parse(process.argv[2]),
  ...process.argv.slice(3),
];

export const info = { name: "pinfold-integration", version: "1.0.0" };

const failure = (error) => ({ code: error.code ?? null, message: String(error.message ?? error) });

// `connect` connects; `list` yields the tools; `call` sends `tools/call` as it is.
export async function drive({ connect, list, call, protocol, close, extra }) {
  const report = { connectError: null, protocol: null, tools: null, calls: [] };
  try {
    await connect();
  } catch (error) {
    report.connectError = failure(error);
  }
  if (report.connectError === null) {
    report.protocol = protocol() ?? null;
    report.tools = (await list()).map((tool) => tool.name).sort();
    for (const [name, input] of plan.calls) {
      try {
        const result = await call({ name, arguments: input });
        report.calls.push({ text: result.content[0].text, isError: result.isError ?? false });
      } catch (error) {
        report.calls.push({ error: failure(error) });
      }
    }
  }
  Object.assign(report, extra?.());
  await close();
  console.log(JSON.stringify(report));
}
