# SPDX-License-Identifier: MIT
"""How much of a bare C loop's rate does the engine keep while it records every attempt?"""

import itertools
import statistics
import subprocess

from stress._fastconnect import now_ns, storm
from stress.lab.listener import Listener
from stress.model.attempt import blank

PORT = 5000
ATTEMPTS = 30_000  # half a second: short pairs see the same weather on a shared machine
PAIRS = 41


def test_engine_against_bare_loop(benchmark, bare_loop, two_cpus):
    """Both in turn against the same server: each engine storm against the mean of the bare loops around it."""
    records = blank(ATTEMPTS)
    bare_ns, engine_ns = [], []

    def bare():
        output = subprocess.run([bare_loop, str(PORT), str(ATTEMPTS)], check=True, capture_output=True, text=True)
        bare_ns.append(int(output.stdout))

    def engine():
        start_ns = now_ns()
        recorded, _ = storm(records, target="127.0.0.1", target_port=PORT, attempts=ATTEMPTS, epoch_ns=start_ns)
        engine_ns.append(now_ns() - start_ns)
        assert recorded == ATTEMPTS
        assert not records["error"].any()

    with Listener("127.0.0.1", PORT, cpu=two_cpus) as server:
        server.start()
        benchmark.pedantic(engine, setup=bare, rounds=PAIRS, warmup_rounds=1)
        bare()
    around = [(before + after) / 2 for before, after in itertools.pairwise(bare_ns)]
    ratios = sorted(bare / ours for bare, ours in zip(around[1:], engine_ns[1:], strict=True))
    low, _, high = statistics.quantiles(ratios, n=4)
    benchmark.extra_info["ratio_median"] = statistics.median(ratios)
    benchmark.extra_info["ratios"] = ratios
    print(
        f"\nengine with records / bare C loop, {len(ratios)} interleaved pairs of {ATTEMPTS:,} attempts: "
        f"median {statistics.median(ratios):.3f}, quartiles {low:.3f} and {high:.3f}; "
        f"engine {ATTEMPTS / statistics.median(engine_ns[1:]) * 1e9:,.0f}/s"
    )
