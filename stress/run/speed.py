# SPDX-License-Identifier: MIT
"""How fast this machine is: the engine with full records compared with the bare loop, in alternating runs."""

import os
import statistics

import numpy as np

from stress._fastconnect import now_ns, storm
from stress._reference import bare_storm
from stress.lab import overhead, sysctl
from stress.lab.cpu_pairs import place_workers
from stress.lab.cpu_topology import read_topology
from stress.lab.host import jiffy_ns
from stress.lab.listener import Listener
from stress.model.attempt import allocate_attempts
from stress.model.plan import Close
from stress.model.progress import ProgressCallback
from stress.model.record import Overhead
from stress.model.speed import Speed
from stress.storm.host_settings import LONGEST_QUEUE, raise_descriptor_limit

PORT = 5000
# connect() chooses a port again after some 3,100 connections to one port of the server, which closes its end 100 ms
# later: closed by FIN, with few server ports, that end would still be in CLOSE_WAIT, and the connection a collision.
TARGET_PORTS = 32
ATTEMPTS = 10_000
ROUNDS = 9
CLOSES = (Close.RST, Close.FIN, Close.DISCONNECT)
UNWATCHED = np.zeros(1 << 16, np.uint8)


def measure_speed(notify: ProgressCallback) -> tuple[list[Speed], Overhead]:
    """Measure each way to close in the private namespace of this process, and the costs of recording.

    FIN_WAIT_2 sockets are freed at once (net.ipv4.tcp_max_tw_buckets=0), or a FIN storm would fill the port range.

    Raises:
        LabError: the server does not come up.
    """
    sysctl.write("net.core.somaxconn", LONGEST_QUEUE)
    raise_descriptor_limit()  # as a storm does
    sysctl.write("net.ipv4.tcp_max_tw_buckets", "0")
    clients, server_cpu = place_workers(read_topology(), 1)
    os.sched_setaffinity(0, clients)
    with Listener("127.0.0.1", PORT, ports=TARGET_PORTS, cpu=server_cpu) as server:
        server.start()
        speeds = []
        for close in CLOSES:
            notify(f"{ROUNDS} pairs of {ATTEMPTS:,} connections, close by {close}")
            speeds.append(compare_loops(close))
    return speeds, overhead.measure_overhead("127.0.0.1", "127.0.0.1", PORT)


def compare_loops(close: Close) -> Speed:
    """Run both loops in turn and return their speeds; a first pair of runs is left out."""
    records = allocate_attempts(ATTEMPTS)
    jiffy = jiffy_ns()
    bare_ns, engine_ns = [], []
    for _ in range(ROUNDS + 1):
        bare_ns.append(bare_storm(target_port=PORT, target_ports=TARGET_PORTS, attempts=ATTEMPTS, close=close.value))
        start_ns = now_ns()
        storm(
            records,
            target="127.0.0.1",
            target_port=PORT,
            target_ports=TARGET_PORTS,
            attempts=ATTEMPTS,
            epoch_ns=start_ns,
            close=close.value,
            watched=UNWATCHED,
            jiffy_ns=jiffy,
        )
        engine_ns.append(now_ns() - start_ns)
    ratios = [bare / engine for bare, engine in zip(bare_ns[1:], engine_ns[1:], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    per_s = [ATTEMPTS * 1e9 / statistics.median(took_ns[1:]) for took_ns in (bare_ns, engine_ns)]
    return Speed(close.value, per_s[0], per_s[1], middle, (low, high))
