# SPDX-License-Identifier: MIT
"""No room for another tracked connection: which attempts fail, and that the rule counts each of their SYNs."""

import errno

import msgspec
import pytest
from builders import COUNTERS, MS, SECOND, a_run, settings, the_attempts
from command import connstorm
from scenario_runs import run_of

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.summary import analyse
from stress.lab import firewall
from stress.lab.conntrack import MAX_CONNECTIONS
from stress.model.outcome import Cause
from stress.model.record import HostReport
from stress.model.world import CLIENT, SERVER
from stress.storm.catalogue import find_scenario

pytestmark = pytest.mark.timeout(1200)  # the first test carries out all runs

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


@pytest.fixture
def full_table():
    """Return a function that makes a run of a table with two places: attempts, and what conntrack counted."""

    def make(*, dropped, failed=0, places=2, received=0):
        plan = find_scenario("conntrack-table").plan
        world = msgspec.structs.replace(plan.world, sysctls={CLIENT: {MAX_CONNECTIONS: str(places)}})
        attempts = the_attempts(
            (40000, 0, 0), (40001, 0, 0), (40002, errno.ETIMEDOUT, 1), latency_ns=[MS // 100, MS // 100, 3 * SECOND]
        )
        opens, again = len(attempts), 1
        sums = {
            "ActiveOpens": opens,
            "TCPSynRetrans": again,
            "RetransSegs": again,
            "OutSegs": 3 * opens,
            "InSegs": 3 * opens + again - 2 + received,
        }
        hosts = {
            CLIENT: HostReport(counters=sums, conntrack={}),
            SERVER: HostReport(counters={}, conntrack={"drop": dropped, "insert_failed": failed}),
        }
        run = a_run(
            attempts,
            plan=msgspec.structs.replace(plan, world=world, acts={}),
            counters=dict.fromkeys(COUNTERS, 0) | sums,
            hosts=hosts,
            dropped={"tracked": 2},
            sysctls=settings(tcp_syn_retries=1, tcp_syn_linear_timeouts=0),
        )
        return [str(CAUSES[code]) for code in analyse(run).causes]

    return make


def test_a_full_table_is_proved_by_conntrack_s_drops_and_the_connections_that_fill_it(full_table):
    assert full_table(dropped=2) == ["none", "none", "conntrack_full"]
    for counts in ({"places": 3}, {"failed": 2}, {"received": 1}):
        assert full_table(dropped=2, **counts)[2] != "conntrack_full"
    assert full_table(dropped=1)[2] != "conntrack_full"


def test_the_limit_of_the_whole_host_is_not_applicable_in_a_private_namespace():
    done = connstorm("run", "conntrack-table")
    assert done.returncode != 0
    assert "net.netfilter.nf_conntrack_max" in done.stderr
    assert "Traceback" not in done.stderr
