# SPDX-License-Identifier: MIT
"""Scenarios of loss: which counters say where SYNs and SYN-ACKs ended, exactly."""

import errno
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from builders import a_storm, the_attempts
from command import connstorm
from scenario_runs import run_of
from test_scenarios import skip_without_nft

from stress.analysis.attribution import loss_figures
from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import analyse_act
from stress.model.errors import NotApplicableError
from stress.model.outcome import Cause
from stress.model.world import CLIENT, ROUTER, SERVER
from stress.store import run_folder

pytestmark = pytest.mark.timeout(1200)  # the first test carries out all runs


def acts_of(name):
    """Return the acts of a scenario's run by their names."""
    skip_without_nft(name)
    return {act.storm.act.name: act for act in run_of(name).acts}


def counters_at(act, host):
    return act.storm.act.hosts[host].counters


def sent_again(act):
    return int(act.storm.attempts["retransmits"].sum())


def timed_out(act):
    return int((act.storm.attempts["error"] == errno.ETIMEDOUT).sum())


def claim(act, text):
    (row,) = (claim for claim in act.books if claim.claim == text)
    return row


@pytest.mark.parametrize("name", ["loss", "loss 6"])
def test_each_lost_syn_is_one_syn_sent_again_and_the_listener_drops_nothing(name):
    act = acts_of(name)["SYNs"]
    client, server = counters_at(act, CLIENT), counters_at(act, SERVER)
    lost = act.storm.act.dropped["syn"]
    assert lost == sent_again(act) + timed_out(act) > 0
    assert client["TCPSynRetrans"] == client["TCPTimeouts"] == sent_again(act)
    assert server["ListenDrops"] == server["ListenOverflows"] == server["TCPSynRetrans"] == 0
    assert claim(act, "segments that no TCP received").value == lost


@pytest.mark.parametrize("name", ["loss", "loss 6"])
def test_lost_syn_acks_show_at_the_server_which_sends_them_again(name):
    act = acts_of(name)["SYN-ACKs"]
    client, server = counters_at(act, CLIENT), counters_at(act, SERVER)
    lost = act.storm.act.dropped["syn-ack"]
    assert client["TCPSynRetrans"] == sent_again(act) <= lost
    assert server["TCPSynRetrans"] >= lost
    assert server["ListenDrops"] == 0
    assert claim(act, "segments that no TCP received").value == lost
    # Of two SYN-ACKs that come the client takes one; the other is no collision, though it is counted like one.
    assert client["TCPSYNChallenge"] == client["TCPChallengeACK"]
    assert server["TCPSYNChallenge"] == claim(act, "SYNs that met a mine").value == 0


def test_a_limit_lets_a_number_of_syns_pass_and_not_a_share():
    skip_without_nft("syn-rate-limit")
    findings = run_of("syn-rate-limit")
    limited, free = findings.acts
    assert limited.storm.act.dropped["syn"] == sent_again(limited) == counters_at(limited, CLIENT)["TCPSynRetrans"]
    assert free.storm.act.dropped["syn"] == sent_again(free) == 0
    full = [passed for passed, sent in loss_figures.passed_by_syn(limited.storm.attempts) if passed < sent]
    assert len(full) >= loss_figures.STEPS
    assert max(full) < 2 * min(full)  # of a share of a quarter, the fourth would be two fifths of the first
    # On a busy machine a rung lasts longer, and more pass: then no limit is claimed.
    assert findings.summary.verdict.startswith(("A limit: of the SYNs", "No limit shows: of the SYNs"))
    names = [figure.name for figure in findings.summary.figures if figure.act == "20 per second"]
    assert names[:3] == [f"{ordinal} SYNs that got through" for ordinal in ("first", "second", "third")]


@pytest.mark.parametrize(
    ("retransmits", "verdict"),
    [
        ([0] * 20 + [1] * 20 + [2] * 20 + [3] * 20 + [4] * 5, "A limit: "),
        ([0] * 26 + [1] * 20 + [2] * 21 + [3] * 20 + [4] * 13, "No limit shows: "),  # a busy machine
        ([0] * 26 + [1] * 19 + [2] * 14 + [3] * 10 + [4] * 31, "No limit shows: "),  # a quarter passes
        ([0] * 80 + [1] * 16 + [2] * 4 + [3], "No limit shows: "),  # random loss
        ([0] * 50 + [1] * 50, "Inconclusive: "),
        ([0], "Inconclusive: "),
    ],
)
def test_a_limit_is_told_from_random_loss_by_what_gets_through(retransmits, verdict):
    attempts = the_attempts(*((40000 + place, 0, 0) for place in range(len(retransmits))))
    attempts["retransmits"] = retransmits
    assert loss_figures.rate_limit_verdict(a_storm(attempts), None).startswith(verdict)


@pytest.mark.parametrize("name", ["egress-drop", "egress-drop 6"])
def test_what_the_own_host_does_not_send_is_counted_by_tcp_retrans_fail(name):
    dropped, allowed = acts_of(name).values()
    assert set(dropped.storm.attempts["error"].tolist()) == {errno.ETIMEDOUT}  # never EPERM
    client = counters_at(dropped, CLIENT)
    assert client["TCPRetransFail"] == client["TCPSynRetrans"] == sent_again(dropped) == 100
    assert dropped.storm.act.dropped["syn"] == sent_again(dropped) + timed_out(dropped)
    assert counters_at(dropped, SERVER)["InSegs"] == counters_at(dropped, ROUTER)["InSegs"] == 0
    assert counters_at(allowed, CLIENT)["TCPRetransFail"] == sent_again(allowed) == 0


def test_a_policy_drops_every_syn_wherever_it_is_and_no_listener_counts_it():
    router, server, answers = acts_of("policy").values()
    for act in (router, server, answers):
        assert timed_out(act) == len(act.storm.attempts) == sent_again(act)
        assert counters_at(act, SERVER)["ListenDrops"] == counters_at(act, CLIENT)["TCPRetransFail"] == 0
    for act in (router, server):
        assert act.storm.act.dropped["syn"] == 2 * len(act.storm.attempts)
        assert counters_at(act, SERVER)["InSegs"] == 0
    # The server received every SYN and made its answers; one that its own output hook drops is not counted as sent
    # again (tcp_rtx_synack()).
    counters = counters_at(answers, SERVER)
    assert counters["InSegs"] == 2 * len(answers.storm.attempts)
    assert counters["OutSegs"] == answers.storm.act.dropped["syn-ack"] >= counters["InSegs"]
    assert counters["TCPSynRetrans"] == counters["RetransSegs"] == 0


@pytest.mark.parametrize("name", ["ecn", "ecn 6"])
def test_a_black_hole_for_ecn_costs_each_attempt_exactly_one_resend_and_never_two(name):
    asking, stubborn, silent = acts_of(name).values()
    assert asking.storm.attempts["retransmits"].tolist() == [1] * 100
    assert not asking.storm.attempts["error"].any()
    assert asking.storm.act.dropped["syn"] == counters_at(asking, CLIENT)["TCPSynRetrans"] == 100
    assert timed_out(stubborn) == 100
    assert stubborn.storm.act.dropped["syn"] == sent_again(stubborn) + timed_out(stubborn)
    assert silent.storm.act.dropped["syn"] == sent_again(silent) == timed_out(silent) == 0
    for act in (asking, stubborn):
        assert {(proof.rule, proof.attempts) for proof in act.proofs} == {("ecn_dropped", 100)}


def test_without_the_act_that_does_not_ask_for_ecn_nothing_tells_what_dropped_the_syns():
    skip_without_nft("ecn")
    act = run_of("ecn").acts[0]
    (proof,) = analyse_act(act.storm, use_events=False).proofs
    assert proof.rule == "lost_on_the_way"


def test_an_act_whose_firewall_may_have_learnt_is_no_control():
    skip_without_nft("ecn")
    asking, _, silent = (act.storm for act in run_of("ecn").acts)
    plan = msgspec.structs.replace(silent.act.plan, fresh=False)
    learnt = replace(silent, act=msgspec.structs.replace(silent.act, plan=plan))
    (proof,) = analyse_act(asking, [learnt], use_events=False).proofs
    assert proof.rule == "lost_on_the_way"


@pytest.mark.parametrize("name", ["slow-link", "slow-link 6"])
def test_a_slow_link_delays_without_a_resend_and_a_short_queue_drops(name):
    fast, slow, short = acts_of(name).values()
    for act in (fast, slow):
        assert sent_again(act) == 0
        assert not act.storm.attempts["error"].any()
        assert counters_at(act, CLIENT)["TCPTimeouts"] == 0
    assert slow.storm.act.dropped == {"tbf router": 0}
    waits_ns = slow.storm.attempts["latency_ns"]
    assert np.median(waits_ns[-20:]) > 10 * np.median(waits_ns[:10])  # the queue grows
    # Nothing proves what delayed a connect that sent one SYN: not even that it was a link.
    late = {CAUSES[code] for code in slow.causes[waits_ns > 10 * slow.ladder.jiffy_ns].tolist()}
    assert Cause.UNKNOWN in late
    assert late <= {Cause.UNKNOWN, Cause.STALLED}
    assert short.storm.act.dropped["tbf router"] >= sent_again(short) > 0


def test_a_kernel_without_netem_is_no_failure_and_one_that_has_it_loses_in_one_act_only(tmp_path):
    done = connstorm("run", "link", "--attempts", "20", "--output", tmp_path)
    if done.returncode:
        assert done.returncode == NotApplicableError.exit_code
        assert done.stderr.startswith("connstorm: This kernel cannot queue packets as netem does: ")
        pytest.skip("this kernel has no netem (sch_netem)")
    (path,) = tmp_path.iterdir()
    run, summary = run_folder.read(path)
    assert summary.warnings == []
    again = [int(storm.attempts["retransmits"].sum()) for storm in run.storms()]
    assert again[0] == again[2] == again[3] == 0
