# SPDX-License-Identifier: MIT
"""The devices between the hosts of a world, with indices and hardware addresses that say whose they are.

A capture shows devices by these numbers alone, so each has two digits that can be read: the host's own number, and that
of the host at the other end. The client's device towards the router has the index 1003 and the address
02:00:00:00:01:03.
"""

import errno
from typing import TYPE_CHECKING, Any

from stress.model.errors import NotApplicableError
from stress.model.world import BRIDGE, CLIENT, CLIENT2, ROUTER, SERVER

if TYPE_CHECKING:
    from pyroute2 import IPRoute

NUMBERS = {CLIENT: 1, CLIENT2: 2, ROUTER: 3, SERVER: 4, BRIDGE: 5}
INDEX_STEP = 1000  # so high that the machine where a capture is read has no device of that index


def device_index(host: str, towards: str) -> int:
    """Return the index of a host's device towards another."""
    return INDEX_STEP * NUMBERS[host] + NUMBERS[towards]


def hardware_address(host: str, towards: str) -> str:
    """Return the hardware address of a host's device towards another: one of those that anybody may use."""
    return f"02:00:00:00:{NUMBERS[host]:02x}:{NUMBERS[towards]:02x}"


def add_bridge(netlink: "IPRoute") -> int:
    """Add a bridge to the namespace of the calling thread, and return its index.

    Raises:
        NotApplicableError: this kernel has none.
    """
    from pyroute2 import NetlinkError  # noqa: PLC0415  # 0.3 s, of which most runs have no use

    try:
        netlink.link("add", ifname=BRIDGE, kind="bridge", index=INDEX_STEP * NUMBERS[BRIDGE])
    except NetlinkError as error:
        if error.code == errno.EOPNOTSUPP:
            raise NotApplicableError("This kernel has no bridge (CONFIG_BRIDGE).") from error
        raise
    netlink.link("set", index=INDEX_STEP * NUMBERS[BRIDGE], state="up")
    return INDEX_STEP * NUMBERS[BRIDGE]


def add_port(netlink: "IPRoute", bridge_index: int, host: str, other: str, network: int) -> None:
    """Join a host to a bridge in the namespace of the calling thread; its device there has the name of another host.

    Args:
        netlink: in the namespace of the bridge.
        bridge_index: of the bridge.
        host: the host.
        other: the one that it reaches by way of the bridge.
        network: descriptor of the namespace of ``host``.
    """
    add_devices(netlink, (BRIDGE, host), (host, other), network)
    netlink.link("set", index=device_index(BRIDGE, host), master=bridge_index, state="up")


def add_pair(netlink: "IPRoute", host: str, other: str, network: int) -> None:
    """Add a pair of veth devices that have the names of the hosts at the other ends.

    Args:
        netlink: in the namespace of ``host``.
        host: the host.
        other: the other one.
        network: descriptor of its namespace.
    """
    add_devices(netlink, (host, other), (other, host), network)


def add_devices(netlink: "IPRoute", near: tuple[str, str], far: tuple[str, str], network: int) -> None:
    """Add a pair of veth devices; of each is given whose it is and whom it leads to, which is its name.

    ``network`` is the descriptor of the namespace of ``far``; ``near`` is in that of the calling thread.
    """
    peer = {  # link() takes the keywords of a peer, but not its index, which is in the header
        "index": device_index(*far),
        "attrs": [
            ["IFLA_IFNAME", far[1]],
            ["IFLA_NET_NS_FD", network],
            ["IFLA_ADDRESS", hardware_address(*far)],
        ],
    }
    pair: dict[str, Any] = {
        "attrs": [["IFLA_INFO_KIND", "veth"], ["IFLA_INFO_DATA", {"attrs": [["VETH_INFO_PEER", peer]]}]]
    }
    netlink.link(
        "add",
        ifname=near[1],
        index=device_index(*near),
        address=hardware_address(*near),
        linkinfo=pair,
    )
