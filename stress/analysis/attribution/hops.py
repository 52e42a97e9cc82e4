# SPDX-License-Identifier: MIT
"""Hops: which hosts saw the packets of an attempt, and where a packet was lost."""

from ipaddress import ip_address
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.journey import Endpoint, Journey, join_sightings, last_stage_of, path_of
from stress.analysis.attribution.packet_flags import flags_text
from stress.lab.capture import Packets
from stress.model.record import Act
from stress.model.summary import Fate, Packet
from stress.model.world import ADDRESSES, CLIENT, CLIENT2

ADDRESS_BYTES = 16


class Hops:
    """The packets of a capture on several hosts, by attempt."""

    def __init__(self, packets: Packets, act: Act) -> None:
        """Put the sightings of each packet together.

        Args:
            packets: captured during the act.
            act: whose attempts there are.
        """
        self.packets = packets
        self.act = act
        self.path = path_of(packets.hosts)
        self.last_stage = last_stage_of(self.path)
        self.by_end: dict[Endpoint, list[Journey]] = {}
        for journey in join_sightings(packets):
            self.by_end.setdefault(journey.client, []).append(journey)

    def packets_of(self, attempt: Any, span_ns: tuple[int, int]) -> tuple[list[Packet], npt.NDArray[np.intp]]:
        """Return the packets of an attempt, and the indices of all their sightings in the capture.

        Args:
            attempt: of dtype ATTEMPT.
            span_ns: its first and its last moment, CLOCK_MONOTONIC.
        """
        journeys = self.by_end.get(self.client_end(attempt), [])
        own = [journey for journey in journeys if span_ns[0] <= self.first_ns(journey) <= span_ns[1]]
        segments = [
            Packet(
                self.first_ns(journey) - self.first_ns(own[0]),
                journey.from_client,
                flags_text(self.packets, journey.rows[0]),
                self.hosts_of(journey),
                self.fate_of(journey, journeys),
                *self.longest_hold(journey),
            )
            for journey in own
        ]
        return segments, np.array(sorted(row for journey in own for row in journey.rows), np.intp)

    def path_of(self, attempt: Any) -> list[str]:
        """Return the hosts between which an attempt's packets go, from its client to the server."""
        second = ip_address(ADDRESSES[self.act.plan.family][CLIENT2]).packed.ljust(ADDRESS_BYTES, b"\0")
        client = CLIENT2 if self.client_end(attempt)[0] == second else CLIENT
        return [client, *self.path[1:]]

    def proves_silence(self, attempt: Any) -> bool:
        """Return whether an attempt without packets shows that its client sent none."""
        return not self.packets.missed and attempt["local_port"] != 0

    def client_end(self, attempt: Any) -> Endpoint:
        """Return the client's address and port of an attempt."""
        address = self.act.address
        source = ip_address(address.source) + (int(attempt["address"]) - address.first) // address.target_ports
        return source.packed.ljust(ADDRESS_BYTES, b"\0"), int(attempt["local_port"])

    def first_ns(self, journey: Journey) -> int:
        """Return when a packet was first seen, CLOCK_MONOTONIC."""
        return int(self.packets.time_ns[journey.rows[0]])

    def last_ns(self, journey: Journey) -> int:
        """Return when a packet was last seen, CLOCK_MONOTONIC."""
        return int(self.packets.time_ns[journey.rows[-1]])

    def hosts_of(self, journey: Journey) -> list[str]:
        """Return the hosts that saw a packet, in the order of its way."""
        return list(dict.fromkeys(self.packets.hosts[self.packets.host[row]] for row in journey.rows))

    def longest_hold(self, journey: Journey) -> tuple[int, str]:
        """Return how long (ns) a host had a packet, from its arrival until it left, at most; and which host that is."""
        holds = [
            (int(self.packets.time_ns[leaves] - self.packets.time_ns[arrives]), self.packets.hosts[host])
            for arrives, leaves in pairwise(journey.rows)
            if (host := self.packets.host[arrives]) == self.packets.host[leaves]
        ]
        return max(holds, default=(0, ""))

    def fate_of(self, journey: Journey, journeys: list[Journey]) -> Fate:
        """Return what became of a packet.

        Args:
            journey: the packet.
            journeys: all packets of its connection, by their first sightings.
        """
        if self.packets.missed or journey.is_ambiguous:
            return Fate.UNKNOWN
        stage = journey.stages[-1]
        if stage == self.last_stage:
            asks = "S" in flags_text(self.packets, journey.rows[0])
            return Fate.UNANSWERED if asks and not self.is_answered(journey, journeys) else Fate.ARRIVED
        return Fate.LOST_IN_HOST if stage % 2 else Fate.LOST_ON_LINK

    def is_answered(self, journey: Journey, journeys: list[Journey]) -> bool:
        """Return whether the other end sent anything after a packet had arrived and before the next one did."""
        arrival_ns = self.last_ns(journey)
        later_ns = (
            self.last_ns(other)
            for other in journeys
            if other.from_client == journey.from_client
            and other.stages[-1] == self.last_stage
            and self.last_ns(other) > arrival_ns
        )
        next_ns = min(later_ns, default=None)
        return any(
            other.from_client != journey.from_client
            and other.stages[0] == 0
            and self.first_ns(other) >= arrival_ns
            and (next_ns is None or self.first_ns(other) < next_ns)
            for other in journeys
        )
