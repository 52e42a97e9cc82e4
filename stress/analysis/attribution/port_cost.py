# SPDX-License-Identifier: MIT
"""What connect() costs as the port range fills up."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.model.attempt import STORM
from stress.model.run import Storm

CLEAR_STEP_RATIO = 3.0  # a step is one when the dear half costs so many times the cheap one


@dataclass(frozen=True)
class PortCost:
    """The cost of each connection of a storm that fills the range; warm-up fills it and is not measured.

    Attributes:
        occupancy: shape (connections,), share of the range that was taken when the connection began, 0 to 1.
        latency_ns: shape (connections,).
        even: shape (connections,), whether the port has the parity of the range's lowest.
        below_ns: median cost below half of the range.
        above_ns: median cost above it.
        knee: occupancy at which the cost steps up; None when there is no clear step.
    """

    occupancy: npt.NDArray[np.float64]
    latency_ns: npt.NDArray[np.int64]
    even: npt.NDArray[np.bool_]
    below_ns: float | None
    above_ns: float | None
    knee: float | None


def measure_port_cost(storm: Storm) -> PortCost:
    """Return what each connection cost, in a storm none of whose ports become free again while it lasts."""
    connected = storm.attempts[storm.attempts["error"] == 0]
    occupancy = np.arange(len(connected)) / storm.act.ports
    measured = connected["phase"] == STORM
    connected, occupancy = connected[measured], occupancy[measured]
    latency_ns = connected["latency_ns"]
    even = (connected["local_port"] - storm.act.port_range[0]) % 2 == 0
    below, above = latency_ns[occupancy < 0.5], latency_ns[occupancy >= 0.5]
    below_ns, above_ns = (float(np.median(part)) if len(part) else None for part in (below, above))
    knee = None
    if below_ns and above_ns and above_ns > CLEAR_STEP_RATIO * below_ns:
        # The place that leaves the fewest dear connections before it and the fewest cheap ones after it.
        dear = latency_ns > np.sqrt(below_ns * above_ns)
        knee = float(occupancy[min(int(np.argmin(np.cumsum(np.where(dear, 1, -1)))) + 1, len(dear) - 1)])
    return PortCost(occupancy, latency_ns, even, below_ns, above_ns, knee)
