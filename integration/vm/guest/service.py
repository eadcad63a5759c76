"""Ada's daemon as a service of her systemd, and what is seen of it from outside."""
import contextlib
import json
import os
import time

from guest import PATIENCE, Home, ada

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

    @property
    def lock_path(self):
        return "/home/ada/.config/pinfold/pinfold.lock"

    def client(self, name, more=("--daemon=require",)):
        return super().client(name, more)


@contextlib.contextmanager
def serves_also(text):
    """The manifest and the lock with something more, and afterwards as they were."""
    mine = Served()
    kept = {}
    for path in (mine.manifest_path, mine.lock_path):
        with open(path) as file:
            kept[path] = file.read()
    mine.write(mine.manifest_path, kept[mine.manifest_path] + text)
    try:
        yield mine
    finally:
        for path, before in kept.items():
            mine.write(path, before)


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


def server_group():
    """The control group of the one server."""
    groups = {group_of(pid) for pid in puppets()}
    assert len(groups) == 1, groups
    group = groups.pop()
    assert group.startswith(service_group() + "/"), "%s is not below the service's" % group
    return group
