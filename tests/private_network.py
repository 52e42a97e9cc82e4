# SPDX-License-Identifier: MIT
"""A private network for tests that need several programs in one, and several networks in one test."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

ROOT = os.geteuid() == 0
# In a network of its own everyone can be root. Who has to stay who they are, for sshd, only needs a user namespace when
# they are not root already.
AS_ROOT = ["unshare", "--user", "--map-root-user", "--net"]
AS_ONESELF = ["unshare", "--net"] if ROOT else ["unshare", "--user", "--map-current-user", "--keep-caps", "--net"]
HOLD = "ip link set lo up && echo up && exec cat"


@contextmanager
def network(apart=AS_ROOT):
    """Make a network namespace with its loopback up; yield a process in it, and what makes a command run next to it."""
    if shutil.which("ip") is None:
        pytest.skip("ip is missing, without which no network can be set up (Debian: iproute2)")
    with subprocess.Popen(
        [*apart, "sh", "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as holder:
        try:
            if holder.stdout.readline() != b"up\n":
                pytest.skip(f"no private network can be made here: {holder.stderr.read().decode().strip()}")
            user = ["--user", "--preserve-credentials"] if "--user" in apart else []
            yield holder.pid, ["nsenter", "--target", str(holder.pid), *user, "--net"]
        finally:
            holder.stdin.close()
            holder.wait()


@contextmanager
def beside(inside):
    """Make one more network namespace from inside one, of the same user namespace; yield as ``network`` does."""
    with network([*inside, "unshare", "--net"]) as (pid, _):
        yield pid, [*inside[:2], str(pid), *inside[3:]]
