// A relay as people write it in Node: lines are passed on, and nothing is looked at.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const [program, ...rest] = process.argv.slice(2);
const server = spawn(program, rest, { stdio: ["pipe", "pipe", "inherit"] });
createInterface({ input: process.stdin })
  .on("line", (line) => server.stdin.write(`${line}\n`))
  .on("close", () => server.stdin.end());
createInterface({ input: server.stdout }).on("line", (line) => process.stdout.write(`${line}\n`));
