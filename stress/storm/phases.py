# SPDX-License-Identifier: MIT
"""The phases of an act."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.attempt import STORM, WARM_UP
from stress.model.plan import Plan
from stress.model.record import Phase


def act_phases(plan: Plan, records: npt.NDArray[Any], begun_ns: int, start_ns: int, end_ns: int) -> list[Phase]:
    """Return the phases of an act: the making of its environment, the warm-up, the storm's starts, the stragglers."""
    phases = [Phase("minefield" if plan.mines else "set-up", begun_ns, start_ns)]
    last_start_ns = start_ns
    for name, number in (("warm-up", WARM_UP), ("storm", STORM)):
        is_part = records["phase"] == number
        if is_part.any():
            started_ns = int(records["start_ns"][len(is_part) - 1 - np.argmax(is_part[::-1])])  # of its last attempt
            phases.append(Phase(name, last_start_ns, started_ns))
            last_start_ns = started_ns
    return [*phases, Phase("stragglers", last_start_ns, end_ns)]
