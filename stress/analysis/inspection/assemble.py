# SPDX-License-Identifier: MIT
"""An inspection from what was seen of a namespace, once or at both ends of a watch."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import numpy as np

import stress
from stress.analysis.inspection import (
    clients,
    destinations,
    findings,
    leaks,
    listeners,
    rules,
    settings,
    thresholds,
    verdict,
    watch,
)
from stress.analysis.inspection.connections import Connections
from stress.lab import census
from stress.lab.namespace_state import NamespaceState
from stress.model.inspection import Check, Conntrack, Inspection, Leak, ListenerState

# Counters that tell of connects.
COUNTERS = (
    *("ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets", "OutRsts", "TCPSynRetrans", "TCPTimeouts"),
    *(
        "TCPAbortOnTimeout",
        "ListenOverflows",
        "ListenDrops",
        "TCPReqQFullDrop",
        "TCPReqQFullDoCookies",
        "TCPDeferAcceptDrop",
    ),
    *("SyncookiesSent", "TCPSYNChallenge", "TCPChallengeACK", "TCPACKSkippedChallenge", "TCPACKSkippedTimeWait"),
    *("PAWSTimewait", "TWRecycled", "TCPTimeWaitOverflow", "TCPRetransFail", "TCPSpuriousRtxHostQueues"),
    *("EmbryonicRsts", "IPReversePathFilter", "IpOutNoRoutes", "lo rx_dropped"),
)
ANY_NAMESPACE = "this one"


def inspect_state(
    state: NamespaceState,
    *,
    release: str,
    namespace: str = ANY_NAMESPACE,
    port: int | None = None,
    pid: int | None = None,
    after: NamespaceState | None = None,
    seconds: float | None = None,
    kernel: Mapping[str, dict[str, int]] | None = None,
    ignored: Collection[Check] = (),
    connects: int = thresholds.CONNECTS,
) -> Inspection:
    """Return what a state means.

    Args:
        state: of the namespace; of a watch, when it began.
        release: of the kernel, as ``uname -r`` prints it.
        namespace: what was asked for, in words.
        port: only listeners, leaks and destinations of this port; None for all.
        pid: only those of this process; None for all.
        after: the state when the watch ended, which is what is told then; None without a watch.
        seconds: how long the watch lasted.
        kernel: packets that the kernel dropped and resets that it sent during the watch, by listener and reason.
        ignored: checks whose findings are no failures.
        connects: coming connects to a destination on this host whose collisions are foretold.
    """
    watched = None if after is None else watch.describe_watch(state, after, seconds or 0.0, kernel or {})
    state = after or state
    connections = Connections(state)
    shown_listeners = [
        listener for listener in listeners.describe_listeners(connections) if is_shown(listener, port, pid)
    ]
    shown_leaks = [
        leak for leak in leaks.find_leaks(connections, pid) if is_leak_shown(leak, shown_listeners, port, pid)
    ]
    shown_destinations, more_destinations = destinations.describe_destinations(
        connections, release, port=port, pid=pid, connects=connects
    )
    conntrack = None
    if state.conntrack_entries is not None:
        conntrack = Conntrack(*state.conntrack_entries, dict(state.conntrack))
    suspects = rules.find_suspects(state.rules)
    listed = findings.list_findings(
        findings.Seen(
            shown_listeners,
            shown_leaks,
            shown_destinations,
            conntrack,
            suspects,
            watched,
            state.counters,
            state.port_range,
            state.reserved,
            are_all_destinations=not more_destinations,
        )
    )
    ends = {f":{listener.port}" for listener in shown_listeners}
    sockets = state.sockets[shown_sockets(connections, port, pid)]
    return Inspection(
        program=f"connstorm {stress.__version__}",
        taken_utc=datetime.fromtimestamp(state.realtime_ns // 1_000_000 / 1000, UTC).isoformat(timespec="milliseconds"),
        kernel=release,
        namespace=namespace,
        port=port,
        pid=pid,
        verdict=verdict.state_verdict(listed, ignored, state.unseen),
        findings=listed,
        ignored=sorted(set(ignored)),
        sockets=len(sockets),
        states=census.count_by_state(sockets) if len(sockets) else {},
        listeners=shown_listeners,
        leaks=shown_leaks,
        destinations=shown_destinations,
        more_destinations=more_destinations,
        clients=[
            client
            for client in clients.count_remote_mines(connections)
            if (port is None and pid is None) or f":{client.local.rpartition(':')[2]}" in ends
        ],
        settings=settings.describe_settings(state, shown_listeners, shown_leaks, shown_destinations),
        conntrack=conntrack,
        rules=suspects,
        counters={name: state.counters[name] for name in COUNTERS if state.counters.get(name)},
        watch=watched,
        unseen=list(state.unseen),
    )


def is_shown(listener: ListenerState, port: int | None, pid: int | None) -> bool:
    """Return whether a listener is of the port and the process that were asked for."""
    if port is not None and listener.port != port:
        return False
    return pid is None or listener.owner.pid == pid or pid in listener.holders


def is_leak_shown(leak: Leak, shown: Collection[ListenerState], port: int | None, pid: int | None) -> bool:
    """Return whether a leak is of the port and the process that were asked for.

    What waits in an accept queue has no process; it is of those that have the listener open.
    """
    if port is not None and not (leak.is_server and leak.local.rpartition(":")[2] == str(port)):
        return False
    if pid is None or leak.owner is not None:  # it has the leak's sockets
        return True
    ports = {str(listener.port) for listener in shown}
    return leak.owner is None and leak.is_server and leak.local.rpartition(":")[2] in ports


def shown_sockets(
    connections: Connections, port: int | None, pid: int | None
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which sockets are of the port, at either end, and the process that were asked for, shape (sockets,)."""
    mask = np.ones(len(connections), np.bool_)
    if port is not None:
        mask &= (connections.local_port == port) | (connections.remote_port == port)
    if pid is not None:
        mask &= connections.held_by(pid)
    return mask
