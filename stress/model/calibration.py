# SPDX-License-Identifier: MIT
"""Calibration: what a metric does when nothing changes. Imports no numpy."""

from typing import Literal

import msgspec

CALIBRATION_SCHEMA = 1


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of one arm compared with itself.

    Attributes:
        kind: ratio or difference, as comparisons of the metric are.
        floor: how far the interval of a change that is none reached: of a ratio its distance from 1, else in the
            metric's own unit. No threshold lies below.
        spread: of what is compared in a block: of a ratio that of its logarithm.
        median: of the metric.
    """

    kind: Literal["ratio", "difference"]
    floor: float
    spread: float
    median: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What noise is like on machines of one kind.

    Attributes:
        testbed: the kind of machine (``Host.testbed``).
        kernel: that it ran on.
        cpu: the machine, for people.
        trials: blocks, each with two trials of every arm.
        scenarios: by scenario and by metric.
    """

    schema: int
    program: str
    started_utc: str
    testbed: str
    kernel: str
    cpu: str
    trials: int
    scenarios: dict[str, dict[str, Noise]]

    def floor(self, metric: str) -> float | None:
        """Return the highest floor of a metric over the scenarios, None where none has it."""
        return max((noise[metric].floor for noise in self.scenarios.values() if metric in noise), default=None)
