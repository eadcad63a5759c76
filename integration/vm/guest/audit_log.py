"""The audit log of sessions under the daemon whose writers are killed."""
import json
import os
import random
import shutil
import signal
import threading

from guest import ada, home, run
from listed import check
from service import Served, nothing_is_left, sessions, shown, wait_until

LOG = "/home/ada/.local/state/pinfold/audit"
CLIENTS = 3


def verified(expected, mine):
    ran = mine.pinfold("log", "verify", "--json")
    said = json.loads(ran.out)
    assert (ran.code == 0, said["ok"]) == (expected, expected), ran
    return said


def calling(client):
    """Calls as long as somebody answers."""
    while True:
        try:
            number = client.ask("tools/call", {"name": "do", "arguments": {"code": "return 1"}})
        except OSError:
            return
        if client.answer(number) is None:
            return


def round_of(victims):
    """Some clients at work; then these processes are killed in the middle of it."""
    clients = [Served().client("puppet") for _ in range(CLIENTS)]
    try:
        for client in clients:
            assert "result" in client.initialize(), client.stderr()
        threads = [threading.Thread(target=calling, args=(client,), daemon=True)
                   for client in clients]
        for thread in threads:
            thread.start()
        wait_until("all are at work", lambda: all(row["calls"] for row in sessions()))
        for pid in victims(sessions()):
            os.kill(pid, signal.SIGKILL)
        wait_until("every client's program ends",
                   lambda: all(client.process.poll() is not None for client in clients))
    finally:
        for client in clients:
            client.process.kill()
            client.process.wait()


ROUNDS = [
    ("the daemon", lambda rows: [int(shown("MainPID"))]),
    ("the sessions", lambda rows: [row["session_pid"] for row in rows]),
    ("the clients' programs", lambda rows: [row["client"]["run_pid"] for row in rows]),
    ("all of it", lambda rows: [int(shown("MainPID"))]
     + random.sample([row["session_pid"] for row in rows], CLIENTS)),
]


@check("it verifies after its writers were killed at work, and has every session's start")
def _():
    mine = Served()
    before, lines = verified(True, mine), []
    for name, victims in ROUNDS:
        round_of(victims)
        nothing_is_left()
        after = verified(True, mine)
        assert after["records"] > before["records"] + 2 * CLIENTS, (before, after)
        lines.append("%s killed: %d records, %s" % (name, after["records"], after["notes"]))
        before = after
    return "\n".join(lines)


@check("a record that was altered is found, and so is one that is missing")
def _():
    with home("altered") as mine:
        folder = mine.folder + "/state/pinfold/audit"

        def with_lines(change):
            shutil.rmtree(folder, ignore_errors=True)
            ada("mkdir", "-p", mine.folder + "/state/pinfold").expect(0)
            run(["cp", "-a", LOG, folder]).expect(0)
            path = max((folder + "/" + name for name in os.listdir(folder)), key=os.path.getsize)
            with open(path) as file:
                lines = file.read().splitlines(keepends=True)
            assert len(lines) > 10, path
            with open(path, "w") as file:
                file.writelines(change(lines))
        with_lines(lambda lines: lines)
        verified(True, mine)
        with_lines(lambda lines: lines[:4] + [lines[4].replace('"kind":"', '"kind":"x', 1)] + lines[5:])
        altered = verified(False, mine)
        with_lines(lambda lines: lines[:4] + lines[5:])
        missing = verified(False, mine)
        return "%s\n%s" % (altered["problems"][:2], missing["problems"][:2])
