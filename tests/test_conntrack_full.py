# SPDX-License-Identifier: MIT
"""No room for another tracked connection: which attempts fail, and that the rule counts each of their SYNs."""

import errno

import pytest
from scenario_runs import run_of

from stress.lab import firewall
from stress.model.outcome import Cause
from stress.model.world import SERVER

pytestmark = pytest.mark.timeout(300)  # the first test carries out all runs

PLACES, ATTEMPTS = 100, 200


@pytest.fixture(params=["conntrack-full", "conntrack-full 6"])
def acts(request):
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")
    return run_of(request.param).acts


def test_the_first_connections_fill_the_room_and_all_others_time_out(acts):
    full, roomy = (act.storm.attempts for act in acts)
    assert full["error"].tolist() == [0] * PLACES + [errno.ETIMEDOUT] * (ATTEMPTS - PLACES)
    assert set(full["retransmits"][PLACES:].tolist()) == {1}
    assert not roomy["error"].any()


def test_the_rule_counts_every_syn_that_got_no_answer_and_conntrack_drops_nothing_itself(acts):
    full, roomy = (act.storm.act for act in acts)
    assert (full.dropped, roomy.dropped) == ({"limit": 2 * (ATTEMPTS - PLACES)}, {"limit": 0})
    assert full.hosts[SERVER].conntrack["drop"] == full.hosts[SERVER].conntrack["insert_failed"] == 0
    assert full.counters["ListenDrops"] == 0


def test_the_syns_are_lost_on_the_way_and_the_books_balance(acts):
    for act in acts:
        assert [claim for claim in act.books if not claim.balanced] == []
    (proof,) = (proof for proof in acts[0].proofs if proof.cause == Cause.LOST_ON_THE_WAY)
    assert proof.attempts == ATTEMPTS - PLACES
    assert not [proof for proof in acts[1].proofs if proof.cause != Cause.STALLED]
