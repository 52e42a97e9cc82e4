# SPDX-License-Identifier: MIT
"""Captures of both ends of a link in one order: each packet leaves before it arrives.

The offset of the clocks that the control channel tells is wrong by up to half of its round trip, 0.1 ms over ssh, and a
packet crosses a link in a few µs. But the packets that both ends have captured bound the offset on either side: none
arrives before it left. The line that keeps furthest from all these bounds is a programme of three variables (Moon,
Skelly and Towsley, "Estimation and removal of clock skew from network delay measurements", 1999, fit one direction so).
"""

import dataclasses
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stress.lab.capture import Packets
from stress.lab.frame import IPV4, LAYOUTS, find_layouts
from stress.storm.peer.clock import drift_ns

PARTS = 64  # of the time; in each the tightest bound of a direction counts
TCP_BYTES = 14  # ports, sequence numbers, offset and flags
IDENTIFICATION = slice(18, 20)  # of IPv4
MARGIN_NS = 1.0


class Bounds(NamedTuple):
    """How much at least, or at most, is to be added to times of the server's host; both of shape (packets,)."""

    times_ns: npt.NDArray[np.int64]
    shifts_ns: npt.NDArray[np.int64]


def order_captures(client: Packets, server: Packets) -> Packets | None:
    """Return the server's packets, with times by which every packet that both ends saw leaves before it arrives.

    Args:
        client: captured on the client's host.
        server: captured on the server's host, its times in the client's clock as well as they are known.

    Returns:
        None where there are no such times: a clock was corrected during the storm.
    """
    there, came_there = match_packets(client, server, from_client=True)
    came_here, back = match_packets(client, server, from_client=False)
    least = Bounds(server.time_ns[came_there], client.time_ns[there] - server.time_ns[came_there])
    most = Bounds(server.time_ns[back], client.time_ns[came_here] - server.time_ns[back])
    line = fit_line(least, most)
    if line is None:
        return None
    begin_ns, shift_ns, slope = line
    shifts_ns = np.rint(shift_ns + slope * (server.time_ns - begin_ns)).astype(np.int64)
    return dataclasses.replace(server, time_ns=server.time_ns + shifts_ns, realtime_ns=server.realtime_ns + shifts_ns)


def match_packets(
    client: Packets, server: Packets, *, from_client: bool
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the indices, at the client and at the server, of the segments of a direction that each saw once."""
    rows = [
        np.flatnonzero((part.from_client == from_client) & (part.outgoing == leaves))
        for part, leaves in ((client, from_client), (server, not from_client))
    ]
    keys = [segment_keys(part, chosen) for part, chosen in zip((client, server), rows, strict=True)]
    values, firsts, counts = zip(*(np.unique(key, return_index=True, return_counts=True) for key in keys), strict=True)
    single = [value[count == 1] for value, count in zip(values, counts, strict=True)]
    _, *places = np.intersect1d(single[0], single[1], assume_unique=True, return_indices=True)
    here, there = (
        chosen[first[count == 1][place]]
        for chosen, first, count, place in zip(rows, firsts, counts, places, strict=True)
    )
    return here, there


def segment_keys(packets: Packets, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.void]:
    """Return what a segment takes along unchanged, shape (rows,), equal for what may be the same one."""
    headers = packets.headers[rows]
    layouts = find_layouts(headers)
    ports_at = np.array([layout.ports for layout in LAYOUTS])[layouts]
    key = np.zeros((len(rows), 16 + TCP_BYTES + 3), np.uint8)
    key[:, :16] = packets.client[rows].view(np.uint8).reshape(-1, 16)
    key[:, 16 : 16 + TCP_BYTES] = np.take_along_axis(headers, ports_at[:, None] + np.arange(TCP_BYTES), axis=1)
    is_ipv4 = np.array([layout.ether_type == IPV4 for layout in LAYOUTS])[layouts]
    key[is_ipv4, -3:-1] = headers[is_ipv4, IDENTIFICATION]
    key[:, -1] = layouts
    return key.view(f"V{key.shape[1]}").ravel()


def fit_line(least: Bounds, most: Bounds) -> tuple[int, float, float] | None:
    """Return the line that keeps furthest from bounds: its begin, its value there (ns), its slope; None: there is none.

    Where bounds of one side alone are known, as when no answer came, the shift is the smallest that they permit.
    """
    if not len(least.times_ns) or not len(most.times_ns):
        lowest_ns = least.shifts_ns.max(initial=0)
        return 0, float(lowest_ns or most.shifts_ns.min(initial=0)), 0.0
    times_ns = np.concatenate([least.times_ns, most.times_ns])
    begin_ns, length_ns = int(times_ns.min()), max(int(np.ptp(times_ns)), 1)
    about_ns = int(most.shifts_ns[0])  # small numbers are told apart better
    low = tighten(Bounds(least.times_ns, least.shifts_ns - about_ns), begin_ns, length_ns)
    high = tighten(Bounds(most.times_ns, about_ns - most.shifts_ns), begin_ns, length_ns)
    from scipy.optimize import linprog  # noqa: PLC0415  # 0.3 s, for captures across a link alone

    # Of the shift at the begin, the shift more at the end, and the distance to the bounds, the last as large as can be.
    rows = [(-1.0, -place, 1.0) for place, _ in low] + [(1.0, place, 1.0) for place, _ in high]
    limits = [-shift for _, shift in low] + [-shift for _, shift in high]
    steepest_ns = drift_ns(length_ns)
    room = [(None, None), (-steepest_ns, steepest_ns), (None, None)]
    best = linprog((0, 0, -1), A_ub=rows, b_ub=limits, bounds=room)
    if not best.success or best.x[2] < MARGIN_NS:
        return None
    return begin_ns, about_ns + float(best.x[0]), float(best.x[1]) / length_ns


def tighten(bounds: Bounds, begin_ns: int, length_ns: int) -> list[tuple[float, float]]:
    """Return the largest bound of each part of the time, with its place from 0 to 1."""
    places = (bounds.times_ns - begin_ns) / length_ns
    order = np.lexsort((-bounds.shifts_ns, np.minimum((places * PARTS).astype(np.int64), PARTS - 1)))
    parts = np.minimum((places[order] * PARTS).astype(np.int64), PARTS - 1)
    _, first = np.unique(parts, return_index=True)
    chosen = order[first]
    return list(zip(places[chosen].tolist(), bounds.shifts_ns[chosen].astype(float).tolist(), strict=True))
