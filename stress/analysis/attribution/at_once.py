# SPDX-License-Identifier: MIT
"""Which attempts connected at once, and so have nothing to explain."""

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.outcome import OUTCOMES
from stress.model.outcome import Outcome
from stress.model.run import Storm


def at_once_ns(storm: Storm) -> int:
    """Return within what time an attempt connected at once: a jiffy, and across a link the shortest round trip.

    The control channel's shortest round trip, which bounds the error of the clocks' offset by its half, is one that the
    path allows; an attempt that took no longer than that and a jiffy waited for nothing else.
    """
    peer = storm.act.peer
    clocks = [clock for clock in (peer.clock, peer.clock_after) if clock] if peer else []
    return storm.host.jiffy_ns + min((2 * clock.error_ns for clock in clocks), default=0)


def needs_explanation(outcomes: npt.NDArray[np.uint8], storm: Storm) -> npt.NDArray[np.intp]:
    """Return the attempts that did not connect at once, or whose use failed, shape (rows,).

    Args:
        outcomes: shape (attempts,), index into OUTCOMES.
        storm: of these attempts.
    """
    connected = outcomes == OUTCOMES.index(Outcome.CONNECTED)
    at_once = connected & (storm.attempts["latency_ns"] <= at_once_ns(storm))
    return np.flatnonzero(~at_once | (storm.uses["error"] != 0) if len(storm.uses) else ~at_once)
