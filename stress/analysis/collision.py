# SPDX-License-Identifier: MIT
"""Which attempts met a mine: proof by 4-tuple, not by how long they took."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.outcome import sent_syn
from stress.model.plan import Close, Serve
from stress.model.run import Storm

PORTS = 1 << 16


def collided(storm: Storm) -> npt.NDArray[np.bool_]:
    """Return whether each attempt's SYN met a mine, shape (attempts,).

    It did when it was sent from a mined 4-tuple on which no attempt had connected before: a connection on that
    4-tuple proves that the mine is gone, and until then every SYN on it reaches the mine. When the server leaks
    whatever the storm connects and closes with FIN, each connection leaves a mine for the next. An attempt that
    connected with no SYN sent again cannot have met one, for a mine never answers with a SYN-ACK (RFC 9293 section
    3.10.7.4).
    """
    attempts = storm.attempts
    mined = np.zeros(PORTS, np.bool_)
    mined[storm.mines["local_port"]] = True
    first = first_connected(attempts)[attempts["local_port"]]
    slow = (attempts["error"] != 0) | (attempts["retransmits"] > 0)
    order = np.arange(len(attempts))
    on_mine = mined[attempts["local_port"]] & (order <= first)
    if storm.act.plan.serve is Serve.LEAK and storm.act.plan.close is Close.FIN:
        on_mine |= order > first
    met: npt.NDArray[np.bool_] = on_mine & slow & sent_syn(attempts)
    return met


def first_connected(attempts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return for each port the first attempt that connected from it, ``len(attempts)`` for none, shape (PORTS,)."""
    first = np.full(PORTS, len(attempts), np.int64)
    connected = np.flatnonzero(attempts["error"] == 0)
    np.minimum.at(first, attempts["local_port"][connected], connected)
    return first
