# SPDX-License-Identifier: MIT
"""Comparisons as Markdown, for a pull request or the summary of a CI job: the verdict, what changed, then the rest."""

from collections.abc import Iterable, Sequence

from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import Estimate
from stress.model.text import plural
from stress.view.text import comparison_wording as words
from stress.view.text.metric_wording import interval_text, percent_text, span_text

HEADS = ("row", "metric", "base", "new", "change", "p, corrected", "trials", "verdict")
ALIGNED = ("---", "---", "---:", "---:", "---:", "---:", "---:", "---")
SIGNS = {Verdict.REGRESSED: "🔴 ", Verdict.IMPROVED: "🟢 "}
ROWS_MAX = 300  # of either table: a comment on GitHub holds 65,536 characters, and a page of more is not read


def markdown(comparisons: Sequence[Comparison]) -> str:
    """Return GitHub-flavoured Markdown: a sentence, a table of what changed, and all others folded away.

    What gates and is inconclusive or without data is not folded away: a gate may close for it.
    """
    if not comparisons:
        return f"**{words.sentence(comparisons)}**\n"
    in_order = [(row, comparison) for row, these in words.group_by_row(comparisons).items() for comparison in these]
    first = [pair for pair in in_order if is_first(pair[1])]
    folded = [pair for pair in in_order if not is_first(pair[1])]
    rest = [pair for pair in folded if not words.is_of_nothing(pair[1])]
    arms = words.arms_text(comparisons)
    blocks = [f"**{escaped(words.sentence(comparisons))}**"]
    blocks.append(escaped(f"{arms}. {words.method_text(comparisons)}" if arms else words.method_text(comparisons)))
    if first:
        blocks.append(table(first))
    if rest:
        summary = plural(len(rest), "other comparison")
        blocks.append(f"<details>\n<summary>{summary}</summary>\n\n{table(rest)}\n\n</details>")
    blocks.append(" ".join(notes(comparisons, nothing=len(folded) - len(rest))))
    return "\n\n".join(block for block in blocks if block) + "\n"


def is_first(comparison: Comparison) -> bool:
    """Return whether a comparison is shown at once: it changed, or it gates and is not decided."""
    undecided = comparison.verdict in (Verdict.INCONCLUSIVE, Verdict.NO_DATA)
    return comparison.verdict in words.CHANGED or (comparison.gating and undecided)


def table(pairs: Sequence[tuple[str, Comparison]]) -> str:
    """Return a table of comparisons, each with the name of its row; of very many the first."""
    lines = [line_of(HEADS), line_of(ALIGNED)]
    lines += [line_of(cells_of(row, comparison)) for row, comparison in pairs[:ROWS_MAX]]
    if len(pairs) > ROWS_MAX:
        lines += ["", f"{len(pairs) - ROWS_MAX:,} more are not shown."]
    return "\n".join(lines)


def line_of(texts: Iterable[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(texts)} |"


def escaped(text: str) -> str:
    """Return text that Markdown takes as it is, in a table too."""
    for letter in "\\`*_[]<>|~":
        text = text.replace(letter, f"&#{ord(letter)};" if letter in "<>|" else f"\\{letter}")
    return " ".join(text.split())


def cells_of(row: str, comparison: Comparison) -> list[str]:
    """Return the cells of a comparison."""
    change, interval = words.effect_texts(comparison)
    verdict = f"{SIGNS.get(comparison.verdict, '')}{words.verdict_text(comparison)}"
    texts = [
        row,
        words.name_text(comparison),
        value_text(comparison, comparison.base_estimate),
        value_text(comparison, comparison.new_estimate),
        f"{change} ({interval})" if interval else change,
        words.p_text(comparison.adjusted_p),
        words.trials_text(comparison),
        verdict if comparison.gating else f"{verdict} (explored)",
    ]
    return [escaped(text) for text in texts]


def value_text(comparison: Comparison, estimate: Estimate | None) -> str:
    """Return an arm's median with its interval."""
    interval = interval_text(find_metric(comparison.metric), estimate) if estimate else ""
    return words.estimate_text(comparison, estimate) + (f" ({interval})" if interval else "")


def notes(comparisons: Sequence[Comparison], *, nothing: int) -> list[str]:
    """Return how to read it, and what is left out."""
    lines = []
    levels = sorted(comparison.level for comparison in comparisons if comparison.level)
    if levels:
        sure = span_text([percent_text(level) for level in levels])
        lines.append(f"Medians over trials with their intervals; intervals of changes: {sure} confidence.")
    if nothing:
        lines.append(f"Left out: {plural(nothing, 'comparison')} of nothing with nothing (zero or no value in both).")
    return lines
