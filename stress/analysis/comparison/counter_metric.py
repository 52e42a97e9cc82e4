# SPDX-License-Identifier: MIT
"""Kernel counters as metrics: ``counter.TCPTimeouts``, ``counter.TCPTimeouts.per_million``.

A counter's value is by how much it rose during the storms of a run, as the run's acts recorded it. Where an act did not
record it, the run has no value.
"""

from collections.abc import Iterable, Sequence

from stress.analysis.metric import COUNTER_PREFIX, PER_MILLION_SUFFIX, Metric
from stress.model.errors import UsageError
from stress.model.observation import Observation
from stress.model.text import did_you_mean
from stress.model.units import MILLION

LISTED_MAX = 40  # counters that a message names


def value_of(metric: Metric, run: Observation) -> float | None:
    """Return the value of a metric in a stored run; None where the run has none."""
    if not metric.counter:
        return metric.value(run.summary)
    count = run.counters.get(metric.counter)
    if count is None or metric.unit == "":
        return count
    return count * MILLION / run.summary.attempts if run.summary.attempts else None


def refuse_unknown_counters(metrics: Iterable[Metric], runs: Sequence[Observation]) -> None:
    """Raise UsageError for a counter that no run has; the message has those that the runs have."""
    for metric in metrics:
        if not metric.counter or not runs or any(metric.counter in run.counters for run in runs):
            continue
        known = sorted({name for run in runs for name in run.counters})
        rose = sorted({name for run in runs for name, count in run.counters.items() if count})
        listed = ", ".join(rose[:LISTED_MAX]) or "none that rose"
        more = f" and {len(known) - len(rose[:LISTED_MAX])} more" if known else ""
        raise UsageError(
            f"No run has a counter {metric.counter!r}.{did_you_mean(metric.counter, known)} There are "
            f"{listed}{more} ({COUNTER_PREFIX}NAME, or {COUNTER_PREFIX}NAME{PER_MILLION_SUFFIX})."
        )
