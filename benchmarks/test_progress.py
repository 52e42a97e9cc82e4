# SPDX-License-Identifier: MIT
"""Does it cost a storm anything that another process reads how far it is?"""

import itertools
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
from pairs import interleave, spread

from stress._fastconnect import now_ns, storm
from stress.lab.listener import Listener
from stress.model.progress import StormUnderway
from stress.run.speed import TARGET_PORTS
from stress.run.storm_watch import INTERVAL_S
from stress.storm.buffer import Buffer
from stress.storm.ports import read_port_range

PORT = 5000
ATTEMPTS = 30_000
ROUNDS = 21
OFTENER = 50  # than in use
HEADING = "A storm whose progress is told against one that nobody watches"
COLUMNS = (
    "a look every",
    "looks at a storm",
    "rate with / rate without (quartiles)",
    "connections per second without",
    "CPU time of an attempt, with / without",
    "CPU time of a look",
)


@contextmanager
def watcher(interval_s, underway):
    """Start a process that watches; yield what asks it to begin or end, and returns its answer."""
    script = Path(__file__).with_name("storm_watcher.py")
    arguments = [str(os.getpid()), str(interval_s), msgspec.json.encode(underway).decode()]
    with subprocess.Popen(
        [sys.executable, script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(word):
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield ask
        process.stdin.close()


def test_with_and_without(benchmark, table, two_cpus):
    """Looks come far more often than in use, so that storms may be short; both CPUs are the storm's.

    The CPU time of an attempt is that of the storm's own thread, which varies less where other programs run.
    """
    buffer = Buffer(ATTEMPTS, None)
    ports = np.random.default_rng(1).permutation(read_port_range(range(PORT, PORT + 1)).usable)
    cpus = [*os.sched_getaffinity(0), two_cpus]
    underway = StormUnderway(ATTEMPTS, buffer.descriptor, [(0, ATTEMPTS)], None, cpus)
    sources = (f"127.0.{high}.{low}" for high in range(1, 250) for low in range(1, 250))
    looks = []
    cpu_ns = {"with": [], "without": []}

    def one(kind="without"):
        buffer.prefault()  # the reader counts starts that are not 0
        start_ns, start_cpu_ns = now_ns(), time.thread_time_ns()
        recorded, _ = storm(
            buffer.records,
            target="127.0.0.1",
            target_port=PORT,
            target_ports=TARGET_PORTS,
            attempts=ATTEMPTS,
            epoch_ns=start_ns - 1,
            close="rst",
            source=next(sources),
            ports="list",
            port_list=ports,
        )
        end_ns = now_ns()
        cpu_ns[kind].append(time.thread_time_ns() - start_cpu_ns)
        assert recorded == ATTEMPTS
        return end_ns - start_ns

    with (
        Listener("127.0.0.1", PORT, ports=TARGET_PORTS, cpu=two_cpus) as server,
        watcher(INTERVAL_S / OFTENER, underway) as ask,
    ):
        server.start()

        def watched():
            assert ask("begin") == "watching"
            took_ns = one("with")
            count, took_ms = ask("end").split()
            looks.append((int(count), float(took_ms)))
            return took_ns

        def unwatched():
            assert ask("rest") == "resting"
            return one()

        with_ns, without_ns = interleave(benchmark, watched, unwatched, ROUNDS)
    buffer.close()
    around = [(before + after) / 2 for before, after in itertools.pairwise(cpu_ns["without"])]
    cpu_ratios = [own / mean for own, mean in zip(cpu_ns["with"], around, strict=True)][1:]
    table.add(
        HEADING,
        COLUMNS,
        f"{INTERVAL_S / OFTENER:g} s",
        f"{median(count for count, _ in looks):g}",
        spread([without / with_ for with_, without in zip(with_ns, without_ns, strict=True)]),
        spread([ATTEMPTS / (took / 1e9) for took in without_ns], "{:,.0f}"),
        spread(cpu_ratios),
        spread([took_ms / count for count, took_ms in looks if count], "{:.1f} ms"),
    )
