# SPDX-License-Identifier: MIT
"""Verdicts on a metric of two arms, and the comparisons that they rest on."""

from dataclasses import dataclass
from enum import StrEnum

from stress.analysis.statistics.session import SessionSample
from stress.analysis.statistics.trials import Estimate, Kind

ALPHA = 0.05  # what the corrected p of a change must not exceed


class Unit(StrEnum):
    """What one value of an arm stands for."""

    BLOCK = "block"  # a trial, compared with the trial of the other arm in the same block
    TRIAL = "trial"  # a trial, compared with all trials of the other arm
    SESSION = "session"  # the median of the trials of a session


class Verdict(StrEnum):
    """Whether a metric changed. Absence of evidence is ``INCONCLUSIVE``, never ``EQUIVALENT``."""

    REGRESSED = "regressed"  # significantly worse, and by more than the threshold
    IMPROVED = "improved"  # significantly better, and by more than the threshold
    EQUIVALENT = "equivalent"  # the whole interval lies within the threshold
    INCONCLUSIVE = "inconclusive"  # neither, or held back; more trials may decide
    NO_DATA = "no-data"  # an arm has no value of the metric


@dataclass(frozen=True)
class Comparison:
    """One metric of one row, the new arm compared with the base arm.

    Attributes:
        row: name of the row, as a rule that of a cell.
        base: label of the base arm.
        new: label of the new arm.
        metric: name of the metric.
        verdict: whether the metric changed.
        kind: of the effect: new / base, or new - base.
        base_estimate: the base arm's median over trials with its interval; None where it has no value.
        new_estimate: the new arm's.
        effect: the change (Hodges-Lehmann for ratios, the difference of the means otherwise); None without data.
        low: lower end of its interval.
        high: upper end.
        level: of the interval.
        p: p-value of the test of no change; None without a test, which one that is held back does not have.
        adjusted_p: after correction within its family; the verdict rests on it.
        gating: whether it belongs to the family that gates (Holm), or is only explored (Benjamini-Hochberg).
        paired: whether trials were compared within blocks.
        threshold: the smallest change that matters: for a ratio its distance from 1, else in the metric's own unit.
        more_trials: how many more trials of each arm would probably decide; None where it is decided, or no number
            would. Of sessions: how many more, new ones alone where the base has HISTORY_MIN (``more_sessions``).
        unit: what one value stands for.
        held_back: why the verdict is inconclusive whatever the numbers say, without a full stop; None otherwise.
        sessions: the values that were compared, where one stands for a session.
    """

    row: str
    base: str
    new: str
    metric: str
    verdict: Verdict
    kind: Kind
    base_estimate: Estimate | None
    new_estimate: Estimate | None
    effect: float | None
    low: float | None
    high: float | None
    level: float | None
    p: float | None
    adjusted_p: float | None
    gating: bool
    paired: bool
    threshold: float
    more_trials: int | None
    unit: Unit
    held_back: str | None = None
    sessions: SessionSample | None = None
