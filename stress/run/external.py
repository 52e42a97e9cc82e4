# SPDX-License-Identifier: MIT
"""Several storms of one kind against one external server, and their values together. Imports no numpy."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import msgspec

from stress.model.errors import UsageError
from stress.model.plan import EXTERNAL_SCENARIO, Plan
from stress.model.units import SECOND_NS
from stress.run import external_text
from stress.run.external_call import Answer, call_external_storm

TIMES = ("body.p50", "body.p90", "body.p99", "body.p999", "body.max", "duration")  # metrics that are times
PER_MILLION = ("retries_per_million", "late_per_million", "errors_per_million")
LIMITS = {"trials": 1000, "attempts": 1_000_000, "duration_s": 300, "deadline_s": 150}
LOCALHOST, UNSPECIFIED = "localhost", "0.0.0.0"  # noqa: S104  # "" stands for every address as well
OPTIONS = ("close", "ports", "window", "warmup", "linger2_s", "seed", "workers", "pin", "sysctls", "evidence")


@dataclass(frozen=True, repr=False)
class ExternalStorms:
    """Storms of one kind against one server. As a text it is a summary of ten lines at most.

    Attributes:
        answers: one per storm.
        metric: name of the time that is benchmarked.
    """

    answers: list[Answer]
    metric: str

    def __repr__(self) -> str:
        return "\n".join(external_text.summary_lines(self.answers, self.metric, self.values))

    def with_metric(self, metric: str) -> "ExternalStorms":
        """Return the same storms with another time to look at.

        Raises:
            UsageError: it is not a time.
        """
        refuse_metric(metric)
        return ExternalStorms(self.answers, metric)

    @property
    def values(self) -> list[float | None]:
        """The metric of each storm (ns); None where a storm has no value."""
        return self.of(self.metric)

    def of(self, metric: str) -> list[float | None]:
        """Return any metric of each storm, in its unit; 0 for a band that no storm has.

        Raises:
            UsageError: there is none of that name.
        """
        known = self.answers[0].values
        if metric not in known:
            raise UsageError(f"There is no metric {metric!r}; there are {', '.join(known)}.")
        return [answer.values[metric].value for answer in self.answers]

    def total(self, metric: str) -> float:
        """Return the sum of a count over all storms: ``errors``, ``outcome.retried``, ``cause.accept_queue``."""
        return sum(value or 0 for value in self.of(metric))

    def times_s(self) -> list[float]:
        """Return the metric of each storm (s).

        Raises:
            UsageError: a storm has none.
        """
        values_s = [value / SECOND_NS for value in self.values if value is not None]
        if len(values_s) < len(self.answers):
            outcomes = external_text.sum_counts(answer.summary.outcomes for answer in self.answers)
            counted = ", ".join(f"{count:,} {name}" for name, count in outcomes.items())
            raise UsageError(
                f"{self.metric} has no value in {len(self.answers) - len(values_s)} of {len(self.answers)} trials, for "
                f"no attempt connected at once; in all {counted}."
            )
        return values_s

    def extra_info(self) -> dict[str, Any]:
        """Return what is worth storing alongside the times."""
        summaries = [answer.summary for answer in self.answers]
        return {
            "metric": self.metric,
            "attempts": sum(summary.attempts for summary in summaries),
            "outcomes": external_text.sum_counts(summary.outcomes for summary in summaries),
            "evidence": "+".join(sorted({answer.evidence.value for answer in self.answers})),
            "causes": external_text.sum_counts(summary.causes for summary in summaries),
            "counters": external_text.sum_counts(answer.counters for answer in self.answers),
            "median_over_trials": {
                name: statistics.median(value or 0.0 for value in self.of(name)) for name in ("rate", *PER_MILLION)
            },
            "warnings": list(dict.fromkeys(warning for summary in summaries for warning in summary.warnings)),
        }


def run_external_storms(plan: Plan, count: int, metric: str) -> ExternalStorms:
    """Storm a server ``count`` times, each time in a fresh process.

    Raises:
        UsageError, LabError: a storm's own.
    """
    return ExternalStorms([call_external_storm(plan) for _ in range(count)], metric)


def refuse_metric(metric: str) -> None:
    """Raise UsageError for a metric that is no time: a benchmark takes times only."""
    if metric not in TIMES:
        raise UsageError(
            f"{metric} is no time that can be benchmarked, as {', '.join(TIMES)} are; what storm() returns has the "
            "other metrics, and extra_info has counts."
        )


def external_plan(address: tuple[Any, ...], chosen: Mapping[str, Any], options: Mapping[str, Any]) -> Plan:
    """Return the plan of a storm against an address.

    Args:
        address: as a socket's getsockname(): of the loopback, or of every address.
        chosen: attempts, rate_per_s, duration_s, deadline_s.
        options: other fields of a plan, those of OPTIONS.

    Raises:
        UsageError: an unknown option, an invalid value, or an address that is not the loopback's.
    """
    if not isinstance(address, tuple | list):
        raise UsageError(f"{address!r} is no address of a server; give its socket's getsockname(), or a Plan.")
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise UsageError(f"There is no option {unknown[0]!r}; there are {', '.join((*chosen, *OPTIONS))}.")
    for name, value in chosen.items():
        refuse_excess(name, value)
    refuse_distance(str(address[0]))
    host = str(address[0])
    base = Plan(scenario=EXTERNAL_SCENARIO).with_family(6 if ":" in host else 4).on_host()
    fields = msgspec.structs.asdict(base) | {"target": host, "target_port": address[1]}
    try:
        return msgspec.convert(fields | dict(chosen) | dict(options), Plan)
    except msgspec.ValidationError as error:
        raise UsageError(f"{error}.") from error


def refuse_distance(host: str) -> None:
    """Raise UsageError for a host other than the loopback: a test suite starts its server on its own machine."""
    try:
        address = ip_address(host or UNSPECIFIED)
    except ValueError:
        near = host == LOCALHOST
    else:
        address = getattr(address, "ipv4_mapped", None) or address
        near = address.is_loopback or address.is_unspecified
    if not near:
        raise UsageError(
            f"{host} is not the loopback of this machine, where a storm of a test suite goes only; for another address "
            "of this machine there is connstorm run clean --against."
        )


def refuse_excess(name: str, value: object) -> None:
    """Raise UsageError for what is no number, or one outside of the range for storms in a test suite."""
    if name not in LIMITS:
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= LIMITS[name]:  # type: ignore[operator]  # a number, as was just seen
        raise UsageError(f"{name} must be above 0 and at most {LIMITS[name]:,}, not {value!r}.")
    if name == "trials" and not isinstance(value, int):  # the others are fields of a plan, which has their types
        raise UsageError(f"{name} must be a whole number, not {value!r}.")


def refuse_options(options: Mapping[str, Any]) -> None:
    """Raise UsageError if there are options next to a whole plan, which takes none."""
    if options:
        raise UsageError(f"A whole plan takes no options; set {', '.join(options)} in the plan.")
