# SPDX-License-Identifier: MIT
"""Whether the machine was quiet during a run, by what was measured of it. Imports no numpy.

Where the client's loop stands still, its rate falls by about the same share (docs/statistics.md, "Busy machines").
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from stress.model.record import Phase
from stress.model.stall import Stall
from stress.model.suite import Settle
from stress.model.units import SECOND_NS

# Of the time in which attempts were started. A rate changes by what stalls take, and the smallest change that is
# reported is 5 %: with less than half of that, stalls alone never make one. On a quiet machine there are none.
STALLED_SHARE_MAX = 0.02
# Of the time of all CPUs, as ``connstorm doctor`` has it.
STOLEN_SHARE_MAX = 0.01
# /proc/stat has ticks of USER_HZ, which is 100 on all architectures that this program runs on: of two readings the
# difference is up to one tick too large.
STOLEN_TICK_MS = 10
# Of the trials of an arm, a session or a point: with more, the median is no longer between trials that were quiet.
BUSY_TRIALS_MAX = 0.25
MS_NS = SECOND_NS // 1000
STARTING = ("warm-up", "storm")  # the phases in which attempts are started


class StormFacts(Protocol):
    """What is asked of a storm: an Act has it, and so has the part of one that is read of a stored run."""

    @property
    def phases(self) -> Sequence[Phase]:
        """Its phases."""

    @property
    def stalls(self) -> Sequence[Stall]:
        """The first stalls of its client."""

    @property
    def stalls_missed(self) -> int:
        """How many more there were."""

    @property
    def stolen_ms(self) -> int:
        """CPU time that a hypervisor gave to others during the storm, sum of all CPUs."""


def busy_reasons(
    settle: Settle | None, storms: Sequence[StormFacts], *, cpus: int, workers: int, jiffy_ns: int
) -> tuple[str, ...]:
    """Return why a machine was not quiet: ``('not idle before (load 5.2)', 'stalls in 43 % of the storm')``.

    Args:
        settle: how idle it was before; None where nobody looked.
        storms: of the run.
        cpus: of the machine.
        workers: of the storms; their stalls are counted as shares of the time of all.
        jiffy_ns: a stall is longer than this.
    """
    reasons = []
    if settle is not None and not settle.settled:
        reasons.append(f"not idle before (load {settle.load:.1f})")
    stolen_ms = sum(storm.stolen_ms for storm in storms)
    span_ns = sum(phase.end_ns - phase.start_ns for storm in storms for phase in storm.phases[1:])
    if (stolen_ms - STOLEN_TICK_MS) * MS_NS > STOLEN_SHARE_MAX * span_ns * cpus:
        reasons.append(f"{stolen_ms:,} ms stolen")
    share = stalled_share(storms, workers=workers, jiffy_ns=jiffy_ns)
    if share > STALLED_SHARE_MAX:
        reasons.append(f"stalls in {100 * share:.0f} % of the storm")
    return tuple(reasons)


def stalled_share(storms: Iterable[StormFacts], *, workers: int, jiffy_ns: int) -> float:
    """Return in which share of the time in which attempts were started a client's loop stood still."""
    stalled_ns, span_ns = 0, 0
    for storm in storms:
        for phase in storm.phases:
            if phase.name in STARTING:
                span_ns += phase.end_ns - phase.start_ns
                stalled_ns += sum(overlap_ns(stall, phase) for stall in storm.stalls)
        stalled_ns += storm.stalls_missed * jiffy_ns
    return min(stalled_ns / (span_ns * workers), 1.0) if span_ns > 0 else 0.0


def overlap_ns(stall: Stall, phase: Phase) -> int:
    """Return how much of a stall lies in a phase."""
    return max(min(stall.end_ns, phase.end_ns) - max(stall.start_ns, phase.start_ns), 0)


def is_mostly_busy(busy: int, trials: int) -> bool:
    """Return whether so many trials were busy that their times say nothing of a quiet machine."""
    return busy > BUSY_TRIALS_MAX * trials
