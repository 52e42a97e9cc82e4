# SPDX-License-Identifier: MIT
"""pcapng files: sections, interfaces, resolutions, kinds of packets."""

import struct

import pytest
from captures import ETHERNET, block, enhanced, interface, pcap, section
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import CookedLinux, Ether
from scapy.utils import PcapNgWriter

from stress.model.errors import UsageError
from stress.store.capture_file.read import read_captures

SYN = IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=1025, dport=80, seq=7)
FRAME = bytes(ETHERNET / SYN)
BEGIN_S = 1_700_000_000
RESOLUTION, OFFSET = 9, 14
STATISTICS, DROPPED, SYSTEM_DROPPED = 5, 5, 7


def read_blocks(folder, *blocks):
    path = folder / "a.pcapng"
    path.write_bytes(b"".join(blocks))
    return read_captures([path])


def statistics(number, *pairs, order="<"):
    """Return a block of statistics with counters of 64 bits."""
    parts = [struct.pack(f"{order}HHQ", code, 8, value) for code, value in pairs]
    return block(order, STATISTICS, struct.pack(f"{order}III", number, 0, 0) + b"".join(parts))


def test_what_scapy_writes_is_read(tmp_path):
    path = tmp_path / "a.pcapng"
    with PcapNgWriter(str(path)) as writer:
        for number in range(3):
            packet = Ether(FRAME)
            packet.time = BEGIN_S + number
            writer.write(packet)
    segments = read_captures([path])
    assert segments.rows["time_ns"].tolist() == [(BEGIN_S + number) * 10**9 for number in range(3)]
    assert segments.files[0].kind == "pcapng"


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("resolution", "ticks", "times_ns"),
    [
        (None, BEGIN_S * 10**6 + 1, (BEGIN_S * 10**9 + 1000, 1000)),
        (b"\x09", BEGIN_S * 10**9 + 1, (BEGIN_S * 10**9 + 1, 1)),
        (b"\x03", BEGIN_S * 1000 + 1, (BEGIN_S * 10**9 + 10**6, 10**6)),
        (b"\x00", BEGIN_S, (BEGIN_S * 10**9, 10**9)),
        (b"\x0a", BEGIN_S * 10**10 + 15, (BEGIN_S * 10**9 + 1, 1)),
        (b"\x94", (BEGIN_S << 20) + (1 << 19), (BEGIN_S * 10**9 + 500_000_000, 953)),
        (b"\xa1", (BEGIN_S << 33) + (1 << 32), (BEGIN_S * 10**9 + 500_000_000, 1)),
        (b"\xbe", (1 << 62) + (1 << 61), (1_500_000_000, 1)),
    ],
)
def test_resolutions_and_byte_orders(tmp_path, order, resolution, ticks, times_ns):
    pairs = [(RESOLUTION, resolution)] if resolution else []
    segments = read_blocks(tmp_path, section(order), interface(order, *pairs), enhanced(ticks, FRAME, order=order))
    assert (*segments.rows["time_ns"].tolist(), segments.files[0].resolution_ns) == times_ns


def test_an_offset_is_added_to_times(tmp_path):
    described = interface("<", (OFFSET, struct.pack("<q", BEGIN_S)), (RESOLUTION, b"\x09"))
    assert read_blocks(tmp_path, section(), described, enhanced(5, FRAME)).rows["time_ns"].tolist() == [
        BEGIN_S * 10**9 + 5
    ]


def test_interfaces_have_links_of_their_own_and_sections_a_byte_order(tmp_path):
    cooked = bytes(CookedLinux(pkttype=4, proto=0x800) / SYN)
    segments = read_blocks(
        tmp_path,
        section("<"), interface("<", snap=96), interface("<", link=113), interface("<", link=105),
        enhanced(4000, cooked, number=1), enhanced(3000, FRAME), enhanced(2000, b"beacon", number=2),
        section(">"), interface(">", link=101, snap=200), enhanced(1000, bytes(SYN), order=">"),
    )  # fmt: skip
    rows = segments.rows
    seen = list(zip(*(rows[name].tolist() for name in ("time_ns", "device", "frame", "direction")), strict=True))
    assert seen == [(1_000_000, 3, 3, 0), (3_000_000, 0, 1, 0), (4_000_000, 1, 0, 2)]
    assert rows["source_port"].tolist() == [1025] * 3
    (file,) = segments.files
    assert file.links == ["Ethernet", "raw IP", "802.11 (LINKTYPE 105)", "Linux cooked"]
    assert file.skipped == {"link type 802.11 (LINKTYPE 105)": 1}
    assert (file.packets, file.snap_bytes) == (4, 96)


def test_packets_of_all_kinds_and_unknown_blocks(tmp_path):
    head = struct.pack("<HHIIII", 0, 0xFFFF, 0, 1000, len(FRAME), len(FRAME))
    segments = read_blocks(
        tmp_path, section(), interface(), block("<", 2, head + FRAME),
        block("<", 0xBAD, b"of somebody"), block("<", 3, struct.pack("<I", len(FRAME)) + FRAME), enhanced(2000, FRAME),
    )  # fmt: skip
    assert segments.rows["frame"].tolist() == [0, 2]
    assert segments.files[0].skipped == {"no timestamp": 1}


@pytest.mark.parametrize(("flags", "direction"), [(0, 0), (1, 1), (2, 2), (3, 0), (0x105, 1)])
def test_directions_are_read_behind_other_options(tmp_path, flags, direction):
    packet = enhanced(0, FRAME, (1, b"a comment"), (2, struct.pack("<I", flags)))
    assert read_blocks(tmp_path, section(), interface(), packet, enhanced(0, FRAME)).rows["direction"].tolist() == [
        direction,
        0,
    ]


def test_lost_packets_are_those_of_the_last_statistics_of_each_interface(tmp_path):
    described = [section(), interface(), interface()]
    assert read_blocks(tmp_path, *described).files[0].dropped is None
    assert read_blocks(tmp_path, *described, statistics(0, (4, 100))).files[0].dropped is None
    assert read_blocks(tmp_path, *described, statistics(0, (DROPPED, 0))).files[0].dropped == 0
    last = [statistics(0, (DROPPED, 5), (SYSTEM_DROPPED, 2)), statistics(1, (DROPPED, 1))]
    assert read_blocks(tmp_path, *described, statistics(0, (DROPPED, 3)), *last).files[0].dropped == 8
    again = [section(">"), interface(">"), statistics(0, (DROPPED, 10), order=">")]
    assert read_blocks(tmp_path, *described, *last, *again).files[0].dropped == 18


def test_a_file_that_ends_within_a_block_is_read_up_to_there(tmp_path):
    segments = read_blocks(tmp_path, section(), interface(), enhanced(0, FRAME), enhanced(0, FRAME)[:-1])
    assert (segments.files[0].is_truncated, len(segments.rows)) == (True, 1)


PACKET = enhanced(0, FRAME)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([section()[:20]], "ends within its header"),
        ([section()[:8] + bytes(20)], "a section has no byte order"),
        (
            [section(), struct.pack("<III", 6, 0xFFFF_FFF0, 0)],
            "at byte 28 a block says that it has 4,294,967,280 bytes",
        ),
        ([section(), struct.pack("<III", 6, 13, 0)], "says that it has 13 bytes"),
        ([section(), interface(), PACKET[:-4] + bytes(4)], "at byte 48 a block has two different lengths"),
        ([section(), PACKET], "interface that was not described"),
        ([section(), interface(), enhanced(0, FRAME, number=7)], "interface that was not described"),
        ([section(), interface(), block("<", 6, bytes(8))], "block is too short"),
        ([section(), interface(), block("<", 6, struct.pack("<IIIII", 0, 0, 0, 4000, 4000))], "longer than its block"),
        ([section(), block("<", 1, bytes(4))], "a block is too short"),
        ([section(), interface("<", (RESOLUTION, b"\xff"))], "impossible resolution"),
        ([section(), interface("<", (RESOLUTION, b"\x14"))], "impossible resolution"),
        ([section(), interface("<", (OFFSET, struct.pack("<q", 1 << 62))), PACKET], "impossible time"),
        ([section(), interface("<", (OFFSET, struct.pack("<q", -1))), PACKET], "impossible time"),
        ([section(), interface(), enhanced((1 << 64) - 1, FRAME)], "impossible time"),
        ([section(), interface("<", (RESOLUTION, b"\x00")), enhanced(1 << 32, FRAME)], "impossible time"),
        ([section(), interface(link=9), interface(link=239), PACKET, enhanced(0, b"", number=1)], "PPP .* and NFLOG"),
    ],
)
def test_a_damaged_file_is_refused_with_its_place(tmp_path, blocks, words):
    with pytest.raises(UsageError, match=words):
        read_blocks(tmp_path, *blocks)


def test_what_precedes_the_damage_can_be_read_after_the_command_that_is_named(tmp_path):
    """The offset in the message is that of the damaged block: what comes before is a capture of its own."""
    intact = [section(), interface(), PACKET]
    with pytest.raises(UsageError, match=f"head -c {len(b''.join(intact))} "):
        read_blocks(tmp_path, *intact, struct.pack("<III", 6, 13, 0))
    assert not read_blocks(tmp_path, *intact).files[0].is_truncated
    records = pcap((0, FRAME, 54))
    with pytest.raises(UsageError, match=f"head -c {len(records)} "):
        read_blocks(tmp_path, records, struct.pack("<IIII", 0, 0, 1 << 30, 0))
