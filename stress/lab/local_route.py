# SPDX-License-Identifier: MIT
"""Whether the kernel delivers packets to an address within this network namespace: RTM_GETROUTE, rtnetlink(7)."""

import errno
import socket

from stress.model.errors import UsageError
from stress.model.text import endpoint_text

RTN_LOCAL = 2  # linux/rtnetlink.h
KINDS = {
    1: "its route leads to another host",
    3: "it is a broadcast address",
    4: "it is an anycast address",
    5: "it is a multicast address",
}


def find_local_source(address: str, port: int) -> str:
    """Return the source address that the kernel takes towards an address that is local in this namespace.

    The route is that of a TCP segment of this user to this port, so that rules of policy routing count. Nothing is
    sent.

    Raises:
        UsageError: the address is not local.
    """
    from pyroute2 import IPRoute  # noqa: PLC0415  # 0.3 s, and its threads must not start before unshare()
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with IPRoute() as netlink:
        try:
            (route,) = netlink.route("get", dst=address, family=family, ip_proto=socket.IPPROTO_TCP, dport=port)
        except NetlinkError as error:
            what = f"this network namespace has no route to it ({errno.errorcode.get(error.code, error.code)})"
            raise not_local(address, port, what) from error
    if route["type"] != RTN_LOCAL:
        raise not_local(address, port, KINDS.get(route["type"], "its route is of no use"))
    return str(route.get_attr("RTA_PREFSRC") or address)


def not_local(address: str, port: int, what: str) -> UsageError:
    """Return the refusal of an address."""
    return UsageError(
        f"{endpoint_text(address, port)} is not an address of this network namespace: {what}; a storm goes to local "
        "addresses only, and nothing was sent."
    )
