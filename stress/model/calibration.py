# SPDX-License-Identifier: MIT
"""Calibration: how much each metric varies when nothing changes. Imports no numpy."""

from typing import Literal

import msgspec

CALIBRATION_SCHEMA = 1


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """The noise of a metric, from an arm that was compared with itself.

    Attributes:
        kind: how the metric is compared, by ratio or by difference.
        floor: how far the interval of a change reached although nothing had changed: of a ratio the distance from 1,
            of a difference in the metric's own unit. No threshold is lower.
        spread: of the change within a block; of a ratio, the spread of its logarithm.
        median: median of the metric.
    """

    kind: Literal["ratio", "difference"]
    floor: float
    spread: float
    median: float


class SessionNoise(msgspec.Struct, frozen=True, kw_only=True):
    """How far sessions differ in a time or a rate when nothing changes.

    Attributes:
        sd: standard deviation of the logarithm of the value of one session, the median of its trials.
        df: degrees of freedom of ``sd``.
        trials: how many trials each session had.
        evenness: of the sessions' values (``analysis.statistics.session_tail``); None where it is not known.
    """

    sd: float
    df: int
    trials: int
    evenness: float | None = None


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The noise of metrics on one kind of machine.

    Attributes:
        testbed: the kind of machine (``Host.testbed``).
        kernel: the kernel release that it was measured on.
        cpu: the CPU model, for people.
        trials: number of blocks, each with two trials of every arm.
        scenarios: the noise by scenario and by metric.
        sessions: how far sessions differ, by scenario and by metric; empty where it was not measured.
        pause_s: the pause between two of these sessions; of sessions one directly after the other 0.
    """

    schema: int
    program: str
    started_utc: str
    testbed: str
    kernel: str
    cpu: str
    trials: int
    scenarios: dict[str, dict[str, Noise]]
    sessions: dict[str, dict[str, SessionNoise]] = {}
    pause_s: float = 0.0

    def floor(self, metric: str) -> float | None:
        """Return the highest floor of a metric over the scenarios, or None when no scenario has it."""
        return max((noise[metric].floor for noise in self.scenarios.values() if metric in noise), default=None)
