# SPDX-License-Identifier: MIT
"""A suite as a Markdown table, for documentation and pull requests."""

from collections.abc import Iterable, Sequence

from stress.analysis.comparison.axis_points import baseline_of, cells_by_entry, differing_levels
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.trials import CellTrials, better_or_worse, cell_effect, estimate_cell
from stress.view.text import metric_wording as words


def suite_markdown(cells: Sequence[CellTrials], headline: Sequence[str] = words.PICTURED) -> str:
    """Return a Markdown table of cells by entry: medians with their intervals, and the changes in words.

    Raises:
        UsageError: there is no such metric.
    """
    metrics = [find_metric(name) for name in headline]
    names = ["scenario", "setting", "value", *(words.name_text(shown) for shown in metrics), "changes"]
    lines = [_markdown_row(names), _markdown_row(["---"] * 3 + ["---:"] * len(metrics) + ["---"])]
    for label, entry in cells_by_entry(cells).items():
        baseline = baseline_of(entry)
        for trials in entry:
            values = [value_text(trials, shown) for shown in metrics]
            remarks = remark_texts(trials, baseline, metrics)
            lines.append(_markdown_row([label, *setting_and_value(trials, baseline), *values, "; ".join(remarks)]))
    return "\n".join(lines) + "\n"


def _markdown_row(texts: Iterable[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in texts) + " |"


def setting_and_value(trials: CellTrials, baseline: CellTrials | None) -> tuple[str, str]:
    """Return which settings differ from the baseline and their values, in the same order."""
    apart = differing_levels(trials, baseline)
    if trials.cell.baseline or not apart:
        return words.setting_text(trials, baseline), ""
    return ", ".join(f"`{words.axis_text(axis)}`" for axis in apart), ", ".join(apart.values())


def value_text(trials: CellTrials, metric: Metric) -> str:
    """Return a metric's median with its interval: ``'11.2 µs (10.5–12 µs)'``."""
    estimate = estimate_cell(trials, metric)
    if estimate is None:
        return "–"
    interval = words.interval_text(metric, estimate)
    return words.value_text(metric, estimate.median) + (f" ({interval})" if interval else "")


def remark_texts(trials: CellTrials, baseline: CellTrials | None, metrics: Sequence[Metric]) -> list[str]:
    """Return the changes of metrics against the baseline, and the reasons of failed trials."""
    if trials.not_applicable is not None:
        return [f"not applicable: {trials.not_applicable}"]
    texts = []
    for compared in metrics:
        change = cell_effect(trials, baseline, compared) if baseline is not None and trials is not baseline else None
        if change is not None and change.changes:
            interval = words.change_interval_text(change)
            verdict = better_or_worse(change, compared)
            text = f"{words.arrow_text(change)} {words.name_text(compared)} {words.change_text(change, change.median)}"
            texts.append(text + (f" ({interval})" if interval else "") + (f", {verdict}" if verdict else ""))
    if trials.failed:
        failed, planned = len(trials.failed), len(trials.failed) + len(trials.done)
        texts.append(f"{failed} of {planned} trials failed: {', '.join(dict.fromkeys(trials.failed.values()))}")
    return texts
