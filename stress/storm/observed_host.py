# SPDX-License-Identifier: MIT
"""What a storm asks of one host of its world, whether that is a namespace of this process or across a link."""

from contextlib import AbstractContextManager
from fractions import Fraction
from typing import Any, Protocol

import numpy.typing as npt

from stress.lab import census, conntrack, counters, firewall, host, sysctl
from stress.lab.capture import EVERY_DEVICE, LOOPBACK, Capture, Packets
from stress.lab.network import Network
from stress.model.plan import Plan
from stress.model.record import HostReport
from stress.model.world import CLIENT, ROUTER, Drop, Firewall, Topology
from stress.storm import minefield
from stress.storm.check.mine_rules import deaf_hosts
from stress.storm.peer.answers import HostNow, Look
from stress.storm.segment_counters import SegmentCounters
from stress.storm.server_look import ServerLook


class PacketSource(Protocol):
    """A capture on one host.

    Attributes:
        realtime_offset_ns: as ``capture.realtime_offset_ns``.
    """

    realtime_offset_ns: int

    def packets(self) -> Packets:
        """Return the packets captured so far, their times in the clocks of the client's host."""
        ...


class ObservedHost(Protocol):
    """One host of an act. Every answer is of the moment of the question."""

    def read_counters(self) -> HostReport:
        """Return the counters of its kernel."""
        ...

    def take_census(self) -> dict[str, dict[str, int]]:
        """Return the number of its sockets by end and TCP state, as ``census.take_census``."""
        ...

    def list_mines(self) -> npt.NDArray[Any]:
        """Return its mines as ``minefield.list_mines``: addresses from 0 on."""
        ...

    def list_mine_numbers(self) -> npt.NDArray[Any]:
        """Return the 4-tuples of its mines as ``minefield.list_mine_numbers``."""
        ...

    def begin_look(self) -> None:
        """Note which sockets listen, and whether there is a route to the client; for the server's host."""
        ...

    def end_look(self) -> Look:
        """Return what is known of them since ``begin_look``."""
        ...

    def count_dropped(self) -> dict[str, int]:
        """Return how many packets each rule of this program has matched, and each of its queues dropped."""
        ...

    def read_now(self) -> HostNow:
        """Return its recorded settings and the CPU time that was stolen from it."""
        ...

    def begin_capture(self, attempts: int) -> AbstractContextManager[PacketSource]:
        """Begin to capture the segments of the server, with room for some number of attempts.

        Raises:
            LabError: capturing is not permitted there.
        """
        ...

    def close(self) -> None:
        """Stop counting what it counts for the act."""
        ...


class LocalHost:
    """A host whose network namespace the calling thread is in, or can enter."""

    def __init__(self, network: Network, name: str, plan: Plan) -> None:
        """Ask nothing yet.

        Args:
            network: the hosts of this machine.
            name: of the host.
            plan: of the act.
        """
        self.network = network
        self.name = name
        self.plan = plan
        self.segments: SegmentCounters | None = None

    def read_counters(self) -> HostReport:
        """Return the counters of its kernel; across a link also those of the storm's segments, from now on."""
        with self.inside():
            if self.segments is None and self.plan.world.topology is Topology.PEER:
                self.segments = SegmentCounters(self.plan, self.name)
            return HostReport(
                counters=counters.read(),
                conntrack=conntrack.read_statistics(),
                segments=self.segments.read() if self.segments else {},
            )

    def take_census(self) -> dict[str, dict[str, int]]:
        """Return the number of its sockets by end and TCP state."""
        with self.inside():
            return census.take_census(self.plan.family, self.plan.server_ports)

    def list_mines(self) -> npt.NDArray[Any]:
        """Return its mines, addresses from 0 on, shape (mines,), dtype MINE."""
        with self.inside():
            return minefield.list_mines(self.plan)

    def list_mine_numbers(self) -> npt.NDArray[Any]:
        """Return the 4-tuples of its mines in the plan's state, ascending, shape (mines,)."""
        with self.inside():
            return minefield.list_mine_numbers(self.plan)

    def begin_look(self) -> None:
        """Note which sockets listen, and whether there is a route to the client."""
        with self.inside():
            self.look = ServerLook(self.plan)

    def end_look(self) -> Look:
        """Return what is known of them since ``begin_look``."""
        with self.inside():
            return self.look.end()

    def count_dropped(self) -> dict[str, int]:
        """Return how many packets each rule of this program has matched, and each of its queues dropped."""
        counts: dict[str, int] = {}
        if self.has_rules:
            with self.inside():
                counts = firewall.count_packets()
        return counts | self.network.queue_drops(self.name)

    @property
    def has_rules(self) -> bool:
        """Whether this program has loaded rules there."""
        plan = self.plan
        if plan.drop is not Drop.NOTHING and self.name == CLIENT:
            return firewall.choose_firewall(plan.firewall) is Firewall.NFT
        on = (*(rule.on for rule in plan.world.rules), *deaf_hosts(plan))
        return self.name in map(plan.world.host, on)

    def read_now(self) -> HostNow:
        """Return its recorded settings and the CPU time that was stolen from it."""
        with self.inside():
            return HostNow(
                sysctls=sysctl.read_recorded(self.plan.sysctls),
                stolen_ms=host.stolen_ms(),
                changed=[],
                firewall=firewall.describe_host_rules(),
            )

    def begin_capture(self, attempts: int) -> Capture:
        """Begin to capture the segments of the server, on the loopback alone where client and server are one host.

        A host of several gets such a share of the memory as it sees of all packets.

        Raises:
            LabError: capturing is not permitted here.
        """
        device, seen, share = LOOPBACK, 1, Fraction(1)
        if self.plan.world.topology is not Topology.LOOPBACK:
            device, seen = EVERY_DEVICE, sightings(self.name)
            share = Fraction(seen, sum(map(sightings, self.network.hosts)))
        with self.inside():
            return Capture(self.plan.target_port, seen * attempts, device, share)

    def close(self) -> None:
        """Stop counting segments."""
        if self.segments is not None:
            self.segments.close()
            self.segments = None

    def inside(self) -> AbstractContextManager[None]:
        """Return a context in which the calling thread is there."""
        return self.network.inside(self.name)


def sightings(host_name: str) -> int:
    """Return how often a host sees a packet on its way: a router when it arrives, and when it leaves."""
    return 2 if host_name == ROUTER else 1
