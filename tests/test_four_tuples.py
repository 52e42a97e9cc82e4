# SPDX-License-Identifier: MIT
"""The 4-tuples of a plan: every one has one worker, and comes once a sweep."""

import socket

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from namespaced import namespaced

from stress.lab import census
from stress.lab.listener import Listener
from stress.model.plan import Plan, Ports
from stress.model.run import PORTS
from stress.storm import four_tuples
from stress.storm.ports import PortRange, seeded_generators
from stress.storm.worker import WorkerSpec

spaces = st.builds(
    lambda sources, ports, workers, policy: Plan(
        scenario="test", sources=sources, target_ports=ports, workers=workers, ports=policy
    ),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 5),
    st.sampled_from([Ports.SWEEP, Ports.SHUFFLE]),
)
ranges = st.integers(1, 30).map(lambda count: PortRange(40000, 40000 + count - 1, np.arange(40000, 40000 + count)))


def lists(plan, ports, attempts):
    """Return each worker's attempts and the 4-tuples that it uses for them."""
    for number in range(plan.workers):
        spec = WorkerSpec(plan, number, attempts, 0, 1024, None, b"")
        own = spec.own_attempts(ports)
        listed = four_tuples.draw_order(plan, ports, number, own, seeded_generators(plan.seed)[1])
        yield own, np.resize(listed, own) if len(listed) else listed


@given(spaces, ranges, st.integers(1, 3))
def test_whole_sweeps_use_every_tuple_once_a_sweep(plan, ports, sweeps):
    every = four_tuples.all_four_tuples(plan, ports)
    used = np.concatenate([part for _, part in lists(plan, ports, sweeps * len(every))])
    assert sorted(used) == sorted(every.tolist() * sweeps)
    assert len(np.unique(every)) == plan.addresses * len(ports)


@given(spaces, ranges, st.integers(0, 200))
def test_every_attempt_has_one_worker_and_no_tuple_two(plan, ports, attempts):
    parts = list(lists(plan, ports, attempts))
    assert sum(own for own, _ in parts) == attempts
    owners = [set(part.tolist()) for _, part in parts]
    assert sum(map(len, owners)) == len(set().union(*owners))


@given(st.integers(1, 8), st.integers(0, 1000))
def test_attempts_of_kernel_chosen_ports_are_dealt_evenly(workers, attempts):
    plan = Plan(scenario="test", workers=workers)
    ports = PortRange(40000, 40003, np.arange(40000, 40004))
    parts = [WorkerSpec(plan, number, attempts, 0, 1024, None, b"").own_attempts(ports) for number in range(workers)]
    assert sum(parts) == attempts
    assert max(parts) - min(parts) <= 1


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 65535))))
def test_a_number_is_a_pair_and_a_port(rows):
    numbers = np.array([pair * PORTS + port for pair, port in rows], np.uint32)
    pairs, ports = four_tuples.split_numbers(numbers)
    assert list(zip(pairs.tolist(), ports.tolist(), strict=True)) == rows


@namespaced
def test_the_server_s_sockets_say_whose_they_are():
    """Two sources, two target ports; a third source and a third port are not the plan's."""
    plan = Plan(scenario="test", source="127.0.0.2", sources=2, target_ports=2)
    with Listener("127.0.0.1", 5000, ports=3) as _:
        clients = []
        for source, port, target_port in (
            ("127.0.0.2", 40000, 5000),
            ("127.0.0.3", 40001, 5001),
            ("127.0.0.4", 40002, 5000),
            ("127.0.0.1", 40003, 5000),
            ("127.0.0.2", 40003, 5002),
        ):
            clients.append(socket.socket())
            clients[-1].bind((source, port))
            clients[-1].connect(("127.0.0.1", target_port))
        numbers = four_tuples.server_socket_numbers(plan, census.list_sockets(4, ["ESTABLISHED"]))
        for client in clients:
            client.close()
    assert sorted(numbers.tolist()) == [40000, 3 * PORTS + 40001]


@namespaced
def test_of_ipv6_there_is_one_source():
    plan = Plan(scenario="test", family=6, source="::1", target="::1", target_ports=2)
    with Listener("::1", 5000, ports=2), socket.socket(socket.AF_INET6) as client:
        client.bind(("::1", 40002))
        client.connect(("::1", 5001))
        numbers = four_tuples.server_socket_numbers(plan, census.list_sockets(6, ["ESTABLISHED"]))
    assert numbers.tolist() == [PORTS + 40002]
