# SPDX-License-Identifier: MIT
"""Frames of a capture: the client of a segment, and of an ICMP error that quotes one, is known from its bytes."""

from ipaddress import ip_address
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether

from stress.analysis.attribution.packet_flags import flags_text
from stress.lab.capture import SNAP_BYTES
from stress.lab.frame import LAYOUTS, find_clients, find_layouts

SERVER_PORT = 5000
ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")  # else scapy would ask the network for them
PORTS = st.integers(1, 65535).filter(lambda port: port != SERVER_PORT)


def stored(*frames):
    """Return frames as a capture stores them, shape (frames, SNAP_BYTES)."""
    data = b"".join(bytes(frame)[:SNAP_BYTES].ljust(SNAP_BYTES, b"\0") for frame in frames)
    return np.frombuffer(data, np.uint8).reshape(-1, SNAP_BYTES)


def error_of(family, segment, *, is_late):
    """Return an ICMP error about a segment, from a router to the segment's sender."""
    if family == 4:
        return ETHERNET / IP(dst=segment.src) / ICMP(type=11 if is_late else 3) / segment
    return ETHERNET / IPv6(dst=segment.src) / (ICMPv6TimeExceeded() if is_late else ICMPv6DestUnreach()) / segment


@pytest.mark.parametrize(("family", "addresses"), [(4, st.ip_addresses(v=4)), (6, st.ip_addresses(v=6))])
def test_the_client_is_the_one_that_is_not_at_the_server_s_port(family, addresses):
    network = IP if family == 4 else IPv6

    @given(addresses, addresses, PORTS, st.booleans(), st.booleans())
    def examine(client, server, port, from_client, is_late):
        ends = ((client, port), (server, SERVER_PORT))
        (source, source_port), (destination, destination_port) = ends if from_client else ends[::-1]
        segment = network(src=str(source), dst=str(destination)) / TCP(sport=source_port, dport=destination_port)
        headers = stored(ETHERNET / segment, error_of(family, segment, is_late=is_late))
        assert [LAYOUTS[number].is_error for number in find_layouts(headers)] == [False, True]
        clients, ports, directions = find_clients(headers, SERVER_PORT)
        packed = ip_address(client).packed.ljust(16, b"\0")
        assert [bytes(address) for address in clients] == [packed, packed]
        assert ports.tolist() == [port, port]
        assert directions.tolist() == [from_client, not from_client]  # an error goes back

    examine()


@pytest.mark.parametrize(("flags", "shown"), [("SEC", "SEW"), ("SAE", "S.E"), ("A", "."), ("RA", "R."), ("FPA", "FP.")])
def test_flags_are_those_of_tcpdump(flags, shown):
    frame = ETHERNET / IP(src="192.0.2.1", dst="192.0.2.2") / TCP(flags=flags)
    packets = SimpleNamespace(headers=stored(frame))
    assert flags_text(packets, 0) == shown


def test_no_frame_has_no_client():
    clients, ports, directions = find_clients(stored(), SERVER_PORT)
    assert len(clients) == len(ports) == len(directions) == 0
