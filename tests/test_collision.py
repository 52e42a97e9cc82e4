# SPDX-License-Identifier: MIT
"""Collisions: which attempts met a mine, by their 4-tuples."""

import errno

import numpy as np
import pytest
from builders import TWO_ADDRESSES, a_run, many_attempts, many_mines, the_attempts, the_mines
from hypothesis import given

from stress.analysis.collision import collided

TIMED_OUT, NO_PORT, UNFINISHED = errno.ETIMEDOUT, errno.EADDRNOTAVAIL, errno.EINPROGRESS
REACHES_THE_NETWORK = {0, TIMED_OUT, errno.ECONNREFUSED, UNFINISHED}


def met(*rows, mines=(40000,), **columns):
    run = a_run(the_attempts(*rows, **columns), the_mines(*mines), addresses=TWO_ADDRESSES)
    return collided(run).tolist()


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


def test_the_same_port_of_another_address_is_another_4_tuple():
    """
    127.0.0.1:40000 -> 5000 CLOSE-WAIT
    127.0.0.2:40000 -> -
    """
    assert met((40000, 0, 1), (40000, 0, 1), address=[1, 0]) == [False, True]


def test_without_mines_nothing_is_a_collision():
    assert met((40000, 0, 1), (40000, TIMED_OUT, 6), mines=()) == [False, False]


def test_a_storm_without_attempts_met_nothing():
    assert collided(a_run(the_attempts(), the_mines(40000))).shape == (0,)


def test_the_highest_port_of_the_last_address_is_a_port():
    run = a_run(the_attempts((65535, 0, 1), address=1), the_mines(65535, address=1), addresses=TWO_ADDRESSES)
    assert collided(run).tolist() == [True]


def by_hand(attempts, mines):
    """The rule again, one attempt after the other."""
    standing = {tuple(mine) for mine in mines.tolist()}
    found = []
    for attempt in attempts:
        place, error = (int(attempt["address"]), int(attempt["local_port"])), int(attempt["error"])
        at_once = error == 0 and attempt["retransmits"] == 0
        found.append(place in standing and error in REACHES_THE_NETWORK and not at_once)
        if error == 0:
            standing.discard(place)
    return found


@given(many_attempts, many_mines)
def test_it_is_what_a_walk_through_the_attempts_finds(attempts, mines):
    run = a_run(attempts, mines, addresses=TWO_ADDRESSES)
    assert collided(run).tolist() == by_hand(attempts, mines)
    assert collided(run).dtype == np.bool_
