# SPDX-License-Identifier: MIT
"""A full SYN queue, by its two limits, without and with SYN cookies: what the counters say of each, exactly."""

import pytest
from namespaced import namespaced
from scenario_runs import run_of

from stress.lab import firewall
from stress.model.errors import UsageError
from stress.model.outcome import Cause
from stress.model.plan import Plan
from stress.model.summary import Grade
from stress.model.world import ADDRESSES, CLIENT, SERVER, Topology, World
from stress.storm.check import plan_rules
from stress.storm.environment import Environment

pytestmark = pytest.mark.timeout(1200)  # the first test carries out all runs

BACKLOG, MAX_SYN_BACKLOG, COOKIES, ALWAYS, NEITHER = (
    "cookies 0, backlog full",
    "cookies 0, sysctl full",
    "cookies 1",
    "cookies 2",
    "baseline",
)
QUEUE = (
    "ListenDrops",
    "ListenOverflows",
    "TCPReqQFullDrop",
    "TCPReqQFullDoCookies",
    "SyncookiesSent",
    "SyncookiesRecv",
)


@pytest.fixture(params=["syn-queue", "syn-queue 6"])
def findings(request):
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")
    return run_of(request.param)


@pytest.fixture
def acts(findings):
    return {act.storm.act.name: act for act in findings.acts}


def test_every_syn_is_dropped_without_cookies_and_every_attempt_connects_with_them(acts):
    for name, act in acts.items():
        attempts = act.storm.attempts
        if name in (BACKLOG, MAX_SYN_BACKLOG):
            assert (attempts["error"] != 0).all()
            assert attempts["retransmits"].tolist() == [1] * len(attempts)
        else:
            assert not attempts["error"].any()
            assert not attempts["retransmits"].any()


def test_the_counters_tell_which_limit_it_was_and_how_often_a_cookie_helped(acts):
    for name, act in acts.items():
        counters = act.storm.act.counters
        number, syns = len(act.storm.attempts), 2 * len(act.storm.attempts)
        expected = {
            BACKLOG: (syns, 0, syns, 0, 0, 0),
            MAX_SYN_BACKLOG: (syns, 0, 0, 0, 0, 0),
            COOKIES: (0, 0, 0, number, number, number),
            ALWAYS: (0, 0, 0, number, number, number),
            NEITHER: (0, 0, 0, 0, 0, 0),
        }
        assert tuple(counters[counter] for counter in QUEUE) == expected[name]
        assert counters["IpOutNoRoutes"] == counters["Ip6OutNoRoutes"] == 0


def test_the_queue_is_as_full_as_its_limits_allow(acts):
    half_open = {name: act.storm.act.census_before["server"].get("SYN-RECEIVED", 0) for name, act in acts.items()}
    assert half_open == {BACKLOG: 601, MAX_SYN_BACKLOG: 7, COOKIES: 601, ALWAYS: 0, NEITHER: 0}


def test_each_attempt_that_failed_has_its_cause_and_the_books_balance(acts):
    for name, act in acts.items():
        assert [claim for claim in act.books if not claim.balanced] == []
        proofs = [proof for proof in act.proofs if proof.cause != Cause.STALLED]
        if name in (BACKLOG, MAX_SYN_BACKLOG):
            (proof,) = proofs
            assert (proof.cause, proof.attempts) == (Cause.SYN_QUEUE, len(act.storm.attempts))
            assert proof.grade == Grade.COUNTED
        else:
            assert proofs == []


def test_the_run_says_what_cookies_cost(findings):
    assert findings.summary.verdict is not None
    assert "0 of 300 attempts connected without cookies and 150 of 150 attempts connected with" in (
        findings.summary.verdict
    )
    assert "A cookie made connect()" in findings.summary.verdict


@namespaced
def test_fillers_leave_half_open_connections_whose_client_hears_nothing():
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")
    plan = Plan(
        scenario="test",
        fillers=5,
        source=ADDRESSES[4][CLIENT],
        target=ADDRESSES[4][SERVER],
        world=World(topology=Topology.TWO_CLIENTS),
    )
    with Environment(plan, lambda _: None) as environment:
        environment.serve(1)
        assert environment.dropped() == {"unheard": 5}
        assert environment.server.take_census()["server"]["SYN-RECEIVED"] == 5


def test_fillers_need_a_second_client():
    with pytest.raises(UsageError, match="A second client fills the server's queue; there is none in loopback"):
        plan_rules.refuse(plan_rules.plan_faults(Plan(scenario="test", fillers=5)))
