# SPDX-License-Identifier: MIT
"""Metrics: the numbers of a run that can be compared, each with its name, unit and direction."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.outcome import OUTCOMES
from stress.model.errors import UsageError
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Summary
from stress.model.text import closest_match, join_words
from stress.model.units import MILLION, SECOND_NS

LATE_NS = SECOND_NS // 2  # below every timeout of the SYN timer, above the resend after a challenge ACK
# The outcomes of attempts that did not connect.
ERROR_OUTCOMES = [outcome for outcome in OUTCOMES if outcome not in (Outcome.CONNECTED, Outcome.RETRIED)]


@dataclass(frozen=True)
class Metric:
    """A number that can be read from a summary.

    Attributes:
        name: as gates and tables show it.
        unit: ``ns``, ``/s``, ``per million`` or ``""`` for a count.
        better: which direction is an improvement; None: neither.
        value: reads it from a summary; returns None where the run has no value.
        counter: name of the kernel's counter that it is, which no summary has; "" for all other metrics.
    """

    name: str
    unit: str
    better: Literal["lower", "higher"] | None
    value: Callable[[Summary], float | None]
    counter: str = ""


def per_million(count: int, summary: Summary) -> float | None:
    """Return a count as a rate per million attempts."""
    return count * MILLION / summary.attempts if summary.attempts else None


def error_count(summary: Summary) -> int:
    """Return how many attempts did not connect."""
    return sum(summary.outcomes.get(outcome, 0) for outcome in ERROR_OUTCOMES)


def late_count(summary: Summary) -> int:
    """Return how many attempts connected only after at least one timeout of the SYN timer."""
    return sum(band.count for band in summary.bands if band.from_ns >= LATE_NS)


def count_unbalanced(summary: Summary) -> int | None:
    """Return how many claims of the books do not hold; None for a run without books."""
    return sum(not claim.balanced for claim in summary.books) if summary.books else None


def quantile_reader(field: str) -> Callable[[Summary], float | None]:
    """Return a reader of a percentile of the body."""
    return lambda summary: getattr(summary.body, field)


def outcome_reader(outcome: str) -> Callable[[Summary], float | None]:
    """Return a reader of how many attempts had an outcome."""
    return lambda summary: summary.outcomes.get(outcome, 0)


def cause_reader(cause: str) -> Callable[[Summary], float | None]:
    """Return a reader of how many attempts had a cause."""
    return lambda summary: summary.causes.get(cause, 0)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("rate", "/s", "higher", lambda summary: summary.rate_per_s),
        Metric("duration", "ns", "lower", lambda summary: summary.duration_s * SECOND_NS),
        *(
            Metric(f"body.{name}", "ns", "lower", quantile_reader(f"{name}_ns"))
            for name in ("p50", "p90", "p99", "p999", "max")
        ),
        Metric(
            "retries_per_million",
            "per million",
            "lower",
            lambda summary: per_million(summary.outcomes.get(Outcome.RETRIED, 0), summary),
        ),
        Metric("late_per_million", "per million", "lower", lambda summary: per_million(late_count(summary), summary)),
        Metric(
            "errors_per_million", "per million", "lower", lambda summary: per_million(error_count(summary), summary)
        ),
        Metric("errors", "", "lower", error_count),
        Metric("collisions", "", "lower", lambda summary: summary.collisions),
        Metric("retransmits", "", "lower", lambda summary: summary.retransmits),
        Metric("mines.left", "", "lower", lambda summary: summary.mines.left),
        Metric("unbalanced", "", "lower", count_unbalanced),
        *(
            Metric(
                f"outcome.{outcome}", "", "higher" if outcome is Outcome.CONNECTED else "lower", outcome_reader(outcome)
            )
            for outcome in OUTCOMES
        ),
        *(
            Metric(f"cause.{cause}", "", "higher" if cause is Cause.NONE else "lower", cause_reader(cause))
            for cause in CAUSES
        ),
    )
}


BAND_PATTERN = re.compile(r"band\.(\d+(\.\d+)?s|2jiffies|offtheladder)")
COUNTER_PATTERN = re.compile(r"counter\.([\w ]+?)(\.per_million)?")
BOUND_PATTERN = re.compile(r"(cause\.(?!(?:none|unknown)\.)\w+)\.(?:at_least|at_most)")
CAUSE_PREFIX = "cause."
COUNTER_PREFIX = "counter."
# Counters of what went wrong: fewer are better. Whether more of another counter is better, nobody can say.
FAULT_COUNTERS = frozenset(
    {
        "AttemptFails",
        "EmbryonicRsts",
        "InCsumErrors",
        "InErrs",
        "ListenDrops",
        "ListenOverflows",
        "RetransSegs",
        "SyncookiesFailed",
        "TCPAbortOnMemory",
        "TCPAbortOnTimeout",
        "TCPBacklogDrop",
        "TCPReqQFullDrop",
        "TCPSYNChallenge",
        "TCPSynRetrans",
        "TCPTimeouts",
    }
)
BAND_PREFIX = "band."  # followed by the rung: band.1s, band.2jiffies
PER_MILLION_SUFFIX = ".per_million"  # after a count: cause.closewait.per_million


def band_name(label: str) -> str:
    """Return the metric of a band: how many retried attempts per million ended in it."""
    return BAND_PREFIX + label.replace(" ", "")


def band_metric(name: str) -> Metric:
    """Return the metric of a band; its value is 0 on a kernel whose ladder has no such rung."""

    def value(summary: Summary) -> float | None:
        count = sum(band.count for band in summary.bands if band_name(band.label) == name)
        return per_million(count, summary)

    return Metric(name, "per million", "lower", value)


def rate_metric(name: str) -> Metric:
    """Return the metric of a count as a rate per million attempts."""
    count = METRICS[name.removesuffix(PER_MILLION_SUFFIX)]

    def value(summary: Summary) -> float | None:
        number = count.value(summary)
        return None if number is None else per_million(int(number), summary)

    return Metric(name, "per million", count.better, value)


def bound_metric(name: str) -> Metric:
    """Return the metric of one end of how many attempts a cause explains.

    At least those that are named and the lower bounds; at most those that are named, the upper bounds, and the unknown
    attempts that no bound of this cause is about: nobody can say that it is not their cause.
    """
    cause, _, end = name.removeprefix(CAUSE_PREFIX).rpartition(".")

    def value(summary: Summary) -> float | None:
        bounds = [bound for bound in summary.bounds if bound.cause == cause]
        named = summary.causes.get(cause, 0)
        if end == "at_least":
            return named + sum(bound.at_least for bound in bounds)
        others = summary.causes.get(Cause.UNKNOWN, 0) - sum(bound.of for bound in bounds)
        return named + sum(bound.at_most for bound in bounds) + max(others, 0)

    return Metric(name, "", METRICS[f"{CAUSE_PREFIX}{cause}"].better, value)


def counter_metric(name: str, counter: str) -> Metric:
    """Return the metric of a counter of the kernel, which may be one that no run has: ``refuse_unknown_counters``."""
    unit = "per million" if name.endswith(PER_MILLION_SUFFIX) else ""
    return Metric(name, unit, "lower" if counter in FAULT_COUNTERS else None, lambda _: None, counter)


def find_metric(name: str) -> Metric:
    """Return a metric by name.

    It is one of METRICS, a band (``band.1s``), a count as a rate (``errors.per_million``), an end of the interval of a
    cause (``cause.accept_queue.at_least``, ``cause.accept_queue.at_most``), or a counter of the kernel
    (``counter.TCPTimeouts``, ``counter.TCPTimeouts.per_million``).

    Raises:
        UsageError: there is no metric of that name.
    """
    if name in METRICS:
        return METRICS[name]
    if BAND_PATTERN.fullmatch(name):
        return band_metric(name)
    if (match := BOUND_PATTERN.fullmatch(name)) and match[1] in METRICS:
        return bound_metric(name)
    if match := COUNTER_PATTERN.fullmatch(name):
        return counter_metric(name, match[1])
    counted = METRICS.get(name.removesuffix(PER_MILLION_SUFFIX))
    if name.endswith(PER_MILLION_SUFFIX) and counted is not None and counted.unit == "":
        return rate_metric(name)
    all_names = ", ".join(METRICS)
    raise UsageError(f"There is no metric {name!r}; {suggest_metric(name) or f'there are {all_names}.'}")


def suggest_metric(name: str) -> str:
    """Return ``did you mean …?`` with the metrics whose names end so, or one that is spelled alike, or ``""``.

    ``p50`` ends ``body.p50``, as ``p99.9`` and ``retries per million``, in which tables write them, end others.
    """
    word = plain_letters(name)
    ends = [
        known for known in METRICS if word and word in (plain_letters(known), plain_letters(known.rpartition(".")[2]))
    ]
    close = ends or list(filter(None, [closest_match(name, METRICS)]))
    return f"did you mean {join_words(close, 'or')}?" if close else ""


def plain_letters(name: str) -> str:
    """Return the letters and digits of a name."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
