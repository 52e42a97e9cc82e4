# SPDX-License-Identifier: MIT
"""Which of the kernel's counters rose along with a cause, or with attempts that had to wait.

The counters of a cause are those that the equations of its rules name; of attempts that were sent again or came late,
those of timeouts, resends, challenge ACKs and dropped SYNs.
"""

import re
from collections.abc import Iterable, Sequence

from stress.analysis.attribution.rules.table import RULES
from stress.analysis.comparison.arm_pair import ArmPair, values_by_key
from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.analysis.metric import BAND_PREFIX, CAUSE_PREFIX, COUNTER_PREFIX, PER_MILLION_SUFFIX, find_metric
from stress.analysis.statistics.trials import SURE_LEVEL, median_interval
from stress.model.text import join_words

WAITING = ("retries_per_million", "late_per_million", "errors_per_million", "retransmits")
COUNTERS_OF_WAITING = (
    "TCPTimeouts",
    "TCPSynRetrans",
    "TCPSYNChallenge",
    "ListenDrops",
    "ListenOverflows",
    "TCPReqQFullDrop",
)
NAME = re.compile(r"\w+")


def counters_of(metric: str) -> list[str]:
    """Return the counters that may explain a metric; none for times, rates and counters themselves."""
    if metric in WAITING or metric.startswith(BAND_PREFIX):
        return list(COUNTERS_OF_WAITING)
    if not metric.startswith(CAUSE_PREFIX):
        return []
    cause = metric.removeprefix(CAUSE_PREFIX).partition(".")[0]
    equations = " ".join(rule.equation for rule in RULES if rule.cause == cause)
    return list(dict.fromkeys(NAME.findall(equations)))  # words that are no counter are none of any run


def describe_moved_counters(comparisons: Iterable[Comparison], pairs: Sequence[ArmPair]) -> list[str]:
    """Return a sentence for each pair in which a cause or waiting attempts regressed and counters rose along."""
    by_name = {(pair.row, pair.base, pair.new): pair for pair in pairs}
    regressed = [comparison for comparison in comparisons if comparison.verdict is Verdict.REGRESSED]
    return describe_rises((by_name[one.row, one.base, one.new], one.metric) for one in regressed)


def describe_rises(regressed: Iterable[tuple[ArmPair, str]]) -> list[str]:
    """Return a sentence for each pair whose counters rose along with the metrics that regressed in it.

    A counter is named when the intervals of its medians over trials lie apart.
    """
    pairs: dict[tuple[str, str, str], ArmPair] = {}
    counters: dict[tuple[str, str, str], dict[str, None]] = {}
    for pair, metric in regressed:
        key = pair.row, pair.base, pair.new
        pairs[key] = pair
        counters.setdefault(key, {}).update(dict.fromkeys(counters_of(metric)))
    sentences = []
    for key, pair in pairs.items():
        texts = [text for counter in counters[key] if (text := rise_text(pair, counter))]
        if texts:
            where = f"{pair.row}: " if pair.row else ""
            sentences.append(
                f"{where}counters that rose with what regressed, per million attempts: {join_words(texts)}"
            )
    return sentences


def rise_text(pair: ArmPair, counter: str) -> str:
    """Return by how much a counter rose per million attempts: ``'TCPTimeouts +1,200'``; ``''`` if that is not sure."""
    metric = find_metric(f"{COUNTER_PREFIX}{counter}{PER_MILLION_SUFFIX}")
    sides = (median_interval(list(values_by_key(runs, metric).values())) for runs in (pair.base_runs, pair.new_runs))
    base, new = sides
    if base is None or new is None or min(base.level, new.level) < SURE_LEVEL or new.low <= base.high:
        return ""
    return f"{counter} +{new.median - base.median:,.0f}"
