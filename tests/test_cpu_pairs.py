# SPDX-License-Identifier: MIT
"""Pairs of CPUs for clients and servers: on machines that are described, and on any machine at all."""

import json
import os
from collections import defaultdict

import pytest
import topologies
from command import UNDRAWN, connstorm
from golden_files import GOLDEN, REPOSITORY, agree
from hypothesis import given
from hypothesis import strategies as st

from stress.lab.cpu_pairs import GivenUp, cores_first, most_pairs, place_pairs, place_workers
from stress.lab.cpu_topology import Cpu, Topology, cpus_text, parse_cpus, read_topology
from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.model.scale import scale_steps
from stress.storm import host_settings
from stress.view.text.cpu_plan import plan_text


@pytest.mark.parametrize("name", topologies.NAMES)
def test_the_plan_of_a_described_machine(name, tmp_path):
    topology = topologies.read_named(name, tmp_path)
    text = plan_text(topology, scale_steps(most_pairs(topology)))
    assert max(map(len, text.splitlines())) <= 80
    agree(f"cpu-plan/{name}", f"{text}\n")


def test_the_page_shows_a_plan():
    assert (GOLDEN / "cpu-plan/two-sockets.txt").read_text() in (REPOSITORY / "docs/wide.md").read_text()


def test_this_machine_is_read():
    topology = read_topology()
    assert [cpu.number for cpu in topology.cpus] == sorted(os.sched_getaffinity(0))
    assert 1 <= topology.cores <= len(topology.cpus) <= topology.online
    assert most_pairs(topology) == max(1, topology.cores // 2)
    text = plan_text(topology, scale_steps(most_pairs(topology)))
    assert f"{len(topology.cpus)} of " in text


def test_without_sysfs_every_cpu_is_a_core_of_one_node(tmp_path):
    topology = read_topology(tmp_path, {0, 1, 4}, tmp_path, tmp_path)
    assert topology == Topology([Cpu(0, 0, 0, 0, 0), Cpu(1, 1, 0, 0, 0), Cpu(4, 4, 0, 0, 0)], 3)


@given(st.sets(st.integers(0, 300)))
def test_a_list_of_cpus_is_read_as_it_is_written(cpus):
    assert parse_cpus(cpus_text(cpus)) == sorted(cpus)


@st.composite
def machines(draw):
    """A machine of any shape, of which the process may use some CPUs."""
    cpus, cores, caches = [], 0, 0
    for node in range(draw(st.integers(1, 4))):
        for _ in range(draw(st.integers(1, 3))):
            kind, capacity = draw(st.sampled_from([("", 1024), ("cpu_core", 1024), ("cpu_atom", 1024), ("", 446)]))
            for _ in range(draw(st.integers(1, 5))):
                cpus += [(cores, caches, node, kind, capacity)] * draw(st.integers(1, 4))
                cores += 1
            caches += 1
    numbers = draw(st.permutations(range(len(cpus))))
    usable = draw(st.sets(st.sampled_from(numbers), min_size=1))
    made = [
        Cpu(number, core, cache, node, node // 2, kind, capacity)
        for number, (core, cache, node, kind, capacity) in zip(numbers, cpus, strict=True)
        if number in usable
    ]
    return Topology(sorted(made, key=lambda cpu: cpu.number), len(cpus))


@given(machines(), st.data())
def test_whatever_the_machine(topology, data):
    count = data.draw(st.integers(1, len(topology.cpus)))
    placement = place_pairs(topology, count)
    assert placement == place_pairs(topology, count)
    assert len(placement.pairs) == count
    used = placement.clients + placement.servers
    assert set(used) <= {cpu.number for cpu in topology.cpus}
    if placement.given_up is GivenUp.CPUS:
        assert 2 * count > len(topology.cpus) - 1  # an odd one may be left of two threads of two cores
        assert placement.clients == placement.servers
        assert len(set(used)) == count
        return
    assert len(set(used)) == 2 * count
    on_one_core = [pair for pair in placement.pairs if pair.client.core == pair.server.core]
    assert bool(on_one_core) is (placement.given_up is GivenUp.CORES)
    if placement.given_up is GivenUp.NOTHING:
        cores = [cpu.core for pair in placement.pairs for cpu in (pair.client, pair.server)]
        assert len(set(cores)) == 2 * count
    else:
        assert 2 * count > topology.cores - 1
    fewer = place_pairs(topology, data.draw(st.integers(1, count)))
    assert placement.pairs[: len(fewer.pairs)] == fewer.pairs


@given(machines())
def test_pairs_are_of_one_node_and_cache_whenever_they_can_be(topology):
    free, of_cache = defaultdict(set), defaultdict(set)
    for cpu in topology.cpus:
        free[cpu.node].add(cpu.core)
        of_cache[cpu.node, cpu.cache, cpu.kind, cpu.capacity].add(cpu.core)
    most = most_pairs(topology)
    assert most == max(1, topology.cores // 2)
    if topology.cores == 1:
        return
    pairs = place_pairs(topology, most).pairs
    assert sum(pair.client.node != pair.server.node for pair in pairs) == most - sum(
        len(cores) // 2 for cores in free.values()
    )
    apart = sum(pair.client.cache != pair.server.cache for pair in pairs)
    assert apart <= most - sum(len(cores) // 2 for cores in of_cache.values())


@pytest.mark.parametrize("threads", [2, 4, 8])
@pytest.mark.parametrize("cores", [2, 3, 8])
def test_siblings_are_given_up_before_cores(cores, threads):
    cpus = [Cpu(core + cores * thread, core, 0, 0, 0) for thread in range(threads) for core in range(cores)]
    topology = Topology(cpus, len(cpus))
    assert place_pairs(topology, most_pairs(topology)).given_up is GivenUp.NOTHING
    assert place_pairs(topology, most_pairs(topology) + 1).given_up is GivenUp.SIBLINGS
    assert place_pairs(topology, len(cpus) // 2).given_up is GivenUp.SIBLINGS
    assert place_pairs(topology, len(cpus) // 2 + 1).given_up is GivenUp.CPUS


@given(machines(), st.integers(1, 40))
def test_workers_and_their_server_are_on_different_cpus(topology, workers):
    clients, server = place_workers(topology, workers)
    assert len(clients) == len(set(clients)) == min(workers, len(topology.cpus))
    assert server not in clients
    assert (server is None) is (workers >= len(topology.cpus))
    by_number = {cpu.number: cpu for cpu in topology.cpus}
    if server is not None and workers < topology.cores:
        assert len({by_number[number].core for number in [*clients, server]}) == workers + 1


@pytest.mark.parametrize("cpus", [1, 2, 3, 8])
def test_on_cores_of_one_thread_workers_have_the_first_cpus(cpus):
    """As it was before topology was looked at."""
    topology = Topology([Cpu(number, number, 0, 0, 0) for number in range(cpus)], cpus)
    for workers in range(1, cpus + 1):
        server = workers if workers < cpus else None
        assert place_workers(topology, workers) == (list(range(workers)), server)
    assert [cpu.number for cpu in cores_first(topology.cpus)] == list(range(cpus))


def test_more_pairs_than_cpus_are_refused():
    topology = Topology([Cpu(0, 0, 0, 0, 0), Cpu(1, 1, 0, 0, 0)], 2)
    with pytest.raises(UsageError, match="3 pairs of client and server need 3 CPUs at least"):
        place_pairs(topology, 3)


@pytest.mark.parametrize(
    ("most", "steps"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (32, [1, 2, 4, 8, 16, 32]), (48, [1, 2, 4, 8, 16, 32, 48])],
)
def test_steps_double_up_to_what_is_there(most, steps):
    assert scale_steps(most) == steps


EIGHT_CORES = Topology([Cpu(number, number % 8, 0, 0, 0) for number in range(16)], 16)
TWO_CPUS = Topology([Cpu(0, 0, 0, 0, 0), Cpu(1, 1, 0, 0, 0)], 2)
ONE_CPU = Topology([Cpu(0, 0, 0, 0, 0)], 1)
TWO_PAIRS = {"workers": 2, "servers": 2, "listeners": 2}


@pytest.mark.parametrize(
    ("topology", "fields", "assigned"),
    [
        (EIGHT_CORES, {}, ([0], [1])),
        (EIGHT_CORES, {"workers": 3}, ([0, 1, 2], [3])),
        (EIGHT_CORES, {"workers": 2, "servers": 2}, ([0, 1], [2])),  # they share one listener
        (EIGHT_CORES, TWO_PAIRS, ([0, 2], [1, 3])),
        (EIGHT_CORES, TWO_PAIRS | {"pin": False}, ([None, None], [])),
        (EIGHT_CORES, TWO_PAIRS | {"mines": 5}, ([0, 1], [2])),
        (EIGHT_CORES, TWO_PAIRS | {"target_ports": 2}, ([0, 1], [2])),
        (EIGHT_CORES, dict.fromkeys(TWO_PAIRS, 8), ([0, 2, 4, 6, 8, 10, 12, 14], [1, 3, 5, 7, 9, 11, 13, 15])),
        (EIGHT_CORES, dict.fromkeys(TWO_PAIRS, 9), ([*range(9)], [9])),
        (TWO_CPUS, {}, ([0], [1])),
        (TWO_CPUS, {"workers": 2}, ([0, 1], [])),
        (TWO_CPUS, TWO_PAIRS, ([0, 1], [])),
        (TWO_CPUS, {"workers": 3}, ([None] * 3, [])),
        (ONE_CPU, {}, ([None], [])),
    ],
)
def test_the_cpus_of_a_storm(monkeypatch, topology, fields, assigned):
    """On two CPUs they are what they were before pairs."""
    monkeypatch.setattr(host_settings, "read_topology", lambda: topology)
    assert host_settings.assign_cpus(Plan(scenario="clean", **fields)) == assigned


def test_a_storm_with_as_many_servers_and_listeners_as_workers_balances(tmp_path):
    """In pairs where there are four CPUs; with fewer all servers share all listeners."""
    options = ["--workers", "2", "--servers", "2", "--listeners", "2", "--attempts", "2000", UNDRAWN, "--json"]
    ended = connstorm("run", "clean", "-o", tmp_path, *options)
    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout)["summary"]
    assert summary["attempts"] == 2000
    assert summary["books"]
    assert all(book["balanced"] for book in summary["books"])
