# SPDX-License-Identifier: MIT
"""How long a census of 100,000 sockets takes, what else is asked of them, and ``connstorm inspect`` as a whole."""

import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from pairs import spread

from stress._fastconnect import now_ns, storm
from stress.lab import ages, census, namespace_state, sysctl
from stress.lab.listener import Listener
from stress.model.attempt import allocate_attempts
from stress.model.plan import Plan, Ports
from stress.storm import four_tuples, minefield
from stress.storm.ports import read_port_range

MINES, TIME_WAITS, HELD = 56_000, 26_000, 9_000  # a connection that is held has two sockets
SERVER_PORTS = range(5000, 5001)
ROUNDS = 20
LOOKS = 8
MEGABYTES_MAX = 200  # what an inspection may take
# Its memory, started by a small process: what a process had before execve(2) counts as its own (exec_mmap()).
ALONE = """
import os, sys
looking = os.posix_spawn(sys.executable, [sys.executable, "-m", "stress", "inspect", "--json"], os.environ)
_, status, usage = os.wait4(looking, 0)
assert os.waitstatus_to_exitcode(status) in (0, 1)
sys.stderr.write(str(usage.ru_maxrss))
"""
HEADING = "A census of 100,000 sockets"
COLUMNS = ("what", "sockets", "time (quartiles)")
WAYS = {
    "all sockets of IPv4, those of dual stacks included": lambda: census.list_family(4),
    "all sockets, counted by side and state": lambda: census.take_census(4, SERVER_PORTS),
    "the server's sockets": lambda: census.list_server_sockets(4, SERVER_PORTS),
    "all but those in LISTEN, with owners, ages, rules and counters": namespace_state.take_state,
    "the server's sockets, and their ages": lambda: ages.read_ages_ms(census.list_server_sockets(4, SERVER_PORTS)),
}


@pytest.fixture(scope="module")
def crowd():
    """Make sockets in CLOSE-WAIT, TIME-WAIT and ESTABLISHED; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sysctl.write("net.ipv4.ip_local_port_range", "10000 60999")
    plan = Plan(scenario="growth", mines=MINES, ports=Ports.SHUFFLE, sources=2)
    everywhere = four_tuples.all_four_tuples(plan, read_port_range(plan.server_ports))
    places = np.random.default_rng(1).choice(everywhere, MINES, replace=False).astype(np.uint32)
    held = np.full(HELD, -1, np.intc)
    with (
        Listener("127.0.0.1", 5000) as leaking,
        Listener("127.0.0.2", 5001) as closing,
        Listener("127.0.0.3", 5002) as holding,
    ):
        minefield.lay_mines(plan, leaking, places, hard)
        closing.start()
        fire("127.0.0.2", 5001, TIME_WAITS, close="fin")
        holding.start(leak=-1)
        fire("127.0.0.3", 5002, HELD, close="hold", held=held)
        assert (held >= 0).all()
        yield len(census.list_family(4))
        for descriptor in held:
            os.close(descriptor)


def fire(target, port, attempts, **options):
    storm(allocate_attempts(attempts), target=target, target_port=port, attempts=attempts, epoch_ns=now_ns(), **options)


@pytest.mark.parametrize("way", WAYS)
def test_census(benchmark, table, crowd, way):
    times_s = []

    def take():
        start_ns = now_ns()
        listed = WAYS[way]()
        times_s.append((now_ns() - start_ns) / 1e9)
        return listed

    listed = benchmark.pedantic(take, rounds=ROUNDS, warmup_rounds=1)
    sockets = crowd if isinstance(listed, dict) else len(getattr(listed, "sockets", listed))
    table.add(HEADING, COLUMNS, way, f"{sockets:,}", f"{spread(times_s)} s")


@pytest.mark.usefixtures("crowd")
def test_inspect(benchmark, table):
    """From the start of two Pythons to their end, and the largest resident set of the second."""
    times_s, peaks_mb = [], []

    def look():
        start_ns = now_ns()
        ended = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, check=True)
        times_s.append((now_ns() - start_ns) / 1e9)
        peaks_mb.append(int(ended.stderr) / 1000)
        return json.loads(ended.stdout)["sockets"]

    sockets = benchmark.pedantic(look, rounds=LOOKS, warmup_rounds=1)
    assert sockets >= MINES + 2 * HELD
    row = (f"{sockets:,}", f"{spread(times_s)} s", f"{max(peaks_mb):.0f} MB")
    table.add("`connstorm inspect` of 100,000 sockets", ("sockets", "time (quartiles)", "memory at most"), *row)
    assert max(peaks_mb) < MEGABYTES_MAX
