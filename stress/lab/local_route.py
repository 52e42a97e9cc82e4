# SPDX-License-Identifier: MIT
"""Where the kernel sends packets to an address, and from which of this host's own: RTM_GETROUTE, rtnetlink(7)."""

import errno
import socket

from stress.model.errors import UsageError
from stress.model.text import endpoint_text

RTN_UNICAST, RTN_LOCAL = 1, 2  # linux/rtnetlink.h
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
    kind, source, error = find_route(address, port)
    if error:
        raise not_local(address, port, f"this network namespace has no route to it ({error})")
    if kind != RTN_LOCAL:
        raise not_local(address, port, KINDS.get(kind, "its route is of no use"))
    return source or address


def find_source(address: str, port: int) -> str:
    """Return the source address that the kernel takes towards an address of another host; nothing is sent.

    Raises:
        UsageError: the address is this host's own, or it cannot be reached.
    """
    kind, source, error = find_route(address, port)
    place = endpoint_text(address, port)
    if kind == RTN_LOCAL:
        raise UsageError(f"{place} is an address of this host itself, for which --peer is not needed; leave it out.")
    if error or kind != RTN_UNICAST or not source:
        why = f"there is no route to it ({error})" if error else KINDS.get(kind, "its route is of no use")
        raise UsageError(f"{place} cannot be stormed from this host: {why}; name another address with --listen.")
    return source


def find_route(address: str, port: int) -> tuple[int, str, str]:
    """Return the kind of the route of a TCP segment to a port, its source address, and the name of an error."""
    from pyroute2 import IPRoute  # noqa: PLC0415  # 0.3 s, and its threads must not start before unshare()
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with IPRoute() as netlink:
        try:
            (route,) = netlink.route("get", dst=address, family=family, ip_proto=socket.IPPROTO_TCP, dport=port)
        except NetlinkError as error:
            return 0, "", errno.errorcode.get(error.code, str(error.code))
    return int(route["type"]), str(route.get_attr("RTA_PREFSRC") or ""), ""


def not_local(address: str, port: int, what: str) -> UsageError:
    """Return the refusal of an address."""
    return UsageError(
        f"{endpoint_text(address, port)} is not an address of this network namespace: {what}; a storm goes to local "
        "addresses only, and nothing was sent."
    )
