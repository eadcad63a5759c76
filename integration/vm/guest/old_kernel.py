"""What an old kernel can't enforce is refused or said, in words."""
import json

import guest
from guest import FIXTURES, NATIVE, home, landlock_abi, refused
from listed import Skipped, check

# The ABI that every server asks for unless its manifest says otherwise.
FLOOR = 4
PREFERRED = 'layers = { namespaces = "required", landlock = "preferred" }'
# Since which ABI Landlock judges what, in the words of the plan.
SINCE = [
    (3, "truncating files is not judged by Landlock"),
    (4, "TCP ports are not limited by Landlock"),
    (5, "ioctl on granted device files is not limited"),
    (6, "signals to other processes of the same user are not stopped by Landlock"),
]


def old():
    return landlock_abi() < FLOOR


def only_old():
    if not old():
        raise Skipped("this kernel has Landlock ABI %d" % landlock_abi())


def manifest(layers, name="native", source=NATIVE, tool="work"):
    return '[servers.%s]\nsource = "path:%s"\nprofile = "offline"\ntools = { allow = ["%s"] }\n%s\n' % (
        name, source, tool, layers)


def demand_landlock(mine, name):
    """Makes the lock demand what a newer kernel has: Landlock with ABI 4."""
    with open(mine.lock_path) as file:
        text = file.read()
    box = json.loads(text)["servers"][name]["box"]
    assert "landlock" not in box["layers"] and box["landlock_abi"] == 0, box
    start = text.index('"%s": {' % name)
    layers = json.dumps(sorted([*box["layers"], "landlock"]))
    demanding = text[start:].replace('"landlock_abi": 0', '"landlock_abi": 4', 1)
    demanding = demanding.replace('"layers": ' + json.dumps(box["layers"]), '"layers": ' + layers, 1)
    demanding = text[:start] + demanding
    box = json.loads(demanding)["servers"][name]["box"]
    assert "landlock" in box["layers"] and box["landlock_abi"] == 4, demanding
    mine.write(mine.lock_path, demanding)


@check("doctor says which Landlock is there")
def _():
    with home("doctor") as mine:
        ran = mine.pinfold("doctor")
        ran.expect_words("ABI %d on Linux" % landlock_abi())
        ran.expect(3 if old() else 0)
        said = json.loads(mine.pinfold("doctor", "--json").out)
        assert said["ok"] is not old(), said
        return ran.out


@check("add in the default settings is refused below ABI 4 and says so, else it works")
def _():
    with home("plain") as mine:
        ran = mine.pinfold("add", "native", "path:" + NATIVE, "--allow-all")
        if old():
            ran.expect(3).expect_words("offers Landlock ABI 2, but ABI 4 is required",
                                       'landlock = "preferred"')
        else:
            ran.expect(0)
        return ran.err


@check("try is refused below ABI 4 and says so, else it shows the tools")
def _():
    with home("tried") as mine:
        ran = mine.pinfold("try", "path:" + NATIVE)
        if old():
            ran.expect(3).expect_words("offers Landlock ABI 2, but ABI 4 is required")
        else:
            ran.expect(0).expect_words("work")


@check("with Landlock preferred the server runs, and explain says what is missing")
def _():
    with home("preferred") as mine:
        mine.manifest(manifest(PREFERRED))
        mine.lock().expect(0)
        with mine.client("native") as client:
            assert "result" in client.initialize()
            assert client.tools() == ["work"]
            assert client.call("work").startswith("ok: ")
            code = client.end()
            assert code == 0, "%s: %s" % (code, client.stderr())
        explained = mine.pinfold("explain", "native").expect(0)
        for since, words in SINCE:
            missing = landlock_abi() < since
            assert (words in explained.out) == missing, "%r, ABI %d: %s" % (
                words, landlock_abi(), explained)
        return explained.out


@check("the same server, with a lock that demands more than this kernel has, is refused with 125")
def _():
    only_old()
    with home("demanding") as mine:
        mine.manifest(manifest(PREFERRED))
        mine.lock().expect(0)
        # The control: as it was locked here, it runs.
        with mine.client("native") as client:
            assert "result" in client.initialize()
            client.end()
        demand_landlock(mine, "native")
        message = refused(mine, "native")
        assert "Landlock ABI 2" in message and "ABI 4" in message, message
        return message


@check("a server that was locked in the default settings elsewhere is refused with 125")
def _():
    only_old()
    with home("elsewhere") as mine:
        # Its lock as a newer kernel writes it: with the policy of the default settings.
        mine.manifest(manifest(PREFERRED))
        mine.lock().expect(0)
        mine.manifest(manifest(""))
        told = mine.pinfold("lock")
        told.expect(3).expect_words("ABI 4 is required")
        message = refused(mine, "native")
        assert "pinfold lock native" in message, message
        return message


@check("a server in Python runs with Landlock preferred, and sees nothing of the machine")
def _():
    with home("python") as mine:
        mine.manifest(manifest(PREFERRED, "puppet", FIXTURES + "/puppet.py", "do"))
        mine.lock().expect(0)
        with mine.client("puppet") as client:
            client.initialize()
            outside = "/home/ada/secret"
            mine.write(outside, "a secret")
            for code, wanted in [
                ("return open(%r).read()" % outside, "refused"),
                ("return open('/etc/shadow').read()", "refused"),
                ("import socket; return socket.socket(socket.AF_INET).fileno()", "refused"),
                ("open(os.environ['HOME'] + '/mine', 'w').write('x'); return 1", "ok: 1"),
                ("return [os.path.exists(%r), os.path.exists('/etc/shadow')]" % outside,
                 "ok: [false, false]"),
            ]:
                told = client.call("do", code=code)
                assert told.startswith(wanted), "%s: %s" % (code, told)
            # The control: she herself reads it.
            guest.ada("cat", outside).expect(0).expect_words("a secret")
            client.end()


@check("a server in JavaScript runs with Landlock preferred")
def _():
    with home("node") as mine:
        mine.manifest(manifest(PREFERRED, "script", FIXTURES + "/server.js", "say"))
        mine.lock().expect(0)
        with mine.client("script") as client:
            assert "result" in client.initialize()
            assert client.tools() == ["say"]
            client.end()
