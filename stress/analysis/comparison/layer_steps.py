# SPDX-License-Identifier: MIT
"""The cost of each layer of a suite against the layer below, by the time of the loop for an attempt, within blocks."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from stress.analysis.comparison.axis_points import axes_of, cells_by_entry
from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.metric import find_metric
from stress.analysis.statistics.multiple_testing import holm_correction
from stress.analysis.statistics.trials import CellTrials, Estimate, median_interval, values_by_block
from stress.analysis.statistics.two_sample import Contrast, paired_shift
from stress.model.layer import LAYER, LAYERS, Layer
from stress.model.units import SECOND_NS


@dataclass(frozen=True)
class LayerStep:
    """A layer and the one below.

    Attributes:
        layer: the layer.
        base: trials of the layer below.
        new: trials of the layer.
        blocks: in which both have a trial.
        level: of the layer itself: median time for an attempt (ns) with its interval.
        cost: what it adds to the time for an attempt (ns), within blocks.
        adjusted_p: of no cost, corrected for all steps of the suite (Holm 1979).
    """

    layer: Layer
    base: CellTrials
    new: CellTrials
    blocks: tuple[int, ...]
    level: Estimate
    cost: Contrast
    adjusted_p: float

    @property
    def is_sure(self) -> bool:
        """Whether the layer surely costs something, or saves it."""
        return self.adjusted_p <= ALPHA and self.cost.low * self.cost.high > 0


def has_layers(cells: Sequence[CellTrials]) -> bool:
    """Return whether a suite varies nothing but the layer, of one scenario."""
    return axes_of(cells) == [LAYER] and len(cells_by_entry(cells)) == 1


def cells_by_layer(cells: Sequence[CellTrials]) -> dict[str, CellTrials]:
    """Return the cells of a suite by their layers, lower ones first; a layer that is not known any more is left out."""
    found = {str(trials.cell.levels.get(LAYER)): trials for trials in cells}
    return {name: found[name] for name in LAYERS if name in found}


def attempt_ns(trials: CellTrials) -> dict[int, float]:
    """Return the time of the loop for an attempt (ns) by block, of the trials that have a rate."""
    return {block: SECOND_NS / rate for block, rate in values_by_block(trials, find_metric("rate")).items() if rate > 0}


def layer_steps(cells: Sequence[CellTrials]) -> list[LayerStep]:
    """Return the step to each layer whose layer below is in the suite too, where both have a trial in some block."""
    by_layer = cells_by_layer(cells)
    steps = []
    for name, new in by_layer.items():
        layer = LAYERS[name]
        if (base := by_layer.get(layer.below)) is None:
            continue
        old_ns, new_ns = attempt_ns(base), attempt_ns(new)
        blocks = tuple(block for block in new_ns if block in old_ns)
        level = median_interval(list(new_ns.values()))
        if blocks and level is not None:
            cost = paired_shift([old_ns[block] for block in blocks], [new_ns[block] for block in blocks])
            steps.append((layer, base, new, blocks, level, cost))
    adjusted = holm_correction([step[-1].p for step in steps])
    return list(itertools.starmap(LayerStep, ((*step, p) for step, p in zip(steps, adjusted, strict=True))))
