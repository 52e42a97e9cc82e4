# SPDX-License-Identifier: MIT
"""When a serving host cuts a client off, by what it reads ten times a second, however late; and who it never does.

Schedules are counts of connections in steps of 10 ms, as they are completed there.
"""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from stress.model.peer import OVER_RATE_S
from stress.storm.peer.pace import CATCH_UP_NS, PACE, pending_max
from stress.storm.peer.rate_limit import LOOK_S, SPARE, SPARE_SHARE, Look, RateLimit

STEP_S = 0.01
RATES = st.sampled_from([1, 7, 10, 50, 333, 1000, 5000, 20_000, 123_456])
FAST = st.sampled_from([200, 1000, 5000, 20_000, 123_456])
WINDOW = 1024


def looks_at(lates_s, duration_s):
    """Return when looks begin and end: each begins a tenth of a second after the one before, and may take longer."""
    begin_s = 0.0
    for late_s in itertools.chain(lates_s, itertools.repeat(0.0)):
        begin_s += LOOK_S
        if begin_s > duration_s:
            return
        yield begin_s, begin_s + late_s
        begin_s += late_s


def cut_off_s(rate, completed, lates_s=(), reads=None):
    """Return when a client is cut off; None: it is not.

    Args:
        rate: what is permitted.
        completed: how many connections are completed in each step.
        lates_s: how long looks take.
        reads: for each look, at which share of its time the least and the most is read.
    """
    limit = RateLimit(rate, 0.0)
    totals = [0, *itertools.accumulate(completed)]
    shares = reads or itertools.repeat((0.0, 1.0))
    for (began_s, ended_s), (low, high) in zip(looks_at(lates_s, len(completed) * STEP_S), shares, strict=False):
        at = [
            min(int((began_s + share * (ended_s - began_s)) / STEP_S + 1e-6), len(completed)) for share in (low, high)
        ]
        if limit.find_excess(Look(began_s, ended_s, totals[at[0]], totals[at[1]])):
            return ended_s
    return None


def paced(rate, stalls, catch_up_s=CATCH_UP_NS / 1e9, window=WINDOW):
    """Return when an honest client completes connections: paced as the engine does, while client and link are stalled.

    Args:
        rate: that is permitted.
        stalls: of each second, how long the client is stalled, and then how long the link, which lets go at once.
    """
    pace = PACE * rate
    pending_most = min(window, pending_max(rate, pace))
    intended_s, pending, completed = 0.0, 0, []
    for step in range(len(stalls) * 100):
        now_s, (client, link) = step * STEP_S, stalls[step // 100]
        into = (step % 100) * STEP_S
        while into >= client and pending < pending_most and intended_s <= now_s:
            intended_s = max(intended_s, now_s - catch_up_s) + 1 / pace
            pending += 1
        is_held = client <= into < client + link
        completed.append(0 if is_held else pending)
        pending = pending if is_held else 0
    return completed


STALLS = st.lists(st.tuples(st.floats(0, 1.2), st.floats(0, 1.2)), min_size=1, max_size=8)


@given(RATES, STALLS, st.lists(st.floats(0, 0.5), max_size=20))
def test_a_paced_client_is_never_cut_off_however_it_and_the_link_are_stalled(rate, stalls, lates_s):
    assert cut_off_s(rate, paced(rate, stalls), lates_s) is None


@given(RATES, STALLS, st.lists(st.floats(0, 0.5), max_size=20), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1))))
def test_nor_where_counts_are_read_at_any_moment_of_a_look(rate, stalls, lates_s, reads):
    ordered = [tuple(sorted(pair)) for pair in reads]
    shares = itertools.chain(ordered, itertools.repeat((0.0, 1.0)))
    assert cut_off_s(rate, paced(rate, stalls), lates_s, shares) is None


def test_without_the_pace_a_client_that_makes_up_for_a_stall_is_cut_off():
    stalled = [(0.0, 0.0), (0.9, 0.0), (0.0, 0.0)]
    assert cut_off_s(1000, paced(1000, stalled)) is None
    assert cut_off_s(1000, paced(1000, stalled, catch_up_s=9.0, window=10_000)) is not None


@st.composite
def uneven(draw, factor):
    """Draw a rate and a schedule that has that many times as much in every 2 s, however it is spread in them."""
    rate = draw(FAST)
    weights = draw(st.lists(st.integers(0, 9), min_size=1, max_size=20).filter(any))
    per_step = [weights[step * len(weights) // 200] for step in range(200)]
    share = factor * rate * 2 / sum(per_step)
    totals = list(itertools.accumulate(weight * share for weight in per_step))
    counts = [
        int(total) - int(before) for before, total in itertools.pairwise([0.0, *(total + 1e-6 for total in totals)])
    ]
    return rate, counts * 3


@given(uneven(1.1))
def test_a_tenth_above_the_rate_is_cut_off_within_two_seconds_and_a_look_however_uneven(drawn):
    rate, counts = drawn
    assert cut_off_s(rate, counts) <= 2 + LOOK_S + 1e-6


@given(FAST, st.floats(1.1, 100))
def test_the_faster_the_sooner(rate, factor):
    counts = [int(rate * factor * STEP_S * step) - int(rate * factor * STEP_S * (step - 1)) for step in range(1, 300)]
    most_s = (1 + SPARE_SHARE) / factor + SPARE / rate if factor > 1 + SPARE_SHARE + SPARE / rate else 1.0
    assert cut_off_s(rate, counts) <= most_s + 2 * LOOK_S


@given(st.integers(10, 100_000))
def test_a_second_of_connections_may_come_at_once_and_no_more(rate):
    spare = int(SPARE_SHARE * rate) + SPARE
    assert cut_off_s(rate, [rate, *[0] * 199]) is None
    assert cut_off_s(rate, [rate, *[0] * 199, rate, *[0] * 99]) is None
    assert cut_off_s(rate, [rate, *[0] * 49, spare + 1, *[0] * 99]) is not None
    text = RateLimit(rate, 0.0).find_excess(Look(LOOK_S, LOOK_S, rate + spare + 1, rate + spare + 1))
    assert text == f"{rate + spare + 1:,} connections came within 0.1 s, and {rate:,} a second are permitted"
    assert OVER_RATE_S == 1


def test_in_the_long_run_nothing_above_the_rate_goes_on():
    assert cut_off_s(1000, [10] * 10_000) is None
    assert 8 < cut_off_s(1000, [10, 10, 10, 10, 10, 10, 10, 10, 10, 11] * 1000) < 10
