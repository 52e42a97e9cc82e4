# SPDX-License-Identifier: MIT
"""Findings for tests of figures: what analysis makes of a few attempts, or of causes given outright."""

import dataclasses
import errno

import numpy as np
from builders import COUNTERS, MS, SECOND, US, a_host, a_record, an_act, the_attempts, the_mines
from hypothesis import strategies as st

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import Findings, analyse_act
from stress.analysis.attribution.summary import summarise
from stress.model.run import Run, Storm


def findings(*acts, mines=(), left=(), causes=None):
    """Return findings of one act for each array of attempts; the mines are in the first, causes those of all."""
    storms = []
    for number, attempts in enumerate(acts):
        laid = the_mines(*mines, left=left) if number == 0 else the_mines()
        act = an_act(
            name=f"act {number}",
            attempts=len(attempts),
            mines_laid=len(laid),
            port_range=(40000, 40099),
            ports=100,
            counters=dict.fromkeys(COUNTERS, 0) | {"TCPSYNChallenge": 255 * len(attempts)},
        )
        storms.append(Storm(a_host(), act, attempts, laid))
    of_acts = [analyse_act(storm) for storm in storms]
    if causes is not None:
        starts = np.cumsum([len(act.causes) for act in of_acts])[:-1]
        codes = np.array([CAUSES.index(cause) for cause in causes], np.uint8)
        of_acts = [
            dataclasses.replace(act, causes=part) for act, part in zip(of_acts, np.split(codes, starts), strict=True)
        ]
    record = a_record(acts=[storm.act for storm in storms])
    run = Run(record, np.concatenate(acts), np.concatenate([storm.mines for storm in storms]))
    return Findings(run, of_acts, summarise(run, of_acts, []))


ERRNOS = (0, 0, 0, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.EADDRNOTAVAIL, errno.EINPROGRESS)

storms = st.lists(
    st.tuples(
        st.sampled_from([0, *range(40000, 40100)]),
        st.sampled_from(ERRNOS),
        st.integers(0, 3),
        st.one_of(st.integers(0, 40 * US), st.integers(1, 40 * MS), st.integers(1, 140 * SECOND)),
    ),
    max_size=40,
).map(lambda rows: the_attempts(*(row[:3] for row in rows), latency_ns=[row[3] for row in rows]))
EMPTY = the_attempts()
ONE = the_attempts((40000, 0, 0), latency_ns=12 * US)
ALL_TIMED_OUT = the_attempts(*[(40000 + n, errno.ETIMEDOUT, 6) for n in range(50)], latency_ns=131 * SECOND)
NO_PORT = the_attempts(*[(0, errno.EADDRNOTAVAIL, 0)] * 50, latency_ns=3 * US)
NO_TIME = the_attempts(*[(40000, 0, 0)] * 50)
DEGENERATE = {
    "empty": [EMPTY],
    "one": [ONE],
    "all timed out": [ALL_TIMED_OUT],
    "no port": [NO_PORT],
    "no time at all": [NO_TIME],
    "several acts": [ONE, ALL_TIMED_OUT, NO_PORT],
    "an act without attempts": [EMPTY, ONE],
}
