"""A server that is kept warm under ada's systemd: it was there before its client."""
from guest import ada
from listed import check
from machine import read
from service import group_of, nothing_is_left, puppets, serves_also, session, sessions, wait_until

# The name of its process, and since when it runs, in ticks since the machine was started: the same
# inside of the box and outside.
STARTED = "return int(open('/proc/self/stat').read().rpartition(')')[2].split()[19])"


def started(pid):
    return int(read("/proc/%d/stat" % pid).rpartition(")")[2].split()[19])


def warm():
    return [row for row in sessions() if row["stage"] == "warm" and row["server_pid"]]


@check("the process that answers was there before its client, and another takes its place")
def _():
    # The daemon is there from its first client on.
    with session():
        pass
    with serves_also("") as mine:
        text = read(mine.manifest_path)
        mine.write(mine.manifest_path, text.replace("[servers.puppet]\n", "[servers.puppet]\nwarm = 1\n") + "\n")
        mine.lock().expect(0)
        wait_until("a server is warm", lambda: len(warm()) == 1)
        row, = warm()
        assert row["client"]["run_pid"] == 0, row
        before = {pid: started(pid) for pid in puppets()}
        assert len(before) == 1 and row["limits_held"], (before, row)
        with session() as client:
            said = client.call("do", code=STARTED)
            assert said == "ok: %d" % list(before.values())[0], (said, before)
            served, = [other for other in sessions() if other["stage"] == "serving"]
            assert served["session"] == row["session"], (served, row)
            assert served["server_pid"] == row["server_pid"], (served, row)
            wait_until("another is warm", lambda: len(warm()) == 1)
            next_row, = warm()
            assert next_row["session"] != row["session"], next_row
            assert group_of(next_row["server_pid"]) != group_of(row["server_pid"])
        # It was used once.
        with session() as client:
            again = client.call("do", code=STARTED)
            assert again != said, again
    wait_until("none is kept warm any more", lambda: not sessions())
    nothing_is_left()
    # The control: without the key it is started for its client.
    with session() as client:
        fresh = client.call("do", code=STARTED)
        assert fresh not in (said, again), fresh
    return ada("pinfold", "log", "--server", "puppet").out[-600:]
