# SPDX-License-Identifier: MIT
"""Acts of storms across a link, made by hand, each with only the counts that a test is about given."""

from builders import COUNTERS, a_host, an_act

from stress.model import segment_count as kinds
from stress.model.peer import ClockOffset, PeerReport, ServeLimits, Transport
from stress.model.plan import Plan
from stress.model.record import HostReport, ListeningReport
from stress.model.world import CLIENT, SERVER, Topology, World

KINDS = (*kinds.TO_SERVER, *kinds.TO_CLIENT, kinds.ERROR, kinds.ELSEWHERE, kinds.TCP_CAME, kinds.TCP_RECEIVED)


LISTENER = ListeningReport(
    address="127.0.0.1", port=5000, on_target=True, drops=0, limit=128, waiting=0, capped=False, owner="python"
)


def a_clock(offset_ns, error_ns):
    return ClockOffset(offset_ns=offset_ns, error_ns=error_ns, exchanges=20, at_ns=0)


def a_peer(**changes):
    fields = {
        "name": "lab2",
        "transport": Transport.SSH,
        "program": "connstorm 1",
        "host": a_host(kernel="6.12.9", hz=1000),
        "limits": ServeLimits(),
        "clock": a_clock(12_100_000, 85_000),
    }
    return PeerReport(**(fields | changes))


def a_report(segments=None, **counters):
    """Return the report of one host; ``segments`` are counts by kind, those left out 0; None: not counted."""
    counted = {} if segments is None else dict.fromkeys(KINDS, 0) | segments
    return HostReport(counters=dict.fromkeys(COUNTERS, 0) | counters, conntrack={}, segments=counted)


def across(client, server, plan=None, **changes):
    """Return an act across a link with the reports of both hosts."""
    plan = plan or Plan(scenario="test", host=True, peers=["lab2"], world=World(topology=Topology.PEER))
    names = {*client.counters, *server.counters}
    fields = {
        "hosts": {CLIENT: client, SERVER: server},
        "counters": {name: client.counters.get(name, 0) + server.counters.get(name, 0) for name in names},
        "outside_packets": None,
        "peer": a_peer(),
        "listening": [LISTENER],
    }
    return an_act(plan, **(fields | changes))
