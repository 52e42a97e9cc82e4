# SPDX-License-Identifier: MIT
"""Tries out of segments: whatever talks are mixed into one capture, each try comes back with its own end."""

import errno
import socket

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.analysis.capture.tries import find_tries
from stress.model.segment import ACK, FIN, NO_ICMP, RST, SEGMENT, SYN, CaptureFile, Segments

SERVER, SERVER_PORT = socket.inet_aton("10.0.0.9"), 5000
MS = 1_000_000
GAP_NS = 200_000_000_000  # between tries of one port; longer than any ladder of these
TIMEOUTS_S = (1, 2, 4)
LONG_NS = 400_000_000_000

# A try: which client, port and initial sequence number; SYNs sent; how the last one was answered, and how it closed.
TRY = st.fixed_dictionaries(
    {
        "client": st.integers(1, 3),
        "port": st.integers(40000, 40003),
        "number": st.integers(0, 2**32 - 1),
        "syns": st.integers(1, 4),
        "end": st.sampled_from(["connected", "refused", "silent"]),
        "close": st.sampled_from(["fin", "rst", "open"]),
        "start_ms": st.integers(0, 1000),
    }
)


def segments_of(row, plan, turn):
    """Yield the segments of a try: time, from the client, flags, sequence and acknowledgment number."""
    number, answer = plan["number"], (plan["number"] * 7 + turn) % 2**32
    at_ns = GAP_NS * turn + plan["start_ms"] * MS + row  # no two at one moment
    yield at_ns, True, SYN, number, 0
    for timeout_s in TIMEOUTS_S[: plan["syns"] - 1]:
        at_ns += timeout_s * 1000 * MS
        yield at_ns, True, SYN, number, 0
    if plan["end"] == "refused":
        yield at_ns + MS, False, RST | ACK, 0, number + 1
    if plan["end"] != "connected":
        return
    yield at_ns + MS, False, SYN | ACK, answer, number + 1
    yield at_ns + 2 * MS, True, ACK, number + 1, answer + 1
    if plan["close"] == "rst":
        yield at_ns + 3 * MS, True, RST | ACK, number + 1, answer + 1
    if plan["close"] == "fin":
        yield at_ns + 3 * MS, True, FIN | ACK, number + 1, answer + 1
        yield at_ns + 4 * MS, False, FIN | ACK, answer + 1, number + 2
        yield at_ns + 5 * MS, True, ACK, number + 2, answer + 2


def capture_of(plans):
    """Return the segments of tries, ordered by time; the n-th try of a port begins long after the one before."""
    rows, turns = [], {}
    for row, plan in enumerate(plans):
        turn = turns[plan["client"], plan["port"]] = turns.get((plan["client"], plan["port"]), 0) + 1
        client = socket.inet_aton(f"10.0.0.{plan['client']}")
        for at_ns, from_client, flags, sequence, acknowledgment in segments_of(row, plan, turn):
            segment = np.zeros(1, SEGMENT)
            ends = ((client, plan["port"]), (SERVER, SERVER_PORT))
            (source, source_port), (destination, destination_port) = ends if from_client else ends[::-1]
            segment["source"], segment["destination"] = source.ljust(16, b"\0"), destination.ljust(16, b"\0")
            segment["source_port"], segment["destination_port"] = source_port, destination_port
            segment["time_ns"], segment["flags"], segment["family"] = at_ns, flags, 4
            segment["sequence"], segment["acknowledgment"] = sequence % 2**32, acknowledgment % 2**32
            segment["icmp_type"], segment["hops"], segment["device"] = NO_ICMP, 64, -1
            rows.append(segment)
    rows = np.concatenate(rows)
    rows = rows[np.argsort(rows["time_ns"], kind="stable")]
    rows["frame"], rows["identification"] = np.arange(len(rows)), np.arange(len(rows)) % 65535 + 1
    last_ns = int(rows["time_ns"][-1]) + LONG_NS
    file = CaptureFile("by hand", "pcap", ["Ethernet"], len(rows), len(rows), {}, 0, 0, False, None, 0, last_ns, 1)
    return Segments(rows, [file])


def expected_of(plan):
    """Return errno, resends and latency (ms) of a try."""
    waited_ms = 1000 * sum(TIMEOUTS_S[: plan["syns"] - 1])
    return {
        # Until the client's ACK: nothing says that the capture was at the client.
        "connected": (0, plan["syns"] - 1, waited_ms + 2),
        "refused": (errno.ECONNREFUSED, plan["syns"] - 1, waited_ms + 1),
        "silent": (errno.ETIMEDOUT, plan["syns"] - 1, waited_ms),
    }[plan["end"]]


def distinct(plans):
    """Return tries without those that would send the SYN of the try before on the same port again."""
    chosen, last = [], {}
    for plan in plans:
        end = plan["client"], plan["port"]
        if last.get(end) != plan["number"]:
            chosen.append(plan)
        last[end] = plan["number"]
    return chosen


@given(st.lists(TRY, min_size=1, max_size=12).map(distinct))
@settings(max_examples=150)
def test_tries_come_back_whatever_is_mixed(plans):
    tries = find_tries(capture_of(plans))
    assert len(tries.attempts) == len(plans)
    told = sorted(
        (int(syn["sequence"]), int(attempt["local_port"]), int(attempt["error"]), int(attempt["retransmits"]))
        for syn, attempt in zip(tries.syns, tries.attempts, strict=True)
    )
    assert told == sorted((plan["number"], plan["port"], *expected_of(plan)[:2]) for plan in plans)
    latencies_ms = sorted(round(int(ns) / MS) for ns in tries.attempts["latency_ns"])
    assert latencies_ms == sorted(expected_of(plan)[2] for plan in plans)
    assert (np.diff(tries.attempts["start_ns"]) >= 0).all()
    assert tries.flows["attempt"].tolist() == list(range(len(plans)))


@given(st.lists(TRY, min_size=1, max_size=6).map(distinct), st.integers(-(10**14), 10**14))
@settings(max_examples=60)
def test_a_second_capture_by_another_clock_adds_no_try(plans, offset_ns):
    capture = capture_of(plans)
    other = capture.rows.copy()
    other["time_ns"] += offset_ns
    other["file"] = 1
    rows = np.concatenate([capture.rows, other])
    (file,) = capture.files
    second = CaptureFile(
        *("server", "pcap", ["Ethernet"], len(other), len(other), {}, 0, 0, False, None),
        *(offset_ns, file.last_ns + offset_ns, 1),
    )
    tries = find_tries(Segments(rows[np.argsort(rows["time_ns"], kind="stable")], [file, second]))
    assert len(tries.attempts) == len(plans)
    assert len(tries.flows) == 2 * len(plans)
    assert tries.clocks_ns.tolist() == [0, abs(offset_ns)]
    assert tries.attempts["start_ns"].tolist() == find_tries(capture).attempts["start_ns"].tolist()
