# SPDX-License-Identifier: MIT
"""The comparisons of pairs of arms in many metrics, corrected together."""

from collections.abc import Sequence

from stress.analysis.comparison.arm_pair import ArmPair, pair_threshold
from stress.analysis.comparison.compare import compare_values, decide
from stress.analysis.comparison.metric_family import SURVEYED_METRICS
from stress.analysis.comparison.quiet import held_by_busy
from stress.analysis.comparison.session_spread import one_session_each, pair_spread
from stress.analysis.comparison.verdict import Comparison
from stress.analysis.metric import Metric
from stress.model.calibration import Calibration
from stress.model.observation import Observation


def compare_pairs(
    pairs: Sequence[ArmPair],
    metrics: Sequence[tuple[Metric, bool]],
    calibration: Calibration | None = None,
    others: Sequence[Observation] = (),
) -> list[Comparison]:
    """Return the comparison of each pair in each metric, corrected for all the tests together.

    Where nothing gates it is a survey, as of the cells of a suite: SURVEYED_METRICS are corrected by themselves, so
    that the verdicts are those of the suite's table.

    Args:
        pairs: what is compared.
        metrics: the metrics, each with whether it gates.
        calibration: of the machine that the runs are from.
        others: runs that say how far sessions differ; those that are not comparable, or are compared, say nothing.
    """
    wanted = [(pair, metric, gating) for pair in pairs for metric, gating in metrics]
    spreads = [pair_spread(pair, metric, calibration, others) for pair, metric, _ in wanted]
    made = [
        compare_values(
            pair.row,
            pair.base,
            pair.new,
            metric,
            *pair.values(metric),
            unit=pair.unit(metric),
            threshold=pair_threshold(pair, metric, calibration),
            gating=gating,
            held_back=held_by_busy(pair, metric) or one_session_each(pair, metric, spread),
            spread=spread,
        )
        for (pair, metric, gating), spread in zip(wanted, spreads, strict=True)
    ]
    if any(comparison.gating for comparison in made):
        return decide(made)
    surveyed = [comparison for comparison in made if comparison.metric in SURVEYED_METRICS]
    return [*decide(surveyed), *decide([one for one in made if one.metric not in SURVEYED_METRICS])]
