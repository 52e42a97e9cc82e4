# SPDX-License-Identifier: MIT
"""The storm fixture in the test suites of users, each run by a real pytest in a private namespace."""

import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
from namespaced import namespaced

from stress.analysis.metric import METRICS
from stress.model.mine import Release
from stress.model.plan import Close, Serve
from stress.model.world import Drop, Firewall
from stress.run.external import TIMES, external_plan
from stress.storm.external_server import external_faults

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "pytest"
PORTS = (40000, 40999)
ALL_PORTS = (32768, 60999)  # closed by FIN, a port stays in TIME_WAIT for a minute
INSTALLED = any(
    entry_point.value == "stress.pytest_plugin" for entry_point in importlib.metadata.entry_points(group="pytest11")
)
PYTEST = [
    sys.executable,
    "-m",
    "pytest",
    "-p",
    "no:cacheprovider",
    *(() if INSTALLED else ("-p", "stress.pytest_plugin")),
]

# A server that a user might have: a thread that accepts, and closes when its client has.
SERVER = """
import contextlib, socket, threading
import pytest

def serve(listening, seen):
    with contextlib.suppress(OSError):
        while True:
            seen.append(listening.accept()[0])

@pytest.fixture(scope="module")
def server():
    listening = socket.create_server(("127.0.0.1", 7000), backlog=2048)  # none of the ports that clients take
    yield listening
    listening.close()

@pytest.fixture(scope="module")
def seen(server):
    connections = []
    thread = threading.Thread(target=serve, args=(server, connections), daemon=True)
    thread.start()
    yield connections
    server.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in connections:
        connection.close()
"""


def a_suite(folder, text, *options):
    """Run the tests of a text with a server; return how it ended and what was saved."""
    (folder / "conftest.py").write_text(SERVER)
    (folder / "test_mine.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return run(folder, *options)


def run(folder, *options):
    saved = folder / "saved.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [*PYTEST, f"--benchmark-json={saved}", *options] if "no:benchmark" not in options else [*PYTEST, *options]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    document = json.loads(saved.read_text()) if saved.exists() and saved.stat().st_size else None
    return ended, document


@namespaced(ports=ALL_PORTS)
def test_the_example_benchmarks_its_server(tmp_path):
    folder = shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns("__pycache__"))
    ended, document = run(folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "6 passed" in ended.stdout
    assert document["machine_info"]["kernel"] == os.uname().release
    assert document["machine_info"]["sysctls"]["net.ipv4.ip_local_port_range"].split() == [
        str(port) for port in ALL_PORTS
    ]
    benchmarks = {benchmark["name"]: benchmark for benchmark in document["benchmarks"]}
    for backlog in (16, 128):
        p50, p99 = (benchmarks[f"test_connect[backlog={backlog}-body.{quantile}]"] for quantile in ("p50", "p99"))
        assert (p50["group"], p99["group"]) == ("body.p50", "body.p99")
        assert p50["stats"]["rounds"] == len(p50["stats"]["data"]) == 3
        # Of the same storms: their counters are the same, and so is the order of their quantiles.
        assert p50["extra_info"]["counters"] == p99["extra_info"]["counters"]
        assert all(low <= high for low, high in zip(p50["stats"]["data"], p99["stats"]["data"], strict=True))
        assert p50["extra_info"]["counters"]["ActiveOpens"] == p50["extra_info"]["attempts"] == 600


@namespaced(ports=PORTS)
def test_trials_are_made_once_and_what_is_measured_is_what_is_saved(tmp_path):
    (tmp_path / "numpy.py").write_text("raise ImportError('this is not what was meant')")
    ended, document = a_suite(
        tmp_path,
        """
import time
import pytest

@pytest.mark.parametrize("metric", ["body.p50", "body.max"])
@pytest.mark.benchmark(group="mine", min_rounds=7)
def test_metrics(storm, server, seen, metric, record_property):
    begun = time.perf_counter()
    storms = storm(server.getsockname(), metric=metric, trials=2, attempts=100, rate_per_s=1000)
    storm.benchmark.extra_info["ours"] = [value / 1e9 for value in storms.values]
    storm.benchmark.extra_info["took_s"] = time.perf_counter() - begun
    deadline = time.monotonic() + 5
    while len(seen) < 200 and time.monotonic() < deadline:
        time.sleep(0.01)
    # Who cannot see the rules of the firewall connects once before each storm, to see that none leads it elsewhere.
    assert len(seen) in (200, 202)
    assert storms.of("outcome.connected") == [100, 100]
    assert storms.total("errors.per_million") == 0
""",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    first, second = document["benchmarks"]
    for benchmark in (first, second):
        assert benchmark["stats"]["data"] == benchmark["extra_info"]["ours"]
        assert benchmark["stats"]["median"] == statistics.median(benchmark["extra_info"]["ours"])
        assert benchmark["group"] == "mine"
        assert benchmark["options"]["min_rounds"] == 7
        assert benchmark["extra_info"]["outcomes"] == {"connected": 200}
    # What a storm takes is not what is measured; what was made already takes nothing.
    assert first["extra_info"]["took_s"] > 10 * second["extra_info"]["took_s"]
    assert max(first["stats"]["data"]) < first["extra_info"]["took_s"]


@namespaced(ports=PORTS)
def test_causes_are_named_though_the_server_is_not_ours(tmp_path):
    """A backlog of 4 lets five connections wait; nobody accepts, and all the others wait for their resends."""
    ended, document = a_suite(
        tmp_path,
        """
import socket
import time

def test_full_queue(storm):
    with socket.create_server(("127.0.0.1", 0), backlog=4) as listening:
        storms = storm(
            listening.getsockname(), metric="body.max", trials=1, attempts=20, rate_per_s=None, deadline_s=0.5
        )
        # Who cannot see the rules of the firewall connects once before the storm, and nobody accepts that one either.
        assert storms.total("outcome.connected") in (4, 5)
        assert storms.total("outcome.unfinished") == storms.total("cause.accept_queue")
        assert storms.total("outcome.unfinished") == 20 - storms.total("outcome.connected")

def test_mines(storm, server, seen):
    address = server.getsockname()
    clients = [socket.socket() for _ in range(8)]
    for port, client in enumerate(clients, 40100):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection before may have had the port
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
        client.bind(("127.0.0.1", port))
        client.connect(address)
    for client in clients:
        client.close()
    time.sleep(1.5)  # the server leaks its side; the clients' side goes after a second
    storms = storm(address, metric="duration", trials=1, attempts=1000, ports="shuffle", rate_per_s=4000)
    assert storms.total("collisions") == storms.total("cause.closewait") == 8
""",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    full, mined = document["benchmarks"]
    causes = Counter(full["extra_info"]["causes"])
    assert causes.pop("none", 0) + causes.pop("stalled", 0) == 5  # a machine may stand still
    assert causes == {"accept_queue": 15}
    assert full["extra_info"]["median_over_trials"]["errors_per_million"] == 750_000
    assert full["extra_info"]["counters"]["ListenOverflows"] == 15
    assert mined["extra_info"]["causes"]["closewait"] == 8


@namespaced(ports=PORTS)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path):
    ended, _ = a_suite(
        tmp_path,
        """
import socket

def test_rate(storm, server):
    storm(server.getsockname(), metric="rate")

def test_unbounded(storm, server):
    storm(server.getsockname(), attempts=10**9)

def test_for_ever(storm, server):
    storm(server.getsockname(), deadline_s=None)

def test_no_option(storm, server):
    storm(server.getsockname(), mines=5)

def test_no_value(storm, server):
    storm(server.getsockname(), close="gently")

def test_elsewhere(storm, server):
    storm(("192.0.2.1", 80))

def test_nobody(storm):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()
    storm(address)

def test_none_at_once(storm):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        clients = [socket.socket() for _ in range(4)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        storm(full.getsockname(), trials=1, attempts=5, deadline_s=0.3)
""",
        "--tb=short",
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    for sentence in (
        "storm: rate is no time that can be benchmarked",
        "storm: attempts must be above 0 and at most 1,000,000, not 1000000000.",
        "storm: deadline_s must be above 0 and at most 150, not None.",
        "storm: There is no option 'mines'; there are attempts,",
        "storm: Invalid enum value 'gently' - at `$.close`.",
        "storm: 192.0.2.1 is not the loopback of this machine",
        "storm: Nobody listens on 127.0.0.1:",
        "storm: body.p99 has no value in 1 of 1 trials",
    ):
        assert sentence in ended.stdout
    assert "8 failed" in ended.stdout
    assert "Traceback" not in ended.stdout


@namespaced(ports=PORTS)
def test_addresses_of_both_families_and_one_trial_where_benchmarks_are_disabled(tmp_path):
    ended, _ = a_suite(
        tmp_path,
        """
import socket
import pytest

@pytest.mark.parametrize("where", [("127.0.0.1", 0), ("0.0.0.0", 0), ("::1", 0), ("::", 0)])
def test_family(storm, where):
    family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    with socket.create_server(where, family=family, backlog=64) as listening:
        storms = storm(listening.getsockname(), attempts=20, trials=50)
    assert storms.of("outcome.connected") == [20]
""",
        "--benchmark-disable",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "4 passed" in ended.stdout


def test_without_pytest_benchmark_it_is_harmless_and_says_what_to_install(tmp_path):
    text = "def test_other():\n    pass\n\n\ndef test_mine(storm):\n    storm(('127.0.0.1', 1))\n"
    ended, _ = a_suite(tmp_path, text, "-p", "no:benchmark")
    assert "1 passed, 1 error" in ended.stdout
    assert "pip install 'connstorm[pytest]'" in ended.stdout


def test_benchmarks_that_do_not_storm_keep_their_timer(tmp_path):
    text = "def test_theirs(benchmark):\n    benchmark.pedantic(lambda: None, rounds=2)\n"
    ended, document = a_suite(tmp_path, text)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (benchmark,) = document["benchmarks"]
    assert benchmark["options"]["timer"] != "connstorm"


@namespaced(ports=PORTS)
def test_saved_benchmarks_are_compared_and_a_change_fails(tmp_path):
    """The second storm is paced and short like the first, so what differs is not the machine."""
    text = """
def test_one(storm, server, seen):
    storm(server.getsockname(), metric="duration", trials=2, attempts=20, rate_per_s=RATE)
"""
    ended, _ = a_suite(tmp_path, text.replace("RATE", "2000"), "--benchmark-save=before")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    compare = ("--benchmark-compare=0001", "--benchmark-compare-fail=median:100%")
    ended, _ = a_suite(tmp_path, text.replace("RATE", "200"), *compare)
    assert ended.returncode != 0
    assert "Field 'median' has failed" in ended.stderr + ended.stdout
    _, _, current = ended.stderr.partition("machine_info is different. Current: ")
    assert not current or current.partition("VS saved")[0].count("tcp_syn_retries") == 1


def test_loading_it_loads_nothing_slow():
    slow = ("numpy", "matplotlib", "scipy", "msgspec", "click")
    code = f"import sys, stress.pytest_plugin; print([name for name in {slow} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_asking_for_a_storm_loads_no_numpy():
    code = "import sys, stress.run.external; print('numpy' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


def test_what_needs_a_server_of_our_own_is_refused():
    plan = external_plan(("127.0.0.1", 5000), {"attempts": 1, "rate_per_s": None, "duration_s": 1, "deadline_s": 1}, {})
    assert list(external_faults(plan)) == []
    for changes, words in (
        ({"mines": 5, "release": Release.LINGER2}, "cannot have mines"),
        ({"serve": Serve.LEAK}, "cannot have a server that leaks"),
        ({"drop": Drop.RST, "firewall": Firewall.BPF, "close": Close.FIN}, "cannot have a firewall"),
        ({"acts": {"one": {}}}, "cannot have acts"),
        ({"host": False}, "a network of its own"),
        ({"deadline_s": None}, "is bounded"),
        ({"use": True}, "cannot have a byte for each connection"),
    ):
        (sentence,) = external_faults(msgspec.structs.replace(plan, **changes))
        assert words in sentence


def test_the_times_are_all_metrics_that_are_times():
    assert set(TIMES) == {metric.name for metric in METRICS.values() if metric.unit == "ns"}
