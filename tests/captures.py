# SPDX-License-Identifier: MIT
"""Packets for tests of capture files, and what scapy, which is the reference, says of them."""

from ipaddress import ip_address

from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, IPOption_NOP, TCPerror
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPerror6,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from stress.model.segment import NO_ICMP, OPTION_FAST_OPEN, OPTION_MP_CAPABLE, OPTION_TIMESTAMP

ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")  # else scapy would ask the network for them
SECOND_NS = 1_000_000_000
HALF, WORD = st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
FLAGS = st.integers(0, 255)
MULTIPATH = (30, b"\x01\x81" + bytes(8))  # MP_CAPABLE, version 1
OPTION_VALUES = st.one_of(
    st.tuples(st.just("MSS"), HALF),
    st.tuples(st.just("NOP"), st.none()),
    st.tuples(st.just("SAckOK"), st.just(b"")),
    st.tuples(st.just("WScale"), st.integers(0, 14)),
    st.tuples(st.just("Timestamp"), st.tuples(WORD, WORD)),
    st.just(MULTIPATH),
    st.just((30, b"\x10\x01" + bytes(4))),  # MP_JOIN
    st.tuples(st.just("TFO"), st.just((1, 2))),
)
EXTENSIONS = st.lists(
    st.sampled_from(
        [IPv6ExtHdrHopByHop(), IPv6ExtHdrRouting(), IPv6ExtHdrDestOpt(), IPv6ExtHdrFragment(offset=0, m=1)]
    ),
    max_size=3,
)


def chain(*layers):
    """Return layers as one packet."""
    packet = layers[0].copy()
    for layer in layers[1:]:
        packet /= layer.copy()
    return packet


@st.composite
def segments(draw, version):
    """Return a network header with a TCP segment behind it."""
    options = draw(st.lists(OPTION_VALUES, max_size=3))
    segment = TCP(
        sport=draw(HALF), dport=draw(HALF), seq=draw(WORD), ack=draw(WORD), window=draw(HALF), flags=draw(FLAGS),
        options=options, chksum=0,
    )  # fmt: skip
    addresses = st.ip_addresses(v=version).map(str)
    payload = Raw(draw(st.binary(max_size=20)))
    if version == 4:
        ip = IP(
            src=draw(addresses), dst=draw(addresses), ttl=draw(FLAGS), id=draw(HALF), chksum=0,
            options=[IPOption_NOP()] * draw(st.sampled_from([0, 4])),
        )  # fmt: skip
        return chain(ip, segment, payload)
    ip = IPv6(src=draw(addresses), dst=draw(addresses), hlim=draw(FLAGS))
    return chain(ip, *draw(EXTENSIONS), segment, payload)


@st.composite
def errors(draw, version):
    """Return an ICMP error that quotes a segment."""
    quoted = draw(segments(version))
    code = draw(st.integers(0, 15))
    if version == 4:
        # The router sends what it got, up to eight bytes of TCP (RFC 792) or all of it (RFC 1812).
        size = quoted.ihl or 20 + 4 * bool(quoted.options)
        data = bytes(quoted)[: draw(st.sampled_from([size + 8, size + 20, 548]))]
        return (
            chain(IP(src="192.0.2.9", dst=quoted.src), ICMP(type=draw(st.sampled_from([3, 11, 12])), code=code)) / data
        )
    error = draw(st.sampled_from([ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, ICMPv6ParamProblem]))
    return chain(IPv6(src="2001:db8::9", dst=quoted.src), error(code=code)) / bytes(quoted)


OTHERS = st.sampled_from(
    [
        IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1, dport=2),
        IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=1, dport=2),
        IP(src="192.0.2.1", dst="192.0.2.2") / ICMP(),
        IP(src="192.0.2.1", dst="192.0.2.2", frag=5, proto=6) / Raw(bytes(40)),
    ]
)
PACKETS = st.one_of(segments(4), segments(6), errors(4), errors(6), OTHERS)


def packed(address):
    return ip_address(address).packed.ljust(16, b"\0")


def is_segment(packet):
    """Tell whether a packet is a segment, or an error that quotes one, by scapy."""
    return TCP in packet or TCPerror in packet


def expected(packet):
    """Return the row of a packet as scapy reads it, by name of a field of SEGMENT; without what the file adds."""
    outer = packet[IP] if IP in packet else packet[IPv6]
    row = {
        "family": outer.version,
        "hops": outer.ttl if outer.version == 4 else outer.hlim,
        "identification": outer.id if outer.version == 4 else 0,
    }
    if TCP in packet:
        tcp = packet[TCP]
        row |= of_tcp(tcp, outer)
        row |= {"icmp_type": NO_ICMP, "icmp_code": 0, "flags": int(tcp.flags), "window": tcp.window}
        row |= of_options(tcp.options)
        row["payload"] = len(tcp.payload)
        return row
    quoted = packet[TCPerror]
    row |= of_tcp(quoted, packet[IPerror] if IPerror in packet else packet[IPerror6])
    icmp = outer.payload
    return row | {"icmp_type": icmp.type, "icmp_code": icmp.code, "flags": 0, "window": 0, "payload": 0, "options": 0}


def of_tcp(tcp, ip):
    return {
        "source": packed(ip.src),
        "destination": packed(ip.dst),
        "source_port": tcp.sport,
        "destination_port": tcp.dport,
        "sequence": tcp.seq,
        "acknowledgment": tcp.ack or 0,
    }


def of_options(options):
    row = {"options": 0, "timestamp": 0, "timestamp_echo": 0}
    for kind, value in options:
        if kind == "Timestamp":
            row["options"] |= OPTION_TIMESTAMP
            row["timestamp"], row["timestamp_echo"] = value
        row["options"] |= OPTION_FAST_OPEN * (kind == "TFO")
        row["options"] |= OPTION_MP_CAPABLE * (kind == 30 and value[0] >> 4 == 0)
    return row
