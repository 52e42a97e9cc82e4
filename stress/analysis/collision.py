# SPDX-License-Identifier: MIT
"""Which attempts met a mine: proof by 4-tuple, not by how long they took."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.outcome import sent_syn
from stress.model.run import Run

PORTS = 1 << 16


def tuple_keys(records: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return one number for each record's 4-tuple, for records with ``address`` and ``local_port``."""
    keys: npt.NDArray[np.int64] = records["address"].astype(np.int64) * PORTS + records["local_port"]
    return keys


def collided(run: Run) -> npt.NDArray[np.bool_]:
    """Return whether each attempt's SYN met a mine, shape (attempts,).

    It did when it was sent from a mined 4-tuple on which no attempt had connected before: a connection on that
    4-tuple proves that the mine is gone, and until then every SYN on it reaches the mine. One that connected with
    no SYN sent again cannot have met one, for a mine never answers with a SYN-ACK (RFC 9293 section 3.10.7.4).
    """
    attempts = run.attempts
    met = np.zeros(len(attempts), np.bool_)
    if not len(run.mines):
        return met
    keys = tuple_keys(attempts)
    mined = np.zeros(len(run.record.addresses) * PORTS, np.bool_)
    mined[tuple_keys(run.mines)] = True
    suspects = np.flatnonzero(mined[keys] & sent_syn(attempts))
    connected = suspects[attempts["error"][suspects] == 0]
    first_connected = np.full(len(mined), len(attempts), np.int64)
    np.minimum.at(first_connected, keys[connected], connected)
    slow = (attempts["error"][suspects] != 0) | (attempts["retransmits"][suspects] > 0)
    met[suspects[(suspects <= first_connected[keys[suspects]]) & slow]] = True
    return met
