"""The daemon as a service of ada's systemd: activation, control groups, restart, kills."""
import os
import signal
import subprocess

from guest import FIXTURES, NATIVE, PATIENCE, ada, as_ada, refused, run, sysctl
from listed import Skipped, check
from machine import read
from old_kernel import PREFERRED, manifest, old
from service import (LIMITS, MEMORY, PROCESSES, Served, group_of, nothing_is_left, processes_of,
                     puppets, server_group, service_group, serves_also, session, sessions, shown, systemctl,
                     wait_until)

UNITS = "/payload/packaging/systemd"


@check("the units are installed, enabled, and systemd finds no fault")
def _():
    assert os.path.isdir(UNITS), "packaging/systemd is missing"
    folder = "/etc/systemd/user"
    for name in os.listdir(UNITS):
        run(["install", "-m", "644", UNITS + "/" + name, folder]).expect(0)
    Served().manifest(manifest(PREFERRED, "puppet", FIXTURES + "/puppet.py", "do") + LIMITS)
    Served().lock().expect(0)
    systemctl("daemon-reload").expect(0)
    systemctl("enable", "--now", "pinfold.socket").expect(0)
    verified = ada("systemd-analyze", "--user", "--man=no", "verify", folder + "/pinfold.service")
    verified.expect(0)
    assert "pinfold" not in verified.err, verified
    assert shown("ActiveState") == "inactive", "it runs before anybody asked"


@check("run is served by the daemon, which its first client starts")
def _():
    with session() as client:
        assert client.call("do", code="return 6 * 7") == "ok: 42"
        assert shown("ActiveState") == "active"
        rows = sessions()
        assert [row["server"] for row in rows] == ["puppet"], rows
        row = rows[0]
        # The session is a child of the daemon, not of the client's program.
        assert shown("ControlGroup") in group_of(row["session_pid"]), row
        table = ada("pinfold", "ps").expect(0)
        assert "puppet" in table.out, table
    wait_until("no session is listed", lambda: not sessions())
    nothing_is_left()
    return table.out


@check("the daemon tells systemd that it is ready, and how it is")
def _():
    with session():
        assert shown("Type") == "notify" and shown("SubState") == "running"
        assert shown("NotifyAccess") in ("main", "exec", "all")
        wait_until("the status says so", lambda: "sessions: 1" in shown("StatusText"))
        assert shown("WatchdogUSec") not in ("", "0", "infinity"), shown("WatchdogUSec")
        assert shown("WatchdogTimestampMonotonic") != "0", "it has never said that it lives"
        return systemctl("status", "--no-pager", "pinfold.service").out


@check("what the unit takes from the daemon is gone")
def _():
    with session():
        status = dict(line.split(":", 1) for line in
                      read("/proc/%s/status" % shown("MainPID")).splitlines())
        assert status["NoNewPrivs"].strip() == "1", status["NoNewPrivs"]
        # The filters of LockPersonality=, RestrictRealtime= and SystemCallArchitectures=.
        assert status["Seccomp"].strip() == "2", status["Seccomp"]
        limits = [line for line in read("/proc/%s/limits" % shown("MainPID")).splitlines()
                  if line.startswith("Max open files")]
        assert limits[0].split()[3:5] == ["8192", "8192"], limits
        return "NoNewPrivs 1, filters %s, %s" % (status["Seccomp_filters"].strip(), limits[0])


@check("a daemon that hangs is started anew by the watchdog, and nothing is left")
def _():
    with session() as client:
        daemon = int(shown("MainPID"))
        os.kill(daemon, signal.SIGSTOP)
        wait_until("systemd starts another", lambda: int(shown("MainPID")) not in (0, daemon))
        wait_until("the client's program ends", lambda: client.process.poll() is not None)
    nothing_is_left()
    with session() as client:
        assert client.call("do", code="return 1") == "ok: 1"


@check("reload keeps sessions and shows what is wrong with the manifest")
def _():
    with session() as client:
        daemon = shown("MainPID")
        systemctl("reload", "pinfold.service").expect(0)
        assert shown("MainPID") == daemon
        assert client.call("do", code="return 2") == "ok: 2"
        assert len(sessions()) == 1
        mine = Served()
        with open(mine.manifest_path) as file:
            good = file.read()
        try:
            mine.write(mine.manifest_path, good + "\nnonsense = [\n")
            systemctl("reload", "pinfold.service")
            wait_until("the status says what is wrong",
                       lambda: "are valid" not in shown("StatusText"))
            said = shown("StatusText")
            assert client.call("do", code="return 3") == "ok: 3"
        finally:
            mine.write(mine.manifest_path, good)
            systemctl("reload", "pinfold.service").expect(0)
        return said


@check("restart ends sessions: who waits is told, and comes back")
def _():
    with session() as client:
        number = client.ask("tools/call", {"name": "do", "arguments": {"code": "time.sleep(600)"}})
        wait_until("the call is on its way", lambda: sessions()[0]["calls"] == 1)
        systemctl("restart", "pinfold.service").expect(0)
        answer = client.answer(number)
        assert answer and "error" in answer, "the waiting request got %s" % answer
        wait_until("the client's program ends", lambda: client.process.poll() is not None)
    nothing_is_left()
    with session() as client:
        assert client.call("do", code="return 4") == "ok: 4"
    return answer["error"]["message"]


def killed(victim):
    """One process of a session is killed; the client hears of it and nothing is left."""
    def body():
        with session() as client:
            number = client.ask("tools/call", {"name": "do", "arguments": {
                "code": "import subprocess; os.fork() or os.setsid(); time.sleep(600)"}})
            wait_until("the server has forked", lambda: len(puppets()) >= 2)
            row = sessions()[0]
            os.kill(victim(row), signal.SIGKILL)
            wait_until("the client's program ends", lambda: client.process.poll() is not None)
            answer = client.answer(number)
        nothing_is_left()
        # It is there for the next one.
        with session() as client:
            assert client.call("do", code="return 5") == "ok: 5"
        return answer and answer.get("error", {}).get("message")
    return body


check("the daemon killed: the session ends, nothing is left")(
    killed(lambda row: int(shown("MainPID"))))
check("the client's program killed: the session ends, nothing is left")(
    killed(lambda row: row["client"]["run_pid"]))
check("the session's process killed: nothing is left")(killed(lambda row: row["session_pid"]))


@check("the server has a control group of its own with its limits")
def _():
    with session():
        group = server_group()

        def setting(name):
            return read(group + "/" + name)
        assert group not in (service_group(), group_of(int(shown("MainPID")))), group
        assert setting("memory.max") == str(MEMORY), setting("memory.max")
        assert setting("memory.oom.group") == "1"
        assert int(setting("pids.max")) in range(PROCESSES, PROCESSES + 8), setting("pids.max")
        relay = group_of(sessions()[0]["session_pid"])
        assert relay != group and relay.rpartition("/")[0] == group.rpartition("/")[0], relay
        return "%s: memory.max %s, pids.max %s" % (group, setting("memory.max"), setting("pids.max"))


@check("ps shows what the kernel counted: a peak stays when the memory is given back")
def _():
    with session() as client:
        assert client.call("do", code="held = bytearray(96 << 20); return len(held)") == "ok: %d" % (96 << 20)
        row, = sessions()
        assert 96 << 20 <= row["peak_memory"] <= MEMORY, row
        assert row["memory"] < 96 << 20 and row["processor_ms"] > 0, row
        return ada("pinfold", "ps").expect(0).out


@check("the end of a session ends whatever is in its control group, its own or not")
def _():
    with subprocess.Popen(as_ada(["sleep", "3600"])) as stranger:
        try:
            with session():
                with open(server_group() + "/cgroup.procs", "w") as file:
                    file.write(str(stranger.pid))
                assert stranger.poll() is None
            # No descendant of the session's, so that only cgroup.kill can find it.
            assert stranger.wait(timeout=PATIENCE) == -signal.SIGKILL, stranger.returncode
        finally:
            stranger.kill()
    nothing_is_left()


@check("where the machine denies namespaces, ps says which session goes without")
def _():
    if old():
        raise Skipped("the base tier needs Landlock ABI 4")
    with serves_also("\n" + manifest("", "plain", NATIVE)) as mine:
        mine.lock().expect(0)
        for value, missing, words in [(0, ["namespaces", "own-network", "own-root"],
                                       "base tier: without namespaces"), (1, [], "")]:
            with sysctl("kernel.unprivileged_userns_clone", value), mine.client("plain") as client:
                assert "result" in client.initialize(), client.stderr()
                row, = sessions()
                assert row["layers_missing"] == missing, row
                told = ada("pinfold", "ps").expect(0).expect_words(words).out
                assert bool(words) == ("base tier" in told), told
                client.end()
            wait_until("no session is listed", lambda: not sessions())


@check("in a unit without Delegate= nothing is made or moved, and it is said")
def _():
    settings = "/home/ada/.config/systemd/user/pinfold.service.d/settings.conf"

    def restarted(text):
        Served().write(settings, text)
        systemctl("daemon-reload").expect(0)
        systemctl("restart", "pinfold.service").expect(0)

    restarted("[Service]\nDelegate=no\n")
    try:
        assert shown("Delegate") == "no"
        with session() as client:
            assert client.call("do", code="return 7") == "ok: 7"
            places = {place for place, _ in processes_of(service_group())}
            assert places == {service_group()}, places
            assert {group_of(pid) for pid in puppets()} == places
            row, = sessions()
            assert row["limits_held"] == [], row
            said = ada("pinfold", "ps").expect(0).expect_words("watched over by pinfold").err
        nothing_is_left()
    finally:
        restarted("")
    # The control: as it is installed.
    with session():
        assert server_group() not in places
        ada("pinfold", "ps").expect(0).expect_words("control groups (memory, pids, cpu)")
    return said


@check("the memory limit bites, for all processes together")
def _():
    # Each far below the limit, all of them far above it, and quicker than a second.
    greedy = """
        for _ in range(8):
            if os.fork() == 0:
                held = bytearray(48 << 20)
                time.sleep(600)
        time.sleep(600)
    """
    with session() as client:
        group = server_group()
        number = client.ask("tools/call", {"name": "do", "arguments": {"code": greedy}})
        answer = client.answer(number)
        assert answer is None or "error" in answer, answer
        wait_until("the client's program ends", lambda: client.process.poll() is not None)
    nothing_is_left()
    wait_until("its control group is gone", lambda: not os.path.exists(group))
    message = (answer or {}).get("error", {}).get("message", "")
    assert "limits.memory" in message, "the client was told: %r" % message
    return message


# Forks until it is refused.
FORKS = """
    made = []
    try:
        for _ in range(200):
            pid = os.fork()
            if pid == 0:
                time.sleep(600)
                os._exit(0)
            made.append(pid)
        return "no limit"
    except OSError as error:
        return [errno.errorcode[error.errno], len(made)]
    finally:
        for pid in made:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
"""


@check("the limit of processes bites")
def _():
    with session() as client:
        told = client.call("do", code=FORKS)
        assert told.startswith('ok: ["EAGAIN", '), told
        assert int(told.split(",")[1].strip(" ]")) < PROCESSES, told
    nothing_is_left()
    return told


def lower(group, name, value):
    """Far below what pinfold's other means look after, so that the control group alone can bite."""
    with open(group + "/" + name, "w") as file:
        file.write(str(value))


@check("the control group alone holds the server to its processes")
def _():
    with session() as client:
        group = server_group()
        assert read(group + "/pids.events") == "max 0"
        lower(group, "pids.max", 9)
        told = client.call("do", code=FORKS)
        assert told.startswith('ok: ["EAGAIN", '), told
        assert int(told.split(",")[1].strip(" ]")) < 9, told
        counted = read(group + "/pids.events")
        assert counted.startswith("max ") and counted != "max 0", counted
    nothing_is_left()
    return "%s, pids.events: %s" % (told, counted)


@check("the control group alone ends a server that takes too much memory, and the client is told")
def _():
    greedy = """
        for _ in range(3):
            if os.fork() == 0:
                held = bytearray(40 << 20)
                time.sleep(600)
        time.sleep(600)
    """
    with session() as client:
        group = server_group()
        lower(group, "memory.max", 96 << 20)
        answer = client.answer(client.ask("tools/call", {"name": "do", "arguments": {"code": greedy}}))
        wait_until("the client's program ends", lambda: client.process.poll() is not None)
    nothing_is_left()
    told = (answer or {}).get("error", {}).get("message", "")
    assert "limits.memory" in told, "the client was told: %s" % answer
    return told


@check("the limit of processor time bites")
def _():
    turns = """
        end, turns = time.monotonic() + 8, 0
        while time.monotonic() < end:
            turns += 1
        return turns > 0
    """
    # The manifest ends with the limits of the server.
    with serves_also('cpu = "30%"\n') as mine:
        mine.lock().expect(0)
        with session() as client:
            group = server_group()
            assert read(group + "/cpu.max") == "30000 100000"
            assert "cpu" in sessions()[0]["limits_held"], sessions()
            assert client.call("do", code=turns) == "ok: true"
            counted = dict(line.split() for line in read(group + "/cpu.stat").splitlines())
            assert int(counted["nr_throttled"]) > 10, counted
    nothing_is_left()
    return "throttled in %s of %s periods" % (counted["nr_throttled"], counted["nr_periods"])


@check("quarantine ends a session: who waits is told, none starts until it is released")
def _():
    with session() as client:
        number = client.ask("tools/call", {"name": "do", "arguments": {"code": "time.sleep(600)"}})
        wait_until("the call is on its way", lambda: sessions()[0]["calls"] == 1)
        ada("pinfold", "quarantine", "puppet").expect(0)
        answer = client.answer(number)
        told = (answer or {}).get("error", {}).get("message", "")
        assert "quarantine" in told, "the waiting request got %s" % answer
        wait_until("the client's program ends", lambda: client.process.poll() is not None)
    nothing_is_left()
    assert not sessions(), sessions()
    try:
        message = refused(Served(), "puppet")
        assert "quarantine" in message and "pinfold release puppet" in message, message
    finally:
        ada("pinfold", "release", "puppet").expect(0)
    with session() as client:
        assert client.call("do", code="return 6") == "ok: 6"
    return told + "\n" + message


@check("a stopped session is gone, and stop of the service leaves nothing")
def _():
    with session() as client:
        ada("pinfold", "stop", "puppet").expect(0)
        wait_until("the client's program ends", lambda: client.process.poll() is not None)
    nothing_is_left()
    with session() as client:
        systemctl("stop", "pinfold.service", "pinfold.socket").expect(0)
        wait_until("the client's program ends", lambda: client.process.poll() is not None)
    wait_until("no process of the server is left", lambda: not puppets())
    # Nobody listens: auto serves it itself, require refuses.
    mine = Served()
    with mine.client("puppet", ("--daemon=auto",)) as client:
        assert "result" in client.initialize(), client.stderr()
        client.end()
    with mine.client("puppet") as client:
        answer = client.initialize()
        assert "error" in answer and client.end() == 125, answer
    systemctl("start", "pinfold.socket").expect(0)
    return answer["error"]["message"]
