"""`pinfold doctor --attack`: what is not held on this kernel is documented."""
import json

from guest import home, landlock_abi, sysctl
from listed import Skipped, check
from old_kernel import old


def report(mine):
    # Some hundred processes, in each tier and without the box.
    ran = mine.pinfold("doctor", "--attack", "--json", patience=1800)
    assert ran.code in (0, 1), ran
    return ran, json.loads(ran.out)


def judge(ran, said, tiers):
    there = [tier["tier"] for tier in said["tiers"] if tier["available"]]
    assert there == tiers, "%s, expected %s: %s" % (there, tiers, said["tiers"])
    live = [attack for attack in said["attacks"] if attack["live"]]
    assert len(live) >= 40, "only %d attacks work without the box" % len(live)
    bad = []
    for attack in said["attacks"]:
        for tier in tiers:
            verdict = attack[tier]
            if verdict["verdict"] not in ("held", "documented", "dead-here"):
                bad.append("%s tier: %s %s: %s" % (tier, attack["name"], verdict["verdict"], verdict["how"]))
    assert not bad, "\n".join(bad)
    assert ran.code == 0, ran
    return "\n".join("%s: %s" % (tier["tier"], tier.get("counts") or tier["reason"])
                     for tier in said["tiers"])


@check("nothing gets through that is not documented, in the tiers that this kernel can have")
def _():
    with home("attacked") as mine:
        ran, said = report(mine)
        return judge(ran, said, ["full"] if old() else ["full", "base"])


@check("without user namespaces neither")
def _():
    if old():
        raise Skipped("no box can be built with Landlock ABI %d and without namespaces" % landlock_abi())
    with home("attacked") as mine, sysctl("kernel.unprivileged_userns_clone", 0):
        ran, said = report(mine)
        return judge(ran, said, ["base"])
