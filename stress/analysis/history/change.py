# SPDX-License-Identifier: MIT
"""What is known of a series: its levels, steps and drifts, and the two levels that it flips between."""

from dataclasses import dataclass
from enum import StrEnum

from stress.analysis.history.series import Series


class State(StrEnum):
    """How certain a change is."""

    CONFIRMED = "confirmed"  # both detectors find the step; slopes explain the drift much better than steps
    SUSPECTED = "suspected"  # one of them finds it, or it is too recent; slopes explain it a little better
    ACCEPTED = "accepted"  # somebody has reviewed and accepted it


class Direction(StrEnum):
    """In which direction a metric changed."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    CHANGED = "changed"  # the metric has no direction that is better


class Kind(StrEnum):
    """What a change looks like."""

    STEP = "step"
    DRIFT = "drift"


@dataclass(frozen=True)
class ChangePoint:
    """A step or a drift of a series.

    Attributes:
        place: index of the first point after a step, or of the first point of a drift.
        state: how certain it is.
        direction: in which direction the metric changed.
        before: median of the points since the previous step, in the metric's unit; where a drift begins.
        after: median of the points up to the next step; where a drift ends.
        undone: whether a later confirmed or accepted step led back to the level before, or to a better one.
        reason: why the change was accepted; "" if it was not.
        went_away: whether a step and its return to the level before lie within a few points; it is one of the two.
        kind: step or drift.
        last: index of the last point of a drift; of a step that of the first point after it.
    """

    place: int
    state: State
    direction: Direction
    before: float
    after: float
    undone: bool
    reason: str
    went_away: bool = False
    kind: Kind = Kind.STEP
    last: int = -1

    @property
    def named_place(self) -> int:
        """The index of the point by which the change is accepted: of a drift the last one."""
        return self.last if self.kind is Kind.DRIFT else self.place

    @property
    def is_open_regression(self) -> bool:
        """Whether it is a confirmed regression that is neither accepted nor undone and did not go away."""
        is_regression = self.state is State.CONFIRMED and self.direction is Direction.REGRESSED
        return is_regression and not self.undone and not self.went_away


@dataclass(frozen=True)
class Segment:
    """Part of a series between steps that are confirmed or accepted: points ``first`` up to before ``last``."""

    first: int
    last: int
    level: float  # median of its points, in the metric's unit


@dataclass(frozen=True)
class TwoLevels:
    """The two levels between which a series flips, in the metric's unit.

    ``flips`` are the indices of the first points after each flip; none of them is a step.
    """

    low: float
    high: float
    flips: tuple[int, ...]


@dataclass(frozen=True)
class Track:
    """A series with its changes.

    Attributes:
        series: the points.
        segments: one or more, without gaps.
        changes: the steps, by index.
        drifts: the drifts, by index.
        two_levels: what it flips between; None where it does not.
    """

    series: Series
    segments: tuple[Segment, ...]
    changes: tuple[ChangePoint, ...]
    drifts: tuple[ChangePoint, ...] = ()
    two_levels: TwoLevels | None = None

    @property
    def all_changes(self) -> list[ChangePoint]:
        """The steps and the drifts, by index."""
        return sorted([*self.changes, *self.drifts], key=lambda change: change.place)

    @property
    def open_regressions(self) -> list[ChangePoint]:
        """The regressions that are confirmed and still there; none unless the plan is the current one."""
        return [change for change in self.all_changes if self.series.current and change.is_open_regression]
