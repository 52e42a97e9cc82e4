# SPDX-License-Identifier: MIT
"""Whole gates over simulated sessions: a small part of what ``benchmarks/sessions.py`` simulates 2,000 times."""

import pytest
from session_gates import Design, lowest_share, simulate_blocks, simulate_gates, simulate_more


@pytest.mark.parametrize(
    ("design", "gates", "most"),
    [
        (Design(20, 1, 5), 120, 0.05),
        (Design(3, 1, 5, spread=0.15), 80, 0.05),
        (Design(1, 1, 40, calibrated=10), 12, 0.05),
        (Design(20, 1, 40, law="t3"), 12, 0.15),
        (Design(20, 1, 5, law="busy"), 50, 0.15),
    ],
)
def test_gates_over_sessions_in_which_nothing_changed_seldom_say_that_something_did(design, gates, most):
    assert lowest_share(simulate_gates(design, gates, seed=3).alarms, gates) <= most


def test_two_sessions_never_say_anything_without_what_sessions_differ_by():
    assert simulate_gates(Design(1, 1, 40, worse=20), 10).undecided == 10


@pytest.mark.parametrize(
    ("design", "least"),
    [(Design(20, 1, worse=5), 0.9), (Design(10, 4, worse=3), 0.85), (Design(10, 2, 40, worse=5), 0.75)],
)
def test_gates_over_sessions_find_what_changed(design, least):
    gates = 40 if design.comparisons == 5 else 15
    assert simulate_gates(design, gates, seed=2).hits >= least * gates


@pytest.mark.parametrize("trials", [5, 8, 20])
def test_trials_of_two_sessions_alarm_the_more_often_the_more_there_are_and_sessions_do_not(trials):
    apart = simulate_gates(Design(1, 1, trials=trials, trials_apart=True), 40)
    assert apart.alarms >= 15
    assert simulate_gates(Design(1, 1, trials=trials), 40).alarms == 0
    assert lowest_share(simulate_gates(Design(1, 1, calibrated=10, trials=trials), 40).alarms, 40) <= 0.05


def test_interleaved_arms_are_safe_from_a_slow_drift_and_arms_one_after_the_other_are_not():
    apart = simulate_blocks(14, 40, drift=0.6, interleaved=False)
    assert apart.alarms >= 6
    assert lowest_share(simulate_blocks(14, 40, drift=0.6).alarms, 40) <= 0.05


def test_interleaved_arms_of_the_default_size_find_a_change_of_ten_percent():
    assert lowest_share(simulate_blocks(14, 60).alarms, 60) <= 0.05
    assert simulate_blocks(14, 60, change=0.1).hits >= 52


def test_the_number_of_sessions_that_a_verdict_names_decides():
    _, decided, never = simulate_more(10, 1, 2.5, 300, known=True)
    assert never == 0
    assert 0.72 <= decided / 300 <= 0.95
