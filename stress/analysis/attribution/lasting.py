# SPDX-License-Identifier: MIT
"""Lasting sockets: old sockets of the server that were left after the storm, so that no SYN on their 4-tuple passed."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.syns import SYN_RECEIVED, TIME_WAIT, Gap

# Nothing counts the SYNs that meet these, so that they look as if they had got no answer at all.
UNCOUNTED = (TIME_WAIT, SYN_RECEIVED)


def on_lasting_socket(facts: Facts, states: Iterable[int] = UNCOUNTED) -> npt.NDArray[np.bool_]:
    """Return which attempts share their 4-tuple with a lasting socket in one of some states, shape (rows,).

    No SYN of these came to a listener: those that came to the server's host met the old socket.
    """
    storm, mines = facts.storm, facts.storm.mines
    lasting = np.zeros(storm.tuple_count, np.bool_)
    lasting[storm.tuples(mines[(mines["left"] == 1) & np.isin(mines["state"], tuple(states))])] = True
    shared: npt.NDArray[np.bool_] = lasting[storm.tuples(facts.attempts)]
    return shared


def may_be_answered_unseen(facts: Facts) -> npt.NDArray[np.bool_]:
    """Return which attempts a lasting socket may have answered, though nothing tells that of them, shape (rows,)."""
    unclear: npt.NDArray[np.bool_] = on_lasting_socket(facts) & (facts.syns.gap == Gap.UNCLEAR)
    return unclear
