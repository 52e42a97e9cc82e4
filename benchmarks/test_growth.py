# SPDX-License-Identifier: MIT
"""What an attempt costs as the window, the minefield, the range's occupancy and the run grow."""

import os
import resource
import time

import numpy as np
import pytest
from pairs import interleave, spread

from stress._fastconnect import now_ns, storm
from stress.analysis.attribution.summary import analyse
from stress.lab import host, sysctl
from stress.lab.listener import Listener
from stress.model.attempt import allocate_attempts
from stress.model.plan import Plan
from stress.model.record import Act, Address, ListenerReport, Record
from stress.model.run import MINE, Run
from stress.storm import minefield
from stress.storm.ports import read_port_range
from stress.view.figure.run.ccdf import ccdf_figure
from stress.view.figure.run.port_map import port_map_figure
from stress.view.figure.run.timeline import timeline_figure
from stress.view.figure.save import save_figure

PORT = 5000
ATTEMPTS = 20_000
ROUNDS = 9
HEADING = "An attempt's cost as things grow"
COLUMNS = ("what grows", "from", "to", "time per attempt, to / from (quartiles)")


def fire(records, **options):
    start_ns = now_ns()
    recorded, _ = storm(
        records, target="127.0.0.1", target_port=PORT, attempts=len(records), epoch_ns=start_ns, **options
    )
    end_ns = now_ns()
    assert recorded == len(records)
    return end_ns - start_ns


def ratios(large_ns, small_ns):
    return spread([after / before for after, before in zip(large_ns, small_ns, strict=True)])


@pytest.mark.parametrize("window", [1, 16_384])
def test_window(benchmark, table, two_cpus, window):
    records = allocate_attempts(ATTEMPTS)
    with Listener("127.0.0.1", PORT, cpu=two_cpus) as server:
        server.start()
        ours_ns, theirs_ns = interleave(
            benchmark, lambda: fire(records, window=window), lambda: fire(records, window=1024), ROUNDS
        )
    table.add(HEADING, COLUMNS, "the window", "1,024", f"{window:,}", ratios(ours_ns, theirs_ns))


@pytest.mark.parametrize("mines", [1000, 10_000])
def test_mines(benchmark, table, two_cpus, mines):
    """The same ports with and without mines; a mine costs its attempt a retry, which others do not wait for."""
    ports = read_port_range(range(PORT, PORT + 1)).usable
    rng = np.random.default_rng(1)
    order = rng.permutation(ports)[:ATTEMPTS]
    records = allocate_attempts(ATTEMPTS)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def over(count):
        def run():
            with Listener("127.0.0.1", PORT, cpu=two_cpus) as server:
                if count:
                    minefield.lay_mines(Plan(scenario="growth"), server, order[:count].astype(np.uint32), hard)
                server.start()
                took_ns = fire(records, ports="list", port_list=rng.permutation(order), source="127.0.0.1", window=8192)
                assert int((records["retransmits"] > 0).sum()) == count
                return took_ns

        return run

    ours_ns, theirs_ns = interleave(benchmark, over(mines), over(0), ROUNDS)
    table.add(HEADING, COLUMNS, f"mines among {ATTEMPTS:,} ports", "0", f"{mines:,}", ratios(ours_ns, theirs_ns))


@pytest.mark.parametrize("percent", [25, 45, 75])
def test_occupancy(benchmark, table, two_cpus, percent):
    """The range is occupied by connections that are held; connect() chooses its port."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before = sysctl.read("net.ipv4.ip_local_port_range")
    sysctl.write("net.ipv4.ip_local_port_range", "40000 47999")  # so that one process may hold most of it
    records = allocate_attempts(300)
    taken = 8000 * percent // 100
    held = np.full(taken, -1, np.intc)
    try:
        with Listener("127.0.0.1", PORT, cpu=two_cpus) as server:
            server.start(leak=-1)
            empty_ns = [fire(records) for _ in range(ROUNDS + 1)]
            start_ns = now_ns()
            storm(
                allocate_attempts(taken), target="127.0.0.1", target_port=PORT, attempts=taken, epoch_ns=start_ns,
                close="hold", held=held,
            )  # fmt: skip
            assert (held >= 0).all()
            full_ns = []
            benchmark.pedantic(lambda: full_ns.append(fire(records)), rounds=ROUNDS + 1)
            for descriptor in held:
                os.close(descriptor)
    finally:
        sysctl.write("net.ipv4.ip_local_port_range", before)
    what = "occupancy of the port range (not interleaved)"
    table.add(HEADING, COLUMNS, what, "0 %", f"{percent} %", ratios(full_ns[1:], empty_ns[1:]))


SIZES = (100_000, 1_000_000, 10_000_000)


def run_of(attempts):
    """Return a run of so many attempts, of which one in fifty met a mine; what it observed is made up."""
    rng = np.random.default_rng(1)
    records = allocate_attempts(attempts)
    records["start_ns"] = np.arange(attempts, dtype=np.int64) * 20_000
    records["latency_ns"] = 12_000 * np.exp(rng.normal(0, 0.2, attempts))
    records["local_port"] = 32768 + np.arange(attempts) % 28_232
    records["phase"] = 1
    mined = rng.choice(28_232, min(28_232, attempts // 50), replace=False)
    records["retransmits"][mined] = 1
    records["latency_ns"][mined] = rng.uniform(8e6, 12e6, len(mined))
    mines = np.zeros(len(mined), MINE)
    mines["local_port"] = 32768 + np.sort(mined)
    plan = Plan(scenario="growth", mines=len(mined))
    act = Act(
        name="storm", plan=plan, address=Address(0, "127.0.0.1", 1, "127.0.0.1", PORT, 1), attempts=attempts,
        port_range=(32768, 60999), ports=28_232, sysctls={}, firewall="none", dropped={}, phases=[],
        counters=dict.fromkeys(COUNTERS, 0), census_before={}, census_after={}, listener=ListenerReport(0, 0, 0, 0, {}),
        waiting=0, starved_ns=None, mines_laid=len(mined), stolen_ms=0, pairs=[],
    )  # fmt: skip
    record = Record(
        id="growth", program="connstorm", started_utc="2026-01-01T00:00:00+00:00", plan=plan, host=host.read_host(),
        overhead=None, acts=[act], interrupted=False, warnings=[],
    )  # fmt: skip
    return Run(record, records, mines)


COUNTERS = ("ActiveOpens", "EmbryonicRsts", "EstabResets", "ListenDrops", "ListenOverflows", "OutRsts",
            "TCPACKSkippedChallenge", "TCPChallengeACK", "TCPSYNChallenge", "TCPSynRetrans", "TWRecycled",
            "lo rx_dropped")  # fmt: skip


@pytest.mark.parametrize("attempts", SIZES)
def test_analysis_and_drawing(benchmark, table, tmp_path, attempts):
    run = run_of(attempts)
    took_s = {"analysis": [], "timeline": [], "port map": [], "CCDF": []}

    def timed(what, act):
        start_s = time.monotonic()
        result = act()
        took_s[what].append(time.monotonic() - start_s)
        return result

    def everything():
        findings = timed("analysis", lambda: analyse(run))
        timed("timeline", lambda: save_figure(timeline_figure(findings), tmp_path / "timeline.png"))
        timed("port map", lambda: save_figure(port_map_figure(findings), tmp_path / "ports.png"))
        timed("CCDF", lambda: save_figure(ccdf_figure(findings), tmp_path / "ccdf.png"))

    benchmark.pedantic(everything, rounds=3, warmup_rounds=1)
    table.add(
        "Analysis and pictures",
        ("attempts", *took_s),
        f"{attempts:,}",
        *(f"{sorted(times)[len(times) // 2]:.2f} s" for times in took_s.values()),
    )
