# SPDX-License-Identifier: MIT
"""The order of trials: randomised complete blocks, drawn from the suite's seed.

Every block runs every cell once, in an order of its own, and gives all its trials one seed: cells are compared within
blocks, on the same minefields, in the same weather (Maricq et al., OSDI 2018; Bulej et al., arXiv 2001.05811).
"""

from collections.abc import Sequence

import numpy as np

from stress.model.suite import Cell, Suite, Trial

SEEDS = 1 << 31


def trials(suite: Suite, cells: Sequence[Cell]) -> list[Trial]:
    """Return all trials in their order; more blocks leave those before as they are."""
    return [trial for block in range(suite.trials) for trial in block_trials(suite.seed, block, cells)]


def block_trials(seed: int, block: int, cells: Sequence[Cell]) -> list[Trial]:
    """Return the trials of one block."""
    generator = np.random.default_rng([seed, block])
    shared = int(generator.integers(SEEDS))
    first = block * len(cells)
    return [
        Trial(number=first + place, block=block, cell=cells[index].name, seed=shared)
        for place, index in enumerate(generator.permutation(len(cells)))
    ]
