# SPDX-License-Identifier: MIT
"""Causes need proof: each rule with it and without it, and the first gap compared with the ladder."""

import errno

import numpy as np
import pytest
from builders import COUNTERS, MS, SECOND, a_host, a_ladder, a_run, a_storm, settings, the_attempts, the_mines
from hypothesis import given
from hypothesis import strategies as st

from stress.analysis.attribution.cause import CAUSES, NO_PROOF
from stress.analysis.attribution.collision import detect_collisions
from stress.analysis.attribution.ladder import syn_timeouts_ns, wheel_slack_jiffies
from stress.analysis.attribution.outcome import has_sent_syn
from stress.analysis.attribution.summary import analyse
from stress.analysis.attribution.syns import Gap, classify_first_gaps, classify_syns
from stress.lab.counters import LO_DROPPED
from stress.model.plan import Close, Plan, Ports
from stress.model.world import Drop

TIMED_OUT, UNFINISHED = errno.ETIMEDOUT, errno.EINPROGRESS
LADDER = {"tcp_syn_retries": 1, "tcp_syn_linear_timeouts": 0}  # a SYN at 0 and 1 s, ETIMEDOUT at 3 s
FAST_OUT, SLOW_OUT = 2008 * MS, 3 * SECOND  # ETIMEDOUT after a challenge ACK, and after nothing


def counters_of(attempts):
    """Return the counters of a storm of which no segment was swallowed and no listener dropped one."""
    retransmits = int(attempts["retransmits"].sum())
    sent_again = {"TCPSynRetrans": retransmits, "RetransSegs": retransmits, "InSegs": retransmits}
    return dict.fromkeys(COUNTERS, 0) | {"ActiveOpens": int(has_sent_syn(attempts).sum())} | sent_again


def causes_of(*rows, mines=(), left=(), plan=None, counters=None, kernel="6.18.44", **changes):
    """Return the causes of attempts (port, errno, retransmits, latency in ns)."""
    attempts = the_attempts(*(row[:3] for row in rows), latency_ns=[row[3] for row in rows])
    run = a_run(
        attempts,
        the_mines(*mines, left=left),
        plan or Plan(scenario="test", ports=Ports.SHUFFLE),
        sysctls=settings(**LADDER, tcp_challenge_ack_limit=2**31 - 1),
        counters=counters_of(attempts) | (counters or {}),
        host=a_host(kernel=kernel),
        **changes,
    )
    return [CAUSES[code].value for code in analyse(run).causes]


def test_each_attempt_names_the_proof_that_claimed_its_cause():
    rows = [(40000, 0, 0, 9_000), (40001, 0, 1, 9 * MS), (40002, TIMED_OUT, 1, FAST_OUT), (40003, 0, 1, SECOND)]
    attempts = the_attempts(*(row[:3] for row in rows), latency_ns=[row[3] for row in rows])
    (act,) = analyse(
        a_run(
            attempts,
            the_mines(40001, 40002, left=(40002,)),
            Plan(scenario="test", ports=Ports.SHUFFLE),
            sysctls=settings(**LADDER, tcp_challenge_ack_limit=2**31 - 1),
            counters=counters_of(attempts) | met(3),
            host=a_host(),
        )
    ).acts
    proofs = [act.proofs[code].cause if code != NO_PROOF else "" for code in act.proof_codes]
    causes = [CAUSES[code].value for code in act.causes]
    assert proofs == ["" if cause in ("none", "unknown") else cause for cause in causes]
    assert len(set(causes)) > 2
    for code, proof in enumerate(act.proofs):
        assert proof.attempts == (act.proof_codes == code).sum()


def met(syns):
    """Return the counters of so many SYNs that met a mine."""
    return {"TCPSYNChallenge": syns}


def test_a_mined_port_and_one_hastened_resend_are_a_collision():
    row = (40000, 0, 1, 9 * MS)
    assert causes_of(row, mines=[40000], counters=met(1)) == ["closewait"]
    assert causes_of(row, mines=[40000], counters=met(2)) == ["closewait"]  # somebody else met one too
    assert causes_of(row, mines=[40000], counters=met(0)) == ["unknown"]
    assert causes_of(row, counters=met(1)) == ["unknown"]


def test_a_collision_on_a_kernel_before_5_6_takes_the_first_timeout():
    assert causes_of((40000, 0, 1, 1005 * MS), mines=[40000], kernel="5.5.0", counters=met(1)) == ["closewait"]


def test_a_port_that_was_free_before_the_server_had_closed_is_a_mine_for_a_while():
    """The server closes 100 ms after accept(); a timewait bucket would have kept the port for longer than that."""
    plan = Plan(scenario="test", close=Close.FIN)
    attempts = the_attempts(
        (40000, 0, 0), (40000, 0, 1), (40000, 0, 0), (40000, 0, 1),
        start_ns=[0, 50 * MS, 300 * MS, 600 * MS], latency_ns=[MS // 100, 9 * MS, MS // 100, 9 * MS],
    )  # fmt: skip
    for overflows, causes in (
        (3, ["none", "closewait", "none", "unknown"]),
        (0, ["none", "unknown", "none", "unknown"]),
    ):
        counters = counters_of(attempts) | {"TCPTimeWaitOverflow": overflows} | met(1)
        run = a_run(attempts, the_mines(), plan, sysctls=settings(**LADDER), counters=counters)
        assert [CAUSES[code].value for code in analyse(run).causes] == causes


def test_a_mine_that_survives_a_hastened_resend_never_got_the_rst():
    rows = [(40000, TIMED_OUT, 1, FAST_OUT), (40000, UNFINISHED, 1, 500 * MS)]
    assert causes_of(*rows, mines=[40000], left=[40000], counters=met(4)) == ["rst_dropped"] * 2
    assert causes_of(*rows, mines=[40000], left=[40000], counters=met(3)) == ["unknown"] * 2
    connected = (40000, 0, 1, 9 * MS)
    assert causes_of(connected, mines=[40000], left=[40000], counters=met(1)) == ["unknown"]  # it cannot have


def test_a_mine_that_survives_a_whole_timeout_sent_a_challenge_ack_in_vain():
    row = (40000, TIMED_OUT, 1, SLOW_OUT)
    sent = {"TCPSYNChallenge": 2, "TCPChallengeACK": 2}
    assert causes_of(row, mines=[40000], left=[40000], counters=sent) == ["challenge_dropped"]
    assert causes_of(row, mines=[40000], left=[40000]) == ["unknown"]  # no counter says that one was sent


@pytest.mark.parametrize(
    ("error", "latency_ns"), [(TIMED_OUT, SLOW_OUT), (TIMED_OUT, FAST_OUT + SECOND), (UNFINISHED, 8 * SECOND)]
)
def test_a_client_that_did_not_run_sees_the_end_of_a_short_gap_as_that_of_a_long_one(error, latency_ns):
    """It answered the challenge ACK by an RST: no challenge ACK was lost."""
    row = (40000, error, 1, latency_ns)
    answered = {"TCPSYNChallenge": 2, "TCPChallengeACK": 1, "TCPACKSkippedChallenge": 1, "OutRsts": 1}
    assert causes_of(row, mines=[40000], left=[40000], counters=answered) == ["unknown"]
    silent = answered | {"TCPChallengeACK": 2, "TCPACKSkippedChallenge": 0, "OutRsts": 0}
    assert causes_of(row, mines=[40000], left=[40000], counters=silent) == ["challenge_dropped"]


def test_a_syn_that_the_kernel_did_not_answer_was_rationed():
    row = (40000, 0, 3, 3020 * MS)
    rationed = {"TCPSYNChallenge": 3, "TCPChallengeACK": 1}
    assert causes_of(row, mines=[40000], counters=rationed) == ["challenge_limited"]
    assert causes_of(row, mines=[40000], counters=rationed | {"TCPChallengeACK": 2}) == ["unknown"]  # too few
    assert causes_of(row, mines=[40000], counters={"TCPSYNChallenge": 3, "TCPChallengeACK": 3}) == ["unknown"]
    skipped = {"TCPSYNChallenge": 3, "TCPChallengeACK": 1, "TCPACKSkippedChallenge": 2}
    assert causes_of(row, mines=[40000], counters=skipped) == ["unknown"]


def test_where_all_that_may_be_withheld_was_nothing_was_answered_late():
    row = (40000, 0, 3, 3020 * MS)
    rationed = {"TCPSYNChallenge": 3, "TCPChallengeACK": 1, "EmbryonicRsts": 1}  # some SYN may have come twice
    assert causes_of(row, mines=[40000], counters=rationed) == ["challenge_limited"]
    # Of two attempts one may have got a challenge ACK late, and the other, that met no rule, may have missed one.
    rows = [row, (40001, UNFINISHED, 1, 500 * MS)]
    counters = rationed | {"TCPSYNChallenge": 5, "TCPChallengeACK": 3}
    assert causes_of(*rows, mines=[40000, 40001], left=[40001], counters=counters)[0] == "unknown"


def test_whose_first_syn_was_answered_is_a_plain_collision_among_the_rationed():
    rows = [(40000, 0, 1, 9 * MS), (40001, 0, 2, 3010 * MS)]
    counters = {"TCPSYNChallenge": 3, "TCPChallengeACK": 2}
    assert causes_of(*rows, mines=[40000, 40001], counters=counters) == ["closewait", "challenge_limited"]


# Two SYNs, and one, without an answer; and an attempt that connected at once.
FULL_QUEUE = [(40000, TIMED_OUT, 1, SLOW_OUT), (40001, 0, 1, 1005 * MS), (40002, 0, 0, MS)]


def overflows(drops):
    """Return the counters of an accept queue that dropped so many."""
    return {"ListenOverflows": drops, "ListenDrops": drops}


@pytest.mark.parametrize(
    ("counters", "cause"),
    [
        (overflows(3), "accept_queue"),
        (overflows(4) | {"EmbryonicRsts": 1, "OutRsts": 2}, "accept_queue"),  # an ACK too
        (overflows(3) | {"OutSegs": 1}, "unknown"),  # one segment was swallowed: perhaps a SYN
        (overflows(2) | {LO_DROPPED: 1, "OutSegs": 1}, "unknown"),  # one SYN is missing, and nobody knows whose
        (overflows(2), "unknown"),
        (overflows(3) | {"TCPMinTTLDrop": 1}, "unknown"),
        (overflows(3) | {"ListenOverflows": 2}, "unknown"),  # a drop for another reason
        ({LO_DROPPED: 3, "OutSegs": 3}, "lost_on_the_way"),
        ({"OutSegs": 2}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_unanswered_syns_are_the_queue_s_when_it_accounts_for_them(counters, cause):
    assert causes_of(*FULL_QUEUE, counters=counters) == [cause, cause, "none"]


def test_the_queue_of_a_server_without_descriptors_is_not_to_blame():
    """It starved from 2 s to 9 s: who was over by then waited for another reason."""
    causes = causes_of(*FULL_QUEUE, counters=overflows(3), starved_ns=(2 * SECOND, 9 * SECOND))
    assert causes == ["fd_exhaustion", "accept_queue", "none"]


def test_the_first_of_two_delays_is_the_cause_and_the_other_is_listed():
    """The first SYN cleared the mine, the second found the queue full."""
    attempts = the_attempts((40000, TIMED_OUT, 1), latency_ns=[FAST_OUT])
    counters = counters_of(attempts) | met(1) | overflows(1)
    run = a_run(attempts, the_mines(40000), sysctls=settings(**LADDER), counters=counters)
    summary = analyse(run).summary
    assert summary.causes["closewait"] == 1
    assert [(proof.cause, proof.attempts, proof.also) for proof in summary.proofs] == [
        ("closewait", 1, 0),
        ("accept_queue", 0, 1),
    ]
    row = (40000, TIMED_OUT, 1, FAST_OUT)
    assert causes_of(row, mines=[40000], left=[40000], counters=met(2) | overflows(1)) == ["rst_dropped"]


@pytest.mark.parametrize(
    ("ports", "close", "cause"),
    [
        (Ports.KERNEL, Close.HOLD, "port_exhausted"),
        (Ports.KERNEL, Close.FIN, "port_exhausted"),
        (Ports.KERNEL, Close.RST, "port_exhausted"),  # the first attempt is not over yet
        (Ports.BIND, Close.HOLD, "port_exhausted"),
        (Ports.SWEEP, Close.FIN, "port_exhausted"),  # in TIME_WAIT since the first attempt
        (Ports.SWEEP, Close.HOLD, "port_exhausted"),
        (Ports.SWEEP, Close.RST, "port_exhausted"),  # the first attempt is not over yet
        (Ports.SWEEP, Close.DISCONNECT, "port_exhausted"),
    ],
)
@pytest.mark.parametrize("error", [errno.EADDRINUSE, errno.EADDRNOTAVAIL])
def test_a_port_is_missing_when_the_kernel_searched_them_all_or_the_storm_has_it(ports, close, cause, error):
    rows = [(40000, 0, 0, MS), (40001, error, 0, MS), (40000, error, 0, MS)]
    causes = causes_of(*rows, plan=Plan(scenario="test", ports=ports, close=close), ports=1)
    assert causes == ["none", "unknown" if ports is Ports.SWEEP else cause, cause]


def test_a_port_that_a_reset_has_freed_is_missing_for_no_known_reason():
    rows = [(40000, 0, 0, 1), (40001, 0, 0, 1), (40000, errno.EADDRINUSE, 0, 1)]
    assert causes_of(*rows, plan=Plan(scenario="test", ports=Ports.SWEEP)) == ["none", "none", "unknown"]


def test_without_the_hastened_resend_only_rules_tell_who_dropped_what():
    row = (40000, TIMED_OUT, 1, SLOW_OUT)
    lost = {"TCPSYNChallenge": 2, "TCPChallengeACK": 2}
    told = {"mines": [40000], "left": [40000], "counters": lost, "kernel": "5.4.0"}
    assert causes_of(row, dropped={Drop.RST: 2}, **told) == ["rst_dropped"]
    assert causes_of(row, dropped={Drop.CHALLENGE: 2}, **told) == ["challenge_dropped"]
    assert causes_of(row, **told) == ["unknown"]


kernels = st.builds(
    dict,
    kernel=st.sampled_from(["5.6.0", "6.1.0", "6.18.44"]),
    hz=st.sampled_from([100, 250, 300, 1000]),
    tcp_syn_retries=st.integers(1, 7),
    tcp_syn_linear_timeouts=st.integers(0, 5),
)


@given(kernels, st.booleans(), st.sampled_from(["connected", "timed out", "given up"]), st.data())
def test_the_first_gap_is_told_from_when_an_attempt_ended(kernel, hastened, ending, data):
    """A timetable of resends, on either ladder; an end at some moment after one of them."""
    ladder = a_ladder(**kernel)
    timeouts = syn_timeouts_ns({name: value for name, value in settings(**kernel).items() if "syn" in name})
    if hastened:
        timeouts[0] = 2 * ladder.jiffy_ns
    dues = np.cumsum(timeouts)
    retransmits = len(dues) - 1 if ending == "timed out" else data.draw(st.integers(1, len(dues) - 1))
    late_ns = data.draw(st.integers(0, 20 * MS))
    if ending == "given up":  # at any moment before the next resend, whose timers may all have been late
        slack = sum(wheel_slack_jiffies(timeout // ladder.jiffy_ns) for timeout in timeouts[1 : retransmits + 1])
        last_ns = int(dues[retransmits]) - 1 + slack * ladder.jiffy_ns
        latency_ns = data.draw(st.just(last_ns) | st.integers(int(dues[retransmits - 1]), last_ns))
    else:
        latency_ns = int(dues[retransmits if ending == "timed out" else retransmits - 1]) + late_ns
    error = {"connected": 0, "timed out": TIMED_OUT, "given up": UNFINISHED}[ending]
    attempts = the_attempts((40000, error, retransmits), latency_ns=latency_ns)
    (gap,) = classify_first_gaps(attempts, ladder)
    truth = Gap.FAST if hastened else Gap.TIMEOUT
    assert gap in ((truth, Gap.UNCLEAR) if ending == "given up" else (truth,))


@given(kernels, st.integers(0, 10 * SECOND))
def test_an_attempt_that_sent_one_syn_has_no_gap(kernel, latency_ns):
    attempts = the_attempts((40000, 0, 0), (40000, UNFINISHED, 0), latency_ns=latency_ns)
    assert classify_first_gaps(attempts, a_ladder(**kernel)).tolist() == [Gap.NONE] * 2


def test_every_syn_has_one_fate():
    """Of each attempt: SYNs that met the mine, SYNs without an answer, and the last one when it was answered."""
    rows = [
        (40000, 0, 1, 9 * MS, (1, 0)),  # a collision
        (40001, TIMED_OUT, 1, FAST_OUT, (2, 0)),  # its RST is lost: the mine stands
        (40002, TIMED_OUT, 1, FAST_OUT, (1, 1)),  # its mine is cleared, and the next SYN hears nothing
        (40003, 0, 3, 7010 * MS, (3, 0)),  # three SYNs without a challenge ACK
        (40004, TIMED_OUT, 1, SLOW_OUT, (0, 2)),  # no mine
        (40005, errno.ECONNREFUSED, 0, MS, (0, 0)),
        (40006, errno.EADDRNOTAVAIL, 0, MS, (0, 0)),
        (40007, 0, 0, MS, (0, 0)),
    ]
    attempts = the_attempts(*(row[:3] for row in rows), latency_ns=[row[3] for row in rows])
    storm = a_storm(attempts, the_mines(40000, 40001, 40002, 40003, left=[40001]))
    syns = classify_syns(storm, detect_collisions(storm), a_ladder(**LADDER))
    assert list(zip(syns.challenged.tolist(), syns.unanswered.tolist(), strict=True)) == [row[4] for row in rows]
