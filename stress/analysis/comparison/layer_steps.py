# SPDX-License-Identifier: MIT
"""The cost of each layer of a suite against the layer below, by what an attempt typically takes, within blocks."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from stress.analysis.comparison.axis_points import axes_of, cells_by_entry
from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.statistics.multiple_testing import holm_correction
from stress.analysis.statistics.trials import CellTrials, Estimate, median_interval
from stress.analysis.statistics.two_sample import Contrast, paired_shift
from stress.model.layer import LAYER, LAYERS, Layer


@dataclass(frozen=True)
class LayerStep:
    """A layer and the one below.

    Attributes:
        layer: the layer.
        base: trials of the layer below.
        new: trials of the layer.
        blocks: in which both have a trial.
        level: of the layer itself: what an attempt takes (ns), the median over trials with its interval.
        cost: what it adds to that (ns), within blocks.
        adjusted_p: of no cost, corrected for all steps of the suite (Holm 1979).
    """

    layer: Layer
    base: CellTrials
    new: CellTrials
    blocks: tuple[int, ...]
    level: Estimate
    cost: Contrast
    adjusted_p: float

    def part_ns(self, name: str) -> float:
        """Return the change of a part of an attempt, such as ``connect_ns`` (ns): the median over blocks."""
        old, now = self.base.typical, self.new.typical
        return float(median(getattr(now[block], name) - getattr(old[block], name) for block in self.blocks))

    @property
    def is_sure(self) -> bool:
        """Whether the layer surely costs something, or saves it."""
        return self.adjusted_p <= ALPHA and self.cost.low * self.cost.high > 0


def has_layers(cells: Sequence[CellTrials]) -> bool:
    """Return whether a suite varies nothing but the layer, of one scenario."""
    return axes_of(cells) == [LAYER] and len(cells_by_entry(cells)) == 1


def cells_by_layer(cells: Sequence[CellTrials]) -> dict[str, CellTrials]:
    """Return the cells of a suite by their layers, lower ones first; a layer that is not known any more is left out."""
    by_name = {str(trials.cell.levels.get(LAYER)): trials for trials in cells}
    return {name: by_name[name] for name in LAYERS if name in by_name}


def attempt_ns(trials: CellTrials) -> dict[int, float]:
    """Return what an attempt typically takes (ns) by block, of trials that ran alone."""
    return {block: times.attempt_ns for block, times in trials.typical.items() if trials.cell.measures}


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
