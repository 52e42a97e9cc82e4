# SPDX-License-Identifier: MIT
"""How much of the bare loop's rate does the engine keep while it records every attempt?"""

import itertools
import subprocess
from statistics import median

import numpy as np
import pytest
from pairs import interleave, spread

from stress._fastconnect import now_ns, storm
from stress._reference import bare_storm
from stress.lab import overhead, sysctl
from stress.lab.listener import Listener
from stress.model.attempt import allocate_attempts
from stress.model.plan import Close, Plan
from stress.run.speed import TARGET_PORTS
from stress.storm.buffer import Buffer
from stress.storm.ports import read_port_range
from stress.storm.worker import WorkerSpec
from stress.storm.workers import Workers

PORT = 5000
ATTEMPTS = 20_000  # a third of a second: short pairs see the same weather
ROUNDS = 21
HEADING = "The engine with full records against the bare loop"
COLUMNS = ("close", "ports chosen by", "workers", "engine / bare loop (quartiles)", "engine, connections per second")
UNWATCHED = np.zeros(65536, np.uint8)  # no mines here


@pytest.fixture
def free_ports():
    """Let FIN_WAIT_2 end at once: a FIN storm would otherwise fill the range within a second."""
    before = sysctl.read("net.ipv4.tcp_max_tw_buckets")
    sysctl.write("net.ipv4.tcp_max_tw_buckets", "0")
    yield
    sysctl.write("net.ipv4.tcp_max_tw_buckets", before)


@pytest.mark.parametrize(
    ("close", "chosen_by"),
    [
        ("rst", "the plan"),
        ("rst", "the kernel"),
        ("fin", "the plan"),
        ("fin", "the kernel"),
        ("disconnect", "the plan"),
        ("disconnect", "the kernel"),
    ],
)
@pytest.mark.usefixtures("free_ports")
def test_one_worker(benchmark, table, two_cpus, close, chosen_by):
    """Every port once in an order drawn anew, as most scenarios do, or as connect() chooses: both loops alike."""
    records = allocate_attempts(ATTEMPTS)
    usable = read_port_range(range(PORT, PORT + 1)).usable
    rng = np.random.default_rng(1)
    policy = {"the kernel": "kernel", "the plan": "each" if close == "disconnect" else "list"}[chosen_by]
    # A few FIN_WAIT_2 sockets in ten thousand keep their ports: of the listed none is asked for twice.
    sources = (f"127.0.0.{number}" for number in itertools.count(1))

    resent = []

    def ports():
        return None if policy == "kernel" else rng.permutation(usable)

    def bare():
        return bare_storm(
            target_port=PORT,
            target_ports=TARGET_PORTS,
            attempts=ATTEMPTS,
            close=close,
            port_list=ports(),
            source=next(sources),
        )

    def engine():
        port_list = ports()
        source = next(sources)
        start_ns = now_ns()
        recorded, _ = storm(
            records,
            target="127.0.0.1",
            target_port=PORT,
            target_ports=TARGET_PORTS,
            attempts=ATTEMPTS,
            epoch_ns=start_ns,
            close=close,
            source=source,
            ports=policy,
            port_list=port_list,
            watched=UNWATCHED,
        )
        end_ns = now_ns()
        assert recorded == ATTEMPTS
        assert not records["error"].any()
        resent.append(np.count_nonzero(records["retransmits"]))
        return end_ns - start_ns

    with Listener("127.0.0.1", PORT, ports=TARGET_PORTS, cpu=two_cpus) as server:
        server.start()
        engine_ns, bare_ns = interleave(benchmark, engine, bare, ROUNDS)
    assert median(resent) == 0  # neither loop waits for collisions
    report(table, (close, chosen_by, 1), engine_ns, bare_ns)


@pytest.mark.parametrize("close", ["rst", "fin", "disconnect"])
@pytest.mark.usefixtures("free_ports")
def test_two_workers(benchmark, table, bare_loop, close):
    plan = Plan(scenario="rate", close=Close(close), workers=2, target_ports=TARGET_PORTS)
    resent = []

    def engine():
        buffer = Buffer(2 * ATTEMPTS, None)
        specs = [WorkerSpec(plan, number, 2 * ATTEMPTS, 0, 20_000, cpu, b"") for number, cpu in enumerate((0, 1))]
        with Workers(specs, [ATTEMPTS] * 2, buffer, UNWATCHED) as workers:
            results = workers.storm(now_ns())
            assert [result.recorded for result in results] == [ATTEMPTS] * 2
        resent.append(np.count_nonzero(buffer.records["retransmits"]))
        halves = np.split(buffer.records, 2)
        assert not buffer.records["error"].any()
        return max(
            int(half["start_ns"][-1] + half["latency_ns"][-1] + half["close_ns"][-1] - half["start_ns"][0])
            for half in halves
        )

    def bare():
        begin = str(now_ns() + 50_000_000)
        processes = [
            subprocess.Popen(
                ["taskset", "-c", str(cpu), bare_loop, str(PORT), str(TARGET_PORTS), str(ATTEMPTS), close, begin],
                stdout=subprocess.PIPE,
            )
            for cpu in (0, 1)
        ]
        return max(int(process.communicate()[0]) for process in processes)

    with Listener("127.0.0.1", PORT, ports=TARGET_PORTS) as server:
        server.start()
        engine_ns, bare_ns = interleave(benchmark, engine, bare, ROUNDS)
    assert median(resent) == 0
    report(table, (close, "the kernel", 2), engine_ns, bare_ns)


def report(table, row, engine_ns, bare_ns):
    *_, workers = row
    ratios = [bare / engine for bare, engine in zip(bare_ns, engine_ns, strict=True)]
    rates = [workers * ATTEMPTS / engine * 1e9 for engine in engine_ns]
    table.add(HEADING, COLUMNS, *map(str, row), spread(ratios), spread(rates, "{:,.0f}"))


@pytest.mark.parametrize("ports", ["kernel", "shuffle"])
def test_what_recording_costs(benchmark, table, ports):
    """The calibration of every run, many times."""
    costs = []
    benchmark.pedantic(lambda: costs.append(overhead.measure_overhead("127.0.0.1", "127.0.0.1", PORT)), rounds=ROUNDS)
    table.add(
        "What recording an attempt costs, by the calibration",
        ("ports chosen by", "an attempt", "a clock reading", "getsockname()", "the record"),
        "the kernel" if ports == "kernel" else "the plan",
        spread([cost.attempt_ns(port_known=ports != "kernel") for cost in costs], "{:.0f} ns"),
        *(
            spread([getattr(cost, name) for cost in costs], form)
            for name, form in (("clock_ns", "{:.0f} ns"), ("getsockname_ns", "{:.0f} ns"), ("record_ns", "{:.1f} ns"))
        ),
    )


@pytest.mark.parametrize("processes", [2, 4])
def test_several_serving_processes(benchmark, table, processes):
    """They share one socket; what they gain or cost two workers."""
    records = allocate_attempts(ATTEMPTS)

    def serve(count):
        def run():
            with Listener("127.0.0.1", PORT) as server:
                for _ in range(count):
                    server.start()
                start_ns = now_ns()
                recorded, _ = storm(
                    records, target="127.0.0.1", target_port=PORT, attempts=ATTEMPTS, epoch_ns=start_ns, close="rst"
                )
                end_ns = now_ns()
                assert recorded == ATTEMPTS
                return end_ns - start_ns

        return run

    many_ns, one_ns = interleave(benchmark, serve(processes), serve(1), 9)
    ratios = [one / many for one, many in zip(one_ns, many_ns, strict=True)]
    table.add(
        "Several serving processes at one socket against one",
        ("processes", "rate / rate with one (quartiles)"),
        str(processes),
        spread(ratios),
    )
