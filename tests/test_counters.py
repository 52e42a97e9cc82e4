# SPDX-License-Identifier: MIT
"""The kernel's counters: their format, and their values compared with those of nstat."""

import json
import shutil
import socket
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from namespaced import namespaced

from stress.lab import counters

words = st.text("abcXYZ09", min_size=1, max_size=6)
tables = st.dictionaries(
    st.sampled_from(["Ip", "Tcp", "Udp", "TcpExt", "IpExt"]), st.dictionaries(words, st.integers())
)


def proc_text(table):
    """Write groups of counters as /proc/net/snmp does: a line of names, then a line of numbers."""
    return "".join(
        f"{group}: {' '.join(numbers)}\n{group}: {' '.join(map(str, numbers.values()))}\n"
        for group, numbers in table.items()
    )


@given(tables)
def test_parse_returns_tcp_and_tcpext_and_nothing_else(table):
    expected = {}
    for group, numbers in table.items():
        if group in ("Tcp", "TcpExt"):
            expected |= numbers
    assert counters.parse_counters(proc_text(table)) == expected


def test_what_became_of_mp_capable_is_counted_by_the_names_of_nstat():
    text = "MPTcpExt: MPCapableSYNTX MPCapableSYNTXDrop Blackhole Other\nMPTcpExt: 4 3 2 1\n"
    names = ("MPTcpExtMPCapableSYNTX", "MPTcpExtMPCapableSYNTXDrop", "MPTcpExtBlackhole")
    assert counters.parse_counters(text) == dict(zip(names, (4, 3, 2), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "Tcp: ActiveOpens\nUdp: 1\n",  # numbers of another group
        "Tcp: ActiveOpens PassiveOpens\nTcp: 1\n",  # a number short
        "Tcp: ActiveOpens\nTcp: 1 2\n",  # a number too many
        "Tcp: ActiveOpens\n",  # names alone
        "Tcp: ActiveOpens\nTcp: many\n",  # no number
    ],
)
def test_lines_that_do_not_match_are_refused(text):
    with pytest.raises(ValueError, match=r"^(a line of Tcp|zip|invalid literal)"):
        counters.parse_counters(text)


def test_gauges_are_no_counters():
    text = "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn CurrEstab OutRsts\nTcp: 1 200 120000 -1 7 9\n"
    assert counters.parse_counters(text) == {"OutRsts": 9}


def test_change_is_the_rise_and_a_new_counter_rose_from_zero():
    assert counters.counter_changes({"OutRsts": 3}, {"OutRsts": 5, "New": 2}) == {"OutRsts": 2, "New": 2}


def test_the_two_groups_of_this_kernel_share_no_name():
    tcp, tcp_ext = (counters.parse_counters(file.read_text()) for file in counters.FILES)
    assert tcp
    assert tcp_ext
    assert not tcp.keys() & tcp_ext.keys()


@namespaced
def test_a_refused_connect_is_counted_and_the_counters_are_this_network_s_own():
    assert not any(counters.read().values())
    assert socket.socket().connect_ex(("127.0.0.1", 5000))
    moved = {name for name, delta in counters.read().items() if delta}
    assert {"ActiveOpens", "AttemptFails", "OutRsts", "InSegs"} <= moved
    assert {"TCPSYNChallenge", "TCPSynRetrans", "TCPChallengeACK"} <= counters.read().keys() - moved


@namespaced
def test_nstat_reads_the_same():
    if shutil.which("nstat") is None:
        pytest.skip("nstat is not installed (iproute2)")
    for _ in range(3):
        socket.socket().connect_ex(("127.0.0.1", 5000))
    listing = subprocess.run(["nstat", "-asz", "--json"], capture_output=True, check=True).stdout
    theirs = json.loads(listing)["kernel"]
    ours = counters.read()
    assert ours.pop(counters.LO_DROPPED) == 0  # the device's, not TCP's
    known = {name: theirs.get(f"TcpExt{name}", theirs.get(f"Tcp{name}", theirs.get(name))) for name in ours}
    assert ours == known
    assert ours["ActiveOpens"] == 3


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_what_the_loopback_lost_is_its_fourth_number(lost, other):
    text = (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n"
        f"  eth0: 1 2 3 {other} 5 6 7 8 9 10 11 12 13 14 15 16\n"
        f"    lo:{other} 2 3 {lost} 5 6 7 8 9 10 11 12 13 14 15 16\n"
    )
    assert counters.lo_dropped(text) == lost
    assert counters.lo_dropped(text.replace("lo:", "dummy:")) == 0
