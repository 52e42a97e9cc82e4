# SPDX-License-Identifier: MIT
"""The hosts of a world: they reach each other as their topology says, and no two share anything."""

import errno
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from namespaced import namespaced

from stress.lab import counters, namespace, sysctl
from stress.lab.network import Network
from stress.model.errors import NotApplicableError
from stress.model.world import ADDRESSES, BRIDGE, CLIENT, CLIENT2, ROUTER, SERVER, Queue, Route, Topology, World

DEVICES = Path("/proc/thread-self/net/dev")
TOPOLOGIES = [topology for topology in Topology if topology not in (Topology.LOOPBACK, Topology.PEER)]
DOMAINS = {4: socket.AF_INET, 6: socket.AF_INET6}


def connect_from(network, host, target):
    """Connect from a host to port 5000 of an address; return the errno, and the address that the server saw."""
    domain = DOMAINS[network.family]
    with network.inside(SERVER), socket.socket(domain) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((ADDRESSES[network.family][SERVER], 5000))
        server.listen()
        with network.inside(host), socket.socket(domain) as client:
            client.settimeout(2)
            code = client.connect_ex((target, 5000))
        if code:
            return code, None
        accepted, peer = server.accept()
        accepted.close()
        return 0, peer[0]


def received():
    """Return how many packets each device of the calling thread's namespace has received."""
    lines = (line.split() for line in DEVICES.read_text().splitlines()[2:])
    return {name.rstrip(":"): int(packets) for name, _, packets, *_ in lines}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("topology", TOPOLOGIES)
@namespaced
def test_every_host_reaches_the_server_from_its_own_address(topology, family):
    known = ADDRESSES[family]
    with Network(World(topology=topology), family) as network:
        for host in topology.hosts:
            if host != SERVER:
                assert connect_from(network, host, known[SERVER]) == (0, known[host])


@pytest.mark.parametrize("family", [4, 6])
@namespaced
def test_what_comes_from_a_client_passes_through_the_bridge(family):
    with Network(World(topology=Topology.BRIDGE), family) as network:
        network.enter(BRIDGE)
        before = received()
        network.enter(CLIENT)
        assert connect_from(network, CLIENT, ADDRESSES[family][SERVER])[0] == 0
        network.enter(BRIDGE)
        assert all(received()[name] - before[name] >= 2 for name in (CLIENT, SERVER))
        network.enter(CLIENT)


@pytest.mark.parametrize("family", [4, 6])
@namespaced
def test_what_comes_from_a_client_passes_through_the_router(family):
    with Network(World(topology=Topology.TWO_CLIENTS), family) as network:
        before = {}
        for host in network.hosts:
            with network.inside(host):
                before[host] = counters.read_outside_packets()
        for host in (CLIENT, CLIENT2):
            connect_from(network, host, ADDRESSES[family][SERVER])
        moved = {}
        for host in network.hosts:
            with network.inside(host):
                moved[host] = counters.read_outside_packets() - before[host]
        assert min(moved.values()) >= 6
        assert moved[ROUTER] >= moved[CLIENT] + moved[CLIENT2]


@namespaced
def test_on_the_loopback_all_names_mean_the_one_host():
    inode = namespace_inode()
    with Network(World(), 4) as network:
        for host in (CLIENT, SERVER, ROUTER):
            with network.inside(host):
                assert namespace_inode() == inode


@namespaced
def test_the_thread_is_back_on_the_client_also_after_an_error():
    with Network(World(topology=Topology.LINK), 4) as network:
        inode = namespace_inode()
        with suppress(ZeroDivisionError), network.inside(SERVER):
            assert namespace_inode() != inode
            with network.inside(CLIENT):
                assert namespace_inode() == inode
            assert namespace_inode() != inode
            raise ZeroDivisionError
        assert namespace_inode() == inode


@namespaced
def test_each_host_has_settings_and_counters_of_its_own():
    name = "net.ipv4.tcp_timestamps"
    with Network(World(topology=Topology.ROUTER), 4) as network:
        with network.inside(SERVER):
            sysctl.write(name, "0")
        values = {}
        for host in network.hosts:
            with network.inside(host):
                values[host] = sysctl.read(name)
        assert values == {CLIENT: "1", ROUTER: "1", SERVER: "0"}
        connect_from(network, CLIENT, ADDRESSES[4][SERVER])
        assert counters.read()["ActiveOpens"] == 1
        with network.inside(SERVER):
            assert (counters.read()["ActiveOpens"], counters.read()["PassiveOpens"]) == (0, 1)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unreachable", errno.EHOSTUNREACH),
        ("prohibit", errno.EACCES),
        ("blackhole", errno.EINVAL),
        ("throw", errno.ENETUNREACH),
    ],
)
@namespaced
def test_a_route_refuses_as_its_kind_says(kind, code):
    routes = [Route(to="198.18.9.0/24", kind=kind, on=CLIENT)]
    with Network(World(topology=Topology.LINK, routes=routes), 4) as network:
        assert connect_from(network, CLIENT, "198.18.9.1") == (code, None)


@namespaced
def test_a_queue_that_this_kernel_does_not_have_is_not_applicable():
    network = Network(World(queues=[Queue(kind="no-such-queue", options={}, on=CLIENT)]), 4)
    with network, pytest.raises(NotApplicableError, match="This kernel cannot queue packets as no-such-queue does"):
        network.add_queues()


@namespaced
def test_a_queue_counts_what_it_drops():
    queue = Queue(kind="tbf", options={"rate": 1000, "burst": 200, "limit": 200}, on=CLIENT)
    with Network(World(topology=Topology.LINK, queues=[queue]), 4) as network:
        network.add_queues()
        before = network.queue_drops("client")["tbf client"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(20):
                sender.sendto(bytes(100), (ADDRESSES[4][SERVER], 5000))
        assert network.queue_drops("client")["tbf client"] > before


def namespace_inode():
    return namespace.Path("/proc/thread-self/ns/net").stat().st_ino


@namespaced
def test_across_a_link_a_host_is_what_is_there_and_nothing_is_made():
    before = Path("/proc/thread-self/ns/net").readlink(), DEVICES.read_text()
    with Network(World(topology=Topology.PEER, routes=[Route(to=SERVER, kind="blackhole")]), 4, here=SERVER) as network:
        assert network.hosts == (SERVER,)
        with network.inside(SERVER):
            assert (Path("/proc/thread-self/ns/net").readlink(), DEVICES.read_text()) == before
