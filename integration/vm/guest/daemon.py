"""The daemon as a service of ada's systemd: activation, cgroups, restart, kills."""
import contextlib
import json
import os
import signal
import time

from guest import ADA, FIXTURES, PATIENCE, Home, ada, run
from listed import check
from old_kernel import PREFERRED, manifest

UNITS = "/payload/packaging/systemd"
SLICE = "/sys/fs/cgroup/user.slice/user-%d.slice/user@%d.service" % (ADA, ADA)
MEMORY = 192 << 20
PROCESSES = 24
LIMITS = '\n[servers.puppet.limits]\nmemory = "192MiB"\nprocesses = %d\n' % PROCESSES


class Served(Home):
    """Ada's own folders, which her systemd's services see."""

    def __init__(self):
        super().__init__("")
        self.folder = "/home/ada"
        self.environment = {}

    @property
    def manifest_path(self):
        return "/home/ada/.config/pinfold/pinfold.toml"

    def client(self, name, more=("--daemon=require",)):
        return super().client(name, more)


def systemctl(*words):
    return ada("systemctl", "--user", *words)


def shown(name):
    return systemctl("show", "pinfold.service", "--value", "-p", name).expect(0).out.strip()


def sessions():
    return json.loads(ada("pinfold", "ps", "--json").expect(0).out)["sessions"]


def wait_until(what, holds, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "not within %d s: %s" % (seconds, what)
        time.sleep(0.1)


def alive(pid):
    """Whether it runs: a zombie has ended."""
    with contextlib.suppress(OSError), open("/proc/%d/stat" % pid) as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return False


def processes_of(folder):
    """Every process in a control group and in those below it."""
    found = []
    for place, _, files in os.walk(folder):
        if "cgroup.procs" in files:
            with contextlib.suppress(OSError), open(place + "/cgroup.procs") as file:
                found += [(place, int(line)) for line in file]
    return found


def service_group():
    return "/sys/fs/cgroup" + shown("ControlGroup")


def group_of(pid):
    with open("/proc/%d/cgroup" % pid) as file:
        return "/sys/fs/cgroup" + file.read().strip().rpartition("::")[2]


def puppets():
    """Every process on this machine that runs the server."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open("/proc/%s/cmdline" % name, "rb") as file:
            words = file.read().split(b"\0")
            if any(word.endswith(b"puppet.py") for word in words) and alive(int(name)):
                found.append(int(name))
    return found


def nothing_is_left():
    wait_until("no process of the server is left", lambda: not puppets())

    def only_the_supervisor():
        return all(place.endswith(("/supervisor", "pinfold.service"))
                   for place, _ in processes_of(service_group()))
    wait_until("nothing but the daemon is in its control groups", only_the_supervisor)


@contextlib.contextmanager
def session():
    mine = Served()
    with mine.client("puppet") as client:
        answer = client.initialize()
        assert "result" in answer, "%s\n%s" % (answer, client.stderr())
        yield client
        client.end()


@check("the units are installed, enabled, and systemd finds no fault")
def _():
    assert os.path.isdir(UNITS), "packaging/systemd is missing"
    folder = "/etc/systemd/user"
    for name in os.listdir(UNITS):
        run(["install", "-m", "644", UNITS + "/" + name, folder]).expect(0)
    Served().manifest(manifest(PREFERRED, "puppet", FIXTURES + "/puppet.py", "do") + LIMITS)
    ada("pinfold", "lock").expect(0)
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
                       lambda: "are valid" not in shown("StatusText"), 60)
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
        answer = client.answer(number, 60)
        assert answer and "error" in answer, "the waiting request got %s" % answer
        wait_until("the client's program ends", lambda: client.process.poll() is not None, 60)
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
            wait_until("the client's program ends", lambda: client.process.poll() is not None, 60)
            answer = client.answer(number, 10)
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


def server_group():
    """The control group of the one server."""
    groups = {group_of(pid) for pid in puppets()}
    assert len(groups) == 1, groups
    group = groups.pop()
    assert group.startswith(service_group() + "/"), "%s is not below the service's" % group
    return group


@check("the server has a control group of its own with its limits")
def _():
    with session():
        group = server_group()

        def setting(name):
            with open(group + "/" + name) as file:
                return file.read().strip()
        assert group not in (service_group(), group_of(int(shown("MainPID")))), group
        assert setting("memory.max") == str(MEMORY), setting("memory.max")
        assert setting("memory.oom.group") == "1"
        assert int(setting("pids.max")) in range(PROCESSES, PROCESSES + 8), setting("pids.max")
        relay = group_of(sessions()[0]["session_pid"])
        assert relay != group and relay.rpartition("/")[0] == group.rpartition("/")[0], relay
        return "%s: memory.max %s, pids.max %s" % (group, setting("memory.max"), setting("pids.max"))


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
        wait_until("the client's program ends", lambda: client.process.poll() is not None, 60)
    nothing_is_left()
    wait_until("its control group is gone", lambda: not os.path.exists(group), 60)
    message = (answer or {}).get("error", {}).get("message", "")
    assert "memory" in message, "the client was told: %r" % message
    return message


@check("the limit of processes bites")
def _():
    forks = """
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
    with session() as client:
        # Held by the kernel for the whole server, not for each user as setrlimit(2) does.
        group = server_group()
        told = client.call("do", code=forks)
        with open(group + "/pids.events") as file:
            assert "max 0" not in file.read(), "it was not the control group that refused"
        assert told.startswith('ok: ["EAGAIN", '), told
        assert int(told.split(",")[1].strip(" ]")) < PROCESSES, told
    nothing_is_left()
    return told


@check("a stopped session is gone, and stop of the service leaves nothing")
def _():
    with session() as client:
        ada("pinfold", "stop", "puppet").expect(0)
        wait_until("the client's program ends", lambda: client.process.poll() is not None, 60)
    nothing_is_left()
    with session() as client:
        systemctl("stop", "pinfold.service", "pinfold.socket").expect(0)
        wait_until("the client's program ends", lambda: client.process.poll() is not None, 60)
    wait_until("no process of the server is left", lambda: not puppets())
    # Nobody listens: auto serves it itself, require refuses.
    mine = Served()
    with mine.client("puppet", ("--daemon=auto",)) as client:
        assert "result" in client.initialize(), client.stderr()
        client.end()
    with mine.client("puppet") as client:
        answer = client.initialize()
        assert "error" in answer and client.end() == 125, answer
    return answer["error"]["message"]
