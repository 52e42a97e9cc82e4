# SPDX-License-Identifier: MIT
"""An arm: the runs of one side of a comparison, and the latencies of their attempts."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.ladder import Ladder, build_ladder
from stress.analysis.attribution.outcome import OUTCOMES, has_sent_syn, outcome_codes
from stress.model.attempt import STORM
from stress.model.outcome import Outcome
from stress.model.run import Run, Storm

Latencies = npt.NDArray[np.int64]  # of one trial, in ns, ascending


@dataclass(frozen=True)
class Arm:
    """Runs of the same cell, kernel or build.

    Attributes:
        label: its name in figures.
        runs: with their attempts.
        blocks: the block of each run; empty where trials were not made in blocks.
    """

    label: str
    runs: Sequence[Run]
    blocks: Sequence[Hashable] = ()

    @property
    def ladder(self) -> Ladder | None:
        """The ladder of the first run's first act, for the runs of an arm rarely differ in it; None without a run.

        Of a capture the kernels are not known, so it has none.
        """
        if not self.runs or not self.runs[0].record.host.has_kernel:
            return None
        record = self.runs[0].record
        return build_ladder(record.host, record.acts[0].sysctls)

    def waits_ns(self) -> list[Latencies]:
        """Return the latencies of each run's attempts that sent a SYN; the others did not wait."""
        return [np.sort(run.attempts["latency_ns"][has_sent_syn(run.attempts)]) for run in self.runs]

    def bodies_ns(self) -> list[Latencies]:
        """Return the latencies of each run's attempts that connected at once, warm-up left out."""
        return [np.sort(np.concatenate([body_latencies_ns(storm) for storm in run.storms()])) for run in self.runs]


def body_latencies_ns(storm: Storm) -> Latencies:
    """Return the latencies of a storm's attempts that connected at once, warm-up left out, in the order of starts."""
    attempts = storm.attempts
    at_once = outcome_codes(attempts, storm.act.address) == OUTCOMES.index(Outcome.CONNECTED)
    latencies_ns: Latencies = attempts["latency_ns"][at_once & (attempts["phase"] == STORM)]
    return latencies_ns


def common_blocks(base: Arm, new: Arm) -> list[tuple[int, int]]:
    """Return the indices of the runs that share a block; none where an arm has no blocks, or two runs in a block."""
    base_rows, new_rows = ({block: row for row, block in enumerate(arm.blocks)} for arm in (base, new))
    if any(len(rows) != len(arm.runs) for rows, arm in ((base_rows, base), (new_rows, new))):
        return []
    return [(row, new_rows[block]) for block, row in base_rows.items() if block in new_rows]
