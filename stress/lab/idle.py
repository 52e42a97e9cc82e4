# SPDX-License-Identifier: MIT
"""How quiet this machine is, and waiting until it is."""

from pathlib import Path

from stress.lab import wait
from stress.model.suite import Settle

IDLE_CHECKS = 3  # in a row that must find nobody running
INTERVAL_S = 0.02
OWN_TASKS = 1  # the task that looks is running


def count_running() -> int:
    """Return how many tasks run or want to, this one left out (proc_loadavg(5), fourth field)."""
    tasks = Path("/proc/loadavg").read_text().split()[3]
    return max(int(tasks.partition("/")[0]) - OWN_TASKS, 0)


def count_time_wait() -> int:
    """Return how many sockets of this network namespace are in TIME_WAIT (/proc/net/sockstat)."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        words = line.split()
        if words[0] == "TCP:":
            return int(words[words.index("tw") + 1])
    return 0


class IdleCheck:
    """Counts how many looks in a row found nobody running."""

    def __init__(self) -> None:
        self.looks = 0
        self.in_a_row = 0

    def __call__(self) -> bool:
        """Look once more."""
        self.looks += 1
        self.in_a_row = 0 if count_running() else self.in_a_row + 1
        return self.in_a_row >= IDLE_CHECKS


def wait_until_idle(limit_s: float) -> Settle:
    """Wait until the machine is quiet, at most so long; return what was found.

    After a trial the kernel still takes its namespace apart, mine by mine, and that work would be measured with the
    next one.
    """
    quiet = IdleCheck()
    settled = wait.wait_until(quiet, limit_s, INTERVAL_S)
    return Settle(
        waited_s=quiet.looks * INTERVAL_S,
        settled=settled,
        load=float(Path("/proc/loadavg").read_text().split()[0]),
        running=count_running(),
        time_wait=count_time_wait(),
    )
