# SPDX-License-Identifier: MIT
"""The source filter of listening sockets: who is not named gets no answer, in real namespaces."""

import errno
import socket
import struct
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from namespaced import namespaced

from stress.lab import counters, device, source_filter
from stress.lab.listener import Listener
from stress.lab.network import Network, open_route
from stress.model.errors import UsageError
from stress.model.world import ADDRESSES, CLIENT, SERVER, Topology, World

PORT = 5000
SECOND = {4: "198.18.0.77", 6: "2001:2::77"}  # another address of the client's host, by family
SOON_S = 0.2
ANSWER_S = 10.0  # on a link that has just come up a first SYN can be lost
FAMILIES = pytest.mark.parametrize("family", [4, 6])


@contextmanager
def linked_hosts(family):
    """Make a client with two addresses, joined to a server."""
    with Network(World(topology=Topology.LINK), family) as network:
        bits = 32 if family == 4 else 128
        with open_route() as netlink:
            (index,) = netlink.link_lookup(ifname=SERVER)
            netlink.addr("add", index=index, address=SECOND[family], prefixlen=bits, flags=0x02)
        with network.inside(SERVER), open_route() as netlink:
            (index,) = netlink.link_lookup(ifname=CLIENT)
            netlink.route("add", dst=f"{SECOND[family]}/{bits}", oif=index, family=network.domain)
            known = device.hardware_address(CLIENT, SERVER)
            netlink.neigh("add", dst=SECOND[family], lladdr=known, ifindex=index, state="permanent")
        yield network


def connect(source, target, port=PORT, limit_s=ANSWER_S):
    """Connect from an address; return the socket, or the name of the error."""
    client = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
    client.settimeout(limit_s)
    try:
        client.bind((source, 0))
        client.connect((target, port))
    except OSError as error:
        client.close()
        return "TIMEOUT" if isinstance(error, TimeoutError) else errno.errorcode[error.errno]
    return client


def counted(network, name):
    """Return a counter of the server."""
    with network.inside(SERVER):
        return counters.read()[name]


@FAMILIES
@namespaced
def test_another_address_gets_no_answer_at_all(family):
    own, target = ADDRESSES[family][CLIENT], ADDRESSES[family][SERVER]
    with linked_hosts(family) as network:
        sources = source_filter.parse_sources([own])
        with Listener(target, PORT, sources=sources, inside=lambda: network.inside(SERVER)):
            assert connect(SECOND[family], target, PORT + 1) == "ECONNREFUSED", "it can reach the host"
            before = counted(network, "OutSegs"), counted(network, "OutRsts")
            assert connect(SECOND[family], target, limit_s=SOON_S) == "TIMEOUT"
            assert (counted(network, "OutSegs"), counted(network, "OutRsts")) == before
            connect(own, target).close()


@FAMILIES
@namespaced
def test_accepted_sockets_inherit_the_filter_and_it_cannot_be_taken_off(family):
    own, target = ADDRESSES[family][CLIENT], ADDRESSES[family][SERVER]
    with linked_hosts(family) as network:
        sources = source_filter.parse_sources([f"{own}/{32 if family == 4 else 128}"])
        with Listener(target, PORT, sources=sources, drop_rst=True, inside=lambda: network.inside(SERVER)) as listener:
            client = connect(own, target)
            accepted = listener.accept(PORT, ANSWER_S)
            for own_socket in (accepted, *listener.sockets):
                with pytest.raises(PermissionError):
                    own_socket.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            accepted.settimeout(SOON_S)
            with pytest.raises(TimeoutError):  # the RST was dropped, as both filters are one program
                accepted.recv(1)


@namespaced
def test_a_socket_of_both_families_tells_them_apart():
    server = socket.socket(socket.AF_INET6)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", PORT))
    source_filter.attach_locked(server, source_filter.source_program(source_filter.parse_sources(["127.0.0.2"])))
    server.listen()
    connect("127.0.0.2", "127.0.0.1").close()
    assert connect("127.0.0.3", "127.0.0.1", limit_s=SOON_S) == "TIMEOUT"
    assert connect("::1", "::1", limit_s=SOON_S) == "TIMEOUT"


@namespaced
def test_as_many_sources_as_are_allowed_fit_into_a_filter():
    sources = source_filter.parse_sources([f"2001:db8::{number:x}" for number in range(63)] + ["127.0.0.0/9"])
    with Listener("127.0.0.1", PORT, sources=sources):
        connect("127.1.2.3", "127.0.0.1").close()
        assert connect("127.200.2.3", "127.0.0.1", limit_s=SOON_S) == "TIMEOUT"
    with Listener("127.0.0.1", PORT, sources=[]):
        assert connect("127.0.0.1", "127.0.0.1", limit_s=SOON_S) == "TIMEOUT", "without a source nothing is accepted"


def run_program(code, version, address):
    """Carry out the instructions of a program on a segment from an address; return what it accepts."""
    header = bytearray(40)
    header[0] = version << 4
    start = 12 if version == 4 else 8
    header[start : start + len(address)] = address
    program, place, value = list(struct.iter_unpack("=HBBI", code)), 0, 0
    while True:
        kind, true, false, operand = program[place]
        place += 1
        offset = operand - source_filter.NET_OFFSET
        if kind == source_filter.RETURN:
            return operand
        if kind == source_filter.LOAD_WORD:
            (value,) = struct.unpack_from(">I", header, offset)
        elif kind == source_filter.LOAD_BYTE:
            value = header[offset]
        elif kind == source_filter.AND:
            value &= operand
        elif kind == source_filter.SHIFT_RIGHT:
            value >>= operand
        else:
            place += operand if kind == source_filter.JUMP else true if value == operand else false


NETWORKS = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
).map(lambda pair: ip_network(pair, strict=False))


@given(st.lists(NETWORKS, max_size=source_filter.SOURCES_MAX), st.data())
def test_a_program_accepts_what_lies_in_one_of_its_networks(sources, data):
    inside = [st.ip_addresses(network=source) for source in sources]
    address = data.draw(st.one_of(st.ip_addresses(), *inside))
    accepted = run_program(source_filter.source_program(sources), address.version, address.packed)
    assert bool(accepted) is any(address in source for source in sources)


@given(NETWORKS, st.lists(NETWORKS, max_size=4))
def test_a_network_is_within_others_when_all_its_addresses_are(network, others):
    wanted = any(network.version == other.version and network.subnet_of(other) for other in others)
    assert source_filter.is_within(network, others) is wanted


@pytest.mark.parametrize("text", ["", "lab2", "10.0.0.1/24", "10.0.0.0/33", "fe80::1%eth0/64", "10.0.0.5 "])
def test_what_is_no_source_is_refused_in_words(text):
    with pytest.raises(UsageError, match="is neither an IP address nor a network such as"):
        source_filter.parse_source(text)


def test_a_mapped_address_is_one_of_ipv4_and_there_is_a_limit():
    assert source_filter.parse_source("::ffff:10.0.0.5") == ip_network("10.0.0.5")
    assert ip_address("2001:db8::1") in source_filter.parse_source("2001:db8::/64")
    with pytest.raises(UsageError, match="65 sources are more than 64"):
        source_filter.parse_sources(["10.0.0.1"] * 65)
