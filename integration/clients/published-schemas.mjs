// The methods of the schemas that the conformance suite holds messages against, as one line of
// JSON: {REVISION: {client_requests: […], …}}.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const bundle = new URL("node_modules/@modelcontextprotocol/conformance/dist/index.js", import.meta.url);
const text = readFileSync(fileURLToPath(bundle), "utf8");

// The end of the object literal that starts at `start`.
function end(start) {
  let depth = 0;
  let quote = null;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (quote !== null) {
      if (character === "\\") at += 1;
      else if (character === quote) quote = null;
    } else if ("`\"'".includes(character)) quote = character;
    else if (character === "{") depth += 1;
    else if (character === "}" && --depth === 0) return at + 1;
  }
  throw new Error("the literal has no end");
}

function methods(definitions, union) {
  const definition = definitions[union];
  if (definition === undefined) return [];
  const names = definition.anyOf?.map((member) => member.$ref.split("/").pop()) ?? [union];
  return names.map((name) => definitions[name].properties.method.const).sort();
}

// A schema of MCP is known by what it defines; its revision by what it has that others don't.
function revision(definitions) {
  if (definitions.DiscoverRequest) return "2026-07-28";
  if (definitions.GetTaskRequest) return "2025-11-25";
  if (definitions.ElicitRequest) return "2025-06-18";
  return "2025-03-26";
}

const found = {};
for (const { index } of text.matchAll(/\{\$schema:[^,]*,(?:definitions|\$defs):\{Annotations:/g)) {
  const schema = Function(`return (${text.slice(index, end(index))})`)();
  const definitions = schema.definitions ?? schema.$defs;
  found[revision(definitions)] = {
    client_requests: methods(definitions, "ClientRequest"),
    client_notifications: methods(definitions, "ClientNotification"),
    server_requests: methods(definitions, "ServerRequest"),
    server_notifications: methods(definitions, "ServerNotification"),
    inside_results: methods(definitions, "InputRequest"),
  };
}
console.log(JSON.stringify(found));
