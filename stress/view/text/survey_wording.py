# SPDX-License-Identifier: MIT
"""How to read the marks of a suite, for its table, its Markdown, its page and its figure; needs no rich."""

import math
from collections.abc import Sequence

from stress.analysis.comparison.metric_family import SURVEYED_METRICS
from stress.analysis.comparison.suite_comparison import SuiteComparison
from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.metric import find_metric
from stress.analysis.statistics.power import least_trials, smallest_p
from stress.analysis.statistics.trials import THRESHOLD, TIMED_UNITS
from stress.model.suite import Cell
from stress.model.text import number_text, plural
from stress.view.text.metric_wording import percent_text

CHANGE_TEXT = (
    "against the baseline: of times and rates the median of the ratios within blocks, of counts the mean of the "
    "differences"
)


def least_text() -> str:
    """Return how large a change must be to be marked."""
    return f"{percent_text(THRESHOLD)} or more, and an attempt or more"


def discovery_text(tests: int) -> str:
    """Return how many marks are wrong: ``'of all marks 5 % are wrong on average, at most (… 70 comparisons)'``."""
    counted = plural(tests, "comparison")
    return f"of all marks {percent_text(ALPHA)} are wrong on average, at most (Benjamini-Hochberg, {counted})"


def surveyed_tests(cells: Sequence[Cell]) -> int:
    """Return how many comparisons a suite makes, if all its trials have all values."""
    entries = {cell.scenario for cell in cells if cell.baseline}
    compared = [cell for cell in cells if not cell.baseline and cell.scenario in entries]
    times = sum(find_metric(name).unit in TIMED_UNITS for name in SURVEYED_METRICS)
    return sum(len(SURVEYED_METRICS) - (0 if cell.measures else times) for cell in compared)


def survey_sentences(compared: SuiteComparison) -> list[str]:
    """Return how sure the marks of a survey are, and what it has too few trials for; nothing where none was made."""
    return [f"{text[:1].upper()}{text[1:]}." for text in (sure_text(compared), limits_text(compared)) if text]


def sure_text(compared: SuiteComparison) -> str:
    """Return how many marks are wrong, where anything was compared: of arms by Holm, else by Benjamini-Hochberg."""
    if compared.gating:
        return (
            f"any of the {plural(compared.gating, 'comparison')} that gate is marked wrongly in {percent_text(ALPHA)} "
            "of such suites, at most (Holm)"
        )
    return discovery_text(compared.tests) if compared.tests else ""


def limits_text(compared: SuiteComparison) -> str:
    """Return what a suite has too few trials for; ``''`` where it can mark a single change."""
    if not compared.gating:
        return few_blocks_text(compared.blocks, compared.tests)
    if smallest_p(compared.blocks, paired=True) * compared.gating <= ALPHA:
        return ""
    needed = least_trials(ALPHA / compared.gating, paired=True)
    return f"{plural(compared.blocks, 'block')} can never reach {number_text(ALPHA)} for these; {needed} can"


def few_blocks_text(blocks: int, tests: int) -> str:
    """Return what so many blocks cannot show in a survey of so many comparisons; ``''`` where they can show all.

    Args:
        blocks: of the cells, the largest number.
        tests: how many p-values are corrected together.
    """
    if not tests or smallest_p(blocks, paired=True) <= ALPHA / tests:
        return ""
    least = smallest_p(blocks, paired=True)
    if least > ALPHA:
        never = f"{plural(blocks, 'block')} can never reach {number_text(ALPHA)}"
        return f"{never}: nothing can be marked; {single_text(tests)}"
    together = math.ceil(least * tests / ALPHA)  # by Benjamini and Hochberg, if all of these have the smallest p
    return (
        f"{blocks:,} blocks mark a change only where {together:,} of {tests:,} comparisons change; {single_text(tests)}"
    )


def single_text(tests: int) -> str:
    """Return how many blocks can mark a single change among so many comparisons."""
    return f"{least_trials(ALPHA / tests, paired=True)} can mark a single one"
