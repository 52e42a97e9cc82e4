# SPDX-License-Identifier: MIT
"""Old sockets: how an earlier connection with the same 4-tuple stood, and whether a challenge has its numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.capture.period import Mask, Periods, Places
from stress.analysis.capture.way import WAYS, describe_ways, is_copy, of_both_ways
from stress.model.flow import OldSocket, Previous
from stress.model.segment import FIN, RST


def is_connection(periods: Periods) -> Mask:
    """Return which periods show a connection: one that was made, or that there was when the capture began."""
    return np.asarray((periods.connected < periods.none) | ~periods.is_try, np.bool_)


def find_previous(flows: npt.NDArray[Any], periods: Periods) -> None:
    """Fill in how the earlier connection of each try's 4-tuple stood, and how long before it had its last segment."""
    all_of = periods.conversations
    if not periods.count:
        return
    connects = is_connection(periods)
    after = np.arange(periods.none) >= np.where(periods.is_try, periods.connected, periods.start)[periods.of_place]
    after &= all_of.is_segment & connects[periods.of_place]
    ends = of_both_ways(periods, np.flatnonzero(after & (all_of.flags & (RST | FIN) == FIN)))
    resets = of_both_ways(periods, np.flatnonzero(after & (all_of.flags & RST > 0)))
    tries = np.flatnonzero(periods.is_try)
    before = tries - 1
    of_first = all_of.connection[periods.start]
    exists = (before >= 0) & (of_first[before] == of_first[tries])
    # Both ways as seen by the new try, whose client may have been the server.
    way = all_of.is_forward[periods.start[tries]].astype(np.intp)
    client_end, server_end = ends[before, way], ends[before, 1 - way]
    client_reset, server_reset = resets[before, way], resets[before, 1 - way]
    none = periods.none
    previous = np.select(
        [
            ~exists,
            ~connects[before],
            (client_reset < none) & (client_reset < server_reset),
            server_reset < none,
            (client_end < none) & (server_end < none),
            client_end < none,
            server_end < none,
        ],
        [
            Previous.NONE,
            Previous.TRY,
            Previous.CLIENT_RESET,
            Previous.SERVER_RESET,
            Previous.BOTH_FIN,
            Previous.CLIENT_FIN,
            Previous.SERVER_FIN,
        ],
        Previous.OPEN,
    )
    flows["previous"] = previous
    since_ns = all_of.time_ns[periods.start[tries]] - all_of.time_ns[periods.start[tries] - 1]
    flows["reuse_ns"] = np.where(exists, since_ns, -1)
    # A client sends the first SYN of a try after the last one of the try before: that was captured too.
    flows["is_begun"] |= exists & periods.is_try[before]


def match_old_sockets(
    flows: npt.NDArray[Any], rows: npt.NDArray[Any], periods: Periods, *, syn: Mask, challenge: Mask, reset: Mask
) -> None:
    """Fill in whose numbers the first challenge of each try has, and what the client made of it.

    Args:
        flows: one for each try, dtype FLOW.
        rows: all segments, dtype SEGMENT.
        periods: of their point of capture.
        syn: which segments are SYNs, without copies; so are the others.
        challenge: which are challenges.
        reset: which are RSTs of the client before it connected.
    """
    flows["again_ns"] = -1
    first = periods.first(challenge)
    tries = np.flatnonzero(first < periods.none)
    if not len(tries):
        return
    all_of = periods.conversations
    flow = (np.cumsum(periods.is_try) - 1)[tries]
    of_place = periods.of_place
    sequence, wanted = (np.append(column, np.uint32(0))[first] for column in (all_of.sequence, all_of.acknowledgment))
    exact = reset & (np.arange(periods.none) > first[of_place]) & (all_of.sequence == wanted[of_place])
    flows["exact_resets"][flow] = np.minimum(periods.numbers(exact), 255)[tries]
    # The same numbers again, after a SYN after an exact RST: the RST did not end the old socket.
    place = np.arange(periods.none)
    next_syn = periods.first(syn & (place > periods.first(exact)[of_place]))
    alike = challenge & (all_of.sequence == sequence[of_place]) & (all_of.acknowledgment == wanted[of_place])
    again = periods.first(alike & (place > next_syn[of_place]))
    flows["again_ns"][flow] = periods.time_at(again)[tries]
    base = earlier_connections(periods)[tries]
    has_base = base >= 0
    tries, flow, base = tries[has_base], flow[has_base], base[has_base]
    states, last_of_server = compare_numbers(periods, rows, tries, base, first[tries])
    flows["old_socket"][flow] = states
    exists = last_of_server >= 0
    hops = rows["hops"][all_of.row[np.where(exists, last_of_server, 0)]]
    flows["old_hops"][flow] = np.where(exists, hops, 0)


def earlier_connections(periods: Periods) -> Places:
    """Return for each period the last one before it with the same 4-tuple that may have left a socket; -1 for none.

    That is a connection, or the try just before, whose SYN-ACK nobody acknowledged.
    """
    connects = is_connection(periods)
    number = np.arange(periods.count)
    last = np.maximum.accumulate(np.where(connects, number, -1)) if periods.count else number
    before = np.append(-1, last[:-1])[: periods.count]
    half_open = np.append(False, (periods.syn_ack < periods.none)[:-1] & ~connects[:-1])[: periods.count]
    before = np.where(half_open, number - 1, before)
    of_period = periods.conversations.connection[periods.start]
    same = of_period[np.maximum(before, 0)] == of_period
    return np.where((before >= 0) & same, before, -1)


def compare_numbers(
    periods: Periods, rows: npt.NDArray[Any], tries: Places, base: Places, challenges: Places
) -> tuple[Places, Places]:
    """Return the OldSocket of the first challenge of each try, and the last segment of the server in its base.

    Args:
        periods: all periods.
        rows: all segments, dtype SEGMENT.
        tries: numbers of periods with a challenge, shape (tries,).
        base: number of the earlier connection of each, shape (tries,).
        challenges: place of the first challenge of each, shape (tries,).

    Returns:
        two arrays of shape (tries,); a place of -1 means that there is none.
    """
    all_of, none = periods.conversations, periods.none
    wanted = np.zeros(periods.count, np.bool_)
    wanted[base] = True
    ways = describe_ways(periods, rows, wanted)
    way = all_of.is_forward[periods.start[tries]].astype(np.int64)
    client, server = base * WAYS + way, base * WAYS + 1 - way
    sent, expected = all_of.sequence[challenges], all_of.acknowledgment[challenges]
    has_client_end, has_server_end = ways.end[client] < none, ways.end[server] < none
    behind = ways.next_number[client] - expected
    counts_client = has_client_end & (behind == 0)
    fits = ways.exists[client] & ways.exists[server] & (sent == ways.next_number[server])
    fits &= counts_client | (behind == has_client_end)
    fits &= ways.is_whole[client] & ways.is_whole[server] & ~is_copy(ways, rows, server, all_of.row[challenges])
    heard_all = ways.heard[client] == ways.next_number[server]
    client_first = ways.end_heard[server] == ways.next_number[client]
    is_half_open = periods.is_try[base] & (periods.connected[base] == none)
    states = np.select(
        [
            ~fits,
            is_half_open,
            counts_client & has_server_end & client_first & (ways.end[client] < ways.end[server]),
            counts_client & has_server_end & heard_all & (ways.end[server] < ways.end[client]),
            counts_client & has_server_end,
            counts_client & heard_all,
            counts_client,
            has_server_end,
        ],
        [
            OldSocket.NOT_KNOWN,
            OldSocket.TRY,
            OldSocket.CLIENT_FIN_FIRST,
            OldSocket.SERVER_FIN_FIRST,
            OldSocket.NOT_KNOWN,
            OldSocket.CLIENT_FIN,
            OldSocket.NOT_KNOWN,
            OldSocket.SERVER_FIN,
        ],
        OldSocket.OPEN,
    )
    return states, ways.last[server]
