# SPDX-License-Identifier: MIT
"""Whether this machine is idle, and waiting until it is."""

from pathlib import Path

from stress.lab import wait
from stress.model.suite import Settle

IDLE_CHECKS = 3  # consecutive checks without runnable tasks
INTERVAL_S = 0.02
OWN_TASKS = 1  # the task that checks is running itself


def count_running() -> int:
    """Return the number of runnable tasks without this one (proc_loadavg(5), fourth field)."""
    tasks = Path("/proc/loadavg").read_text().split()[3]
    return max(int(tasks.partition("/")[0]) - OWN_TASKS, 0)


def count_time_wait() -> int:
    """Return the number of sockets of this network namespace in TIME_WAIT (/proc/net/sockstat)."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        words = line.split()
        if words[0] == "TCP:":
            return int(words[words.index("tw") + 1])
    return 0


class IdleCheck:
    """Counts consecutive checks without runnable tasks; true after IDLE_CHECKS of them."""

    def __init__(self) -> None:
        self.checks = 0
        self.consecutive = 0

    def __call__(self) -> bool:
        """Check once more."""
        self.checks += 1
        self.consecutive = 0 if count_running() else self.consecutive + 1
        return self.consecutive >= IDLE_CHECKS


def wait_until_idle(limit_s: float) -> Settle:
    """Wait until the machine is idle, for at most ``limit_s``; return how idle it was.

    After a trial the kernel still removes its namespace, mine by mine, and that work would be measured with the
    next trial.
    """
    check = IdleCheck()
    settled = wait.wait_until(check, limit_s, INTERVAL_S)
    return Settle(
        waited_s=check.checks * INTERVAL_S,
        settled=settled,
        load=float(Path("/proc/loadavg").read_text().split()[0]),
        running=count_running(),
        time_wait=count_time_wait(),
    )
