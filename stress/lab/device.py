# SPDX-License-Identifier: MIT
"""The devices between the hosts of a world, with indices and hardware addresses that say whose they are.

A capture shows devices by these numbers alone, so each has two digits that can be read: the host's own number, and that
of the host at the other end. The client's device towards the router has the index 1003 and the address
02:00:00:00:01:03.
"""

from typing import TYPE_CHECKING, Any

from stress.model.world import CLIENT, CLIENT2, ROUTER, SERVER

if TYPE_CHECKING:
    from pyroute2 import IPRoute

NUMBERS = {CLIENT: 1, CLIENT2: 2, ROUTER: 3, SERVER: 4}
INDEX_STEP = 1000  # so high that the machine where a capture is read has no device of that index


def device_index(host: str, towards: str) -> int:
    """Return the index of a host's device towards another."""
    return INDEX_STEP * NUMBERS[host] + NUMBERS[towards]


def hardware_address(host: str, towards: str) -> str:
    """Return the hardware address of a host's device towards another: one of those that anybody may use."""
    return f"02:00:00:00:{NUMBERS[host]:02x}:{NUMBERS[towards]:02x}"


def add_pair(netlink: "IPRoute", host: str, other: str, network: int) -> None:
    """Add a pair of veth devices that have the names of the hosts at the other ends.

    Args:
        netlink: in the namespace of ``host``.
        host: the host.
        other: the other one.
        network: descriptor of its namespace.
    """
    peer = {  # link() takes the keywords of a peer, but not its index, which is in the header
        "index": device_index(other, host),
        "attrs": [
            ["IFLA_IFNAME", host],
            ["IFLA_NET_NS_FD", network],
            ["IFLA_ADDRESS", hardware_address(other, host)],
        ],
    }
    pair: dict[str, Any] = {
        "attrs": [["IFLA_INFO_KIND", "veth"], ["IFLA_INFO_DATA", {"attrs": [["VETH_INFO_PEER", peer]]}]]
    }
    netlink.link(
        "add",
        ifname=other,
        index=device_index(host, other),
        address=hardware_address(host, other),
        linkinfo=pair,
    )
