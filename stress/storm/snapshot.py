# SPDX-License-Identifier: MIT
"""What changes during a storm: the kernel's counters, the sockets, the server's report, drops, stolen CPU time."""

import time
from collections.abc import Mapping
from typing import Any

from stress.lab import counters, host, neighbour
from stress.model.plan import EvidenceSource, Plan
from stress.model.record import HostReport, ListenerReport
from stress.model.segment_count import TO_CLIENT, TO_SERVER
from stress.model.world import ROUTER, SERVER, Topology
from stress.storm.environment import Environment
from stress.storm.observed_host import ObservedHost
from stress.storm.surroundings import Surroundings

QUIET_S, QUIET_LOOKS = 0.1, 6  # no segment received for so long; how often that is looked at


class StormSnapshot:
    """The state of an environment just before a storm; with a plan without evidence only what the server reports."""

    def __init__(self, plan: Plan, environment: Environment, hosts: Mapping[str, ObservedHost]) -> None:
        """Read everything now, the counters last, but for those of rules: no reading of the others changes them."""
        self.plan = plan
        self.environment = environment
        self.hosts = hosts
        self.has_evidence = plan.evidence is not EvidenceSource.NONE
        ports = environment.ports
        server = hosts[plan.world.host(SERVER)]
        self.surroundings = Surroundings(plan, (ports.low, ports.high), server) if self.has_evidence else None
        self.census_before = self.take_census()
        self.waiting_before = environment.listener.queue_length() if self.has_evidence else 0
        self.report_before = environment.listener.report()
        self.stolen_before_ms = host.stolen_ms()
        self.before = self.read_hosts() if self.has_evidence else {}
        self.dropped_before = environment.dropped()

    def take_census(self) -> dict[str, dict[str, int]]:
        """Return the number of sockets by TCP state; nothing without evidence."""
        sums: dict[str, dict[str, int]] = {}
        for observed in self.hosts.values() if self.has_evidence else ():
            for end, states in observed.take_census().items():
                sums[end] = dict(sorted(counters.sum_counters((sums.get(end, {}), states)).items()))
        return sums

    def read_hosts(self) -> dict[str, HostReport]:
        """Return the counters of each host now."""
        return {name: observed.read_counters() for name, observed in self.hosts.items()}

    def host_changes(self) -> dict[str, HostReport]:
        """Return by how much the counters of each host rose since."""
        return {
            host: HostReport(
                counters=counters.counter_changes(self.before[host].counters, report.counters),
                conntrack=counters.counter_changes(self.before[host].conntrack, report.conntrack),
                segments=common_changes(self.before[host].segments, report.segments),
            )
            for host, report in self.read_hosts().items()
        }

    def wait_for_segments(self) -> bool:
        """Wait until TCP receives nothing more, so that what it has not received is lost; return whether that came.

        Only where more was sent than received; on a slow link segments wait in a queue for longer than is waited here.
        A busy machine may deliver none for as long while there are some, so the queues must be empty, too.
        """
        if self.plan.world.topology is Topology.PEER:
            return self.wait_across_link()
        received = -1
        for _ in range(QUIET_LOOKS):
            now = sum_ends(self.host_changes())
            if now["OutSegs"] + now["RetransSegs"] <= now["InSegs"]:
                return True
            if now["InSegs"] == received and not self.environment.network.has_queued():
                return True
            received = now["InSegs"]
            time.sleep(QUIET_S)
        return False

    def wait_across_link(self) -> bool:
        """Wait until no segment of the storm crosses a device of either host; return whether that came.

        Between two readings of one host lies a question to the other: a round trip at least, of which a segment that
        was on its way takes half.
        """
        crossed: list[dict[str, int]] = []
        for _ in range(QUIET_LOOKS):
            now = [of_storm(report.segments) for report in self.read_hosts().values()]
            if now == crossed:
                return True
            crossed = now
            time.sleep(QUIET_S)
        return False

    def read_next_hop(self, hosts: dict[str, HostReport]) -> str | None:
        """Return the state of the neighbour towards the target, where a SYN was still in this host when it was due."""
        waited = sum_ends(hosts).get("TCPSpuriousRtxHostQueues", 0)
        return neighbour.read_next_hop_state(self.plan.target) if waited else None

    def nothing_known(self) -> dict[str, Any]:
        """Return the fields of an Act of which nothing but the attempts is known."""
        return {
            "evidence": EvidenceSource.NONE,
            "counters": {},
            "census_before": {},
            "census_after": {},
            "listener": ListenerReport(0, 0, 0, 0, {}),
            "waiting": 0,
            "starved_ns": None,
            "stolen_ms": host.stolen_ms() - self.stolen_before_ms,
            "dropped": {},
        }

    def changes(self, epoch_ns: int) -> dict[str, Any]:
        """Return what has changed since, as fields of an Act."""
        listener = self.environment.listener
        starved_ns = listener.starved_ns()
        in_flight = self.has_evidence and not self.wait_for_segments()
        # What rules drop is read within the time of the counters, so that segments that old sockets send again and
        # again are never more than those that the counters miss.
        dropped = self.environment.dropped()
        hosts = self.host_changes() if self.has_evidence else {}
        return (self.surroundings.changes() if self.surroundings else {"evidence": EvidenceSource.NONE}) | {
            "counters": sum_ends(hosts),
            "hosts": hosts if len(hosts) > 1 or any(report.conntrack for report in hosts.values()) else {},
            "segments_in_flight": in_flight,
            "next_hop": self.read_next_hop(hosts),
            "census_before": self.census_before,
            "census_after": self.take_census(),
            "listener": listener.report().since(self.report_before),
            "waiting_before": self.waiting_before,
            "waiting": listener.queue_length() if self.has_evidence else 0,
            "starved_ns": starved_ns and (starved_ns[0] - epoch_ns, starved_ns[1] - epoch_ns),
            "stolen_ms": host.stolen_ms() - self.stolen_before_ms,
            "dropped": {name: count - self.dropped_before.get(name, 0) for name, count in dropped.items()},
        }


def common_changes(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return the increase of each count that was read both times."""
    return {name: value - before[name] for name, value in after.items() if name in before}


def of_storm(segments: dict[str, int]) -> dict[str, int]:
    """Return the counts of a storm's own segments."""
    return {kind: segments[kind] for kind in (*TO_SERVER, *TO_CLIENT) if kind in segments}


def sum_ends(hosts: dict[str, HostReport]) -> dict[str, int]:
    """Return the counters of all hosts but a router: those of both ends of the connections, as one host has them."""
    return counters.sum_counters(report.counters for name, report in hosts.items() if name != ROUTER)
