"""Tests of `integration/` that need nothing but a kernel, run here as ada."""
import os
import re

from guest import as_ada, run
from listed import Skipped, check
from old_kernel import old

# Filters, and whether its tests lock servers in the default settings, which need Landlock ABI 4.
SUITES = [
    ("escape::fs", True),
    ("escape::process", True),
    ("escape::kernel", True),
    ("escape::resources", True),
    ("session_ends:: session_ends_in_the_base_tier::", True),
    ("launch_refused", True),
    ("doctor_attack", False),
]
# In a group that ada's systemd has delegated to them.
DELEGATED = [("cgroup::", False), ("daemon::groups", True)]
# Seconds for each, where every instruction is translated.
SUITE_PATIENCE = 3600
SERVICE = ["systemd-run", "--user", "--quiet", "--pipe", "--wait", "-p", "Delegate=yes"]


def suite(filters, default, service=()):
    def body():
        if not os.path.exists("/payload/bin/integration"):
            raise Skipped("the run was asked to be quick")
        if default and old():
            raise Skipped("its servers need Landlock ABI 4")
        ran = run(as_ada([*service, "/payload/bin/integration", *filters.split(),
                           "--test-threads=2"]), SUITE_PATIENCE)
        counted = re.search(r"(\d+) passed; (\d+) failed", ran.out)
        failed = re.findall(r"^test (\S+) \.\.\. FAILED", ran.out, re.M)
        why = re.findall(r"panicked at .*\n.*", ran.out)
        skipped = re.findall(r"^SKIPPED .*", ran.err, re.M)
        assert ran.code == 0 and counted, "%s\n%s\n%s\n%s" % (failed, "\n".join(why), ran.out[-2500:], ran.err[-1500:])
        assert int(counted.group(1)) > 0, "no test of that name"
        lacking = [line for line in skipped if "control" in line]
        assert not (service and lacking), lacking
        return "\n".join([counted.group(0), *skipped])
    return body


for name, default in SUITES:
    check("tests of the project: " + name)(suite(name, default))
for name, default in DELEGATED:
    check("tests of the project in a delegated group: " + name)(suite(name, default, SERVICE))
