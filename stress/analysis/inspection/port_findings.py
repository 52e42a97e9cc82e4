# SPDX-License-Identifier: MIT
"""Findings on the ports that connect() may choose: none or few are left, or it looks at many."""

from collections.abc import Collection, Iterator

from stress.analysis.inspection import thresholds
from stress.analysis.inspection.identities import CATALOGUE, SYMPTOMS
from stress.analysis.inspection.wording import host_text, owner_text
from stress.model.inspection import Check, DestinationState, Finding
from stress.model.text import endpoint_text, plural

TAKEN_SHOWN = 3


def reserved_range(port_range: tuple[int, int], reserved: Collection[int]) -> Iterator[Finding]:
    """Yield that every port of the range is reserved, so that connect() has none."""
    low, high = port_range
    if not all(port in reserved for port in range(low, high + 1)):
        return
    yield Finding(
        check=Check.PORTS_LEFT,
        text=f"connect() fails with EADDRNOTAVAIL unless bind() chose a port: net.ipv4.ip_local_reserved_ports has "
        f"every port of net.ipv4.ip_local_port_range, {low} to {high}.",
        page=f"{SYMPTOMS}every-port-is-reserved",
        commands=["sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports"],
        remedies=["reserve fewer ports, or widen the range"],
    )


def crowded_destination(destination: DestinationState) -> Finding:
    """Return that few ports are left to a destination."""
    end = endpoint_text(destination.address, destination.port)
    by_whom = ", ".join(
        f"{taken.count:,} by {owner_text(taken.owner)} in {taken.state}" for taken in destination.taken[:TAKEN_SHOWN]
    )
    left = plural(destination.left, "port") if destination.left else "No port"
    verb = "is" if destination.left < 2 else "are"
    page = "port-exhaustion" if not destination.left else "port-cost"
    searched = (
        f"; connect() looks at {destination.searched:,.0f} before it has one"
        if destination.left
        else "; connect() fails with EADDRNOTAVAIL"
    )
    return Finding(
        check=Check.PORTS_LEFT,
        text=f"{left} of {destination.usable:,} {verb} left for connections from {destination.source} to {end}"
        f"{searched}. Taken: {by_whom or 'all are reserved'}.",
        page=CATALOGUE + page,
        commands=[
            f"ss -tanp src {destination.source} dst {host_text(destination.address)} 'dport = :{destination.port}'",
            "sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports",
        ],
        remedies=[
            "use connections again instead of making new ones (keep-alive, a pool)",
            "sysctl -w net.ipv4.ip_local_port_range='1024 65535', with servers' ports in ip_local_reserved_ports",
            "connect from several source addresses, or to several",
        ],
    )


def is_searched(destination: DestinationState) -> bool:
    """Return whether connect() looks at so many ports that it takes time."""
    return destination.searched > thresholds.PORTS_SEARCHED


def searched_destination(destination: DestinationState) -> Finding:
    """Return that connect() looks at many ports of a destination, which is so once half of the range is taken."""
    end = endpoint_text(destination.address, destination.port)
    return Finding(
        check=None,
        text=f"connect() from {destination.source} to {end} looks at {destination.searched:,.0f} ports before it has "
        f"one: {destination.usable - destination.left:,} of {destination.usable:,} are taken.",
        page=f"{CATALOGUE}port-cost",
        commands=["connstorm run port-cost"],
        remedies=[
            "let clients set IP_LOCAL_PORT_RANGE (Linux 6.8), which makes connect() try odd and even ports alike"
        ],
    )
