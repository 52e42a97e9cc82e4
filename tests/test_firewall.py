# SPDX-License-Identifier: MIT
"""The firewall: it drops what it says, and nothing else."""

import errno
import socket

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from namespaced import namespaced

from stress._fastconnect import now_ns, storm
from stress.lab import census, firewall, wait
from stress.model.attempt import allocate_attempts
from stress.model.errors import LabError
from stress.model.world import Drop, Firewall

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
both_families = pytest.mark.parametrize("family", [4, 6])
FLAGS = {"FIN": 0x01, "SYN": 0x02, "RST": 0x04, "PSH": 0x08, "ACK": 0x10, "URG": 0x20}


def interpret(code, segment):
    """Run a classic BPF program of the five instructions that ours use; return how many bytes it keeps."""
    accumulator, place = 0, 0
    while True:
        operation, true, false, operand = np.frombuffer(code, "<u2,u1,u1,<u4")[place].item()
        place += 1
        match operation:
            case 0x30:
                accumulator = segment[operand]
            case 0x54:
                accumulator &= operand
            case 0x15:
                place += true if accumulator == operand else false
            case 0x06:
                return operand


@given(st.sets(st.sampled_from(sorted(FLAGS))))
def test_filters_decide_by_flags(flags):
    segment = bytes(13) + bytes([sum(FLAGS[flag] for flag in flags)]) + bytes(6)
    assert (interpret(firewall.DROP_RST, segment) == 0) == ("RST" in flags)
    pure = "ACK" in flags and not flags & {"SYN", "FIN", "RST"}
    assert (interpret(firewall.DROP_CHALLENGE, segment) == 0) == pure


def listening(family):
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    return socket.create_server((LOOPBACK[family], 5000), family=kind)


def server_states(family):
    return [entry.state for entry in census.iterate_sockets(family, local_port=5000) if entry.state != "LISTEN"]


def reset_from(family):
    """Connect and end with an RST."""
    client = socket.create_connection((LOOPBACK[family], 5000))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


@both_families
@pytest.mark.parametrize("made_of", Firewall)
@namespaced
def test_a_dropped_rst_leaves_the_server_s_socket(family, made_of):
    with listening(family) as server:
        if made_of is Firewall.NFT:
            if not firewall.has_nft():
                pytest.skip("nft is not installed")
            firewall.load_rules(Drop.RST, range(5000, 5001))
        else:
            firewall.attach_filter(server, firewall.DROP_RST)
        reset_from(family)
        connection, _ = server.accept()
        assert server_states(family) == ["ESTABLISHED"]
        if made_of is Firewall.NFT:
            assert firewall.count_packets() == {"rst": 1}
        connection.close()


@both_families
@namespaced
def test_without_a_firewall_the_rst_arrives(family):
    with listening(family) as server:
        reset_from(family)
        assert wait.wait_until(lambda: server_states(family) == [], 30)
        server.accept()[0].close()


@both_families
@pytest.mark.parametrize("made_of", Firewall)
@namespaced
def test_a_dropped_challenge_ack_lets_others_connect(family, made_of):
    """40000 is mined by hand: the client's side is destroyed without an RST by a TIME_WAIT limit of 0."""
    from stress.lab import sysctl

    sysctl.write("net.ipv4.tcp_max_tw_buckets", "0")
    address = LOOPBACK[family]
    with listening(family) as server:
        client = socket.socket(server.family)
        client.bind((address, 40000))
        client.connect((address, 5000))
        accepted, _ = server.accept()
        client.close()  # its port is free when the ACK of its FIN has come, which the server delays
        assert wait.wait_until(lambda: next(census.iterate_sockets(family, local_port=40000), None) is None, 30)
        assert server_states(family) == ["CLOSE-WAIT"]
        if made_of is Firewall.NFT:
            if not firewall.has_nft():
                pytest.skip("nft is not installed")
            firewall.load_rules(Drop.CHALLENGE, range(5000, 5001))
        records = allocate_attempts(3)
        storm(
            records,
            target=address,
            target_port=5000,
            source=address,
            ports="list",
            port_list=np.array([40001, 40000, 40002], np.uint16),
            attempts=3,
            epoch_ns=now_ns(),
            deadline_ns=300_000_000,
            socket_filter=firewall.DROP_CHALLENGE if made_of is Firewall.BPF else b"",
        )
        # With the challenge ACK the second would have sent its SYN again after two jiffies, and connected.
        assert records["error"].tolist() == [0, errno.EINPROGRESS, 0]
        assert records["retransmits"].tolist() == [0, 0, 0]
        if made_of is Firewall.NFT:
            assert firewall.count_packets() == {"challenge": 1}
        accepted.close()


@namespaced
def test_rules_that_nft_refuses_are_an_error_of_the_lab():
    if not firewall.has_nft():
        pytest.skip("nft is not installed")
    with pytest.raises(LabError, match=r"^nft list nonsense failed: .*syntax error"):
        firewall.run_nft(["list", "nonsense"])


def listing(*rules):
    return msgspec.json.encode({"nftables": [{"metainfo": {"version": "1.0.6"}}, *({"rule": rule} for rule in rules)]})


@given(st.lists(st.tuples(st.sampled_from(["rst", "invalid"]), st.integers(0, 2**63 - 1)), max_size=6))
def test_counts_of_a_listing_are_read_by_comment(rules):
    text = listing(
        *(
            {"family": "inet", "comment": name, "expr": [{"match": {}}, {"counter": {"packets": count, "bytes": 0}}]}
            for name, count in rules
        )
    )
    items = firewall.parse_listing(text).nftables
    assert [(item.rule.comment, item.rule.expr[1].counter.packets) for item in items if item.rule] == rules


def test_a_firewall_is_what_is_wanted_else_what_there_is(monkeypatch):
    assert [firewall.choose_firewall(wanted) for wanted in Firewall] == list(Firewall)
    assert firewall.choose_firewall(None) is (Firewall.NFT if firewall.has_nft() else Firewall.BPF)
    monkeypatch.setattr(firewall, "find_nft", lambda: None)
    assert firewall.choose_firewall(None) is Firewall.BPF


@pytest.mark.parametrize("drop", Drop)
def test_every_firewall_can_be_said_in_words(drop):
    assert firewall.describe_firewall(drop, Firewall.NFT)
    if drop is not Drop.INVALID:
        assert firewall.describe_firewall(drop, Firewall.BPF)
