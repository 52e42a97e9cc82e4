# SPDX-License-Identifier: MIT
"""When a serving host cuts a client off: by what comes ten times a second."""

from hypothesis import given
from hypothesis import strategies as st

from stress.model.peer import OVER_RATE_S
from stress.storm.peer.rate_limit import LOOK_S, SYNS_OF_AN_ATTEMPT, Load, RateLimit

RATES = st.floats(1, 100_000)


def verdicts(rate, completed, dropped=None):
    """Return what is found at each look at totals that rise so."""
    limit = RateLimit(rate, 0.0)
    drops = dropped or [0] * len(completed)
    loads = [Load((number + 1) * LOOK_S, *pair) for number, pair in enumerate(zip(completed, drops, strict=True))]
    return [limit.find_excess(load) for load in loads]


@given(RATES, st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_who_stays_below_the_rate_is_never_cut_off(rate, shares):
    total, completed = 0.0, []
    for share in shares:
        total += share * rate * LOOK_S * 0.999
        completed.append(int(total))
    # Whole connections: a rate of 10 a second is one at each look, which is not above it.
    assert not any(verdicts(max(rate, 10), completed))


@given(st.floats(100, 100_000), st.floats(1.2, 100))
def test_who_is_above_it_in_every_tenth_is_cut_off_after_a_second_at_the_latest(rate, factor):
    completed = [int(number * rate * factor * LOOK_S) for number in range(1, 11)]
    texts = verdicts(rate, completed)
    assert texts[-1] or any(texts[:-1])
    if factor < 1.9:  # the total is within what a second more permits
        assert not any(texts[:-1])
        assert "came for 1 s" in texts[-1]


@given(st.integers(10, 100_000))
def test_a_second_of_connections_may_come_at_once_and_no_more(rate):
    burst = int(rate * (OVER_RATE_S + LOOK_S))
    assert verdicts(rate, [burst]) == [None]
    (text,) = verdicts(rate, [burst + 2])
    assert "came within 0.1 s" in text


def test_slow_breaks_in_a_fast_client_leave_it_to_the_total():
    rises = [30] * 9 + [0]  # 270 a second where 100 are permitted, but not in every tenth
    completed = [sum((rises * 5)[: number + 1]) for number in range(50)]
    texts = [text for text in verdicts(100, completed) if text]
    assert "a second are permitted" in texts[0]


def test_of_dropped_syns_only_so_many_count_as_attempts_can_have_at_least():
    syns = [int(SYNS_OF_AN_ATTEMPT * 99 * LOOK_S * number) for number in range(1, 40)]
    assert not any(verdicts(100, [0] * 39, syns)), "a client that keeps to the rate sends each SYN again"
    assert any(verdicts(100, [0] * 39, [2 * count for count in syns]))
