"""The guest is the machine that the other checks count on."""
import os

from guest import ABI_OF_RELEASE, ADA, ada, kernel, landlock_abi, run
from listed import check


def read(path):
    with open(path) as file:
        return file.read().strip()


@check("systemd is process 1, and control groups are version 2")
def _():
    assert read("/proc/1/comm") == "systemd"
    assert os.path.exists("/sys/fs/cgroup/cgroup.controllers")


@check("AppArmor and Landlock are in force")
def _():
    modules = read("/sys/kernel/security/lsm")
    assert "apparmor" in modules and "landlock" in modules, modules
    assert read("/sys/module/apparmor/parameters/enabled") == "Y"
    return modules


@check("this kernel has the Landlock that its release has")
def _():
    assert landlock_abi() == ABI_OF_RELEASE[kernel()], landlock_abi()
    return "Linux %s, Landlock ABI %d" % (os.uname().release, landlock_abi())


@check("ada has a systemd of her own, with control groups to give away")
def _():
    ada("systemctl", "--user", "show-environment").expect(0)
    folder = "/sys/fs/cgroup/user.slice/user-%d.slice/user@%d.service" % (ADA, ADA)
    controllers = read(folder + "/cgroup.controllers").split()
    assert {"memory", "pids"} <= set(controllers), controllers
    return " ".join(controllers)


@check("ada may make user namespaces")
def _():
    ada("unshare", "--user", "--map-root-user", "true").expect(0)


@check("ada is an ordinary user")
def _():
    said = ada("cat", "/proc/self/status").expect(0).out
    assert "CapEff:\t0000000000000000" in said and "CapPrm:\t0000000000000000" in said, said
    assert run(["id", "-Gn", "ada"]).out.split() == ["ada"]
