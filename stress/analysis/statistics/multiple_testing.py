# SPDX-License-Identifier: MIT
"""Correction of p-values for multiple testing: of many tests without any effect, one in twenty is significant."""

from collections.abc import Sequence

from stress.model.extra import require_package


def holm_correction(ps: Sequence[float]) -> list[float]:
    """Return adjusted p-values: with a probability of at most alpha, one of them is wrongly at most alpha (Holm 1979).

    That holds for any dependence between the tests.
    """
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for smaller, index in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - smaller) * ps[index]))
        adjusted[index] = highest
    return adjusted


def benjamini_hochberg_correction(ps: Sequence[float]) -> list[float]:
    """Return adjusted p-values: of those that are at most alpha, a share of at most alpha is wrong (1995).

    That holds for tests that are independent or positively dependent.
    """
    if not ps:
        return []
    require_package("scipy", "compare", "Comparing runs")
    from scipy.stats import false_discovery_control  # noqa: PLC0415  # it takes 0.6 s, and few commands compare

    return [float(p) for p in false_discovery_control(ps)]
