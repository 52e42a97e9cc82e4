# SPDX-License-Identifier: MIT
"""Counts of a storm's segments at the devices of both hosts: exact, whatever else is sent, with loss between."""

import socket
from contextlib import ExitStack

import pytest
from namespaced import namespaced

from stress.lab import firewall, namespace
from stress.lab.network import Network
from stress.lab.segment_counter import SegmentCounter
from stress.model import segment_count as kinds
from stress.model.plan import Plan
from stress.model.world import ADDRESSES, CLIENT, ROUTER, SERVER, Topology, World

HOSTS = (CLIENT, SERVER)
DOMAINS = {4: socket.AF_INET, 6: socket.AF_INET6}


def a_plan(family, **changes):
    known = ADDRESSES[family]
    return Plan(scenario="test", family=family, source=known[CLIENT], target=known[SERVER], target_port=5000, **changes)


def counters_of(network, plan, stack):
    opened = {}
    for host in HOSTS:
        with network.inside(host):
            opened[host] = stack.enter_context(SegmentCounter(plan, host))
    return opened


def read(network, counters):
    counts = {}
    for host, counter in counters.items():
        with network.inside(host):
            counts[host] = counter.read()
    return counts


def drop(network, host, hook, match, action="drop"):
    with network.inside(host):
        chain = f"type filter hook {hook} priority 0; policy accept;"
        rules = f"table inet {host}{hook} {{\nchain c {{ {chain}\n{match} {action}\n}}\n}}\n"
        firewall.run_nft(["-f", "-"], rules)


def flush(network, host):
    with network.inside(host):
        firewall.run_nft(["flush", "ruleset"])


def listen(family, port=5000, backlog=512):
    server = socket.socket(DOMAINS[family])
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((ADDRESSES[family][SERVER], port))
    server.listen(backlog)
    return server


def connect_and_reset(family, port=5000, limit_s=1.5):
    """Connect, and close by an RST; return whether it connected in time, which is that of two SYNs."""
    with socket.socket(DOMAINS[family]) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.settimeout(limit_s)
        try:
            client.connect((ADDRESSES[family][SERVER], port))
        except OSError:
            return False
        return True


@pytest.mark.parametrize("family", [4, 6])
@namespaced(ports=(30000, 60000))
def test_each_segment_is_counted_once_where_it_left_and_once_where_it_came(family):
    with ExitStack() as stack:
        network = stack.enter_context(Network(World(topology=Topology.ROUTER), family))
        with network.inside(SERVER):
            stack.enter_context(listen(family))
            stack.enter_context(listen(family, 6000))
        counters = counters_of(network, a_plan(family), stack)
        assert all(connect_and_reset(family) for _ in range(300))
        assert connect_and_reset(family, 6000)  # not a port of the plan
        counts = read(network, counters)
        for host in HOSTS:
            own = counts[host]
            assert own[kinds.SYN] == own[kinds.SYN_ACK] == own[kinds.CLIENT_RST] == own[kinds.CLIENT_ACK] == 300
            assert own[kinds.SERVER_RST] == own[kinds.SERVER_ACK] == own[kinds.ERROR] == own[kinds.ELSEWHERE] == 0
            assert own[kinds.TCP_CAME] == own[kinds.TCP_RECEIVED] == (903 if host == SERVER else 301)
        assert counts[SERVER][kinds.SYN_OF_OTHERS] == 0


@pytest.mark.parametrize("family", [4, 6])
@namespaced(ports=(30000, 60000))
def test_a_syn_is_counted_where_it_was_until_it_was_lost(family):
    with ExitStack() as stack:
        network = stack.enter_context(Network(World(topology=Topology.ROUTER), family))
        with network.inside(SERVER):
            stack.enter_context(listen(family))
        counters = counters_of(network, a_plan(family), stack)
        syn = "tcp flags & (syn | ack) == syn tcp dport 5000 numgen inc mod 2 < 1"
        drop(network, ROUTER, "forward", syn)
        assert not connect_and_reset(family, limit_s=0.1)
        assert connect_and_reset(family)
        counts = read(network, counters)
        assert (counts[CLIENT][kinds.SYN], counts[SERVER][kinds.SYN]) == (2, 1)
        drop(network, CLIENT, "output", "tcp dport 5000")
        assert not connect_and_reset(family, limit_s=0.1)
        assert read(network, counters)[CLIENT][kinds.SYN] == 2
        for host in (CLIENT, ROUTER):
            flush(network, host)
        drop(network, SERVER, "input", "tcp dport 5000")
        assert not connect_and_reset(family, limit_s=0.1)
        counts = read(network, counters)
        assert (counts[CLIENT][kinds.SYN], counts[SERVER][kinds.SYN]) == (3, 2)
        assert counts[SERVER][kinds.TCP_CAME] - counts[SERVER][kinds.TCP_RECEIVED] == 1


@pytest.mark.parametrize("family", [4, 6])
@namespaced(ports=(30000, 60000))
def test_a_refusal_is_counted_where_it_was_made(family):
    with ExitStack() as stack:
        network = stack.enter_context(Network(World(topology=Topology.ROUTER), family))
        counters = counters_of(network, a_plan(family), stack)
        assert not connect_and_reset(family)
        counts = read(network, counters)
        assert counts[SERVER][kinds.SERVER_RST] == counts[CLIENT][kinds.SERVER_RST] == 1
        drop(network, ROUTER, "forward", "tcp dport 5000", "reject with tcp reset")
        assert not connect_and_reset(family)
        counts = read(network, counters)
        assert (counts[SERVER][kinds.SERVER_RST], counts[CLIENT][kinds.SERVER_RST]) == (1, 2)
        flush(network, ROUTER)
        drop(network, ROUTER, "forward", "tcp dport 5000", "reject with icmpx type admin-prohibited")
        assert not connect_and_reset(family, limit_s=0.1)
        counts = read(network, counters)
        assert (counts[SERVER].get(kinds.ERROR, 0), counts[CLIENT][kinds.ERROR]) == (0, counts[CLIENT][kinds.SYN] - 2)
        flush(network, ROUTER)
        drop(network, SERVER, "input", "tcp dport 5000", "reject with icmpx type admin-prohibited")
        before = counts[CLIENT][kinds.ERROR]
        assert not connect_and_reset(family, limit_s=0.1)
        counts = read(network, counters)
        assert counts[SERVER][kinds.ERROR] == counts[CLIENT][kinds.ERROR] - before > 0


@namespaced(ports=(30000, 60000))
def test_syns_of_strangers_are_counted_apart():
    with ExitStack() as stack:
        network = stack.enter_context(Network(World(topology=Topology.TWO_CLIENTS), 4))
        with network.inside(SERVER):
            stack.enter_context(listen(4))
        counters = counters_of(network, a_plan(4), stack)
        with network.inside("client2"):
            assert connect_and_reset(4)
        assert connect_and_reset(4)
        counts = read(network, counters)
        assert (counts[SERVER][kinds.SYN], counts[SERVER][kinds.SYN_OF_OTHERS]) == (1, 1)


@namespaced
def test_without_the_privilege_nothing_is_counted_and_nothing_is_said():
    with Network(World(topology=Topology.LINK), 4):
        assert namespace.unshare(namespace.CLONE_NEWUSER) == 0  # where it has no rights over this network
        with SegmentCounter(a_plan(4), CLIENT) as counter:
            assert counter.read() == {}


@namespaced
def test_without_a_route_nothing_is_counted():
    with SegmentCounter(a_plan(4), CLIENT) as counter:
        assert counter.read() == {}
