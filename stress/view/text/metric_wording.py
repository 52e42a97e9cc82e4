# SPDX-License-Identifier: MIT
"""Wording of metrics, their values and their changes, shared by tables and figures."""

from collections.abc import Sequence

from stress.analysis.comparison.axis_points import differing_levels
from stress.analysis.comparison.metric_family import GATING_METRICS, SURVEYED_METRICS
from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import CellTrials, Effect, Estimate
from stress.model.suite import ARM
from stress.model.text import number_text
from stress.model.units import duration_text, range_text

HEADLINE = GATING_METRICS
# Metrics of a figure: also attempts that waited for the SYN timer, and the time until all had ended.
PICTURED = SURVEYED_METRICS
MINUS = "\N{MINUS SIGN}"
RISE, FALL = "▲", "▼"
PREFIX = "net.ipv4."  # of most settings; omitted


def axis_text(axis: str) -> str:
    """Return the short name of an axis."""
    return axis.removeprefix(PREFIX)


def name_text(metric: Metric) -> str:
    """Return a metric's name in words: ``'body p99'``, ``'retries per million'``."""
    words = metric.name.replace(".", " ").replace("_", " ")
    return f"{words} per s" if metric.unit == "/s" else words


def count_text(value: float) -> str:
    """Return a number with about three digits: ``'9,876'``, ``'17.7k'``, ``'1M'``."""
    for suffix, size in (("M", 1e6), ("k", 1e4)):
        if abs(value) >= size * 0.9995:
            return f"{value / (1e3 if suffix == 'k' else size):.3g}{suffix}"
    return number_text(value if abs(value) < 999.5 else round(value))


def value_text(metric: Metric, value: float) -> str:
    """Return a value with its unit."""
    return duration_text(value) if metric.unit == "ns" else count_text(value)


def interval_text(metric: Metric, estimate: Estimate) -> str:
    """Return the interval of an estimate with its unit once; ``''`` if both ends are written alike."""
    low, high = value_text(metric, estimate.low), value_text(metric, estimate.high)
    if low == high:
        return ""
    return range_text(estimate.low, estimate.high).replace(" – ", "–") if metric.unit == "ns" else f"{low}–{high}"


def ratio_text(ratio: float) -> str:
    """Return a ratio with about three digits: ``'×1.53'``, ``'×12.3'``, ``'×1,230'``, ``'×0.0031'``."""
    digits = 2 if ratio < 10 else 1 if ratio < 100 else 0
    return f"×{ratio:,.{digits}f}" if ratio >= 0.1 else f"×{ratio:.2g}"


def change_text(effect: Effect, value: float) -> str:
    """Return a change: ``'×1.53'`` of a ratio, ``'+17.7k'`` of a difference."""
    if effect.kind == "ratio":
        return ratio_text(value)
    return f"{'+' if value > 0 else MINUS if value < 0 else ''}{count_text(abs(value))}"


def change_interval_text(effect: Effect) -> str:
    """Return the interval of a change; ``''`` if both ends are written alike."""
    low, high = (change_text(effect, end) for end in (effect.low, effect.high))
    return "" if low == high else f"{low} to {high}"


def arrow_text(effect: Effect) -> str:
    """Return the arrow of a change: RISE or FALL."""
    return RISE if effect.rises else FALL


def percent_text(share: float) -> str:
    """Return a share in per cent: ``'98 %'``."""
    return f"{share * 100:.0f} %"


def span_text(texts: Sequence[str]) -> str:
    """Return the first and the last of some texts, once if they are equal: ``'94 % to 98 %'``."""
    return " to ".join(dict.fromkeys((texts[0], texts[-1])))


def setting_text(trials: CellTrials, baseline: CellTrials | None) -> str:
    """Return the levels of a cell that differ from the baseline: ``'tcp_syn_retries=1'``, or ``'baseline'``.

    That of arms has a name too: ``'arm=old, baseline'``.
    """
    if trials.cell.baseline:
        return f"{ARM}={trials.cell.arm}, baseline" if trials.cell.arm else "baseline"
    return (
        ", ".join(f"{axis_text(axis)}={level}" for axis, level in differing_levels(trials, baseline).items())
        or "as it is"
    )
