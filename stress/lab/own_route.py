# SPDX-License-Identifier: MIT
"""Routes to single addresses that this program adds to a host and removes again, known by their protocol number."""

import errno
import ipaddress
import socket

import msgspec

from stress.lab.network import open_route
from stress.model.errors import LabError

PROTOCOL = 187  # of a route, linux/rtnetlink.h: nobody in /etc/iproute2/rt_protos has it
NUD_PERMANENT = 0x80  # linux/neighbour.h


class OwnRoute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A route to one address that refuses packets: unreachable, prohibit, blackhole or throw."""

    address: str
    kind: str

    @property
    def destination(self) -> str:
        """The address as a network of itself alone."""
        return str(ipaddress.ip_network(self.address))

    @property
    def domain(self) -> int:
        """The number of the address's family."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET


def add_route(route: OwnRoute) -> None:
    """Add a route to the network namespace of the calling thread.

    Raises:
        LabError: there is one to this address already, or routes may not be added here.
    """
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415  # see network.open_route()

    with open_route() as netlink:
        try:
            netlink.route("add", dst=route.destination, type=route.kind, family=route.domain, proto=PROTOCOL)
        except NetlinkError as error:
            if error.code == errno.EEXIST:
                raise LabError(
                    f"This host has a route to {route.destination} already, which is not replaced; use other addresses "
                    "(--source, --listen)."
                ) from error
            raise LabError(f"A route to {route.destination} cannot be added here: {error}.") from error


def remove_route(route: OwnRoute) -> None:
    """Remove a route that ``add_route`` added, if it is there.

    Raises:
        LabError: it cannot be removed.
    """
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415  # see network.open_route()

    with open_route() as netlink:
        try:
            netlink.route("del", dst=route.destination, type=route.kind, family=route.domain, proto=PROTOCOL)
        except NetlinkError as error:
            if error.code not in (errno.ESRCH, errno.ENOENT):  # it is gone
                raise LabError(f"The {route.kind} route to {route.destination} cannot be removed: {error}.") from error


def forget_neighbour(address: str) -> None:
    """Let this host forget which hardware address a neighbour has, unless that was entered by hand.

    Raises:
        LabError: it was entered by hand, or may not be removed here.
    """
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415  # see network.open_route()

    with open_route() as netlink:
        for entry in netlink.get_neighbours(family=socket.AF_INET6 if ":" in address else socket.AF_INET):
            if entry.get_attr("NDA_DST") != address:
                continue
            if entry["state"] & NUD_PERMANENT:
                raise LabError(f"The hardware address of {address} is entered on this host for good; use another one.")
            try:
                netlink.neigh("del", dst=address, ifindex=entry["ifindex"], family=entry["family"])
            except NetlinkError as error:
                if error.code != errno.ENOENT:
                    raise LabError(f"The neighbour {address} cannot be removed here: {error}.") from error
