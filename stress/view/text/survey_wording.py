# SPDX-License-Identifier: MIT
"""How to read the marks of a suite, for its table, its Markdown, its page and its figure; needs no rich."""

from stress.analysis.comparison.suite_comparison import SuiteComparison
from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.statistics.power import least_trials, smallest_p
from stress.analysis.statistics.trials import THRESHOLD
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
    """Return how many marks are wrong: ``'of such marks 5 % are wrong on average, at most (… 70 comparisons)'``."""
    counted = plural(tests, "comparison")
    return f"of all marks {percent_text(ALPHA)} are wrong on average, at most (Benjamini-Hochberg, {counted})"


def survey_sentences(compared: SuiteComparison) -> list[str]:
    """Return how sure the marks of a survey are, and what it has too few trials for; nothing where none was made."""
    if not compared.tests:
        return []
    texts = [discovery_text(compared.tests), few_blocks_text(compared.blocks, compared.tests)]
    return [f"{text[:1].upper()}{text[1:]}." for text in texts if text]


def few_blocks_text(blocks: int, tests: int) -> str:
    """Return what so many blocks cannot show in a survey of so many comparisons; ``''`` where they can show all.

    Args:
        blocks: of the cells, the largest number.
        tests: how many p-values are corrected together.
    """
    if not tests or smallest_p(blocks, paired=True) <= ALPHA / tests:
        return ""
    alone = least_trials(ALPHA / tests, paired=True)
    level = number_text(ALPHA)
    if smallest_p(blocks, paired=True) > ALPHA:
        least = least_trials(ALPHA, paired=True)
        return (
            f"{plural(blocks, 'block')} can never reach {level}, so nothing can be marked; {least} can where much "
            f"changes, {alone} where one of {tests:,} comparisons does"
        )
    return (
        f"{blocks:,} blocks can mark a change only where more of the {tests:,} comparisons change as well; {alone} can "
        "mark a single one"
    )
