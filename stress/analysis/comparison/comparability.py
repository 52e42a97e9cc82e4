# SPDX-License-Identifier: MIT
"""Whether the runs of two arms differ in nothing else than in what they are compared by."""

from collections.abc import Collection, Iterable, Sequence

from stress.analysis.comparison.dimension import (
    ABSENT,
    EVIDENCE,
    dimension_value,
    dimension_values,
    plan_dimensions,
    short_name,
)
from stress.analysis.comparison.projection import CELL, SCENARIO, Row, abbreviate_values
from stress.model.observation import Observation

# Kinds of differences that the user may allow.
KERNEL, TESTBED, PLAN, SETTINGS = "kernel", "testbed", "plan", "settings"
DIFFERENCE_KINDS = (KERNEL, TESTBED, PLAN, SETTINGS)


def differences(row: Row, cols: Collection[str]) -> dict[str, str]:
    """Return the differences between the columns of a row other than the dimensions of the columns.

    Args:
        row: the columns.
        cols: the dimensions that make the columns.

    Returns:
        The DIFFERENCE_KINDS in which columns differ, each with a text that gives the values of both sides.
    """
    base, *others = row.columns.values()
    texts: dict[str, dict[str, None]] = {}
    for new in others:
        for kind, text in side_differences(base, new, cols):
            texts.setdefault(kind, {})[text] = None
    return {kind: "; ".join(of_kind) for kind, of_kind in texts.items()}


def side_differences(
    base: Sequence[Observation], new: Sequence[Observation], cols: Collection[str]
) -> Iterable[tuple[str, str]]:
    """Yield each difference between two sides as (kind, text)."""
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
    """Return the values of two sides in a dimension in which they differ; ``""`` if they do not."""
    if {dimension_value(run, name) for run in base} == {dimension_value(run, name) for run in new}:
        return ""
    old, now = (abbreviate_values(dimension_values(side, name)) for side in (base, new))
    return f"{short_name(name)} {old} against {now}"


def explain_evidence(rows: Iterable[Row]) -> list[str]:
    """Return a sentence if the causes of some columns were proved by other evidence than those of the base."""
    texts: dict[str, None] = {}
    for row in rows:
        base, *others = row.columns.values()
        for new in others:
            if text := difference_text(base, new, EVIDENCE):
                texts[f"{row.name}: {text}" if row.name else text] = None
    if not texts:
        return []
    return [f"causes were not proved by the same evidence ({abbreviate(list(texts))}): what is unknown may differ"]


def explain_refusals(rows: Iterable[Row], cols: Collection[str], allowed: Collection[str]) -> list[str]:
    """Return why rows cannot be compared: one sentence per kind of difference that the user has not allowed."""
    return [
        f"{difference_sentence(kind, texts)}; name it with --allow-diff {kind} to compare them."
        for kind, texts in differences_by_kind(rows, cols).items()
        if kind not in allowed
    ]


def difference_sentence(kind: str, texts: Sequence[str]) -> str:
    """Return in what arms differ, without a full stop."""
    return f"The arms differ in their {kind} ({abbreviate(texts)})"


def differences_by_kind(rows: Iterable[Row], cols: Collection[str]) -> dict[str, list[str]]:
    """Return the differences between the columns of rows, as ``differences``, each text with its row."""
    texts: dict[str, dict[str, None]] = {}
    for row in rows:
        if len(row.columns) > 1:
            for kind, text in differences(row, cols).items():
                texts.setdefault(kind, {})[f"{row.name}: {text}" if row.name else text] = None
    return {kind: list(of_kind) for kind, of_kind in texts.items()}


def abbreviate(texts: Sequence[str]) -> str:
    """Return the first two of some texts, and how many more there are."""
    more = f"; and {len(texts) - 2} more" if len(texts) > 2 else ""
    return "; ".join(texts[:2]) + more
