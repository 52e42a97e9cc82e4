# SPDX-License-Identifier: MIT
"""The order of trials: randomised complete blocks, drawn from the suite's seed.

Every block runs every cell once, in an order of its own, and all its trials have one seed: cells are compared within
blocks, on the same minefields, under the same machine conditions (Maricq et al., OSDI 2018; Bulej et al., arXiv
2001.05811).

A block is run by one host. With several hosts, each runs one block per round, in the same order and with the same seed
as the blocks of the other hosts. So hosts can be compared, and are never pooled.
"""

from collections.abc import Sequence

import numpy as np

from stress.model.suite import Cell, Suite, Trial

SEEDS = 1 << 31


def ordered_trials(suite: Suite, cells: Sequence[Cell], hosts: int = 1) -> list[Trial]:
    """Return all trials in their order; further rounds do not change the trials of those before.

    Args:
        suite: it says how many trials of each cell a host runs, and the seed.
        cells: of the suite.
        hosts: number of hosts; host ``n % hosts`` runs block ``n``.
    """
    return [trial for block in range(suite.trials * hosts) for trial in block_trials(suite.seed, block, cells, hosts)]


def block_trials(seed: int, block: int, cells: Sequence[Cell], hosts: int) -> list[Trial]:
    """Return the trials of one block."""
    generator = np.random.default_rng([seed, block // hosts])
    shared = int(generator.integers(SEEDS))
    first = block * len(cells)
    return [
        Trial(number=first + place, block=block, cell=cells[index].name, seed=shared)
        for place, index in enumerate(generator.permutation(len(cells)))
    ]
