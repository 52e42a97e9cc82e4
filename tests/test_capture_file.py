# SPDX-License-Identifier: MIT
"""Capture files of other programs, read into segments: scapy's own parse is the reference."""

import gzip
import struct
import tracemalloc

import pytest
from captures import ETHERNET, PACKETS, chain, expected, is_segment, pcap
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether

from stress.model.errors import UsageError
from stress.model.segment import SEGMENT
from stress.store.capture_file.read import read_captures

SYN = IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=1025, dport=80, seq=7)
FRAME = bytes(ETHERNET / SYN)


def read_bytes(folder, *files):
    """Return the segments of files with some contents."""
    paths = []
    for number, data in enumerate(files):
        paths.append(folder / f"{number}.pcap")
        paths[-1].write_bytes(data)
    return read_captures(paths)


def check_rows(rows, packets):
    """Check that rows say what scapy says of packets."""
    assert len(rows) == len(packets)
    for row, packet in zip(rows, packets, strict=True):
        values = expected(packet)
        seen = {name: row[name].tobytes() if name in ("source", "destination") else int(row[name]) for name in values}
        assert seen == values, packet.show(dump=True)


@given(st.lists(st.tuples(PACKETS, st.sampled_from([(), (Dot1Q(vlan=5),), (Dot1AD(vlan=6), Dot1Q(vlan=5))]))))
def test_packets_are_read_as_scapy_reads_them(tmp_path_factory, drawn):
    frames = [Ether(bytes(chain(ETHERNET, *tags, packet))) for packet, tags in drawn]
    data = pcap(*((number * 1000, bytes(frame), len(frame)) for number, frame in enumerate(frames)))
    segments = read_bytes(tmp_path_factory.mktemp("capture"), data)
    chosen = [number for number, frame in enumerate(frames) if is_segment(frame)]
    assert segments.rows["frame"].tolist() == chosen
    assert segments.rows["time_ns"].tolist() == [number * 1000 for number in chosen]
    check_rows(segments.rows, [frames[number] for number in chosen])
    assert sum(segments.files[0].skipped.values()) == len(frames) - len(chosen)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "kind", "resolution_ns"), [(0xA1B2C3D4, "pcap", 1000), (0xA1B23C4D, "pcap, ns", 1)])
def test_both_resolutions_and_byte_orders_are_read(tmp_path, order, magic, kind, resolution_ns):
    data = pcap((1_700_000_000_123_456_000 + resolution_ns, FRAME, len(FRAME)), order=order, magic=magic)
    segments = read_bytes(tmp_path, data)
    (file,) = segments.files
    assert segments.rows["time_ns"].tolist() == [1_700_000_000_123_456_000 + resolution_ns]
    assert (file.kind, file.resolution_ns, file.packets, file.segments) == (kind, resolution_ns, 1, 1)
    assert file.first_ns == file.last_ns == 1_700_000_000_123_456_000 + resolution_ns
    assert (file.is_truncated, file.dropped, file.links, file.snap_bytes) == (False, None, ["Ethernet"], 262_144)


def test_gzip_is_recognised_by_its_content(tmp_path):
    (row,) = read_bytes(tmp_path, gzip.compress(pcap((5000, FRAME, len(FRAME))))).rows
    assert row["source_port"] == 1025


def test_files_are_merged_by_time_and_equal_times_stay_in_order(tmp_path):
    first = pcap((3000, FRAME, 60), (1000, FRAME, 60))
    second = pcap((2000, FRAME, 60), (1000, FRAME, 60))
    rows = read_bytes(tmp_path, first, second).rows
    seen = list(zip(*(rows[name].tolist() for name in ("time_ns", "file", "frame")), strict=True))
    assert seen == [(1000, 0, 1), (1000, 1, 1), (2000, 1, 0), (3000, 0, 0)]


def test_a_capture_without_packets_has_no_segments(tmp_path):
    segments = read_bytes(tmp_path, pcap())
    assert (len(segments.rows), segments.rows.dtype, segments.files[0].packets) == (0, SEGMENT, 0)


def test_a_file_that_ends_within_a_packet_is_read_up_to_there(tmp_path):
    data = pcap((1000, FRAME, 54), (2000, FRAME, 54))
    for cut in (data[:-1], data[: -len(FRAME) - 3], gzip.compress(data)[:-9]):
        segments = read_bytes(tmp_path, cut)
        assert segments.files[0].is_truncated
        assert 1 <= len(segments.rows) <= 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"12:00:01.5 IP 192.0.2.1.80 > 192.0.2.2.1025: Flags [S]\n", "neither pcap nor pcapng"),
        (b"\xd4", "neither pcap nor pcapng"),
        (pcap()[:20], "ends within its header"),
        (
            pcap((0, FRAME, 54))[:24] + struct.pack("<IIII", 0, 0, 0xFFFF_FFFF, 54),
            "at byte 24 a packet says that 4,294.* no packet is before it",
        ),
        (
            pcap((0, FRAME, 54)) + struct.pack("<IIII", 0, 2_000_000, 0, 54),
            "at byte 94 a packet has an impossible time",
        ),
        (pcap((0, FRAME, 54), link=105), "802.11"),
        (pcap((0, FRAME, 54), link=9), "PPP"),
        (b"\xfd7zXZ\0" + bytes(20), "xz -dk"),
        (gzip.compress(pcap((0, FRAME, 54)), mtime=0)[:-8] + bytes(8), "gzip says"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_one_sentence(tmp_path, data, words):
    with pytest.raises(UsageError, match=words):
        read_bytes(tmp_path, data)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_captures([tmp_path / "missing"])
    with pytest.raises(UsageError, match="no regular file"):
        read_captures([tmp_path])
    (tmp_path / "a.pcap").write_bytes(pcap())
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="cannot be read: Too many levels"):
        read_captures([tmp_path / "loop"])
    with pytest.raises(UsageError, match="given twice"):
        read_captures([tmp_path / "a.pcap", tmp_path / "." / "a.pcap"])


# Ethernet, IPv4: flags end at 48, the options at 66. What is cut is said, never filled in.
@pytest.mark.parametrize(
    ("snap", "segments", "options"),
    [(66, 1, 1), (65, 1, 8), (54, 1, 8), (50, 1, 8), (48, 1, 8), (47, 0, 0), (20, 0, 0)],
)
def test_packets_that_were_cut_short(tmp_path, snap, segments, options):
    frame = bytes(ETHERNET / IP(src="192.0.2.1", dst="192.0.2.2")
                  / TCP(window=9, options=[("NOP", None)] * 2 + [("Timestamp", (3, 4))]) / b"data")  # fmt: skip
    read = read_bytes(tmp_path, pcap((0, frame[:snap], len(frame))))
    (file,) = read.files
    assert (file.segments, file.cut) == (segments, segments)
    assert file.skipped == ({} if segments else {"cut before the end of the TCP flags": 1})
    for row in read.rows:
        assert (row["options"], row["payload"], row["window"]) == (options, 4, 9 if snap >= 50 else 0)
        assert (row["timestamp"], row["timestamp_echo"]) == ((3, 4) if options == 1 else (0, 0))


LINKS = {  # a header of each type before an IP packet, by its version
    0: lambda version: struct.pack("<I", 2 if version == 4 else 30),
    1: lambda version: bytes(12) + ether_type(version),
    12: lambda _: b"",
    101: lambda _: b"",
    108: lambda version: struct.pack(">I", 2 if version == 4 else 24),
    113: lambda version: struct.pack(">HHH8x", 4, 1, 6) + ether_type(version),
    276: lambda version: ether_type(version) + struct.pack(">HIHBB8x", 0, 7, 1, 4, 6),
}


def ether_type(version):
    return b"\x08\x00" if version == 4 else b"\x86\xdd"


@pytest.mark.parametrize("link", LINKS)
def test_links(tmp_path, link):
    packets = [SYN, IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=1026, dport=80)]
    records = [(0, LINKS[link](packet.version) + bytes(packet), 100) for packet in packets]
    records += [(0, record[1][:keep], 100) for record in records for keep in range(len(record[1]) - 7)]
    segments = read_bytes(tmp_path, pcap(*records, link=link))
    check_rows(segments.rows, packets)
    known = {113: (-1, 2), 276: (7, 2)}.get(link, (-1, 0))
    assert [(int(row["device"]), int(row["direction"])) for row in segments.rows] == [known] * 2
    assert segments.files[0].skipped == {"cut before the end of the TCP flags": len(records) - 2}


def test_what_is_no_ip_is_told_apart(tmp_path):
    frames = [
        bytes(12) + b"\x08\x06" + bytes(28),  # ARP
        bytes(12) + b"\x08\x00\x60" + bytes(40),  # an IPv6 header that is said to be of IPv4
        bytes(12) + b"\x81\x00\x00\x05\x08\x00" + bytes(IP(ihl=2, src="192.0.2.1", dst="192.0.2.2") / TCP()),
        bytes(ETHERNET / IP(src="192.0.2.1", dst="192.0.2.2") / TCP(dataofs=2)),
        bytes(ETHERNET / IP(src="192.0.2.1", dst="192.0.2.2", len=30) / TCP()),
        bytes(ETHERNET / IP(src="192.0.2.1", dst="192.0.2.2", frag=1) / TCP()),
        bytes(ETHERNET / IP(src="192.0.2.1", dst="192.0.2.2", proto=4) / SYN),
    ]
    segments = read_bytes(tmp_path, pcap(*((0, frame, len(frame)) for frame in frames)))
    assert segments.files[0].skipped == {
        "impossible header": 4,
        "not IP": 1,
        "fragment": 1,
        "in a tunnel (IP in IP, GRE)": 1,
    }


def test_a_packet_too_long_for_the_field_of_its_length_has_the_length_on_the_wire(tmp_path):
    """BIG TCP, and what a device was to cut: a total length of 0."""
    frame = bytes(ETHERNET / IP(src="192.0.2.1", dst="192.0.2.2", len=0) / TCP())
    (row,) = read_bytes(tmp_path, pcap((0, frame, 100_054))).rows
    assert row["payload"] == 100_000


def test_a_patched_pcap_file_says_device_and_direction(tmp_path):
    record = struct.pack("<IIIIiHBB", 1, 2, len(FRAME), len(FRAME), 3, 0x0800, 4, 0) + FRAME
    header = struct.pack("<IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 0, 1)
    segments = read_bytes(tmp_path, header + record * 2)
    seen = [(int(row["time_ns"]), int(row["device"]), int(row["direction"])) for row in segments.rows]
    assert seen == [(1_000_002_000, 3, 2)] * 2


def test_a_length_that_is_claimed_costs_no_memory(tmp_path):
    (tmp_path / "a.pcap").write_bytes(pcap((0, FRAME, 54)) + struct.pack("<IIII", 0, 0, 262_144, 262_144))
    tracemalloc.start()
    try:
        assert read_captures([tmp_path / "a.pcap"]).files[0].is_truncated
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
