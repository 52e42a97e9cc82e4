# SPDX-License-Identifier: MIT
"""A run next to the one before it: how far its median moved, and what is known of how far it moves by itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev

from stress.analysis.comparison.comparability import side_differences
from stress.model.calibration import Calibration
from stress.model.observation import Observation

METRIC = "body.p50"
SPREAD_MIN = 3  # sessions, or runs of one session, before their spread says how far they differ
# The 97.5 % quantile of Student's t by degrees of freedom, from 1 on (a test holds it to scipy's, which loads slowly).
T_975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)


@dataclass(frozen=True)
class EarlierRun:
    """The change of the body's median against the run before; no verdict, for one run on either side allows none.

    Attributes:
        before: the run before.
        now: the run.
        oldest: the oldest of the comparable runs before this one.
        ratio: of the medians of now and before.
        is_same_session: whether the run and the one before it are of one session.
        count: of the comparable sessions before this one; of the comparable runs of this session where both are of it.
        chance: how far two of these differ by chance, by their spread, as a share: 19 of 20 pairs differ by less. None
            where they are too few.
        floor: how far medians differ within one session although nothing changed, as a share; None: not calibrated.
    """

    before: Observation
    now: Observation
    oldest: Observation
    ratio: float
    is_same_session: bool
    count: int
    chance: float | None
    floor: float | None


def compare_with_earlier(
    now: Observation, candidates: Sequence[Observation], calibration: Calibration | None
) -> EarlierRun | None:
    """Return how a run differs from the one before it; None where it has no median, or none before it is comparable.

    Comparable are runs of the same plan on the same kernel, kind of machine and settings, as for ``connstorm compare``.

    Args:
        now: the run, with its session.
        candidates: earlier runs, the newest first, with theirs.
        calibration: of the machine.
    """
    p50_ns = now.summary.body.p50_ns
    if not p50_ns or not now.timed:
        return None
    comparable = [run for run in candidates if is_comparable(run, now)]
    if not comparable:
        return None
    before = comparable[0]
    of_session = [run for run in comparable if run.session == now.session]
    # One run of each session, as this one is the only one of its own: a median of several would vary less.
    sessions = list({run.session: run for run in reversed(comparable)}.values())
    spread = of_session or sessions
    medians_ns = [median_ns for run in spread if (median_ns := run.summary.body.p50_ns)]
    noise = calibration.scenarios.get(now.scenario, {}).get(METRIC) if calibration else None
    assert before.summary.body.p50_ns is not None
    return EarlierRun(
        before=before,
        now=now,
        oldest=min(spread, key=lambda run: run.started_utc),
        ratio=p50_ns / before.summary.body.p50_ns,
        is_same_session=before.session == now.session,
        count=len(spread),
        chance=chance_difference(medians_ns) if len(medians_ns) >= SPREAD_MIN else None,
        floor=noise.floor if noise is not None and noise.kind == "ratio" else None,
    )


def chance_difference(medians_ns: Sequence[float]) -> float:
    """Return how far the medians of two runs differ by chance, as a share, given those of some runs.

    The logarithms of medians are taken as normal: their difference has a standard deviation of √2 that of one.
    """
    freedom = min(len(medians_ns) - 1, len(T_975))
    return math.expm1(T_975[freedom - 1] * math.sqrt(2) * stdev(map(math.log, medians_ns)))


def is_comparable(before: Observation, now: Observation) -> bool:
    """Return whether a run has a median, and differs from another in nothing that is known to matter."""
    return bool(before.summary.body.p50_ns) and before.timed and not any(side_differences([before], [now], ()))
