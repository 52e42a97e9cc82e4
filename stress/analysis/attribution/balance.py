# SPDX-License-Identifier: MIT
"""The segment balance: how many segments one TCP sent and no TCP received, in a closed namespace."""

from collections.abc import Mapping
from typing import NamedTuple

SEGMENT_COUNTERS = ("OutSegs", "RetransSegs", "InSegs", "TCPSynRetrans")


class Balance(NamedTuple):
    """Segments that were swallowed between the two TCPs: at least ``low``, at most ``high``.

    Segments larger than the MSS, which are counted as several when they are sent and as one when they are received,
    only raise both.
    """

    low: int
    high: int


def balance_segments(
    counters: Mapping[str, int], outside_packets: int | None, retransmits: int, *, alone: bool
) -> Balance | None:
    """Return how many segments were swallowed; None where other interfaces moved packets, or counters contradict.

    OutSegs counts neither a retransmitted SYN nor other data sent again, which RetransSegs does; a SYN-ACK that is
    sent again is in both (tcp_rtx_synack() and tcp_make_synack(), Linux 6.18). TCPSynRetrans counts SYNs and SYN-ACKs
    sent again alike, so where there are clients other than the storm's the number of SYN-ACKs is known only as an
    interval.

    Args:
        counters: changes during the storm.
        outside_packets: that other interfaces moved.
        retransmits: SYNs that the storm's attempts sent again.
        alone: whether nobody else in the namespace sent SYNs.
    """
    if outside_packets != 0 or any(name not in counters for name in SEGMENT_COUNTERS):
        return None
    difference = counters["OutSegs"] + counters["RetransSegs"] - counters["InSegs"]
    answers_again = counters["TCPSynRetrans"] - retransmits
    if answers_again < 0:
        return None
    low = difference - answers_again
    return Balance(low, low if alone else difference)
