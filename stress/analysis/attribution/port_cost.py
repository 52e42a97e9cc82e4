# SPDX-License-Identifier: MIT
"""How long connect() takes as the port range fills up."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.model.attempt import STORM
from stress.model.run import Storm

CLEAR_STEP_RATIO = 3.0  # of the median above half of the range to the median below it: less is no step


@dataclass(frozen=True)
class PortCost:
    """The latency of each connection of a storm that fills the range, without those of the warm-up.

    Attributes:
        occupancy: shape (connections,), share of the range that was in use when the connection began, 0 to 1.
        latency_ns: shape (connections,).
        even: shape (connections,), whether the port has the parity of the lowest port of the range.
        below_ns: median latency below half of the range; None without a connection there.
        above_ns: median latency above it.
        knee: occupancy at which the latency steps up; None when there is no clear step.
    """

    occupancy: npt.NDArray[np.float64]
    latency_ns: npt.NDArray[np.int64]
    even: npt.NDArray[np.bool_]
    below_ns: float | None
    above_ns: float | None
    knee: float | None


def measure_port_cost(storm: Storm) -> PortCost:
    """Return the cost of each connection of a storm whose ports stay in use until it ends."""
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
        # The index with the fewest slow connections before it and the fewest fast ones after it.
        slow = latency_ns > np.sqrt(below_ns * above_ns)
        knee = float(occupancy[min(int(np.argmin(np.cumsum(np.where(slow, 1, -1)))) + 1, len(slow) - 1)])
    return PortCost(occupancy, latency_ns, even, below_ns, above_ns, knee)
