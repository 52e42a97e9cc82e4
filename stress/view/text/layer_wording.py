# SPDX-License-Identifier: MIT
"""The words for the costs of layers, shared by the table and the figure."""

from collections.abc import Sequence

from stress.analysis.comparison.layer_steps import LayerStep
from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.statistics.power import least_trials, smallest_p
from stress.model.text import plural
from stress.view.text.profile_wording import signed_text

NOTHING = "nothing sure"


def cost_text(step: LayerStep) -> str:
    """Return what a layer costs, in ns, or that it is nothing sure."""
    return signed_text(step.cost.effect, ",.0f") if step.is_sure else NOTHING


def range_text(step: LayerStep) -> str:
    """Return the interval of a cost in ns."""
    return f"{signed_text(step.cost.low, ',.0f')} to {signed_text(step.cost.high, ',.0f')}"


def layers_headline(steps: Sequence[LayerStep]) -> str:
    """Return what was found, without a full stop."""
    if not steps:
        return "No layer has a trial in a block with the layer below"
    blocks = max(len(step.blocks) for step in steps)
    if smallest_p(blocks, paired=True) * len(steps) > ALPHA:
        needed = least_trials(ALPHA / len(steps), paired=True)
        layers = plural(len(steps), "layer")
        return f"{plural(blocks, 'block')} cannot be sure of a single one of {layers}; it takes {needed}"
    sure = [step for step in steps if step.is_sure]
    return f"{len(sure)} of {plural(len(steps), 'layer')} surely cost or save time against the layer below"


def reading_phrases(steps: Sequence[LayerStep]) -> list[str]:
    """Return how to read the costs, as phrases."""
    if not steps:
        return []
    blocks = sorted({len(step.blocks) for step in steps})
    span = f"{blocks[0]:,}" if len(blocks) == 1 else f"{blocks[0]:,} to {blocks[-1]:,}"
    level = min(step.cost.level for step in steps)
    return [
        f"median time from start to start, within {span} blocks (Hodges-Lehmann); interval: {100 * level:.0f} %",
        "sure: p corrected for all steps (Holm), and an interval without zero",
    ]
