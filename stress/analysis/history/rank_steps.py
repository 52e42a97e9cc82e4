# SPDX-License-Identifier: MIT
"""Steps of a series by its ranks: the exact segmentation of normal scores, computed by ``ruptures``.

It is independent of the Potts functional in its data (ranks instead of distances), in how levels are fitted (means
instead of medians) and in its search, so that a step that both find is not an artefact of one of them.
"""

from itertools import pairwise

import numpy as np

from stress.analysis.history.model_selection import Cuts, Floats, select_best

STEP_COST = 1.5  # of a step, in units of log n; chosen by simulation, see tests/test_change_point.py
PRICES = np.geomspace(1, 32, 11)  # candidates, in units of log n
# Points of a segment. With a minimum above one ruptures (1.1.10) drops candidates too early, and its result is no
# longer the optimum (its pull request 383); the price prevents segments of single points.
STRETCH_MIN = 1
SEARCHED_MIN = 4  # points of a segment that is searched
# The scores of a series without ties have a standard deviation of 1. Where most values are equal and a few are not, the
# few must not become levels merely because the others have no noise at all.
NOISE_FLOOR = 0.3
WINDOW_POINTS = 1_000  # searched at once: the search takes quadratic time, and fewer points show a step


def rank_steps(values: Floats, fixed: Cuts) -> Cuts:
    """Return the first points after the steps of a series.

    Args:
        values: on any monotonic scale, shape (points,).
        fixed: steps that are known; each segment between them is fitted separately, but all are ranked together, by
            the distance from the median of their segment.
    """
    points = len(values)
    if points < SEARCHED_MIN or values.min() == values.max():
        return ()
    ends = [0, *fixed, points]
    segments = list(pairwise(ends))
    scores = normal_scores(np.concatenate([values[a:b] - np.median(values[a:b]) for a, b in segments]))
    candidates: list[Cuts] = []
    for price in np.log(points) * PRICES:
        forward = [cut for first, last in segments for cut in find_cuts(scores, first, last, price)]
        # Of two equally good segmentations, of which ranks have many, the search returns the one with earlier steps.
        backward = [
            points - cut
            for first, last in segments
            for cut in find_cuts(scores[::-1], points - last, points - first, price)
        ]
        candidates += [tuple(sorted(cuts)) for cuts in (forward, backward)]
        if not forward:
            break  # a higher price cannot add steps
    return select_best(
        scores,
        [(), *reversed(candidates)],
        lambda first, last: float(scores[first:last].mean()),
        fixed=fixed,
        power=2,
        cost=STEP_COST,
        floor=NOISE_FLOOR,
    )


def normal_scores(values: Floats) -> Floats:
    """Return the quantile of the normal distribution at the rank of each value; equal values have the same."""
    from scipy.special import ndtri  # noqa: PLC0415  # scipy takes 0.5 s to load, and few commands need it
    from scipy.stats import rankdata  # noqa: PLC0415

    return np.asarray(ndtri((rankdata(values) - 0.5) / len(values)), np.float64)


def find_cuts(scores: Floats, first: int, last: int, price: float) -> list[int]:
    """Return the steps between two points, at a price for each step.

    Many points are searched in windows that overlap by half; each window contributes the steps in its middle.
    """
    if last - first <= WINDOW_POINTS:
        return [first + cut for cut in search_window(scores[first:last], price)]
    cuts = set()
    for begin in range(first, last - WINDOW_POINTS // 2, WINDOW_POINTS // 2):
        end = min(begin + WINDOW_POINTS, last)
        low = first if begin == first else begin + WINDOW_POINTS // 4
        high = last if end == last else end - WINDOW_POINTS // 4
        cuts |= {cut for offset in search_window(scores[begin:end], price) if low <= (cut := begin + offset) < high}
    return sorted(cuts)


def search_window(scores: Floats, price: float) -> list[int]:
    """Return the steps of scores that ``ruptures`` finds at a price for each step."""
    from ruptures.detection import KernelCPD  # noqa: PLC0415  # it takes 1 s to load

    if len(scores) < SEARCHED_MIN:
        return []
    return [
        int(end)
        for end in KernelCPD(kernel="linear", min_size=STRETCH_MIN).fit(scores[:, None]).predict(pen=price)[:-1]
    ]
