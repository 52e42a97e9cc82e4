# SPDX-License-Identifier: MIT
"""Of which attempt an event of the other host's kernel is, as far as the clocks of both hosts are known."""

import numpy as np
import pytest
from builders import MS, US, a_host, the_attempts
from link_builders import a_clock, a_peer, a_report, across

from stress.analysis.attribution.kernel_events import NOBODY, UNCLEAR, assign_events, match_events
from stress.model.record import KernelWord
from stress.model.run import KERNEL_EVENT, Storm

WORD = KernelWord(lost=0, complete=True, counts={}, drop_reasons={}, reset_reasons={})
# One 4-tuple three times: attempts of 1 ms, then two of 50 µs with 300 µs in between.
ATTEMPTS = the_attempts((40000, 0, 0), (40000, 0, 0), (40000, 0, 0))
ATTEMPTS["start_ns"] = [0, 100 * MS, 100 * MS + 350 * US]
ATTEMPTS["latency_ns"] = [MS, 50 * US, 50 * US]


def storm_of(error_ns, *times_ns):
    """Return the storm with events at some times, and clocks that are known so well."""
    clock = a_clock(0, error_ns)
    act = across(a_report(), a_report(), kernel_word=WORD, peer=a_peer(clock=clock))
    events = np.zeros(len(times_ns), KERNEL_EVENT)
    events["time_ns"], events["local_port"] = times_ns, 40000
    return Storm(a_host(), act, ATTEMPTS, np.zeros(0), events)


@pytest.mark.parametrize(
    ("error_ns", "time_ns", "owner"),
    [
        (20 * US, -90 * US, 0),
        (2 * MS, -2 * MS, 0),  # dated before the attempt began, by the error of the clocks
        (2 * MS, 2 * MS, 0),
        (2 * MS, 50 * MS, NOBODY),
        (20 * US, 100 * MS + 40 * US, 1),
        (2 * MS, 100 * MS + 40 * US, UNCLEAR),  # either of the two
    ],
)
def test_an_event_belongs_to_the_only_attempt_that_it_can_be_of(error_ns, time_ns, owner):
    storm = storm_of(error_ns, time_ns)
    assert assign_events(storm, np.arange(3)).tolist() == [owner]
    assert (match_events(storm, np.arange(3)) is None) is (owner == UNCLEAR)


def test_an_event_of_an_attempt_that_needs_no_explanation_is_not_given_to_another_one():
    storm = storm_of(2 * MS, MS // 2, 100 * MS + 40 * US)
    assert assign_events(storm, np.array([0])).tolist() == [0, NOBODY]
    assert assign_events(storm, np.array([1])).tolist() == [NOBODY, UNCLEAR]
