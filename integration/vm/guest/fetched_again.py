"""Trees that need a program to be made are made again by `fetch`, in the box that the server's
`layers` ask for: also where the default settings are refused."""
import os

from guest import FIXTURES, home, run
from listed import Skipped, check
from old_kernel import PREFERRED, old
from registries import NpmPackage, Wheel, serving

# What the run brought along, if it could get it.
UV = "/payload/uv/bin"
NPM = "/payload/npm/node_modules/.bin"

SERVER = """
import json, sys
def main():
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        result = {
            "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                           "serverInfo": {"name": "wheel", "version": "1"}},
            "tools/list": {"tools": [{"name": "say", "inputSchema": {"type": "object"}}]},
            "tools/call": {"content": [{"type": "text", "text": "hello from a wheel"}]},
        }.get(message["method"], {})
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""
WHEEL = Wheel("wheelserver", {"wheel_server.py": SERVER}, "wheelserver = wheel_server:main\n")

# Answers what the install script of the other package made.
ANSWER = "const fs = require('fs'), path = require('path');\n" \
         "module.exports = () => fs.readFileSync(path.join(__dirname, '../native/made'), 'utf8');\n"


def built():
    with open(FIXTURES + "/server.js") as file:
        server = file.read()
    return [
        NpmPackage("builtserver", {"server.js": server, "answer.js": ANSWER}, bin="server.js",
                   dependencies={"native": "1"}),
        NpmPackage("native", {}, scripts={"install": "echo made by a script >made"},
                   hasInstallScript=True),
    ]


def manifest(source, more, layers):
    return '[servers.again]\nsource = "%s"\nprofile = "offline"\n' \
        'tools = { allow = ["say"] }\n%s%s\n' % (source, more, layers)


def say(mine):
    with mine.client("again") as client:
        assert "result" in client.initialize(), client.stderr()
        told = client.call("say")
        assert client.end() == 0, client.stderr()
    return told


def fetched(programs, packages, source, more, expected):
    def body():
        if not os.path.isdir(programs):
            raise Skipped("%s is missing: it could not be had outside" % programs)
        with home("again") as mine, serving(*packages()) as registry:
            mine.environment["PATH"] = programs + ":/usr/local/bin:/usr/bin:/bin"
            mine.environment["npm_config_registry"] = registry + "/"
            mine.environment["PIP_INDEX_URL"] = registry + "/simple/"
            mine.manifest(manifest(source, more, PREFERRED))
            mine.lock().expect(0)
            assert expected in say(mine)
            trees = mine.folder + "/data/pinfold/store/trees"
            assert os.listdir(trees), trees

            def without_trees():
                run(["chmod", "-R", "u+w", trees]).expect(0)
                run(["find", trees, "-mindepth", "1", "-delete"]).expect(0)
            without_trees()
            told = mine.pinfold("fetch").expect(0)
            assert expected in say(mine)
            # The other way to it: `lock` that keeps the versions.
            without_trees()
            mine.lock().expect(0)
            assert expected in say(mine)
            if old():
                # The control: in the default settings no program runs here, this way neither.
                without_trees()
                mine.manifest(manifest(source, more, ""))
                mine.pinfold("fetch").expect(3).expect_words("ABI 4 is required")
            return told.err
    return body


check("a Python server's tree, whose modules are compiled")(fetched(
    UV, lambda: [WHEEL], "pypi:wheelserver", "", "hello from a wheel"))
check("an npm server's tree, whose install scripts are run")(fetched(
    NPM, built, "npm:builtserver", 'build = ["native"]\n', "made by a script"))
