# SPDX-License-Identifier: MIT
"""Chosen packets of captures are copied as they were, without their data."""

from pathlib import Path

import numpy as np
import pytest
from captures import ETHERNET, pcap
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

from stress.model.errors import UsageError
from stress.store.capture_file.extract import copy_frames
from stress.store.capture_file.read import read_captures

FOLDER = Path(__file__).parent / "data" / "captures"


def without_place(rows):
    """Return all of rows but where in which file they are; a device is one of its own file too."""
    return rows[[name for name in rows.dtype.names if name not in ("file", "frame", "device", "options")]].tolist()


@pytest.mark.parametrize("names", [["any.pcap"], ["two.pcapng"], ["ethernet-ns.pcap", "snap-96.pcap", "any-v1.pcap"]])
def test_copied_segments_are_those_that_were_chosen(tmp_path, names):
    paths = [FOLDER / name for name in names]
    rows = read_captures(paths).rows
    chosen = rows[::3]
    count = copy_frames(paths, np.concatenate((chosen[::-1], chosen[:2])), tmp_path / "evidence.pcap")
    copied = read_captures([tmp_path / "evidence.pcap"])
    assert count == len(chosen) == len(copied.rows)
    assert without_place(copied.rows) == without_place(chosen)
    assert copied.files[0].kind == ("pcap, ns" if len(copied.files[0].links) == 1 else "pcapng")
    assert copied.files[0].resolution_ns == 1


def test_data_is_left_out_and_its_length_stays(tmp_path):
    source = tmp_path / "a.pcap"
    frame = bytes(ETHERNET / IP(src="192.0.2.1", dst="192.0.2.2") / TCP(dport=80) / b"a secret")
    source.write_bytes(pcap((5_000_000_000, frame, len(frame))))
    copy_frames([source], read_captures([source]).rows, tmp_path / "b.pcap")
    (packet,) = rdpcap(str(tmp_path / "b.pcap"))
    assert bytes(packet) == frame[: -len(b"a secret")]
    assert (packet.wirelen, packet.time, Ether in packet) == (len(frame), 5, True)
    assert read_captures([tmp_path / "b.pcap"]).rows["payload"].tolist() == [8]


def test_nothing_chosen_is_a_capture_without_packets(tmp_path):
    rows = read_captures([FOLDER / "any.pcap"]).rows[:0]
    assert copy_frames([FOLDER / "any.pcap"], rows, tmp_path / "a.pcap") == 0
    assert read_captures([tmp_path / "a.pcap"]).files[0].packets == 0


def test_a_file_that_has_become_shorter_is_refused(tmp_path):
    source = tmp_path / "a.pcap"
    source.write_bytes((FOLDER / "any.pcap").read_bytes())
    rows = read_captures([source]).rows
    source.write_bytes(source.read_bytes()[:-2000])
    with pytest.raises(UsageError, match="fewer packets than when it was read"):
        copy_frames([source], rows, tmp_path / "b.pcap")


def test_a_length_that_contradicts_the_headers_costs_no_header(tmp_path):
    """Whoever writes a record may be wrong about the length on the wire."""
    source = tmp_path / "a.pcap"
    frame = bytes(ETHERNET / IP(src="192.0.2.1", dst="192.0.2.2") / TCP(dport=80) / bytes(500))
    source.write_bytes(pcap((0, frame[:60], 60)))
    copy_frames([source], read_captures([source]).rows, tmp_path / "b.pcap")
    assert bytes(rdpcap(str(tmp_path / "b.pcap"))[0]) == frame[:54]
