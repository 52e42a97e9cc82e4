# SPDX-License-Identifier: MIT
"""Settings that matter to what was seen, and what another value would change here."""

from collections.abc import Callable, Sequence

from stress.analysis.inspection import thresholds
from stress.lab.census import count_by_state
from stress.lab.namespace_state import CONNTRACK_COUNT, NamespaceState
from stress.model.inspection import DestinationState, Leak, ListenerState, SettingState
from stress.model.text import endpoint_text, join_words

NO_LIMIT = 2**31 - 1  # INT_MAX
WIDE_RANGE = (1024, 65535)
CONNTRACK_MAX = CONNTRACK_COUNT.replace("_count", "_max")
NAMED = 3  # listeners in one sentence


def describe_settings(
    state: NamespaceState,
    listeners: Sequence[ListenerState],
    leaks: Sequence[Leak],
    destinations: Sequence[DestinationState],
) -> list[SettingState]:
    """Return the settings that matter to listeners, leaks and destinations that are shown."""
    effects: dict[str, Callable[[], str | None]] = {
        "net.core.somaxconn": lambda: somaxconn_effect(listeners),
        "net.ipv4.tcp_abort_on_overflow": lambda: abort_effect(state, listeners),
        "net.ipv4.tcp_syncookies": lambda: syncookies_effect(state),
        "net.ipv4.ip_local_port_range": lambda: range_effect(state, destinations),
        "net.ipv4.ip_local_reserved_ports": lambda: reserved_effect(state, destinations),
        "net.ipv4.tcp_tw_reuse": lambda: reuse_effect(state, destinations),
        "net.ipv4.tcp_max_tw_buckets": lambda: buckets_effect(state),
        "net.ipv4.tcp_fin_timeout": lambda: fin_timeout_effect(state, leaks),
        "net.ipv4.tcp_challenge_ack_limit": lambda: challenge_effect(state, destinations),
        CONNTRACK_MAX: lambda: conntrack_effect(state),
    }
    rows = []
    for name, effect in effects.items():
        value = state.sysctls.get(name)
        if value is not None and (text := effect()) is not None:
            rows.append(SettingState(name, value, text))
    return rows


def is_crowded(destination: DestinationState) -> bool:
    """Return whether fewer ports than the threshold are left to a destination, or none."""
    return not destination.left or destination.left < thresholds.PORTS_LEFT_SHARE * destination.usable


def is_at_limit(listener: ListenerState) -> bool:
    """Return whether an accept queue is at its limit; one for a single connection (0) is when that is there."""
    return listener.waiting >= max(listener.limit * thresholds.QUEUE_SHARE, 1)


def somaxconn_effect(listeners: Sequence[ListenerState]) -> str | None:
    """Return which of the listeners that dropped or are at their limit it caps, and which it does not."""
    short = [listener for listener in listeners if is_at_limit(listener) or listener.drops]
    capped = [endpoint_text(listener.address, listener.port) for listener in short if listener.is_capped]
    if capped:
        return (
            f"is the limit of the accept queue of {listing(capped)}, and may have lowered it; a larger value counts "
            "from the next listen() on, so after a restart, and if the program asks for more"
        )
    if short:
        ends = [endpoint_text(listener.address, listener.port) for listener in short]
        return f"does not limit the accept queue of {listing(ends)}: the program asked listen() for less"
    return None


def listing(names: Sequence[str]) -> str:
    """Return names as a sentence lists them, the first few."""
    unique = list(dict.fromkeys(names))
    more = [f"{len(unique) - NAMED} more"] if len(unique) > NAMED else []
    return join_words([*unique[:NAMED], *more])


def abort_effect(state: NamespaceState, listeners: Sequence[ListenerState]) -> str | None:
    """Return what it does while a queue is full."""
    if not any(is_at_limit(listener) for listener in listeners):
        return None
    if state.sysctls.get("net.ipv4.tcp_abort_on_overflow") == "0":
        return (
            "a SYN that finds the accept queue full is dropped with 0 and 1 alike; 1 answers only the last ACK of a "
            "handshake that finds it full, by an RST"
        )
    return "the last ACK of a handshake that finds the accept queue full is answered by an RST; a SYN is dropped"


def syncookies_effect(state: NamespaceState) -> str | None:
    """Return what it does, if a SYN queue has been full since boot or cookies are off."""
    if state.sysctls.get("net.ipv4.tcp_syncookies") == "0" and state.counters.get("ListenDrops", 0):
        return "a SYN that finds the SYN queue full is dropped; 1 would answer it with a cookie"
    return None


def range_effect(state: NamespaceState, destinations: Sequence[DestinationState]) -> str | None:
    """Return how many ports a wide range would have, if few are left."""
    if not any(is_crowded(destination) for destination in destinations):
        return None
    low, high = WIDE_RANGE
    more = high - low + 1 - (state.port_range[1] - state.port_range[0] + 1)
    if more <= 0:
        return "has all ports that it can have; more addresses of this host, or of the destination, have more"
    return (
        f"{low} {high} would have {more:,} more ports for each destination; reserve those of servers that start later "
        "(net.ipv4.ip_local_reserved_ports)"
    )


def reserved_effect(state: NamespaceState, destinations: Sequence[DestinationState]) -> str | None:
    """Return how many ports are reserved, if few are left."""
    low, high = state.port_range
    reserved = sum(low <= port <= high for port in state.reserved)
    if not reserved or not any(is_crowded(destination) for destination in destinations):
        return None
    return f"{reserved:,} ports of the range are not for connect() to choose"


def reuse_effect(state: NamespaceState, destinations: Sequence[DestinationState]) -> str | None:
    """Return what it does for the ports in TIME-WAIT, if they crowd a destination."""
    crowded = [destination for destination in destinations if is_crowded(destination)]
    waiting = sum(taken.count for destination in crowded for taken in destination.taken if taken.state == "TIME-WAIT")
    waiting -= sum(destination.reusable for destination in crowded)
    if waiting <= 0 or state.sysctls.get("net.ipv4.tcp_tw_reuse") == "1":
        return None
    return f"1 would let connect() take over ports in TIME-WAIT that are older than a second; {waiting:,} are waiting"


def buckets_effect(state: NamespaceState) -> str | None:
    """Return what it does, if so many sockets wait that it counts, or has counted."""
    limit = int(state.sysctls.get("net.ipv4.tcp_max_tw_buckets", NO_LIMIT))
    waiting = count_by_state(state.sockets).get("TIME-WAIT", 0) if len(state.sockets) else 0
    if waiting < limit * thresholds.CONNTRACK_SHARE and not state.counters.get("TCPTimeWaitOverflow"):
        return None
    return (
        f"{waiting:,} sockets are in TIME-WAIT; beyond the limit, a client's port is free at once, also where its "
        "server has not closed"
    )


def fin_timeout_effect(state: NamespaceState, leaks: Sequence[Leak]) -> str | None:
    """Return when the ports of leaked connections come again."""
    if not any(leak.state == "CLOSE-WAIT" and leak.is_server for leak in leaks):
        return None
    seconds = state.sysctls.get("net.ipv4.tcp_fin_timeout")
    return (
        f"so long (s) a client's port stays in FIN-WAIT-2 after its close(); then connect() can choose it and meet the "
        f"leaked connection. A client on another host has its own value, not these {seconds} s"
    )


def challenge_effect(state: NamespaceState, destinations: Sequence[DestinationState]) -> str | None:
    """Return what it does, if there are mines and it is not without limit."""
    limit = int(state.sysctls.get("net.ipv4.tcp_challenge_ack_limit", NO_LIMIT))
    if limit >= NO_LIMIT or not any(row.chance is not None and row.chance.mines for row in destinations):
        return None
    return (
        f"connects that meet old sockets wait for two jiffies; those beyond about {limit:,} a second wait 2 s or more. "
        f"{NO_LIMIT} is no limit"
    )


def conntrack_effect(state: NamespaceState) -> str | None:
    """Return what it does when the table is nearly full."""
    if state.conntrack_entries is None:
        return None
    entries, limit = state.conntrack_entries
    if entries <= thresholds.CONNTRACK_SHARE * limit:
        return None
    return f"{entries:,} entries are in the table; a packet of a new connection that finds it full is dropped"
