# SPDX-License-Identifier: MIT
"""Made-up cells of a suite of layers, whose costs are known, for tests."""

from dataclasses import replace

import numpy as np
from suite_builders import a_summary, trials_of

from stress.analysis.statistics.typical_times import TypicalTimes
from stress.model.layer import LAYER, LAYERS

SHIPPED = [name for name in LAYERS if name != "established-1m"]
BASE_NS, NOISE_NS, MOOD_NS = 14_000, 60, 2_000
COSTS_NS = {"veth": 2_500, "rules-1000": 30_000, "no-timestamps": -400, "listeners-64": 0, "cgroup-connect": 150}


def time_of(name):
    """Return the true time for an attempt of a layer (ns)."""
    layer = LAYERS[name]
    return BASE_NS if not layer.below else time_of(layer.below) + COSTS_NS.get(name, 0)


def layer_cells(blocks=12, names=SHIPPED, seed=1):
    """Return the cells of a suite of layers; each block has a mood, which is larger than many costs."""
    rng = np.random.default_rng(seed)
    moods_ns = rng.normal(0, MOOD_NS, blocks)
    cells = []
    for name in names:
        trials = trials_of([a_summary()] * blocks, scenario="clean", levels={LAYER: name}, baseline=name == "loopback")
        loops_ns = time_of(name) + moods_ns + rng.normal(0, NOISE_NS, blocks)
        times = [TypicalTimes(loop_ns, 0.6 * loop_ns, 0.3 * loop_ns) for loop_ns in loops_ns.tolist()]
        cells.append(replace(trials, typical=dict(enumerate(times))))
    return cells
