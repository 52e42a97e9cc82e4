# SPDX-License-Identifier: MIT
"""The chance to meet an old socket: the walk of connect(), its interval, and real storms."""

import random

import numpy as np
import pytest
from collision_storms import CollisionStorm, collide
from hypothesis import given, settings
from hypothesis import strategies as st
from namespaced import namespaced

from stress.analysis.inspection import chance, port_walk
from stress.lab import sysctl

WALKS = 256


def brute_force(free, marked, start, connects, generator):
    """Walk as __inet_hash_connect() does, one port after the other; return how many marked ports were taken."""
    marked, size, offset, met = set(np.flatnonzero(marked)), len(free), start, 0
    for _ in range(connects):
        skipped = 0
        while not free[(offset + skipped) % size]:
            skipped += 1
        port = (offset + skipped) % size
        if port in marked:
            marked.remove(port)
            met += 1
        offset = (offset + max(skipped, generator.randrange(8)) + 1) % size
    return met


rings = st.integers(1, 60).flatmap(
    lambda size: st.tuples(*(st.lists(st.booleans(), min_size=size, max_size=size) for _ in range(2)))
).filter(lambda ring: any(ring[0]))  # fmt: skip


@settings(max_examples=25)
@given(rings, st.integers(1, 40))
def test_a_chance_is_in_order(ring, connects):
    free, mined = (np.array(part) for part in ring)
    result = chance.estimate_chance((40_000, 40_000 + len(free) - 1), free, mined, connects)
    count = int(np.count_nonzero(free & mined))
    assert result.mines == count
    assert 0 <= result.of_connects.low <= result.of_connects.value <= result.of_connects.high <= min(connects, count)
    for share in (result.share, result.share_at_random):
        assert 0 <= share.low <= share.value <= share.high <= 1


@settings(max_examples=15)
@given(rings, st.integers(1, 30))
def test_the_walks_are_those_of_brute_force(ring, connects):
    free, marked = np.array(ring[0]), np.array(ring[0]) & np.array(ring[1])
    counts = port_walk.count_marked(free, marked, [connects], walks=WALKS)[:, 0]
    generator = random.Random(len(free) * 100 + connects)
    walked = [brute_force(free, marked, walk % len(free), connects, generator) for walk in range(3 * WALKS)]
    deviation = np.std(walked) + np.std(counts) + 1e-9
    assert abs(np.mean(walked) - counts.mean()) <= 4.5 * deviation * (1 / np.sqrt(WALKS)) + 0.02
    assert counts.max(initial=0) <= marked.sum()
    assert counts.shape == (WALKS,)


def test_after_every_port_has_come_all_mines_are_gone():
    free, marked = np.ones(8, np.bool_), np.arange(8) % 2 == 0
    counts = port_walk.count_marked(free, marked, [10, 1000], walks=16)
    assert (counts[:, 1] == 4).all()
    assert (counts[:, 0] <= 4).all()


def test_a_dense_ring_is_walked_port_by_port():
    free = np.zeros(80, np.bool_)
    free[::8] = True
    counts = port_walk.count_marked(free, free, [10], walks=16)
    assert (counts >= 9).all()


@pytest.mark.parametrize(
    ("low", "high", "first", "second"),
    [
        (40_000, 40_003, [40_000, 40_002], [40_001, 40_003]),
        (40_001, 40_004, [40_001, 40_003], [40_002, 40_004]),
        (40_000, 40_004, [40_004, 40_002], [40_001, 40_003]),
        (40_000, 40_000, [40_000], []),
    ],
)
def test_the_passes_are_those_of_the_kernel(low, high, first, second):
    passes = port_walk.list_passes(low, high)
    assert [ports.tolist() for ports in passes] == [first, second]


def test_the_other_parity_is_used_once_the_first_is_taken():
    free, mined = np.arange(20) % 2 == 1, np.arange(20) == 3
    result = chance.estimate_chance((40_000, 40_019), free, mined, 1)
    assert result.parity == "odd"
    assert result.share.value == pytest.approx(0.1, abs=0.02)


def test_mines_in_a_row_have_a_wider_interval_than_mines_here_and_there():
    free = np.ones(28_232, np.bool_)
    together, apart = np.zeros(28_232, np.bool_), np.zeros(28_232, np.bool_)
    together[:2_000] = True
    apart[::14] = True
    wide, narrow = (chance.estimate_chance((32_768, 60_999), free, mined, 500) for mined in (together, apart))
    assert wide.share.low == 0.0
    assert wide.share.high > 0.4
    assert narrow.share.high - narrow.share.low < 0.1


def test_a_kernel_whose_walk_is_not_known_gets_all_that_is_possible():
    assert chance.is_walk_known("6.18.44", None)
    assert chance.is_walk_known("7.1.0-rc3", "0")
    assert not chance.is_walk_known("7.1.0", "128")
    assert not chance.is_walk_known("5.10.0-23-amd64", None)
    free = np.ones(1000, np.bool_)
    result = chance.estimate_chance((40_000, 40_999), free, np.arange(1000) < 20, 100, is_known=False)
    assert (result.of_connects.low, result.of_connects.high) == (0, 10)


@given(st.sets(st.integers(1, 65_535), max_size=200))
def test_mined_ports_are_listed_as_the_kernel_does(ports):
    text = chance.ports_text(np.array(sorted(ports), np.int64))
    assert text == sysctl.ports_text(ports)


def test_no_free_port_has_no_chance():
    nothing = np.zeros(10, np.bool_)
    assert chance.estimate_chance((40_000, 40_009), nothing, nothing, 10) is None


@namespaced(ports=(40_000, 41_999))
def test_real_storms_meet_as_many_mines_as_was_said():
    results = collide([CollisionStorm(2_000, 60, clusters, 200, seed) for clusters in (0, 3) for seed in range(3)])
    within = [result.is_within for result in results]
    # Of six intervals of 95 % each four or more hold, but in one of 400 tries.
    assert sum(within) >= 4, [(result.met, result.chance.of_connects) for result in results]
    assert sum(result.met for result in results) > 0
