"""What the checks share: commands as ada, homes of their own, a raw MCP client."""
import contextlib
import ctypes
import json
import os
import queue
import shutil
import subprocess
import threading

ADA = 1000
PINFOLD = "/usr/bin/pinfold"
FIXTURES = "/payload/source/integration/fixtures"
NATIVE = "/payload/servers/native"
# Longer than anything takes here, also where every instruction is translated.
PATIENCE = 300

# How often a server may take longer to start than `lock` waits for it.
ATTEMPTS = 4

# Linux release: Landlock ABI (landlock(7)).
ABI_OF_RELEASE = {"6.1": 2, "6.12": 6}


def kernel():
    """The release of the kernel: major and minor number."""
    return ".".join(os.uname().release.split(".")[:2])


def landlock_abi():
    """As the kernel says: landlock_create_ruleset(2) with LANDLOCK_CREATE_RULESET_VERSION."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(444, None, 0, 1)


class Ran:
    """A command that ran to its end."""

    def __init__(self, words, done):
        self.words, self.code = words, done.returncode
        self.out = done.stdout.decode(errors="replace")
        self.err = done.stderr.decode(errors="replace")

    def __str__(self):
        return "%s: %s\n%s\n%s" % (" ".join(self.words), self.code, self.out, self.err)

    def expect(self, code):
        assert self.code == code, "expected %d of %s" % (code, self)
        return self

    def expect_words(self, *words):
        for word in words:
            assert word in self.out + self.err, "%r is not in %s" % (word, self)
        return self


def run(words, patience=PATIENCE):
    """A command as root."""
    try:
        return Ran(words, subprocess.run(words, capture_output=True, timeout=patience,
                                         stdin=subprocess.DEVNULL))
    except subprocess.TimeoutExpired as late:
        last = [(text or b"").decode(errors="replace")[-2500:] for text in (late.stdout, late.stderr)]
        raise AssertionError("not within %d s: %s\n%s" % (patience, " ".join(words), "\n".join(last))) from None


def as_ada(words, environment=None):
    """The words that run `words` as ada, with the environment of a login of hers."""
    variables = {
        "HOME": "/home/ada",
        "USER": "ada",
        "LOGNAME": "ada",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "XDG_RUNTIME_DIR": "/run/user/%d" % ADA,
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/%d/bus" % ADA,
        **(environment or {}),
    }
    settings = ["%s=%s" % pair for pair in variables.items()]
    return ["setpriv", "--reuid=%d" % ADA, "--regid=%d" % ADA, "--init-groups", "--inh-caps=-all",
            "env", "-i", "-C", "/home/ada", *settings, *words]


def ada(*words, environment=None, patience=PATIENCE):
    return run(as_ada(list(words), environment), patience)


class Home:
    """Manifest, lock, store and state of their own, below ada's home."""

    def __init__(self, name):
        self.folder = "/home/ada/" + name
        self.environment = {
            "XDG_CONFIG_HOME": self.folder + "/config",
            "XDG_DATA_HOME": self.folder + "/data",
            "XDG_STATE_HOME": self.folder + "/state",
        }

    def remove(self):
        run(["chmod", "-R", "u+w", self.folder])
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def manifest_path(self):
        return self.folder + "/config/pinfold/pinfold.toml"

    @property
    def lock_path(self):
        return self.folder + "/config/pinfold/pinfold.lock"

    def manifest(self, text):
        """Writes the manifest as ada would."""
        self.write(self.manifest_path, text)

    def write(self, path, text):
        folder = os.path.dirname(path)
        ada("mkdir", "-p", folder).expect(0)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o644)
        os.chown(path, ADA, ADA)

    def pinfold(self, *words, patience=PATIENCE):
        return ada(PINFOLD, *words, environment=self.environment, patience=patience)

    def lock(self):
        """`pinfold lock`. A server in JavaScript may take more than a minute to start, where every
        instruction is translated on a busy machine; what it reads is in memory the next time."""
        for _ in range(ATTEMPTS):
            ran = self.pinfold("lock")
            if "did not answer" not in ran.err:
                break
        return ran

    def client(self, name, more=()):
        return Client(as_ada([PINFOLD, "run", *more, name], self.environment))


@contextlib.contextmanager
def home(name):
    made = Home(name)
    made.remove()
    try:
        yield made
    finally:
        made.remove()


class Client:
    """A raw MCP client: lines in, lines out."""

    def __init__(self, words):
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.lines, self.last, self.err = queue.Queue(), 0, []
        threading.Thread(target=self._read, daemon=True).start()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def _listen(self):
        for line in self.process.stderr:
            self.err.append(line.decode(errors="replace"))

    def stderr(self):
        return "".join(self.err)

    def send(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method, params):
        """Sends a request; its id."""
        self.last += 1
        self.send({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params})
        return self.last

    def answer(self, number, patience=PATIENCE):
        """The answer to a request; None when the output has ended."""
        while True:
            line = self.lines.get(timeout=patience)
            if line is None:
                return None
            message = json.loads(line)
            if message.get("id") == number and "method" not in message:
                return message

    def request(self, method, params):
        answer = self.answer(self.ask(method, params))
        assert answer is not None, "no answer to %s: %s" % (method, self.stderr())
        return answer

    def initialize(self):
        answer = self.request("initialize", {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "guest", "version": "1"},
        })
        if "result" in answer:
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def call(self, tool, **arguments):
        """The text of a tool's result."""
        answer = self.request("tools/call", {"name": tool, "arguments": arguments})
        assert "result" in answer, "%s\n%s" % (answer, self.stderr())
        return answer["result"]["content"][0]["text"]

    def tools(self):
        listed = self.request("tools/list", {})["result"]["tools"]
        return sorted(tool["name"] for tool in listed)

    def end(self):
        """Closes the input and waits; the exit code."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        code = self.process.wait(timeout=PATIENCE)
        self.listener.join(timeout=10)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def refused(home_of, name):
    """Starts a server that must be refused; what the client is told."""
    with home_of.client(name) as client:
        answer = client.initialize()
        assert "error" in answer, "it was started: %s" % answer
        code = client.end()
        assert code == 125, "exit code %d: %s" % (code, client.stderr())
        return answer["error"]["message"]


@contextlib.contextmanager
def sysctl(name, value):
    """A setting of the machine, put back afterwards."""
    path = "/proc/sys/" + name.replace(".", "/")
    with open(path) as file:
        before = file.read()
    with open(path, "w") as file:
        file.write(str(value))
    try:
        yield
    finally:
        with open(path, "w") as file:
            file.write(before)
