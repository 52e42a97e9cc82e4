# SPDX-License-Identifier: MIT
"""The results of a gate as Markdown, for a pull request or the summary of a CI job."""

from collections.abc import Sequence

from stress.analysis.gate.evaluate import ConditionResult, State
from stress.model.text import plural
from stress.view.text import gate_wording as words
from stress.view.text.comparison_markdown import escaped, line_of
from stress.view.text.comparison_wording import p_text

HEADS = ("", "condition", "row", "base", "new", "change", "p, corrected")
ALIGNED = ("---", "---", "---", "---:", "---:", "---:", "---:")
SIGNS = {State.BROKEN: "🔴", State.NO_DATA: "⚪", State.NO_BASELINE: "⚪", State.INCONCLUSIVE: "🟡", State.HOLDS: "🟢"}


def markdown(results: Sequence[ConditionResult], warnings: Sequence[str]) -> str:
    """Return the summary, a table of conditions that do not hold, the others folded away, and the warnings."""
    in_order = words.order_results(results)
    grave = [result for result in in_order if result.state is not State.HOLDS]
    fine = [result for result in in_order if result.state is State.HOLDS]
    blocks = [f"**{words.summary(results)}**"]
    if grave:
        blocks.append(table(grave))
    if fine:
        summary = f"{plural(len(fine), 'condition holds', 'conditions hold')}"
        blocks.append(f"<details>\n<summary>{summary}</summary>\n\n{table(fine)}\n\n</details>")
    if warnings:
        blocks.append("\n".join(f"- {escaped(text)}" for text in warnings))
    return "\n\n".join(blocks) + "\n"


def table(results: Sequence[ConditionResult]) -> str:
    """Return a table of condition results."""
    return "\n".join([line_of(HEADS), line_of(ALIGNED), *(line_of(cells_of(result)) for result in results)])


def cells_of(result: ConditionResult) -> list[str]:
    """Return the cells of a condition result."""
    return [
        f"{SIGNS[result.state]} {words.state_text(result)}",
        f"`{result.condition}`",
        escaped(result.row),
        words.estimate_text(result, result.base),
        words.estimate_text(result, result.new),
        words.effect_text(result),
        "" if result.adjusted_p is None else escaped(p_text(result.adjusted_p)),
    ]
