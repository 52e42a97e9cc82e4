# SPDX-License-Identifier: MIT
"""An arm: the runs of one side of a comparison, with what figures need of their attempts."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.ladder import Ladder, build_ladder
from stress.analysis.attribution.outcome import OUTCOMES, has_sent_syn, outcome_codes
from stress.model.attempt import STORM
from stress.model.outcome import Outcome
from stress.model.run import Run

Latencies = npt.NDArray[np.int64]  # of one trial, in ns, ascending


@dataclass(frozen=True)
class Arm:
    """Runs of the same cell, kernel or build.

    Attributes:
        label: as the figures call it.
        runs: with their attempts.
        blocks: of each run, its block, where trials were made in blocks; else empty.
    """

    label: str
    runs: Sequence[Run]
    blocks: Sequence[Hashable] = ()

    @property
    def ladder(self) -> Ladder | None:
        """Of the first run's first act; None without a run: runs of an arm hardly ever differ in it."""
        if not self.runs:
            return None
        record = self.runs[0].record
        return build_ladder(record.host, record.acts[0].sysctls)

    def waits_ns(self) -> list[Latencies]:
        """Return the latencies of each run's attempts that sent a SYN: the others waited for nothing."""
        return [np.sort(run.attempts["latency_ns"][has_sent_syn(run.attempts)]) for run in self.runs]

    def bodies_ns(self) -> list[Latencies]:
        """Return the latencies of each run's attempts that connected at once, warm-up left out."""
        at_once = OUTCOMES.index(Outcome.CONNECTED)
        return [
            np.sort(
                run.attempts["latency_ns"][(outcome_codes(run.attempts) == at_once) & (run.attempts["phase"] == STORM)]
            )
            for run in self.runs
        ]


def common_blocks(base: Arm, new: Arm) -> list[tuple[int, int]]:
    """Return the places of the runs that share a block; none where an arm has no blocks, or two runs of one."""
    old, now = ({block: place for place, block in enumerate(arm.blocks)} for arm in (base, new))
    if any(len(found) != len(arm.runs) for found, arm in ((old, base), (now, new))):
        return []
    return [(place, now[block]) for block, place in old.items() if block in now]
