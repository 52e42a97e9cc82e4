# SPDX-License-Identifier: MIT
"""Collisions: which attempts met a mine, by their 4-tuples."""

import errno

import numpy as np
import pytest
from builders import a_run, a_storm, many_attempts, many_mines, the_attempts, the_mines
from hypothesis import given

from stress.analysis.attribution.collision import detect_collisions
from stress.model.plan import Close, Plan, Serve

TIMED_OUT, NO_PORT, UNFINISHED = errno.ETIMEDOUT, errno.EADDRNOTAVAIL, errno.EINPROGRESS
PLAN = Plan(scenario="test")
REACHES_THE_NETWORK = {0, TIMED_OUT, errno.ECONNREFUSED, UNFINISHED}


def met(*rows, mines=(40000,), **columns):
    return detect_collisions(a_storm(the_attempts(*rows, **columns), the_mines(*mines), PLAN)).tolist()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # the first attempt clears the mine; the port is then like any other
        ([(40000, 0, 1), (40000, 0, 0), (40000, 0, 2)], [True, False, False]),
        # the RST is dropped: the mine stays, and each attempt meets it
        ([(40000, TIMED_OUT, 1), (40000, TIMED_OUT, 1)], [True, True]),
        # … until one gets through
        ([(40000, TIMED_OUT, 1), (40000, 0, 3), (40000, TIMED_OUT, 1)], [True, True, False]),
        # no SYN was sent: no collision, and the mine stays
        ([(40000, NO_PORT, 0), (40000, errno.EADDRINUSE, 0), (40000, 0, 1)], [False, False, True]),
        # connected with no SYN sent again: there was no mine any more
        ([(40000, 0, 0), (40000, 0, 1)], [False, False]),
        # given up before the kernel did
        ([(40000, UNFINISHED, 0), (40000, 0, 1)], [True, True]),
        # a slow attempt from another port is slow for another reason
        ([(40001, 0, 1), (40001, TIMED_OUT, 6), (40000, 0, 1)], [False, False, True]),
    ],
)
def test_a_mine_is_met_until_a_connection_proves_it_gone(rows, expected):
    assert met(*rows) == expected


def test_the_same_port_of_another_act_is_another_4_tuple():
    """Act 1 has a world of its own, in which 40000 is not mined."""
    attempts = the_attempts((40000, 0, 1), (40000, 0, 1), address=[0, 1])
    run = a_run(attempts, the_mines(40000), acts=2)
    assert [detect_collisions(storm).tolist() for storm in run.storms()] == [[True], [False]]


def test_a_server_that_leaks_lays_a_mine_with_each_connection_that_the_client_closes():
    rows = [(40000, 0, 0), (40000, TIMED_OUT, 1), (40000, 0, 1), (40001, 0, 2), (40000, 0, 1)]
    leaking = Plan(scenario="test", serve=Serve.LEAK, close=Close.FIN)
    assert detect_collisions(a_storm(the_attempts(*rows), None, leaking)).tolist() == [False, True, True, False, True]
    resetting = Plan(scenario="test", serve=Serve.LEAK, close=Close.RST)
    assert not detect_collisions(a_storm(the_attempts(*rows), None, resetting)).any()


def test_without_mines_nothing_is_a_collision():
    assert met((40000, 0, 1), (40000, TIMED_OUT, 6), mines=()) == [False, False]


def test_a_storm_without_attempts_met_nothing():
    assert detect_collisions(a_storm(the_attempts(), the_mines(40000))).shape == (0,)


def test_the_highest_port_is_a_port():
    assert met((65535, 0, 1), mines=(65535,)) == [True]


def by_hand(attempts, mines):
    """The rule again, one attempt after the other."""
    standing = {mine[:2] for mine in mines.tolist()}
    collided = []
    for attempt in attempts:
        place, error = (int(attempt["address"]), int(attempt["local_port"])), int(attempt["error"])
        at_once = error == 0 and attempt["retransmits"] == 0
        collided.append(place in standing and error in REACHES_THE_NETWORK and not at_once)
        if error == 0:
            standing.discard(place)
    return collided


@given(many_attempts, many_mines)
def test_it_is_what_a_walk_through_the_attempts_finds(attempts, mines):
    collided = np.concatenate([detect_collisions(storm) for storm in a_run(attempts, mines, acts=2).storms()])
    assert collided.tolist() == by_hand(attempts, mines)
    assert collided.dtype == np.bool_
