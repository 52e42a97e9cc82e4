# SPDX-License-Identifier: MIT
"""Comparable: whether runs of two arms differ in nothing but what they are compared by."""

from collections.abc import Collection, Iterable, Sequence

from stress.analysis.comparison.dimension import ABSENT, dimension_value, dimension_values, plan_dimensions, short_name
from stress.analysis.comparison.projection import CELL, SCENARIO, Row, abbreviate_values
from stress.model.observation import Observation

# What arms may differ in if the user says so: kinds of differences.
KERNEL, TESTBED, PLAN, SETTINGS = "kernel", "testbed", "plan", "settings"
DIFFERENCE_KINDS = (KERNEL, TESTBED, PLAN, SETTINGS)


def differences(row: Row, cols: Collection[str]) -> dict[str, str]:
    """Return what sets the columns of a row apart besides what they are columns of, by kind, in words.

    Args:
        row: its columns.
        cols: the dimensions that make the columns.

    Returns:
        Of ``KINDS`` those in which columns differ, with the values of each side.
    """
    base, *others = row.columns.values()
    found: dict[str, dict[str, None]] = {}
    for new in others:
        for kind, sentence in side_differences(base, new, cols):
            found.setdefault(kind, {})[sentence] = None
    return {kind: "; ".join(sentences) for kind, sentences in found.items()}


def side_differences(
    base: Sequence[Observation], new: Sequence[Observation], cols: Collection[str]
) -> Iterable[tuple[str, str]]:
    """Yield each difference of two sides with its kind."""
    both = [*base, *new]
    for kind in (KERNEL, TESTBED):
        if kind not in cols and difference_text(base, new, kind):
            yield kind, difference_text(base, new, kind)
    if not {CELL, SCENARIO} & set(cols):
        for name in plan_dimensions(both):
            if name not in cols and difference_text(base, new, name):
                yield PLAN, difference_text(base, new, name)
    if not difference_text(base, new, KERNEL):  # another kernel has other defaults: that is a difference of kernels
        explained = {*cols, *plan_dimensions(both)}
        for name in sorted({name for run in both for name in run.settings} - explained):
            if difference_text(base, new, name) and ABSENT not in dimension_values(both, name):
                yield SETTINGS, difference_text(base, new, name)


def difference_text(base: Sequence[Observation], new: Sequence[Observation], name: str) -> str:
    """Return how two sides differ in a dimension; ``""`` if they do not."""
    if {dimension_value(run, name) for run in base} == {dimension_value(run, name) for run in new}:
        return ""
    old, now = (abbreviate_values(dimension_values(side, name)) for side in (base, new))
    return f"{short_name(name)} {old} against {now}"


def explain_refusals(rows: Iterable[Row], cols: Collection[str], allowed: Collection[str]) -> list[str]:
    """Return why rows cannot be compared: one sentence a kind of difference that the user has not allowed."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        if len(row.columns) > 1:
            for kind, sentence in differences(row, cols).items():
                if kind not in allowed:
                    found.setdefault(kind, {})[f"{row.name}: {sentence}" if row.name else sentence] = None
    return [
        f"The arms differ in their {kind} ({abbreviate(list(there))}); "
        f"name it with --allow-diff {kind} to compare them."
        for kind, there in found.items()
    ]


def abbreviate(sentences: Sequence[str]) -> str:
    """Return the first two of some sentences."""
    more = f"; and {len(sentences) - 2} more" if len(sentences) > 2 else ""
    return "; ".join(sentences[:2]) + more
