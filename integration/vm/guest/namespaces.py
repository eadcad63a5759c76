"""A machine that denies user namespaces: the base tier where the policy accepts it, else refused."""
import guest
from guest import FIXTURES, NATIVE, home, refused, sysctl
from listed import Skipped, check
from old_kernel import PREFERRED, manifest, old

# The two ways in which Debian denies them, and what the messages say.
DENIALS = [("kernel.unprivileged_userns_clone", 0), ("user.max_user_namespaces", 0)]


def denied(setting):
    """The machine denies them from now on: without this a check would hold for nothing."""
    ran = guest.ada("unshare", "--user", "--map-root-user", "true")
    assert ran.code != 0, "%s does not deny user namespaces" % setting


def accepted(name):
    def body():
        if old():
            raise Skipped("the base tier needs Landlock ABI 4")
        setting, value = name
        with home("accepted") as mine:
            mine.manifest(manifest("", "puppet", FIXTURES + "/puppet.py", "do"))
            mine.lock().expect(0)
            host = "return os.uname().nodename"
            with mine.client("puppet") as client:
                client.initialize()
                assert client.call("do", code=host) != 'ok: "pinfold-guest"'
                client.end()
            with sysctl(setting, value):
                denied(setting)
                mine.environment["PINFOLD_LOG"] = "info"
                with mine.client("puppet") as client:
                    assert "result" in client.initialize(), client.stderr()
                    # The base tier has the machine's name, and still not her files.
                    assert client.call("do", code=host) == 'ok: "pinfold-guest"'
                    told = client.call("do", code="return open('/home/ada/.bashrc').read()")
                    assert told.startswith("refused: EACCES"), told
                    client.end()
                    said = client.stderr()
                assert "namespaces" in said, "nothing was said of it: %r" % said
                mine.pinfold("doctor").expect(0).expect_words("names, sizes and times")
                return said
    return body


def insisted(name):
    def body():
        setting, value = name
        with home("insisted") as mine:
            mine.manifest(manifest(PREFERRED))
            mine.lock().expect(0)
            with sysctl(setting, value):
                denied(setting)
                message = refused(mine, "native")
            assert "namespaces are required and this machine refuses them" in message, message
            assert "kernel.unprivileged_userns_clone" in message, message
            # The control: with the setting as it was, the same lock runs.
            with mine.client("native") as client:
                assert "result" in client.initialize(), client.stderr()
                client.end()
            return message
    return body


def by_name(name):
    def body():
        if old():
            raise Skipped("egress by name in the default settings needs Landlock ABI 4")
        setting, value = name
        with home("named") as mine:
            mine.manifest(manifest("").replace('profile = "offline"',
                                               'profile = "web"\negress = ["api.example.com:443"]'))
            mine.lock().expect(0)
            with sysctl(setting, value):
                denied(setting)
                message = refused(mine, "native")
            assert "can't be limited to the hosts" in message, message
            return message
    return body


for denial in DENIALS:
    check("%s=%d: the base tier, and it is said" % denial)(accepted(denial))
    check("%s=%d: refused with 125 where they are required" % denial)(insisted(denial))
    check("%s=%d: egress by name is refused with 125" % denial)(by_name(denial))
