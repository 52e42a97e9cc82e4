# SPDX-License-Identifier: MIT
"""How much of a bare C loop's rate does the engine keep while it records every attempt?"""

import statistics
import subprocess

from stress._fastconnect import now_ns, storm
from stress.lab.listener import Listener
from stress.model.attempt import blank

PORT = 5000
ATTEMPTS = 150_000
PAIRS = 9


def test_engine_against_bare_loop(benchmark, bare_loop, two_cpus):
    """Pairs of both, one after the other, against the same server: the ratio of their rates, and its spread."""
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
    ratios = sorted(bare / ours for bare, ours in zip(bare_ns[1:], engine_ns[1:], strict=True))
    benchmark.extra_info["ratio_median"] = statistics.median(ratios)
    benchmark.extra_info["ratios"] = ratios
    print(
        f"\nengine with records / bare C loop, {len(ratios)} interleaved pairs of {ATTEMPTS:,} attempts: "
        f"median {statistics.median(ratios):.3f}, from {ratios[0]:.3f} to {ratios[-1]:.3f}; "
        f"engine {ATTEMPTS / statistics.median(engine_ns[1:]) * 1e9:,.0f}/s"
    )
