# SPDX-License-Identifier: MIT
"""The process that storms an external server: a plan on standard input, an answer on standard output."""

import signal
import sys

import msgspec

from stress.analysis.attribution.summary import analyse
from stress.analysis.metric import METRICS, PER_MILLION_SUFFIX, Metric, band_name, find_metric
from stress.lab.pdeathsig import die_with_parent
from stress.model.errors import ConnstormError
from stress.model.run import Run
from stress.model.summary import Summary
from stress.run.external_call import Answer, Refusal, Value
from stress.run.protocol import decode_plan
from stress.storm.external_storm import storm_external_server


def main() -> None:
    """Carry out the plan on standard input."""
    die_with_parent(signal.SIGKILL)
    try:
        plan = decode_plan(sys.stdin.buffer.read())
        answer: Answer | Refusal = make_answer(storm_external_server(plan)[0])
    except ConnstormError as error:
        answer = Refusal(str(error), type(error).__name__)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def make_answer(run: Run) -> Answer:
    """Return the answer that summarises a run."""
    summary = analyse(run).summary
    (act,) = run.record.acts
    return Answer(
        summary=summary,
        values={metric.name: Value(metric.value(summary), metric.unit) for metric in list_metrics(summary)},
        counters={name: count for name, count in act.counters.items() if count},
        host=run.record.host,
        evidence=act.evidence,
        interrupted=run.record.interrupted,
    )


def list_metrics(summary: Summary) -> list[Metric]:
    """Return all metrics of a summary: those with a name of their own, counts as rates, and its bands."""
    rates = [find_metric(f"{name}{PER_MILLION_SUFFIX}") for name, metric in METRICS.items() if metric.unit == ""]
    return [*METRICS.values(), *rates, *(find_metric(band_name(band.label)) for band in summary.bands)]


if __name__ == "__main__":
    main()
