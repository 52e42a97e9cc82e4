# SPDX-License-Identifier: MIT
"""Listening sockets: their queues, their drops, which of them a SYN reaches, and who else listens on a port."""

import os
import socket
from contextlib import ExitStack

import pytest
from namespaced import namespaced
from test_census import deafen

from stress.lab import counters, listening, sysctl

LISTENERS = {  # name: (address, whether IPv6 only)
    "IPv4": ("127.0.0.1", False),
    "IPv4, another": ("127.0.0.2", False),
    "any IPv4": ("0.0.0.0", False),  # noqa: S104  # inside a namespace
    "IPv6": ("::1", True),  # bind() of such an address makes it so
    "any, dual stack": ("::", False),
    "any, IPv6 only": ("::", True),
    "IPv4 as IPv6": ("::ffff:127.0.0.1", False),
}
TARGETS = ("127.0.0.1", "127.0.0.2", "::1")


def listen(address, *, v6only=False, port=5000, backlog=16, shared=False):
    server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if ":" in address:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    if shared:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind((address, port))
    server.listen(backlog)
    return server


def connect(stack, count, target="127.0.0.1"):
    """Begin connections without waiting for them."""
    for _ in range(count):
        client = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET))
        client.setblocking(False)
        client.connect_ex((target, 5000))


def by_inode():
    return {entry.inode: entry for entry in listening.list_listening()}


def inode_of(server):
    return os.fstat(server.fileno()).st_ino


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", LISTENERS)
@namespaced
def test_a_listener_serves_the_targets_that_connect_reaches(name, target):
    address, v6only = LISTENERS[name]
    with listen(address, v6only=v6only), socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET) as client:
        (entry,) = listening.list_listening()
        assert (entry.address, entry.port) == (address, 5000)
        assert entry.is_v6only == v6only
        is_reached = client.connect_ex((target, 5000)) == 0
        assert entry.serves(target, range(5000, 5001)) == is_reached
        assert not entry.serves(target, range(5001, 5005))
        elsewhere = [f"[{address}]:5000" if ":" in address else f"{address}:5000"]
        assert listening.list_elsewhere(target, range(5000, 5001)) == ([] if is_reached else elsewhere)
        assert listening.list_elsewhere(target, range(5001, 5002)) == []


@namespaced
def test_queue_limit_and_owner_of_each_are_its_own():
    sysctl.write("net.core.somaxconn", "100")
    with listen("127.0.0.1", backlog=7) as first, listen("::1", backlog=4096) as second, ExitStack() as stack:
        connect(stack, 3)
        entries = by_inode()
        assert len(entries) == 2
        assert (entries[inode_of(first)].waiting, entries[inode_of(first)].limit) == (3, 7)
        assert (entries[inode_of(second)].waiting, entries[inode_of(second)].limit) == (0, 100)
        assert {entry.uid for entry in entries.values()} == {os.getuid()}
        assert len({entry.cookie for entry in entries.values()}) == 2
        assert by_inode() == entries


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@namespaced(ports=(40000, 49999))
def test_drops_are_those_of_the_stuck_one_of_two_listeners_on_a_port(address):
    """Both share the port by SO_REUSEPORT; the queue of one has room for one connection, and it does not accept."""
    with (
        listen(address, backlog=0, shared=True) as stuck,
        listen(address, backlog=1000, shared=True) as healthy,
        ExitStack() as stack,
    ):
        before, counters_before = listening.list_listening(), counters.read()
        connect(stack, 100, target=address)
        after = listening.list_listening()
        drops = listening.drops_since(before, after)
        moved = counters.counter_changes(counters_before, counters.read())
        entries = by_inode()
        assert drops[entries[inode_of(healthy)].cookie] == 0
        assert drops[entries[inode_of(stuck)].cookie] == moved["ListenDrops"] == moved["ListenOverflows"]
        assert moved["ListenDrops"] > 0
        assert entries[inode_of(stuck)].waiting == 1
        assert entries[inode_of(healthy)].waiting + 1 + moved["ListenDrops"] == 100


@namespaced(ports=(40000, 49999))
def test_a_listener_that_came_or_went_in_between_is_told_apart_by_its_cookie():
    """The first one's port and address go to another socket, which begins at 0."""
    with ExitStack() as stack:
        first = listen("127.0.0.1", backlog=0)
        deafen(first)
        connect(stack, 5)  # 5 drops by the socket's own filter
        before = listening.list_listening()
        assert [entry.drops for entry in before] == [5]
        assert set(listening.drops_since(before, before).values()) == {0}
        first.close()
        second = stack.enter_context(listen("127.0.0.1", backlog=0))
        deafen(second)
        connect(stack, 3)
        after = listening.list_listening()
        assert before[0].cookie != after[0].cookie
        assert listening.drops_since(before, after) == {before[0].cookie: None, after[0].cookie: 3}
        assert listening.drops_since([], after) == {after[0].cookie: 3}
        assert listening.drops_since(before, []) == {before[0].cookie: None}


@namespaced
def test_a_count_that_wraps_is_a_small_increase():
    """sk_drops has 32 bits."""
    with listen("127.0.0.1"):
        (entry,) = listening.list_listening()
        wrapping = [entry._replace(drops=drops) for drops in ((1 << 32) - 2, 3)]
        assert listening.drops_since(wrapping[:1], wrapping[1:]) == {entry.cookie: 5}


@namespaced
def test_nobody_listens():
    assert listening.list_listening() == []
    assert listening.list_elsewhere("::1", range(5000, 5001)) == []
