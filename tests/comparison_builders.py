# SPDX-License-Identifier: MIT
"""Comparisons for tests, decided by the real rule, with numbers that look like those of a machine."""

import numpy as np

from stress.analysis.comparison.compare import compare_values, decide, default_threshold
from stress.analysis.comparison.verdict import Unit
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import median_interval

GATING = ("rate", "body.p50", "body.p99", "retries_per_million", "errors_per_million")
EXPLORED = ("duration", "body.p90", "band.1s", "cause.closewait", "cause.unknown", "outcome.refused", "mines.left")
# The usual value of each metric and the spread of its logarithm.
USUAL = {
    "rate": (43_000, 0.02),
    "duration": (1.2e9, 0.02),
    "body.p50": (11_400, 0.01),
    "body.p90": (14_200, 0.02),
    "body.p99": (18_100, 0.06),
    "retries_per_million": (17_700, 0.004),
    "cause.closewait": (500, 0.004),
}


def compared(row, name, base, new, *, gating=True, paired=True, labels=("v6.12", "v6.18"), threshold=None):
    """Return the comparison of two lists of values, a block each."""
    one, other = dict(enumerate(base)), dict(enumerate(new))
    least = (
        default_threshold(find_metric(name), median_interval(base), attempts=28_232) if threshold is None else threshold
    )
    unit = Unit.BLOCK if paired else Unit.TRIAL
    return compare_values(row, *labels, find_metric(name), one, other, unit=unit, threshold=least, gating=gating)


def arm(rng, name, factor, trials):
    """Return the values of an arm: noise around what is usual times a factor, whole numbers where it counts."""
    usual, spread = USUAL.get(name, (0, 0))
    values = usual * factor * rng.lognormal(0, spread, trials)
    return [float(value) if find_metric(name).unit in ("ns", "/s") else float(round(value)) for value in values]


def made_up(rows=("closewait", "clean", "rst-dropped"), *, trials=12, seed=5, factors=None, **options):
    """Return decided comparisons of some rows; ``factors`` are of the new arm by (row, metric)."""
    rng = np.random.default_rng(seed)
    factors = factors or {
        ("closewait", "body.p99"): 1.6,
        ("closewait", "retries_per_million"): 1.5,
        ("clean", "rate"): 1.2,
        ("rst-dropped", "body.p50"): 1.03,
    }
    comparisons = []
    for row in rows:
        for name in (*GATING, *EXPLORED):
            base, new = arm(rng, name, 1, trials), arm(rng, name, factors.get((row, name), 1), trials)
            if row == "rst-dropped" and name == "body.p90":
                new = []
            comparisons.append(compared(row, name, base, new, gating=name in GATING, **options))
    return decide(comparisons)
