# SPDX-License-Identifier: MIT
"""Steps of a series by its ranks: the exact segmentation of normal scores, which ``ruptures`` finds.

It is independent of the Potts functional in what it looks at (order in place of distance), in how levels are fitted
(means in place of medians) and in how it searches, so that what both find is no artefact of one.
"""

from itertools import pairwise

import numpy as np

from stress.analysis.history.model_selection import Cuts, Floats, select_best

STEP_COST = 1.5  # of a step, in units of log n; chosen by simulation, see tests/test_change_point.py
PRICES = np.geomspace(1, 32, 11)  # that are tried, in units of log n
# Points of a stretch. With a minimum above one ruptures (1.1.10) drops candidates too early, and what it finds is no
# longer the best (its pull request 383); the price sees to it that single points are not worth a stretch.
STRETCH_MIN = 1
SEARCHED_MIN = 4  # points of a stretch that is searched
# Of scores of an even series the standard deviation is 1; where most values are alike and few are not, the few must
# not become levels merely because the others have no noise at all.
NOISE_FLOOR = 0.3
WINDOW_POINTS = (
    1_000  # points that are searched together: the search takes time by their square, and a step shows in fewer
)


def rank_steps(values: Floats, fixed: Cuts) -> Cuts:
    """Return the first points after the steps of a series.

    Args:
        values: on any scale that keeps their order, shape (points,).
        fixed: steps that are known; each stretch between them is fitted by itself, and all are ranked together, each
            by the distance from its median.
    """
    points = len(values)
    if points < SEARCHED_MIN or values.min() == values.max():
        return ()
    ends = [0, *fixed, points]
    stretches = list(pairwise(ends))
    scores = normal_scores(np.concatenate([values[a:b] - np.median(values[a:b]) for a, b in stretches]))
    candidates: list[Cuts] = []
    for price in np.log(points) * PRICES:
        forth = [cut for first, last in stretches for cut in find_cuts(scores, first, last, price)]
        # Of two segmentations that are as good, and ranks have many such, the search returns the one of earlier steps.
        back = [
            points - cut
            for first, last in stretches
            for cut in find_cuts(scores[::-1], points - last, points - first, price)
        ]
        candidates += [tuple(sorted(each)) for each in (forth, back)]
        if not forth:
            break  # dearer steps would be no more of them
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
    """Return for each value the quantile of the normal distribution at its rank; equal values share theirs."""
    from scipy.special import ndtri  # noqa: PLC0415  # scipy takes 0.5 s to load, and few commands need it
    from scipy.stats import rankdata  # noqa: PLC0415

    return np.asarray(ndtri((rankdata(values) - 0.5) / len(values)), np.float64)


def find_cuts(scores: Floats, first: int, last: int, price: float) -> list[int]:
    """Return the steps between two points, each of which costs a price.

    Many points are searched in windows that overlap by half, each of which tells of the middle of it.
    """
    if last - first <= WINDOW_POINTS:
        return [first + cut for cut in search_window(scores[first:last], price)]
    found = set()
    for begin in range(first, last - WINDOW_POINTS // 2, WINDOW_POINTS // 2):
        end = min(begin + WINDOW_POINTS, last)
        low = first if begin == first else begin + WINDOW_POINTS // 4
        high = last if end == last else end - WINDOW_POINTS // 4
        found |= {cut for each in search_window(scores[begin:end], price) if low <= (cut := begin + each) < high}
    return sorted(found)


def search_window(scores: Floats, price: float) -> list[int]:
    """Return the steps of scores, each of which costs a price, as ``ruptures`` finds them."""
    from ruptures.detection import KernelCPD  # noqa: PLC0415  # it takes 1 s to load

    if len(scores) < SEARCHED_MIN:
        return []
    return [
        int(end)
        for end in KernelCPD(kernel="linear", min_size=STRETCH_MIN).fit(scores[:, None]).predict(pen=price)[:-1]
    ]
