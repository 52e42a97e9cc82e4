# SPDX-License-Identifier: MIT
"""IP headers: where the transport header begins, after options (RFC 791) and extension headers (RFC 8200)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.store.capture_file.fields import Fields, Places
from stress.store.capture_file.reason import Reason

HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
EXTENSIONS = (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, 135, 139, 140)  # IANA's list
EXTENSIONS_MAX = 16  # of one packet
IPV4_BYTES, IPV6_BYTES = 20, 40


@dataclass(frozen=True)
class Transport:
    """Where the transport headers of some packets are.

    Attributes:
        at: shape (packets,), where it begins; anything where there is a reason.
        end: where the packet ends, by the lengths in its headers.
        protocol: number of the transport protocol.
        reason: Reason.NONE, or why there is none.
    """

    at: Places
    end: Places
    protocol: npt.NDArray[np.int64]
    reason: npt.NDArray[np.int64]


def find_transport(fields: Fields, at: Places, stored_end: Places, wire_end: Places, version: int) -> Transport:
    """Find where the transport header of each packet begins.

    Args:
        fields: the piece of the file.
        at: shape (packets,), where the IP headers begin.
        stored_end: where what was stored of each packet ends.
        wire_end: where it ended on the wire: of a packet that is too long for the field of its length (BIG TCP, TSO).
        version: of IP: 4 or 6.
    """
    header_bytes = IPV4_BYTES if version == 4 else IPV6_BYTES
    reason = np.where(at + header_bytes > stored_end, Reason.CUT, Reason.NONE).astype(np.int64)
    transport = Transport(at.copy(), wire_end.copy(), np.full(len(at), -1), reason)
    rows = np.flatnonzero(reason == Reason.NONE)
    if version == 4:
        length, header = fields.half(at[rows] + 2), (fields.byte(at[rows]) & 15) * 4
        transport.protocol[rows] = fields.byte(at[rows] + 9)
        reason[rows[(fields.half(at[rows] + 6) & 0x1FFF) != 0]] = Reason.FRAGMENT
        reason[rows[(header < IPV4_BYTES) | ((length != 0) & (length < header))]] = Reason.DAMAGED
    else:
        length, header = fields.half(at[rows] + 4), np.full(len(rows), IPV6_BYTES)
        transport.protocol[rows] = fields.byte(at[rows] + 6)
        length = np.where(length != 0, length + IPV6_BYTES, 0)
    transport.at[rows] += header
    transport.end[rows] = np.where(length != 0, at[rows] + length, wire_end[rows])
    skip_extensions(fields, transport, stored_end)
    return transport


def skip_extensions(fields: Fields, transport: Transport, stored_end: Places) -> None:
    """Move to the transport header of each packet that has extension headers before it.

    An authentication header is one in IPv4 too. Few packets have any, so each round looks at those that are left.
    """
    active = np.flatnonzero((transport.reason == Reason.NONE) & np.isin(transport.protocol, EXTENSIONS))
    for _ in range(EXTENSIONS_MAX):
        if not active.size:
            return
        is_stored = transport.at[active] + 8 <= np.minimum(stored_end, transport.end)[active]
        transport.reason[active[~is_stored]] = Reason.CUT
        active = active[is_stored]
        at, protocol = transport.at[active], transport.protocol[active]
        size = fields.byte(at + 1)
        steps = [protocol == FRAGMENT, protocol == AUTHENTICATION]
        transport.at[active] += np.select(steps, [8, (size + 2) * 4], (size + 1) * 8)
        transport.protocol[active] = fields.byte(at)
        is_later = (protocol == FRAGMENT) & (fields.half(at + 2) >> 3 != 0)
        transport.reason[active[is_later]] = Reason.FRAGMENT
        active = active[~is_later & np.isin(transport.protocol[active], EXTENSIONS)]
    transport.reason[active] = Reason.DAMAGED
