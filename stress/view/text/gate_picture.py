# SPDX-License-Identifier: MIT
"""The changes of a gate as a picture of letters, for places that show no image: a CI job's summary, a pull request."""

import math
from collections.abc import Sequence

from stress.analysis.gate.result import ConditionResult, State
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.model.text import plural

LOW, HIGH = -1.0, 3.0  # ends of the axis, in limits: no change is at 0, what a condition allows ends at 1
COLUMNS_PER_LIMIT = 10
WIDTH = round((HIGH - LOW) * COLUMNS_PER_LIMIT) + 1
NONE, LIMIT = round(-LOW * COLUMNS_PER_LIMIT), round((1 - LOW) * COLUMNS_PER_LIMIT)  # their columns
LINES_MAX = 24
MARKS = {State.BROKEN: "x", State.HOLDS: "o"}
UNDECIDED = "?"
LEGEND = "o holds, x broken, ? undecided; the line is the interval; beyond the picture: < and >"


def gate_picture(results: Sequence[ConditionResult]) -> str:
    """Return a line for each condition with a change, its interval, and its limit, under a common axis; else ``''``.

    Changes of all units share the axis, because each is in units of what its condition allows. Conditions that ask for
    an improvement are left out: there the limit is what is to be exceeded.
    """
    drawn = [(result, places) for result in results if (places := places_of(result)) is not None]
    if not drawn:
        return ""
    shown = drawn[:LINES_MAX]
    names = [f"{result.condition} {result.row}".strip() for result, _ in shown]
    room = max(map(len, names))
    lines = [f"{'':{room}}  {axis_text()}"]
    lines += [
        f"{name:{room}}  {line_text(places, MARKS.get(result.state, UNDECIDED))}"
        for name, (result, places) in zip(names, shown, strict=True)
    ]
    if len(drawn) > LINES_MAX:
        lines.append(f"and {plural(len(drawn) - LINES_MAX, 'further condition')}")
    return "\n".join([*(line.rstrip() for line in lines), LEGEND])


def places_of(result: ConditionResult) -> tuple[float, float, float] | None:
    """Return the lower end, the change and the upper end in limits; None where there is no change to draw."""
    effect, low, high, limit = result.effect, result.low, result.high, result.limit
    if effect is None or low is None or high is None or limit is None or result.shifted:
        return None
    if find_metric(result.condition.metric).unit in TIMED_UNITS:
        if min(effect, low, high, limit) <= 0:
            return None
        effect, low, high, limit = (math.log(value) for value in (effect, low, high, limit))
    if not limit:
        return None
    first, last = sorted((low / limit, high / limit))
    return first, effect / limit, last


def column_of(place: float) -> int:
    """Return the column of a place, the first or the last for one that lies beyond."""
    return round((min(max(place, LOW), HIGH) - LOW) * COLUMNS_PER_LIMIT)


def axis_text() -> str:
    """Return the heads of no change and of the limit above their columns."""
    head = f"{'no change':>{NONE + 5}}"
    return f"{head:{LIMIT - 2}}limit"


def line_text(places: tuple[float, float, float], mark: str) -> str:
    """Return an interval with its change, and where no change and the limit are."""
    low, effect, high = places
    letters = [" "] * WIDTH
    letters[NONE], letters[LIMIT] = ":", "|"
    first, last = column_of(low), column_of(high)
    for column in range(first, last + 1):
        letters[column] = "-" if letters[column] == " " else "+"
    if low < LOW:
        letters[0] = "<"
    if high > HIGH:
        letters[-1] = ">"
    letters[min(max(column_of(effect), 1), WIDTH - 2)] = mark  # the ends are for what lies beyond
    return "".join(letters)
