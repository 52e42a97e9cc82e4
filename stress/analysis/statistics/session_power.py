# SPDX-License-Identifier: MIT
"""Power of sessions: how many more of them would decide whether something changed."""

import math
from bisect import bisect_left

from stress.analysis.statistics.power import POWER, STANDARD_NORMAL
from stress.analysis.statistics.trials import CONFIDENCE_LEVEL
from stress.model.extra import require_package

SESSIONS_MAX = 40  # more sessions of an arm are not practical


def sessions_needed(
    effect: float,
    deviation: float,
    base: int,
    new: int,
    *,
    further: int = 0,
    alpha: float = 1 - CONFIDENCE_LEVEL,
    least: float = 0.0,
    power: float = POWER,
    of_both: bool = False,
) -> int | None:
    """Return how many more sessions would decide, if the change and the deviation are what was measured.

    A change that matters must become significant, and its estimate must stay beyond the smallest one that matters. The
    interval of a smaller change must become narrow enough to lie within it.

    Args:
        effect: the change on the scale on which none is 0, for a ratio its logarithm.
        deviation: standard deviation of the value of one session on that scale.
        base: sessions of the base arm.
        new: sessions of the new arm.
        further: degrees of freedom of the spread of sessions in neither arm.
        alpha: what the p of the change must not exceed; the smallest one of its family.
        least: the smallest change that matters, on the same scale.
        power: with which probability they shall decide.
        of_both: whether sessions of both arms are added, the same number, or new ones alone.

    Returns:
        One at least; None where not even SESSIONS_MAX would.
    """

    def decides(more: int) -> bool:
        """Return whether so many more sessions have the power."""
        arms = (base + more if of_both else base, new + more)
        return decision_power(abs(effect), deviation, arms, further, alpha=alpha, least=least) >= power

    more = bisect_left(range(1, SESSIONS_MAX + 1), True, key=decides) + 1  # noqa: FBT003  # power rises with sessions
    return more if more <= SESSIONS_MAX else None


def decision_power(
    effect: float, deviation: float, arms: tuple[int, int], further: int, *, alpha: float, least: float
) -> float:
    """Return the probability that sessions decide on a change.

    Args:
        effect: its absolute value.
        deviation: of the value of one session.
        arms: sessions of the base arm and of the new one.
        further: degrees of freedom of the spread of sessions in neither arm.
        alpha: what the p of the change must not exceed.
        least: the smallest change that matters.
    """
    require_package("scipy", "compare", "Comparing runs")
    from scipy.special import nctdtr, stdtrit  # noqa: PLC0415  # it takes a third of a second, and few commands compare

    df = sum(arms) - 2 + further
    if df < 1:
        return 0.0
    error = deviation * math.sqrt(1 / arms[0] + 1 / arms[1])
    if effect >= least:
        if error == 0:
            return 0.0 if effect in {0, least} else 1.0
        significant = 1 - float(nctdtr(df, effect / error, stdtrit(df, 1 - alpha / 2)))
        return min(significant, STANDARD_NORMAL.cdf((effect - least) / error)) if least else significant
    if error == 0:
        return 1.0
    reach = float(stdtrit(df, (1 + CONFIDENCE_LEVEL) / 2)) * error
    inside = STANDARD_NORMAL.cdf((least - reach - effect) / error) - STANDARD_NORMAL.cdf(
        (reach - least - effect) / error
    )
    return max(0.0, inside)
