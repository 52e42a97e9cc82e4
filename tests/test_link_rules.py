# SPDX-License-Identifier: MIT
"""What is claimed of a storm across a link, and what is not: acts made by hand, each with one thing missing."""

import errno

import msgspec
import pytest
from builders import MS, SECOND, a_run, the_attempts
from link_builders import LISTENER, a_clock, a_peer, a_report, across

from stress.analysis.attribution.crossings import count_crossings
from stress.analysis.attribution.summary import analyse
from stress.model import segment_count as kinds
from stress.model.record import KernelWord

TIMEOUT_NS = 3 * SECOND
TIMED_OUT = (errno.ETIMEDOUT, 1)
LOST = the_attempts((40000, *TIMED_OUT), (40001, 0, 0), latency_ns=[TIMEOUT_NS, MS])  # two SYNs, and one that came
OF_TWO = {"ActiveOpens": 2, "TCPSynRetrans": 1}
SETTINGS = {"net.ipv4.tcp_syn_retries": "1", "net.ipv4.tcp_syn_linear_timeouts": "0"}


def said_of(attempts, act):
    (record,) = [msgspec.structs.replace(act, attempts=len(attempts), sysctls=act.sysctls | SETTINGS)]
    run = a_run(attempts)
    run.record.acts[:] = [record]
    return analyse(run).summary


def causes_of(attempts, act):
    return {name: count for name, count in said_of(attempts, act).causes.items() if count and name != "none"}


def lost_syns(*, client=None, server=None, **changes):
    """Return the act of ``LOST``: three SYNs left, one came."""
    sent = a_report({kinds.SYN: 3, kinds.SYN_ACK: 1} | (client or {}), **OF_TWO)
    came = a_report({kinds.SYN: 1, kinds.SYN_ACK: 1} | (server or {}), PassiveOpens=1)
    return across(sent, came, **changes)


def test_syns_that_left_and_did_not_come_were_lost_on_the_way():
    assert causes_of(LOST, lost_syns()) == {"lost_on_the_way": 1}


def test_what_was_not_counted_on_both_hosts_stays_unknown():
    uncounted = across(a_report(None, **OF_TWO), a_report({kinds.SYN: 1, kinds.SYN_ACK: 1}))
    summary = said_of(LOST, uncounted)
    assert (summary.causes["unknown"], summary.causes.get("lost_on_the_way", 0)) == (1, 0)
    assert "the storm's segments were not counted on both hosts (CAP_NET_RAW)" in summary.hints[0]


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lost_syns(segments_in_flight=True), id="segments in flight"),
        pytest.param(lost_syns(client={kinds.SYN: 2}), id="a SYN that did not leave"),
        pytest.param(lost_syns(server={kinds.SYN: 2}), id="too few lost"),
        pytest.param(lost_syns(client={kinds.ERROR: 1}), id="an ICMP error"),
        pytest.param(lost_syns(server={kinds.SYN: 4}), id="more came than left"),
        pytest.param(
            lost_syns(listening=[msgspec.structs.replace(LISTENER, drops=1)], server={}), id="the listener dropped"
        ),
    ],
)
def test_a_loss_with_a_remainder_is_not_claimed(act):
    if act.listening[0].drops:
        server = msgspec.structs.replace(
            act.hosts["server"], counters={**act.hosts["server"].counters, "ListenDrops": 1}
        )
        act = msgspec.structs.replace(
            act, hosts={**act.hosts, "server": server}, counters=act.counters | {"ListenDrops": 1}
        )
    assert causes_of(LOST, act) == {"unknown": 1}


def test_the_silence_of_both_kernels_says_nothing_of_what_is_between():
    word = KernelWord(lost=0, complete=True, counts={}, drop_reasons={}, reset_reasons={})
    full = a_report({kinds.SYN: 1, kinds.SYN_ACK: 1}, ListenDrops=2, ListenOverflows=2)
    listening = [msgspec.structs.replace(LISTENER, drops=2)]
    act = across(a_report({kinds.SYN: 3, kinds.SYN_ACK: 1}, **OF_TWO), full, kernel_word=word, listening=listening)
    assert causes_of(LOST, act) == {"unknown": 1}


def queue_full(*, client=None, server=None):
    """Return the act of ``LOST``: all three SYNs came, and the listener dropped two."""
    sent = a_report({kinds.SYN: 3, kinds.SYN_ACK: 1} | (client or {}), **OF_TWO)
    came = a_report({kinds.SYN: 3, kinds.SYN_ACK: 1} | (server or {}), ListenDrops=2, ListenOverflows=2)
    return across(sent, came, listening=[msgspec.structs.replace(LISTENER, drops=2)])


def test_syns_that_all_came_and_the_listener_dropped_found_the_accept_queue_full():
    assert causes_of(LOST, queue_full()) == {"accept_queue": 1}


@pytest.mark.parametrize(
    ("client", "server"),
    [
        pytest.param({}, {kinds.SYN_OF_OTHERS: 1}, id="others sent SYNs"),
        pytest.param({}, {kinds.TCP_CAME: 1}, id="a segment was not received"),
        pytest.param({}, {kinds.SYN_PARTS[0][3]: 1}, id="one lost, one doubled"),
        pytest.param({}, {kinds.SYN_ACK: 2}, id="a SYN-ACK lost"),
        pytest.param({kinds.ELSEWHERE: 1}, {}, id="one left elsewhere"),
        pytest.param({}, {kinds.CLIENT_RST: 1}, id="an RST from between"),
    ],
)
def test_a_queue_is_not_claimed_where_anything_else_may_have_taken_a_syn(client, server):
    assert causes_of(LOST, queue_full(client=client, server=server)) == {"unknown": 1}


REFUSED = the_attempts((40000, errno.ECONNREFUSED, 0), (40001, errno.ECONNREFUSED, 0), latency_ns=MS)


def refused(*, left=2, came=2, counted=2, server=None):
    """Return the act of ``REFUSED``: RSTs that left the server's host and that came, and those its TCP counted."""
    sent = a_report({kinds.SYN: 2, kinds.SERVER_RST: came}, ActiveOpens=2)
    other = a_report({kinds.SYN: 2, kinds.SERVER_RST: left} | (server or {}), OutRsts=counted)
    return across(sent, other, listening=[])


def test_a_refusal_is_named_by_who_sent_the_rst():
    assert causes_of(REFUSED, refused()) == {"no_listener": 2}
    assert causes_of(REFUSED, refused(left=0, counted=0)) == {"rejected_by_rst": 2}
    far = refused(counted=0, server={kinds.TCP_CAME: 2})
    assert causes_of(REFUSED, far) == {"rejected_by_rst": 2}


def test_rsts_of_others_on_either_host_name_nobody():
    """The server's TCP reset two connections of others, while something between refused the storm's attempts."""
    assert causes_of(REFUSED, refused(left=1)) == {"unknown": 2}
    assert causes_of(REFUSED, refused(came=3)) == {"unknown": 2}
    assert causes_of(REFUSED, refused(server={kinds.TCP_CAME: 1})) == {"unknown": 2}


def test_a_round_trip_of_the_link_needs_no_explanation():
    slow = the_attempts((40000, 0, 0), (40001, 0, 0), latency_ns=[21 * MS, 30 * MS])
    clock = a_clock(0, 10 * MS)
    counts = {kinds.SYN: 2, kinds.SYN_ACK: 2}
    act = across(a_report(counts, ActiveOpens=2), a_report(counts), peer=a_peer(clock=clock))
    assert causes_of(slow, act) == {"unknown": 1}


def test_more_of_a_kind_may_come_than_left():
    crossings = count_crossings(refused(left=0))
    assert crossings.server_rsts == (0, 2)
    assert (crossings.server_rsts.lost, crossings.answered_between, crossings.is_whole) == (-2, 2, False)
