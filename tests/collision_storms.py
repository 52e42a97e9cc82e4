# SPDX-License-Identifier: MIT
"""Storms over real leaked connections: how many meet one, compared with what an inspection said before."""

import platform
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass

from stress.analysis.inspection.assemble import inspect_state
from stress.lab import sysctl
from stress.lab.namespace_state import take_state
from stress.model.inspection import Chance

SERVER_PORT = 5000
TCP_INFO_BYTES, TOTAL_RETRANS_OFFSET = 104, 100
AGE_S = 1.2  # a mine has to be older than a second
CLIENT = "127.0.0.1"


@dataclass(frozen=True)
class CollisionStorm:
    """Mines and connects of one storm; ``clusters`` of mines on consecutive ports, 0 for ports drawn at random."""

    ports: int
    mines: int
    clusters: int
    connects: int
    seed: int

    def mined_ports(self, low):
        """Return the ports of the mines in a range from ``low`` on."""
        chosen = random.Random(self.seed)
        if not self.clusters:
            return sorted(chosen.sample(range(low, low + self.ports), self.mines))
        size = self.mines // self.clusters
        # connect() took every second port, so a cluster is of one parity.
        places = chosen.sample(range(self.ports // 2 // size - 1), self.clusters)
        first = [low + 2 * (place * size + chosen.randrange(size)) for place in places]
        return sorted({start + 2 * number for start in first for number in range(size)})


@dataclass(frozen=True)
class Collisions:
    """What was said of a storm, and how many of its connects met a mine."""

    storm: CollisionStorm
    chance: Chance
    met: int

    @property
    def is_within(self):
        """Whether it was in the interval."""
        return self.chance.of_connects.low <= self.met <= self.chance.of_connects.high


def accept_and_close(server):
    """Accept connections until the listener is closed; returns then."""
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


def lay_mines(server, ports):
    """Return the server's sockets of connections that their clients, on given ports, have closed."""
    leaked = []
    for port in ports:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind((CLIENT, port))
            client.connect(server.getsockname())
            leaked.append(server.accept()[0])
    return leaked


def count_collisions(address, connects, mined):
    """Return how many connects, one after the other and each closed by RST, met a mine and sent their SYN again."""
    met = 0
    for _ in range(connects):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.connect((address, SERVER_PORT))
            info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
            (resent,) = struct.unpack_from("=I", info, TOTAL_RETRANS_OFFSET)
            port = client.getsockname()[1]
        if resent and port in mined:
            mined.remove(port)
            met += 1
    return met


def collide(storms):
    """Make storms over the loopback of this namespace, each to an address of its own.

    All have the same range of ports; the kernel's offset differs by address.
    """
    low, high = map(int, sysctl.read("net.ipv4.ip_local_port_range").split())
    sysctl.write("net.ipv4.tcp_max_tw_buckets", "0")
    fields = {}
    for storm in storms:
        assert storm.ports == high - low + 1
        address = ".".join(["127", *(str(random.SystemRandom().randrange(1, 250)) for _ in range(3))])
        server = socket.create_server((address, SERVER_PORT), backlog=4096)
        mined = storm.mined_ports(low)
        fields[address] = (storm, server, set(mined), lay_mines(server, mined))
    time.sleep(AGE_S)
    state, results = take_state(), []
    for address, (storm, server, mined, leaked) in fields.items():
        inspection = inspect_state(state, release=platform.release(), connects=storm.connects)
        (chance,) = [row.chance for row in inspection.destinations if row.address == address]
        # In three of a hundred minefields a client's socket stays in FIN-WAIT-2 for a while (docs/kernel-notes.md).
        assert len(mined) - 3 <= chance.mines <= len(mined)
        thread = threading.Thread(target=accept_and_close, args=(server,))
        thread.start()
        results.append(Collisions(storm, chance, count_collisions(address, storm.connects, mined)))
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in (server, *leaked):
            connection.close()
    return results
