# SPDX-License-Identifier: MIT
"""What tests/test_written_sysctls.py runs in a booted kernel: all settings that may be written are, in a namespace.

A value that is written may move a value of the whole host, which is found out by nothing but this; and not on a host
that anybody uses.
"""

import json
import os
import subprocess
import sys

from stress.lab import namespace, sysctl

MODULES = ("nf_conntrack", "mptcp_diag", "ipv6")  # whose settings come with them


def main():
    """Print one line of JSON: the names that were written, those that refused, and those that moved outside."""
    for module in MODULES:
        subprocess.run(["modprobe", "-d", "/run/modules", module], check=False)
    before = read_all()
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        namespace.enter_namespace()
        with os.fdopen(writing, "w") as out:
            json.dump([change(name) for name in written_names()], out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        outcomes = json.load(stream)
    os.wait()
    after = read_all()
    moved = {name: [before[name], after.get(name)] for name in before if before[name] != after.get(name)}
    sys.stdout.write(json.dumps({"outcomes": outcomes, "moved": moved, "outside": len(before)}) + "\n")


def written_names():
    return [name for name in sysctl.list_names() if name.startswith(sysctl.WRITTEN)]


def read_all():
    """Return the values of all network settings here, except for those that count what happens."""
    return {name: sysctl.read(name) for name in sysctl.list_names() if not name.endswith("_count")}


def change(name):
    """Write another value, else the same one; return the name and what came of it."""
    value = sysctl.read(name)
    for other in other_values(value or ""):
        try:
            sysctl.sysctl_path(name).write_text(f"{other}\n")
        except OSError:
            continue
        if sysctl.read(name) != value:
            return name, "changed"
    return name, "refused"


def other_values(value):
    """Yield values that a setting of this value may take."""
    words = value.split()
    if words and all(word.lstrip("-").isdigit() for word in words):
        for step in (1, -1, 2, 1000):
            yield " ".join(str(int(word) + step) for word in words)
        yield " ".join("0" for _ in words)
        yield " ".join("1" for _ in words)
    yield from ("8080", "reno", "cubic", "fq_codel", "::1", "00000001")


main()
