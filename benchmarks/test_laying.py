# SPDX-License-Identifier: MIT
"""A million mines: is the last one laid as fast as the first?"""

import mmap
import resource

import numpy as np
import pytest

from stress._fastconnect import now_ns
from stress.lab import namespace, sysctl
from stress.lab.listener import Listener
from stress.model.plan import Plan, Ports
from stress.storm import minefield, tuples
from stress.storm.ports import port_range

MINES = 1_000_000
PART = 100_000
BYTES_A_MINE = 16 << 10  # twice what one takes: the holder's descriptors, files and sockets, and the kernel's slack
AHEAD = 2  # shares whose memory is let go of in advance; page reporting gives it back to the host after two seconds


class Backed:
    """Memory that this process has touched, so that the hypervisor has given it, let go of piece by piece."""

    def __init__(self, pieces, size):
        self.pieces = [
            mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE) for _ in range(pieces)
        ]

    def let_go(self):
        if self.pieces:
            self.pieces.pop().close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backed", [False, True], ids=["as it comes", "touched beforehand"])
def test_a_million_mines(benchmark, table, backed):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    namespace.another(2 * MINES)
    sysctl.write("net.core.somaxconn", "65535")
    sysctl.write("net.ipv4.ip_local_port_range", "10000 60999")
    plan = Plan(
        scenario="growth", mines=MINES, ports=Ports.SHUFFLE, sources=20
    )  # fmt: skip
    places = np.random.default_rng(1).choice(
        tuples.everything(plan, port_range(plan.server_ports)), MINES, replace=False
    )
    holding = hard - minefield.DESCRIPTORS_KEPT
    memory = Backed(-(-MINES // holding) if backed else 0, holding * BYTES_A_MINE)
    stamps = []  # (mines, ns)

    def notify(text):
        stamps.append((int(text.split()[0].replace(",", "")) if text.endswith("mines laid") else 0, now_ns()))
        memory.let_go()

    def lay():
        for _ in range(AHEAD):
            memory.let_go()
        with Listener("127.0.0.1", 5000) as server:
            minefield.lay(plan, server, places.astype(np.uint32), hard, notify)

    benchmark.pedantic(lay, rounds=1)
    laid = [stamp for stamp in stamps if stamp[0] or stamp is stamps[0]]
    counts, times_ns = (np.array(column, float) for column in zip(*laid, strict=True))

    def rate(first, last):
        return (last - first) / np.diff(np.interp([first, last], counts, times_ns))[0] * 1e9

    end = counts[-1]
    table.add(
        "Laying a million mines",
        ("memory of the virtual machine", "first 100,000", "last 100,000", "last / first"),
        "touched beforehand by another" if backed else "as it comes",
        f"{rate(0, PART):,.0f}/s",
        f"{rate(end - PART, end):,.0f}/s",
        f"{rate(end - PART, end) / rate(0, PART):.2f}",
    )
