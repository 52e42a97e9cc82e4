# SPDX-License-Identifier: MIT
"""Scenarios of address translation: the equalities that prove them, and the hosts that their workers are on."""

import errno
from functools import partial

import numpy as np
import pytest
from builders import COUNTERS, MS, SECOND, a_run, settings, the_attempts, the_mines
from scenario_runs import run_of

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.mine_counts import sum_paws
from stress.analysis.attribution.nat_figures import snat_race_verdict
from stress.analysis.attribution.rules.translation import count_ports
from stress.analysis.attribution.summary import analyse
from stress.analysis.attribution.syns import TIME_WAIT
from stress.lab import firewall
from stress.model.outcome import Cause
from stress.model.plan import Close, Plan
from stress.model.record import Address, HostReport
from stress.model.world import CLIENT, CLIENT2, ROUTER, SERVER, FilterRule, Hook, Topology, World
from stress.storm.catalogue import SCENARIOS
from stress.storm.four_tuples import draw_order
from stress.storm.ports import PortRange
from stress.storm.worker import WorkerSpec

pytestmark = pytest.mark.timeout(1200)  # the first test may carry out all runs


@pytest.fixture
def _nft():
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")


def router_of(act):
    return act.hosts[ROUTER].conntrack


@pytest.mark.usefixtures("_nft")
@pytest.mark.parametrize("name", ["snat-exhausted", "snat-exhausted 6"])
def test_each_syn_beyond_the_router_s_ports_is_a_failed_insertion(name):
    findings = run_of(name)
    few, every = findings.run.record.acts
    summaries = findings.summary.acts
    assert (summaries[0].outcomes["connected"], summaries[0].outcomes["timed_out"]) == (100, 100)
    assert router_of(few)["insert_failed"] == router_of(few)["drop"] == 200 == 2 * summaries[0].causes["snat_exhausted"]
    assert few.hosts[SERVER].counters["ListenDrops"] == few.counters["TCPRetransFail"] == 0
    assert summaries[1].outcomes["connected"] == 200
    assert router_of(every)["insert_failed"] == router_of(every)["drop"] == 0


@pytest.mark.usefixtures("_nft")
@pytest.mark.parametrize("name", ["snat-race", "snat-race 6"])
def test_each_clash_costs_one_attempt_one_resend(name):
    findings = run_of(name)
    plain, random = findings.acts
    assert router_of(random.storm.act)["insert_failed"] == 0
    clashed = plain.causes == CAUSES.index(Cause.SNAT_CLASH)
    counts = router_of(plain.storm.act)
    assert counts["insert_failed"] == counts["drop"] == plain.storm.act.counters["TCPSynRetrans"] == clashed.sum()
    assert (plain.storm.attempts["retransmits"][clashed] == 1).all()
    assert findings.summary.verdict.startswith("In " if clashed.any() else "Inconclusive: ")


@pytest.mark.usefixtures("_nft")
@pytest.mark.parametrize("name", ["time-wait-nat", "time-wait-nat 6"])
def test_a_timestamp_behind_that_of_another_client_is_refused_by_time_wait(name):
    findings = run_of(name)
    plain, protected, _, cured = findings.acts
    counters = [act.storm.act.counters for act in findings.acts]
    met = [int(act.syns.met_mine.sum()) for act in findings.acts]
    if not met[0]:
        pytest.skip(findings.summary.verdict)
    retransmits = [int(act.storm.attempts["retransmits"].sum()) for act in findings.acts]
    assert counters[0]["PAWSTimewait"] == retransmits[0] == met[0]
    assert counters[0]["OutRsts"] == len(plain.storm.attempts) + met[0]
    assert counters[1]["PAWSTimewait"] == 2 * met[1] == 2 * counters[1]["TCPACKSkippedTimeWait"]
    assert (protected.storm.attempts["error"][protected.syns.met_mine] == errno.ETIMEDOUT).all()
    assert late_ports(plain) == late_ports(protected)  # offsets are drawn for each boot
    assert counters[2]["PAWSTimewait"] == 0 < met[2] == retransmits[2]
    assert (met[3], retransmits[3], counters[3]["PAWSTimewait"]) == (0, 0, 0)
    assert len(cured.storm.mines) == 100
    assert [count["TCPSYNChallenge"] for count in counters] == [0] * 4
    grades = {(proof.act, proof.grade) for proof in findings.summary.proofs if proof.cause == "time_wait"}
    assert grades == {("timestamps 1", "counted"), ("rfc1337 1", "counted"), ("timestamps 0", "timed")}


def late_ports(act):
    return set(act.storm.attempts["local_port"][act.storm.attempts["retransmits"] > 0].tolist())


def test_two_clients_walk_through_the_same_ports_each_from_its_own_address():
    plan = SCENARIOS["snat-race"].plan
    assert plan.worker_hosts == [CLIENT, CLIENT2]
    ports = PortRange(40000, 40003, np.arange(40000, 40004, dtype=np.uint16))
    specs = [WorkerSpec(plan, number, 8, 6, 1024, None, b"") for number in range(2)]
    assert [spec.own_attempts(ports) for spec in specs] == [4, 4]
    assert [(spec.own_plan.source, spec.own_address) for spec in specs] == [("198.18.0.2", 6), ("198.18.0.3", 7)]
    orders = [draw_order(spec.own_plan, ports, 0, 4, np.random.default_rng(1)) for spec in specs]
    assert [order.tolist() for order in orders] == [[40000, 40001, 40002, 40003]] * 2
    alone = WorkerSpec(Plan(scenario="clean", workers=2), 1, 8, 6, 1024, None, b"")
    assert (alone.own_plan, alone.own_address) == (alone.plan, 6)


def translating(action="masquerade to :50000-50001", **changes):
    rule = FilterRule(name="nat", on=ROUTER, hook=Hook.POSTROUTING, nat=True, match="", action=action)
    world = World(topology=Topology.ROUTER, rules=[rule])
    return Plan(**{"scenario": "test", "world": world, "close": Close.HOLD} | changes)


def a_dropping_router(plan, attempts, *, failed, drop=None, received=0, **counters):
    """A run whose router's conntrack dropped SYNs, of which some all the same reached the server."""
    opens = int((attempts["error"] != errno.EADDRNOTAVAIL).sum())
    again = int(attempts["retransmits"].sum())
    drop = failed if drop is None else drop
    sums = {
        "ActiveOpens": opens,
        "TCPSynRetrans": again,
        "OutSegs": 3 * opens,
        "RetransSegs": again,
        "InSegs": 3 * opens + again - drop + received,
        **counters,
    }
    hosts = {
        CLIENT: HostReport(counters=sums, conntrack={}),
        ROUTER: HostReport(counters={}, conntrack={"insert_failed": failed, "drop": drop}),
        SERVER: HostReport(counters={}, conntrack={}),
    }
    return a_run(
        attempts,
        plan=plan,
        address=Address(0, plan.source, plan.sources, plan.target, 5000, 1),
        counters=dict.fromkeys(COUNTERS, 0) | sums,
        hosts=hosts,
        dropped={"nat": opens},
    )


def causes_of(plan, attempts, **counts):
    findings = analyse(a_dropping_router(plan, attempts, **counts))
    return [str(CAUSES[code]) for code in findings.causes]


GIVEN_UP = partial(the_attempts, (40000, 0, 0), (40001, 0, 0), (40002, errno.ETIMEDOUT, 6))
LATENCIES = [MS, MS, 131 * SECOND]


def test_a_name_for_lost_syns_needs_every_equality():
    plan, attempts = translating(), GIVEN_UP(latency_ns=LATENCIES)
    assert causes_of(plan, attempts, failed=7)[2] == "snat_exhausted"
    assert causes_of(plan, attempts, failed=6, drop=7)[2] == "lost_on_the_way"  # one was dropped for something else
    assert causes_of(plan, attempts, failed=8)[2] == "lost_on_the_way"
    assert causes_of(plan, attempts, failed=7, ListenDrops=1)[2] == "unknown"
    three_ports = translating("masquerade to :50000-50002")
    assert causes_of(three_ports, attempts, failed=7)[2] == "lost_on_the_way"  # a port was left, and it always failed
    not_held = translating(close=Close.RST)
    assert causes_of(not_held, attempts, failed=7)[2] == "lost_on_the_way"


def test_ports_that_are_left_prove_a_clash():
    attempts = the_attempts((40000, 0, 0), (40001, 0, 1), latency_ns=[MS, 1010 * MS])
    assert causes_of(translating("masquerade"), attempts, failed=1)[1] == "snat_clash"
    assert causes_of(translating("masquerade to :50000-50001"), attempts, failed=1)[1] == "lost_on_the_way"
    assert causes_of(translating("masquerade"), attempts, failed=1, drop=2)[1] == "lost_on_the_way"


HASTENED = ((40000, 0, 1), (40001, 0, 1), (40002, errno.ETIMEDOUT, 1), (40003, 0, 0))
ONE_RESEND = settings(tcp_syn_retries=1, tcp_syn_linear_timeouts=0)


def findings_of_hastened(*, mines=None, rfc1337="0", given_up_ns=2010 * MS, **counters):
    """Attempts of which two connected after a hastened resend, and one was given up after one."""
    attempts = the_attempts(*HASTENED, latency_ns=[9 * MS, 12 * MS, given_up_ns, MS])
    counters = {"ActiveOpens": 4, "TCPSynRetrans": 3, "PAWSTimewait": 0, "OutRsts": 3} | counters
    sysctls = ONE_RESEND | settings(tcp_rfc1337=rfc1337)
    return analyse(a_run(attempts, mines, sysctls=sysctls, counters=dict.fromkeys(COUNTERS, 0) | counters))


def causes_of_hastened(**given):
    return [str(CAUSES[code]) for code in findings_of_hastened(**given).causes[:3]]


def test_paws_without_a_known_socket_needs_every_syn_to_be_counted():
    named, lost = "time_wait", "unknown"
    assert causes_of_hastened(PAWSTimewait=4) == [named, named, lost]  # who knows where the third one's RST went
    assert causes_of_hastened(PAWSTimewait=4, rfc1337="1") == [named] * 3
    assert causes_of_hastened(PAWSTimewait=3, rfc1337="1") == [lost] * 3
    assert causes_of_hastened(PAWSTimewait=4, TCPSYNChallenge=1) == [lost] * 3
    assert causes_of_hastened(PAWSTimewait=4, ActiveOpens=5) == [lost] * 3  # somebody else sends SYNs


@pytest.mark.parametrize("swallowed", [1, 3, 6])
@pytest.mark.parametrize("given_up_ns", [2010 * MS, 3000 * MS], ids=["hastened", "not hastened"])
def test_what_time_wait_answered_need_not_be_lost(swallowed, given_up_ns):
    """On a machine that stands still a hastened resend may be late, so that the counters alone tell of the answers."""
    counters = {"OutSegs": swallowed, "InSegs": 3, "RetransSegs": 3, "TCPSYNChallenge": 1}
    for answered in (2, 4):
        bounds = findings_of_hastened(given_up_ns=given_up_ns, PAWSTimewait=answered, **counters).summary.bounds
        assert [bound.at_least for bound in bounds if bound.cause == Cause.LOST_ON_THE_WAY] in ([], [0]), bounds


def test_a_known_time_wait_socket_that_survives_an_rst_tells_whether_that_was_lost():
    laid = the_mines(40000, 40001, 40002, left=(40002,), state=TIME_WAIT)
    assert causes_of_hastened(mines=laid) == ["time_wait", "time_wait", "rst_dropped"]
    assert causes_of_hastened(mines=laid, rfc1337="1") == ["time_wait"] * 3


def test_before_linux_6_16_another_counter_has_what_time_wait_refuses():
    assert sum_paws({"PAWSEstab": 3, "PAWSTimewait": 0}) == ("PAWSTimewait", 0)
    assert sum_paws({"PAWSEstab": 3}) == ("PAWSEstab", 3)


def test_a_verdict_by_chance_says_when_nothing_showed():
    clashed, quiet = (a_dropping_router(translating("masquerade"), GIVEN_UP(), failed=count) for count in (1, 0))
    drawn = a_dropping_router(translating("masquerade fully-random"), GIVEN_UP(), failed=0)
    texts = [snat_race_verdict(run.storms()[0], None) for run in (clashed, quiet, drawn)]
    assert [text.split()[0] for text in texts] == ["In", "Inconclusive:", "In"]
    assert texts[0].startswith("In 1 of 3 rounds (33.3%)")


@pytest.mark.parametrize(
    ("action", "count"),
    [
        ("masquerade", 64512),
        ("masquerade fully-random", 64512),
        ("masquerade to :50000-50009", 10),
        ("snat ip to 198.18.1.1:50000-50099", 100),
        ("snat ip6 to [2001:2:0:1::1]:1024-1024", 1),
        ("snat ip to 198.18.1.1", None),
        ("snat ip to 198.18.1.1-198.18.1.9:1024-2000", None),
        ("dnat ip to 198.18.1.1:50000-50009", None),
    ],
)
def test_how_many_ports_a_rule_gives(action, count):
    assert count_ports(translating(action).world) == count
