# SPDX-License-Identifier: MIT
"""Flows: what the packets of a capture show of each connection try, besides its attempt record."""

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

# One connection try in one file: all SYNs of one 4-tuple with one initial sequence number, and what follows until the
# next. A try that two files show, one from each end, has a row for each. Times are relative to its first SYN in this
# file (ns); -1: there was none.
FLOW = np.dtype(
    [
        ("attempt", "<u4"),  # index of its attempt record, in the order of which the rows are
        ("syns", "u1"),  # SYNs of the client, duplicates of the capture left out; 255 is 255 or more
        ("second_syn_ns", "<i8"),  # of the first that was sent again
        ("last_syn_ns", "<i8"),  # of those before the answer
        ("syn_acks", "u1"),  # SYN-ACKs that acknowledge this SYN, the ones sent again among them
        ("syn_ack_ns", "<i8"),
        (
            "challenges",
            "u1",
        ),  # ACKs of the server's side without SYN and RST, before it connected, that acknowledge other data
        ("challenge_ns", "<i8"),
        ("old_socket", "u1"),  # OldSocket: whose state the numbers of the first challenge are
        ("old_hops", "u1"),  # TTL or hop limit of the last segment of the server's side in that earlier connection
        ("again_ns", "<i8"),  # the first challenge with the same numbers after a SYN after an exact RST (see below)
        ("client_resets", "u1"),  # RSTs of the client's side before it connected
        ("exact_resets", "u1"),  # of them those with the sequence number that a challenge before them acknowledged
        ("client_reset_ns", "<i8"),
        ("server_resets", "u1"),  # RSTs of the server's side, before it connected, that acknowledge this SYN
        ("server_reset_ns", "<i8"),
        ("ack_ns", "<i8"),  # the client's ACK of the SYN-ACK
        ("icmp_type", "u1"),  # of the first ICMP error about it; model.segment.NO_ICMP: none
        ("icmp_code", "u1"),
        ("icmp_ns", "<i8"),
        ("syn_ack_hops", "u1"),  # TTL or hop limit of the first of each; 0: there was none
        ("challenge_hops", "u1"),
        ("server_reset_hops", "u1"),
        ("client_hops", "u1"),  # of the first SYN
        ("client_reset_hops", "u1"),
        ("options", "u1"),  # of the first SYN: model.segment.OPTION_…
        ("flags", "u1"),  # of the first SYN: ECE and CWR ask for ECN
        ("last_options", "u1"),  # of the last SYN: a kernel leaves out what it takes for the reason of a loss
        ("last_flags", "u1"),
        ("previous", "u1"),  # Previous: what the capture shows of an earlier connection with this 4-tuple
        ("reuse_ns", "<i8"),  # from the last segment of that one to the first SYN
        ("is_begun", "u1"),  # whether the capture began before the first SYN: 0 where the first may be missing
        ("is_ended", "u1"),  # whether the capture shows how it ended: 0 where it stops before
        ("vantage", "u1"),  # Vantage: where its packets were seen
        ("other_syn_acks", "u1"),  # SYN-ACKs before it connected that acknowledge another SYN
        ("other_syn_ack_ns", "<i8"),
        ("first_frame", "<u4"),  # number of the first SYN's packet in its file
        ("file", "u1"),
        ("losses", "u1"),  # Losses: what this file says of packets that its capture lost
    ]
)


class Previous(IntEnum):
    """How the earlier connection with the same 4-tuple stood when the new SYN came, by its packets alone."""

    NONE = 0  # the capture has none
    OPEN = 1  # neither side had ended it
    CLIENT_FIN = 2  # the client's FIN, and none of the server: the server's socket is in CLOSE_WAIT until it closes
    SERVER_FIN = 3  # the server's FIN, and none of the client
    BOTH_FIN = 4
    CLIENT_RESET = 5
    SERVER_RESET = 6
    TRY = 7  # a connection try that had not connected


class OldSocket(IntEnum):
    """What a challenge says of the socket that sent it.

    Its sequence number is the next that the socket sends, its acknowledgment number the next that it expects. Both must
    be those of the earlier connection with the same 4-tuple, all data and FINs counted; each FIN counts as one. Two
    FINs of which neither acknowledges the other crossed: NOT_KNOWN, as CLOSING and TIME-WAIT have the same numbers. So
    is a challenge that may be a late copy: with a timestamp that the earlier connection has already had.
    """

    NOT_KNOWN = 0  # no challenge, no earlier connection in the capture, other numbers, or one of the doubts below
    TRY = 1  # the SYN-ACK was not acknowledged: SYN-RECEIVED, or ESTABLISHED where an ACK was not captured
    OPEN = 2  # it counts no FIN of either side: ESTABLISHED
    CLIENT_FIN = 3  # that of the client alone, who had acknowledged all data, so that no FIN waits: CLOSE-WAIT
    SERVER_FIN = 4  # that of the server alone: FIN-WAIT-1 or FIN-WAIT-2
    CLIENT_FIN_FIRST = 5  # both, and the server's FIN acknowledged the client's: LAST-ACK
    SERVER_FIN_FIRST = 6  # both, and the client's FIN or a later ACK acknowledged the server's: TIME-WAIT


class Losses(IntEnum):
    """What a capture file says of packets that the capture lost: without a word, nothing follows from an absence."""

    NONE = 0
    SOME = 1
    NOT_SAID = 2


class Vantage(IntEnum):
    """Where the packets of a connection try were captured, as far as the capture says so itself."""

    UNKNOWN = 0  # a file of one device without directions says nothing about where that device was
    CLIENT = 1  # on the client's host: its SYNs leave, and do not arrive
    SERVER = 2  # on the server's host: they arrive, and do not leave
    BETWEEN = 3  # on a host that they pass
    BOTH = 4  # at both ends: one host is both


def no_flows() -> npt.NDArray[Any]:
    """Return the flows of a run that was no capture, shape (0,), dtype FLOW."""
    return np.zeros(0, FLOW)
