# SPDX-License-Identifier: MIT
"""The figures of scenarios: reuse of ports, the step in their cost, verdicts, expectations."""

from fractions import Fraction

import numpy as np
import pytest
from builders import MS, SECOND, US, a_host, a_run, a_storm, the_attempts, the_mines
from hypothesis import given
from hypothesis import strategies as st

from stress.analysis.attribution.expectation import describe_expectation
from stress.analysis.attribution.port_cost import measure_port_cost
from stress.analysis.attribution.port_reuse import (
    expected_hits,
    is_port_still_taken,
    previous_use,
    reuse_delays_ns,
    reuse_distances,
)
from stress.analysis.attribution.summary import analyse
from stress.model.attempt import WARM_UP
from stress.model.mine import Isn, Release
from stress.model.plan import Close, Plan
from stress.model.world import Drop
from stress.storm.catalogue import SCENARIOS

few_ports = st.lists(st.integers(0, 4), max_size=40)


def at_ports(ports, errors=None, **columns):
    return the_attempts(
        *((port, error, 0) for port, error in zip(ports, errors or [0] * len(ports), strict=True)), **columns
    )


@given(few_ports)
def test_a_port_s_previous_use_is_the_last_one_before(ports):
    expected = [
        max((other for other in range(place) if ports[other] == port and port), default=-1)
        for place, port in enumerate(ports)
    ]
    assert previous_use(at_ports(ports)).tolist() == expected
    distances = [place - other for place, other in enumerate(expected) if other >= 0]
    assert reuse_distances(at_ports(ports)).tolist() == distances


def test_a_delay_is_counted_from_the_end_of_close():
    attempts = at_ports([7, 8, 7], start_ns=[0, SECOND, 5 * SECOND], latency_ns=MS, close_ns=[2 * US, 0, 0])
    assert reuse_delays_ns(attempts).tolist() == [5 * SECOND - MS - 2 * US]


@given(st.lists(st.tuples(st.integers(40000, 40003), st.sampled_from([0, 98]), st.integers(0, 40)), max_size=40))
def test_a_port_is_taken_while_its_last_connection_is_younger_than_time_wait(rows):
    start_s = np.cumsum([step for *_, step in rows])
    attempts = at_ports([row[0] for row in rows], [row[1] for row in rows], start_ns=start_s * SECOND)
    for close in Close:
        taken = is_port_still_taken(a_storm(attempts, plan=Plan(scenario="test", close=close)))
        for place, (port, _, _) in enumerate(rows):
            before = [other for other in range(place) if rows[other][:2] == (port, 0)]
            young = bool(before) and start_s[place] - start_s[before[-1]] < 60
            refused = rows[place][1] != 0
            expected = {Close.FIN: young, Close.HOLD: bool(before)}.get(close, False)
            assert taken[place] == (refused and expected)


@given(st.lists(st.tuples(st.integers(40000, 40001), st.sampled_from([0, 98, 110]), st.integers(0, 9)), max_size=30))
def test_a_port_is_taken_while_an_earlier_attempt_is_not_over(rows):
    """Attempts start a second apart; the third number is how long each lasts."""
    attempts = at_ports(
        [row[0] for row in rows],
        [row[1] for row in rows],
        start_ns=np.arange(len(rows)) * SECOND,
        latency_ns=[row[2] * SECOND for row in rows],
    )
    taken = is_port_still_taken(a_storm(attempts, plan=Plan(scenario="test", close=Close.RST)))
    for place, (port, error, _) in enumerate(rows):
        earlier = [other for other in range(place) if rows[other][0] == port and rows[other][1] != 98]
        expected = error == 98 and any(other + rows[other][2] > place for other in earlier)
        assert taken[place] == expected


@given(st.integers(0, 8), st.integers(0, 4), st.integers(1, 6))
def test_mines_met_by_chance_are_those_of_an_exact_count(attempts, mines, ports):
    mines = min(mines, ports)
    exact = mines * (1 - Fraction(ports - 1, ports) ** attempts)
    if ports > 1 or attempts:
        assert expected_hits(attempts, mines, ports) == pytest.approx(float(exact))


def filling(latencies_ns, ports=100, **columns):
    """Return a storm in which one port of a range is taken after the other, even ones first."""
    order = [*range(40000, 40000 + ports, 2), *range(40001, 40000 + ports, 2)]
    attempts = at_ports(order[: len(latencies_ns)], latency_ns=latencies_ns, **columns)
    return a_storm(attempts, port_range=(40000, 40000 + ports - 1), ports=ports)


@given(st.integers(10, 90), st.lists(st.floats(0.8, 1.2), min_size=100, max_size=100))
def test_the_step_is_found_where_it_is(knee, noise):
    latencies_ns = [(20 * US if place < knee else 900 * US) * factor for place, factor in enumerate(noise)]
    cost = measure_port_cost(filling(latencies_ns))
    if 30 <= knee <= 70:
        assert cost.knee == pytest.approx(knee / 100)
        assert cost.below_ns < cost.above_ns


def test_without_a_step_there_is_no_knee():
    assert measure_port_cost(filling([20 * US] * 100)).knee is None
    assert measure_port_cost(filling([20 * US] * 30)).knee is None
    assert measure_port_cost(filling([])).below_ns is None


def test_what_fills_the_range_is_not_measured_but_takes_its_place():
    latencies_ns = [20 * US] * 50 + [900 * US] * 50
    phases = [1] * 50 + [WARM_UP] * 40 + [1] * 10
    cost = measure_port_cost(filling(latencies_ns, phase=phases))
    assert len(cost.latency_ns) == 60
    assert cost.occupancy[-10:].tolist() == pytest.approx([0.9 + place / 100 for place in range(10)])
    assert cost.even.tolist() == [True] * 50 + [False] * 10


def verdict_of(scenario, *, counters=None, mines=(40000, 40001), left=(), rows=((40000, 0, 1),), **plan):
    attempts = the_attempts(*rows, latency_ns=9 * MS)
    base = a_run(attempts).record.acts[0].counters
    dropped = plan.pop("dropped", {})
    run = a_run(
        attempts,
        the_mines(*mines, left=left),
        Plan(scenario=scenario, **plan),
        counters=base | (counters or {}),
        dropped=dropped,
    )
    return analyse(run).summary.verdict


def test_the_translator_s_question_is_answered_by_one_counter():
    keep = {"release": Release.KEEP, "rows": ((0, 99, 0),)}
    assert verdict_of("translator", **keep).startswith("This kernel never takes over")
    assert verdict_of("translator", counters={"TWRecycled": 2}, **keep).startswith("This kernel takes over")
    assert verdict_of("translator", mines=(), **keep).startswith("Inconclusive")


def test_the_common_rule_passes_fails_or_was_not_tried():
    rule = {"isn": Isn.RANDOM, "drop": Drop.INVALID}
    assert verdict_of("conntrack-invalid", **rule).startswith("Pass: the rule dropped nothing, and each of 1 ")
    assert verdict_of("conntrack-invalid", left=(40000,), dropped={Drop.INVALID: 3}, **rule).startswith("Fail: ")
    assert verdict_of("conntrack-invalid", isn=Isn.RANDOM).startswith("Inconclusive")
    assert verdict_of("conntrack-invalid", rows=((40002, 0, 0),), **rule).startswith("Inconclusive")


def test_most_scenarios_ask_no_single_question():
    assert verdict_of("closewait") is None


@pytest.mark.parametrize("kernel", ["4.4.0", "5.5.0", "5.10.0", "6.1.0", "6.18.44", "7.2.0"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_says_what_to_expect_of_a_kernel(name, kernel):
    text = describe_expectation(SCENARIOS[name], a_host(kernel=kernel), {})
    assert text
    assert "{" not in text


def test_expectations_follow_the_kernel():
    def expected(name, kernel):
        return describe_expectation(SCENARIOS[name], a_host(kernel=kernel), {})

    assert expected("closewait", "6.18") == "each mine costs one attempt a retry, of 4–36 ms"
    assert expected("closewait", "5.5") == "each mine costs one attempt a retry, of 1 s"
    assert "taken over (TWRecycled)" in expected("translator", "6.11")
    assert "TWRecycled = 0" in expected("translator", "6.12")
    assert "ETIMEDOUT after 2.01 s" in expected("rst-dropped", "6.18")
    assert "ETIMEDOUT after 3 s" in expected("rst-dropped", "5.5")
