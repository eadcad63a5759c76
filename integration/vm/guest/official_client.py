"""The official TypeScript client starts `pinfold run everything`, and the daemon serves it."""
import contextlib
import json
import os
import subprocess

from guest import PATIENCE, as_ada, landlock_abi
from listed import Skipped, check
from old_kernel import PREFERRED, demand_landlock, old
from service import (Served, nothing_is_left, serves_also, sessions, shown, systemctl, wait_until)

TREE = "/payload/everything"
PROGRAM = "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
CLIENTS = "/payload/clients"
# Each generation of the client, and how it is told to find out the revision.
GENERATIONS = [("typescript-v1.mjs", "v1"), ("typescript-v2.mjs", "auto")]
ECHO = ["echo", {"message": "hello"}]
# Long enough for a busy machine to look at it.
LONG = ["trigger-long-running-operation", {"duration": 40, "steps": 2}]


def everything(layers):
    return '\n[servers.everything]\nsource = "path:%s"\nprogram = "%s"\nprofile = "offline"\n' \
        'tools = { allow = ["echo", "%s"] }\n%s\n' % (TREE, PROGRAM, LONG[0], layers)


# The lock with these layers: the server takes long to start here, so it is locked once.
LOCKS = {}


@contextlib.contextmanager
def locked(layers=PREFERRED):
    """With the server in manifest and lock."""
    with added(layers) as mine:
        if layers in LOCKS:
            mine.write(mine.lock_path, LOCKS[layers])
        else:
            mine.lock().expect(0)
            with open(mine.lock_path) as file:
                LOCKS[layers] = file.read()
        yield mine


@contextlib.contextmanager
def added(layers):
    """With the server in the manifest alone."""
    for folder in (TREE, CLIENTS):
        if not os.path.isdir(folder):
            raise Skipped("npm could not get it: %s is missing" % folder)
    with serves_also(everything(layers)) as mine:
        yield mine


class Official:
    """A client that makes its calls and then says what came of them."""

    def __init__(self, script, mode, calls, command=("pinfold", "run", "everything")):
        plan = json.dumps({"mode": mode, "calls": calls, "timeout": 240000})
        self.process = subprocess.Popen(
            as_ada(["node", CLIENTS + "/" + script, plan, *command]), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def report(self):
        out, err = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, "%s\n%s" % (out, err)
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def serving():
    return [row for row in sessions() if row["server"] == "everything" and row["calls"]]


def served(script, mode):
    def body():
        with locked():
            with Official(script, mode, [ECHO, ["get-sum", {"a": 2, "b": 3}], LONG]) as client:
                rows = []

                def seen():
                    rows[:] = [row for row in serving() if row["calls"] >= 2]
                    return rows or client.process.poll() is not None
                wait_until("ps shows the session and its calls", seen)
                assert rows, "it has ended before: %s" % client.report()
                row, = rows
                assert row["client"]["command"].startswith("node"), row
                assert row["limits_held"], "no control group: %s" % row
                report = client.report()
            assert report["connectError"] is None, report
            assert report["tools"] == ["echo", LONG[0]], report
            echoed, denied, long = report["calls"]
            assert "hello" in echoed["text"], report
            assert "get-sum" in denied["error"]["message"], report
            assert "completed" in long["text"], report
            wait_until("no session is listed", lambda: not serving())
        return "%s: %s" % (report["protocol"], long["text"])
    return body


for generation in GENERATIONS:
    check("%s (%s) is served by the daemon and calls a tool" % generation)(served(*generation))


@check("the control: without pinfold it reaches the tool that is not allowed")
def _():
    for folder in (TREE, CLIENTS):
        if not os.path.isdir(folder):
            raise Skipped("npm could not get it: %s is missing" % folder)
    bare = ("node", TREE + "/" + PROGRAM, "stdio")
    with Official("typescript-v1.mjs", "v1", [["get-sum", {"a": 2, "b": 3}]], bare) as client:
        report = client.report()
    assert "5" in report["calls"][0]["text"], report


@check("restart: its waiting call is told, and the next client is served by the next daemon")
def _():
    with locked():
        with Official("typescript-v1.mjs", "v1", [LONG]) as client:
            wait_until("the call is on its way", serving)
            daemon = shown("MainPID")
            systemctl("restart", "pinfold.service").expect(0)
            told = client.report()["calls"][0]["error"]["message"]
        assert "daemon" in told and "stopped" in told, told
        nothing_is_left()
        with Official("typescript-v1.mjs", "v1", [ECHO]) as client:
            report = client.report()
        assert "hello" in report["calls"][0]["text"], report
        assert shown("MainPID") not in ("0", daemon)
        return told


def said_to_a_client():
    with Official("typescript-v1.mjs", "v1", [ECHO]) as client:
        report = client.report()
    if report["connectError"] is None:
        assert "hello" in report["calls"][0]["text"], report
        return "served"
    return report["connectError"]["message"]


@check("without `layers` it is refused below ABI 4, in words, else served")
def _():
    if not old():
        with locked(""):
            told = said_to_a_client()
        assert told == "served", told
        return told
    with added("") as mine:
        ran = mine.lock()
        ran.expect(3).expect_words("offers Landlock ABI 2, but ABI 4 is required",
                                   'landlock = "preferred"')
        told = said_to_a_client()
        assert "everything" in told and "`pinfold lock" in told, told
        return ran.err + told


@check("with `layers`, and a lock that demands Landlock with ABI 4: refused below it, in words")
def _():
    if not old():
        raise Skipped("this kernel has Landlock ABI %d" % landlock_abi())
    with locked() as mine:
        # The control: as it was locked here it is served, and what is missing is said.
        assert said_to_a_client() == "served"
        mine.pinfold("explain", "everything").expect_words(
            "TCP ports are not limited by Landlock (needs ABI 4, Linux 6.7)")
        demand_landlock(mine, "everything")
        told = said_to_a_client()
        assert "Landlock ABI 2" in told and "ABI 4" in told, told
        return told
