# SPDX-License-Identifier: MIT
"""Half-open connections: an act for each state of the server's end, and what the counters of each say, exactly."""

import pytest
from scenario_runs import run_of

from stress.analysis.attribution.syns import Gap
from stress.lab import firewall
from stress.lab.census import NUMBERS
from stress.model.mine import MineState
from stress.model.outcome import Cause
from stress.model.summary import Grade
from stress.model.world import SERVER

pytestmark = pytest.mark.timeout(1200)  # the first test carries out all runs

MINES = 40
CHALLENGED = {"TCPSYNChallenge": MINES, "TCPChallengeACK": MINES, "EmbryonicRsts": 0, "AttemptFails": 0}
# Counters of the server's host in each act.
AT_SERVER = {
    MineState.ESTABLISHED: CHALLENGED | {"InErrs": MINES},
    MineState.FIN_WAIT_1: CHALLENGED | {"InErrs": 0},
    MineState.FIN_WAIT_2: CHALLENGED | {"InErrs": 0},
    MineState.LAST_ACK: CHALLENGED | {"InErrs": 0},
    MineState.SYN_RECEIVED: {
        "TCPSYNChallenge": 0,
        "TCPChallengeACK": 0,
        "InErrs": 0,
        "EmbryonicRsts": MINES,
        "AttemptFails": MINES,
    },
}


@pytest.fixture(params=["half-open", "half-open 6"])
def acts(request):
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")
    return {act.storm.act.name: act for act in run_of(request.param).acts}


def test_there_is_an_act_for_each_state(acts):
    assert list(acts) == list(AT_SERVER)
    for state, act in acts.items():
        assert set(act.storm.mines["state"].tolist()) == {NUMBERS[state]}


def test_every_mine_costs_one_attempt_a_hastened_retry_and_is_gone(acts):
    for act in acts.values():
        met = act.storm.attempts[act.syns.met_mine]
        assert sorted(met["local_port"].tolist()) == act.storm.mines["local_port"].tolist()
        assert set(met["retransmits"].tolist()) == {1}
        assert set(act.syns.gap[act.syns.met_mine].tolist()) == {Gap.FAST}
        assert not act.storm.mines["left"].any()


def test_the_counters_of_the_server_s_host_tell_the_states_as_far_as_they_can(acts):
    for state, act in acts.items():
        counters = act.storm.act.hosts[SERVER].counters
        assert {name: counters[name] for name in AT_SERVER[state]} == AT_SERVER[state]


def test_each_attempt_is_named_and_the_proof_says_the_state(acts):
    for state, act in acts.items():
        (proof,) = (proof for proof in act.proofs if proof.cause == Cause.STALE_SOCKET)
        assert (proof.attempts, proof.grade in (Grade.COUNTED, Grade.KERNEL)) == (MINES, True)
        assert f"{MINES} in {state}" in proof.text


def test_the_books_balance_and_nothing_failed(acts):
    for act in acts.values():
        assert [claim for claim in act.books if not claim.balanced] == []
        assert not act.storm.attempts["error"].any()
