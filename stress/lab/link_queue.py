# SPDX-License-Identifier: MIT
"""Queueing disciplines on the links of a host: how packets leave it late, out of order, twice, or not at all."""

from typing import TYPE_CHECKING, Any

from stress.lab import namespace
from stress.model.errors import NotApplicableError
from stress.model.world import Queue

if TYPE_CHECKING:
    from pyroute2 import IPRoute


def add_queue(netlink: "IPRoute", queue: Queue) -> None:
    """Add a queueing discipline to all devices of this namespace but, where there are others, the loopback.

    Raises:
        NotApplicableError: this kernel does not have it.
    """
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415  # see network.open_route()

    devices = [link["index"] for link in netlink.get_links()]
    options: dict[str, Any] = dict(queue.options)
    for index in [index for index in devices if index != namespace.LOOPBACK_INDEX] or devices:
        try:
            netlink.tc("add", queue.kind, index=index, **options)
        except NetlinkError as error:
            raise NotApplicableError(f"This kernel cannot queue packets as {queue.kind} does: {error}.") from error


def count_dropped(netlink: "IPRoute", kind: str) -> int:
    """Return how many packets the queueing disciplines of a kind have dropped in this namespace so far, of any kind."""
    queues = [message for message in netlink.get_qdiscs() if message.get_attr("TCA_KIND") == kind]
    return sum(int(message.get_attr("TCA_STATS")["drop"]) for message in queues)


def count_waiting(netlink: "IPRoute") -> int:
    """Return how many packets wait in the queueing disciplines of this namespace now, of any kind.

    Those in one that is part of another are counted twice.
    """
    return sum(int(message.get_attr("TCA_STATS")["qlen"]) for message in netlink.get_qdiscs())
