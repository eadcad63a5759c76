"""Runs the checks of this folder in their order and prints TAP."""
import argparse
import importlib
import re
import time
import traceback

import listed

# In this order: later ones change settings of the machine, and put them back.
THEMES = ["machine", "old_kernel", "fetched_again", "namespaces", "attacks", "daemon", "warm_start",
          "official_client", "audit_log", "suites"]


class Report:
    """TAP, one line as soon as a check is done."""

    def __init__(self):
        self.count = 0

    def line(self, verdict, name, more=""):
        self.count += 1
        print("%s %d - %s%s" % (verdict, self.count, name, more))

    def run(self, name, body):
        began = time.monotonic()
        try:
            notes = body()
            self.line("ok", name)
            self.explain("%d s" % (time.monotonic() - began))
            if notes:
                self.explain(notes)
        except listed.Skipped as reason:
            self.line("ok", name, " # SKIP %s" % reason)
        except AssertionError as failed:
            self.line("not ok", name)
            self.explain(str(failed) or traceback.format_exc())
        except Exception:
            self.line("not ok", name)
            self.explain(traceback.format_exc())

    @staticmethod
    def explain(text):
        for line in str(text).splitlines()[:60]:
            print("#   " + line[:500])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    only = re.compile(parser.parse_args().only)
    report = Report()
    for theme in THEMES:
        importlib.import_module(theme)
    for name, body in listed.CHECKS:
        if only.search(name):
            report.run(name, body)
    print("1..%d" % report.count)


if __name__ == "__main__":
    main()
