# SPDX-License-Identifier: MIT
"""The addresses of this network namespace's devices, by netlink (rtnetlink(7)).

pyroute2 lists them too, but its import takes 0.3 s.
"""

import socket
import struct

from stress.lab import inet_diag
from stress.model.errors import LabError

NETLINK_ROUTE = 0
RTM_GETADDR = 22
ADDRESS_MESSAGE = struct.Struct("=BBBBi")  # ifaddrmsg: family, length of the prefix, flags, scope, device
IFA_ADDRESS, IFA_LOCAL = 1, 2  # linux/if_addr.h; of a point-to-point device IFA_ADDRESS is the other end's


def list_addresses() -> frozenset[str]:
    """Return the IPv4 and IPv6 addresses of all devices, as text.

    Raises:
        LabError: the kernel does not tell.
    """
    addresses = set()
    request = inet_diag.pack_dump_request(RTM_GETADDR, ADDRESS_MESSAGE.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
    try:
        for data, offsets in inet_diag.send_dump_request(NETLINK_ROUTE, request, ADDRESS_MESSAGE.size):
            for offset in offsets:
                if address := parse_address(inet_diag.cut_message(data, offset)):
                    addresses.add(address)
    except OSError as error:
        raise LabError(f"The kernel does not list this host's addresses (rtnetlink: {error.strerror}).") from error
    return frozenset(addresses)


def parse_address(message: bytes) -> str | None:
    """Return the address in an ifaddrmsg with its attributes; None of another family."""
    family = message[0]
    attributes = inet_diag.parse_attributes(message[ADDRESS_MESSAGE.size :])
    packed = attributes.get(IFA_LOCAL) or attributes.get(IFA_ADDRESS)
    if family not in (socket.AF_INET, socket.AF_INET6) or packed is None:
        return None
    return socket.inet_ntop(family, packed)
