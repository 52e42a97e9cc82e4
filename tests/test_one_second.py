# SPDX-License-Identifier: MIT
"""A firewall that answers challenge ACKs in the client's place: the scenario, its rules of proof, and near misses."""

import errno

import msgspec
import numpy as np
import pytest
from builders import COUNTERS, MS, SECOND, a_host, a_run, settings, the_attempts, the_mines
from namespaced import namespaced

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.summary import analyse
from stress.lab import firewall
from stress.model.acts import choose_acts
from stress.model.plan import EXTERNAL_SCENARIO, Close, Plan, Ports
from stress.model.world import FilterRule, Hook, Segment, World
from stress.storm.catalogue import SCENARIOS
from stress.storm.run_plan import carry_out

needs_nft = pytest.mark.skipif(not firewall.has_nft(), reason="nft is not installed (Debian package nftables)")

ESTABLISHED, FIN_WAIT_2 = 1, 5
INTERCEPTED = "challenge_intercepted"
WORLD = SCENARIOS["one-second"].plan.world
ANSWERED = (40000, 0, 1, 1020 * MS)  # one resend after the first timeout


@pytest.mark.parametrize("close", [Close.RST, Close.FIN, Close.DISCONNECT], ids=str)
@pytest.mark.parametrize("family", [4, 6])
@needs_nft
@namespaced
def test_each_mine_costs_one_attempt_a_whole_timeout_and_nobody_else_anything(family, close):
    """The rule counts what the kernel does: four counts are one number, and no TCP sends an RST for a mine."""
    findings = run_here(family, close)
    summary, attempts = findings.summary, findings.run.attempts
    assert (summary.collisions, summary.mines.hit, summary.mines.left, summary.causes[INTERCEPTED]) == (60, 60, 0, 60)
    assert (attempts["retransmits"] == findings.collided).all()
    assert not attempts["error"].any()
    assert attempts["latency_ns"][findings.collided].min() >= findings.ladder.rungs[0].from_ns
    assert {proof.rule for proof in summary.proofs if proof.cause == INTERCEPTED} == {f"{INTERCEPTED}.rule"}
    (act,) = findings.run.record.acts
    counters, connected = act.counters, len(attempts)
    equal = [counters[counter] for counter in ("TCPChallengeACK", "TCPSYNChallenge", "TCPSynRetrans")]
    assert [act.dropped["intercepted"], *equal] == [60] * 4
    closes = connected if close.sends_rst else 0
    assert counters["OutRsts"] - counters["EmbryonicRsts"] == closes
    assert act.dropped["syn-sent"] == counters["ActiveOpens"] + counters["TCPSynRetrans"]
    assert act.dropped["syn-answered"] == connected
    claims = {claim.counter: claim for claim in summary.books}
    assert all(claim.balanced for claim in claims.values())
    assert (claims["rule intercepted"].value, claims["TCPChallengeACK"].value) == (60, 60)


def run_here(family, close, act="firewall answers"):
    """Carry out the scenario, one sweep of 400 ports with 60 mines, and return its findings."""
    plan = choose_acts(SCENARIOS["one-second"].plan.with_family(family), [act])
    return analyse(carry_out(msgspec.structs.replace(plan, close=close, mines=60, port_range=(40000, 40399)))[0])


@pytest.mark.parametrize("family", [4, 6])
@needs_nft
@namespaced
def test_a_rule_that_accepts_established_connections_before_it_is_a_cure(family):
    findings = run_here(family, Close.FIN, "established accepted")
    summary = findings.summary
    assert (summary.collisions, summary.causes["closewait"], summary.causes[INTERCEPTED]) == (60, 60, 0)
    assert findings.run.record.acts[0].dropped["intercepted"] == 0
    assert all(claim.balanced for claim in summary.books)
    assert findings.run.attempts["latency_ns"][findings.collided].max() < findings.ladder.rungs[0].from_ns


def test_the_rule_knows_a_handshake_by_its_four_tuple_in_either_family():
    """It must be exact for connections that end by FIN: their last ACKs look like challenge ACKs."""
    (rule,) = (rule for rule in WORLD.rules if rule.sends_rst)
    assert (WORLD.interceptors, rule.stops) == ([rule.name], Segment.CHALLENGE)
    assert "@opening" in rule.match
    assert set(WORLD.sets) == {"opening"}


def causes_of(*rows, mines=(40000,), left=(), state=8, close=Close.FIN, world=None, **changes):
    """Return the causes of attempts (port, errno, retransmits, latency in ns) and of 3 that connected at once."""
    rows = (*rows, *((port, 0, 0, MS // 100) for port in (40001, 40002, 40003)))
    attempts = the_attempts(*(row[:3] for row in rows), latency_ns=[row[3] for row in rows])
    retransmits = int(attempts["retransmits"].sum())
    timed_out = int((attempts["error"] == errno.ETIMEDOUT).sum())
    counted = {"ActiveOpens": len(rows), "TCPSynRetrans": retransmits, "RetransSegs": retransmits}
    counted |= {"InSegs": retransmits, "TCPSYNChallenge": 1, "TCPChallengeACK": 1, "TCPAbortOnTimeout": timed_out}
    counters = dict.fromkeys(COUNTERS, 0) | counted | changes.pop("counters", {})
    scenario = "test" if world else EXTERNAL_SCENARIO  # of which there are no books
    plan = Plan(scenario=scenario, ports=Ports.SHUFFLE, close=close, world=world or World())
    host = a_host(kernel=changes.pop("kernel", "6.18.44"))
    sysctls = settings(tcp_syn_retries=1, tcp_syn_linear_timeouts=0, tcp_challenge_ack_limit=2**31 - 1)
    run = a_run(
        attempts, the_mines(*mines, left=left, state=state), plan,
        sysctls=sysctls, counters=counters, host=host, **changes,
    )  # fmt: skip
    return [CAUSES[code].value for code in analyse(run).causes][: len(rows) - 3]


def test_a_mine_that_no_tcp_cleared_was_cleared_by_a_firewall():
    assert causes_of(ANSWERED) == [INTERCEPTED]
    assert causes_of(ANSWERED, state=ESTABLISHED) == [INTERCEPTED]
    assert causes_of(ANSWERED, close=Close.RST, counters={"OutRsts": 4}) == [INTERCEPTED]


@pytest.mark.parametrize(
    "changes",
    [
        {"mines": ()},
        {"state": FIN_WAIT_2},  # it may have expired
        {"counters": {"OutRsts": 1}},  # some TCP sent an RST
        {"counters": {"TCPSYNChallenge": 2}},  # somebody else met a mine as well
        {"counters": {"TCPSYNChallenge": 0}},
        {"counters": {"TCPChallengeACK": 0}},  # the challenge ACK was withheld
        {"counters": {"ActiveOpens": 5}},  # somebody else sends SYNs
        {"counters": {"TCPAbortOnTimeout": 1}},  # an old socket may have ended by itself
        {"counters": {"TCPAbortOnData": 1}},  # its program may have ended it
        {"counters": {"TCPAbortOnClose": 1}},
        {"counters": {"EmbryonicRsts": 1, "ListenDrops": 1}},
        {"syn_sent_before": 1},
    ],
    ids=str,
)
def test_counters_alone_prove_nothing_where_another_end_of_the_old_socket_is_possible(changes):
    assert causes_of(ANSWERED, **changes) == ["unknown"]


def test_a_mine_that_is_still_there_was_not_cleared():
    assert INTERCEPTED not in causes_of(ANSWERED, left=(40000,))


def test_a_hastened_resend_and_a_second_one_are_not_intercepted():
    hastened, twice = (40000, 0, 1, 9 * MS), (40000, 0, 2, 3020 * MS)
    assert causes_of(hastened, counters={"OutRsts": 1}) == ["closewait"]
    assert INTERCEPTED not in causes_of(twice, counters={"TCPSYNChallenge": 2})
    assert INTERCEPTED not in causes_of((40000, errno.EINPROGRESS, 1, 1500 * MS))


def test_a_refusal_hides_an_rst():
    refused = (40000 + 7, errno.ECONNREFUSED, 0, MS)
    assert causes_of(ANSWERED, refused, counters={"OutRsts": 1})[0] == "unknown"


def test_near_causes_keep_their_names_next_to_it():
    """RSTs that were sent and lost, and challenge ACKs that were dropped: each has its own place in the sum."""
    lost_rst = (40010, errno.ETIMEDOUT, 1, 2008 * MS)
    lost_ack = (40011, errno.ETIMEDOUT, 1, 3 * SECOND)
    mines = {"mines": (40000, 40010), "left": (40010,)}
    sent = {"TCPSYNChallenge": 3, "TCPChallengeACK": 2, "TCPACKSkippedChallenge": 1, "OutRsts": 1}
    assert causes_of(ANSWERED, lost_rst, **mines, counters=sent) == [INTERCEPTED, "rst_dropped"]
    mines = {"mines": (40000, 40011), "left": (40011,)}
    sent = {"TCPSYNChallenge": 3, "TCPChallengeACK": 3}
    assert causes_of(ANSWERED, lost_ack, **mines, counters=sent) == [INTERCEPTED, "challenge_dropped"]
    rationed = (40012, 0, 2, 3020 * MS)
    mines = {"mines": (40000, 40012)}
    sent = {"TCPSYNChallenge": 3, "TCPChallengeACK": 2}
    assert causes_of(ANSWERED, rationed, **mines, counters=sent) == [INTERCEPTED, "challenge_limited"]
    answered_by_tcp = sent | {"OutRsts": 1}  # by which of the two nobody knows
    assert causes_of(ANSWERED, rationed, **mines, counters=answered_by_tcp) == ["unknown", "challenge_limited"]


def by_rule(answered, **changes):
    """Return the cause of an attempt whose challenge ACK may be one of those that the laboratory's rule answered."""
    return causes_of(ANSWERED, world=WORLD, dropped={"intercepted": answered} | dict.fromkeys(OTHERS, 9), **changes)


OTHERS = ("syn-sent", "syn-answered")


def test_the_laboratory_s_own_rule_is_proof_on_kernels_without_a_short_gap_and_for_any_state():
    assert by_rule(1) == [INTERCEPTED]
    assert by_rule(1, state=FIN_WAIT_2) == [INTERCEPTED]
    assert by_rule(1, kernel="5.5.0") == [INTERCEPTED]
    assert causes_of(ANSWERED, kernel="5.5.0") == ["closewait"]  # there the client's RST leaves the same gap


def test_a_mine_that_is_gone_was_met_where_the_rule_answered_as_often():
    """SYNs may be lost on their way to other mines: TCPSYNChallenge is not enough for those."""
    lost = (40020, errno.ETIMEDOUT, 1, 3 * SECOND)
    lose = FilterRule(name="lost", hook=Hook.INPUT, match="tcp dport {port}", stops=Segment.SYN)
    world = msgspec.structs.replace(WORLD, rules=[*WORLD.rules, lose])
    given = {"mines": (40000, 40020), "left": (40020,), "world": world}
    dropped = {"lost": 2} | dict.fromkeys(OTHERS, 9)
    causes = causes_of(ANSWERED, lost, **given, dropped=dropped | {"intercepted": 1})
    assert causes[0] == INTERCEPTED
    assert causes_of(ANSWERED, lost, **given, dropped=dropped | {"intercepted": 2})[0] == "unknown"


def test_a_rule_that_answered_more_or_less_than_was_sent_proves_nothing():
    """Of a socket in FIN_WAIT_2 counters alone prove nothing either."""
    assert by_rule(2, state=FIN_WAIT_2) == by_rule(0, state=FIN_WAIT_2) == ["unknown"]
    assert by_rule(1, counters={"TCPChallengeACK": 2, "TCPSYNChallenge": 2}) == ["unknown"]
    assert by_rule(0, counters={"OutRsts": 1}) == ["unknown"]


def test_what_is_possible_and_not_proved_is_a_bound():
    attempts = the_attempts((40000, 0, 1), latency_ns=[1020 * MS])
    counters = dict.fromkeys(COUNTERS, 0) | {"ActiveOpens": 1, "TCPSYNChallenge": 1, "TCPChallengeACK": 1, "OutRsts": 1}
    plan = Plan(scenario="test", ports=Ports.SHUFFLE, close=Close.FIN)
    run = a_run(attempts, the_mines(40000), plan, counters=counters, sysctls=settings(tcp_syn_retries=1))
    (bound,) = analyse(run).summary.bounds
    assert (bound.cause, bound.at_least, bound.at_most, bound.of) == (INTERCEPTED, 0, 1, 1)


def test_a_plan_with_its_rules_is_stored_and_read_as_it_was():
    plan = SCENARIOS["one-second"].plan
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
    assert plan.with_family(6).world == plan.world
    assert np.all([rule.on == "client" for rule in plan.world.rules])
