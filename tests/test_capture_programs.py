# SPDX-License-Identifier: MIT
"""Captures that tcpdump and dumpcap wrote (tests/data/captures): what is read in them is what tshark reads in them."""

import gzip
import json
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.model.errors import UsageError
from stress.model.segment import INCOMING, NO_DIRECTION, NO_ICMP, OPTION_CUT, OUTGOING
from stress.store.capture_file.read import read_captures
from stress.store.capture_file.stream import CaptureStream

FOLDER = Path(__file__).parent / "data" / "captures"
TSHARK = json.loads((FOLDER / "tshark.json").read_text())
NAMES = sorted(TSHARK)
SERVER_PORTS = (8080, 8081, 8082)


NUMBERS = ["source_port", "destination_port", "sequence", "acknowledgment", "flags", "window", "payload"]
NUMBERS += ["timestamp", "timestamp_echo"]


def segment_of(line):
    """Return what a line of tshark says, by name of a field of SEGMENT; its last values are of what an error quotes."""
    number, time, source, destination, source6, destination6, *tcp = line[:15]
    hops, identification, hop_limit, *icmp = line[15:]
    row = {name: int(last(value) or "0", 0) for name, value in zip(NUMBERS, tcp, strict=True)}
    row |= {"frame": int(number) - 1, "time_ns": int(Decimal(time) * 10**9)}
    row |= {"source": packed(source or source6), "destination": packed(destination or destination6)}
    row |= {"hops": first(hops or hop_limit), "identification": first(identification)}
    kinds = [int(value) for value in icmp if value]
    row |= {"icmp_type": kinds[0] if kinds else NO_ICMP, "icmp_code": kinds[1] if kinds else 0}
    if kinds:
        row |= dict.fromkeys(("flags", "window", "payload", "timestamp", "timestamp_echo"), 0)
    return row


def first(values):
    return int(values.partition(",")[0] or "0", 0)


def last(values):
    return values.rpartition(",")[2]


def packed(values):
    return ip_address(last(values)).packed.ljust(16, b"\0")


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("snap-")])
def test_segments_are_those_that_tshark_sees(name):
    segments = read_captures([FOLDER / name])
    lines = {row["frame"]: row for row in map(segment_of, TSHARK[name])}
    assert segments.rows["frame"].size == len(lines)
    for row in segments.rows:
        values = lines[int(row["frame"])]
        assert {key: plain(row[key]) for key in values} == values


def plain(value):
    return value.tobytes() if isinstance(value, np.void) else int(value)


@pytest.mark.parametrize(("snap", "segments", "cut"), [(60, 15, 13), (68, 26, 17), (96, 26, 3)])
def test_what_was_cut_is_left_out_and_never_wrong(snap, segments, cut):
    """Several programs captured the same packets: a field of a cut one is that of the whole one, or 0."""
    whole = {int(row["frame"]): row for row in read_captures([FOLDER / "ethernet-ns.pcap"]).rows}
    read = read_captures([FOLDER / f"snap-{snap}.pcap"])
    (file,) = read.files
    assert (file.snap_bytes, file.segments, file.is_truncated) == (snap, segments, False)
    assert file.cut == cut
    for row in read.rows:
        values = whole[int(row["frame"])]
        always = ("source", "destination", "source_port", "destination_port", "acknowledgment", "flags")
        for name in (*always, "payload", "hops", "identification", "icmp_type", "icmp_code"):
            assert row[name] == values[name], name
        for name in ("sequence", "window", "timestamp", "timestamp_echo"):
            assert row[name] == values[name] or (row[name] == 0 and row["options"] & OPTION_CUT)
        assert row["sequence"] == values["sequence"] or row["icmp_type"] != NO_ICMP


@pytest.mark.parametrize("name", ["any.pcap", "any-v1.pcap"])
def test_all_devices_say_the_direction(name):
    """The server captured: what it sends is outgoing."""
    rows = read_captures([FOLDER / name]).rows
    is_of_server = np.isin(rows["source_port"], SERVER_PORTS) | (rows["icmp_type"] != NO_ICMP)
    assert set(rows["direction"][is_of_server].tolist()) == {OUTGOING}
    assert set(rows["direction"][~is_of_server].tolist()) == {INCOMING}
    assert set(rows["device"].tolist()) == ({2} if name == "any.pcap" else {-1})


def test_two_interfaces_of_one_capture_show_each_packet_twice():
    segments = read_captures([FOLDER / "two.pcapng"])
    (file,) = segments.files
    assert (file.kind, file.links, file.dropped) == ("pcapng", ["Ethernet", "Linux cooked"], 0)
    assert np.bincount(segments.rows["device"]).tolist() == [26, 26]
    assert set(segments.rows["direction"][segments.rows["device"] == 0].tolist()) == {NO_DIRECTION}


def test_two_ends_of_a_connection_are_merged_by_time():
    client, server = FOLDER / "ethernet-ns.pcap", FOLDER / "ethernet.pcap"
    segments = read_captures([client, server])
    assert np.bincount(segments.rows["file"]).tolist() == [26, 26]
    assert (np.diff(segments.rows["time_ns"]) >= 0).all()
    assert [file.resolution_ns for file in segments.files] == [1, 1000]


@pytest.mark.parametrize("piece_bytes", [13, 97, 1000])
def test_packets_go_on_in_the_next_piece(monkeypatch, piece_bytes):
    paths = [FOLDER / name for name in NAMES]
    at_once = read_captures(paths)
    monkeypatch.setattr(CaptureStream, "piece_bytes", piece_bytes)
    piece_by_piece = read_captures(paths)
    assert piece_by_piece.rows.tobytes() == at_once.rows.tobytes()
    assert piece_by_piece.files == at_once.files


CONTENTS = [(FOLDER / name).read_bytes() for name in ("any.pcap", "snap-68.pcap", "two.pcapng", "any-v1.pcap")]
CONTENTS.append(gzip.compress(CONTENTS[0], mtime=0))
CHANGES = st.lists(st.tuples(st.integers(0, 1 << 14), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4)


@given(st.sampled_from(CONTENTS), CHANGES, st.integers(0, 1 << 14), st.booleans())
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, content, changes, end, is_cut):
    data = bytearray(content)
    for where, value in changes:
        place = where % len(data)
        data[place : place + len(value)] = value
    path = tmp_path_factory.mktemp("damaged") / "a.pcap"
    path.write_bytes(data[: end % len(data)] if is_cut else data)
    try:
        segments = read_captures([path])
    except UsageError:
        pass
    else:
        (file,) = segments.files
        assert len(segments.rows) + sum(file.skipped.values()) == file.packets
        assert set(segments.rows["family"].tolist()) <= {4, 6}
