# SPDX-License-Identifier: MIT
"""A million mines: is the last one laid as fast as the first?"""

import mmap
import resource
from statistics import median

import numpy as np
import pytest

from stress._fastconnect import now_ns
from stress.lab import namespace, sysctl
from stress.lab.listener import Listener
from stress.model.plan import Plan, Ports
from stress.storm import four_tuples, minefield
from stress.storm.check import plan_rules
from stress.storm.ports import read_port_range

MINES = 1_000_000
PART = 100_000
ROUNDS = 3
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
    """Memory that the hypervisor takes back or gives meanwhile can hold up a round for seconds: hence the median."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    plan = Plan(scenario="growth", mines=MINES, ports=Ports.SHUFFLE, sources=20)
    holding = hard - plan_rules.DESCRIPTORS_RESERVED
    firsts, lasts = [], []

    def world():
        namespace.enter_new_network(2 * MINES)
        sysctl.write("net.core.somaxconn", "65535")
        sysctl.write("net.ipv4.ip_local_port_range", "10000 60999")
        everywhere = four_tuples.all_four_tuples(plan, read_port_range(plan.server_ports))
        places = np.random.default_rng(1).choice(everywhere, MINES, replace=False)
        return (places, Backed(-(-MINES // holding) if backed else 0, holding * BYTES_A_MINE)), {}

    def lay(places, memory):
        laid, times_ns = [], []

        def notify(text):
            if text.endswith("mines laid"):
                laid.append(int(text.split()[0].replace(",", "")))
                times_ns.append(now_ns())
            elif not laid:
                laid.append(0)
                times_ns.append(now_ns())
            memory.let_go()

        for _ in range(AHEAD):
            memory.let_go()
        with Listener("127.0.0.1", 5000) as server:
            minefield.lay_mines(plan, server, places.astype(np.uint32), hard, notify)

        def rate(first, last):
            return (last - first) / np.diff(np.interp([first, last], laid, times_ns))[0] * 1e9

        firsts.append(rate(0, PART))
        lasts.append(rate(laid[-1] - PART, laid[-1]))

    benchmark.pedantic(lay, setup=world, rounds=ROUNDS)
    ratios = [last / first for first, last in zip(firsts, lasts, strict=True)]
    table.add(
        "Laying a million mines",
        ("memory of the virtual machine", "first 100,000", "last 100,000", "last / first (lowest–highest)"),
        "touched beforehand by another" if backed else "as it comes",
        f"{median(firsts):,.0f}/s",
        f"{median(lasts):,.0f}/s",
        f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})",
    )
