# SPDX-License-Identifier: MIT
"""The report of a storm across a link: the other host, what crossed, and the counters of both."""

import msgspec
from builders import a_record
from link_builders import a_clock, a_peer, a_report, across
from test_run_report import lines_of, text_of

from stress.model import segment_count as kinds
from stress.view.figure.caption import peer_phrases

CLIENT = a_report({kinds.SYN: 12, kinds.SYN_ACK: 9, kinds.SERVER_RST: 2}, ActiveOpens=10, TCPSynRetrans=2)
SERVER = a_report({kinds.SYN: 10, kinds.SYN_ACK: 9, kinds.TCP_CAME: 1}, PassiveOpens=9)


def test_the_other_host_stands_with_its_clock_its_limits_and_its_kernel(tmp_path):
    text = text_of(tmp_path, acts=[across(CLIENT, SERVER)])
    assert "other host lab2 over ssh: connstorm 1" in text
    assert "its kernel Linux 6.12.9, HZ=1000" in text
    assert "its clock 12.1 ms ahead of this host's, within 85 µs (round trip 170 µs); not compared after" in text
    assert "its limits 20,000 connections/s, 60 s, ports 1024-65535; no setting may be changed" in text
    assert "changed there nothing" in text


def test_what_crossed_stands_with_what_was_lost_between(tmp_path):
    lines = lines_of(tmp_path, acts=[across(CLIENT, SERVER)])
    rows = {line[:20].strip(): line[20:].split(maxsplit=2) for line in lines}
    assert rows["SYN ▶"] == ["12", "10", "2 lost between"]
    assert rows["◀ SYN-ACK"] == ["9", "9", "="]
    assert rows["◀ RST"] == ["0", "2", "2 more came: made or doubled between"]
    assert rows["TCP segments"] == ["1", "at", "the server, not received by its TCP"]
    counters = {line.split()[0]: line.split()[1:] for line in lines if len(line.split()) == 3}
    assert counters["ActiveOpens"] == ["10", "0"]
    assert counters["PassiveOpens"] == ["0", "9"]
    assert max(map(len, lines)) <= 80


def test_without_counts_on_both_hosts_there_is_no_table_of_what_crossed(tmp_path):
    text = text_of(tmp_path, acts=[across(a_report(), SERVER)])
    assert "across the link" not in text
    assert "kernel counters, with traffic of others" in text


def test_texts_of_the_other_host_cannot_command_a_terminal(tmp_path):
    peer = a_peer(program="\x1b[2Jconnstorm\n1", changed=["a\x07b"], lost="no\x1bword", clock_after=a_clock(-5, 9))
    act = msgspec.structs.replace(across(CLIENT, SERVER), peer=peer)
    text = text_of(tmp_path, acts=[act])
    assert "\x1b" not in text
    assert "connstorm 1 its kernel" in text
    assert "after the storm 5 ns behind this host's, within 9 ns" in text
    assert "lost no?word" in text


def test_the_foot_of_a_picture_names_the_host_that_served_and_its_other_kernel():
    record = a_record(acts=[across(CLIENT, SERVER)])
    assert peer_phrases(record) == ["served by lab2 (Linux 6.12.9, HZ 1000)"]
    same = across(CLIENT, SERVER, peer=a_peer(host=record.host))
    assert peer_phrases(a_record(acts=[same])) == ["served by lab2"]
    assert peer_phrases(a_record()) == []
