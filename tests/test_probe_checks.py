# SPDX-License-Identifier: MIT
"""What a probe of the way between two hosts says, line by line; and what a process finds that it may do."""

import subprocess
import sys
import textwrap

import msgspec
import pytest
from namespaced import namespaced
from private_network import AS_ROOT

from stress.lab.privileges import read_privileges
from stress.storm.peer.probe import Probe
from stress.storm.peer.probe_checks import probe_checks

ENDS = ("10.0.0.5:40000", "10.0.0.7:5000")
WHOLE = Probe(
    target="10.0.0.7:5000",
    error="",
    ends_here=ENDS,
    ends_there=(ENDS[1], ENDS[0]),
    is_abort_seen=True,
    closed_error="ECONNREFUSED",
    mtu=1500,
    is_full_size_acked=True,
)
LOST = Probe(target="10.0.0.7:5000", error="ETIMEDOUT")


def lines(probe, **changes):
    """Return the state of each line, and the advice of the first that has one."""
    checks = list(probe_checks(msgspec.structs.replace(probe, **changes)))
    advice = next((check.advice for check in checks if check.advice), "")
    return {check.name: check.state for check in checks}, advice


def test_nothing_is_advised_where_everything_passes():
    states, advice = lines(WHOLE)
    assert advice == ""
    assert states == {
        "SYN": "arrives",
        "SYN-ACK": "comes back",
        "4-tuple": "the same at both ends",
        "path MTU": "1,500 bytes, which pass",
        "RST to there": "arrives",
        "RST to here": "comes from a closed port",
    }


@pytest.mark.parametrize(
    ("changes", "syn", "syn_ack", "advice"),
    [
        ({}, "is not answered", None, "CAP_NET_RAW there would tell"),
        ({"syns_there": 0}, "does not arrive", None, "a firewall between"),
        ({"syns_there": 2}, "arrives at that host's device", None, "a rule of that host"),
        ({"syns_there": 0, "others_syns_there": 2}, "arrives from another address", None, "translated"),
        ({"filtered": 2}, "arrives from another address", None, "translated"),
        ({"is_half_open": True}, "arrives", "does not come back", "CAP_NET_RAW here would tell"),
        ({"is_half_open": True, "syn_acks_here": 0}, "arrives", "does not come back", "another way"),
        ({"is_half_open": True, "syn_acks_here": 2}, "arrives", "comes to this host's device", "a rule of this host"),
        ({"error": "EHOSTUNREACH"}, "is rejected: EHOSTUNREACH", None, "a firewall or a router"),
        ({"error": "ECONNREFUSED"}, "is rejected: ECONNREFUSED", None, "permit TCP to 10.0.0.7"),
    ],
)
def test_where_the_first_connection_was_lost(changes, syn, syn_ack, advice):
    states, advised = lines(LOST, **changes)
    assert states["SYN"] == syn
    assert states.get("SYN-ACK") == syn_ack
    assert advice in advised
    assert set(states) <= {"SYN", "SYN-ACK"}  # nothing is known of the others


@pytest.mark.parametrize(
    ("changes", "line", "state", "advice"),
    [
        (
            {"ends_there": ("192.168.1.7:5000", ENDS[0])},
            "4-tuple",
            "10.0.0.5:40000 → 10.0.0.7:5000 here, 10.0.0.5:40000 → 192.168.1.7:5000 there",
            "translated on the way",
        ),
        ({"is_abort_seen": False}, "RST to there", "does not arrive", "--close fin"),
        ({"closed_error": "ETIMEDOUT"}, "RST to here", "does not come from a closed port", "look like lost SYNs"),
        ({"closed_error": ""}, "RST to here", "a closed port is connected", "a proxy"),
        ({"closed_error": "EHOSTUNREACH"}, "RST to here", "a closed port says EHOSTUNREACH", "answers for that host"),
        (
            {"is_full_size_acked": False},
            "path MTU",
            "1,500 bytes, which do not pass",
            "lower the MTU",
        ),
    ],
)
def test_what_is_wrong_with_a_way_on_which_connections_are_made(changes, line, state, advice):
    states, advised = lines(WHOLE, **changes)
    assert states[line] == state
    assert advice in advised


@namespaced
def test_the_root_of_a_namespace_may_change_it_and_open_packet_sockets():
    privileges = read_privileges()
    assert privileges.packets == ""
    assert privileges.changes in ("", "no nft (apt-get install nftables)")


def test_who_may_nothing_is_told_why():
    code = """
        from stress.lab.privileges import read_privileges
        privileges = read_privileges()
        print(privileges.packets, privileges.changes, privileges.kernel_word, sep=chr(10))
    """
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", textwrap.dedent(code)]
    ended = subprocess.run([*AS_ROOT, *command], capture_output=True, text=True, check=False)
    if ended.returncode and "stress" not in ended.stderr:
        pytest.skip(f"no program without capabilities can be started here: {ended.stderr.strip()}")
    packets, changes, word = ended.stdout.splitlines()
    assert packets.startswith("no CAP_NET_RAW")
    assert changes.startswith("no CAP_NET_ADMIN")
    assert "CAP_BPF" in word
