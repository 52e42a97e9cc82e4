# SPDX-License-Identifier: MIT
"""Arms for tests of figures: runs of made-up latencies, each with only the fields that a test is about given."""

import errno

import numpy as np
from builders import MS, SECOND, US, a_record, a_run, settings, the_attempts

from stress.analysis.comparison.arm import Arm
from stress.model.run import Run


def a_trial(seed, *, attempts=3000, median=11 * US, spread=0.2, retried=30, sysctls=None, mines=None):
    """Return a run whose body is log-normal; ``retried`` attempts were sent again after two jiffies."""
    rng = np.random.default_rng(seed)
    latency_ns = np.maximum(1, median * rng.lognormal(0, spread, attempts)).astype(np.int64)
    latency_ns[:retried] = 10 * MS + rng.integers(0, 5 * MS, retried)
    again = np.arange(attempts) < retried
    rows = the_attempts(
        *((40000 + place % 100, 0, int(late)) for place, late in enumerate(again)), latency_ns=latency_ns
    )
    rows["start_ns"] = np.sort(rng.integers(0, SECOND, attempts))
    changes = {"sysctls": settings(**sysctls)} if sysctls else {}
    return a_run(rows, mines, port_range=(40000, 40099), ports=100, id=f"run{seed}", **changes)


def an_arm(label="base", *, trials=6, blocks=True, first=0, **trial):
    """Return an arm of trials with seeds of their own, in blocks 0, 1, 2 … or in none."""
    runs = [a_trial(first + number, **trial) for number in range(trials)]
    return Arm(label, runs, tuple(range(trials)) if blocks else ())


def no_syn(label="no port"):
    """Return an arm whose attempts all ended before a SYN was sent."""
    rows = the_attempts(*[(0, errno.EADDRNOTAVAIL, 0)] * 40, latency_ns=3 * US)
    return Arm(label, [a_run(rows)], ())


def empty(label="empty"):
    """Return an arm of a run without attempts."""
    run = a_run(the_attempts())
    return Arm(label, [Run(a_record(acts=run.record.acts), run.attempts, run.mines)], ())
