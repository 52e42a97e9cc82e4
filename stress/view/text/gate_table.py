# SPDX-License-Identifier: MIT
"""The results of a gate as tables for a terminal, and of its self-test."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stress.analysis.gate.evaluate import ConditionResult, State
from stress.analysis.gate.self_test import InjectedRegression
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.view.text import gate_wording as words
from stress.view.text import metric_wording
from stress.view.text.comparison_wording import p_text

TONES = {
    State.BROKEN: "bold red",
    State.NO_DATA: "magenta",
    State.NO_BASELINE: "magenta",
    State.INCONCLUSIVE: "yellow",
    State.HOLDS: "green",
}


def table(results: Sequence[ConditionResult]) -> RenderableType:
    """Return the result of a gate: a sentence, and one line per result by condition, what does not hold first."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    made.add_column("condition\n  row", overflow="fold", min_width=30)
    for head in ("base", "new", "change", "p,\ncorrected"):
        made.add_column(head if "\n" in head else f"\n{head}", justify="right", no_wrap=True)
    made.add_column("", no_wrap=True)
    conditions: dict[str, list[ConditionResult]] = {}
    for result in words.order_results(results):
        conditions.setdefault(str(result.condition), []).append(result)
    for condition, these in conditions.items():
        made.add_section()
        made.add_row(Text(condition, style="bold"))
        for result in these:
            made.add_row(
                Text(f"  {result.row or 'all'}"),
                words.estimate_text(result, result.base) if result.base else "",
                words.estimate_text(result, result.new),
                words.effect_text(result),
                "" if result.adjusted_p is None else p_text(result.adjusted_p),
                Text(words.state_text(result), style=TONES[result.state]),
            )
    broken = any(result.state is State.BROKEN for result in results)
    return Group(Text(words.summary(results), style="bold red" if broken else "bold"), made)


def self_test_table(regressions: Sequence[InjectedRegression]) -> RenderableType:
    """Return which regressions, injected into copies of the data, the gate detected."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    made.add_column("condition", no_wrap=True)
    made.add_column("row", overflow="fold", min_width=12)
    made.add_column("put in", justify="right", no_wrap=True)
    made.add_column("p, as one of all", justify="right", no_wrap=True)
    made.add_column("", no_wrap=True)
    for regression in regressions:
        result = regression.result
        made.add_row(
            Text(str(result.condition)),
            Text(result.row),
            injected_text(regression),
            "" if result.adjusted_p is None else p_text(result.adjusted_p),
            Text("found", style="green") if regression.is_detected else Text("not found", style="bold red"),
        )
    return Group(Text(self_test_sentence(regressions), style="bold"), made)


def injected_text(injected: InjectedRegression) -> str:
    """Return the injected regression: a change, or a value for an absolute condition."""
    measured = find_metric(injected.result.condition.metric)
    value = injected.injected
    if injected.result.condition.kind == "absolute":
        return metric_wording.value_text(measured, value)
    if measured.unit in TIMED_UNITS:
        return metric_wording.ratio_text(value)
    return f"{'+' if value >= 0 else metric_wording.MINUS}{metric_wording.count_text(abs(value))}"


def self_test_sentence(regressions: Sequence[InjectedRegression]) -> str:
    """Return in one sentence whether the gate detects injected regressions."""
    lost = sum(not regression.is_detected for regression in regressions)
    if not lost:
        return f"Each of {len(regressions)} regressions that were put into copies of the data was found."
    return (
        f"{lost} of {len(regressions)} regressions that were put into copies of the data were not found: there are too "
        "few trials for this machine's noise and this many conditions."
    )
