# SPDX-License-Identifier: MIT
"""Wording of what settings changed, for the headline and the figure of a suite; needs neither matplotlib nor rich."""

from collections.abc import Iterable, Sequence

from stress.analysis.comparison.suite_changes import CellChanges
from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.metric import Metric
from stress.analysis.statistics.power import least_trials
from stress.analysis.statistics.trials import THRESHOLD, Effect, better_or_worse
from stress.model.text import plural
from stress.view.text import metric_wording as words

TRIALS_MIN = least_trials(ALPHA, paired=True)


def levels_text(cell: CellChanges) -> str:
    """Return what differs from the baseline: ``'tcp_syn_retries=1'``."""
    return ", ".join(f"{words.axis_text(axis)}={level}" for axis, level in cell.levels.items()) or "as it is"


def change_phrase(metric: Metric, effect: Effect) -> str:
    """Return a change in words: ``body p99 ×1.53 (worse)``."""
    direction = better_or_worse(effect, metric)
    text = f"{words.name_text(metric)} {words.change_text(effect, effect.value)}"
    return f"{text} ({direction})" if direction else text


def settings_of(cells: Iterable[CellChanges]) -> list[str]:
    """Return the names of what cells vary, each once."""
    return list(dict.fromkeys(words.axis_text(axis) for cell in cells for axis in cell.levels))


def changes_headline(cells: Sequence[CellChanges]) -> str:
    """Return how many settings changed something, and the largest change, without a full stop; some must have."""
    changed = [cell for cell in cells if cell.changed]
    most = max(changed, key=lambda cell: cell.changed[0].size)
    largest = most.changed[0]
    what = f"{change_phrase(largest.metric, largest.effect)} by {levels_text(most)} of {most.entry}"
    every = settings_of(cells)
    if len(every) == 1:
        return f"{every[0]} changed something; most {what}"
    return f"{len(settings_of(changed))} of {plural(len(every), 'setting')} changed something; most {what}"


def unchanged_text(cells: Sequence[CellChanges]) -> str:
    """Return which settings changed nothing surely in any cell: ``'14 settings: no sure change of 5 % …'``."""
    names = set(settings_of(cell for cell in cells if cell.changed or not cell.is_sure))
    calm = [name for name in settings_of(cells) if name not in names]
    if not calm:
        return ""
    least = words.percent_text(THRESHOLD)
    return f"{plural(len(calm), 'setting')}: no sure change of {least} or more: {', '.join(calm)}"


def untold_text(cells: Sequence[CellChanges]) -> str:
    """Return of how many cells nothing can be said, because they have too few trials or none."""
    count = sum(not cell.is_sure for cell in cells)
    return f"{plural(count, 'cell')} with fewer than {TRIALS_MIN} trials: nothing can be said" if count else ""
