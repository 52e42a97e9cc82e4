# SPDX-License-Identifier: MIT
"""Packets for tests of capture files, what scapy, which is the reference, says of them, and files made of them."""

import struct
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


def pcap(*records, order="<", magic=0xA1B2C3D4, link=1, snap=262_144):
    """Return a pcap file of records (time in ns, data, length on the wire)."""
    tick_ns = 1 if magic == 0xA1B23C4D else 1000
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snap, link)]
    for time_ns, data, length in records:
        second, fraction_ns = divmod(time_ns, SECOND_NS)
        parts.append(struct.pack(f"{order}IIII", second, fraction_ns // tick_ns, len(data), length) + data)
    return b"".join(parts)


def padded(data):
    return data + bytes(-len(data) % 4)


def block(order, kind, body):
    """Return a block of a pcapng file."""
    size = struct.pack(f"{order}I", 12 + len(padded(body)))
    return struct.pack(f"{order}I", kind) + size + padded(body) + size


def options(order, *pairs):
    """Return options of a block: codes and values."""
    parts = [struct.pack(f"{order}HH", code, len(value)) + padded(value) for code, value in pairs]
    return b"".join(parts) + bytes(4) * bool(pairs)


def section(order="<"):
    """Return the block that begins a section."""
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order="<", *pairs, link=1, snap=0):
    """Return the block that describes an interface, with options."""
    return block(order, 1, struct.pack(f"{order}HHI", link, 0, snap) + options(order, *pairs))


def enhanced(ticks, data, *pairs, order="<", number=0, length=None):
    """Return the block of a packet, with options."""
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFF_FFFF, len(data), length or len(data))
    return block(order, 6, head + padded(data) + options(order, *pairs))
