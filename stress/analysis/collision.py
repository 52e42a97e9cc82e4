# SPDX-License-Identifier: MIT
"""Which attempts met a mine: proof by 4-tuple, not by how long they took."""

import numpy as np
import numpy.typing as npt

from stress.analysis.outcome import sent_syn
from stress.model.plan import Close, Serve
from stress.model.run import Storm


def collided(storm: Storm) -> npt.NDArray[np.bool_]:
    """Return whether each attempt's SYN met a mine, shape (attempts,).

    It did when it was sent from a mined 4-tuple on which no attempt had connected before: a connection on that
    4-tuple proves that the mine is gone, and until then every SYN on it reaches the mine. When the server leaks
    whatever the storm connects and closes with FIN, each connection leaves a mine for the next. An attempt that
    connected with no SYN sent again cannot have met one, for a mine never answers with a SYN-ACK (RFC 9293 section
    3.10.7.4).
    """
    attempts = storm.attempts
    met = np.zeros(len(attempts), np.bool_)
    late = np.flatnonzero(((attempts["error"] != 0) | (attempts["retransmits"] > 0)) & sent_syn(attempts))
    tuples = storm.tuples(attempts[late])
    mined = np.zeros(storm.tuple_count, np.bool_)
    mined[storm.tuples(storm.mines)] = True
    leaves_mines = storm.act.plan.serve is Serve.LEAK and storm.act.plan.close is Close.FIN
    if not leaves_mines:
        on_mine = mined[tuples]
        late, tuples = late[on_mine], tuples[on_mine]
    first = first_connected(storm, tuples)[tuples]
    on_mine = mined[tuples] & (late <= first)
    if leaves_mines:
        on_mine |= late > first
    met[late[on_mine]] = True
    return met


def first_connected(storm: Storm, tuples: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each of some 4-tuples the first attempt that connected on it, shape (storm.tuple_count,).

    ``len(attempts)`` stands for none, and for 4-tuples that were not asked for.
    """
    first = np.full(storm.tuple_count, len(storm.attempts), np.int64)
    if not len(tuples):
        return first
    wanted = np.zeros(storm.tuple_count, np.bool_)
    wanted[tuples] = True
    connected = np.flatnonzero(storm.attempts["error"] == 0)
    number = storm.tuples(storm.attempts[connected])
    connected, number = connected[wanted[number]], number[wanted[number]]
    first[number[::-1]] = connected[::-1]  # of several the last assignment stays: the first attempt
    return first
