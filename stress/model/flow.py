# SPDX-License-Identifier: MIT
"""Flows: what the packets of a capture show of each connection try, besides its attempt record."""

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

# One connection try: all SYNs of one 4-tuple with one initial sequence number, and what follows until the next. Times
# are relative to its first SYN (ns); -1: there was none.
FLOW = np.dtype(
    [
        ("syns", "u1"),  # SYNs of the client, duplicates of the capture left out; 255 is 255 or more
        ("last_syn_ns", "<i8"),  # of those before the answer
        ("syn_acks", "u1"),  # SYN-ACKs that acknowledge this SYN, the ones sent again among them
        ("syn_ack_ns", "<i8"),
        (
            "challenges",
            "u1",
        ),  # ACKs of the server's side without SYN and RST, before it connected, that acknowledge other data
        ("challenge_ns", "<i8"),
        ("client_resets", "u1"),  # RSTs of the client's side before it connected
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
        ("first_frame", "<u4"),  # number of the first SYN's packet in its file
        ("file", "u1"),
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


def no_flows() -> npt.NDArray[Any]:
    """Return the flows of a run that was no capture, shape (0,), dtype FLOW."""
    return np.zeros(0, FLOW)
