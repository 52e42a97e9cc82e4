# SPDX-License-Identifier: MIT
"""Attempts on old sockets that were given up before their first gap could be told: which sums prove what they met."""

import errno

import numpy as np
import pytest
from builders import COUNTERS, MS, a_run, settings, the_attempts, the_mines

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.summary import analyse
from stress.analysis.attribution.syns import TIME_WAIT
from stress.model.plan import Plan

ESTABLISHED = 1
PORTS = (40000, 40001)
LADDER = settings(tcp_syn_retries=1, tcp_syn_linear_timeouts=0, tcp_rfc1337=1)
# Of each the first SYN was answered, and the second one, two jiffies later, was not. A third attempt connected.
SENT = {"ActiveOpens": 3, "RetransSegs": 2, "TCPSynRetrans": 2, "OutRsts": 3, "EstabResets": 2}
CHALLENGED = {"TCPSYNChallenge": 4, "TCPChallengeACK": 2, "TCPACKSkippedChallenge": 2, "OutSegs": 0}
# Two SYNs, two resends, two challenge ACKs, two RSTs, and four segments of the third one: the two RSTs were lost.
RSTS_LOST = SENT | CHALLENGED | {"OutSegs": 10, "InSegs": 10}
PROTECTED = SENT | {"TCPACKSkippedTimeWait": 2, "OutSegs": 10, "InSegs": 12}


def causes(state, counters, *, ports=PORTS, retransmits=1, ratelimit=500, left=PORTS, **changed):
    """Return what is said of two attempts that were given up after 1.5 s."""
    ended = [(port, errno.EINPROGRESS, retransmits) for port in ports]
    attempts = the_attempts(*ended, (40002, 0, 0), latency_ns=[1500 * MS, 1500 * MS, MS // 10])
    sysctls = LADDER | settings(tcp_invalid_ratelimit=ratelimit)
    counters = dict.fromkeys(COUNTERS, 0) | counters | changed
    mines = the_mines(*PORTS, left=left, state=state)
    run = a_run(attempts, mines, Plan(scenario="test", host=True), sysctls=sysctls, counters=counters)
    return [str(CAUSES[code]) for code in np.unique(analyse(run).causes[:2])]


def test_an_rst_for_each_challenge_and_one_withheld_for_each_attempt_prove_that_rsts_were_dropped():
    assert causes(ESTABLISHED, RSTS_LOST) == ["rst_dropped"]


def test_an_rst_for_each_ack_and_one_withheld_for_each_attempt_prove_time_wait():
    assert causes(TIME_WAIT, PROTECTED) == ["time_wait"]


@pytest.mark.parametrize(
    "other",
    [
        {"OutRsts": 2},  # a challenge ACK did not come to its client
        {"TCPACKSkippedChallenge": 0, "TCPChallengeACK": 4, "OutRsts": 5, "InSegs": 8},  # nothing was hastened
        {"TCPSYNChallenge": 5},  # a SYN was doubled
        {"TCPACKSkippedChallenge": 1},  # one was withheld because of a limit for all sockets
        {"InSegs": 12},  # the RSTs came
        {"ActiveOpens": 4},  # somebody else connected
        {"EstabResets": 4},  # other connections were reset, whose RSTs may make up for those that are missing
        {"ratelimit": 5000},  # each SYN after the first is withheld
        {"ratelimit": 0},
        {"ports": (40000, 40000)},
    ],
    ids=str,
)
def test_a_sum_that_is_off_by_one_proves_no_dropped_rst(other):
    assert causes(ESTABLISHED, RSTS_LOST, **other) == ["unknown"]


@pytest.mark.parametrize(
    "other",
    [
        {"OutRsts": 2},  # an ACK did not come to its client
        {"OutRsts": 1, "TCPACKSkippedTimeWait": 0},  # a firewall answered in the client's place
        {"InSegs": 11},  # something was lost
        {"TCPACKSkippedTimeWait": 1, "OutRsts": 4},
        {"EstabResets": 4},
        {"ActiveOpens": 4},
        {"ratelimit": 5000},
    ],
    ids=str,
)
def test_a_sum_that_is_off_by_one_proves_no_time_wait(other):
    assert causes(TIME_WAIT, PROTECTED, **other) == ["unknown"]


def test_a_socket_that_an_rst_would_have_removed_is_no_protected_one():
    assert causes(TIME_WAIT, PROTECTED, left=()) == ["unknown"]
