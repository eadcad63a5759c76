"""The list of checks, filled by the modules that hold them."""

CHECKS = []


class Skipped(Exception):
    """A check that can't be made here, with its reason."""


def check(name):
    """Puts a function on the list. What it returns is printed below its line."""

    def put(body):
        module = body.__module__
        CHECKS.append(("%s: %s" % (module, name), body))
        return body

    return put
