# SPDX-License-Identifier: MIT
"""The share that a function has of the change of the clients' loop, with its interval (Fieller 1954)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stress.analysis.statistics.session_tail import Design, critical_value
from stress.analysis.statistics.trials import CONFIDENCE_LEVEL
from stress.profile.change import Change, Floats, counting_variance, unit_means
from stress.profile.sampled_storm import Arms, SampledStorm


@dataclass(frozen=True)
class LoopShare:
    """A share of the loop's change, and its 95 % interval; below 0 where the function changed against the loop."""

    value: float
    low: float
    high: float


def loop_share(arms: Arms, name: str, measured: Change) -> LoopShare | None:
    """Return the share of a function; None where it is not sure that the loop changed.

    The clients' loops do not wait for what the server does on other CPUs, so it is that of the client's part. A share
    is in the interval if the change of the function, less that share of the loop's change, is not surely other than 0:
    trials that are slow in both do not make it wider.

    Args:
        arms: base and new.
        name: of the function.
        measured: the change of the clients' loops.
    """
    if not measured.is_sure:
        return None

    def samples(storm: SampledStorm) -> int:
        return storm.client_counts[name]

    functions = unit_means(arms, lambda storm: storm.ns * samples(storm))
    loops = unit_means(arms, lambda storm: storm.measured_ns)
    design = Design(functions[0].size, functions[1].size)
    scale = (1 / design.base + 1 / design.new) / design.df
    function_variance = max(scale * products(functions, functions), counting_variance(arms, samples))
    loop_variance, covariance = scale * products(loops, loops), scale * products(functions, loops)
    function_ns, loop_change_ns = (float(new.mean() - base.mean()) for base, new in (functions, loops))
    # The ends solve (function - share * loop)² = critical² * variance(function - share * loop). The first coefficient
    # is above 0 just where the change of the loop is sure.
    squared = critical_value(design, CONFIDENCE_LEVEL) ** 2
    first = loop_change_ns**2 - squared * loop_variance
    half = function_ns * loop_change_ns - squared * covariance
    last = function_ns**2 - squared * function_variance
    reach = math.sqrt(max(half**2 - first * last, 0.0))
    return LoopShare(function_ns / loop_change_ns, (half - reach) / first, (half + reach) / first)


def products(one: Sequence[Floats], other: Sequence[Floats]) -> float:
    """Return the sum over both arms of the products of two values' deviations from the means of their arms."""
    return sum(float(((a - a.mean()) * (b - b.mean())).sum()) for a, b in zip(one, other, strict=True))
