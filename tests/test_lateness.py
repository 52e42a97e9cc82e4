# SPDX-License-Identifier: MIT
"""Answers that come after the SYN was sent again: no loss and no queue is named for them, and for real losses it is."""

import errno
from unittest.mock import patch

import numpy as np
import pytest
from builders import COUNTERS, MS, SECOND, a_run, a_storm, settings, the_attempts, the_mines
from hypothesis import given
from hypothesis import strategies as st

from stress.analysis.attribution import lateness
from stress.analysis.attribution.summary import analyse
from stress.model.plan import Plan, Serve
from stress.model.record import ListenerReport
from stress.model.stall import Stall, StallKind

LADDER = settings(tcp_syn_retries=3, tcp_syn_linear_timeouts=0)
RUNGS = [SECOND, 3 * SECOND, 7 * SECOND]
SPACING = 50 * MS


def answered_after(delays_ns):
    """Return attempts, 50 ms apart, the answer to whose first SYN came so late; a timer may be 20 ms late."""
    resends = [sum(delay > rung + 20 * MS for rung in RUNGS) for delay in delays_ns]
    rows = [(40000 + number, 0, resent) for number, resent in enumerate(resends)]
    starts = np.arange(len(rows)) * SPACING
    return the_attempts(*rows, latency_ns=delays_ns, start_ns=starts)


def causes_of(attempts, *, swallowed=0, repeated=0, **changes):
    """Return how many attempts have each cause, where so many segments of any kind were lost, and SYNs came twice."""
    resent = int(attempts["retransmits"].sum())
    counters = dict.fromkeys(COUNTERS, 0) | {
        "ActiveOpens": len(attempts),
        "OutSegs": swallowed,
        "RetransSegs": resent + repeated,
        "TCPSynRetrans": resent + repeated,
        "InSegs": resent,
    }
    run = a_run(
        attempts, changes.pop("mines", None), sysctls=LADDER, counters=counters | changes.pop("counters", {}), **changes
    )
    return {name: count for name, count in analyse(run).summary.causes.items() if count and name != "none"}


@given(peak_ms=st.integers(500, 6900), swallowed=st.integers(0, 1000))
def test_behind_a_queue_that_drains_nothing_is_named(peak_ms, swallowed):
    """Of those that were sent again one may be answered just after the resend, as if that had been the answer."""
    delays = np.maximum(peak_ms * MS - np.arange(200) * SPACING, MS // 10)
    attempts = answered_after(delays.tolist())
    causes = causes_of(attempts, swallowed=swallowed, repeated=int(attempts["retransmits"].sum()))
    assert set(causes) <= {"unknown"}


@given(delay_ms=st.integers(1000, 6900), swallowed=st.integers(0, 1000), count=st.integers(1, 30))
def test_on_a_path_that_is_slower_than_the_timeout_nothing_is_named(delay_ms, swallowed, count):
    attempts = answered_after([delay_ms * MS] * count)
    repeated = int(attempts["retransmits"].sum())
    assert set(causes_of(attempts, swallowed=swallowed, repeated=repeated)) <= {"unknown"}


@pytest.mark.parametrize("counter", ["TCPACKSkippedSynRecv", "TCPSYNChallenge", "EmbryonicRsts"])
def test_whatever_the_server_says_of_a_syn_that_came_twice_is_heard(counter):
    attempts = answered_after([1030 * MS] * 3)
    assert causes_of(attempts, swallowed=3) == {"lost_on_the_way": 3}
    assert causes_of(attempts, swallowed=3, counters={counter: 1}) == {"unknown": 3}


def test_an_rst_that_overtook_the_last_ack_of_its_own_handshake_is_no_syn_that_came_twice():
    """Only where the server's connections are all known, and nothing else may have taken one away."""
    attempts = answered_after([1030 * MS] * 5)
    overtaken = {"counters": {"EmbryonicRsts": 2}, "listener": ListenerReport(3, 0, 3, 0, {})}
    seen = overtaken | {"census_after": {"server": {"LISTEN": 1}}}
    named, unknown = {"lost_on_the_way": 5}, {"unknown": 5}
    assert causes_of(attempts, swallowed=5, **seen) == named
    assert (
        causes_of(attempts, swallowed=5, **seen | {"listener": ListenerReport(2, 0, 2, 0, {}), "waiting": 1}) == named
    )
    assert causes_of(attempts, swallowed=5, **overtaken) == unknown
    for one_more in (
        {"listener": ListenerReport(4, 0, 4, 0, {})},
        {"waiting": 1},
        {"census_after": {"server": {"LISTEN": 1, "SYN-RECEIVED": 1}}},
        {"counters": {"EmbryonicRsts": 2, "SyncookiesSent": 1}},
        {"plan": Plan(scenario="test", serve=Serve.NOBODY)},
        {"plan": Plan(scenario="test", listeners=2, stuck=1, stuck_until_s=1.0, use=True)},
    ):
        assert causes_of(attempts, swallowed=5, **seen | one_more) == unknown


@given(
    round_trip_ms=st.integers(0, 100),
    lost=st.lists(st.integers(0, 2), min_size=2, max_size=40).filter(lambda lost: 0 in lost and any(lost)),
    timers_late_ms=st.integers(0, 20),
)
def test_a_loss_is_named_on_a_path_that_is_fast(round_trip_ms, lost, timers_late_ms):
    """Each attempt lost so many SYNs, and the answer to the next one came within a round trip."""
    waits = [0, *RUNGS]
    latencies = [waits[count] + (timers_late_ms * (count > 0) + round_trip_ms) * MS for count in lost]
    rows = [(40000 + number, 0, count) for number, count in enumerate(lost)]
    attempts = the_attempts(*rows, latency_ns=latencies)
    assert causes_of(attempts, swallowed=sum(lost))["lost_on_the_way"] == sum(count > 0 for count in lost)


def test_an_attempt_that_timed_out_lost_its_syns_though_others_had_to_wait_for_their_answers():
    attempts = the_attempts(
        *((40000, errno.ETIMEDOUT, 3), (40001, 0, 0), (40002, 0, 1)),
        latency_ns=[15 * SECOND, 800 * MS, 1010 * MS],
    )
    assert causes_of(attempts, swallowed=5) == {"lost_on_the_way": 1, "unknown": 2}


def test_segments_that_are_still_on_their_way_are_not_lost():
    attempts = the_attempts((40000, errno.ETIMEDOUT, 3), (40001, 0, 0), latency_ns=[15 * SECOND, MS])
    assert causes_of(attempts, swallowed=4) == {"lost_on_the_way": 1}
    assert causes_of(attempts, swallowed=4, segments_in_flight=True) == {"unknown": 1}


def test_an_answer_that_the_client_saw_late_because_it_did_not_run_was_not_late():
    attempts = the_attempts((40000, 0, 1), (40001, 0, 0), latency_ns=[1500 * MS, MS])
    stalls = [Stall(start_ns=1002 * MS, end_ns=1499 * MS, kind=StallKind.LOOP, worker=0)]
    assert causes_of(attempts, swallowed=1) == {"unknown": 1}
    assert causes_of(attempts, swallowed=1, stalls=stalls) == {"lost_on_the_way": 1}


def test_a_stall_while_nothing_was_due_delays_nothing_unless_it_began_with_the_attempt():
    attempts = the_attempts((40000, 0, 1), latency_ns=1500 * MS)
    due = np.array([SECOND])
    for start_ms, end_ms, counted_ms in ((200, 400, 0), (900, 1200, 200), (0, 300, 300), (1400, 1700, 100)):
        storm = a_storm(attempts, stalls=[Stall(start_ms * MS, end_ms * MS, StallKind.LOOP, 0)])
        assert lateness.overlap_ns(storm, attempts, due).tolist() == [counted_ms * MS]
        assert lateness.overlap_ns(storm, attempts).tolist() == [min(end_ms, 1500) * MS - start_ms * MS]


@pytest.mark.parametrize(("mined_ns", "cause"), [(MS, "lost_on_the_way"), (-MS, "unknown")])
def test_a_hastened_resend_overtakes_an_answer_only_if_its_attempt_began_later(mined_ns, cause):
    """An old socket answered the first SYN of the other attempt, before this one's SYN was sent again."""
    attempts = the_attempts((40000, 0, 1), (40001, 0, 1), latency_ns=[1010 * MS, 9 * MS], start_ns=[MS, MS + mined_ns])
    attempts.sort(order="start_ns")
    counters = {"TCPSYNChallenge": 1, "TCPChallengeACK": 1, "OutRsts": 4, "EmbryonicRsts": 1}
    causes = causes_of(attempts, swallowed=1, counters=counters, mines=the_mines(40001))
    assert causes == {"closewait": 1, cause: 1}


@given(
    delays_ms=st.lists(st.integers(0, 3000), min_size=5, max_size=60),
    stop_ms=st.integers(0, 3000),
    stopped_ms=st.integers(0, 3000),
    swallowed=st.integers(0, 1000),
)
def test_whatever_a_queue_delays_and_whenever_the_client_is_stopped_nothing_is_named(
    delays_ms, stop_ms, stopped_ms, swallowed
):
    """A queue keeps the order; what came while the client was stopped it sees afterwards."""
    attempts = answered_after([0] * len(delays_ms))
    starts = attempts["start_ns"]
    came = np.maximum.accumulate(starts + np.array(delays_ms) * MS) + MS // 10
    stop, end = stop_ms * MS, (stop_ms + stopped_ms) * MS
    if stopped_ms:  # nothing begins meanwhile
        moved = np.where(starts >= stop, stopped_ms * MS, 0)
        starts += moved
        came = np.maximum.accumulate(np.maximum(came, starts + MS // 10))
    seen = np.where((came > stop) & (came < end), end, came)
    attempts["retransmits"] = [sum(delay > rung + 20 * MS for rung in RUNGS) for delay in came - starts]
    attempts["latency_ns"] = seen - starts
    stalls = [Stall(stop, end, StallKind.LOOP, 0)] if stopped_ms else []
    causes = causes_of(attempts, swallowed=swallowed, repeated=int(attempts["retransmits"].sum()), stalls=stalls)
    assert set(causes) <= {"unknown", "stalled"}


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 30), st.sampled_from([0, errno.ETIMEDOUT]), st.integers(0, 1)),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 8),
)
def test_an_attempt_is_overtaken_by_one_that_began_later_and_connected_before_it_would_have_sent_its_syn_again(
    rows, chunk
):
    rows = sorted(rows)
    attempts = the_attempts(*((40000, error, resent) for _, _, error, resent in rows))
    attempts["start_ns"], attempts["latency_ns"] = [row[0] for row in rows], [row[1] for row in rows]
    own = attempts[(attempts["error"] != 0) | (attempts["retransmits"] > 0)]
    passing = attempts[attempts["error"] == 0]
    expected = [
        any(start < other["start_ns"] and other["start_ns"] + other["latency_ns"] <= start + 10 for other in passing)
        for start in own["start_ns"].tolist()
    ]
    with patch.object(lateness, "CHUNK", chunk):
        assert lateness.is_overtaken(attempts, own, 10).tolist() == expected
