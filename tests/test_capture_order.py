# SPDX-License-Identifier: MIT
"""Captures of both ends of a link whose clocks differ by more than a packet needs to cross it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.lab.capture import SNAP_BYTES, Packets
from stress.model.world import CLIENT
from stress.storm.peer.capture_order import match_packets, order_captures

CROSSING_NS = st.integers(1_000, 300_000)


def capture(times_ns, numbers, from_client, leaves):
    """Return a capture of SYNs and SYN-ACKs, each known by its number."""
    rows = len(times_ns)
    headers = np.zeros((rows, SNAP_BYTES), np.uint8)
    headers[:, 12], headers[:, 14], headers[:, 23] = 0x08, 0x45, 6
    headers[:, 38:42] = np.array(numbers, ">u4").view(np.uint8).reshape(-1, 4)
    headers[:, 46] = 0x50
    headers[:, 22] = 63 + np.array(leaves)  # TTL
    clients = np.zeros((rows, 16), np.uint8)
    return Packets(
        time_ns=np.array(times_ns, np.int64),
        realtime_ns=np.array(times_ns, np.int64) + 10**18,
        client=clients.view("V16").ravel(),
        client_port=np.full(rows, 40000, np.uint16),
        from_client=np.array(from_client, bool),
        length=np.full(rows, 54, np.uint32),
        headers=headers,
        missed=0,
        device=np.zeros(rows, np.int32),
        outgoing=np.array(leaves, bool),
        host=np.zeros(rows, np.uint8),
        hosts=(CLIENT,),
    )


def exchanges(ways, apart):
    """Return the captures of both ends; ``apart`` says how far the server's times are wrong at a moment."""
    here, there, at_ns = [], [], 0
    for number, (way_ns, back_ns, pause_ns) in enumerate(ways):
        at_ns += pause_ns
        arrives_ns, answered_ns = at_ns + way_ns, at_ns + way_ns + 2_000
        here += [(at_ns, 2 * number, True, True), (answered_ns + back_ns, 2 * number + 1, False, False)]
        there += [
            (arrives_ns + apart(arrives_ns), 2 * number, True, False),
            (answered_ns + apart(answered_ns), 2 * number + 1, False, True),
        ]
    return [capture(*map(list, zip(*rows, strict=True))) for rows in (sorted(here), sorted(there))]


def is_ordered(client, server):
    """Return whether each packet leaves before it arrives."""
    there, came_there = match_packets(client, server, from_client=True)
    came_here, back = match_packets(client, server, from_client=False)
    assert len(there) == len(came_here) == len(client.time_ns) // 2
    return (client.time_ns[there] < server.time_ns[came_there]).all() and (
        server.time_ns[back] < client.time_ns[came_here]
    ).all()


@given(
    st.lists(st.tuples(CROSSING_NS, CROSSING_NS, st.integers(1, 10**8)), min_size=1, max_size=200),
    st.integers(-(10**14), 10**14),
    st.integers(-50, 50),
)
def test_every_packet_leaves_before_it_arrives_whatever_the_clocks_are_wrong_by(ways, wrong_ns, ppm):
    client, server = exchanges(ways, lambda at_ns: wrong_ns + at_ns * ppm // 10**6)
    ordered = order_captures(client, server)
    assert ordered is not None
    assert is_ordered(client, ordered)
    assert (ordered.realtime_ns - ordered.time_ns == 10**18).all()


def test_where_the_offset_is_wrong_by_more_than_a_crossing_the_order_was_wrong():
    client, server = exchanges([(3_000, 3_000, 1_000_000)] * 50, lambda _: -14_000)
    assert not is_ordered(client, server)
    ordered = order_captures(client, server)
    assert is_ordered(client, ordered)
    assert np.abs(ordered.time_ns - server.time_ns - 14_000).max() <= 3_000


def test_there_is_no_order_where_a_clock_is_corrected_during_the_storm():
    client, server = exchanges([(3_000, 3_000, 1_000_000)] * 90, lambda at_ns: 20_000 * (30e6 < at_ns < 60e6))
    assert order_captures(client, server) is None


@pytest.mark.parametrize("from_client", [True, False])
def test_where_no_answer_was_captured_times_move_as_little_as_is_needed(from_client):
    captures = exchanges([(3_000, 3_000, 1_000_000)] * 5, lambda _: -14_000 if from_client else 14_000)
    one_way = [take(part, part.from_client == from_client) for part in captures]
    ordered = order_captures(*one_way)
    assert np.unique(np.abs(ordered.time_ns - one_way[1].time_ns)).tolist() == [11_000]
    assert order_captures(one_way[0], take(one_way[1], np.zeros(5, bool))).time_ns.size == 0


def test_packets_that_an_end_saw_twice_tell_nothing():
    client, server = exchanges([(3_000, 3_000, 1_000_000)] * 3, lambda _: 0)
    twice = take(client, [*range(len(client.time_ns)), 0])
    there, _ = match_packets(twice, server, from_client=True)
    assert len(there) == 2


def take(packets, rows):
    """Return some packets of a capture."""
    columns = [field.name for field in dataclasses.fields(Packets) if field.name not in ("missed", "hosts")]
    return dataclasses.replace(packets, **{name: getattr(packets, name)[rows] for name in columns})
