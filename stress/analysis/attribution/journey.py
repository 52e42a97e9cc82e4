# SPDX-License-Identifier: MIT
"""Journeys: what was captured on several hosts, put together by packet.

A packet on its way from host to host changes its TTL, its checksums and, where a router translates addresses, these
and its ports. Its identification (RFC 791), sequence numbers, window and options stay, so these tell one from another.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stress.lab.capture import Packets
from stress.lab.frame import IPV4, LAYOUTS, find_layouts
from stress.model.world import CLIENT, CLIENT2

IDENTIFICATION = slice(18, 20)  # of IPv4
CHECKSUM = slice(12, 14)  # of TCP, from the sequence number on

Endpoint = tuple[bytes, int]  # the client's address, 16 bytes, and its port


@dataclass
class Journey:
    """One packet, from host to host.

    Attributes:
        rows: indices of its sightings in the capture, in the order of time.
        stages: how far it was at each: 0 where it leaves its sender, 1 where it arrives at the next host, and so on.
        client: the client's end of its connection, as the client knows it.
        from_client: whether the client sent it.
        is_ambiguous: whether it may be a part of another journey.
    """

    rows: list[int]
    stages: list[int]
    client: Endpoint
    from_client: bool
    is_ambiguous: bool = False


@dataclass
class Joiner:
    """Puts sightings together, in the order of time.

    Attributes:
        open: journeys that may go on, by the packet's key and the stage that it is at.
        translated: the client's end as the client knows it, by that which hosts behind a router know.
        journeys: all, in the order of their first sightings.
    """

    open: dict[tuple[int, bool, int], list[Journey]] = field(default_factory=dict)
    translated: dict[Endpoint, Endpoint] = field(default_factory=dict)
    journeys: list[Journey] = field(default_factory=list)

    def add(self, row: int, key: int, stage: int, end: Endpoint, *, from_client: bool) -> None:
        """Add the next sighting: to the journey that it goes on with, or as a new one."""
        candidates = self.open.get((key, from_client, stage - 1), [])
        known = self.translated.get(end, end)
        # Of equal packets the last one that came so far: the others are lost.
        own = [journey for journey in candidates if known == journey.client] or candidates
        if len({journey.client for journey in own}) == 1:
            journey = own[-1]
            candidates.remove(journey)
            journey.rows.append(row)
            journey.stages.append(stage)
            self.learn(journey, end, known)
        else:
            journey = Journey([row], [stage], known, from_client, is_ambiguous=bool(own))
            for other in own:
                other.is_ambiguous = True
            self.journeys.append(journey)
        self.open.setdefault((key, from_client, stage), []).append(journey)

    def learn(self, journey: Journey, end: Endpoint, known: Endpoint) -> None:
        """Learn from a packet with another client's end than before what its router makes of that end."""
        if known == journey.client:
            return
        if journey.from_client:
            self.translated[end] = journey.client
        else:  # as it comes to the client
            self.translated[journey.client] = end
            journey.client = end


def path_of(hosts: tuple[str, ...]) -> list[str]:
    """Return the hosts between which packets go, from a client to the server."""
    return [host for host in hosts if host != CLIENT2]


def join_sightings(packets: Packets) -> list[Journey]:
    """Return the packets that a capture on several hosts has seen, in the order of their first sightings."""
    path = path_of(packets.hosts)
    stages = stages_of(packets, path)
    keys = keys_of(packets.headers)
    joiner = Joiner()
    last_stage = last_stage_of(path)
    clients = packets.client.tolist()
    ports = packets.client_port.tolist()
    from_client = packets.from_client.tolist()
    for row in np.flatnonzero((stages >= 0) & (stages <= last_stage)).tolist():
        end = (clients[row], ports[row])
        joiner.add(row, int(keys[row]), int(stages[row]), end, from_client=from_client[row])
    return joiner.journeys


def last_stage_of(path: list[str]) -> int:
    """Return the stage at which a packet has arrived at the other end."""
    return 2 * (len(path) - 1) - 1


def stages_of(packets: Packets, path: list[str]) -> npt.NDArray[np.int64]:
    """Return how far each packet was when it was seen, shape (packets,); see ``Journey``."""
    places = np.array([path.index(CLIENT if host == CLIENT2 else host) for host in packets.hosts])
    place = places[packets.host]
    hops = np.where(packets.from_client, place, len(path) - 1 - place)
    stages: npt.NDArray[np.int64] = 2 * hops - 1 + packets.outgoing
    return stages


def keys_of(headers: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Return a number for each packet, shape (packets,), that is equal for what may be the same packet."""
    if not len(headers):
        return np.zeros(0, np.intp)
    layouts = find_layouts(headers)
    width = headers.shape[1]
    key = np.zeros_like(headers)
    for number, layout in enumerate(LAYOUTS):
        rows = layouts == number
        if layout.types is None:
            sequence = layout.ports + 4  # and all that follows, but for the checksum
            key[rows, : width - sequence] = headers[rows, sequence:]
            key[rows, CHECKSUM] = 0
        else:
            for place, bytes_of in ((layout.types, 2), (layout.ports + 4, 4)):  # type and code; the quoted sequence
                key[rows, place : place + bytes_of] = headers[rows, place : place + bytes_of]
        if layout.ether_type == IPV4:
            key[rows, -2:] = headers[rows, IDENTIFICATION]
        key[rows, -3] = number
    _, numbers = np.unique(key.view(f"V{width}").ravel(), return_inverse=True)
    return numbers.ravel()
