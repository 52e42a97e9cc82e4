# SPDX-License-Identifier: MIT
"""What does hearing the kernel's word cost a storm?"""

import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from pairs import interleave, spread

from stress._fastconnect import now_ns, storm
from stress.lab import sysctl
from stress.lab.kernel_word import btf
from stress.lab.listener import Listener
from stress.model.attempt import allocate_attempts
from stress.run.speed import TARGET_PORTS
from stress.storm.ports import read_port_range

PORT = 5000
ATTEMPTS = 20_000
ROUNDS = 41
HEADING = "A storm with the kernel's word against the same without"
COLUMNS = ("what the storm does", "rate with / rate without (quartiles)", "events per connection", "lost")
UNWATCHED = np.zeros(65536, np.uint8)


@pytest.fixture
def free_ports():
    """Let FIN_WAIT_2 end at once: a FIN storm would otherwise fill the range within a second."""
    before = sysctl.read("net.ipv4.tcp_max_tw_buckets")
    sysctl.write("net.ipv4.tcp_max_tw_buckets", "0")
    yield
    sysctl.write("net.ipv4.tcp_max_tw_buckets", before)


@pytest.mark.parametrize("does", ["rst", "fin", "refused"])
@pytest.mark.usefixtures("free_ports")
def test_with_and_without(benchmark, table, two_cpus, kernel_word, does):
    """A reset close raises an event that is only counted.

    A refused connection has two that are written, and so has a FIN close here: without TIME-WAIT the server's FIN meets
    no socket.
    """
    records = allocate_attempts(ATTEMPTS)
    usable = read_port_range(range(PORT, PORT + 1)).usable
    rng = np.random.default_rng(1)
    inode = Path("/proc/self/ns/net").stat().st_ino
    sources = (f"127.0.{high}.{low}" for high in range(1, 250) for low in range(1, 250))
    heard = []

    def one():
        ports, source, start_ns = rng.permutation(usable), next(sources), now_ns()
        recorded, _ = storm(
            records,
            target="127.0.0.1",
            target_port=PORT + (1000 if does == "refused" else 0),
            target_ports=TARGET_PORTS,
            attempts=ATTEMPTS,
            epoch_ns=start_ns,
            close="rst" if does == "refused" else does,
            source=source,
            ports="list",
            port_list=ports,
            watched=UNWATCHED,
        )
        end_ns = now_ns()
        assert recorded == ATTEMPTS
        assert bool(records["error"].all()) == (does == "refused")
        return end_ns - start_ns

    def with_word():
        if reason := kernel_word.switch_on(inode):
            pytest.skip(reason)
        took_ns = one()
        heard.append(kernel_word.switch_off())
        return took_ns

    with Listener("127.0.0.1", PORT, ports=TARGET_PORTS, cpu=two_cpus) as server:
        server.start()
        with_ns, without_ns = interleave(benchmark, with_word, one, ROUNDS)
    table.add(
        HEADING,
        COLUMNS,
        {"rst": "connections closed by RST", "fin": "by FIN", "refused": "refused connections"}[does],
        spread([without / with_ for with_, without in zip(with_ns, without_ns, strict=True)]),
        f"{median(sum(counts.values()) / ATTEMPTS for counts, _, _ in heard):.2f} counted, "
        f"{median(events / ATTEMPTS for _, events, _ in heard):.2f} written",
        f"{sum(lost for _, _, lost in heard)}",
    )


def test_opening(benchmark, table, kernel_word):
    """The types are read once for each process; the rest each time."""
    took_ms = []

    def reopen():
        begin = time.perf_counter()
        if reason := kernel_word.switch_on(0):
            pytest.skip(reason)
        took_ms.append((time.perf_counter() - begin) * 1e3)
        kernel_word.switch_off()

    benchmark.pedantic(reopen, rounds=9)
    data = btf.PATH.read_bytes()
    types_ms = []
    for _ in range(9):
        begin = time.perf_counter()
        btf.KernelTypes(data)
        types_ms.append((time.perf_counter() - begin) * 1e3)
    table.add(
        "What opening the kernel's word takes",
        ("the types, once for each process", "the programs"),
        spread(types_ms, "{:.0f} ms"),
        spread(took_ms, "{:.0f} ms"),
    )
