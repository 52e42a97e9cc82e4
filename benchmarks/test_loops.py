# SPDX-License-Identifier: MIT
"""What the engine and the listener were chosen against: epoll for each attempt, accept() one by one."""

import subprocess
from pathlib import Path

import pytest
from pairs import interleave, spread

from stress._reference import bare_storm
from stress.lab.listener import Listener

PORT, ANOTHER = 5000, 5001
ATTEMPTS = 20_000
ROUNDS = 15
HEADING = "What the engine does, against other ways"
COLUMNS = ("what", "against", "rate / rate (quartiles)")


@pytest.fixture(scope="module")
def loops(tmp_path_factory):
    program = tmp_path_factory.mktemp("loops") / "loops"
    subprocess.run(["cc", "-O2", "-o", program, Path(__file__).with_name("loops.c")], check=True)
    return program


def test_a_second_connect_against_epoll(benchmark, table, loops, two_cpus):
    def loop(how):
        def run():
            output = subprocess.run([loops, how, str(PORT), str(ATTEMPTS)], check=True, capture_output=True, text=True)
            return int(output.stdout)

        return run

    with Listener("127.0.0.1", PORT, cpu=two_cpus) as server:
        server.start()
        ours_ns, theirs_ns = interleave(benchmark, loop("recheck"), loop("epoll"), ROUNDS)
    ratios = [theirs / ours for ours, theirs in zip(ours_ns, theirs_ns, strict=True)]
    table.add(HEADING, COLUMNS, "connect() again at once", "epoll for each attempt", spread(ratios))


def test_batched_against_blocking_accept(benchmark, table, loops, two_cpus):
    blocking = subprocess.Popen(["taskset", "-c", str(two_cpus), loops, "accept", str(ANOTHER)], stdout=subprocess.PIPE)
    try:
        assert blocking.stdout.readline() == b"ready\n"
        with Listener("127.0.0.1", PORT, cpu=two_cpus) as server:
            server.start()
            ours_ns, theirs_ns = interleave(
                benchmark,
                lambda: bare_storm(target_port=PORT, attempts=ATTEMPTS),
                lambda: bare_storm(target_port=ANOTHER, attempts=ATTEMPTS),
                ROUNDS,
            )
    finally:
        blocking.terminate()
        blocking.wait()
        blocking.stdout.close()
    ratios = [theirs / ours for ours, theirs in zip(ours_ns, theirs_ns, strict=True)]
    table.add(HEADING, COLUMNS, "accept() in batches, with naps", "accept() that blocks", spread(ratios))
