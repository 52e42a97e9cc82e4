# SPDX-License-Identifier: MIT
"""Correction of p-values: of many tests of nothing, one in twenty finds something."""

from collections.abc import Sequence


def holm_correction(ps: Sequence[float]) -> list[float]:
    """Return the p-values adjusted so that one of them is wrongly at most alpha with a chance of alpha (Holm 1979).

    That holds however the tests depend on each other.
    """
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for before, place in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - before) * ps[place]))
        adjusted[place] = highest
    return adjusted


def benjamini_hochberg_correction(ps: Sequence[float]) -> list[float]:
    """Return the p-values adjusted so that of those at most alpha a share of alpha is wrong (1995).

    That holds for tests that are independent or positively dependent.
    """
    if not ps:
        return []
    from scipy.stats import false_discovery_control  # noqa: PLC0415  # it takes 0.6 s, and few commands compare

    return [float(p) for p in false_discovery_control(ps)]
